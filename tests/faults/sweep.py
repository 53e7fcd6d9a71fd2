"""kill -9 before each change of the disk, one after the other: inside migrations, a delivery, replay, retention and
checkpoint, sealing, and a stop.

    /usr/bin/python3 -B tests/faults/sweep.py [--every 1] [NAME ...]

Each of these is done on a fresh copy of the same database, and the process that does it is killed before its k-th
write, truncation, sync or removal (disk.c); then, left in peace, it has to end where it would have ended at once.
`--every 7` tries each seventh k only.
"""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from disk import Disk
from daemon import BUILD, Daemon, LOOPBACK
from database import MIGRATIONS, add_endpoint, as_daemon, create, query, run, sqlite_script, value
from ledger import Ledger
from waiting import wait_until
from world import SETTINGS, Audit, audit_file

SCHEMA = "SELECT group_concat(sql, char(10)) FROM (SELECT sql FROM sqlite_schema ORDER BY type, name)"


class Sweep:
    """One thing that is done under a knife. Subclasses say what."""

    settings: dict = {}

    def __init__(self, directory, ledger, audit):
        self.directory, self.ledger, self.audit = pathlib.Path(directory), ledger, audit
        self.template = self.directory / "template.db"
        self.prepare()
        if self.template.exists():
            run(self.template, "PRAGMA wal_checkpoint(TRUNCATE)")

    def prepare(self):
        create(self.template)

    def fresh(self):
        for name in ("outhook.db", "outhook.db-wal", "outhook.db-shm", "outhook.db-journal"):
            (self.directory / name).unlink(missing_ok=True)
        self.db = self.directory / "outhook.db"
        if self.template.exists():
            shutil.copy(self.template, self.db)
        return self.db

    def daemon(self, disk=None):
        prefix = disk.prefix if disk else []
        return Daemon(self.db, {**SETTINGS, **self.settings}, allow=LOOPBACK, prefix=prefix)

    def done(self):
        """Whether it has been done, seen from outside."""
        raise NotImplementedError

    def act(self, disk):
        """Does it under the knife. True: it came to its end alive."""
        daemon = self.daemon(disk)
        deadline = time.monotonic() + 30
        while daemon.running and not self.seems_done() and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.end(daemon)

    def end(self, daemon):
        if daemon.running:
            daemon.process.terminate()
        status = daemon.wait()
        self.audit.expect(status in (0, -signal.SIGKILL), f"{self.name}: it ended with {status}:\n{daemon.text()}")
        return status == 0

    def seems_done(self):
        try:
            return self.done()
        except Exception:  # noqa: BLE001  (no schema yet, or locked)
            return False

    def again(self):
        """In peace, to the end."""
        daemon = self.daemon()
        try:
            daemon.wait_ready()
            wait_until(self.seems_done, 30, f"{self.name} is done")
            daemon.stop()
        except AssertionError as error:
            daemon.process.kill()
            self.audit.expect(False, f"{self.name}: {error}")

    def check(self):
        audit_file(self.audit, self.db)

    def run(self, every):
        """Returns how many ks were tried."""
        disk, k, tried = Disk(self.directory / "outhook.db", self.directory), 1, 0
        while True:
            self.fresh()
            disk.die_at(k)
            alive = self.act(disk)
            before = len(self.audit.faults)
            self.again()
            if len(self.audit.faults) == before:
                self.check()
            if len(self.audit.faults) > before:
                print(f"{self.name}: that was after a kill before change {k}", file=sys.stderr)
            tried += 1
            if alive or len(self.audit.faults) > 20:
                return tried, disk.changes
            k += every


class Migrate(Sweep):
    """From no file at all to the newest schema."""

    name = "migrate"

    def prepare(self):
        self.reference = value(create(self.directory / "reference.db"), SCHEMA)

    def done(self):
        return value(self.db, "PRAGMA user_version") == len(MIGRATIONS) and \
            value(self.db, "PRAGMA journal_mode") == "wal"

    def check(self):
        super().check()
        self.audit.expect(value(self.db, SCHEMA) == self.reference, "migrate: the schema differs")
        self.audit.expect(value(self.db, "PRAGMA auto_vacuum") == 2, "migrate: auto_vacuum differs")


class Upgrade(Migrate):
    """From the first schema, with webhooks in it, in WAL mode, of which a copy is made."""

    name = "upgrade"

    def prepare(self):
        super().prepare()
        create(self.template, MIGRATIONS[:1])
        run(self.template, f"""INSERT INTO webhooks (url, payload)
                               SELECT '{self.ledger.url("/good/1")}', value FROM generate_series(1, 3)""")

    def fresh(self):
        for left in self.directory.glob("outhook.db.schema-*"):
            left.unlink()
        return super().fresh()

    def done(self):
        return super().done() and not query(self.db, "SELECT 1 FROM deliveries WHERE status <> 'delivered'")

    def check(self):
        super().check()
        copy = self.directory / "outhook.db.schema-1.backup"
        found = copy.exists() and (value(copy, "PRAGMA user_version"), value(copy, "PRAGMA integrity_check"),
                                   value(copy, "SELECT count(*) FROM deliveries WHERE status = 'pending'"))
        self.audit.expect(found == (1, "ok", 3), f"upgrade: the copy of before is {found}")


