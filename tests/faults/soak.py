"""A long run with all that happens to a daemon, after which the counts have to agree and the resources to be flat.

    /usr/bin/python3 -B tests/faults/soak.py [--seconds 3600] [--per-second 80] [--seed 1]

Good, slow, dead and lying receivers; producers all the while; replays, cancellations, holds, edits of endpoints, reloads;
restarts by SIGTERM and SIGKILL in the first half. In the second half one daemon runs through, and what it takes up in the
last quarter is held against the third (BOUNDS). At the end producers, receivers and the database have to agree exactly;
only calls that were under way at a kill may lack their record, and no more of them than there are slots.
"""

import argparse
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import disk  # noqa: F401
from archive import Archive
from daemon import BUILD, Daemon, LOOPBACK
from database import create, query, run, value
from ledger import Ledger
from world import FAN_OUT, SETTINGS, SLOTS, Audit, Producer, audit_file, furnish

# What the last quarter may have more than the third one: a factor, and an absolute amount.
BOUNDS = {"memory": (1.05, 1 << 20), "descriptors": (1, 8), "threads": (1, 0), "file": (1.2, 1 << 20), "log": (1.25, 2 << 20)}
LOG_MOST = 16 << 20  # of the write-ahead log, at any time


class Samples:
    """What the daemon and its files take up."""

    def __init__(self):
        self.rows = []

    def take(self, at, daemon, db):
        try:
            row = {"at": at, "memory": daemon.memory(), "threads": len(os.listdir(f"/proc/{daemon.pid}/task")),
                   "descriptors": len(os.listdir(f"/proc/{daemon.pid}/fd")), "file": os.stat(db).st_size,
                   "log": os.stat(f"{db}-wal").st_size}
        except (OSError, ValueError):
            return  # it is being restarted
        self.rows.append(row)

    def most(self, name, begin, end):
        """Of descriptors, threads and the log the most; of what swings the median."""
        values = [row[name] for row in self.rows if begin <= row["at"] < end]
        return max(values) if name in ("threads", "descriptors", "log") else statistics.median(values)

    def audit(self, audit, seconds):
        """Returns a line of figures."""
        words = []
        for name, (factor, more) in BOUNDS.items():
            before = self.most(name, seconds * 0.5, seconds * 0.75)
            after = self.most(name, seconds * 0.75, seconds)
            audit.expect(after <= before * factor + more,
                         f"{name} went from {before:.0f} to {after:.0f}; the bound is {factor} times as much and {more}")
            words.append(f"{name} {before:.0f} -> {after:.0f}")
        longest = max(row["log"] for row in self.rows)
        audit.expect(longest <= LOG_MOST, f"the write-ahead log had {longest} bytes; the bound is {LOG_MOST}")
        return ", ".join(words) + f", longest log {longest}"


