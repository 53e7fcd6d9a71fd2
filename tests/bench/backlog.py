#!/usr/bin/env python3
"""The daemon's memory while a million rows wait for receivers that hang.

    OUTHOOK_BUILD=build python3 tests/bench/backlog.py [--rows N] [--endpoints N] [--seconds N]

Prints VmRSS every two seconds while the rows are inserted and for a while after, and the maximum.
"""

import argparse
import pathlib
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import Daemon  # noqa: E402
from database import add_endpoint, create, run, value  # noqa: E402
from receivers import Receiver, hang  # noqa: E402

LIMIT = 64


def fill(db, arguments):
    """Inserts the rows in transactions of ten thousand, spread over the endpoints."""
    step = 10_000
    for first in range(0, arguments.rows, step):
        last = min(first + step, arguments.rows) - 1
        run(db, f"""INSERT INTO webhooks (endpoint, payload)
                    SELECT 'e' || (value % {arguments.endpoints}), '{{"n":' || value || ',"padding":"{"x" * 400}"}}'
                    FROM generate_series({first}, {last})""")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--endpoints", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30, help="how long to watch after the last insert")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as directory:
        db, receiver = create(pathlib.Path(directory) / "outhook.db"), Receiver(hang)
        for number in range(arguments.endpoints):
            add_endpoint(db, f"e{number}", receiver.url())
        daemon = Daemon(db, {"timeout": "5s", "breaker_failures": 1000, "drain_timeout": "1s"}).wait_ready()
        try:
            start, most, until = time.monotonic(), 0, None
            filler = threading.Thread(target=fill, args=(db, arguments), daemon=True)
            filler.start()
            while until is None or time.monotonic() < until:
                time.sleep(2)
                memory = daemon.memory() / 2**20
                most = max(most, memory)
                print(f"{time.monotonic() - start:6.0f} s  {value(db, 'SELECT pending FROM queue_depth'):>9} pending  "
                      f"{receiver.in_flight:>4} in flight  {len(receiver.got()):>7} requests  VmRSS {memory:6.1f} MiB",
                      flush=True)
                if until is None and not filler.is_alive():
                    until = time.monotonic() + arguments.seconds
            print(f"most: {most:.1f} MiB, peak by the kernel (VmHWM): {daemon.memory('VmHWM') / 2**20:.1f} MiB, "
                  f"allowed: {LIMIT} MiB")
            daemon.stop()
            return 0 if most < LIMIT else 1
        finally:
            if daemon.running:
                daemon.kill()
            receiver.stop()


if __name__ == "__main__":
    sys.exit(main())
