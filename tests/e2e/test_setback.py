"""A daemon that fails, and is started again and again by somebody who never gives up: it waits in place, longer each time,
rather than do a little work and fail every other second."""

import json
import pathlib
import re
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))

from command import succeed
from database import count_is_right, query, run, value, wait_settled, wait_status
from disk import INPUT_OUTPUT, Disk
from service_manager import Manager
from test_cli_check import check
from test_moved_clock import library
from test_what_happens import page_of, spoil
from waiting import stays, wait_until

NOTE_AT = 48  # where the note of failures stands in the lock's file


def note(db):
    """{name: value} of the failures that the next start learns of."""
    with open(f"{db}.lock", "rb") as file:
        text = file.read()[NOTE_AT:].decode()
    return dict(line.split("=", 1) for line in text.splitlines())


def write_note(db, failures, reason):
    with open(f"{db}.lock", "wb") as file:
        file.write(b"1\nin_flight=0".ljust(NOTE_AT - 1) + b"\n")
        file.write(f"failures={failures}\nfailed_at={int(time.time() * 1000)}\nfailure={reason}\n".encode())


def status(db):
    return json.loads(succeed("status", "--json", "--database", db))


def status_text(db):
    return " ".join(succeed("status", "--database", db).split())


class Unreadable:
    """A page of the database that can't be read."""

    code = 1

    def __init__(self, db, disk):
        self.db, self.disk = db, disk
        disk.fail_page(page_of(db, "webhooks"), value(db, "PRAGMA page_size"))

    def mend(self):
        self.disk.heal()


class Damaged(Unreadable):
    """A page that has lost its contents."""

    code = 3

    def __init__(self, db, disk):
        self.db, size = db, value(db, "PRAGMA page_size")
        page = page_of(db, "webhooks")
        self.at = (page - 1) * size
        with open(db, "rb") as file:
            file.seek(self.at)
            self.kept = file.read(size)
        spoil(db, page, size)

    def mend(self):
        with open(self.db, "r+b") as file:
            file.seek(self.at)
            file.write(self.kept)


@pytest.fixture
def disk(db, tmp_path):
    return Disk(db, tmp_path)


@pytest.fixture
def filled(db, receiver):
    """A few hundred webhooks to eight URLs, on some pages of which one is about to be bad."""
    run(db, f"""INSERT INTO webhooks (url, payload)
                SELECT '{receiver.url("/")}' || (value % 8), value FROM generate_series(1, 400);
                PRAGMA wal_checkpoint(TRUNCATE)""")
    return db


def all_came(db, receiver):
    wait_settled(db)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 400
    assert {int(request.body) for request in receiver.got()} == set(range(1, 401)) and count_is_right(db)


def fail_twice(daemon, disk, fault):
    for _ in range(2):
        one = daemon(prefix=disk.prefix, wait=False)
        assert one.wait() == fault.code, one.text()
        assert not one.lines("waits"), "the first failure may have been a hiccup, and the second follows it"


@pytest.mark.parametrize("kind", [Unreadable, Damaged])
def test_a_start_after_two_failures_waits_and_a_stop_ends_that(filled, disk, daemon, receiver, kind):
    fault = kind(filled, disk)
    fail_twice(daemon, disk, fault)
    assert note(filled)["failures"] == "2"
    write_note(filled, 8, note(filled)["failure"])  # for a wait that is longer than what is looked at meanwhile
    came = len(receiver.got())
    one = daemon(prefix=disk.prefix, wait=False)
    line = one.wait_for_line("warning", "failed 8 times in a row", " before it works again")
    assert note(filled)["failure"] in line and "restart it now to go on at once" in line
    assert stays(lambda: one.running and len(receiver.got()) == came, 1.5)
    began = time.monotonic()
    one.stop()
    assert time.monotonic() - began < 2
    assert len(one.log) == 2 and one.lines("info", "stopped"), one.text()
    assert note(filled) == {}
    fault.mend()
    daemon(prefix=disk.prefix)
    all_came(filled, receiver)


