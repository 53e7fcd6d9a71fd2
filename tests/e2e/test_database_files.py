"""What the daemon may find where its database should be."""

import os
import shutil
import sqlite3
import stat
import subprocess

import pytest

from daemon import BUILD, LOOPBACK, outhookd
from database import MIGRATIONS, create, enqueue, query, run, sqlite, value, wait_status

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


def refusal(path, expected=(1, 3), **options):
    """What a daemon that has to refuse says. With 3 it is not started again."""
    status, _, err = outhookd("--database", path, "--set", f"allow_networks={LOOPBACK}", **options)
    assert status in expected, err
    assert err.startswith("outhookd: ") and err.count("\n") == 1, err
    return err


def schema(db):
    return query(db, "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name")


def test_a_file_that_does_not_exist_is_made(daemon, receiver, tmp_path):
    path = tmp_path / "new.db"
    daemon(path=path)
    assert value(path, "PRAGMA user_version") == len(MIGRATIONS)
    assert value(path, "PRAGMA journal_mode") == "wal" and value(path, "PRAGMA auto_vacuum") == 2
    assert schema(path) == schema(create(tmp_path / "by_hand.db"))
    enqueue(path, url=receiver.url())
    wait_status(path, "delivered")


def test_an_empty_file_becomes_a_database(daemon, receiver, tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    daemon(path=path)
    enqueue(path, url=receiver.url())
    wait_status(path, "delivered")
    assert value(path, "PRAGMA auto_vacuum") == 2


def test_a_new_file_is_group_writable_whatever_the_umask(daemon, tmp_path):
    path = tmp_path / "new.db"
    daemon(path=path, prefix=["sh", "-c", "umask 077; exec \"$@\"", "sh"])
    for file in [path, tmp_path / "new.db-wal", tmp_path / "new.db-shm"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o660, file


def test_an_older_schema_is_brought_up_to_date(daemon, receiver, tmp_path):
    path = create(tmp_path / "older.db", MIGRATIONS[:1])
    enqueue(path, "kept", url=receiver.url())
    daemon(path=path)
    wait_status(path, "delivered")
    assert receiver.got()[0].body == b"kept"
    assert value(path, "PRAGMA user_version") == len(MIGRATIONS)
    assert schema(path) == schema(create(tmp_path / "newest.db"))


def test_a_newer_schema_is_refused_untouched(db):
    newer = len(MIGRATIONS) + 1
    run(db, f"PRAGMA user_version = {newer}")
    before = db.read_bytes()
    err = refusal(db, expected=(3,))
    assert str(newer) in err and "newer" in err
    assert db.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is a letter, not a database\n" * 100, bytes(range(256)) * 64, b"x\n"],
                         ids=["text", "binary", "two bytes"])
def test_what_is_no_database_is_refused_untouched(tmp_path, content):
    path = tmp_path / "letter.db"
    path.write_bytes(content)
    assert "not an SQLite database" in refusal(path, expected=(3,))
    assert path.read_bytes() == content


@pytest.mark.parametrize("sql", ["CREATE TABLE notes (text)", "PRAGMA user_version = 1", "PRAGMA application_id = 5",
                                 "CREATE TABLE deliveries (id INTEGER PRIMARY KEY, status TEXT)"])
def test_another_programs_database_is_refused_untouched(tmp_path, sql):
    path = tmp_path / "notes.db"
    status, _, err = sqlite(path, sql)
    assert status == 0, err
    before = path.read_bytes()
    assert "another program's database" in refusal(path, expected=(3,))
    assert path.read_bytes() == before


def test_a_damaged_database_is_refused(db):
    content = bytearray(db.read_bytes())
    content[100:4096] = b"\xa5" * 3996
    db.write_bytes(content)
    refusal(db)


def test_a_directory_in_its_place(tmp_path):
    assert str(tmp_path) in refusal(tmp_path)


def test_a_missing_directory(tmp_path):
    assert str(tmp_path / "missing") in refusal(tmp_path / "missing" / "outhook.db")


@pytest.fixture
def locked_directory(tmp_path):
    """A directory that only its owner may enter, and then not write."""
    directory = tmp_path / "locked"
    directory.mkdir()
    for parent in [tmp_path, *tmp_path.parents[:3]]:
        if str(parent) != "/tmp":
            parent.chmod(0o755)
    directory.chmod(0o555)
    yield directory
    directory.chmod(0o755)


def refusal_as_nobody(path):
    """What a daemon without privileges says; its program is copied to where anyone may run it."""
    program = path.parents[1] / "outhookd"
    shutil.copy(BUILD / "outhookd", program)
    done = subprocess.run([*NOBODY, str(program), "--database", str(path)], text=True, capture_output=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("outhookd: "), done.stderr
    return done.stderr


def test_a_directory_without_permission(locked_directory):
    err = refusal_as_nobody(locked_directory / "outhook.db")
    assert str(locked_directory) in err
    assert list(locked_directory.iterdir()) == []


def test_a_file_without_permission(locked_directory):
    locked_directory.chmod(0o755)
    path = create(locked_directory / "outhook.db")
    path.chmod(0o440 if NOBODY else 0o000)
    assert "permission" in refusal_as_nobody(path)


def test_a_database_that_is_moved_away_ends_the_daemon(db, daemon, tmp_path):
    """Writes to a moved file would succeed, and nobody would ever see them."""
    one = daemon()
    db.rename(tmp_path / "moved.db")
    assert one.wait(timeout=60) == 3
    assert one.lines("outhook.db")


def test_an_existing_database_keeps_its_rows_over_many_starts(db, daemon, receiver):
    for number in range(3):
        one = daemon()
        enqueue(db, str(number), url=receiver.url())
        wait_status(db, "delivered", number + 1)
        one.stop()
    assert [request.body for request in receiver.got()] == [b"0", b"1", b"2"]


def test_a_database_in_rollback_mode_is_turned_to_wal(db, daemon, receiver):
    connection = sqlite3.connect(db)
    assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    connection.close()
    daemon()
    assert value(db, "PRAGMA journal_mode") == "wal"
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
