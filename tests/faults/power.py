"""Power loss at every sync of the disk, and between: what was not synced is forgotten, in part or wholly, and the last
write is torn.

    /usr/bin/python3 -B tests/faults/power.py [--webhooks 150] [--random 2] [--runs 20] [--seed 1] [--control]

The real daemon, the stock sqlite3 and the real `outhook` work on a database, from its first byte on until retention has
deleted all of it again, while disk.c records what they do to its files. For each point of the record, images of the
files are then made as a disk could hold them after the power has gone: with all that was not yet synced, with nothing of
it, with random parts, also with the last write torn between sectors. In each image SQLite has to find an intact
database, in which every webhook is that somebody was told of as committed; on some of them outhookd is started, and has
to deliver all of it.

What the model of the disk takes for granted is in images.py. An upgrade is in power_upgrade.py, the sealing of secrets in
power_sealing.py.

--control lets the producers commit with synchronous = NORMAL, which promises nothing: the test has to notice.
"""

import random
import sqlite3
import subprocess
import sys
import time

from disk import Disk
from daemon import BUILD, Daemon, LOOPBACK
from database import ENVIRONMENT, query, value
from images import lay_out, memory_directory, points, power_losses, power_options, read_record, recorded
from ledger import Ledger
from waiting import wait_until
from world import SETTINGS, Audit, audit_file, furnish, wait_drained

# ---- recording ------------------------------------------------------------------------------------