class Persistent(threading.Thread):
    """Starts a daemon again as soon as it has ended, as a service manager would with RestartSec=100ms."""

    def __init__(self, start):
        super().__init__(daemon=True)
        self.start_one, self.started, self.stopping = start, [], threading.Event()

    def run(self):
        while not self.stopping.wait(0.1):
            self.started.append(self.start_one())
            if self.started[-1].wait() == 0:
                return

    def lines(self, *words):
        return [line for one in list(self.started) for line in one.lines(*words)]


def test_a_service_manager_makes_no_loop_of_it(filled, disk, daemon, receiver):
    """Nor does it need anybody once all is well."""
    fault = Unreadable(filled, disk)
    manager = Persistent(lambda: daemon(prefix=disk.prefix, wait=False))
    manager.start()
    try:
        wait_until(lambda: manager.lines("failed 2 times in a row"))
        at = status(filled)
        assert at["daemon_runs"] and at["failures"] == 2 and "input/output error" in at["failure"]
        assert at["failed_at"] <= time.time() * 1000 < at["waits_until_at"] <= at["failed_at"] + 5000
        assert stays(lambda: len(manager.started) == 3, 1.5), "one more each tenth of a second it would be"
        assert disk.failed == 2 and len(manager.lines("")) <= 3 * 5, "what each did and said"
        fault.mend()
        all_came(filled, receiver)
        assert len(manager.started) == 3, "nobody had to start it"
        at = status(filled)
        assert at["failures"] == 2 and at["waits_until_at"] is None, "it has not run well for long"
    finally:
        manager.stopping.set()
        manager.started[-1].stop()
        manager.join()
    assert note(filled) == {} and status(filled)["failures"] == 0


def test_who_asks_is_told_that_it_waits_and_why(db, daemon, receiver, tmp_path, monkeypatch):
    """The service manager, which gives it the time, and outhook status and check."""
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    write_note(db, 20, "the disk is on fire")
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', 1)")
    one = daemon(wait=False)
    one.wait_for_line("failed 20 times in a row", " before it works again", "the disk is on fire")
    manager.wait_more("EXTEND_TIMEOUT_USEC", 3)
    assert re.fullmatch(r"Waiting 2\d\ds more, after 20 failures in a row: the disk is on fire",
                        manager.all("STATUS")[-1])
    assert not manager.all("READY") and not manager.all("WATCHDOG") and not receiver.got()
    words = r"waiting for \d+[ms] more, process \d+; failed 20 times in a row, the last one \d+m?s ago: the disk is on fire"
    assert re.search(f"outhookd {words}", status_text(db))
    assert re.fullmatch(words, check(db)[1]["outhookd", "bad"])
    one.stop()
    assert manager.order("READY", "STOPPING") == ["STOPPING"]
    daemon()
    wait_status(db, "delivered")
    manager.close()


def test_failures_are_forgotten_after_five_minutes(db, daemon, receiver, tmp_path):
    """They last three seconds, by the daemon's clocks."""
    write_note(db, 1, "the disk was on fire")
    one = daemon(prefix=["env", f"LD_PRELOAD={library()}", "FAKETIME=+0 x100", "NO_FAKE_STAT=1"])
    assert note(db)["failures"] == "1" and not one.lines("waits")
    one.wait_for_line("it has run for 5m without a failure")
    wait_until(lambda: note(db) == {})
    one.kill()
    assert status(db)["failures"] == 0


def test_a_first_failure_is_told_and_keeps_nobody_waiting(db, disk, daemon, receiver):
    """For it may have been the only one."""
    one = daemon(prefix=disk.prefix)
    disk.fail(write=INPUT_OUTPUT)
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', 1)")
    assert one.wait() == 1
    assert re.search(r"outhookd not running; failed \d+m?s ago: .*input/output error on ", status_text(db))
    disk.heal()
    one = daemon(prefix=disk.prefix)
    wait_status(db, "delivered")
    assert re.search(r"outhookd running, process \d+, \d calls? in flight; failed \d", status_text(db))
    assert "failed" in check(db)[1]["outhookd", "warning"]
    one.stop()
    assert note(db) == {} and not query(db, "SELECT 1 FROM deliveries WHERE status <> 'delivered'")
