"""Parts about time: from a webhook's commit to its first byte at the receiver."""

import json
import os
import pathlib
import pty
import random
import shutil
import sqlite3
import subprocess
import sys
import time

from daemon import Daemon
from database import ENVIRONMENT, sqlite
from drain import wait_for
from figures import Figure
from measure import Sink, make_database, percentile

ENDPOINTS = 100
PERCENTILES = (50, 99, 99.9)


# ---- sustained -----------------------------------------------------------------------------------


class Sustained:
    """A daemon and its receiver, for producers to insert for."""

    def __init__(self, suite):
        self.directory = suite.new_directory()
        self.sink, self.next = Sink(self.directory), 0
        self.db = make_database(self.directory / "outhook.db", self.sink.urls(ENDPOINTS))
        self.daemon = Daemon(self.db, {"log_level": "warning"})
        wait_for(lambda: (self.directory / "outhook.db-wal").exists(), "it does not start", self.daemon)

    def produce(self, rate, seconds, ahead=None):
        """[first, count, committed at ns] of each transaction, when all of them have been delivered."""
        before = self.sink.requests
        command = [sys.executable, "-B", pathlib.Path(__file__).with_name("producer.py"), self.db,
                   self.directory / "sink.state", "--rate", rate, "--seconds", seconds, "--endpoints", ENDPOINTS,
                   "--first", self.next] + (["--ahead", ahead] if ahead else [])
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the producer failed: {done.stderr}")
        batches = json.loads(done.stdout)
        total = sum(count for _, count, _ in batches)
        self.next += total
        wait_for(lambda: self.sink.requests >= before + total, "not everything came", self.daemon)
        return batches

    def capacity(self, seconds):
        """Deliveries a second while a producer inserts as fast as that, never far ahead."""
        batches = self.produce(1e9, seconds, ahead=20_000)
        first, last = batches[0], batches[-1]
        times = sorted(self.sink.arrived_at(n) for n in range(first[0], last[0] + last[1]))
        low, high = len(times) // 5, len(times) * 4 // 5
        return (high - low) / (times[high] - times[low])

    def latencies(self, rate, seconds):
        """Milliseconds, sorted, without the first second; and the rate that came of it."""
        batches = self.produce(rate, seconds)
        begin = batches[0][2] + 1_000_000_000
        kept = [(n, at) for first, count, at in batches if at >= begin for n in range(first, first + count)]
        times = sorted(1000 * (self.sink.arrived_at(n) - at / 1e9) for n, at in kept)
        return times, len(kept) / ((kept[-1][1] - kept[0][1]) / 1e9)

    def close(self):
        self.daemon.stop()
        self.sink.stop()
        shutil.rmtree(self.directory)


def part_e(suite):
    """sustained: producers at 50, 80 and 95 % of capacity; from commit to receipt"""
    shares, seconds = (50, 80, 95), suite.size(6, 3)
    times = {(share, percent): [] for share in shares for percent in PERCENTILES}
    rates, capacities = {share: [] for share in shares}, []
    for _ in suite.rounds():
        one = Sustained(suite)
        capacities.append(one.capacity(suite.size(4, 2)))
        for share in shares:
            values, rate = one.latencies(capacities[-1] * share / 100, seconds)
            rates[share].append(rate / capacities[-1])
            for percent in PERCENTILES:
                times[share, percent].append(percentile(values, percent))
        one.close()
    result = [Figure("capacity with a producer", capacities, "deliveries/s")]
    for share in shares:
        result.append(Figure(f"at {share} %: inserted, of capacity", rates[share], "ratio"))
        result += [Figure(f"at {share} %: p{percent:g}", times[share, percent], "ms",
                          ("<", 20) if (share, percent) == (80, 99) else None) for percent in PERCENTILES]
    return result


# ---- idle ----------------------------------------------------------------------------------------


class Producers:
    """Ways to insert a single webhook; each returns the wall time in ns when its commit was known of."""

    def __init__(self, db):
        self.db = db
        self.connection = sqlite3.connect(db, isolation_level=None, timeout=20)
        self.connection.execute("PRAGMA synchronous = FULL")
        self.terminal, other_end = pty.openpty()
        self.cli = subprocess.Popen(["sqlite3", "-batch", "-cmd", ".timeout 10000", db], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=other_end,
                                    text=True)
        os.close(other_end)

    def by_connection(self, sql):
        """In this process, whose clock is read as soon as the commit returns."""
        self.connection.execute(sql)
        return time.time_ns()

    def by_cli(self, sql):
        """By a sqlite3 command that stays open; what it prints after the commit takes a moment to come here."""
        self.cli.stdin.write(f"{sql};\n.print done\n")
        self.cli.stdin.flush()
        while not os.read(self.terminal, 100).endswith(b"\n"):  # the line may come in pieces
            pass
        return time.time_ns()

    def by_process(self, sql):
        """By a sqlite3 process of its own, which ends a while after its commit."""
        status, _, error = sqlite(self.db, sql, "-cmd", ".timeout 10000")
        if status:
            raise SystemExit(f"sqlite3: {error}")
        return time.time_ns()

    def close(self):
        self.connection.close()
        self.cli.stdin.close()
        self.cli.wait()
        os.close(self.terminal)


def idle_latencies(sink, daemon, insert, numbers):
    """Milliseconds of single inserts, sorted."""
    result = []
    for number in numbers:
        committed_ns = insert(f"INSERT INTO webhooks (endpoint, payload) VALUES ('e0', '{{\"n\":{number}}}')")
        wait_for(lambda: sink.arrived_at(number), "it did not come", daemon, 0.0005)  # noqa: B023
        result.append(1000 * (sink.arrived_at(number) - committed_ns / 1e9))
        time.sleep(random.uniform(0.005, 0.03))  # the daemon comes to rest, at no particular beat
    return sorted(result)


def part_f(suite):
    """a single INSERT while nothing else happens: from commit to receipt"""
    directory, samples, number = suite.new_directory(), suite.size(200, 60), 0
    sink = Sink(directory)
    db = make_database(directory / "outhook.db", sink.urls(1))
    daemon = Daemon(db, {"log_level": "warning"})
    wait_for(lambda: (directory / "outhook.db-wal").exists(), "it does not start", daemon)
    producers = Producers(db)
    ways = {"connection kept open": producers.by_connection, "sqlite3 command kept open": producers.by_cli,
            "sqlite3 process each, from its end": producers.by_process}
    times = {(way, percent): [] for way in ways for percent in (50, 99)}
    idle_latencies(sink, daemon, producers.by_connection, [samples * len(ways) * suite.count])  # it connects
    for _ in suite.rounds():
        for way, insert in ways.items():
            values = idle_latencies(sink, daemon, insert, range(number, number + samples))
            number += samples
            for percent in (50, 99):
                times[way, percent].append(percentile(values, percent))
    producers.close()
    daemon.stop()
    sink.stop()
    aims = {50: ("<", 0.4), 99: ("<", 2)}
    return [Figure(f"{way}: p{percent}", values, "ms", None if "process" in way else aims[percent])
            for (way, percent), values in times.items()]
