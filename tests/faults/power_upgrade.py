"""Power loss during an upgrade: the copy that is made before it, and the migration, as power.py does with all the rest.

    /usr/bin/python3 -B tests/faults/power_upgrade.py [--webhooks 40] [--every 1] [--random 2] [--runs 20] [--seed 1]

A database of the first schema is made and filled by the stock sqlite3, and what was committed last is in its log still
when an outhookd with today's migrations and one more comes to it. Whatever is then left on the disk: each webhook that
somebody was told of as committed is in it. Those of before the upgrade are also in the copy, which is there, and whole,
wherever the schema is newer than the first one; what is only half a copy never has the name of one. outhookd, started
on some of it, ends the upgrade and delivers.
"""

import random
import sqlite3
import sys
import time

from disk import COPY, MARK
from daemon import Daemon, LOOPBACK
from database import MIGRATIONS, query, value
from images import ENDINGS, lay_out, memory_directory, points, power_losses, power_options, read_record, recorded
from ledger import Ledger
from recording import Recorded
from world import SETTINGS, Audit, audit_file, wait_drained

NEXT, NEWEST = "faults/outhookd_next", len(MIGRATIONS) + 1
SCHEMA = "SELECT group_concat(sql, char(10)) FROM (SELECT sql FROM sqlite_schema ORDER BY type, name)"


class Recording(Recorded):
    """`promises[n]` are uids; from the mark `upgraded_from` on outhookd may be at work."""

    def __init__(self, directory, ledger, webhooks, chance):
        super().__init__(directory)
        self.chance, self.url = chance, ledger.url("/good/1")
        first = MIGRATIONS[0].read_text()
        self.sqlite(f"""PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
                        BEGIN; {first} PRAGMA user_version = 1; COMMIT;""")
        while sum(map(len, self.promises)) < webhooks / 2:
            self.insert()
        with self.keeping_the_log():
            while sum(map(len, self.promises)) < webhooks:
                self.insert()
            self.upgraded_from = len(self.promises)
            daemon = Daemon(self.db, SETTINGS, allow=LOOPBACK, prefix=self.disk.prefix, program=NEXT).wait_ready()
        self.insert()
        wait_drained(Audit(), self.db, 60)
        daemon.stop()
        self.schema = value(self.db, SCHEMA)
        self.operations = read_record(self.disk.record)

    def insert(self):
        count, length = self.chance.choice((1, 1, 3, 10)), self.chance.choice((20, 3000, 9000))
        self.promise(self.sqlite(f"""BEGIN IMMEDIATE; INSERT INTO webhooks (url, payload)
            SELECT '{self.url}', printf('%.*c', {length}, 'x') FROM generate_series(1, {count})
            RETURNING uid; COMMIT;""").split())

    def promised(self, marks):
        return [uid for mark in marks for uid in self.promises[mark]]

    def before(self, marks):
        """What was committed before the upgrade, and has to be in its copy."""
        return self.promised(mark for mark in marks if mark < self.upgraded_from)

    def stops(self, every):
        """What was done before the upgrade is power.py's."""
        began = self.operations.index((MARK, 0, self.upgraded_from - 1, None))
        return sorted({began, *range(began, len(self.operations), every),
                       *(number for number in points(self.operations) if number > began)})


# ---- checks -----------------------------------------------------------------------------------------


def missing_in(db, uids):
    there = {row["uid"] for row in query(db, "SELECT uid FROM webhooks AS w WHERE 1 = "
                                             "(SELECT count(*) FROM deliveries WHERE webhook_id = w.id)")}
    return [uid for uid in uids if uid not in there]


def check_copy(audit, copy, before, where):
    """A copy that has the name of one."""
    connection = sqlite3.connect(f"file:{copy}?immutable=1", uri=True)
    try:
        found = connection.execute("PRAGMA integrity_check").fetchall(), connection.execute("PRAGMA user_version").fetchall()
        audit.expect(found == ([("ok",)], [(1,)]), f"{where}: the copy is {found}")
        missing = set(before) - {uid for uid, in connection.execute("SELECT uid FROM webhooks")}
        audit.expect(not missing, f"{where}: {len(missing)} webhooks are not in the copy")
    except sqlite3.Error as error:
        audit.expect(False, f"{where}: the copy: {error}")
    finally:
        connection.close()


