"""The part about producers: what an INSERT costs them, and how often one that does not wait meets a lock."""

import shutil
import sqlite3
import threading
import time

from daemon import Daemon
from database import run, sqlite
from drain import seal_template, wait_for
from figures import Figure
from measure import Sink, fill, make_database, statistics

ENDPOINTS = 100
INSERT = "INSERT INTO webhooks (endpoint, type, payload) VALUES (?, 'invoice.paid', ?)"
PAYLOAD = '{"padding":"' + "x" * 490 + '"}'


class Delivering:
    """A daemon that delivers a backlog, at full speed or at so many a second over all endpoints."""

    def __init__(self, suite, rows, per_second=None):
        self.directory = suite.new_directory()
        self.sink = Sink(self.directory)
        columns = f", rate_limit = {per_second / ENDPOINTS}, rate_burst = 2" if per_second else ""
        self.db = make_database(self.directory / "outhook.db", self.sink.urls(ENDPOINTS), columns)
        # Where the probes go to: they cost nothing but their commits.
        run(self.db, "INSERT INTO endpoints (name, url, enabled) VALUES ('probe', 'http://127.0.0.1:9/', 0)")
        fill(self.db, rows, ENDPOINTS)
        seal_template(self.db)
        self.daemon = None

    def start(self):
        self.daemon = Daemon(self.db, {"log_level": "warning", "drain_timeout": "1s"})
        wait_for(lambda: self.sink.requests > ENDPOINTS * 4, "nothing came", self.daemon)
        return self

    def close(self):
        if self.daemon:
            self.daemon.stop()
        self.sink.stop()
        shutil.rmtree(self.directory)


# ---- cost ----------------------------------------------------------------------------------------


def insert_many(db, rows):
    """Microseconds a row, in transactions of 500."""
    connection = sqlite3.connect(db, isolation_level=None, timeout=20)
    start = time.monotonic()
    for _ in range(rows // 500):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, (("probe", PAYLOAD) for _ in range(500)))
        connection.execute("COMMIT")
    seconds = time.monotonic() - start
    connection.close()
    return 1e6 * seconds / rows


def insert_singly(db, rows):
    """Microseconds a row, each in a transaction of its own, durable: the median, as a few wait for the disk."""
    connection, times = sqlite3.connect(db, isolation_level=None, timeout=20), []
    for _ in range(rows):
        start = time.monotonic()
        connection.execute(INSERT, ("probe", PAYLOAD))
        times.append(1e6 * (time.monotonic() - start))
    connection.close()
    return statistics.median(times)


def costs(suite):
    many, single = suite.size(20_000, 5_000), suite.size(1_000, 200)
    values = {(how, when): [] for how in (insert_many, insert_singly) for when in ("alone", "while delivering")}
    for _ in suite.rounds():
        one = Delivering(suite, suite.size(200_000, 60_000))
        for when in ("alone", "while delivering"):
            if when == "while delivering":
                one.start()
            values[insert_singly, when].append(insert_singly(one.db, single))
            values[insert_many, when].append(insert_many(one.db, many))
        one.close()
    names = {insert_many: "a row, 500 a transaction", insert_singly: "a row, each its own durable transaction"}
    return [Figure(f"{names[how]}, {when}", numbers, "us") for (how, when), numbers in values.items()]


# ---- locks ---------------------------------------------------------------------------------------


def probe(db, count, locked):
    for _ in range(count):
        status, _, error = sqlite(db, "INSERT INTO webhooks (endpoint, payload) VALUES ('probe', '{}')")
        if status and "locked" not in error:
            raise SystemExit(f"sqlite3: {error}")
        locked.append(bool(status))
        time.sleep(0.001)


def share_locked(suite, per_second, probes):
    """Percent of the probes that met a lock, and how many deliveries a second there were."""
    one, locked = Delivering(suite, int(per_second * probes * 0.012) + 10_000, per_second).start(), []
    before, start = one.sink.requests, time.monotonic()
    thread = threading.Thread(target=probe, args=(one.db, probes, locked))
    thread.start()
    thread.join()
    rate = (one.sink.requests - before) / (time.monotonic() - start)
    one.close()
    return 100 * sum(locked) / len(locked), rate


def part_g(suite):
    """what enqueueing costs, and how often a CLI INSERT without a busy timeout meets a lock"""
    result, probes = costs(suite), suite.size(500, 150)
    for per_second in (100, 1_000, 10_000):
        shares, rates = zip(*(share_locked(suite, per_second, probes) for _ in suite.rounds()))
        result.append(Figure(f"met a lock at {per_second:,} deliveries/s", list(shares), "%",
                             ("<", 1) if per_second == 1_000 else None,
                             f"{statistics.median(rates):,.0f}/s in fact, {probes} probes a round"))
    return result
