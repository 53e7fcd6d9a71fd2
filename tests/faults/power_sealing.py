"""Power loss while secrets are sealed, and sealed anew with another key, as power.py does with all the rest.

    /usr/bin/python3 -B tests/faults/power_sealing.py [--secrets 30] [--every 1] [--random 2] [--runs 20] [--seed 1]

Secrets are inserted by the stock sqlite3, before outhookd has a key and while it seals. Then its key is replaced by a
new one, and the old one taken away as soon as the log says that all is sealed with the new one. Whatever is then left
on the disk: each secret that somebody was told of as committed is in it, plain or such that a key opens it that is
there still. Once secrets have left the database's files, they are not in the database's file after a power loss
either; its log may be the old one again, out of which outhookd, started on some of it, removes them.
"""

import base64
import hashlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time

from disk import DATABASE, TOLD, WAL
from daemon import BUILD, Daemon, LOOPBACK
from database import create, query
from images import lay_out, memory_directory, points, power_losses, power_options, read_record, recorded
from recording import Recorded
from waiting import wait_until
from world import SETTINGS, Audit, audit_file

PLAIN = b"A" * 28  # all of them end so
GONE = "gone"
OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in range(2))


def write_keys(path, *keys):
    path.write_text("".join(key + "\n" for key in keys))
    path.chmod(0o600)
    return path


def key_name(key):
    """As it stands in what is sealed, and in the log."""
    return hashlib.sha256(base64.b64decode(key)).hexdigest()[:8]


def all_sealed(db):
    return not query(db, "SELECT 1 FROM endpoint_secrets WHERE secret NOT GLOB 'sealed:*'")


def log_is_empty(db):
    return db.with_name(db.name + "-wal").stat().st_size == 0


def in_files(db):
    return [file.name for file in db.parent.glob(db.name + "*") if PLAIN in file.read_bytes()]