class Recording:
    """What was done to the files, and what was promised when: `promises[n]` holds the uids of the n-th mark."""

    def __init__(self, directory, ledger, webhooks, chance, synchronous):
        self.db, self.chance, self.ledger = directory / "outhook.db", chance, ledger
        self.disk = Disk(self.db, directory, record=True)
        self.promises, self.setup = [], f"PRAGMA synchronous = {synchronous};" if synchronous else ""
        daemon = Daemon(self.db, SETTINGS, allow=LOOPBACK, prefix=self.disk.prefix).wait_ready()
        self.environment = {**ENVIRONMENT, **self.disk.environment}
        furnish(self.db, ledger, self.environment)
        while sum(map(len, self.promises)) < webhooks:
            self.insert(chance.choice((1, 1, 1, 3, 10)))
            if chance.random() < 0.1:
                self.replay()
        self.insert(300, "good", 9000)  # more than a thousand pages: sqlite3 makes a checkpoint of its own
        self.insert(1)
        wait_drained(Audit(), self.db, 60)
        daemon.stop()
        self.disk.mark(len(self.promises))  # from here on what has arrived may be deleted
        self.deletes_from = len(self.promises)
        self.retain()
        self.operations = read_record(self.disk.record)

    def retain(self):
        """Lets retention delete what is finished, and give the space back."""
        daemon = Daemon(self.db, {**SETTINGS, "retain_delivered": "1s", "retain_failed": "1s"}, allow=LOOPBACK,
                        prefix=self.disk.prefix).wait_ready()  # or whoever asks below makes the log, which nobody records
        wait_until(lambda: value(self.db, "SELECT count(*) FROM webhooks") == 0 and
                   value(self.db, "PRAGMA page_count") < 400, 60, "all is deleted")
        daemon.stop()

    def insert(self, count, path=None, length=None):
        """By sqlite3, a process each time; what it has printed when it ends well is promised."""
        target = "type" if not path and self.chance.random() < 0.2 else "endpoint"
        path = path or self.chance.choice(("good", "good", "other", "slow", "flaky"))
        length = length or self.chance.choice((20, 3000, 9000))
        sql = f"""{self.setup} BEGIN IMMEDIATE;
                  INSERT INTO webhooks ({target}, payload)
                  SELECT '{"many.x" if target == "type" else path}', printf('%.*c', {length}, 'x')
                  FROM generate_series(1, {count}) RETURNING uid; COMMIT;"""
        done = subprocess.run(["sqlite3", "-cmd", ".timeout 20000", self.db, sql], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 0, done.stderr
        self.disk.mark(len(self.promises))
        self.promises.append(done.stdout.split())

    def replay(self):
        subprocess.run([BUILD / "outhook", "replay", "--database", self.db, "--yes", "--limit", "5", "--status", "delivered"],
                       env=self.environment, stdin=subprocess.DEVNULL, capture_output=True)

    def promised(self, marks):
        """What must be there after these marks."""
        if self.deletes_from in marks:
            return []
        return [uid for mark in marks for uid in self.promises[mark]]


# ---- checks -----------------------------------------------------------------------------------------


def check_image(audit, db, promised, taken, where):
    """What SQLite finds in an image."""
    try:
        if promised:
            there = {row["uid"] for row in query(db, """
                SELECT uid FROM webhooks AS w WHERE (SELECT count(*) FROM deliveries WHERE webhook_id = w.id)
                                                  = CASE WHEN type IS NULL THEN 1 ELSE 4 END""")}
            missing = [uid for uid in promised if uid not in there]
            audit.expect(not missing, f"{where}: {len(missing)} committed webhooks are lost, such as {missing[:1]}")
        if not db.exists() or not value(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'attempts'"):
            found = value(db, "PRAGMA integrity_check") if db.exists() else "ok"
            audit.expect(found == "ok", f"{where}: {found}")
            return
        before = len(audit.faults)
        audit_file(audit, db)
        early = [row for row in query(db, """SELECT uid, e.url FROM deliveries AS d JOIN webhooks AS w ON w.id = webhook_id
                                             JOIN endpoints AS e ON e.id = d.endpoint_id WHERE status = 'delivered'""")
                 if ("/" + row["url"].split("/", 3)[3], row["uid"]) not in taken]
        audit.expect(not early, f"{where}: delivered, and never taken: {early[:1]}")
        audit.expect(len(audit.faults) == before, f"the above was found {where}")
    except sqlite3.Error as error:
        audit.expect(False, f"{where}: {error}")


def check_run(audit, db, promised, ledger, where):
    """What outhookd makes of an image."""
    daemon = Daemon(db, SETTINGS, allow=LOOPBACK)
    wait_until(lambda: daemon.lines("ready") or not daemon.running)
    if not daemon.running:
        audit.expect(False, f"{where}: outhookd ended:\n{daemon.text()}")
        return
    wait_drained(audit, db, 60)
    daemon.stop()
    lines, rows = ledger.lines(), {}
    for row in query(db, """SELECT w.uid, e.url, d.status FROM deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
                            JOIN endpoints AS e ON e.id = d.endpoint_id"""):
        rows.setdefault(row["uid"], []).append((row["status"], "/" + row["url"].split("/", 3)[3]))
    for uid in promised:
        right = uid in rows and all(status == "delivered" and lines.get((path, uid), (0, 0))[1] > 0 or
                                    status == "failed" and path.startswith("/fail") for status, path in rows[uid])
        audit.expect(right, f"{where}: outhookd left {uid} as {rows.get(uid)}")
    audit_file(audit, db)


def replay(audit, recording, options, ledger, directory):
    """Goes through the record; returns how many images and runs there were."""
    chance, images, runs = random.Random(options.seed), 0, 0
    stops = points(recording.operations)
    to_run = set(chance.sample(stops, min(options.runs, len(stops))))
    taken = {key for key, (_, count) in ledger.lines().items() if count}
    for point in power_losses(recording.operations, stops, chance, options.random):
        promised = recording.promised(point.marks)
        check_image(audit, lay_out(point.files, directory), promised, taken, point.where)
        images += 1
        if point.last and point.number in to_run:
            check_run(audit, lay_out(point.files, directory), promised, ledger, point.where)
            runs += 1
        if options.control and audit.faults:
            break
    return images, runs


def main():
    parser = power_options()
    parser.add_argument("--webhooks", type=int, default=150)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    began_at, audit, ledger = time.monotonic(), Audit(quiet=options.control), Ledger()
    with memory_directory() as directory:
        recording = Recording(directory, ledger, options.webhooks, random.Random(options.seed),
                              "NORMAL" if options.control else None)
        images, runs = replay(audit, recording, options, ledger, directory / "image")
    ledger.stop()
    lost = any("are lost" in fault for fault in audit.faults)
    title = "power_control" if options.control else "power"
    print(f"{title}: {recorded(recording.operations)}, {sum(map(len, recording.promises))} webhooks, "
          f"{images} images checked, outhookd run on {runs}, {time.monotonic() - began_at:.0f} s")
    failed = not lost if options.control else bool(audit.faults)
    print(f"{title} {'failed' if failed else 'passed'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
