"""Parts about what the daemon takes without doing much: memory and start with many rows, and CPU when idle."""

import time

from daemon import Daemon
from database import create
from drain import wait_for
from figures import Figure
from measure import Sink, cpu_seconds, make_database, proportional_bytes, resident_bytes
from scale import fill_straight

ENDPOINTS = 100
MIB = 2**20


def sizes(suite):
    return [10**power for power in range(3, suite.size(7, 5) + 1)]


class Backlog:
    """So many pending rows, and a receiver for them. Made once, as the largest takes a while."""

    made = {}

    def __new__(cls, suite, rows):
        if (suite, rows) not in cls.made:
            cls.made[suite, rows] = super().__new__(cls)
            cls.made[suite, rows].prepare(suite, rows)
        return cls.made[suite, rows]

    def prepare(self, suite, rows):
        self.directory = suite.new_directory()
        self.sink = Sink(self.directory)
        self.db = create(self.directory / "outhook.db")
        fill_straight(self.db, self.sink.urls(ENDPOINTS), rows, "standard")

    def start(self):
        """A daemon on it, and the seconds until the first delivery came. It delivers slowly enough to last."""
        before, start = self.sink.requests, time.monotonic()
        daemon = Daemon(self.db, {"log_level": "warning", "max_pending": 100_000_000, "drain_timeout": "1s"})
        wait_for(lambda: self.sink.requests > before, "nothing came", daemon)
        return daemon, time.monotonic() - start


def part_i(suite):
    """resident memory against pending rows, while they are delivered"""
    result, medians = [], []
    for rows in sizes(suite):
        one, most, share = Backlog(suite, rows), [], []
        for _ in range(suite.size(2, 1)):
            if one.sink.requests >= rows * 0.9:
                break
            daemon, _ = one.start()
            until = time.monotonic() + suite.size(4, 2)
            while time.monotonic() < until and one.sink.requests < rows * 0.9:
                time.sleep(0.01)
            most.append(resident_bytes(daemon.pid, "VmHWM") / MIB)
            share.append(proportional_bytes(daemon.pid) / MIB)
            daemon.stop()
        result.append(Figure(f"{rows:,} pending: most memory (VmHWM)", most, "MiB"))
        result.append(Figure(f"{rows:,} pending: proportional share (PSS)", share, "MiB"))
        medians.append(result[-2].median)
    # With fewer rows than that, not all of what is bounded is in use.
    settled = medians[2:] or medians
    return [*result, Figure("largest, of that at 100,000 pending", [max(settled) / settled[0]], "ratio", ("<", 1.1))]


def part_j(suite):
    """from the start of the process to the first delivery, against pending rows"""
    result = []
    for rows in sizes(suite):
        one, times = Backlog(suite, rows), []
        if one.sink.requests >= rows * 0.9:  # the part about memory has delivered them
            del Backlog.made[suite, rows]
            one = Backlog(suite, rows)
        for _ in suite.rounds():
            if one.sink.requests >= rows * 0.9:
                break
            daemon, seconds = one.start()
            times.append(1000 * seconds)
            daemon.kill()
        result.append(Figure(f"{rows:,} pending", times, "ms", ("<", 2000) if rows == 10**7 else None))
    return result


def part_k(suite):
    """CPU of a daemon that has nothing to do"""
    directory, seconds, values = suite.new_directory(), suite.size(20, 3), []
    sink = Sink(directory)
    db = make_database(directory / "outhook.db", sink.urls(ENDPOINTS))
    daemon = Daemon(db, {"log_level": "warning"})
    time.sleep(suite.size(30, 2))  # by then its looks are as rare as they get
    for _ in suite.rounds():
        before, start = cpu_seconds(daemon.pid), time.monotonic()
        time.sleep(seconds)
        values.append(100 * (cpu_seconds(daemon.pid) - before) / (time.monotonic() - start))
    memory = resident_bytes(daemon.pid) / MIB
    daemon.stop()
    sink.stop()
    return [Figure("idle", values, "% of a core", ("<", 0.2)), Figure("idle: resident memory", [memory], "MiB")]
