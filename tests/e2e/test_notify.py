"""What the service manager is told, and when."""

import os
import re
import signal

import pytest

from database import as_daemon, enqueue, query, run
from locks import LockHolder
from receivers import answer, hang
from service_manager import Frozen, Manager, threads
from waiting import stays, wait_until

WATCHDOG_MS = 2000


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """A service manager that watches what is started from here on."""
    one = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", one.path)
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_MS * 1000))
    yield one
    one.close()


def test_ready_stopping_and_patience(daemon, manager):
    one = daemon()
    manager.wait("READY")
    one.stop()
    assert manager.order("READY", "STOPPING", "EXTEND_TIMEOUT_USEC")[-2:] == ["STOPPING", "EXTEND_TIMEOUT_USEC"]
    assert manager.all("READY") == ["1"] and manager.all("STOPPING") == ["1"]


def test_not_ready_before_the_database_can_be_used(db, daemon, manager):
    """It has to write down its own max_pending, and somebody holds the lock."""
    holder = LockHolder(db).take()
    one = daemon(wait=False, max_pending=5)
    manager.wait("STATUS", "Opening the database")
    manager.wait_more("EXTEND_TIMEOUT_USEC", 2)
    assert not manager.all("READY") and not one.lines("ready: ")
    holder.let_go()
    manager.wait("READY")
    assert not manager.all("WATCHDOG") or manager.order("READY", "WATCHDOG")[0] == "READY"


def test_the_status_line(db, daemon, manager, receiver):
    receiver.on("/hook", hang)
    daemon(endpoint_max_in_flight=2)
    manager.wait("STATUS", "Delivering 0/s: 0 pending, 0 in flight")
    for _ in range(5):
        enqueue(db, url=receiver.url())
    wait_until(lambda: any(re.fullmatch(r"Delivering 0/s: 5 pending, [12] in flight, oldest [1-9]\d*s", text)
                           for text in manager.all("STATUS")), what=manager.all("STATUS")[-1])


def test_the_status_line_counts_what_arrives(db, daemon, manager, receiver):
    daemon()
    manager.wait("READY")
    run(db, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', value FROM generate_series(1, 500)")

    def arrived():
        rates = (re.match(r"Delivering (\d+)/s: ", text) for text in manager.all("STATUS"))
        return sum(int(match[1]) for match in rates if match)
    wait_until(lambda: arrived() == 500, what="500 arrived")


@pytest.mark.parametrize("pending", [1500, 3000])
def test_the_status_line_knows_the_oldest(db, daemon, manager, receiver, pending):
    """Few are looked at one by one; of many the first of each endpoint."""
    run(db, f"""INSERT INTO endpoints (name, url, signing)
                SELECT 'e' || value, '{receiver.url("/")}' || value, 'none' FROM generate_series(1, 1200);
                UPDATE endpoints SET enabled = 0;
                INSERT INTO webhooks (endpoint, payload) SELECT 'e' || (1 + value % 1200), value
                FROM generate_series(1, {pending})""")
    old = query(db, "SELECT id FROM deliveries WHERE endpoint_id = 1100 ORDER BY id LIMIT 1")[0]["id"]
    as_daemon(db, f"UPDATE deliveries SET created_at = created_at - 7200000 WHERE id = {old}")
    daemon()
    wait_until(lambda: re.fullmatch(rf"Delivering 0/s: {pending} pending, 0 in flight, oldest (2h|12\dm)",
                                    manager.all("STATUS")[-1]), what="two hours, in the end")


def test_a_drain_says_how_long_it_may_take(db, daemon, manager, receiver):
    receiver.on("/hook", answer(200, delay=2.5))
    one = daemon(drain_timeout="1h")
    manager.wait("READY")
    enqueue(db, url=receiver.url())
    receiver.wait(1)
    one.signal(signal.SIGTERM)
    manager.wait("STOPPING")
    manager.wait_more("EXTEND_TIMEOUT_USEC", 2)
    assert one.wait() == 0
    assert any(re.fullmatch(r"Draining: 1 in flight have \d+[ms] left, 0 outcomes to write", text)
               for text in manager.all("STATUS")), manager.all("STATUS")
    assert all(int(us) <= 60_000_000 for us in manager.all("EXTEND_TIMEOUT_USEC")), "a hang is noticed"


def test_a_reload_is_told_from_start_to_end(daemon, manager, tmp_path):
    config = tmp_path / "outhookd.conf"
    config.write_text("log_level = info\n")
    one = daemon(config=config)
    manager.wait("READY")
    for text, line in [("log_level = debug\n", "was reloaded"), ("nonsense\n", "not reloaded")]:
        config.write_text(text)
        one.signal(signal.SIGHUP)
        one.wait_for_line(line)
    wait_until(lambda: len(manager.all("READY")) == 3)
    assert manager.order("READY", "RELOADING") == ["READY", "RELOADING", "READY", "RELOADING", "READY"]


# ---- the watchdog -------------------------------------------------------------------------------


def freeze(tid):
    try:
        return Frozen(tid).__enter__()
    except PermissionError:
        pytest.skip("this machine lets nobody trace a process")


@pytest.mark.parametrize("name", ["loop", "store", "worker1", "worker2"])
def test_the_watchdog_hears_nothing_while_a_thread_hangs(daemon, manager, name):
    one = daemon(workers=2)
    manager.wait_more("WATCHDOG", 2)
    frozen = freeze(threads(one.pid)[name])
    try:
        # What it had done before counts for one more ping, which may be on its way.
        stays(lambda: True, 2 * WATCHDOG_MS / 4000)
        count = len(manager.all("WATCHDOG"))
        assert stays(lambda: len(manager.all("WATCHDOG")) == count, 1.5 * WATCHDOG_MS / 1000)
    finally:
        frozen.__exit__()
    manager.wait_more("WATCHDOG", 2)


def test_the_watchdog_does_not_mind_others(db, daemon, manager):
    """A writer that sits on its lock, and a log that nobody takes, are no reason to be killed."""
    one = daemon()
    with_lock = LockHolder(db).take()
    try:
        frozen = freeze(threads(one.pid)["log"])
        try:
            manager.wait_more("WATCHDOG", 6)
        finally:
            frozen.__exit__()
    finally:
        with_lock.let_go()


@pytest.mark.skipif(os.environ.get("NOTIFY_SOCKET") is not None, reason="somebody else listens")
def test_nobody_is_told_when_nobody_listens(daemon):
    daemon().stop()