class Deliver(Sweep):
    """Webhooks that are taken, refused, tried again, and that fail."""

    name = "deliver"

    def prepare(self):
        super().prepare()
        for name, path in (("good", "/good/1"), ("fail", "/fail/1"), ("flaky", "/flaky/1")):
            add_endpoint(self.template, name, self.ledger.url(path))
            run(self.template, f"INSERT INTO webhooks (endpoint, payload) VALUES ('{name}', 'x'), ('{name}', 'y')")

    def done(self):
        return not query(self.db, "SELECT 1 FROM deliveries WHERE status = 'pending'")

    def check(self):
        super().check()
        lines = self.ledger.lines()
        for row in query(self.db, """SELECT d.status, w.uid, w.endpoint FROM deliveries AS d
                                     JOIN webhooks AS w ON w.id = webhook_id"""):
            taken = lines[f"/{row['endpoint']}/1", row["uid"]][1]
            right = "failed" if row["endpoint"] == "fail" else "delivered"
            self.audit.expect(row["status"] == right and (taken > 0) == (right == "delivered"), f"deliver: {row}, {taken}")


class Replay(Sweep):
    """`outhook replay` of many, in slices."""

    name = "replay"
    rows = 2000

    def prepare(self):
        super().prepare()
        add_endpoint(self.template, "e", "http://127.0.0.1:1/")
        run(self.template, f"INSERT INTO webhooks (endpoint, payload) SELECT 'e', value FROM generate_series(1, {self.rows})")
        as_daemon(self.template, """
            UPDATE deliveries SET status = 'failed', attempts = 1, finished_at = created_at;
            INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms)
            SELECT id, 1, 'failed', created_at, 1 FROM deliveries;
            UPDATE queue_depth SET pending = 0;""")

    def replay(self, environment):
        done = subprocess.run([BUILD / "outhook", "replay", "--database", self.db, "--status", "failed", "--yes"],
                              env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode

    def act(self, disk):
        status = self.replay(disk.environment)
        self.audit.expect(status in (0, 1, -signal.SIGKILL), f"replay: it ended with {status}")
        audit_file(self.audit, self.db)
        return status in (0, 1)

    def again(self):
        self.replay({})

    def check(self):
        super().check()
        (row,) = query(self.db, "SELECT count(*) AS n, sum(attempts) AS a, sum(attempts_before) AS b FROM deliveries "
                                "WHERE status = 'pending'")
        self.audit.expect(row == {"n": self.rows, "a": 0, "b": self.rows}, f"replay: {row}")


class Retain(Sweep):
    """Old rows are deleted, the log is emptied, and space is given back; what is pending stays."""

    name = "retain"
    settings = {"retain_delivered": "1m", "retain_failed": "1m", "retain_attempts": "1m"}

    def prepare(self):
        super().prepare()
        add_endpoint(self.template, "e", "http://127.0.0.1:1/", enabled=0)
        run(self.template, """INSERT INTO webhooks (endpoint, payload)
                              SELECT 'e', printf('%.*c', 3000, 'x') FROM generate_series(1, 1500)""")
        as_daemon(self.template, """
            UPDATE deliveries SET status = 'delivered', attempts = 1, finished_at = 1000 WHERE id % 100;
            INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms)
            SELECT id, 1, 'delivered', 1000, 1 FROM deliveries WHERE id % 100;
            UPDATE queue_depth SET pending = 15;""")

    def done(self):
        return value(self.db, "SELECT count(*) FROM webhooks") == 15 and \
            value(self.db, "PRAGMA page_count") < 500

    def check(self):
        super().check()
        self.audit.expect(value(self.db, "SELECT group_concat(id) FROM (SELECT id FROM webhooks ORDER BY id)") ==
                          ",".join(str(100 * n) for n in range(1, 16)), "retain: what was pending is not there")


class Seal(Sweep):
    """Secrets that stood in the database as plain text are sealed, and leave its files."""

    name = "seal"
    looked = 0
    secrets = [f"whsec_{n:02d}{'A' * 30}" for n in range(30)]

    def prepare(self):
        super().prepare()
        key = self.directory / "secret.key"
        key.write_text("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=\n")
        key.chmod(0o600)
        self.settings = {"secret_key_file": key}
        for n, secret in enumerate(self.secrets):
            add_endpoint(self.template, f"e{n}", "http://127.0.0.1:1/")
            run(self.template, f"UPDATE endpoint_secrets SET secret = '{secret}' WHERE endpoint_id = {n + 1}")
        sqlite_script(self.template, "VACUUM;")

    def done(self):
        return not query(self.db, "SELECT 1 FROM endpoint_secrets WHERE secret NOT GLOB 'sealed:*'")

    def check(self):
        super().check()
        self.looked = n = (self.looked + 1) % len(self.secrets)
        shown = subprocess.run([BUILD / "outhook", "endpoint", "show", f"e{n}", "--secret", "--database", self.db,
                                "--key-file", self.settings["secret_key_file"]], capture_output=True, text=True)
        self.audit.expect(self.secrets[n] in shown.stdout, f"seal: {shown.stdout}{shown.stderr}")
        for ending in ("", "-wal"):
            file = pathlib.Path(f"{self.db}{ending}")
            plain = file.exists() and b"A" * 30 in file.read_bytes()
            self.audit.expect(not plain, f"seal: a secret stands in the file {file.name}")


SWEEPS = {sweep.name: sweep for sweep in (Migrate, Upgrade, Deliver, Replay, Retain, Seal)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SWEEPS))
    options = parser.parse_args()
    failed, ledger = 0, Ledger()
    for name in options.names or SWEEPS:
        audit, began_at = Audit(), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="outhook-sweep.") as directory:
            tried, changes = SWEEPS[name](directory, ledger, audit).run(options.every)
        print(f"{name}: killed before {tried - 1} of {changes} changes, {time.monotonic() - began_at:.0f} s")
        print(f"{name} {'failed' if audit.faults else 'passed'}", flush=True)
        failed += bool(audit.faults)
    ledger.stop()
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
