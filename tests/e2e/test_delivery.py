"""What a healthy receiver gets, and what the database and the log say of it."""

import time

from database import (add_endpoint, attempts, count_is_right, enqueue, query, run, value, wait_settled,
                      wait_status)
from receivers import answer


def test_an_insert_into_an_idle_daemons_database_arrives(db, daemon, receiver):
    daemon()
    enqueue(db, '{"hello":"world"}', url=receiver.url())
    (request,) = receiver.wait()
    assert (request.method, request.target, request.version) == ("POST", "/hook", "HTTP/1.1")
    assert request.body == b'{"hello":"world"}'


def test_what_waited_while_the_daemon_was_down_arrives(db, daemon, receiver):
    for number in range(30):
        enqueue(db, str(number), url=receiver.url(f"/{number % 3}"))
    daemon()
    wait_settled(db)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(30))


def test_a_success_is_written_back(db, daemon, receiver):
    receiver.on("/hook", answer(201, {"X-Answer": "yes", "Content-Type": "text/plain"}, b"thank you", delay=0.1))
    daemon()
    before = time.time()
    enqueue(db, url=receiver.url())
    row = wait_status(db, "delivered")
    assert (row["attempts"], row["attempts_before"]) == (1, 0)
    assert (row["last_status_code"], row["last_error"]) == (201, None)
    assert 100 <= row["last_duration_ms"] < 30_000
    assert before - 1 <= row["finished_at"] / 1000 <= time.time() + 1
    (attempt,) = attempts(db)
    assert (attempt["number"], attempt["verdict"], attempt["status_code"]) == (1, "delivered", 201)
    assert attempt["error"] is None and attempt["duration_ms"] == row["last_duration_ms"]
    assert before - 1 <= attempt["started_at"] / 1000 <= time.time()
    assert attempt["remote_address"].startswith("127.0.0.1")
    assert "X-Answer: yes" in attempt["response_headers"] and attempt["response_body"] == b"thank you"
    assert value(db, "SELECT pending FROM queue_depth") == 0


def test_only_the_first_bytes_of_an_answer_are_kept(db, daemon, receiver):
    body = bytes(range(256)) * 64
    receiver.on("/hook", answer(200, {f"X-{n}": "y" * 500 for n in range(20)}, body))
    daemon(keep_response_bytes=1000)
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    (attempt,) = attempts(db)
    assert attempt["response_body"] == body[:1000]
    assert 0 < len(attempt["response_headers"]) <= 1000


def test_every_2xx_is_a_success_and_needs_no_body(db, daemon, receiver):
    daemon()
    for status in (200, 201, 202, 204, 299):
        enqueue(db, url=receiver.on(f"/{status}", status))
    wait_settled(db)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered' AND attempts = 1") == 5


def test_one_line_an_attempt_is_logged(db, daemon, receiver):
    receiver.on("/hook", [500, 200])
    add_endpoint(db, "billing", receiver.url(), retry_schedule="50ms")
    one = daemon()
    enqueue(db, endpoint="billing", type="invoice.paid")
    failed = one.wait_for_line("delivery=1 webhook=1 endpoint=billing attempt=1 verdict=failed status=500")
    assert "duration_ms=" in failed and "next=" in failed and "error=" in failed
    one.wait_for_line("delivery=1 webhook=1 endpoint=billing attempt=2 verdict=delivered status=200")
    wait_status(db, "delivered")
    assert len(one.lines("delivery=1 ")) == 2


