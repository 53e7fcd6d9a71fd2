"""One daemon a database."""

import os

from daemon import LOOPBACK, outhookd
from database import create, enqueue, wait_status
from waiting import wait_until


def second(path):
    return outhookd("--database", path, "--set", f"allow_networks={LOOPBACK}")


def test_a_second_daemon_is_refused_and_names_the_first(db, daemon, receiver):
    one = daemon()
    status, _, err = second(db)
    assert status == 1 and err.count("\n") == 1, err
    assert err.startswith("outhookd: ") and str(one.pid) in err
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert len(receiver.got()) == 1


def test_another_name_of_the_same_file_is_the_same_database(db, daemon, tmp_path):
    one = daemon()
    (tmp_path / "link.db").symlink_to(db)
    status, _, err = second(tmp_path / "link.db")
    assert status == 1 and str(one.pid) in err
    status, _, err = second(os.path.join(tmp_path, "..", tmp_path.name, "outhook.db"))
    assert status == 1 and str(one.pid) in err


def test_the_next_one_may_start_after_a_stop_and_after_a_kill(db, daemon, receiver):
    daemon().stop()
    daemon().kill()
    daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")


def test_two_databases_have_two_daemons(db, daemon, receiver, tmp_path):
    other = create(tmp_path / "other.db")
    daemon()
    daemon(path=other)
    enqueue(db, "one", url=receiver.url())
    enqueue(other, "other", url=receiver.url())
    receiver.wait(2)
    assert sorted(request.body for request in receiver.got()) == [b"one", b"other"]


def test_a_refused_second_daemon_leaves_the_lock_in_place(db, daemon):
    one = daemon()
    for _ in range(3):
        status, _, err = second(db)
        assert status == 1 and str(one.pid) in err
    one.stop()
    wait_until(lambda: not one.running)
    daemon()