def check_image(audit, db, point, recording):
    """What SQLite finds in an image. Returns the version of its schema."""
    copy, version = db.with_name(db.name + ENDINGS[COPY]), 0
    try:
        if db.exists():
            version = value(db, "PRAGMA user_version")
            before = len(audit.faults)
            if version:
                audit_file(audit, db)
            audit.expect(value(db, "PRAGMA integrity_check") == "ok", "integrity_check fails")
            audit.expect(len(audit.faults) == before, f"the above was found {point.where}")
        promised = recording.promised(point.marks)
        missing = missing_in(db, promised) if promised else []
        audit.expect(not missing, f"{point.where}: {len(missing)} committed webhooks are lost, such as {missing[:1]}")
    except sqlite3.Error as error:
        audit.expect(False, f"{point.where}: {error}")
    audit.expect(copy.exists() or version < 2, f"{point.where}: schema version {version}, and there is no copy of before")
    if copy.exists():
        check_copy(audit, copy, recording.before(point.marks), point.where)
    return version


def check_run(audit, db, point, recording, ledger):
    """What outhookd makes of an image."""
    daemon, version = Daemon(db, SETTINGS, allow=LOOPBACK, program=NEXT), value(db, "PRAGMA user_version") if db.exists() else 0
    try:
        daemon.wait_ready()
    except AssertionError as error:
        audit.expect(False, f"{point.where}: {error}")
        return
    wait_drained(audit, db, 60)
    daemon.stop()
    lines, promised = ledger.lines(), recording.promised(point.marks)
    late = [uid for uid in promised if lines.get(("/good/1", uid), (0, 0))[1] == 0]
    audit.expect(not late, f"{point.where}: outhookd has not delivered {late[:3]}")
    audit.expect(value(db, SCHEMA) == recording.schema, f"{point.where}: the schema is not the newest one")
    if version:
        check_copy(audit, db.with_name(db.name + ENDINGS[COPY]), recording.before(point.marks), f"{point.where}, after a run")
    audit_file(audit, db)


def replay(audit, recording, options, ledger, directory):
    """Goes through the record; returns how many images, of which version, and runs there were."""
    chance, versions, runs = random.Random(options.seed), [0] * (NEWEST + 1), 0
    stops = recording.stops(options.every)
    to_run = set(chance.sample(stops, min(options.runs, len(stops))))
    for point in power_losses(recording.operations, stops, chance, options.random):
        db = lay_out(point.files, directory)
        versions[check_image(audit, db, point, recording)] += 1
        if point.last and point.number in to_run:
            check_run(audit, db, point, recording, ledger)
            runs += 1
    audit.expect(all(versions[1:]), f"not every version of the schema was seen: {versions}")
    return versions, runs


def main():
    parser = power_options()
    parser.add_argument("--webhooks", type=int, default=40)
    parser.add_argument("--every", type=int, default=1, help="operations between two power losses, beside those at syncs")
    options = parser.parse_args()
    began_at, audit, ledger = time.monotonic(), Audit(), Ledger()
    with memory_directory() as directory:
        recording = Recording(directory, ledger, options.webhooks, random.Random(options.seed))
        versions, runs = replay(audit, recording, options, ledger, directory / "image")
    ledger.stop()
    print(f"power_upgrade: {recorded(recording.operations)}, {sum(versions)} images checked, of schema versions "
          f"{versions}, outhookd run on {runs}, {time.monotonic() - began_at:.0f} s")
    print(f"power_upgrade {'failed' if audit.faults else 'passed'}")
    return bool(audit.faults)


if __name__ == "__main__":
    sys.exit(main())
