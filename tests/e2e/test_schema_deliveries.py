"""Fan-out, and what an operator may do to deliveries by SQL, without a daemon."""

import time

import pytest

from database import as_daemon, count_is_right, finish, query, refused, run, value

URL = "https://example.com/hook"
ONE = f"INSERT INTO webhooks (url, payload) VALUES ('{URL}', '{{}}');"


def add_endpoint(db, name, *patterns, **columns):
    """An endpoint that subscribes to the patterns; values of columns are SQL expressions."""
    columns = {"name": f"'{name}'", "url": f"'{URL}/{name}'", **columns}
    run(db, f"INSERT INTO endpoints ({', '.join(columns)}) VALUES ({', '.join(columns.values())})")
    for pattern in patterns:
        run(db, f"""INSERT INTO subscriptions (endpoint_id, type_pattern)
                    SELECT id, '{pattern}' FROM endpoints WHERE name = '{name}'""")


def targets(db, type_):
    """The names of the endpoints that a webhook of this type goes to, with repeats."""
    run(db, f"INSERT INTO webhooks (type, payload) VALUES ('{type_}', '{{}}')")
    return [row["name"] for row in query(db, """
        SELECT e.name FROM deliveries AS d JOIN endpoints AS e ON e.id = d.endpoint_id
        WHERE d.webhook_id = (SELECT max(id) FROM webhooks) ORDER BY e.name""")]


def delivery(db, id_=1):
    (row,) = query(db, "SELECT * FROM deliveries WHERE id = ?", id_)
    return row


def set_status(status, id_=1):
    return f"UPDATE deliveries SET status = '{status}' WHERE id = {id_}"


# ---- fan-out -----------------------------------------------------------------------------------


def test_a_type_goes_to_each_subscriber_once(db):
    add_endpoint(db, "all", "*")
    add_endpoint(db, "billing", "invoice.*", "*.paid", "invoice.paid")
    add_endpoint(db, "paid", "*.paid")
    add_endpoint(db, "other", "user.created")
    add_endpoint(db, "idle")
    assert targets(db, "invoice.paid") == ["all", "billing", "paid"]
    assert targets(db, "invoice.voided") == ["all", "billing"]
    assert targets(db, "user.created") == ["all", "other"]
    assert targets(db, "user.CREATED") == ["all"]
    assert count_is_right(db)


@pytest.mark.parametrize("pattern, type_, matches", [
    ("invoice.?aid", "invoice.paid", True), ("invoice.?aid", "invoice.aid", False),
    ("invoice.[pv]*", "invoice.voided", True), ("invoice.[^p]*", "invoice.paid", False),
    ("größe.*", "größe.neu", True), ("invoice", "invoice.paid", False)])
def test_patterns_are_globs(db, pattern, type_, matches):
    add_endpoint(db, "a", pattern)
    assert targets(db, type_) == (["a"] if matches else [])


def test_a_type_without_subscribers_is_kept_without_delivery(db):
    assert targets(db, "nobody.cares") == []
    assert value(db, "SELECT count(*) FROM webhooks") == 1


def test_a_type_beside_a_place_does_not_fan_out(db):
    add_endpoint(db, "all", "*")
    add_endpoint(db, "billing")
    run(db, "INSERT INTO webhooks (endpoint, type, payload) VALUES ('billing', 'a', '{}')")
    run(db, f"INSERT INTO webhooks (url, type, payload) VALUES ('{URL}', 'a', '{{}}')")
    assert [row["name"] for row in query(db, """SELECT name FROM deliveries AS d
        JOIN endpoints AS e ON e.id = d.endpoint_id ORDER BY d.id""")] == ["billing", None]


def test_a_disabled_endpoint_still_collects(db):
    add_endpoint(db, "off", "*", enabled="0")
    assert targets(db, "a") == ["off"]


def test_webhooks_to_one_bare_url_share_an_endpoint(db):
    run(db, ONE + ONE + ONE.replace("/hook", "/other"))
    assert value(db, "SELECT count(*) FROM endpoints") == 2
    assert value(db, "SELECT count(*) FROM deliveries WHERE endpoint_id = 1") == 2


def test_a_named_endpoint_of_the_same_url_is_not_shared(db):
    add_endpoint(db, "billing", url=f"'{URL}'")
    run(db, ONE)
    assert delivery(db)["endpoint_id"] == 2


