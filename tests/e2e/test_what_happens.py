"""What happens when other people and processes touch the database while outhookd has it open. The table in outhookd(8),
"WHAT HAPPENS WHEN", says the same in words. None of it is silent, and none makes the daemon spin."""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import time

import pytest

from command import outhook, succeed
from database import add_endpoint, attempts, count_is_right, enqueue, query, run, value, wait_settled, wait_status
from locks import LockHolder
from receivers import answer
from refusals import sanitized
from test_cli_check import check
from waiting import stays, wait_until

LOCK_S = float(os.environ.get("OUTHOOK_LOCK_S", 4))  # 60 by hand
BUSY = 0.25  # of a processor; idle is next to nothing, and a spin all of it


class Window:
    """How busy a daemon is from here on."""

    def __init__(self, one):
        self.one, self.cpu, self.began = one, one.cpu(), time.monotonic()

    def check(self):
        busy = (self.one.cpu() - self.cpu) / (time.monotonic() - self.began)
        assert busy < BUSY or sanitized(), f"{busy:.2f} of a processor:\n{self.one.text()}"


def wal_bytes(db):
    return os.stat(f"{db}-wal").st_size


# ---- locks -------------------------------------------------------------------------------------


def test_a_long_lock_is_told_once(db, daemon, receiver):
    """Outcomes wait for it, edits of endpoints can't be made, and all goes on after it."""
    receiver.on("/hook", answer(200, delay=0.2))
    one = daemon()
    for number in range(30):
        enqueue(db, str(number), url=receiver.url())
    receiver.wait(1)
    holder = LockHolder(db).take()
    window = Window(one)
    assert stays(lambda: one.running, LOCK_S)
    window.check()
    holder.let_go()
    wait_settled(db)
    one.wait_for_line("the database can be written again after")
    assert len(one.lines("warning", "another process holds a lock", "nothing is lost")) == 1
    assert len(one.lines("the database can be written again after")) == 1
    assert sorted(int(request.body) for request in receiver.got()) == list(range(30)) and count_is_right(db)


def test_a_lock_upon_nothing_to_do_is_not_told(db, daemon, receiver):
    one = daemon()
    before = len(one.log)
    holder = LockHolder(db).take()
    window = Window(one)
    assert stays(lambda: one.running, 2)
    window.check()
    holder.let_go()
    assert len(one.log) == before, one.text()


