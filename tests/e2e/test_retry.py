"""When the next attempt comes: the schedule, its jitter, Retry-After, and the two ends of it all."""

import email.utils
import math
import time

import pytest

from database import (add_endpoint, attempts, delivery, enqueue, query, value, wait_attempts, wait_settled,
                      wait_status)
from receivers import answer, hang
from waiting import stays, wait_until

SLACK = 0.003  # seconds by which the two clocks' roundings may differ


def gaps(rows):
    """Seconds from the end of each attempt to the start of the next."""
    return [(after["started_at"] - before["started_at"] - before["duration_ms"]) / 1000
            for before, after in zip(rows, rows[1:])]


def test_attempts_follow_the_schedule_and_the_last_wait_repeats(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="200ms 500ms 300ms", max_attempts=5)
    daemon(retry_jitter=0, breaker_failures=1000)
    enqueue(db, endpoint="a")
    row = wait_status(db, "failed")
    rows = attempts(db)
    assert [attempt["number"] for attempt in rows] == [1, 2, 3, 4, 5] and row["attempts"] == 5
    for gap, wait in zip(gaps(rows), [0.2, 0.5, 0.3, 0.3]):
        assert wait - SLACK <= gap < wait + 10
    assert len(receiver.got()) == 5


def test_max_attempts_used_up_is_failed(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms", max_attempts=3)
    daemon(breaker_failures=1000)
    enqueue(db, endpoint="a")
    row = wait_status(db, "failed")
    assert row["attempts"] == 3 and row["finished_at"] and row["last_status_code"] == 500
    assert [(f["endpoint"], f["attempts"], f["error"]) for f in query(db, "SELECT * FROM failed")] == [
        ("a", 3, row["last_error"])]
    assert stays(lambda: len(receiver.got()) == 3, 0.3)


def test_one_attempt_means_no_retry(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms", max_attempts=1)
    daemon()
    enqueue(db, endpoint="a")
    assert wait_status(db, "failed")["attempts"] == 1


@pytest.mark.parametrize("jitter, least, most", [(0, 1.0, 1.0), (20, 0.8, 1.2), (50, 0.5, 1.5)])
def test_jitter_stays_within_its_percentage_and_spreads(db, daemon, receiver, jitter, least, most):
    """The due time in the row says it exactly; nobody has to wait for the hour."""
    receiver.on("/hook", 500)
    daemon(retry_schedule="1h", retry_jitter=jitter, breaker_failures=1000)
    for number in range(40):
        enqueue(db, url=receiver.url())
    wait_until(lambda: value(db, "SELECT count(*) FROM attempts") == 40)
    waits = [row["wait"] / 3_600_000 for row in query(db, """
        SELECT d.due_at - a.started_at - a.duration_ms AS wait
        FROM deliveries AS d JOIN attempts AS a ON a.delivery_id = d.id""")]
    slack = 30_000 / 3_600_000  # from the end of the call to the decision
    assert min(waits) >= least - 0.0001 and max(waits) <= most + slack
    if jitter:
        # 40 even draws leave a quarter of the range empty at one end once in 10^5 runs.
        assert max(waits) - min(waits) > (most - least) / 2


def test_the_configured_schedule_is_the_default(db, daemon, receiver):
    receiver.on("/hook", 500)
    daemon(retry_schedule="10s 20s", retry_jitter=0)
    enqueue(db, url=receiver.url())
    (first,) = wait_attempts(db, 1)
    wait = delivery(db)["due_at"] - first["started_at"] - first["duration_ms"]
    assert 10_000 - 3 <= wait < 40_000


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(db, daemon, receiver, status, form):
    until = []

    def busy(call):
        until.append(time.time() + 2 if form == "seconds" else math.ceil(time.time()) + 2)
        call.answer(status, {"Retry-After": "2" if form == "seconds" else email.utils.formatdate(until[0], usegmt=True)})

    receiver.on("/hook", [busy, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms")
    daemon()
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    first, second = attempts(db)
    assert (first["verdict"], first["status_code"]) == ("throttled", status)
    assert receiver.got()[1].started_at >= until[0] - SLACK
    assert receiver.got()[1].started_at < until[0] + 20


def test_retry_after_holds_the_whole_endpoint(db, daemon, receiver):
    receiver.on("/hook", [answer(429, {"Retry-After": "2"}), 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms")
    daemon()
    enqueue(db, "first", endpoint="a")
    (first,) = wait_attempts(db, 1)
    for number in range(5):
        enqueue(db, str(number), endpoint="a")
    enqueue(db, "other", url=receiver.url("/other"))
    receiver.wait(1, path="/other")
    wait_settled(db)
    later = receiver.got("/hook")[1:]
    assert len(later) == 6
    assert min(request.started_at for request in later) >= (first["started_at"] + first["duration_ms"]) / 1000 + 2 - SLACK
    assert receiver.got("/other")[0].started_at < min(request.started_at for request in later)


def test_retry_after_is_no_longer_than_allowed(db, daemon, receiver):
    receiver.on("/hook", [answer(429, {"Retry-After": "86400"}), 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms")
    daemon(retry_after_max="700ms")
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    assert gaps(attempts(db))[0] >= 0.7 - SLACK


def test_the_schedule_wins_over_a_shorter_retry_after(db, daemon, receiver):
    receiver.on("/hook", answer(429, {"Retry-After": "1"}))
    daemon(retry_schedule="1h", retry_jitter=0)
    enqueue(db, url=receiver.url())
    (first,) = wait_attempts(db, 1)
    assert delivery(db)["due_at"] >= first["started_at"] + 3_600_000


@pytest.mark.parametrize("value_", ["soon", "-5", "1.5", "", "Mon, 01 Jan 1990 00:00:00 GMT", "99999999999999999999"])
def test_a_strange_retry_after_does_no_harm(db, daemon, receiver, value_):
    receiver.on("/hook", [answer(503, {"Retry-After": value_}), 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="20ms")
    daemon(retry_after_max="1s")
    enqueue(db, endpoint="a")
    assert wait_status(db, "delivered")["attempts"] == 2


def test_retry_after_of_another_status_is_not_asked_for(db, daemon, receiver):
    receiver.on("/hook", [answer(500, {"Retry-After": "3600"}), 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="20ms")
    daemon()
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")


# ---- expiry ------------------------------------------------------------------------------------


def soon(seconds):
    return int((time.time() + seconds) * 1000)


def test_a_delivery_that_keeps_failing_expires(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="100ms", max_attempts=1000)
    daemon(breaker_failures=1000)
    expiry = soon(3)
    enqueue(db, endpoint="a", expires_at=expiry)
    row = wait_status(db, "expired")
    assert row["attempts"] >= 1 and row["finished_at"] and row["last_status_code"] == 500
    assert all(request.started_at * 1000 <= expiry for request in receiver.got())
    assert value(db, "SELECT status FROM failed") == "expired"


def test_a_retry_that_would_come_too_late_expires_at_once(db, daemon, receiver):
    receiver.on("/hook", 500)
    daemon(retry_schedule="1h")
    enqueue(db, url=receiver.url(), expires_at=soon(1000))
    assert wait_status(db, "expired")["attempts"] == 1


def test_what_expired_while_the_daemon_was_down_is_not_sent(db, daemon, receiver):
    expiry = soon(0.3)
    enqueue(db, url=receiver.url(), expires_at=expiry)
    wait_until(lambda: time.time() * 1000 > expiry)
    daemon()
    assert wait_status(db, "expired")["attempts"] == 0
    assert receiver.got() == [] and attempts(db) == []
    assert value(db, "SELECT pending FROM queue_depth") == 0


def test_what_expires_behind_a_hanging_call_is_not_sent(db, daemon, receiver):
    receiver.on("/hook", [hang, 200])
    add_endpoint(db, "a", receiver.url(), timeout_ms=2500, retry_schedule="1h")
    daemon()
    enqueue(db, "hangs", endpoint="a")
    receiver.wait(1)
    enqueue(db, "expires", endpoint="a", expires_at=soon(1))
    assert wait_status(db, "expired", 2)["attempts"] == 0
    assert [request.body for request in receiver.got()] == [b"hangs"]


# ---- breaker -----------------------------------------------------------------------------------


def test_an_endpoint_that_keeps_failing_is_left_alone_for_a_while(db, daemon, receiver):
    receiver.on("/hook", [500] * 3 + [200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms")
    daemon(breaker_failures=3, breaker_open="2s", retry_jitter=0)
    enqueue(db, "first", endpoint="a")
    wait_attempts(db, 3)
    enqueue(db, "second", endpoint="a")
    wait_settled(db)
    assert delivery(db, 1)["attempts"] == 4 and delivery(db, 2)["attempts"] == 1, "no attempt is burned meanwhile"
    opened = receiver.got()[2].received_at
    assert min(request.started_at for request in receiver.got()[3:]) >= opened + 2 * 0.8 - SLACK


def test_rejections_never_open_the_breaker(db, daemon, receiver):
    receiver.on("/hook", [404] * 8 + [200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms", max_attempts=20)
    daemon(breaker_failures=3, breaker_open="1h")
    enqueue(db, endpoint="a")
    assert wait_status(db, "delivered")["attempts"] == 9
