"""One INSERT to ten thousand subscribers: all of them, once each, or none. How long it holds the write lock is
measured by tests/bench/fanout.py."""

import pytest

from database import query, refused, run, value, wait_settled
from light_receiver import LightReceiver
from waiting import PATIENCE

SUBSCRIBERS = 10_000


@pytest.fixture
def light():
    one = LightReceiver()
    yield one
    one.stop()


@pytest.fixture
def crowd(db, light):
    """Subscribers by two patterns that both match, at an address of loopback for each hundred of them."""
    run(db, f"""INSERT INTO endpoints (name, url)
                SELECT 'e' || value, 'http://127.0.0.' || (1 + value / 100) || ':{light.answering}/' || value
                FROM generate_series(1, {SUBSCRIBERS});
                INSERT INTO subscriptions SELECT id, 'invoice.*' FROM endpoints;
                INSERT INTO subscriptions SELECT id, '*.paid' FROM endpoints""")
    return db


def test_ten_thousand_subscribers_get_it_once_each(crowd, daemon, light):
    daemon(log_attempts_per_second=0)
    run(crowd, "INSERT INTO webhooks (type, payload) VALUES ('invoice.paid', '{\"n\":17}')")
    assert value(crowd, "SELECT count(*) FROM deliveries") == SUBSCRIBERS
    wait_settled(crowd, timeout=5 * PATIENCE)
    assert light.count() == SUBSCRIBERS
    (sums,) = query(crowd, """SELECT count(*) AS deliveries, count(DISTINCT endpoint_id) AS endpoints,
                                     sum(status = 'delivered' AND attempts = 1) AS delivered,
                                     count(DISTINCT webhook_id) AS webhooks FROM deliveries""")
    assert sums == {"deliveries": SUBSCRIBERS, "endpoints": SUBSCRIBERS, "delivered": SUBSCRIBERS, "webhooks": 1}
    assert value(crowd, "SELECT count(*) FROM webhooks") == 1, "the payload is stored once"


def test_all_of_them_or_none(crowd):
    run(crowd, f"UPDATE queue_depth SET max_pending = {SUBSCRIBERS - 1}")
    assert "exceed max_pending" in refused(crowd, "INSERT INTO webhooks (type, payload) VALUES ('invoice.paid', 1)")
    for table in ("webhooks", "deliveries"):
        assert value(crowd, f"SELECT count(*) FROM {table}") == 0
    assert value(crowd, "SELECT pending FROM queue_depth") == 0
    run(crowd, f"UPDATE queue_depth SET max_pending = {SUBSCRIBERS}")
    run(crowd, "INSERT INTO webhooks (type, payload) VALUES ('invoice.paid', 1)")
    assert value(crowd, "SELECT pending FROM queue_depth") == SUBSCRIBERS
