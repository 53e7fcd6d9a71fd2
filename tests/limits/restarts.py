#!/usr/bin/python3
"""Starts and stops daemons at random instants while there is work, four databases at once.

    OUTHOOK_BUILD=build /usr/bin/python3 tests/limits/restarts.py [--times 10000] [--seed 1] [--slow 1]

--slow: so many times longer until it is stopped, for a build with a sanitizer (4 with ThreadSanitizer, which needs
setarch -R before it, and TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp).
"""

import argparse
import collections
import concurrent.futures
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import Daemon  # noqa: E402
from database import create, query, wait_settled  # noqa: E402
from receivers import Receiver, answer  # noqa: E402
from restarts import Restarts, insert  # noqa: E402

DATABASES = 4
WORK_EVERY = 50  # starts


def one_database(directory, number, times, seed, slow):
    db = create(directory / f"{number}.db")
    receiver = Receiver()
    receiver.on(None, answer(200, delay=0.005))
    restarts = Restarts(db, f"{seed}.{number}", slow)
    inserted = 0
    for count in range(times):
        if count % WORK_EVERY == 0:
            insert(db, receiver.url(""), 200)
            inserted += 200
            restarts.check()
        restarts.once()
    last = Daemon(db, {"retry_schedule": "10ms"}).wait_ready()
    wait_settled(db)
    last.stop()
    restarts.check()
    receiver.stop()
    assert query(db, "SELECT status, count(*) AS n FROM deliveries GROUP BY status") == \
        [{"status": "delivered", "n": inserted}]
    received = collections.Counter(int(request.body) for request in receiver.got())
    assert len(received) == 200 and min(received.values()) >= inserted // 200
    return restarts.ways, inserted, sum(received.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slow", type=float, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    ways, inserted, received = collections.Counter(), 0, 0
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(DATABASES) as pool:
        done = [pool.submit(one_database, pathlib.Path(directory), number, arguments.times // DATABASES,
                            arguments.seed, arguments.slow) for number in range(DATABASES)]
        for future in done:
            of_one, inserted_one, received_one = future.result()
            ways.update(of_one)
            inserted, received = inserted + inserted_one, received + received_one
    print(f"{sum(ways.values())} starts and stops in {time.monotonic() - began:.0f} s: "
          + ", ".join(f"{count} {way}" for way, count in ways.most_common())
          + f"; {inserted} webhooks delivered by {received} calls")


if __name__ == "__main__":
    main()
