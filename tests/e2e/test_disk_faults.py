"""The disk fails, or is taken away, and then it is well again: disk.c makes the daemon's calls fail."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))

from database import add_endpoint, attempts, count_is_right, create, enqueue, query, run, value, wait_settled, wait_status
from disk import INPUT_OUTPUT, NO_QUOTA, NO_SPACE, READ_ONLY, WAL, Disk, sanitizer
from locks import LockHolder
from receivers import answer
from waiting import stays, wait_until

@pytest.fixture
def disk(db, tmp_path):
    return Disk(db, tmp_path)


def everything_came(db, receiver, count):
    wait_settled(db)
    assert {int(request.body) for request in receiver.got()} == set(range(1, count + 1))
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == count
    assert value(db, "SELECT count(*) FROM attempts") == count and count_is_right(db)
    assert value(db, "PRAGMA integrity_check") == "ok"


def insert(db, receiver, first, last):
    run(db, f"""INSERT INTO webhooks (url, payload)
                SELECT '{receiver.url("/")}' || (value % 8), value FROM generate_series({first}, {last})""")


# ---- input/output errors -----------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["write", "read", "sync"])
def test_an_input_output_error_ends_the_daemon_and_the_next_one_goes_on(db, disk, daemon, receiver, call):
    """What is in memory may then differ from what is on disk: only a start that reads it anew is safe."""
    one = daemon(prefix=disk.prefix, max_in_flight=10, max_unwritten=10)
    insert(db, receiver, 1, 10)
    wait_settled(db)
    disk.fail(**{call: INPUT_OUTPUT})
    last = 10
    while one.running and last < 5000:  # a sync comes with a checkpoint only, each few hundred of them
        insert(db, receiver, last + 1, last + 50)
        last += 50
        wait_until(lambda: not one.running or call == "sync" and len(receiver.got()) >= last)
    assert one.wait() == 1, "a service manager starts it again: it is neither 2 nor 3"
    assert len(one.lines("input/output error", "Input/output error", "dmesg")) == 1 and len(one.lines("Success")) == 0
    assert disk.failed == 1, "nothing more is tried on a disk that has failed, no checkpoint on the way out either"
    before = len(receiver.got())
    assert before - value(db, "SELECT count(*) FROM attempts") <= 20, "no further call without its record"
    disk.heal()
    daemon(prefix=disk.prefix)
    everything_came(db, receiver, last)


@pytest.mark.parametrize("fault", [{"read": INPUT_OUTPUT}, {"write": READ_ONLY}, {"open": READ_ONLY}, {"open": NO_SPACE},
                                   {"write": NO_SPACE}, {"write": INPUT_OUTPUT, "files": 1 << WAL},
                                   {"sync": INPUT_OUTPUT}], ids=str)
def test_a_start_waits_for_the_disk_and_says_so_once(db, disk, daemon, receiver, fault):
    insert(db, receiver, 1, 5)
    disk.fail(**fault)
    one = daemon(prefix=disk.prefix, wait=False)
    one.wait_for_line("nothing is lost")
    assert stays(lambda: one.running and not receiver.got(), 2.5)
    assert len(one.log) == 1, one.text()
    disk.heal()
    one.wait_for_line("can be written again")
    everything_came(db, receiver, 5)


@pytest.mark.skipif(any("tsan" in name for name in sanitizer()), reason="libuv closes its descriptors by system calls "
                    "that ThreadSanitizer does not see; it takes one that is opened next for the same")
def test_a_stop_does_not_wait_for_the_disk_at_the_start(db, disk, daemon):
    disk.fail(read=INPUT_OUTPUT)
    one = daemon(prefix=disk.prefix, wait=False)
    one.wait_for_line("nothing is lost")
    one.stop()


def test_a_read_only_file_system_is_said_to_be_one(db, disk, daemon, receiver):
    one = daemon(prefix=disk.prefix)
    disk.fail(write=READ_ONLY)
    insert(db, receiver, 1, 5)
    assert one.wait() == 1
    assert len(one.lines("is read-only", "mount it read-write")) == 1
    disk.heal()
    daemon(prefix=disk.prefix)
    everything_came(db, receiver, 5)


def test_a_start_on_a_read_only_file_system_waits_until_it_is_remounted(tmp_path, daemon, receiver):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], check=True)
    try:
        db = create(place / "outhook.db")
        daemon(db).stop()
        insert(db, receiver, 1, 5)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        one = daemon(db, wait=False)
        one.wait_for_line("is read-only", "nothing is lost")
        assert stays(lambda: one.running and not receiver.got(), 1.5) and len(one.log) == 1, one.text()
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        everything_came(db, receiver, 5)
        one.stop()
    finally:
        subprocess.run(["umount", "-l", place], check=True)


# ---- no space ----------------------------------------------------------------------------------------


def test_a_quota_is_a_full_disk(db, disk, daemon, receiver):
    one = daemon(prefix=disk.prefix)
    disk.fail(write=NO_QUOTA)
    insert(db, receiver, 1, 5)
    one.wait_for_line("no space left", "make room", "nothing is lost")
    disk.heal()
    one.wait_for_line("can be written again")
    everything_came(db, receiver, 5)


def test_a_disk_that_is_full_while_draining_is_waited_for(db, disk, daemon, receiver):
    receiver.on("/0", answer(200, delay=0.5))
    one = daemon(prefix=disk.prefix)
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url('/0')}', 1)")
    receiver.wait(1)
    disk.fail(write=NO_SPACE)
    one.signal(signal.SIGTERM)
    one.wait_for_line("no space left", "nothing is lost")
    assert one.running
    disk.heal()
    assert one.wait() == 0
    everything_came(db, receiver, 1)


def test_space_that_comes_and_goes_fills_no_log(db, disk, daemon, receiver):
    one = daemon(prefix=disk.prefix)
    for number in range(5):
        disk.fail(write=NO_SPACE)
        insert(db, receiver, number + 1, number + 1)
        receiver.wait(number + 1)
        if number == 0:
            one.wait_for_line("no space left")
        time.sleep(1.6)
        disk.heal()
        wait_settled(db)
    assert len(one.lines("no space left")) == 1, one.text()


# ---- what is done on the side ------------------------------------------------------------------------


def key_file(tmp_path):
    path = tmp_path / "secret.key"
    path.write_text("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=\n")
    path.chmod(0o600)
    return path


def test_sealing_says_that_it_waits_for_space(db, disk, daemon, tmp_path):
    one = daemon(prefix=disk.prefix, secret_key_file=key_file(tmp_path))
    log = pathlib.Path(f"{db}-wal")
    wait_until(lambda: not log.stat().st_size, what="the log is emptied at the start, which would be said instead")
    disk.fail(write=NO_SPACE)
    add_endpoint(db, "a", "https://example.com/hook")
    one.wait_for_line("no space left", "secrets stay in the database as they are")
    assert stays(lambda: len(one.lines("secrets stay")) == 1, 2)
    disk.heal()
    one.wait_for_line("can be written again")
    wait_until(lambda: not query(db, "SELECT 1 FROM endpoint_secrets WHERE secret NOT GLOB 'sealed:*'"))


def test_sealing_says_that_it_waits_for_a_lock(db, daemon, tmp_path):
    key = key_file(tmp_path)
    one = daemon(secret_key_file=key)
    add_endpoint(db, "a", "https://example.com/hook")
    wait_until(lambda: not query(db, "SELECT 1 FROM endpoint_secrets WHERE secret NOT GLOB 'sealed:*'"))
    before = value(db, "SELECT secret FROM endpoint_secrets")
    holder = LockHolder(db).take()
    key.write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n" + key.read_text())
    one.signal(signal.SIGHUP)
    one.wait_for_line("another process holds a lock", "secrets stay in the database as they are")
    assert stays(lambda: len(one.lines("secrets stay")) == 1, 2)
    holder.let_go()
    one.wait_for_line("can be written again")
    wait_until(lambda: value(db, "SELECT secret FROM endpoint_secrets") != before)


def test_retention_says_that_it_waits_for_space(db, disk, daemon, receiver):
    one = daemon(prefix=disk.prefix, retain_delivered="1s", retain_failed="1s", retain_attempts="1s")
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    disk.fail(write=NO_SPACE)
    one.wait_for_line("no space left", "what is old is not deleted")
    assert len(attempts(db)) == 1
    disk.heal()
    one.wait_for_line("can be written again")
    wait_until(lambda: value(db, "SELECT count(*) FROM webhooks") == 0)
    assert len([line for line in one.log if re.search("no space left", line)]) == 1
