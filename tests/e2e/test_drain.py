"""How the daemon stops, and what it finds when it starts again."""

import signal
import time

import pytest

from database import (add_endpoint, attempts, count_is_right, delivery, enqueue, query, run, value, wait_settled,
                      wait_status)
from receivers import answer, hang
from waiting import stays, wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_daemon_stops_at_once(db, daemon, number):
    one = daemon(drain_timeout="1h")
    one.signal(number)
    assert one.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_in_flight_finish(db, daemon, receiver, number):
    receiver.on("/hook", answer(200, delay=1.5))
    one = daemon()
    enqueue(db, url=receiver.url())
    receiver.wait(1)
    one.signal(number)
    assert one.wait() == 0
    assert [row["verdict"] for row in attempts(db)] == ["delivered"]
    assert delivery(db)["status"] == "delivered" and count_is_right(db)


def test_a_failure_during_the_drain_is_written_too(db, daemon, receiver):
    receiver.on("/hook", answer(500, delay=1))
    one = daemon()
    enqueue(db, url=receiver.url())
    receiver.wait(1)
    one.signal(signal.SIGTERM)
    assert one.wait() == 0
    row = delivery(db)
    assert (row["status"], row["attempts"], row["last_status_code"]) == ("pending", 1, 500)


def test_what_does_not_finish_in_time_is_abandoned_uncharged(db, daemon, receiver):
    receiver.on("/hook", [hang, 200])
    one = daemon(drain_timeout="500ms", timeout="600s")
    enqueue(db, "again", url=receiver.url())
    receiver.wait(1)
    before = time.monotonic()
    one.signal(signal.SIGTERM)
    assert one.wait() == 0
    assert time.monotonic() - before >= 0.5
    row = delivery(db)
    assert (row["status"], row["attempts"], row["last_error"]) == ("pending", 0, None)
    assert attempts(db) == [] and count_is_right(db)
    daemon()
    wait_status(db, "delivered")
    assert [request.body for request in receiver.got()] == [b"again", b"again"]
    assert len({request.header("webhook-id") for request in receiver.got()}) == 1


def test_no_new_call_starts_during_the_drain(db, daemon, receiver):
    receiver.on("/slow", answer(200, delay=2))
    one = daemon()
    enqueue(db, url=receiver.url("/slow"))
    receiver.wait(1)
    one.signal(signal.SIGTERM)
    one.wait_for_line("stop")
    enqueue(db, url=receiver.url("/new"))
    assert one.wait() == 0
    assert receiver.got("/new") == [] and delivery(db, 2)["status"] == "pending"
    daemon()
    receiver.wait(1, path="/new")


def test_a_second_signal_stops_at_once_and_loses_nothing(db, daemon, receiver):
    receiver.on("/hook", [hang, 200])
    one = daemon(drain_timeout="1h", timeout="600s")
    enqueue(db, url=receiver.url())
    receiver.wait(1)
    one.signal(signal.SIGTERM)
    assert stays(lambda: one.running, 0.5), "it drains"
    one.signal(signal.SIGTERM)
    one.wait(timeout=30)
    assert delivery(db)["status"] == "pending" and delivery(db)["attempts"] == 0
    daemon()
    wait_status(db, "delivered")


def test_outcomes_of_the_last_moment_are_written(db, daemon, receiver):
    """A stop in the middle of traffic: every answer that was given is in the database."""
    receiver.on("/hook", answer(200, delay=0.01))
    run(db, f"""INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', value FROM generate_series(1, 2000)""")
    one = daemon()
    receiver.wait(150)
    one.signal(signal.SIGTERM)
    assert one.wait() == 0
    delivered = value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'")
    assert 150 <= delivered == len(receiver.got()) < 2000
    assert value(db, "SELECT count(*) FROM attempts") == delivered and count_is_right(db)
    daemon(endpoint_max_in_flight=50)
    wait_settled(db, timeout=120)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(1, 2001)), "each once"


def test_a_clean_stop_leaves_one_file(db, daemon, receiver, tmp_path):
    one = daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    one.stop()
    wal = tmp_path / "outhook.db-wal"
    assert not wal.exists() or wal.stat().st_size == 0, "checkpointed"
    assert value(db, "PRAGMA integrity_check") == "ok"


def test_kill_9_loses_nothing(db, daemon, receiver):
    receiver.on("/hook", answer(200, delay=0.01))
    for round_ in range(3):
        one = daemon()
        first = round_ * 300
        run(db, f"""INSERT INTO webhooks (url, payload)
                    SELECT '{receiver.url()}', value FROM generate_series({first}, {first + 299})""")
        receiver.wait(len(receiver.got()) + 50)
        one.kill()
    daemon()
    wait_settled(db)
    assert {int(request.body) for request in receiver.got()} == set(range(900))
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 900
    assert value(db, "PRAGMA integrity_check") == "ok" and count_is_right(db)
    uids = {row["payload"]: row["uid"] for row in query(db, "SELECT payload, uid FROM webhooks")}
    assert all(uids[int(request.body)] == request.header("webhook-id") for request in receiver.got())


def test_a_retry_that_fell_due_while_it_was_down_comes_at_the_start(db, daemon, receiver):
    receiver.on("/hook", [500, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="200ms")
    one = daemon(retry_jitter=0)
    enqueue(db, endpoint="a")
    wait_until(lambda: delivery(db)["attempts"] == 1)
    one.stop()
    if delivery(db)["status"] == "pending":
        wait_until(lambda: time.time() * 1000 > delivery(db)["due_at"])
        daemon()
    assert wait_status(db, "delivered")["attempts"] == 2
