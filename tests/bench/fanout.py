#!/usr/bin/env python3
"""How long one INSERT holds the write lock when it goes to many subscribers.

    python3 tests/bench/fanout.py [--subscribers N] [--runs N]

By the stock sqlite3 command, a transaction of its own, with its durable commit. The lock is held from the
first row on, so the command's own time (.timer) is the most that anybody waits. Ends with 1 when the
slowest took 250 ms or more. Beside it, what a webhook to one endpoint costs in one large transaction.
"""

import argparse
import pathlib
import re
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from database import create, run, sqlite_script, value  # noqa: E402

HELD_MAX_MS = 250
SINGLES = 20_000


def prepare(db, subscribers):
    run(db, f"""INSERT INTO endpoints (name, url)
                SELECT 'e' || value, 'https://host' || value || '.example/hook' FROM generate_series(1, {subscribers});
                INSERT INTO subscriptions SELECT id, 'invoice.*' FROM endpoints;
                INSERT INTO subscriptions SELECT id, '*.paid' FROM endpoints WHERE id % 2;
                INSERT INTO subscriptions SELECT id, 'user.*' FROM endpoints""")


def fan_out(db):
    """Milliseconds of one insert."""
    out = sqlite_script(db, """.timer on
                               INSERT INTO webhooks (type, payload) VALUES ('invoice.paid', '{"id":17}');""")
    return 1000 * float(re.search(r"real ([\d.]+)", out).group(1))


def single(db):
    """Microseconds a webhook to one endpoint."""
    connection = sqlite3.connect(db, isolation_level=None)
    start = time.monotonic()
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO webhooks (endpoint, type, payload) VALUES ('e1', 'invoice.paid', ?)",
                           ((f'{{"id":{n}}}',) for n in range(SINGLES)))
    connection.execute("COMMIT")
    connection.close()
    return 1e6 * (time.monotonic() - start) / SINGLES


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        db = create(pathlib.Path(directory) / "outhook.db")
        prepare(db, arguments.subscribers)
        held = sorted(fan_out(db) for _ in range(arguments.runs))
        assert value(db, "SELECT count(*) FROM deliveries") == arguments.subscribers * arguments.runs
        print(f"one INSERT to {arguments.subscribers} subscribers: median {statistics.median(held):.0f} ms, "
              f"most {held[-1]:.0f} ms of {arguments.runs} (allowed: {HELD_MAX_MS} ms)")
        costs = sorted(single(db) for _ in range(5))
        print(f"a webhook to one endpoint: {statistics.median(costs):.1f} us ({costs[0]:.1f} to {costs[-1]:.1f})")
    return 0 if held[-1] < HELD_MAX_MS else 1


if __name__ == "__main__":
    sys.exit(main())
