#!/usr/bin/env python3
"""A month of 100 webhooks a second, scaled down: the file stays bounded, and nobody waits for the deletions.

    OUTHOOK_BUILD=build python3 tests/bench/retention.py [--day S] [--per-day N] [--days N] [--payload BYTES]

A day is a few seconds here, and brings as many deliveries as fit; the setting is retain_delivered = 7 such days.
Each day's deliveries are written in bulk, as delivered just now, with an attempt each. Beside that, a producer
inserts webhooks one by one that the daemon delivers, and the time from commit to arrival is taken. Before that, the
same is done for 10 days without retention. Prints the file's size at the end of each day, the times, and how much of
one core the daemon used. Ends with 1 when the file grew by more than a quarter after day 10, or when there were ever
more rows than of 9 days.

The whole month, 259 million rows, goes the same way in slices of the same size: what a slice costs does not depend
on how many rows there are (tests/unit/test_store_retention.c pins the plans of its statements). At the real pace
100 rows a second have to go; the last line says how many a second went here.
"""

import argparse
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import Daemon  # noqa: E402
from database import ENVIRONMENT, add_endpoint, create, value  # noqa: E402
from light_receiver import LightReceiver  # noqa: E402
from notice import cpu_seconds  # noqa: E402

SLICE = 500  # rows of a bulk transaction, so that these don't make the producer wait either
RETAINED_DAYS = 7


class Bulk:
    """Writes deliveries as the daemon would, triggers off."""

    def __init__(self, db, payload_bytes):
        self.process = subprocess.Popen(["sqlite3", "-batch", str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=ENVIRONMENT)
        self.slice = f"""
            BEGIN IMMEDIATE;
            DELETE FROM first;
            INSERT INTO first SELECT coalesce(max(id), 0) FROM webhooks;
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {SLICE})
            INSERT INTO webhooks (endpoint, type, payload) SELECT 'live', 'bulk', hex(zeroblob({payload_bytes // 2})) FROM n;
            INSERT INTO deliveries (webhook_id, endpoint_id, status, attempts, due_at, created_at, finished_at)
            SELECT id, 1, 'delivered', 1, created_at, created_at, created_at FROM webhooks
            WHERE id > (SELECT id FROM first);
            INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms, status_code)
            SELECT id, 1, 'delivered', created_at, 1, 200 FROM deliveries WHERE webhook_id > (SELECT id FROM first);
            COMMIT;\n"""
        self.run(".timeout 20000\n.dbconfig enable_trigger off\nPRAGMA synchronous = NORMAL;\n"
                 "PRAGMA wal_autocheckpoint = 0;\nCREATE TEMP TABLE first (id);\n")

    def run(self, script):
        self.process.stdin.write(script + "SELECT 'done';\n")
        self.process.stdin.flush()
        while self.process.stdout.readline() not in ("done\n", ""):
            pass

    def day(self, count, until):
        """Writes so many rows, spread over the time until then; returns how many were done in time."""
        start, done = time.monotonic(), 0
        while done < count and time.monotonic() < until:
            self.run(self.slice)
            done += SLICE
            time.sleep(max(0, start + (until - start) * done / count - time.monotonic()))
        return done

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Live(threading.Thread):
    """Inserts a webhook every 20 ms, by a connection of its own, and notes when each was committed."""

    def __init__(self, db):
        super().__init__()
        self.db, self.committed, self.stopping = db, [], threading.Event()

    def run(self):
        connection = sqlite3.connect(self.db, timeout=20, isolation_level=None)
        while not self.stopping.wait(0.02):
            connection.execute("INSERT INTO webhooks (endpoint, payload) VALUES ('live', ?)",
                               (f'{{"n":{len(self.committed)}}}',))
            self.committed.append(time.time())
        connection.close()


def month(arguments, days, retained):
    """Returns (file sizes in MiB by day, most deliveries at a day's end, latencies in ms, CPU %, rows a second deleted)."""
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        db, receiver = create(pathlib.Path(directory) / "outhook.db"), LightReceiver()
        add_endpoint(db, "live", f"http://127.0.0.1:{receiver.answering}/", signing="none")
        keep = f"{int(RETAINED_DAYS * arguments.day * 1000)}ms" if retained else "0s"
        daemon = Daemon(db, {"retain_delivered": keep, "log_level": "warning"})
        bulk, live = Bulk(db, arguments.payload), Live(db)
        live.start()
        sizes, most, written, start = [], 0, 0, time.monotonic()
        cpu = cpu_seconds(daemon.pid)
        for day in range(days):
            written += bulk.day(arguments.per_day, start + (day + 1) * arguments.day)
            time.sleep(max(0, start + (day + 1) * arguments.day - time.monotonic()))
            sizes.append(os.path.getsize(db) / 2**20)
            most = max(most, value(db, "SELECT count(*) FROM deliveries"))
            print(f"\r{'with' if retained else 'without'} retention, day {day + 1}: {sizes[-1]:.0f} MiB ", end="", flush=True)
        print()
        cpu = 100 * (cpu_seconds(daemon.pid) - cpu) / (time.monotonic() - start)
        live.stopping.set()
        live.join()
        time.sleep(1)
        arrivals = dict(receiver.arrivals())
        times = sorted(1000 * (arrivals[n] - at) for n, at in enumerate(live.committed) if n in arrivals)
        assert len(times) == len(live.committed), "all have arrived"
        deleted = (written + len(times) - value(db, "SELECT count(*) FROM deliveries")) / (time.monotonic() - start)
        bulk.close()
        daemon.stop()
        receiver.stop()
        return sizes, most, times, cpu, deleted


def describe(times):
    def at(part):
        return times[min(len(times) - 1, int(len(times) * part))]
    return f"{len(times)} webhooks from commit to arrival: median {at(.5):.2f} ms, 99 % {at(.99):.2f} ms, most {times[-1]:.1f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--day", type=float, default=6, help="seconds of a day")
    parser.add_argument("--per-day", type=int, default=12000, help="deliveries of a day")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--payload", type=int, default=1000, help="bytes of a payload")
    parser.add_argument("--directory", help="where to make the database")
    arguments = parser.parse_args()
    _, _, times, cpu, _ = month(arguments, 10, False)
    print(f"without: {describe(times)}; {cpu:.1f} % of a core")
    sizes, most, times, cpu, deleted = month(arguments, arguments.days, True)
    print(f"with:    {describe(times)}; {cpu:.1f} % of a core")
    print("MiB by day:", " ".join(f"{size:.0f}" for size in sizes))
    print(f"at most {most} deliveries at a day's end ({most / arguments.per_day:.1f} days'), {deleted:.0f} deleted a second")
    sys.exit(max(sizes[10:]) > 1.25 * max(sizes[:10]) or most > 9 * arguments.per_day)


if __name__ == "__main__":
    main()