def test_fan_out_into_a_full_queue_leaves_nothing(db):
    for name in "abc":
        add_endpoint(db, name, "*")
    as_daemon(db, "UPDATE queue_depth SET max_pending = 5;")
    run(db, "INSERT INTO webhooks (type, payload) VALUES ('t', '{}')")
    for how in ("INSERT", "INSERT OR IGNORE"):
        assert "the queue is full" in refused(db, f"{how} INTO webhooks (type, payload) VALUES ('t', '{{}}')")
    assert value(db, "SELECT count(*) FROM webhooks") == 1
    assert value(db, "SELECT pending FROM queue_depth") == 3 and count_is_right(db)


# ---- status ------------------------------------------------------------------------------------


def test_cancel(db):
    run(db, ONE)
    run(db, set_status("cancelled"))
    assert delivery(db)["status"] == "cancelled" and delivery(db)["finished_at"] is not None
    assert count_is_right(db) and value(db, "SELECT pending FROM queue_depth") == 0


@pytest.mark.parametrize("new", ["delivered", "failed", "expired"])
def test_only_outhookd_finishes_a_delivery(db, new):
    run(db, ONE)
    for how in ("UPDATE", "UPDATE OR IGNORE", "UPDATE OR REPLACE"):
        assert "a pending delivery may be set to cancelled" in refused(db, set_status(new).replace("UPDATE", how))
    assert delivery(db)["status"] == "pending"


@pytest.mark.parametrize("old", ["delivered", "failed", "expired", "cancelled"])
def test_a_finished_delivery_may_only_be_replayed(db, old):
    run(db, ONE)
    finish(db, 1, old)
    for new in {"delivered", "failed", "expired", "cancelled"} - {old}:
        assert "a finished one to pending" in refused(db, set_status(new))
    run(db, set_status("pending"))
    assert delivery(db)["status"] == "pending" and count_is_right(db)


def test_an_unknown_status_is_refused(db):
    run(db, ONE)
    assert "status is one of pending, delivered" in refused(db, set_status("done"))
    assert refused(db, "UPDATE deliveries SET status = NULL")


def test_setting_the_status_it_has_changes_nothing(db):
    run(db, ONE)
    before = delivery(db)
    run(db, set_status("pending"))
    assert delivery(db) == before and count_is_right(db)
    run(db, set_status("cancelled") + ";" + set_status("cancelled"))
    assert count_is_right(db)


@pytest.mark.parametrize("column", [
    "id", "webhook_id", "endpoint_id", "attempts", "attempts_before", "due_at", "retry_at", "held_due_at", "expires_at",
    "created_at", "finished_at", "last_status_code", "last_error", "last_duration_ms"])
def test_no_other_column_may_be_changed(db, column):
    run(db, ONE)
    sentence = "only the status of a delivery may be changed"
    before = delivery(db)
    assert sentence in refused(db, f"UPDATE deliveries SET {column} = 5")
    assert sentence in refused(db, f"UPDATE deliveries SET status = 'cancelled', {column} = 5")
    assert delivery(db) == before
    finish(db, 1, "failed")
    assert sentence in refused(db, f"UPDATE deliveries SET {column} = 5")
    if column == "due_at":  # a replay may say when
        sentence = "due_at is milliseconds since 1970"
    assert sentence in refused(db, f"UPDATE deliveries SET status = 'pending', {column} = 5")
    assert delivery(db)["status"] == "failed" and count_is_right(db)


def test_replay_starts_afresh_and_keeps_the_log(db):
    run(db, ONE)
    finish(db, 1, "failed", attempts=4)
    before = int(time.time() * 1000)
    run(db, set_status("pending"))
    row = delivery(db)
    assert (row["attempts"], row["attempts_before"], row["finished_at"]) == (0, 4, None)
    assert before - 1 <= row["due_at"] <= before + 60_000
    assert value(db, "SELECT count(*) FROM attempts WHERE delivery_id = 1") == 1
    finish(db, 1, "failed", attempts=2)
    run(db, set_status("pending"))
    assert (delivery(db)["attempts"], delivery(db)["attempts_before"]) == (0, 6)
    assert [row["number"] for row in query(db, "SELECT number FROM attempts ORDER BY id")] == [4, 6]


def test_replay_grants_the_same_lifetime_again(db):
    run(db, f"""INSERT INTO webhooks (url, payload, deliver_at, expires_at, created_at)
                VALUES ('{URL}', '{{}}', 1600000000000, 1600000090000, 1500000000000)""")
    finish(db, 1, "expired")
    before = int(time.time() * 1000)
    run(db, set_status("pending"))
    row = delivery(db)
    assert row["expires_at"] - row["due_at"] == 90_000
    assert before + 89_999 <= row["expires_at"] <= before + 150_000


