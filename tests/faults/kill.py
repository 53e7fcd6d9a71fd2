"""kill -9 at random instants, under load, while producers insert; now and then while outcomes pile up behind a lock.

    /usr/bin/python3 -B tests/faults/kill.py [--kills 1000] [--seed 1]

The daemon is killed again and again: at work, while it starts, and while it stops. So is `outhook replay`. After each
kill the receivers' books are held against the attempts in the database: no more calls may lack their record than there
are slots. At the end all is delivered or finished visibly, and everything agrees.
"""

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import disk  # noqa: F401
from daemon import BUILD, Daemon, LOOPBACK
from database import create, query, value
from ledger import Ledger
from world import SETTINGS, SLOTS, Audit, Producer, audit_books, audit_committed, audit_file, furnish, insert, wait_drained


class Campaign:
    def __init__(self, directory, seed):
        self.chance, self.audit, self.ledger = random.Random(seed), Audit(), Ledger(seed)
        self.db = create(f"{directory}/outhook.db")
        furnish(self.db, self.ledger)
        self.producers = [Producer(self.db, self.ledger.url("/good/bare"), seed * 100 + n, 100) for n in range(2)]
        self.attempts, self.last_attempt, self.worst, self.unrecorded = 0, 0, 0, 0
        self.replays, self.committed = [], []

    def instant(self):
        """When to kill, in seconds after the start: often while it starts, mostly at work."""
        return self.chance.uniform(0, 0.04) if self.chance.random() < 0.25 else self.chance.uniform(0.04, 0.35)

    def replay(self):
        """`outhook replay` of some that were delivered, killed like the daemon."""
        process = subprocess.Popen([BUILD / "outhook", "replay", "--database", self.db, "--yes", "--limit", "30",
                                    "--status", "delivered,failed"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.replays.append(process)
        if self.chance.random() < 0.7:
            time.sleep(self.chance.uniform(0, 0.02))
            process.kill()
            process.wait()

    def lock(self):
        """Inserts many at once and then holds the write lock for a while, so that outcomes pile up."""
        locker = sqlite3.connect(self.db, timeout=20, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        self.committed += [insert(locker, self.chance, self.ledger.url("/good/bare")) for _ in range(60)]
        locker.execute("COMMIT")
        locker.execute("BEGIN IMMEDIATE")
        time.sleep(0.25)
        return locker

    def kill(self, number):
        """One life of the daemon, and its end."""
        daemon = Daemon(self.db, SETTINGS, allow=LOOPBACK)
        time.sleep(self.instant())
        if number % 5 == 0:
            self.replay()
        if self.chance.random() < 0.1:
            daemon.signal(signal.SIGTERM)
            time.sleep(self.chance.uniform(0, 0.05))
        locker = self.lock() if number % 4 == 0 else None
        daemon.process.kill()
        status = daemon.wait()
        if locker:
            locker.close()
        # SIGTERM ends it like any program as long as nothing has begun.
        self.audit.expect(status in (0, -signal.SIGKILL, -signal.SIGTERM), f"it ended by itself with {status}:\n{daemon.text()}")
        self.look(number)

    def look(self, number):
        """After a kill: how many calls lack their record."""
        calls = self.ledger.settle()
        (row,) = query(self.db, """SELECT count(*) FILTER (WHERE phase NOT IN ('lookup', 'connect', 'tls')) AS calls,
                                       coalesce(max(id), ?1) AS last FROM attempts WHERE id > ?1""", self.last_attempt)
        self.attempts, self.last_attempt = self.attempts + row["calls"], row["last"]
        unrecorded = calls - self.attempts
        lost, self.unrecorded = unrecorded - self.unrecorded, unrecorded
        self.worst = max(self.worst, lost)
        self.audit.expect(0 <= lost <= SLOTS, f"kill {number} left {lost} calls without a record; there are {SLOTS} slots")
        if number % 50 == 0:
            found = value(self.db, "PRAGMA quick_check(1)")
            self.audit.expect(found == "ok", f"after kill {number} quick_check says {found}")

    def finish(self):
        """Lets all come to its end, and audits it."""
        committed, rolled_back = self.committed, []
        for producer in self.producers:
            more, less = producer.finish()
            committed += more
            rolled_back += less
        for process in self.replays:
            process.wait()
        daemon = Daemon(self.db, SETTINGS, allow=LOOPBACK).wait_ready()
        wait_drained(self.audit, self.db, 60 + len(committed) / 50)
        daemon.stop()
        audit_file(self.audit, self.db)
        strangers = audit_committed(self.audit, self.db, committed, rolled_back)
        self.audit.expect(not strangers, f"webhooks that nobody has committed: {list(strangers)[:3]}")
        unrecorded, invented = audit_books(self.audit, self.db, self.ledger.lines())
        self.audit.expect(not invented, f"calls of no delivery: {invented[:3]}")
        self.audit.expect(unrecorded == self.unrecorded, f"{unrecorded} calls lack a record, {self.unrecorded} after kills")
        statuses = {row["status"]: row["n"] for row in
                    query(self.db, "SELECT status, count(*) AS n FROM deliveries GROUP BY 1")}
        self.audit.expect(set(statuses) <= {"delivered", "failed"}, f"statuses: {statuses}")
        return len(committed), statuses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="outhook-kill.") as directory:
        campaign = Campaign(directory, options.seed)
        for number in range(1, options.kills + 1):
            campaign.kill(number)
        committed, statuses = campaign.finish()
        calls = campaign.ledger.calls
        campaign.ledger.stop()
    print(f"kill: {options.kills} kills, seed {options.seed}, {time.monotonic() - began_at:.0f} s: {committed} webhooks "
          f"committed, {statuses}, {calls} calls, {campaign.unrecorded} of them without a record, at most "
          f"{campaign.worst} by one kill ({SLOTS} slots)")
    print("kill failed" if campaign.audit.faults else "kill passed")
    return bool(campaign.audit.faults)


if __name__ == "__main__":
    sys.exit(main())
