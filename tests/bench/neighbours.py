#!/usr/bin/env python3
"""What endpoints that hang cost the others: from insert to receipt, without them and with them.

    OUTHOOK_BUILD=build python3 tests/bench/neighbours.py [--runs N] [--seconds N] [--rate N]

The hung: 60 endpoints, each at an address of its own, that take the connection and say nothing for 30 s, with
2,000 rows each that were there first. The healthy: 200 endpoints, with `rate` inserts a second over all of
them by one connection, a commit each. Times are from the return of the commit to the first byte at the
receiver, from the daemon's readiness on; nothing is left out. Ends with 1 when the healthy ones' p99 with
the hung ones is 100 ms or more, or more than twice what it is without, in the median of the runs.
"""

import argparse
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import Daemon  # noqa: E402
from database import create, run, value  # noqa: E402
from light_receiver import LightReceiver  # noqa: E402
from waiting import wait_until  # noqa: E402

HUNG, ROWS, HEALTHY = 60, 2000, 200
P99_MAX_MS, RATIO_MAX = 100, 2


def prepare(db, receiver, hung):
    run(db, f"""INSERT INTO endpoints (name, url, timeout_ms, signing)
                SELECT 'good' || value, 'http://127.0.0.1:{receiver.answering}/' || value, 30000, 'none'
                FROM generate_series(1, {HEALTHY})""")
    if hung:
        run(db, f"""INSERT INTO endpoints (name, url, timeout_ms, signing)
                    SELECT 'hung' || value, 'http://127.0.1.' || value || ':{receiver.hanging}/', 30000, 'none'
                    FROM generate_series(1, {HUNG});
                    INSERT INTO webhooks (endpoint, payload)
                    SELECT 'hung' || (1 + value % {HUNG}), '{{}}' FROM generate_series(1, {HUNG * ROWS})""")


def insert_all(db, arguments):
    """Commits one webhook at a time, evenly; returns when each was committed."""
    committed, connection = [], sqlite3.connect(db, isolation_level=None, timeout=30)
    start = time.monotonic()
    for number in range(int(arguments.rate * arguments.seconds)):
        time.sleep(max(0, start + number / arguments.rate - time.monotonic()))
        connection.execute("INSERT INTO webhooks (endpoint, payload) VALUES (?, ?)",
                           (f"good{1 + number % HEALTHY}", f'{{"n":{number}}}'))
        committed.append(time.time())
    connection.close()
    return committed


def measure(arguments, hung):
    """Sorted milliseconds from commit to receipt."""
    with tempfile.TemporaryDirectory() as directory:
        db, receiver = create(pathlib.Path(directory) / "outhook.db"), LightReceiver()
        prepare(db, receiver, hung)
        daemon = Daemon(db, {"drain_timeout": "0s"}).wait_ready()
        try:
            committed = insert_all(db, arguments)
            wait_until(lambda: receiver.count() == len(committed), 60, "every healthy webhook has come")
            still = value(db, "SELECT count(*) FROM deliveries WHERE status = 'pending'")
            assert still >= (HUNG * ROWS if hung else 0), "the hung ones are still alive"
            waits = [1000 * (came - committed[number]) for number, came in receiver.arrivals()]
            daemon.stop()
            return sorted(waits)
        finally:
            if daemon.running:
                daemon.kill()
            receiver.stop()


def at(values, percent):
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="how long the healthy ones are sent to")
    parser.add_argument("--rate", type=float, default=400, help="inserts a second")
    arguments = parser.parse_args()
    p99s = {False: [], True: []}
    for number in range(arguments.runs):
        for hung in (False, True):
            waits = measure(arguments, hung)
            p99s[hung].append(at(waits, 99))
            print(f"run {number + 1}, {'with   ' if hung else 'without'} the hung: {len(waits)} webhooks, "
                  f"median {at(waits, 50):.2f} ms, p99 {at(waits, 99):.2f} ms, most {waits[-1]:.1f} ms", flush=True)
    without, together = (statistics.median(p99s[hung]) for hung in (False, True))
    ratio = statistics.median(b / a for a, b in zip(p99s[False], p99s[True]))
    print(f"p99, median of {arguments.runs}: without {without:.2f} ms, with {together:.2f} ms; ratio {ratio:.2f}; "
          f"allowed: {P99_MAX_MS} ms, {RATIO_MAX}")
    return 0 if together < P99_MAX_MS and ratio <= RATIO_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