def test_fan_out_sends_one_call_to_each_subscriber(db, daemon, receiver):
    for name in ("a", "b", "c"):
        id_ = add_endpoint(db, name, receiver.url(f"/{name}"))
        run(db, f"INSERT INTO subscriptions VALUES ({id_}, '{'user.*' if name == 'c' else 'invoice.*'}')")
    daemon()
    enqueue(db, '{"id":17}', type="invoice.paid")
    enqueue(db, '{"id":18}', type="user.created")
    wait_settled(db)
    assert sorted((request.target, request.body) for request in receiver.got()) == [
        ("/a", b'{"id":17}'), ("/b", b'{"id":17}'), ("/c", b'{"id":18}')]
    assert {request.header("webhook-id") for request in receiver.got() if request.target != "/c"} == {
        value(db, "SELECT uid FROM webhooks WHERE id = 1")}


def test_deliver_at_is_waited_for(db, daemon, receiver):
    daemon()
    due = time.time() + 1.5
    enqueue(db, "later", url=receiver.url(), deliver_at=int(due * 1000))
    enqueue(db, "now", url=receiver.url())
    first, second = receiver.wait(2)
    assert (first.body, second.body) == (b"now", b"later")
    assert second.received_at >= due - 0.002


def test_a_later_insert_that_is_due_earlier_goes_first(db, daemon, receiver):
    """The daemon must not sleep until the first thing that it knew of."""
    daemon()
    enqueue(db, "last", url=receiver.url(), deliver_at=int(time.time() * 1000) + 600_000)
    enqueue(db, "first", url=receiver.url(), deliver_at=int(time.time() * 1000) + 700)
    receiver.wait(1)
    assert [request.body for request in receiver.got()] == [b"first"]


def test_payloads_of_every_storage_class_are_sent_as_their_bytes(db, daemon, receiver):
    daemon()
    payloads = {"''": b"", "'text'": b"text", "x'00ff0a0d00'": b"\x00\xff\n\r\x00", "17": b"17",
                "CAST(x'610062' AS TEXT)": b"a\x00b", "json('{\"ü\": 1}')": '{"ü":1}'.encode()}
    for number, payload in enumerate(payloads):
        run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url(f'/{number}')}', {payload})")
    wait_settled(db)
    got = {request.target: request for request in receiver.got()}
    for number, body in enumerate(payloads.values()):
        assert got[f"/{number}"].body == body
        assert got[f"/{number}"].header("content-length") == str(len(body))


def test_connections_are_used_again(db, daemon, receiver):
    daemon()
    for number in range(20):
        enqueue(db, str(number), url=receiver.url())
        wait_status(db, "delivered", number + 1)
    assert receiver.connections <= 3, "20 calls in a row"


def test_a_transaction_arrives_whole_and_a_rolled_back_one_not_at_all(db, daemon, receiver):
    daemon()
    one = f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', '%s');"
    run(db, "BEGIN;" + one % "never" + "ROLLBACK;")
    run(db, "BEGIN;" + "".join(one % number for number in range(50)) + "COMMIT;")
    wait_settled(db)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(50))


def test_queue_depth_stays_right_over_many_outcomes(db, daemon, receiver):
    receiver.on("/flaky", [500, 200] * 30)
    receiver.on("/bad", 400)
    # All share the answers, so that an unlucky one may meet a 500 each time.
    add_endpoint(db, "flaky", receiver.url("/flaky"), retry_schedule="20ms", max_attempts=100)
    add_endpoint(db, "bad", receiver.url("/bad"), retry_schedule="20ms", max_attempts=2)
    daemon(breaker_failures=1000)
    for number in range(30):
        enqueue(db, str(number), endpoint="flaky" if number % 2 else "bad")
    wait_settled(db)
    assert count_is_right(db) and value(db, "SELECT pending FROM queue_depth") == 0
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'failed' AND attempts = 2") == 15
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 15
    assert value(db, "SELECT count(*) FROM attempts") == len(receiver.got())


def test_the_daemon_writes_its_limits_where_the_triggers_see_them(db, daemon, receiver):
    daemon(max_pending=3, max_payload_bytes=1000)
    assert query(db, "SELECT max_pending, max_payload_bytes FROM queue_depth") == [
        {"max_pending": 3, "max_payload_bytes": 1000}]