def test_a_reader_that_pins_the_log_is_reported(db, daemon, receiver):
    """The write-ahead log grows by what is written, and by nothing else; it is told when that is much."""
    one = daemon()
    reader = sqlite3.connect(db, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM deliveries").fetchall()
    later = "strftime('%s', 'now') * 1000 + 3600000"
    insert = (f"INSERT INTO webhooks (url, payload, deliver_at) SELECT '{receiver.url('/later')}', "
              f"zeroblob(15000000), {later} FROM generate_series(1, 8)")
    run(db, insert)
    line = one.wait_for_line("the write-ahead log", "another process keeps a transaction open")
    assert f"fuser {db}" in line and f"{db}-wal" in line, line
    _, found = check(db)
    assert "a process keeps a transaction open" in found["log", "warning"], found
    grown = wal_bytes(db)
    assert 8 * 15_000_000 < grown < 10 * 15_000_000
    window = Window(one)
    for number in range(5):
        enqueue(db, str(number), url=receiver.url())
    wait_until(lambda: value(db, "SELECT count(*) FROM attempts") == 5, what="deliveries go on")
    assert stays(lambda: one.running, 3)
    window.check()
    assert wal_bytes(db) < grown + 1_000_000, "it grows by what is written"
    assert len(one.lines("keeps a transaction open")) == 1, "once, until it has doubled"
    reader.close()
    one.wait_for_line("the write-ahead log", "is empty again")
    wait_until(lambda: wal_bytes(db) < 1_000_000, what="the log is emptied")
    assert value(db, "PRAGMA quick_check") == "ok"


# ---- the files ---------------------------------------------------------------------------------


def delete_database(db, tmp_path):
    db.unlink()


def replace_database(db, tmp_path):
    other = tmp_path / "other.db"
    shutil.copyfile(db, other)
    other.replace(db)


def delete_wal(db, tmp_path):
    os.unlink(f"{db}-wal")


def move_directory(db, tmp_path):
    db.parent.rename(tmp_path / "elsewhere")


@pytest.mark.parametrize("act", [delete_database, replace_database, delete_wal, move_directory])
def test_a_database_that_is_taken_away_ends_the_daemon(tmp_path, daemon, receiver, act):
    """It says so and ends with 3, upon which no service manager starts it again."""
    from database import create
    directory = tmp_path / "home"
    directory.mkdir()
    db = create(directory / "outhook.db")
    one = daemon(path=db)
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    act(db, tmp_path)
    assert one.wait(timeout=30) == 3
    assert one.lines("put the right file back and start outhookd again")


def test_a_backup_is_restored(db, daemon, receiver, tmp_path):
    """As the manual says: stop, put it there without the old -wal and -shm, start. What was pending then is sent again."""
    receiver.on("/hook", 503)
    one = daemon(retry_schedule="2s")
    enqueue(db, "before", url=receiver.url())
    wait_until(lambda: attempts(db), what="an attempt")
    succeed("backup", tmp_path / "backup.db", "--database", db)
    receiver.on("/hook", 200)
    enqueue(db, "after", url=receiver.url())
    wait_status(db, "delivered", 2)
    one.stop()
    for ending in ["-wal", "-shm"]:
        if os.path.exists(f"{db}{ending}"):
            os.unlink(f"{db}{ending}")
    shutil.copyfile(tmp_path / "backup.db", db)
    daemon()
    wait_settled(db)
    assert query(db, "SELECT payload FROM webhooks") == [{"payload": "before"}] and count_is_right(db)
    assert [request.body for request in receiver.got()][-1] == b"before"


def test_a_file_that_is_written_over_ends_the_daemon(db, daemon, receiver, tmp_path):
    """cp over the database of a running daemon: it is the same file, with other contents."""
    one = daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    succeed("backup", tmp_path / "backup.db", "--database", db)
    run(db, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', value FROM generate_series(1, 300)")
    wait_settled(db)
    assert stays(lambda: one.running, 2.5)  # it looks once a second
    with open(tmp_path / "backup.db", "rb") as source, open(db, "r+b") as target:
        target.truncate()
        shutil.copyfileobj(source, target)
    assert one.wait(timeout=30) == 3
    assert one.lines("written over by something else than SQLite"), one.text()


def test_a_file_that_is_touched_is_nobodys_fault(db, daemon, receiver):
    """Its times change, and no byte of it: some tools that see to permissions do that."""
    one = daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    for _ in range(2):
        assert stays(lambda: one.running, 1.5)
        pathlib.Path(db).touch()
    assert stays(lambda: one.running, 4), one.text()
    enqueue(db, url=receiver.url())
    wait_settled(db)


def test_checkpoints_of_others_are_not_taken_for_that(db, daemon, receiver):
    """A large commit, upon which its producer's connection checkpoints, too, and a checkpoint by hand."""
    one = daemon()
    for _ in range(3):
        run(db, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', zeroblob(20000) "
                "FROM generate_series(1, 400)")
        run(db, "PRAGMA wal_checkpoint(TRUNCATE)")
        assert stays(lambda: one.running, 1.2), one.text()
    wait_settled(db)
    assert stays(lambda: one.running, 1.2), one.text()
    assert value(db, "PRAGMA quick_check") == "ok"


def test_permissions_taken_away_stop_nothing_that_runs(db, daemon, receiver):
    """A running daemon has its files open. The next start is refused, with what to do: test_database_files.py."""
    one = daemon()
    db.chmod(0o400)
    os.chmod(f"{db}-wal", 0o400)
    db.parent.chmod(0o500)
    try:
        window = Window(one)
        enqueue(db, url=receiver.url())  # by root
        wait_status(db, "delivered")
        assert stays(lambda: one.running, 2)
        window.check()
        _, found = check(db)
        assert ("permissions", "bad") in found, "-shm has other permissions than the database"
    finally:
        db.parent.chmod(0o700)


# ---- the contents ------------------------------------------------------------------------------


def test_vacuum_by_hand(db, daemon, receiver):
    receiver.on("/hook", answer(200, delay=0.01))
    one = daemon()
    run(db, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', value FROM generate_series(1, 500)")
    receiver.wait(20)
    run(db, "VACUUM")
    run(db, "VACUUM")
    wait_settled(db)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(1, 501)), "each once"
    assert value(db, "PRAGMA auto_vacuum") == 2 and value(db, "PRAGMA integrity_check") == "ok"
    assert not one.lines("schema"), one.text()


@pytest.mark.parametrize("kind, name", [("trigger", "webhooks_to_url"), ("index", "deliveries_lane"), ("view", "queue")])
def test_a_part_of_the_schema_is_dropped(db, daemon, receiver, kind, name):
    """Said at once and at each start, found by check, made anew by migrate --repair."""
    if kind == "index":
        name = value(db, "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'deliveries' "
                         "AND sql LIKE '%status%' LIMIT 1")
    before = query(db, "SELECT type, name, sql FROM sqlite_schema ORDER BY rowid")
    one = daemon()
    run(db, f"DROP {kind} {name}")
    line = one.wait_for_line("error", f"the {kind} {name} is missing")
    assert "outhook migrate --repair" in line
    window = Window(one)
    assert stays(lambda: one.running, 1.5)
    window.check()
    assert len(one.lines("was edited")) == 1, "once"
    one.stop()
    daemon().wait_for_line("error", f"the {kind} {name} is missing")
    code, found = check(db)
    assert code == 1 and f"the {kind} {name} is missing" in found["schema", "bad"]
    assert "1 triggers, views and indexes anew" in succeed("migrate", "--repair", "--database", db)
    code, found = check(db)
    assert ("schema", "bad") not in found
    assert sorted(map(str, query(db, "SELECT type, name, sql FROM sqlite_schema"))) == sorted(map(str, before))
    assert [row for row in query(db, "SELECT name, type FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid")] \
        == [{"name": row["name"], "type": "trigger"} for row in before if row["type"] == "trigger"], "in their order"
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")


def test_a_repair_is_told(db, daemon):
    one = daemon()
    run(db, "DROP TRIGGER webhooks_to_url")
    one.wait_for_line("the trigger webhooks_to_url is missing")
    succeed("migrate", "--repair", "--database", db)
    one.wait_for_line("the database's schema is outhook's own again")
    assert "as it should be" in succeed("migrate", "--repair", "--database", db)


def test_a_column_is_added(db, daemon, receiver):
    """Nothing that is there depends on it: it is said, and all goes on."""
    one = daemon()
    run(db, "ALTER TABLE webhooks ADD COLUMN note TEXT")
    line = one.wait_for_line("error", "the table webhooks is not outhook's own")
    assert "undo that" in line
    enqueue(db, url=receiver.url(), note="hello")
    wait_status(db, "delivered")
    assert check(db)[1]["schema", "bad"].startswith("the table webhooks was changed")


def test_a_table_or_index_of_others_is_nobodys_fault(db, daemon, receiver):
    one = daemon()
    run(db, "CREATE TABLE notes (text); CREATE INDEX by_type ON webhooks (type)")
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert stays(lambda: one.running, 1.5)
    assert not one.lines("edited"), one.text()
    assert "none of outhook's" in check(db)[1]["schema", "note"]


def test_a_column_is_dropped_that_is_needed(db, daemon, receiver):
    """The daemon can't go on, says what is missing, and ends with 1; nothing is lost when it is put back."""
    receiver.on("/hook", [503, 200])
    one = daemon(retry_schedule="1s", retry_jitter=0)
    enqueue(db, url=receiver.url())
    wait_until(lambda: attempts(db), what="an attempt")
    run(db, "ALTER TABLE deliveries RENAME COLUMN retry_at TO mislaid")
    assert one.wait() == 1
    assert one.lines("outhookd: ", "no such column"), one.text()
    run(db, "ALTER TABLE deliveries RENAME COLUMN mislaid TO retry_at")
    daemon()
    wait_status(db, "delivered")


# ---- damage ------------------------------------------------------------------------------------


def page_of(db, name):
    """A table's or index's first leaf, by its number."""
    return value(db, "SELECT min(pageno) FROM dbstat WHERE name = ? AND pagetype = 'leaf'", name)


def spoil(db, page, size, offset=0):
    with open(db, "r+b") as file:
        file.seek((page - 1) * size + offset)
        file.write(b"\xa5" * (size - offset))


@pytest.mark.parametrize("what", ["webhooks", "deliveries", "endpoints", "index", "schema", "header"])
def test_a_damaged_page(db, daemon, receiver, what):
    """Whatever has it read ends the daemon with 3, before anything is written on top of it."""
    add_endpoint(db, "a", receiver.url())
    run(db, "INSERT INTO webhooks (endpoint, payload) SELECT 'a', value FROM generate_series(1, 200)")
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)")
    (index,) = [row["name"] for row in query(db, "SELECT name FROM sqlite_schema WHERE sql LIKE "
                                                 "'CREATE INDEX%ON deliveries%due_at%pending%'")]
    size = value(db, "PRAGMA page_size")
    if what == "header":
        spoil(db, 1, 100)
    elif what == "schema":
        spoil(db, 1, size, 100)
    else:
        name = index if what == "index" else what
        spoil(db, page_of(db, name), size)
    one = daemon(wait=False)
    assert one.wait(timeout=30) == 3, one.text()
    assert one.lines("is damaged") or one.lines("not an SQLite database"), one.text()
    assert len([line for line in one.log if line.startswith("outhookd: ")]) == 1
    if what != "header":
        code, out, err = outhook("check", "--database", db)
        assert code == 1 and ("integrity" in out or "damaged" in out + err), out + err
