"""Power loss at every sync of the disk, and between: what was not synced is forgotten, in part or wholly, and the last
write is torn.

    /usr/bin/python3 -B tests/faults/power.py [--webhooks 150] [--random 2] [--runs 20] [--seed 1] [--control]

The real daemon, the stock sqlite3 and the real `outhook` work on a database, from its first byte on until retention has
deleted all of it again, while disk.c records what they do to its files. For each point of the record, images of the
files are then made as a disk could hold them after the power has gone: with all that was not yet synced, with nothing of
it, with random parts, also with the last write torn between sectors. In each image SQLite has to find an intact
database, in which every webhook is that somebody was told of as committed; on some of them outhookd is started, and has
to deliver all of it.

What the model takes for granted is what Linux's journaling file systems do: a sync of any file also makes the earlier
creations and removals in its directory last, and these come to the disk in their order.

--control lets the producers commit with synchronous = NORMAL, which promises nothing: the test has to notice.
"""

import argparse
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from disk import CREATE, DATABASE, JOURNAL, MARK, RECORD, SYNC, TRUNCATE, UNLINK, WAL, WRITE, Disk
from daemon import BUILD, Daemon, LOOPBACK
from database import ENVIRONMENT, query, value
from ledger import Ledger
from waiting import wait_until
from world import SETTINGS, Audit, audit_file, furnish, wait_drained

ENDINGS = {DATABASE: "", WAL: "-wal", JOURNAL: "-journal"}
SECTOR = 512


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
        self.operations = self.read()

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

    def read(self):
        """[(operation, file, offset or number, bytes or None)]"""
        data, at, operations = self.disk.record.read_bytes(), 0, []
        while at < len(data):
            operation, file, offset, length = RECORD.unpack_from(data, at)
            at += RECORD.size
            content = data[at:at + length] if operation == WRITE else None
            at += len(content or b"")
            if file in ENDINGS or operation in (SYNC, MARK):
                operations.append((operation, file, offset, content))
        return operations


# ---- images -----------------------------------------------------------------------------------------


def change(files, operation):
    """Carries out an operation on {file: bytearray}; a file that does not exist is not there."""
    kind, file, offset, content = operation
    if kind == CREATE:
        files[file] = bytearray()
    elif kind == UNLINK:
        files.pop(file, None)
    elif file in files and kind == TRUNCATE:
        there = files[file]
        del there[offset:]
        there.extend(bytes(offset - len(there)))
    elif file in files and kind == WRITE:
        there = files[file]
        there.extend(bytes(max(0, offset - len(there))))
        there[offset:offset + len(content)] = content


def tear(operation, chance):
    """A write of which only some sectors have reached the disk, as writes of their own."""
    kind, file, offset, content = operation
    first = offset // SECTOR * SECTOR
    for start in range(first, offset + len(content), SECTOR):
        begin, end = max(start, offset), min(start + SECTOR, offset + len(content))
        if chance.random() < 0.5:
            yield kind, file, begin, content[begin - offset:end - offset]


class Model:
    """The files as they surely are on the disk, and what is under way to it."""

    def __init__(self):
        self.durable, self.waiting = {}, []

    def take(self, operation):
        kind, file = operation[:2]
        if kind != SYNC:
            self.waiting.append(operation)
            return
        kept = []
        for one in self.waiting:
            if one[1] == file or one[0] in (CREATE, UNLINK):
                change(self.durable, one)
            else:
                kept.append(one)
        self.waiting = kept

    def keep(self, chance, names, share):
        """What has reached the disk, in order: the first `names` creations and removals, and a share of the rest. What
        is done to a file that does not get its name is nowhere to be found."""
        lost = set()
        for one in self.waiting:
            if one[0] in (CREATE, UNLINK):
                names -= 1
                if names < 0:
                    lost.add(one[1])
            kept = one[0] in (CREATE, UNLINK) or chance.random() < share
            if kept and one[1] not in lost:
                yield one

    def image(self, chance, how):
        """A disk after a power loss: `how` is all, none, torn or random."""
        files = {file: bytearray(content) for file, content in self.durable.items()}
        names = sum(one[0] in (CREATE, UNLINK) for one in self.waiting)
        kept = list(self.keep(chance, {"none": 0, "random": chance.randint(0, names)}.get(how, names),
                              {"none": 0, "random": 0.5}.get(how, 1)))
        writes = [number for number, one in enumerate(kept) if one[0] == WRITE]
        torn = writes[-1] if writes and how in ("torn", "random") else -1
        for number, one in enumerate(kept):
            for piece in tear(one, chance) if number == torn else [one]:
                change(files, piece)
        return files


def lay_out(files, directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for file, content in files.items():
        (directory / f"outhook.db{ENDINGS[file]}").write_bytes(content)
    return directory / "outhook.db"


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


def points(operations):
    """Indices after which the power goes: at each sync, before and after, and one between."""
    syncs = [number for number, one in enumerate(operations) if one[0] == SYNC]
    between = [(a + b) // 2 for a, b in zip(syncs, syncs[1:]) if b - a > 2]
    return sorted({*syncs, *(number - 1 for number in syncs if number), *between, len(operations) - 1})


def replay(audit, recording, options, ledger, directory):
    """Goes through the record; returns how many images and runs there were."""
    chance, model, promised, images, runs = random.Random(options.seed), Model(), [], 0, 0
    stops = points(recording.operations)
    to_run = set(chance.sample(stops, min(options.runs, len(stops))))
    taken = {key for key, (_, count) in ledger.lines().items() if count}
    for number, operation in enumerate(recording.operations):
        if operation[0] == MARK and operation[2] == recording.deletes_from:
            promised = []
        elif operation[0] == MARK:
            promised += recording.promises[operation[2]]
        else:
            model.take(operation)
        if number not in stops:
            continue
        for how in ("none", "all", "torn", *["random"] * options.random):
            if how != "none" and not model.waiting:
                break
            where = f"after operation {number} of {len(recording.operations)}, {how} of {len(model.waiting)}"
            files = model.image(chance, how)
            check_image(audit, lay_out(files, directory), promised, taken, where)
            images += 1
        if number in to_run:
            check_run(audit, lay_out(files, directory), promised, ledger, where)
            runs += 1
        if options.control and audit.faults:
            break
    return images, runs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--webhooks", type=int, default=150)
    parser.add_argument("--random", type=int, default=2, help="random images at each point")
    parser.add_argument("--runs", type=int, default=20, help="points at which outhookd is started, too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    began_at, audit, ledger = time.monotonic(), Audit(quiet=options.control), Ledger()
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="outhook-power.", dir=shared) as name:
        recording = Recording(pathlib.Path(name), ledger, options.webhooks, random.Random(options.seed),
                              "NORMAL" if options.control else None)
        images, runs = replay(audit, recording, options, ledger, pathlib.Path(name) / "image")
    ledger.stop()
    syncs = sum(one[0] == SYNC for one in recording.operations)
    lost = any("are lost" in fault for fault in audit.faults)
    title = "power_control" if options.control else "power"
    print(f"{title}: {len(recording.operations)} operations with {syncs} syncs, {sum(map(len, recording.promises))} webhooks, "
          f"{images} images checked, outhookd run on {runs}, {time.monotonic() - began_at:.0f} s")
    failed = not lost if options.control else bool(audit.faults)
    print(f"{title} {'failed' if failed else 'passed'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
