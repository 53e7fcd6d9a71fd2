"""A newer version is started on an older database: nothing is lost, and a copy of before is kept."""

import os
import signal
import subprocess
import time

import pytest

from command import succeed
from database import MIGRATIONS, create, enqueue, finish, query, run, value, wait_status
from locks import LockHolder
from waiting import wait_until

NEWEST = len(MIGRATIONS)
LOCK_PATIENCE = 10  # seconds for which a start waits for a lock
FINAL = ("delivered", "failed", "expired", "cancelled")


@pytest.fixture
def old(tmp_path, receiver):
    """A database of schema version 1, with a row in every status. The last one, 5, is pending."""
    path = create(tmp_path / "old.db", MIGRATIONS[:1])
    for status in FINAL:
        finish(path, enqueue(path, status, url=receiver.url()), status)
    enqueue(path, "pending", url=receiver.url())
    return path


def statuses(db):
    return [row["status"] for row in query(db, "SELECT status FROM deliveries ORDER BY id")]


def test_the_daemon_migrates_and_loses_nothing(old, daemon, receiver):
    one = daemon(old)
    copy = old.with_name("old.db.schema-1.backup")
    assert one.lines(f"migrated from schema version 1 to {NEWEST}", str(copy))
    wait_status(old, "delivered", 5)
    assert value(old, "PRAGMA user_version") == NEWEST
    assert statuses(old) == [*FINAL, "delivered"] and [r.body for r in receiver.got()] == [b"pending"]
    one.stop()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert value(copy, "PRAGMA user_version") == 1 and value(copy, "PRAGMA integrity_check") == "ok"
    assert statuses(copy) == [*FINAL, "pending"], "as it was before"
    daemon(old)
    assert sorted(path.name for path in old.parent.glob("*backup*")) == [copy.name], "and no other"


def test_the_copy_is_a_way_back(old, daemon, receiver):
    daemon(old).stop()
    copy = old.with_name("old.db.schema-1.backup")
    for ending in ("", "-wal", "-shm"):
        old.with_name(old.name + ending).unlink(missing_ok=True)
    copy.rename(old)
    daemon(old)
    wait_status(old, "delivered", 5)


def test_a_new_database_has_no_copy(tmp_path, daemon):
    daemon(tmp_path / "new.db").stop()
    assert not list(tmp_path.glob("*backup*"))


def test_a_stop_does_not_wait_for_a_start_that_waits(old, daemon):
    """Somebody holds the write lock, which the migration needs. A failure would be told as one."""
    holder = LockHolder(old).take()
    one = daemon(old, wait=False)
    one.wait_for_line("holds a lock", "nothing is lost") # it has waited for long, and tries again
    assert not list(old.parent.glob("*backup*")), "a copy would be made each time"
    before = time.monotonic()
    one.signal(signal.SIGTERM)
    assert one.wait() == 0, one.text()
    assert time.monotonic() - before < LOCK_PATIENCE - 2, "it has not just run out of patience"
    assert one.lines("stopped") and not one.lines("ready")
    holder.let_go()
    assert value(old, "PRAGMA user_version") == 1 and statuses(old)[-1] == "pending"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_copy_without_room_changes_nothing(tmp_path, daemon, receiver):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=True)
    try:
        path = create(disk / "old.db", MIGRATIONS[:1])
        run(path, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', zeroblob(2000000)")
        (disk / "filler").write_bytes(b"\0" * 2500000)
        sqlite_files = sorted(file.name for file in disk.iterdir())
        one = daemon(path, wait=False)
        one.wait_for_line("there is no room for the copy", "--no-copy")
        assert value(path, "PRAGMA user_version") == 1 and not one.lines("ready: ")
        assert not list(disk.glob("*backup*")) and set(sqlite_files) <= {file.name for file in disk.iterdir()}
        assert succeed("migrate", "--no-copy", "--database", path) == \
            f"migrated {path} from schema version 1 to {NEWEST}\n"
        one.wait_for_line("ready: ")
        wait_status(path, "delivered")
        one.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
