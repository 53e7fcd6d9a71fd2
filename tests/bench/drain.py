"""Parts that drain a backlog, beside bare libcurl making the same calls: how much of what is possible is reached.

Each round is one run of the yardstick and one of outhookd, right after each other, on the same receiver; the
ratio is of those two. outhookd's time is from the first call's arrival to the last outcome's being in the database.
"""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import time

from daemon import Daemon
from figures import Figure
from measure import (Sink, ceiling, cpu_seconds, fill, make_certificate, make_database, proportional_bytes,
                     resident_bytes)
from plots import peers

PATIENCE_S = 300


def seal_template(db):
    """What the file holds is all there is of the database, so that it can be copied."""
    connection = sqlite3.connect(db)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def copy_database(template, copy):
    for suffix in ("", "-wal", "-shm", ".lock"):
        pathlib.Path(f"{copy}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(template, copy)
    os.sync()  # so that writing it back does not fall into what is measured
    return copy


def wait_for(condition, what, daemon, step=0.001):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > until or not daemon.running:
            raise SystemExit(f"{what}:\n{daemon.text()}")
        time.sleep(step)


@contextlib.contextmanager
def pending_of(db):
    connection = sqlite3.connect(db, isolation_level=None, timeout=20)
    try:
        yield lambda: connection.execute("SELECT pending FROM queue_depth").fetchone()[0]
    finally:
        connection.close()


def drain(db, sink, rows, settings):
    """Seconds, CPU microseconds a delivery, and memory in bytes: the most, and its proportional share in mid-run."""
    before = sink.requests
    daemon = Daemon(db, {"log_level": "warning", **settings})
    try:
        wait_for(lambda: sink.requests > before, "nothing came", daemon)
        start = time.monotonic()
        wait_for(lambda: sink.requests >= before + rows * 3 // 4, "not everything came", daemon, 0.002)
        share = proportional_bytes(daemon.pid)
        wait_for(lambda: sink.requests >= before + rows, "not everything came", daemon, 0.002)
        with pending_of(db) as pending:
            wait_for(lambda: not pending(), "not everything was recorded", daemon, 0.002)
        seconds = time.monotonic() - start
        result = seconds, 1e6 * cpu_seconds(daemon.pid) / rows, resident_bytes(daemon.pid, "VmHWM"), share
        daemon.stop()
        return result
    finally:
        if daemon.running:
            daemon.kill()


class Contest:
    """A backlog, and the yardstick's and outhookd's runs over it."""

    def __init__(self, suite, rows, endpoints, scheme="http", http2=False, payload_bytes=512, columns=""):
        self.directory = suite.new_directory()
        self.rows, self.payload_bytes, self.http2 = rows, payload_bytes, http2
        self.certificate, self.settings = None, {}
        if scheme == "https":
            make_certificate(self.directory, endpoints)
            self.certificate = [self.directory / "good.pem", self.directory / "good.key"]
            self.settings["ca_file"] = self.directory / "ca.pem"
            columns += ", http_version = '2'" if http2 else ""
        self.sink = Sink(self.directory, *self.certificate or ())
        self.urls = self.sink.urls(endpoints, scheme)
        self.template = make_database(self.directory / "template.db", self.urls, columns)
        fill(self.template, rows, endpoints, payload_bytes)
        seal_template(self.template)

    def yardstick(self, threads):
        return ceiling(self.urls, threads, self.rows // threads * threads, payload_bytes=self.payload_bytes,
                       ca_file=self.settings.get("ca_file"), http2=self.http2)

    def run(self):
        db = copy_database(self.template, self.directory / "outhook.db")
        return drain(db, self.sink, self.rows, self.settings)

    def close(self):
        self.sink.stop()
        shutil.rmtree(self.directory)


def contest(suite, title, rows, endpoints, aim=None, single=False, **options):
    """The figures of one contest."""
    one = Contest(suite, rows, endpoints, **options)
    rates, ratios, bare, bare_one, cpu, bare_cpu, memory, shares = ([] for _ in range(8))
    try:
        for _ in suite.rounds():
            rate, us = one.yardstick(os.cpu_count())
            if single:
                bare_one.append(one.yardstick(1)[0])
            seconds, our_us, most, share = one.run()
            bare.append(rate)
            bare_cpu.append(us)
            rates.append(rows / seconds)
            ratios.append(rates[-1] / rate)
            cpu.append(our_us)
            memory.append(most / 2**20)
            shares.append(share / 2**20)
    finally:
        one.close()
    figures = [Figure(f"{title}: bare libcurl, {os.cpu_count()} threads", bare, "calls/s")]
    if single:
        figures.append(Figure(f"{title}: bare libcurl, 1 thread", bare_one, "calls/s"))
    return figures + [
        Figure(f"{title}: outhook", rates, "deliveries/s"),
        Figure(f"{title}: outhook of bare libcurl", ratios, "ratio", aim),
        Figure(f"{title}: CPU, bare libcurl", bare_cpu, "us a call"),
        Figure(f"{title}: CPU, outhookd", cpu, "us each"),
        Figure(f"{title}: most memory (VmHWM)", memory, "MiB"),
        Figure(f"{title}: memory, its share of it (PSS)", shares, "MiB"),
    ]


def against_fastest_peer(figures):
    """Rates as ratios to bare libcurl, as they were not measured in this run."""
    known = peers()
    fastest = max((peer for peer in known["peers"] if peer["durable"]), key=lambda peer: peer["drained_per_s"])
    values = {figure.name.split(": ")[1]: figure.values for figure in figures}
    peer_ratio = fastest["drained_per_s"] / known["yardstick_per_s"]
    return [
        Figure("rate, of the fastest peer's", [ratio / peer_ratio for ratio in values["outhook of bare libcurl"]],
               "times", (">=", 3), fastest["name"]),
        Figure("memory, of the fastest peer's",
               [mib / fastest["memory_mib"] for mib in values["memory, its share of it (PSS)"]], "ratio", ("<=", 0.1)),
    ]


# ---- parts ---------------------------------------------------------------------------------------


def part_a(suite):
    """drain over 100 endpoints, http"""
    figures = contest(suite, "100 endpoints", suite.size(200_000, 20_000), 100, aim=(">=", 0.6), single=True)
    return figures + against_fastest_peer(figures)


def part_b(suite):
    """drain over https, with kept connections and with HTTP/2"""
    rows = suite.size(60_000, 10_000)
    return (contest(suite, "https, kept connections", rows, 100, scheme="https")
            + contest(suite, "https, HTTP/2", rows, 100, scheme="https", http2=True))


def part_c(suite):
    """one endpoint"""
    return contest(suite, "one endpoint", suite.size(100_000, 10_000), 1)


def part_d(suite):
    """10,000 endpoints"""
    endpoints = suite.size(10_000, 1_000)
    return contest(suite, f"{endpoints:,} endpoints", suite.size(50_000, 10_000), endpoints)


def part_h(suite):
    """payloads of 64 kB and of 1 MB"""
    return (contest(suite, "64 kB", suite.size(8_000, 1_000), 100, payload_bytes=64 << 10)
            + contest(suite, "1 MB", suite.size(500, 60), 100, payload_bytes=1 << 20))
