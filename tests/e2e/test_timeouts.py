"""Limits of time in every phase of a call: it is cut off, recorded as such, and tried again."""

import pytest

import receivers
from database import add_endpoint, attempts, enqueue, value, wait_attempts, wait_status
from waiting import wait_until

QUICK = {"retry_schedule": "1h", "breaker_failures": 1000}


@pytest.mark.parametrize("behaviour, words, status", [
    (receivers.hang, ("waiting for the answer", "headers"), None),
    (receivers.hang_in_headers, ("waiting for the answer", "headers"), 200),
    (receivers.hang_in_body, ("reading the body",), 200),
    (receivers.slow_body, ("reading the body",), 200),
], ids=["before the answer", "in the headers", "in the body", "slow body"])
def test_the_total_timeout_ends_a_call(db, daemon, receiver, behaviour, words, status):
    receiver.on("/hook", behaviour)
    add_endpoint(db, "a", receiver.url(), timeout_ms=400)
    daemon(**QUICK)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "timeout"
    assert any(word in first["error"] for word in words), first["error"]
    assert 400 <= first["duration_ms"] < 20_000
    assert first["status_code"] in (None, status)
    wait_until(lambda: receiver.in_flight == 0, what="the daemon has hung up")


def test_a_connect_that_nobody_accepts(db, daemon, deaf_listener):
    add_endpoint(db, "a", deaf_listener.url(), connect_timeout_ms=300, timeout_ms=30_000)
    daemon(**QUICK)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and "connect" in first["error"]
    assert 300 <= first["duration_ms"] < 20_000


def test_the_total_timeout_covers_the_connect(db, daemon, deaf_listener):
    add_endpoint(db, "a", deaf_listener.url(), connect_timeout_ms=60_000, timeout_ms=300)
    daemon(**QUICK)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and "connect" in first["error"]
    assert 300 <= first["duration_ms"] < 20_000


def test_a_tls_handshake_that_never_ends_counts_as_connect(db, daemon, new_receiver):
    def swallow(sock):
        while sock.recv(4096):
            pass
        return True
    mute = new_receiver(on_connect=swallow)
    add_endpoint(db, "a", mute.url().replace("http:", "https:"), connect_timeout_ms=300, timeout_ms=30_000)
    daemon(**QUICK)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and "during the TLS handshake" in first["error"]
    assert 300 <= first["duration_ms"] < 20_000


def test_the_configured_timeouts_are_the_default(db, daemon, receiver):
    receiver.on("/hook", receivers.hang)
    daemon(timeout="300ms", **QUICK)
    enqueue(db, url=receiver.url())
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "timeout" and 300 <= first["duration_ms"] < 14_000


def test_an_answer_just_in_time_is_a_success(db, daemon, receiver):
    receiver.on("/hook", receivers.answer(200, delay=1))
    add_endpoint(db, "a", receiver.url(), timeout_ms=60_000, connect_timeout_ms=100)
    daemon()
    enqueue(db, endpoint="a")
    assert wait_status(db, "delivered")["last_duration_ms"] >= 1000


def test_a_timed_out_delivery_is_tried_again(db, daemon, receiver):
    receiver.on("/hook", [receivers.hang, receivers.hang_in_body, 200])
    add_endpoint(db, "a", receiver.url(), timeout_ms=2000, retry_schedule="20ms")
    daemon()
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    assert [row["verdict"] for row in attempts(db)] == ["timeout", "timeout", "delivered"]


def test_many_calls_time_out_side_by_side(db, daemon, receiver):
    """A fixed pool of threads: 40 hanging calls must not wait for each other."""
    receiver.on("/hook", receivers.hang)
    for number in range(40):
        add_endpoint(db, f"e{number}", receiver.url(), timeout_ms=3000)
        enqueue(db, endpoint=f"e{number}")
    daemon(workers=2, **QUICK)
    wait_until(lambda: receiver.most_in_flight == 40, what="40 calls at once")
    wait_until(lambda: value(db, "SELECT count(*) FROM attempts WHERE verdict = 'timeout'") == 40)