class Soak:
    def __init__(self, directory, options):
        self.seconds, self.chance = options.seconds, random.Random(options.seed)
        self.audit, self.ledger, self.samples = Audit(), Ledger(options.seed), Samples()
        self.db, self.config = create(directory / "outhook.db"), directory / "outhookd.conf"
        furnish(self.db, self.ledger)
        retain = max(15, options.seconds // 20)
        self.settings = {**SETTINGS, "retain_delivered": f"{retain}s", "retain_failed": f"{retain}s",
                         "retain_attempts": "0s", "drain_timeout": "5s", "database_cache_bytes": "1M",
                         # So short that what always fails gets through as fast as it comes.
                         "breaker_open": "5ms", "breaker_open_max": "5ms"}
        self.archive = Archive(self.db, directory / "archive.db")
        self.producers = [Producer(self.db, self.ledger.url("/good/bare"), options.seed * 100 + n, options.per_second / 2)
                          for n in range(2)]
        self.held = None
        self.children, self.unrecorded, self.kills, self.restarts, self.acts = [], 0, 0, 0, 0
        self.began_at = time.monotonic()
        self.configure()
        self.start()

    @property
    def at(self):
        return time.monotonic() - self.began_at

    def configure(self):
        text = "".join(f"{name} = {word}\n" for name, word in self.settings.items() if name not in ("workers",))
        self.config.write_text(f"[outhookd]\ndatabase = {self.db}\nallow_networks = {LOOPBACK}\n{text}")

    def start(self):
        self.daemon = Daemon(self.db, {}, config=self.config, allow=None).wait_ready()

    # ---- what people do ----

    def outhook(self, *words):
        """Beside all else; how it ends is seen to later."""
        self.children.append(subprocess.Popen([BUILD / "outhook", *words, "--database", self.db], stdin=subprocess.DEVNULL,
                                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))

    def replay(self):
        self.outhook("replay", "--yes", "--status", "delivered,failed", "--limit", "20", "--endpoint",
                     self.chance.choice(FAN_OUT))

    def cancel(self):
        self.outhook("cancel", "--yes", "--all", "--limit", "2")

    def edit(self):
        name = self.chance.choice(FAN_OUT)
        change = self.chance.choice(("rate_limit=200", "rate_limit=", "max_in_flight=3", "max_in_flight=", "timeout=400ms",
                                     "timeout=", f"url={self.url_of(name)}?v={self.acts}"))
        self.outhook("endpoint", "set", name, change)

    def url_of(self, name):
        return value(self.db, f"SELECT url FROM endpoints WHERE name = '{name}'").split("?")[0]

    def rotate(self):
        self.outhook("endpoint", "rotate-secret", self.chance.choice(FAN_OUT), "--grace", "1s")

    def disable(self):
        """One of them, and those before it are enabled again."""
        run(self.db, f"UPDATE endpoints SET enabled = name <> '{self.chance.choice(FAN_OUT)}' WHERE name IS NOT NULL")

    def hold(self):
        """For as long as it takes until the next one."""
        if self.held:
            self.outhook("release", self.held)
        self.held = None if self.held else self.chance.choice(FAN_OUT)
        if self.held:
            self.outhook("hold", self.held)

    def reload(self):
        self.settings["max_attempts"] = self.chance.choice((2, 3))
        self.configure()
        self.daemon.signal(signal.SIGHUP)

    def act(self):
        self.acts += 1
        self.chance.choice((self.replay, self.replay, self.cancel, self.edit, self.edit, self.rotate, self.disable, self.hold,
                            self.reload))()

    def reap(self):
        """Commands that have ended."""
        for child in [child for child in self.children if child.poll() is not None]:
            self.children.remove(child)
            error = child.stderr.read()
            child.stderr.close()
            refused = child.args[1] in ("hold", "release") and child.returncode == 1  # it was, or was not, on hold
            self.audit.expect(child.returncode == 0 or refused, f"{child.args[1:4]} ended with {child.returncode}: {error}")

    # ---- what happens to the daemon ----

    def restart(self):
        """By SIGKILL or SIGTERM in turn."""
        self.restarts += 1
        if self.restarts % 2:
            self.kills += 1
            self.daemon.kill()
        else:
            self.daemon.stop()
        calls = self.ledger.settle()
        self.archive.look()
        lost = calls - self.archive.reached - self.unrecorded
        self.unrecorded += lost
        most = SLOTS if self.restarts % 2 else 0
        self.audit.expect(0 <= lost <= most, f"restart {self.restarts} left {lost} calls without a record, of at most {most}")
        self.start()

    def go(self):
        act_at, restart_at, look_at = 1, self.seconds * 0.05, 1
        while self.at < self.seconds:
            time.sleep(0.05)
            if self.at >= look_at:
                self.samples.take(self.at, self.daemon, self.db)
                self.archive.look()
                self.reap()
                look_at = self.at + 1
            if self.at >= act_at:
                self.act()
                act_at = self.at + self.chance.uniform(0.1, 0.6)
            if self.at >= restart_at and self.at < self.seconds * 0.45:
                self.restart()
                restart_at = self.at + max(2, self.seconds * 0.04)
            self.audit.expect(self.daemon.running, f"outhookd ended:\n{self.daemon.text()}")

    def settle(self):
        """All come to rest: nothing is held, disabled or slowed down any longer."""
        for child in self.children:
            child.wait()
        self.reap()
        committed, rolled_back = [], set()
        for producer in self.producers:
            more, less = producer.finish()
            committed += more
            rolled_back.update(less)
        run(self.db, "UPDATE endpoints SET enabled = 1, rate_limit = NULL, max_in_flight = NULL WHERE name IS NOT NULL")
        run(self.db, "UPDATE deliveries SET held = 0 WHERE held = 1")
        deadline = time.monotonic() + 120 + self.seconds / 20
        while query(self.db, "SELECT 1 FROM deliveries WHERE status = 'pending' LIMIT 1"):
            self.archive.look()
            time.sleep(0.2)
            if time.monotonic() > deadline:
                self.audit.expect(False, "not all came to an end")
                break
        self.daemon.stop()
        self.archive.look()
        return committed

    def finish(self):
        committed = self.settle()
        audit_file(self.audit, self.db)
        lines = self.ledger.lines()
        self.archive.enter(lines, committed)
        unrecorded = self.archive.audit(self.audit)
        self.audit.expect(unrecorded == self.unrecorded,
                          f"{unrecorded} calls lack a record, of which {self.unrecorded} are due to kills")
        figures = self.samples.audit(self.audit, self.seconds)
        statuses = dict(self.archive.rows("SELECT status, count(*) FROM deliveries GROUP BY 1"))
        attempts = self.archive.rows("SELECT count(*) FROM attempts")[0][0]
        print(f"soak: {self.seconds} s, {len(committed)} webhooks committed, deliveries {statuses}, {attempts} attempts, "
              f"{self.ledger.calls} calls seen, {unrecorded} of them without a record after {self.kills} kills; "
              f"{self.restarts} restarts, {self.acts} acts of people; {figures}")
        self.ledger.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--per-second", type=float, default=80)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outhook-soak.") as directory:
        soak = Soak(pathlib.Path(directory), options)
        try:
            soak.go()
            soak.finish()
        finally:
            if soak.daemon.running:
                soak.daemon.process.kill()
    print("soak failed" if soak.audit.faults else "soak passed")
    return bool(soak.audit.faults)


if __name__ == "__main__":
    sys.exit(main())
