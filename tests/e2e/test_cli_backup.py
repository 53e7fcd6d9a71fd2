"""outhook backup: a copy that is whole, whatever is written meanwhile, and nothing but that."""

import os
import signal
import sqlite3
import stat
import subprocess
import threading

import pytest

from command import OUTHOOK, Terminal, environment, outhook, rows, succeed
from database import add_endpoint, enqueue, query, run, value, wait_settled
from waiting import wait_until


def rest(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def place(tmp_path):
    directory = tmp_path / "copies"
    directory.mkdir()
    return directory


def test_a_copy_is_the_database(db, place):
    add_endpoint(db, "a", "https://example.com/")
    enqueue(db, "hello", endpoint="a")
    target = place / "copy.db"
    out = succeed("backup", target, "--database", db, "--check")
    assert out.startswith(f"{target}, ") and stat.S_IMODE(target.stat().st_mode) == 0o600
    assert rest(place) == ["copy.db"]
    for table in ("webhooks", "deliveries", "endpoints", "endpoint_secrets", "queue_depth"):
        assert query(target, f"SELECT * FROM {table}") == query(db, f"SELECT * FROM {table}")
    assert rows("backup", target, "--database", db, "--force") == [
        {"file": str(target), "bytes": target.stat().st_size}]


def test_under_load_it_is_whole_and_of_one_moment(db, daemon, receiver, place):
    """Each transaction inserts ten webhooks, and numbers run on: a copy of two moments would have a gap or a part."""
    add_endpoint(db, "a", receiver.url())
    run(db, "INSERT INTO webhooks (endpoint, payload, deliver_at) SELECT 'a', hex(randomblob(400)), 253402300799000"
            " FROM generate_series(1, 40000)")
    daemon(log_attempts_per_second=0)
    stopping, inserted = threading.Event(), []

    def insert():
        connection = sqlite3.connect(db, timeout=30, isolation_level=None)
        while not stopping.is_set():
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(10):
                connection.execute("INSERT INTO webhooks (endpoint, type, payload) VALUES ('a', 'storm', ?)",
                                   (str(len(inserted)),))
                inserted.append(1)
            connection.execute("COMMIT")
        connection.close()

    thread = threading.Thread(target=insert)
    thread.start()
    try:
        wait_until(lambda: len(inserted) >= 100)
        for number in range(3):
            succeed("backup", place / f"{number}.db", "--database", db)
    finally:
        stopping.set()
        thread.join()
    for number in range(3):
        copy = place / f"{number}.db"
        assert value(copy, "PRAGMA integrity_check") == "ok"
        (sums,) = query(copy, """SELECT count(*) AS webhooks, max(CAST(payload AS INTEGER)) + 1 AS last
                                 FROM webhooks WHERE type = 'storm'""")
        assert sums["webhooks"] == sums["last"] and sums["webhooks"] % 10 == 0
        assert value(copy, "SELECT pending = (SELECT count(*) FROM deliveries WHERE status = 'pending') FROM queue_depth")
    wait_until(lambda: value(db, "SELECT count(*) FROM deliveries WHERE status = 'pending'") == 40000)


def test_a_daemon_serves_the_copy(db, daemon, receiver, place):
    enqueue(db, "hello", url=receiver.url())
    succeed("backup", place / "copy.db", "--database", db)
    daemon(path=place / "copy.db")
    wait_settled(place / "copy.db")
    assert receiver.got()[0].body == b"hello"


@pytest.mark.parametrize("prepare, arguments, code, sentence", [
    (lambda target: target.write_text("mine"), [], 2, "is there already: give another name, or --force"),
    (lambda target: target.mkdir(), ["--force"], 2, "no ordinary file"),
    (lambda target: target.symlink_to("/dev/null"), ["--force"], 2, "no ordinary file")])
def test_what_is_there_stays(db, place, prepare, arguments, code, sentence):
    target = place / "copy.db"
    prepare(target)
    done = outhook("backup", target, "--database", db, *arguments)
    assert done[0] == code and sentence in done[2] and rest(place) == ["copy.db"]


def test_not_onto_itself_and_not_into_nowhere(db, place):
    link = place / "link.db"
    os.link(db, link)
    for target in (db, link):
        code, _, err = outhook("backup", target, "--database", db, "--force")
        assert code == 2 and "is the database itself" in err
    code, _, err = outhook("backup", "/nonexistent/copy.db", "--database", db)
    assert code == 1 and "can't create /nonexistent/copy.db" in err
    code, _, err = outhook("backup", "--database", db)
    assert code == 2 and "where to?" in err


def test_ctrl_c_leaves_nothing_behind(db, place):
    run(db, "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:9/', zeroblob(15000)"
            " FROM generate_series(1, 12000)")
    process = subprocess.Popen([OUTHOOK, "backup", str(place / "copy.db"), "--database", str(db)], env=environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: rest(place))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    if process.returncode:  # else it was done before
        assert process.returncode == 1 and b"nothing is left behind" in err and rest(place) == []


def test_no_space_leaves_nothing_behind(db, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    run(db, "INSERT INTO webhooks (url, payload) VALUES ('http://127.0.0.1:9/', zeroblob(3000000))")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        code, _, err = outhook("backup", small / "copy.db", "--database", db)
        assert code == 1 and "no space left" in err and rest(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_on_a_terminal(db, place):
    terminal = Terminal("backup", place / "copy.db", "--database", db, columns=60)
    code, lines = terminal.finish()
    assert code == 0 and len(lines) <= 3
