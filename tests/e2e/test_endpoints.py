"""Limits of an endpoint, and that one endpoint's trouble is nobody else's."""

from database import (add_endpoint, as_daemon, attempts, enqueue, query, run, value, wait_attempts, wait_settled,
                      wait_status)
from receivers import answer, hang
from waiting import wait_until


def enqueue_many(db, count, url=None, endpoint=None):
    """One statement for many webhooks; the payload is a number."""
    run(db, f"""INSERT INTO webhooks (url, endpoint, payload)
                SELECT {f"'{url}'" if url else 'NULL'}, {f"'{endpoint}'" if endpoint else 'NULL'}, value
                FROM generate_series(1, {count})""")


def test_a_new_endpoint_gets_one_call_at_a_time_until_it_has_answered(db, daemon, receiver):
    receiver.on("/hook", [answer(200, delay=1), answer(200, delay=0.2)])
    add_endpoint(db, "a", receiver.url())
    daemon()
    enqueue_many(db, 20, endpoint="a")
    receiver.wait(2)
    first, second = receiver.got()[:2]
    assert second.started_at >= first.received_at + 1 - 0.003
    wait_settled(db)
    assert receiver.most_in_flight > 1, "then more than one"


def test_max_in_flight_is_kept(db, daemon, receiver):
    receiver.on("/hook", answer(200, delay=0.03))
    add_endpoint(db, "a", receiver.url(), max_in_flight=3)
    daemon()
    enqueue_many(db, 100, endpoint="a")
    wait_settled(db)
    assert receiver.most_in_flight <= 3 and len(receiver.got()) == 100


def test_the_daemons_max_in_flight_is_kept_over_all_endpoints(db, daemon, receiver):
    receiver.on("/hook", answer(200, delay=0.1))
    for number in range(20):
        add_endpoint(db, f"e{number}", receiver.url())
        enqueue_many(db, 5, endpoint=f"e{number}")
    daemon(max_in_flight=6)
    wait_settled(db)
    assert receiver.most_in_flight <= 6 and len(receiver.got()) == 100


def test_rate_limit_and_burst(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), rate_limit=10, rate_burst=3)
    daemon()
    enqueue_many(db, 13, endpoint="a")
    wait_settled(db)
    times = sorted(request.started_at for request in receiver.got())
    assert len(times) == 13
    # 3 at once, then one each 100 ms: never more than the burst and what has flowed in since.
    assert times[-1] - times[0] >= 1.0 - 0.06
    for first in range(13):
        for last in range(first, 13):
            assert last - first + 1 <= 3 + 10 * (times[last] - times[first]) + 0.6


def test_an_ordered_endpoint_keeps_the_order_over_retries(db, daemon, receiver):
    receiver.on("/hook", [200, 500, 500, 200, 503, 200])
    add_endpoint(db, "a", receiver.url(), ordered=1, retry_schedule="100ms")
    daemon()
    enqueue_many(db, 10, endpoint="a")
    wait_settled(db)
    assert [int(request.body) for request in receiver.got()] == [1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]
    assert receiver.most_in_flight == 1


def test_an_ordered_endpoint_waits_for_its_retry_over_a_restart(db, daemon, receiver):
    receiver.on("/hook", [500, 200])
    add_endpoint(db, "a", receiver.url(), ordered=1, retry_schedule="1h")
    one = daemon()
    enqueue_many(db, 3, endpoint="a")
    wait_until(lambda: value(db, "SELECT count(*) FROM attempts") == 1)
    one.stop()
    two = daemon()
    wait_until(lambda: value(db, "SELECT count(*) FROM endpoint_gates WHERE gate = 'order'"))
    assert len(receiver.got()) == 1
    row, = query(db, "SELECT due_at, retry_at, created_at FROM deliveries WHERE attempts = 1")
    assert row["due_at"] == row["created_at"], "it keeps its place in the line"
    assert row["retry_at"] > row["created_at"] + 2_000_000
    two.stop()
    as_daemon(db, "UPDATE deliveries SET retry_at = 1 WHERE attempts = 1")  # the hour is over
    daemon()
    wait_settled(db)
    assert [int(request.body) for request in receiver.got()] == [1, 1, 2, 3]


def test_without_order_a_retry_lets_others_pass(db, daemon, receiver):
    receiver.on("/hook", [500, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="2s", max_in_flight=1)
    daemon()
    enqueue_many(db, 3, endpoint="a")
    wait_settled(db)
    assert [int(request.body) for request in receiver.got()] == [1, 2, 3, 1]


def test_a_hanging_endpoint_delays_nobody_else(db, daemon, receiver):
    """It was healthy, then hangs with a large backlog, and takes all the calls that it may have."""
    receiver.on("/hang", [200] * 30 + [hang])
    add_endpoint(db, "hang", receiver.url("/hang"), timeout_ms=600_000)
    daemon(max_in_flight=8, workers=1)
    enqueue_many(db, 30, endpoint="hang")
    wait_settled(db)
    enqueue_many(db, 500, endpoint="hang")
    wait_until(lambda: receiver.in_flight >= 1)
    for number in range(20):
        enqueue(db, str(number), url=receiver.url(f"/good{number % 4}"))
    wait_until(lambda: value(db, """SELECT count(*) FROM deliveries AS d JOIN endpoints AS e ON e.id = d.endpoint_id
                                    WHERE e.name IS NULL AND status = 'delivered'""") == 20, timeout=30)
    assert receiver.in_flight >= 1, "and it still hangs"
    run(db, "UPDATE endpoints SET enabled = 0 WHERE name = 'hang'")
    receiver.stopping.set()


def test_many_new_endpoints_that_hang_leave_room_for_the_proven(db, daemon, receiver):
    receiver.on("/hang", hang)
    daemon(max_in_flight=8)
    enqueue(db, "proven", url=receiver.url("/good"))
    wait_status(db, "delivered")
    for number in range(30):
        add_endpoint(db, f"h{number}", receiver.url("/hang"), timeout_ms=600_000)
        enqueue(db, endpoint=f"h{number}")
    wait_until(lambda: receiver.in_flight >= 4)
    for number in range(10):
        enqueue(db, str(number), url=receiver.url("/good"))
    receiver.wait(11, path="/good", timeout=30)
    receiver.stopping.set()


def test_a_dead_endpoint_delays_nobody_else(db, daemon, receiver, deaf_listener):
    for number in range(10):
        add_endpoint(db, f"d{number}", deaf_listener.url(), connect_timeout_ms=60_000, timeout_ms=60_000)
        enqueue_many(db, 10, endpoint=f"d{number}")
    daemon(max_in_flight=32, drain_timeout="100ms")
    enqueue_many(db, 20, url=receiver.url())
    receiver.wait(20, timeout=30)


def test_the_same_url_under_two_names_is_two_endpoints(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), max_attempts=1)
    add_endpoint(db, "b", receiver.url(), retry_schedule="10ms")
    receiver.on("/hook", [500, 500, 200])
    daemon()
    enqueue(db, "a", endpoint="a")
    wait_status(db, "failed", 1)
    enqueue(db, "b", endpoint="b")
    wait_status(db, "delivered", 2)
    assert len(attempts(db, 2)) == 2


def test_per_endpoint_settings_win_over_the_configured(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), max_attempts=2, retry_schedule="10ms")
    daemon(max_attempts=7, retry_schedule="1h", breaker_failures=1000)
    enqueue(db, endpoint="a")
    assert wait_status(db, "failed")["attempts"] == 2
    enqueue(db, url=receiver.url())
    wait_attempts(db, 1, 2)
