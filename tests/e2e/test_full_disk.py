"""The disk is full, and then it is not."""

import os
import subprocess

import pytest

from database import count_is_right, create, run, value, wait_settled
from receivers import answer
from waiting import stays, wait_until


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(path):
    """Writes until nothing more fits."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 1024)
        except OSError as error:
            assert error.strerror == "No space left on device"


def test_a_full_disk_stops_the_calls_and_loses_nothing(small_disk, daemon, new_receiver):
    db, receiver = create(small_disk / "outhook.db"), new_receiver(answer(200, delay=0.5))
    one = daemon(db, max_in_flight=40, max_unwritten=1)
    run(db, f"""INSERT INTO webhooks (url, payload)
                SELECT '{receiver.url("/")}' || (value % 40), value FROM generate_series(1, 200)""")
    wait_until(lambda: receiver.in_flight >= 10)
    fill(small_disk / "filler")
    one.wait_for_line("no space left", "nothing is lost")
    wait_until(lambda: receiver.in_flight == 0)
    count = len(receiver.got())
    assert stays(lambda: len(receiver.got()) == count and one.running, 1.5), "no outcome, no further call"
    assert len(one.lines("no space left")) == 1, "told once, not every time"

    (small_disk / "filler").unlink()
    one.wait_for_line("can be written again")
    wait_settled(db)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(1, 201)), "each once"
    assert value(db, "SELECT count(*) FROM attempts") == 200 and count_is_right(db)
    assert value(db, "PRAGMA integrity_check") == "ok"


def test_a_producer_is_told_of_a_full_disk_and_the_daemon_goes_on(small_disk, daemon, new_receiver):
    db, receiver = create(small_disk / "outhook.db"), new_receiver()
    daemon(db)
    fill(small_disk / "filler")
    with pytest.raises(AssertionError, match="full"):
        for _ in range(2000):
            run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', zeroblob(4000))")
    inserted = value(db, "SELECT count(*) FROM webhooks")
    (small_disk / "filler").unlink()
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', 'last')")
    wait_settled(db)
    assert len(receiver.got()) == inserted + 1
