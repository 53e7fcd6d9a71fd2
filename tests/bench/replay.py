#!/usr/bin/env python3
"""Replays 1,000,000 failed deliveries while others write, and measures whom that keeps waiting.

    OUTHOOK_BUILD=build python3 tests/bench/replay.py [--rows N] [--rate N] [--daemon] [--verb replay|cancel|hold|purge]

Makes the database, then runs the command, and meanwhile times a producer's INSERTs, one after the other with a
pause between, on a connection that waits for locks as the documentation advises. Prints how long it took, the
command's largest memory, and how long the INSERTs took (what they take without the command is printed before).
Then does the same again, interrupted by Ctrl-C after a second and continued. Ends with 1 when an INSERT took
longer than 250 ms, or something was left undone.

An INSERT that meets a taken lock looks again after 1, 2, 5, 10, 15, 20, 25 … ms: that is SQLite's busy handler. So its
wait is a little longer than the lock was held; the lock itself is measured by asking for it every half millisecond.
"""

import argparse
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import BUILD, Daemon  # noqa: E402
from database import create, value  # noqa: E402

INSERT_MAX_S, LOCK_MAX_S = 0.25, 0.05
FINISHED = {"replay": "failed", "purge": "failed", "cancel": "pending", "hold": "pending"}


def fill(db, rows, status):
    """Straight into the tables: through the triggers it would take long."""
    connection = sqlite3.connect(db, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
                                  " AND tbl_name IN ('webhooks', 'deliveries')").fetchall()
    connection.execute("BEGIN")
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.executemany("INSERT INTO endpoints (name, url, enabled) VALUES (?, 'http://127.0.0.1:9/', 0)",
                           ((f"e{n}",) for n in range(100)))
    connection.execute("INSERT INTO endpoints (name, url, enabled) VALUES ('producer', 'http://127.0.0.1:9/', 0)")
    connection.executemany("INSERT INTO webhooks (endpoint, type, payload) VALUES ('e0', 'bench', ?)",
                           ((f'{{"n":{n},"padding":"{"x" * 400}"}}',) for n in range(rows)))
    connection.execute(f"""INSERT INTO deliveries (webhook_id, endpoint_id, status, attempts, due_at, created_at, finished_at,
                               last_status_code, last_error)
                           SELECT id, 1 + id % 100, '{status}', 3, created_at, created_at,
                               {"NULL" if status == "pending" else "created_at"}, 500, 'it answered 500' FROM webhooks""")
    connection.execute("UPDATE queue_depth SET pending = (SELECT count(*) FROM deliveries WHERE status = 'pending'),"
                       " max_pending = 100000000")
    for _, sql in triggers:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


class Producer(threading.Thread):
    """Times INSERTs."""

    def __init__(self, db):
        super().__init__()
        self.db, self.times, self.stopping = db, [], threading.Event()

    def run(self):
        connection = sqlite3.connect(self.db, timeout=20, isolation_level=None)
        while not self.stopping.wait(0.005):
            start = time.monotonic()
            connection.execute("INSERT INTO webhooks (endpoint, payload) VALUES ('producer', 'x')")
            self.times.append(time.monotonic() - start)
        connection.close()

    def stop(self):
        self.stopping.set()
        self.join()
        self.times.sort()
        return self.times


class LockProbe(threading.Thread):
    """Asks for the write lock over and over, and notes for how long it was taken at a stretch."""

    def __init__(self, db):
        super().__init__()
        self.db, self.longest, self.stopping = db, 0, threading.Event()

    def run(self):
        connection = sqlite3.connect(self.db, timeout=0, isolation_level=None)
        since = None
        while not self.stopping.is_set():
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
                if since:
                    self.longest = max(self.longest, time.monotonic() - since)
                since = None
            except sqlite3.OperationalError:
                since = since or time.monotonic()
            time.sleep(0.0005)
        connection.close()


def describe(times):
    pick = lambda part: times[min(len(times) - 1, int(len(times) * part))] * 1000  # noqa: E731
    return f"{len(times)} INSERTs: median {pick(.5):.2f} ms, 99 % {pick(.99):.1f} ms, longest {times[-1] * 1000:.1f} ms"


def command(db, arguments, *more):
    words = [BUILD / "outhook", arguments.verb, "--database", db, "--type", "bench", "--yes", *more]
    if arguments.rate and arguments.verb == "replay":
        words += ["--rate", arguments.rate]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def measured(db, arguments, interrupt_after=None):
    """Runs the command beside a producer; returns (its output, INSERT times, longest lock, seconds, its MiB)."""
    producer, probe, start = Producer(db), LockProbe(db), time.monotonic()
    producer.start()
    probe.start()
    running = command(db, arguments)
    if interrupt_after:
        time.sleep(interrupt_after)
        running.send_signal(signal.SIGINT)
    said = running.stdout.read() + running.stderr.read()
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    probe.stopping.set()
    probe.join()
    return said.strip(), producer.stop(), probe.longest, seconds, usage.ru_maxrss >> 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", help="for replay: so many a second")
    parser.add_argument("--verb", choices=FINISHED, default="replay")
    parser.add_argument("--daemon", action="store_true", help="with a daemon beside it (all endpoints are disabled)")
    parser.add_argument("--directory", help="where to make the database")
    arguments = parser.parse_args()
    failed = False
    for interrupt_after in (None, 1):
        with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
            db = create(pathlib.Path(directory) / "outhook.db")
            fill(db, arguments.rows, FINISHED[arguments.verb])
            daemon = Daemon(db, {"max_pending": 100000000, "log_level": "warning"}) if arguments.daemon else None
            open_end = sqlite3.connect(db)  # as the last connection to close would take the log away
            open_end.execute("SELECT 1 FROM endpoints LIMIT 1").fetchall()
            alone = Producer(db)
            alone.start()
            time.sleep(2)
            print(f"alone: {describe(alone.stop())}", flush=True)
            said, times, longest, seconds, mib = measured(db, arguments, interrupt_after)
            print(f"{arguments.verb}, {seconds:.1f} s: {said}\n  {describe(times)}; the lock was held for "
                  f"{longest * 1000:.1f} ms at most\n  the log has {os.path.getsize(str(db) + '-wal') >> 20} MiB, "
                  f"the command took {mib} MiB at most", flush=True)
            if interrupt_after:
                out, _ = command(db, arguments).communicate()
                print(f"continued: {out.strip()}")
            status = "failed" if arguments.verb in ("replay", "purge") else "pending"
            left = value(db, f"SELECT count(*) FROM deliveries WHERE status = '{status}' AND held = 0 "
                             "AND endpoint_id <= 100")
            failed |= left != 0 or times[-1] > INSERT_MAX_S
            print(f"  left undone: {left}; longest lock {'within' if longest <= LOCK_MAX_S else 'BEYOND'} 50 ms", flush=True)
            open_end.close()
            if daemon:
                daemon.stop()
    sys.exit(failed)


if __name__ == "__main__":
    main()
