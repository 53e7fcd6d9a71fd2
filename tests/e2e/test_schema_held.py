"""Deliveries on hold, and replays with a time, by SQL alone; and what the daemon makes of them."""

import pytest

from database import (add_endpoint, attempts, count_is_right, delivery, enqueue, finish, query, refused, run, value,
                      wait_attempts, wait_status)
from receivers import answer
from waiting import stays

URL = "http://127.0.0.1:9/"
HELD_DUE_AT = 253402300800000


def hold(db, where="true"):
    run(db, f"UPDATE deliveries SET held = 1 WHERE {where}")


def release(db, where="true"):
    run(db, f"UPDATE deliveries SET held = 0 WHERE {where}")


def consistent(db):
    """Whether held, held_due_at and due_at agree in every row."""
    return count_is_right(db) and value(db, f"""
        SELECT count(*) FROM deliveries WHERE held <> (held_due_at IS NOT NULL) OR held <> (due_at = {HELD_DUE_AT})
            OR (held AND status <> 'pending')""") == 0


# ---- the rows ------------------------------------------------------------------------------------


def test_hold_and_release_keep_the_due_time(db):
    enqueue(db, url=URL)
    before = delivery(db)
    hold(db)
    row = delivery(db)
    assert (row["status"], row["held"], row["held_due_at"], row["due_at"]) == ("pending", 1, before["due_at"], HELD_DUE_AT)
    assert value(db, "SELECT max(seq) FROM endpoint_changes") == 1
    hold(db)  # again, which changes nothing
    assert delivery(db) == row
    release(db)
    assert delivery(db) == before and value(db, "SELECT max(seq) FROM endpoint_changes") == 2
    release(db)
    assert delivery(db) == before and consistent(db)


@pytest.mark.parametrize("change", [
    "status = 'cancelled'", "status = 'cancelled', held = 0", "held = 0, status = 'cancelled'"])
def test_cancelling_what_is_held(db, change):
    enqueue(db, url=URL)
    before = delivery(db)
    hold(db)
    run(db, f"UPDATE deliveries SET {change}")
    row = delivery(db)
    assert (row["status"], row["held"], row["held_due_at"], row["due_at"]) == ("cancelled", 0, None, before["due_at"])
    assert row["finished_at"] and consistent(db)
    run(db, "UPDATE deliveries SET status = 'pending'")
    assert delivery(db)["held"] == 0 and consistent(db)


@pytest.mark.parametrize("status", ["delivered", "failed", "expired", "cancelled"])
def test_what_is_finished_can_not_be_held(db, status):
    enqueue(db, url=URL)
    finish(db, 1, status)
    for change in ("held = 1", "held = 1, status = 'pending'", "status = 'pending', held = 1"):
        assert "only a pending delivery can be held" in refused(db, f"UPDATE deliveries SET {change}")
    assert consistent(db)


@pytest.mark.parametrize("change, sentence", [
    ("held = 2", "held is 0 or 1"), ("held = NULL", "NOT NULL"),
    ("held = 1, due_at = 5", "only the status of a delivery may be changed"),
    ("held_due_at = 5", "only the status of a delivery may be changed"),
    ("held = 1, held_due_at = 5", "only the status of a delivery may be changed"),
    ("held = 1, status = 'cancelled'", "only a pending delivery can be held"),
    ("due_at = 1800000000000", "only the status of a delivery may be changed")])
def test_what_can_not_be_set(db, change, sentence):
    enqueue(db, url=URL)
    assert sentence in refused(db, f"UPDATE deliveries SET {change}")
    hold(db)
    before = delivery(db)
    if "held =" not in change:
        assert sentence in refused(db, f"UPDATE deliveries SET {change}")
    assert delivery(db) == before


def test_no_delivery_is_born_held(db):
    enqueue(db, url=URL)
    sentence = refused(db, "INSERT INTO deliveries (webhook_id, endpoint_id, due_at, created_at, held) "
                           "VALUES (1, 1, 1800000000000, 1800000000000, 1)")
    assert "insert into webhooks" in sentence