def test_replay_in_bulk(db):
    run(db, ONE * 20)
    for id_ in range(1, 16):
        finish(db, id_, "failed")
    assert value(db, "SELECT pending FROM queue_depth") == 5
    run(db, "UPDATE deliveries SET status = 'pending' WHERE status = 'failed' AND endpoint_id = 1")
    assert value(db, "SELECT pending FROM queue_depth") == 20 and count_is_right(db)


def test_replay_into_a_full_queue_is_refused(db):
    run(db, ONE * 2)
    finish(db, 1, "failed")
    as_daemon(db, "UPDATE queue_depth SET max_pending = 1;")
    assert "the queue is full" in refused(db, set_status("pending"))
    assert delivery(db)["status"] == "failed" and count_is_right(db)


def test_replay_without_its_endpoint_or_webhook_is_refused(db):
    run(db, ONE * 2)
    finish(db, 1, "failed")
    as_daemon(db, "DELETE FROM webhooks WHERE id = 1;")
    assert "the webhook of this delivery is gone" in refused(db, set_status("pending"))
    finish(db, 2, "failed")
    run(db, "DELETE FROM endpoints")
    assert "the endpoint of this delivery is gone" in refused(db, set_status("pending", 2))


def test_a_change_is_told_to_the_daemon(db):
    run(db, ONE)
    seq = "SELECT coalesce(max(seq), 0) FROM endpoint_changes WHERE endpoint_id = 1"
    assert value(db, seq) == 0, "an insert needs no such news: its id is new"
    run(db, set_status("cancelled"))
    first = value(db, seq)
    run(db, set_status("pending"))
    assert value(db, seq) > first > 0
    assert value(db, "SELECT count(*) FROM endpoint_changes") == 1


# ---- rows that hang together -------------------------------------------------------------------


def test_pending_work_cannot_be_deleted(db):
    run(db, ONE)
    assert "cancel them first" in refused(db, "DELETE FROM webhooks")
    assert "cancel it first" in refused(db, "DELETE FROM deliveries")
    assert "cancel them first" in refused(db, "DELETE FROM endpoints")
    assert delivery(db)["status"] == "pending"


def test_deleting_a_webhook_takes_its_history(db):
    run(db, ONE * 2)
    finish(db, 1, "delivered")
    run(db, "DELETE FROM webhooks WHERE id = 1")
    assert [row["id"] for row in query(db, "SELECT id FROM deliveries")] == [2]
    assert value(db, "SELECT count(*) FROM attempts") == 0 and count_is_right(db)


def test_deliveries_and_attempts_are_not_for_people_to_insert(db):
    run(db, ONE)
    now = "1700000000000"
    made = f"INSERT INTO deliveries (webhook_id, endpoint_id, due_at, created_at%s) VALUES (%s, 1, {now}, {now}%s)"
    for extra in [("", "99", ""), (", status", "1", ", 'delivered'"), (", attempts", "1", ", 3")]:
        assert "insert into webhooks" in refused(db, made % extra)
    assert "attempts are written by outhookd only" in refused(
        db, f"INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms) VALUES (1, 1, 'failed', {now}, 1)")
    finish(db, 1, "failed")
    assert "an attempt never changes" in refused(db, "UPDATE attempts SET verdict = 'delivered'")


@pytest.mark.parametrize("pragma", ["PRAGMA foreign_keys = ON;", "PRAGMA foreign_keys = OFF;"])
def test_nothing_needs_foreign_keys(db, pragma):
    tables = [row["name"] for row in query(db, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert all(not query(db, f"SELECT * FROM pragma_foreign_key_list('{table}')") for table in tables)
    run(db, pragma + ONE)
    finish(db, 1, "failed")
    run(db, pragma + "DELETE FROM webhooks; DELETE FROM endpoints")
    for table in ("deliveries", "attempts", "endpoint_secrets", "subscriptions"):
        assert value(db, f"SELECT count(*) FROM {table}") == 0


def test_ids_are_never_used_again(db):
    """outhookd finds new rows by an id greater than the last one it has seen."""
    run(db, ONE * 3)
    for id_ in (1, 2, 3):
        finish(db, id_, "delivered")
    run(db, "DELETE FROM webhooks; DELETE FROM endpoints;" + ONE)
    assert query(db, "SELECT id, webhook_id, endpoint_id FROM deliveries") == [
        {"id": 4, "webhook_id": 4, "endpoint_id": 2}]
