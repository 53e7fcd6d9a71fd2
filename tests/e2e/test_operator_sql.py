"""Replay, cancel and changes of endpoints by SQL, while the daemon runs."""

from database import (add_endpoint, attempts, count_is_right, delivery, enqueue, query, refused, run, value,
                      wait_attempts, wait_settled, wait_status)
from receivers import answer, hang
from waiting import stays, wait_until


def test_replay_sends_again_with_a_fresh_budget(db, daemon, receiver):
    receiver.on("/hook", [500, 500, 500, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms", max_attempts=2)
    daemon(breaker_failures=1000)
    enqueue(db, "again", endpoint="a")
    wait_status(db, "failed")
    run(db, "UPDATE deliveries SET status = 'pending' WHERE status = 'failed' AND endpoint_id = 1")
    row = wait_status(db, "delivered")
    assert (row["attempts_before"], row["attempts"]) == (2, 2)
    assert [(attempt["number"], attempt["verdict"]) for attempt in attempts(db)] == [
        (1, "failed"), (2, "failed"), (3, "failed"), (4, "delivered")]
    assert len({request.header("webhook-id") for request in receiver.got()}) == 1
    assert all(request.body == b"again" for request in receiver.got())
    assert count_is_right(db)


def test_a_delivered_webhook_can_be_replayed(db, daemon, receiver):
    daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    run(db, "UPDATE deliveries SET status = 'pending'")
    receiver.wait(2)
    wait_status(db, "delivered")
    assert delivery(db)["attempts_before"] == 1 and len(receiver.got()) == 2


def test_replay_of_many(db, daemon, receiver):
    receiver.on("/hook", 400)
    daemon(max_attempts=1)
    for number in range(100):
        enqueue(db, str(number), url=receiver.url())
    wait_settled(db)
    assert value(db, "SELECT count(*) FROM failed") == 100
    receiver.on("/hook", 200)
    run(db, "UPDATE deliveries SET status = 'pending' WHERE status = 'failed'")
    wait_settled(db)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 100
    assert sorted(int(request.body) for request in receiver.got()) == sorted(list(range(100)) * 2)


def test_cancel_of_a_delivery_that_waits_for_its_retry(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="1s")
    daemon(retry_jitter=0)
    enqueue(db, endpoint="a")
    wait_attempts(db, 1)
    run(db, "UPDATE deliveries SET status = 'cancelled' WHERE webhook_id = 1")
    assert stays(lambda: len(receiver.got()) == 1, 1.5)
    assert delivery(db)["status"] == "cancelled" and count_is_right(db)


def test_cancel_of_deliveries_that_are_loaded_and_wait_their_turn(db, daemon, receiver):
    """They may be in the daemon's memory already, behind a call that hangs."""
    receiver.on("/hook", [200, answer(200, delay=2), 200])
    add_endpoint(db, "a", receiver.url(), max_in_flight=1)
    daemon()
    enqueue(db, "warm", endpoint="a")
    wait_status(db, "delivered")
    for number in range(5):
        enqueue(db, str(number), endpoint="a")
    receiver.wait(2)
    run(db, "UPDATE deliveries SET status = 'cancelled' WHERE id > 2")
    enqueue(db, "after", endpoint="a")
    wait_settled(db)
    assert [request.body for request in receiver.got()] == [b"warm", b"0", b"after"]
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'cancelled'") == 4
    assert count_is_right(db)


def test_cancel_of_a_call_in_flight_stays_cancelled(db, daemon, receiver):
    receiver.on("/hook", [answer(500, delay=1), 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms")
    daemon()
    enqueue(db, endpoint="a")
    receiver.wait(1)
    run(db, "UPDATE deliveries SET status = 'cancelled'")
    enqueue(db, "next", endpoint="a")
    wait_status(db, "delivered", 2)
    assert delivery(db, 1)["status"] == "cancelled" and count_is_right(db)
    assert [request.body for request in receiver.got()] == [b"{}", b"next"], "no retry of what was cancelled"


def test_cancel_and_replay_of_a_call_in_flight(db, daemon, receiver):
    """The outcome of the old call must not be taken for that of the replay."""
    receiver.on("/hook", [answer(500, delay=1), 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms")
    daemon()
    enqueue(db, endpoint="a")
    receiver.wait(1)
    run(db, "UPDATE deliveries SET status = 'cancelled'; UPDATE deliveries SET status = 'pending'")
    wait_status(db, "delivered")
    assert len(receiver.got()) == 2 and count_is_right(db)
    assert receiver.most_in_flight == 1, "never in flight twice at once"


def test_only_the_status_of_a_delivery_can_be_changed_while_it_runs(db, daemon, receiver):
    daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert "only the status" in refused(db, "UPDATE deliveries SET attempts = 0")
    assert "outhookd sets the rest" in refused(db, "UPDATE deliveries SET status = 'failed'")


# ---- endpoints ---------------------------------------------------------------------------------


def test_a_disabled_endpoint_is_left_alone_until_it_is_enabled(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url())
    one = daemon()
    run(db, "UPDATE endpoints SET enabled = 0")
    for number in range(3):
        enqueue(db, str(number), endpoint="a")
    enqueue(db, "other", url=receiver.url("/other"))
    receiver.wait(1, path="/other")
    assert stays(lambda: not receiver.got("/hook"), 0.5)
    assert value(db, "SELECT state FROM queue") == "disabled: by hand"
    run(db, "UPDATE endpoints SET enabled = 1")
    receiver.wait(3, path="/hook")
    assert one.running


def test_an_endpoint_disabled_before_the_start_stays_so(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), enabled=0)
    enqueue(db, endpoint="a")
    daemon()
    assert stays(lambda: not receiver.got(), 0.5)
    run(db, "UPDATE endpoints SET enabled = 1")
    wait_status(db, "delivered")


def test_a_new_url_is_used_for_what_waits(db, daemon, receiver):
    receiver.on("/old", 500)
    add_endpoint(db, "a", receiver.url("/old"), retry_schedule="300ms")
    daemon()
    enqueue(db, endpoint="a")
    wait_attempts(db, 1)
    run(db, f"UPDATE endpoints SET url = '{receiver.url('/new')}'")
    wait_status(db, "delivered")
    assert len(receiver.got("/new")) == 1


def test_an_edit_in_flight_lets_the_call_finish(db, daemon, receiver):
    receiver.on("/old", answer(200, delay=1))
    add_endpoint(db, "a", receiver.url("/old"))
    daemon()
    enqueue(db, endpoint="a")
    receiver.wait(1)
    run(db, f"UPDATE endpoints SET url = '{receiver.url('/new')}', timeout_ms = 100")
    wait_status(db, "delivered")
    assert [attempt["verdict"] for attempt in attempts(db)] == ["delivered"] and not receiver.got("/new")


def test_a_deleted_endpoint_and_a_new_one_of_its_name(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url("/old"))
    one = daemon()
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    run(db, "DELETE FROM endpoints WHERE name = 'a'")
    add_endpoint(db, "a", receiver.url("/new"))
    enqueue(db, endpoint="a")
    wait_status(db, "delivered", 2)
    assert [request.target for request in receiver.got()] == ["/old", "/new"] and one.running


def test_a_webhook_deleted_after_its_delivery(db, daemon, receiver):
    one = daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    run(db, "DELETE FROM webhooks")
    assert query(db, "SELECT * FROM attempts") == []
    enqueue(db, "next", url=receiver.url())
    receiver.wait(2)
    assert one.running


def test_edits_while_calls_fly_neither_lose_nor_repeat(db, daemon, receiver):
    """Each edit makes a new snapshot of the endpoint while old ones are in use."""
    receiver.on("/hook", answer(200, delay=0.02))
    add_endpoint(db, "a", receiver.url())
    daemon()
    for number in range(60):
        enqueue(db, str(number), endpoint="a")
        run(db, f"UPDATE endpoints SET headers = '{{\"X-N\": \"{number}\"}}', max_in_flight = {number % 7 + 1}")
    wait_settled(db)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(60))


def test_a_hanging_endpoint_that_is_disabled_comes_to_rest(db, daemon, receiver):
    receiver.on("/hook", hang)
    add_endpoint(db, "a", receiver.url(), timeout_ms=500, retry_schedule="10ms")
    daemon(breaker_failures=1000)
    enqueue(db, endpoint="a")
    wait_attempts(db, 1)
    run(db, "UPDATE endpoints SET enabled = 0")
    wait_until(lambda: receiver.in_flight == 0)
    count = len(receiver.got())
    assert stays(lambda: len(receiver.got()) <= count + 1 and receiver.in_flight <= 1, 1)
    wait_until(lambda: receiver.in_flight == 0)
    assert delivery(db)["status"] == "pending"
