"""Every way in which a receiver can fail, and what is written of it. Limits of time are in test_timeouts.py."""

import pytest

import receivers
from database import add_endpoint, attempts, delivery, enqueue, run, value, wait_attempts, wait_status
from receivers import answer, refusing_url
from waiting import stays

ONE_ATTEMPT = {"retry_schedule": "1h", "breaker_failures": 1000}


def first_attempt(db, url, **columns):
    enqueue(db, url=url, **columns)
    return wait_attempts(db, 1)[0]


@pytest.mark.parametrize("status, verdict", [
    (300, "failed"), (301, "failed"), (302, "failed"), (304, "failed"), (307, "failed"), (308, "failed"),
    (400, "rejected"), (401, "rejected"), (403, "rejected"), (404, "rejected"), (409, "rejected"),
    (413, "rejected"), (422, "rejected"), (451, "rejected"), (429, "throttled"),
    (500, "failed"), (501, "failed"), (502, "failed"), (503, "failed"), (504, "failed"), (599, "failed")])
def test_a_bad_status_is_recorded_and_tried_again(db, daemon, receiver, status, verdict):
    receiver.on("/hook", [answer(status, {"Location": receiver.url("/elsewhere")}, b"because"), 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="20ms")
    daemon()
    enqueue(db, endpoint="a")
    row = wait_status(db, "delivered")
    first, second = attempts(db)
    assert (first["verdict"], first["status_code"]) == (verdict, status)
    assert first["response_body"] == b"because" or status == 304, "a 304 has no body"
    assert str(status) in first["error"]
    assert (second["verdict"], row["attempts"], row["last_error"]) == ("delivered", 2, None)
    assert receiver.got("/elsewhere") == [], "redirects are not followed"


@pytest.mark.parametrize("status", [500, 404])
def test_a_failure_shows_in_the_row_while_it_waits(db, daemon, receiver, status):
    receiver.on("/hook", status)
    daemon(**ONE_ATTEMPT)
    first = first_attempt(db, receiver.url())
    row = delivery(db)
    assert (row["status"], row["attempts"], row["last_status_code"]) == ("pending", 1, status)
    assert row["last_error"] == first["error"] and row["finished_at"] is None


BROKEN = {
    "reset before the answer": (receivers.reset, None),
    "closed before the answer": (receivers.close, None),
    "reset in the headers": (receivers.reset_in_headers, None),
    "reset in the body": (receivers.reset_in_body, 200),
    "fewer bytes than promised": (receivers.short_body, 200),
    "no HTTP at all": (receivers.garbage, None),
    "headers without end": (receivers.endless_headers, None),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_answer_is_a_failed_attempt(db, daemon, receiver, case):
    behaviour, status = BROKEN[case]
    receiver.on("/hook", [behaviour, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="20ms")
    daemon()
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    first, second = attempts(db)
    assert first["verdict"] == "failed" and first["error"] and second["verdict"] == "delivered"
    if status:
        assert first["status_code"] == status


def test_endless_headers_are_cut_off(db, daemon, receiver):
    receiver.on("/hook", receivers.endless_headers)
    daemon(timeout="60s", **ONE_ATTEMPT)
    assert first_attempt(db, receiver.url())["duration_ms"] < 50_000
    assert receiver.bytes_sent < 50_000_000


def test_an_endless_body_is_cut_off(db, daemon, receiver):
    """The status was 200 and complete, so the webhook has arrived; only the rest is not read."""
    receiver.on("/hook", receivers.endless_body)
    daemon(timeout="60s", max_response_bytes="64K", keep_response_bytes="4K", **ONE_ATTEMPT)
    first = first_attempt(db, receiver.url())
    assert first["duration_ms"] < 50_000
    assert (first["status_code"], first["verdict"]) == (200, "delivered")
    assert first["response_body"] == b"x" * 4096
    assert receiver.bytes_sent < 50_000_000, "what fits into socket buffers, no more"


def test_connection_refused(db, daemon):
    daemon(**ONE_ATTEMPT)
    first = first_attempt(db, refusing_url())
    assert (first["verdict"], first["status_code"]) == ("unreachable", None)
    assert "connect" in first["error"].lower() or "refused" in first["error"].lower()


def test_a_closed_connection_right_after_accept(db, daemon, new_receiver):
    new = new_receiver(on_connect=lambda sock: True)
    daemon(**ONE_ATTEMPT)
    assert first_attempt(db, new.url())["verdict"] == "failed"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".invalid"])
def test_a_name_that_does_not_resolve(db, daemon, host):
    daemon(**ONE_ATTEMPT)
    first = first_attempt(db, f"http://{host}/hook")
    assert first["verdict"] in ("unreachable", "invalid") and first["error"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://[::1/", "http://a:b/"])
def test_a_url_that_only_looks_like_one(db, daemon, url):
    daemon(**ONE_ATTEMPT)
    first = first_attempt(db, url)
    assert first["verdict"] in ("invalid", "unreachable") and first["error"]


def test_plain_http_on_a_tls_url(db, daemon, receiver):
    daemon(**ONE_ATTEMPT)
    first = first_attempt(db, receiver.url().replace("http:", "https:"))
    assert first["verdict"] == "unreachable" and receiver.got() == []


def test_failures_of_one_endpoint_leave_the_others_alone(db, daemon, receiver, new_receiver):
    daemon(retry_schedule="20ms", max_attempts=3, breaker_failures=1000)
    for number, (behaviour, _) in enumerate(BROKEN.values()):
        enqueue(db, url=receiver.on(f"/{number}", behaviour))
        enqueue(db, "good", url=receiver.url("/good"))
    receiver.wait(len(BROKEN), path="/good")
    assert len(receiver.got("/good")) == len(BROKEN)


# ---- 410 ---------------------------------------------------------------------------------------


def test_410_disables_a_named_endpoint_and_loses_nothing(db, daemon, receiver):
    receiver.on("/hook", [410, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="20ms")
    daemon()
    enqueue(db, "first", endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert (first["verdict"], first["status_code"]) == ("gone", 410)
    assert value(db, "SELECT enabled FROM endpoints") == 0
    assert "410" in value(db, "SELECT disabled_reason FROM endpoints")
    assert value(db, "SELECT disabled_at FROM endpoints") > 1_600_000_000_000
    enqueue(db, "second", endpoint="a")
    assert stays(lambda: len(receiver.got()) == 1, 0.5)
    assert delivery(db, 1)["status"] == delivery(db, 2)["status"] == "pending"
    run(db, "UPDATE endpoints SET enabled = 1")
    wait_status(db, "delivered", 1)
    wait_status(db, "delivered", 2)


def test_410_of_a_bare_url_fails_for_good(db, daemon, receiver):
    receiver.on("/hook", 410)
    daemon(retry_schedule="20ms")
    enqueue(db, url=receiver.url())
    row = wait_status(db, "failed")
    assert (row["attempts"], row["last_status_code"]) == (1, 410)
    enqueue(db, url=receiver.url())
    wait_status(db, "failed", 2)
    assert value(db, "SELECT count(*) FROM failed") == 2