def test_the_views_tell(db):
    add_endpoint(db, "a", URL)
    for _ in range(3):
        enqueue(db, endpoint="a")
    hold(db, "id = 1")
    (row,) = query(db, "SELECT * FROM queue")
    assert (row["pending"], row["due"], row["held"], row["state"]) == (3, 2, 1, "due") and row["next_due"]
    hold(db)
    (row,) = query(db, "SELECT * FROM queue")
    assert (row["pending"], row["due"], row["held"], row["state"], row["next_due"]) == (3, 0, 3, "on hold", None)
    assert value(db, "SELECT next_attempt FROM recent LIMIT 1") == "on hold"
    run(db, "UPDATE endpoints SET enabled = 0, disabled_reason = 'on hold: they move'")
    assert value(db, "SELECT state FROM queue") == "on hold: they move"


def test_a_replay_may_say_when(db):
    enqueue(db, url=URL, created_at=1700000000000, expires_at=1700000060000)
    finish(db, 1, "failed")
    run(db, "UPDATE deliveries SET status = 'pending', due_at = 4000000000000")
    row = delivery(db)
    assert (row["status"], row["due_at"], row["expires_at"]) == ("pending", 4000000000000, 4000000060000)
    finish(db, 1, "failed")
    run(db, "UPDATE deliveries SET status = 'pending', due_at = 1600000000000")  # past: it is due now
    assert 1700000000000 < delivery(db)["due_at"] < 4000000000000
    finish(db, 1, "failed")
    for time in (5, 1800000000, 253402300800000):
        assert "multiply seconds by 1000" in refused(db, f"UPDATE deliveries SET status = 'pending', due_at = {time}")


# ---- the daemon ----------------------------------------------------------------------------------


def test_held_deliveries_are_not_sent_until_they_are_released(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), signing="none")
    enqueue(db, "1", endpoint="a")
    enqueue(db, "2", endpoint="a")
    hold(db, "id = 1")
    daemon()
    wait_status(db, "delivered", 2)
    enqueue(db, "3", endpoint="a")
    wait_status(db, "delivered", 3)
    assert stays(lambda: delivery(db, 1)["status"] == "pending", 0.3)
    release(db, "id = 1")
    wait_status(db, "delivered", 1)
    assert [request.body for request in receiver.got()] == [b"2", b"3", b"1"]
    assert consistent(db)


def test_a_hold_while_the_call_is_under_way_outlives_its_failure(db, daemon, receiver):
    receiver.on("/hook", [answer(500, delay=1), 200])
    add_endpoint(db, "a", receiver.url(), signing="none", retry_schedule="1ms")
    enqueue(db, endpoint="a")
    daemon()
    receiver.wait()
    hold(db)
    wait_attempts(db, 1)
    assert stays(lambda: len(attempts(db)) == 1, 0.5) and consistent(db)
    row = delivery(db)
    assert (row["status"], row["held"], row["attempts"]) == ("pending", 1, 1)
    release(db)
    wait_status(db, "delivered")
    assert consistent(db)


def test_a_hold_while_the_call_is_under_way_does_not_outlive_its_success(db, daemon, receiver):
    receiver.on("/hook", answer(200, delay=1))
    enqueue(db, url=receiver.url())
    daemon()
    receiver.wait()
    hold(db)
    assert wait_status(db, "delivered")["held"] == 0 and consistent(db)


def test_what_is_held_does_not_expire(db, daemon, receiver):
    run(db, f"""INSERT INTO webhooks (url, payload, expires_at) VALUES ('{receiver.url()}', '1',
                CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 200)""")
    hold(db)
    daemon()
    assert stays(lambda: delivery(db)["status"] == "pending", 0.6)
    release(db)
    wait_status(db, "expired")
    assert not receiver.got()


def test_ordered_deliveries_pass_one_that_is_held(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), signing="none", ordered=1)
    for number in "123":
        enqueue(db, number, endpoint="a")
    hold(db, "id = 1")
    daemon()
    wait_status(db, "delivered", 3)
    release(db, "id = 1")
    wait_status(db, "delivered", 1)
    assert [request.body for request in receiver.got()] == [b"2", b"3", b"1"]
