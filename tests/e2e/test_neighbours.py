"""No endpoint hurts another, in the sizes in which it would: how much they delay each other in milliseconds is
measured by tests/bench/neighbours.py."""

import threading
import time

import pytest

from database import add_endpoint, query, run, value, wait_settled
from light_receiver import LightReceiver
from waiting import PATIENCE, wait_until

HUNG, ROWS, HEALTHY, EACH = 60, 2000, 200, 20


@pytest.fixture
def light():
    one = LightReceiver()
    yield one
    one.stop()


def test_sixty_hung_endpoints_with_backlogs_are_ahead_of_the_healthy(db, daemon, light):
    """The hung ones never let go of a call, so nothing but the scheduler can make room for the others."""
    run(db, f"""INSERT INTO endpoints (name, url, timeout_ms)
                SELECT 'hung' || value, 'http://127.0.1.' || value || ':{light.hanging}/', 600000
                FROM generate_series(1, {HUNG});
                INSERT INTO endpoints (name, url)
                SELECT 'good' || value, 'http://127.0.0.1:{light.answering}/' || value
                FROM generate_series(1, {HEALTHY});
                INSERT INTO webhooks (endpoint, payload)
                SELECT 'hung' || (1 + value % {HUNG}), '{{}}' FROM generate_series(1, {HUNG * ROWS})""")
    one = daemon(drain_timeout="0s")
    run(db, f"""INSERT INTO webhooks (endpoint, payload)
                SELECT 'good' || (1 + value % {HEALTHY}), '{{"n":' || value || '}}'
                FROM generate_series(1, {HEALTHY * EACH})""")
    wait_until(lambda: light.count() == HEALTHY * EACH, what="all healthy webhooks have come")
    assert value(db, "SELECT count(*) FROM attempts WHERE verdict <> 'delivered'") == 0, "and the hung ones hang"
    assert not one.lines("silent")
    one.stop()


class Limiter:
    """So many calls in each window of a second, and 429 with Retry-After for what is over."""

    def __init__(self, most):
        self.most, self.lock, self.window, self.used = most, threading.Lock(), 0, 0
        self.accepted, self.refused = [], 0

    def __call__(self, call):
        now = time.monotonic()
        with self.lock:
            if int(now) != self.window:
                self.window, self.used = int(now), 0
            self.used += 1
            allowed = self.used <= self.most
            if allowed:
                self.accepted.append(now)
            else:
                self.refused += 1
        call.answer(*((204,) if allowed else (429, {"Retry-After": "1"})))


def test_a_receiver_that_answers_429_is_sent_to_at_its_rate(db, daemon, receiver):
    limiter = Limiter(20)
    receiver.on("/hook", limiter)
    add_endpoint(db, "limited", receiver.url(), max_attempts=1000)
    run(db, "INSERT INTO webhooks (endpoint, payload) SELECT 'limited', '{}' FROM generate_series(1, 1000)")
    daemon()
    wait_until(lambda: len(limiter.accepted) >= 60, what="it has begun")
    first, refused = len(limiter.accepted), limiter.refused
    start = limiter.accepted[-1]
    wait_until(lambda: time.monotonic() - start > 15)
    accepted = len(limiter.accepted) - first
    rate = accepted / (limiter.accepted[-1] - start)
    assert 16 <= rate <= 24, f"{rate:.1f} a second"
    assert limiter.refused - refused <= accepted / 2, "and not many calls more than that"


def test_an_ordered_endpoint_keeps_the_order_while_it_fails_one_in_ten(db, daemon, receiver):
    count, got = 10_000, []

    def behave(call):
        number = int(call.request.body)
        first = number not in got[-1:]
        got.append(number)
        call.answer(500 if number % 10 == 3 and first else 204)

    receiver.on("/hook", behave)
    add_endpoint(db, "ordered", receiver.url(), ordered=1, retry_schedule="1ms", max_attempts=5)
    daemon(breaker_failures=1000, retry_jitter=0)
    run(db, f"""INSERT INTO webhooks (endpoint, payload)
                SELECT 'ordered', value FROM generate_series(1, {count})""")
    wait_settled(db, timeout=5 * PATIENCE)
    expected = [number for one in range(1, count + 1) for number in ([one, one] if one % 10 == 3 else [one])]
    assert got == expected
    assert query(db, "SELECT status, count(*) AS n FROM deliveries GROUP BY status") == [
        {"status": "delivered", "n": count}]
