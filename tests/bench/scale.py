#!/usr/bin/env python3
"""Start and memory with 100,000 endpoints and 10,000,000 pending deliveries.

    OUTHOOK_BUILD=build python3 tests/bench/scale.py [--endpoints N] [--rows N] [--seconds N] [--directory D]

Makes the database (1.5 GB for the full size), drops it from the page cache where that is allowed, starts the
daemon, and prints how long it took from the start of the process to the first byte at the receiver, and the
resident memory while it drains. The endpoints have an address each, so that they are as many origins. Ends
with 1 when the first delivery took 2 s or more, memory reached 200 MiB, or grew by more than a tenth after
the first quarter of the time.
"""

import argparse
import os
import pathlib
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import Daemon  # noqa: E402
from database import create, value  # noqa: E402
from light_receiver import LightReceiver  # noqa: E402

START_MAX_S, MEMORY_MAX_MIB, GROWTH_MAX = 2, 200, 1.1


def fill_straight(db, urls, rows, signing="none"):
    """Straight into the tables, indexes last: through the triggers it would take a quarter of an hour. Each webhook
    goes to all of the URLs, an endpoint each."""
    connection = sqlite3.connect(db, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    indexes = connection.execute("SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'deliveries' AND type = 'index'"
                                 " AND sql IS NOT NULL").fetchall()
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
                                  " AND tbl_name IN ('webhooks', 'deliveries')").fetchall()
    connection.execute("BEGIN")
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.executemany("INSERT INTO endpoints (name, url, signing) VALUES (?, ?, ?)",
                           ((f"e{n}", url, signing) for n, url in enumerate(urls)))
    connection.executemany("INSERT INTO webhooks (type, payload) VALUES ('scale', ?)", (
        (f'{{"n":{n},"padding":"{"x" * 480}"}}',) for n in range(rows // len(urls))))
    connection.execute("""INSERT INTO deliveries (webhook_id, endpoint_id, due_at, created_at)
                          SELECT w.id, e.id, w.created_at, w.created_at FROM webhooks AS w, endpoints AS e""")
    connection.execute("UPDATE queue_depth SET pending = (SELECT count(*) FROM deliveries), max_pending = 100000000")
    for _, sql in indexes + triggers:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def scale_urls(port, count):
    return [f"http://127.{1 + (n >> 16)}.{n >> 8 & 255}.{n & 255}:{port}/" for n in range(count)]


def forget_cached_pages():
    try:
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1")
        return "cold"
    except OSError:
        return "warm"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=60, help="how long to watch it drain")
    parser.add_argument("--directory", help="where to make the database")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        db, receiver = create(pathlib.Path(directory) / "outhook.db"), LightReceiver()
        start = time.monotonic()
        fill_straight(db, scale_urls(receiver.answering, arguments.endpoints), arguments.rows)
        print(f"{arguments.rows} deliveries to {arguments.endpoints} endpoints, {db.stat().st_size / 2**20:.0f} MiB, "
              f"made in {time.monotonic() - start:.0f} s; page cache {forget_cached_pages()}", flush=True)
        start = time.time()
        daemon = Daemon(db, {"max_pending": 100_000_000, "drain_timeout": "5s", "log_level": "warning"})
        try:
            while not receiver.count():
                time.sleep(0.01)
            first = receiver.arrivals()[0][1] - start
            print(f"first delivery {first:.2f} s after the start", flush=True)
            samples, until = [], time.monotonic() + arguments.seconds
            while time.monotonic() < until:
                time.sleep(2)
                samples.append(daemon.memory() / 2**20)
                print(f"{time.time() - start:6.0f} s  {receiver.count():>9} delivered  VmRSS {samples[-1]:6.1f} MiB",
                      flush=True)
            settled, most = samples[len(samples) // 4], max(samples)
            rate = receiver.count() / (time.time() - start)
            daemon.stop()
            left = value(db, "SELECT pending FROM queue_depth")
            print(f"most {most:.1f} MiB (allowed: {MEMORY_MAX_MIB}), {settled:.1f} MiB after a quarter of the time; "
                  f"{rate:.0f} deliveries/s; {left} still pending")
            good = first < START_MAX_S and most < MEMORY_MAX_MIB and most <= settled * GROWTH_MAX
            return 0 if good else 1
        finally:
            if daemon.running:
                daemon.kill()
            receiver.stop()


if __name__ == "__main__":
    sys.exit(main())