class Recording(Recorded):
    """`promises[n]` is {endpoint: secret}, or GONE: those so far are no longer in the files. What the daemon tells, as
    for the record, is that secrets are sealed with the new key; with that the old one is taken away."""

    def __init__(self, directory, secrets):
        super().__init__(directory, told=f"endpoint secrets with the key {key_name(NEW)}", sync_ms=5)
        self.endpoints, self.initial = 0, create(self.db).read_bytes()
        self.keys = write_keys(directory / "secret.key", OLD)
        config = directory / "outhookd.conf"
        config.write_text(f"secret_key_file = {self.keys}\n")
        for _ in range(3):
            self.insert(secrets // 6)
        with self.keeping_the_log():
            self.insert(secrets // 6)
            daemon = Daemon(self.db, SETTINGS, config, allow=LOOPBACK, prefix=self.disk.prefix)
            self.wait_sealed(daemon.wait_ready(), OLD)
        self.insert(secrets // 6)
        self.wait_sealed(daemon, OLD)
        write_keys(self.keys, NEW, OLD)
        daemon.signal(signal.SIGHUP)
        self.wait_sealed(daemon, NEW)
        write_keys(self.keys, NEW)
        daemon.signal(signal.SIGHUP)
        self.insert(secrets // 6)
        self.wait_sealed(daemon, NEW)
        daemon.stop()
        self.operations = read_record(self.disk.record)

    def insert(self, count):
        """One after the other, so that pages are split."""
        for _ in range(count):
            self.endpoints += 1
            secret = f"whsec_{self.endpoints:04d}{PLAIN.decode()}"
            self.sqlite(f"""BEGIN IMMEDIATE;
                INSERT INTO endpoints (name, url) VALUES ('e{self.endpoints}', 'http://127.0.0.1:1/');
                UPDATE endpoint_secrets SET secret = '{secret}' WHERE endpoint_id = last_insert_rowid(); COMMIT;""")
            self.promise({f"e{self.endpoints}": secret})

    def wait_sealed(self, daemon, key):
        daemon.wait_for_line("endpoint secrets with the key", key_name(key))
        wait_until(lambda: all_sealed(self.db), 30, "all secrets are sealed")
        wait_until(lambda: log_is_empty(self.db), 30, "the log is empty")
        assert not in_files(self.db)
        self.promise(GONE)


class State:
    """What holds after some marks."""

    def __init__(self, recording, marks):
        done = [recording.promises[mark] for mark in marks if mark != TOLD]
        self.secrets = {name: secret for one in done if one != GONE for name, secret in one.items()}
        self.keys = (NEW,) if TOLD in marks else (NEW, OLD)
        last = max((number for number, one in enumerate(done) if one == GONE), default=0)
        self.gone = [secret.encode() for one in done[:last] if one != GONE for secret in one.values()]


# ---- checks -----------------------------------------------------------------------------------------


class Opener:
    """Opens what is sealed by means of the command, once each."""

    def __init__(self, directory):
        self.directory, self.opened = directory, {}

    def open(self, db, name, stored, keys):
        if (name, stored, keys) not in self.opened:
            file = write_keys(self.directory / "image.key", *keys)
            done = subprocess.run([BUILD / "outhook", "endpoint", "show", name, "--secret", "--json", "--database", db,
                                   "--key-file", file], capture_output=True, text=True)
            self.opened[name, stored, keys] = (json.loads(done.stdout)["secrets"][0]["secret"] if done.returncode == 0
                                               else done.stderr)
        return self.opened[name, stored, keys]


def check_secrets(audit, db, state, opener, where):
    """Whether each is there, plain or openable."""
    there = {row["name"]: row["secret"] for row in query(
        db, "SELECT name, secret FROM endpoint_secrets AS s JOIN endpoints AS e ON e.id = endpoint_id")}
    for name, secret in state.secrets.items():
        found = there.get(name, "nothing")
        if found.startswith("sealed:"):
            found = opener.open(db, name, found, state.keys)
        audit.expect(found == secret, f"{where}: {name} has the secret {secret}, and there is {found}")


def check_image(audit, point, state, opener, directory):
    """What SQLite finds in an image."""
    left = [file for file, content in point.files.items() if any(secret in content for secret in state.gone)]
    audit.expect(DATABASE not in left, f"{point.where}: a plain secret is in the database again")
    audit.expect(point.how != "all" or not left, f"{point.where}: a plain secret is in the log again")
    try:
        db, before = lay_out(point.files, directory), len(audit.faults)
        check_secrets(audit, db, state, opener, point.where)
        audit_file(audit, db)
        audit.expect(len(audit.faults) == before, f"the above was found {point.where}")
    except sqlite3.Error as error:
        audit.expect(False, f"{point.where}: {error}")
    return WAL in left


def check_run(audit, point, state, opener, directory):
    """What outhookd makes of an image: all are sealed, and leave the files while it runs."""
    db, keys = lay_out(point.files, directory), write_keys(directory.parent / "run.key", *state.keys)
    daemon = Daemon(db, {**SETTINGS, "secret_key_file": keys}, allow=LOOPBACK)
    try:
        daemon.wait_ready()
        wait_until(lambda: all_sealed(db), 10, "all secrets are sealed")
        wait_until(lambda: not in_files(db), 10, lambda: f"plain secrets have left {in_files(db)}")
        daemon.stop()
        check_secrets(audit, db, state, opener, f"{point.where}, after a run")
        audit_file(audit, db)
    except AssertionError as error:
        daemon.process.kill()
        audit.expect(False, f"{point.where}: {error}\n{daemon.text()}")


def replay(audit, recording, options, directory):
    """Goes through the record; returns how many images there were, in how many the log had plain secrets again, and
    how many runs there were."""
    chance, opener, images, again, runs = random.Random(options.seed), Opener(directory), 0, 0, 0
    stops = sorted({*points(recording.operations), *range(0, len(recording.operations), options.every)})
    to_run = set(chance.sample(stops, min(options.runs, len(stops))))
    for point in power_losses(recording.operations, stops, chance, options.random, {DATABASE: recording.initial}):
        state = State(recording, point.marks)
        old = check_image(audit, point, state, opener, directory / "image")
        images, again = images + 1, again + old
        if point.last and point.number in to_run or old and again == 1:
            check_run(audit, point, state, opener, directory / "image")
            runs += 1
    audit.expect(TOLD in point.marks, "nobody said that secrets were sealed with the new key")
    return images, again, runs


def main():
    parser = power_options()
    parser.add_argument("--secrets", type=int, default=30)
    parser.add_argument("--every", type=int, default=1, help="operations between two power losses, beside those at syncs")
    options = parser.parse_args()
    began_at, audit = time.monotonic(), Audit()
    with memory_directory() as directory:
        recording = Recording(directory, options.secrets)
        images, again, runs = replay(audit, recording, options, directory)
    print(f"power_sealing: {recorded(recording.operations)}, {recording.endpoints} secrets, {images} images checked, "
          f"the log as of before in {again}, outhookd run on {runs}, {time.monotonic() - began_at:.0f} s")
    print(f"power_sealing {'failed' if audit.faults else 'passed'}")
    return bool(audit.faults)


if __name__ == "__main__":
    sys.exit(main())
