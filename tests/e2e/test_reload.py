"""SIGHUP: what a changed configuration file changes, and what a bad one doesn't."""

import signal

import pytest

from database import enqueue, query, value, wait_attempts, wait_status
from waiting import stays, wait_until


@pytest.fixture
def config(tmp_path):
    """Writes the configuration file and returns its path."""
    def write(text):
        path = tmp_path / "outhookd.conf"
        path.write_text(text)
        return path
    return write


def max_pending(db):
    return value(db, "SELECT max_pending FROM queue_depth")


GOOD = "[outhookd]\nallow_networks = 127.0.0.0/8\nmax_pending = 1000\n"


def test_a_reload_takes_new_values(db, daemon, receiver, config):
    one = daemon(config=config(GOOD), allow=None)
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert max_pending(db) == 1000
    config(GOOD.replace("1000", "2000").replace("127.0.0.0/8", "10.0.0.0/8") + "retry_schedule = 1h\n")
    one.signal(signal.SIGHUP)
    wait_until(lambda: max_pending(db) == 2000)
    enqueue(db, url=receiver.url())
    assert wait_attempts(db, 1, 2)[0]["verdict"] == "blocked"
    assert one.running


def test_a_reload_reaches_retries_and_timeouts(db, daemon, receiver, config):
    receiver.on("/hook", [500, 200])
    one = daemon(config=config(GOOD + "retry_schedule = 1h\n"), allow=None)
    config(GOOD.replace("1000", "2000") + "retry_schedule = 50ms\n")
    one.signal(signal.SIGHUP)
    wait_until(lambda: max_pending(db) == 2000)
    enqueue(db, url=receiver.url())
    assert wait_status(db, "delivered")["attempts"] == 2


@pytest.mark.parametrize("bad, word", [
    ("max_pending = many\n", "max_pending"), ("timeout = 15\n", "timeout"), ("max_pendign = 5\n", "max_pendign"),
    ("retry_schedule = 5s,30s\n", "retry_schedule"), ("allow_networks = 10.0.0.0/33\n", "10.0.0.0/33"),
    ("nonsense\n", "line"), ("[other]\nmax_pending = 5\n", "other"), ("workers = 0\n", "workers")])
def test_a_bad_file_changes_nothing_and_says_why(db, daemon, receiver, config, bad, word):
    one = daemon(config=config(GOOD), allow=None)
    config(GOOD.replace("1000", "2000") + bad)
    seen = len(one.log)
    one.signal(signal.SIGHUP)
    wait_until(lambda: any(word in line for line in one.log[seen:]), what=lambda: f"{word} in {one.log}")
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert max_pending(db) == 1000
    config(GOOD.replace("1000", "3000"))
    one.signal(signal.SIGHUP)
    wait_until(lambda: max_pending(db) == 3000, what="a good file after a bad one")


def test_a_missing_file_changes_nothing_and_says_why(db, daemon, receiver, config):
    path = config(GOOD)
    one = daemon(config=path, allow=None)
    path.unlink()
    seen = len(one.log)
    one.signal(signal.SIGHUP)
    wait_until(lambda: any(str(path) in line for line in one.log[seen:]))
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert max_pending(db) == 1000


def test_what_is_set_by_option_wins_over_a_reloaded_file(db, daemon, config):
    one = daemon(config=config("max_payload_bytes = 1000\n"), max_pending=77)
    assert max_pending(db) == 77
    config("max_payload_bytes = 2000\nmax_pending = 88\n")
    one.signal(signal.SIGHUP)
    wait_until(lambda: value(db, "SELECT max_payload_bytes FROM queue_depth") == 2000)
    assert max_pending(db) == 77


def test_a_setting_that_needs_a_restart_is_named(db, daemon, config):
    one = daemon(config=config(GOOD + "workers = 2\n"), allow=None)
    seen = len(one.log)
    config(GOOD.replace("1000", "2000") + "workers = 3\n")
    one.signal(signal.SIGHUP)
    wait_until(lambda: max_pending(db) == 2000)
    wait_until(lambda: any("workers" in line for line in one.log[seen:]))


def test_reloads_under_traffic_lose_nothing(db, daemon, receiver, config):
    one = daemon(config=config(GOOD), allow=None)
    for number in range(60):
        enqueue(db, str(number), url=receiver.url(f"/{number % 5}"))
        config(GOOD.replace("1000", str(1000 + number)))
        one.signal(signal.SIGHUP)
    wait_until(lambda: max_pending(db) == 1059)
    receiver.wait(60)
    wait_until(lambda: not query(db, "SELECT * FROM deliveries WHERE status = 'pending'"))
    assert sorted(int(request.body) for request in receiver.got()) == list(range(60))


def test_sighup_without_a_file_is_harmless(db, daemon, receiver):
    one = daemon()
    one.signal(signal.SIGHUP)
    assert stays(lambda: one.running, 0.3)
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
