"""Endpoints, their secrets and subscriptions, by SQL alone; the views; the query plans."""

import pytest

from database import create, finish, query, refused, run, value

URL = "https://example.com/hook"
ONE = f"INSERT INTO webhooks (url, payload) VALUES ('{URL}', '{{}}');"


def endpoint(named="a", how="INSERT", **columns):
    """The INSERT of an endpoint; values are SQL expressions."""
    columns = {"name": f"'{named}'", "url": f"'{URL}'", **columns}
    return f"{how} INTO endpoints ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"


LIMITS = [
    ("timeout_ms", 1, 600000), ("connect_timeout_ms", 1, 600000), ("max_attempts", 1, 1000),
    ("max_in_flight", 1, 1000), ("rate_limit", 0.001, 100000), ("rate_burst", 1, 100000),
    ("enabled", 0, 1), ("ordered", 0, 1), ("tls_insecure", 0, 1)]


@pytest.mark.parametrize("column, least, most", LIMITS)
def test_limits_hold_at_both_ends(db, column, least, most):
    run(db, endpoint("least", **{column: str(least)}))
    run(db, endpoint("most", **{column: str(most)}))
    step = 0.0001 if isinstance(least, float) else 1
    for outside in (least - step, most + 1):
        assert column in refused(db, endpoint(**{column: str(outside)}))
        assert column in refused(db, f"UPDATE endpoints SET {column} = {outside}")
    assert refused(db, endpoint(**{column: "'many'"}))
    assert value(db, "SELECT count(*) FROM endpoints") == 2


@pytest.mark.parametrize("columns, sentence", [
    ({"name": "''"}, "an endpoint's name has 1 to 100 characters"),
    ({"name": "hex(zeroblob(51))"}, "an endpoint's name has 1 to 100 characters"),
    ({"name": "'a' || char(10)"}, "an endpoint's name has 1 to 100 characters"),
    ({"name": "'a' || char(127)"}, "an endpoint's name has 1 to 100 characters"),
    ({"signing": "'hmac'"}, "signing is one of standard, github, stripe, shopify, none"),
    ({"tls_ca_file": "'ca.pem'"}, "tls_ca_file is an absolute path"),
    ({"tls_cert_file": "'c.pem'"}, "tls_cert_file is an absolute path"),
    ({"tls_key_file": "''"}, "tls_key_file is an absolute path"),
    ({"url": "NULL"}, "NOT NULL constraint failed: endpoints.url"),
])
def test_a_bad_endpoint_is_refused(db, columns, sentence):
    assert sentence in refused(db, endpoint(**columns))
    assert value(db, "SELECT count(*) FROM endpoints") == 0


@pytest.mark.parametrize("schedule", ["5s", "5s 30s 2m 10m 30m 1h 3h 6h 12h 24h", "1ms", "0s", "  5s   1d ",
                                      "999999999ms", " ".join(["1s"] * 50)])
def test_a_good_retry_schedule_is_accepted(db, schedule):
    run(db, endpoint(retry_schedule=f"'{schedule}'"))


@pytest.mark.parametrize("schedule", ["", " ", "5", "s", "5 s", "5x", "5S", "5sm", "5mss", "-5s", "1.5s", "5s,30s", "5s 30",
                                      "1000000000ms", "5s\"]", "5s\n30s", "5s5s", " ".join(["1s"] * 51)])
def test_a_bad_retry_schedule_is_refused(db, schedule):
    run(db, endpoint("good"))
    sentence = "a retry_schedule is 1 to 50 durations"
    assert sentence in refused(db, endpoint(retry_schedule=f"'{schedule}'"))
    assert sentence in refused(db, f"UPDATE endpoints SET retry_schedule = '{schedule}'")


def test_an_update_is_judged_like_an_insert(db):
    run(db, endpoint())
    assert "starts with http://" in refused(db, "UPDATE endpoints SET url = 'ftp://x'")
    assert "headers is a JSON object" in refused(db, "UPDATE endpoints SET headers = 'x'")
    run(db, "UPDATE endpoints SET headers = NULL, retry_schedule = NULL, url = 'http://b'")


def test_names_are_unique(db):
    run(db, endpoint("a"))
    assert "UNIQUE constraint failed: endpoints.name" in refused(db, endpoint("a"))


def test_an_endpoint_can_be_upserted(db):
    run(db, endpoint("billing") + "; INSERT INTO webhooks (endpoint, payload) VALUES ('billing', '{}')")
    run(db, endpoint("billing", url="'https://example.com/new'")
        + " ON CONFLICT (name) DO UPDATE SET url = excluded.url")
    assert query(db, "SELECT id, url FROM endpoints") == [{"id": 1, "url": "https://example.com/new"}]


def test_disabling_and_enabling_by_hand(db):
    run(db, endpoint())
    run(db, "UPDATE endpoints SET enabled = 0")
    (row,) = query(db, "SELECT disabled_reason, disabled_at FROM endpoints")
    assert row["disabled_reason"] == "disabled by hand" and row["disabled_at"] > 1_600_000_000_000
    run(db, "UPDATE endpoints SET enabled = 1")
    assert query(db, "SELECT disabled_reason, disabled_at FROM endpoints") == [
        {"disabled_reason": None, "disabled_at": None}]
    run(db, "UPDATE endpoints SET enabled = 0, disabled_reason = 'they move house'")
    assert value(db, "SELECT disabled_reason FROM endpoints") == "they move house"


@pytest.mark.parametrize("change", [
    "UPDATE endpoints SET url = 'http://b'", "UPDATE endpoints SET enabled = 0",
    "INSERT INTO endpoint_secrets (endpoint_id, secret) VALUES (1, 'whsec_AAAA')",
    "UPDATE endpoint_secrets SET expires_at = 1", "DELETE FROM endpoint_secrets", "DELETE FROM endpoints"])
def test_a_change_is_told_to_the_daemon(db, change):
    run(db, endpoint() + ";" + endpoint("b"))
    seq = "SELECT coalesce(max(seq), 0) FROM endpoint_changes"
    before = value(db, seq)
    run(db, change.replace("endpoints SET", "endpoints SET description = 'x',") + " WHERE TRUE"
        if change.startswith("UPDATE endpoints") else change)
    assert value(db, seq) > before


def test_a_signed_endpoint_gets_a_secret(db):
    run(db, endpoint("signed") + ";" + endpoint("github", signing="'github'") + ";"
        + endpoint("unsigned", signing="'none'") + ";" + ONE)
    (secret,) = query(db, "SELECT * FROM endpoint_secrets")
    assert secret["endpoint_id"] == 1 and secret["expires_at"] is None
    assert secret["secret"].startswith("whsec_") and len(secret["secret"]) == 6 + 48


@pytest.mark.parametrize("secret", ["''", "'a' || char(10)", "'geheim-ü'", "hex(zeroblob(251))",
                                    "'a' || char(0) || 'b'"])
def test_a_bad_secret_is_refused(db, secret):
    run(db, endpoint())
    assert "a secret has 1 to 500 printable ASCII characters" in refused(
        db, f"INSERT INTO endpoint_secrets (endpoint_id, secret) VALUES (1, {secret})")


def test_secrets_and_subscriptions_need_their_endpoint(db):
    sentence = "there is no endpoint of that id"
    assert sentence in refused(db, "INSERT INTO endpoint_secrets (endpoint_id, secret) VALUES (9, 's')")
    assert sentence in refused(db, "INSERT INTO subscriptions VALUES (9, '*')")


@pytest.mark.parametrize("pattern", ["''", "hex(zeroblob(101))"])
def test_a_bad_pattern_is_refused(db, pattern):
    run(db, endpoint())
    assert "a type_pattern has 1 to 200 characters" in refused(db, f"INSERT INTO subscriptions VALUES (1, {pattern})")


def test_deleting_an_endpoint_takes_what_belongs_to_it(db):
    run(db, endpoint("a") + ";" + endpoint("b") + "; INSERT INTO subscriptions VALUES (1, '*'), (2, '*')")
    run(db, "DELETE FROM endpoints WHERE name = 'a'")
    assert [row["endpoint_id"] for row in query(db, "SELECT endpoint_id FROM subscriptions")] == [2]
    assert [row["endpoint_id"] for row in query(db, "SELECT endpoint_id FROM endpoint_secrets")] == [2]


def test_queue_depth_has_one_row(db):
    assert "queue_depth has one row" in refused(db, "INSERT INTO queue_depth (one, pending, max_pending, max_payload_bytes) VALUES (2, 0, 1, 1)")


def test_an_empty_database_of_each_version_is_consistent(tmp_path):
    db = create(tmp_path / "new.db")
    assert value(db, "PRAGMA integrity_check") == "ok"
    assert value(db, "PRAGMA auto_vacuum") == 2 and value(db, "PRAGMA journal_mode") == "wal"
    assert value(db, "PRAGMA application_id") == 0x6F757468


# ---- views -------------------------------------------------------------------------------------


def test_failed_says_what_and_why(db):
    run(db, endpoint("billing") + "; INSERT INTO webhooks (endpoint, type, payload) VALUES ('billing', 'a.b', '{}');"
        + ONE * 3)
    finish(db, 1, "failed", attempts=3)
    finish(db, 2, "expired")
    finish(db, 3, "delivered")
    rows = query(db, "SELECT * FROM failed ORDER BY id")
    assert [(row["id"], row["endpoint"], row["type"], row["status"], row["attempts"], row["status_code"],
             row["error"]) for row in rows] == [
        (1, "billing", "a.b", "failed", 3, 500, "answered 500"), (2, URL, None, "expired", 1, 500, "answered 500")]
    assert all(row["created"].startswith("20") and row["finished"].startswith("20") for row in rows)


def test_queue_counts_the_backlog(db):
    run(db, ONE * 2 + endpoint("off", enabled="0") + ";"
        "INSERT INTO webhooks (endpoint, payload) VALUES ('off', '{}');"
        f"INSERT INTO webhooks (url, payload, deliver_at) VALUES ('{URL}/later', '{{}}', 1000 * unixepoch() + 600000)")
    rows = {row["endpoint"]: (row["pending"], row["due"], row["state"]) for row in query(db, "SELECT * FROM queue")}
    assert rows == {URL: (2, 2, "due"), "off": (1, 1, "disabled: by hand"), URL + "/later": (1, 0, "waiting")}


def test_recent_is_newest_first(db):
    run(db, ONE * 3)
    finish(db, 2, "delivered")
    rows = query(db, "SELECT * FROM recent")
    assert [row["id"] for row in rows] == [3, 2, 1]
    assert rows[0]["next_attempt"] and rows[0]["finished"] is None
    assert rows[1]["next_attempt"] is None and rows[1]["finished"] and rows[1]["duration_ms"] == 12


# ---- query plans -------------------------------------------------------------------------------


def plan(db, sql):
    return " | ".join(row["detail"] for row in query(db, "EXPLAIN QUERY PLAN " + sql))


@pytest.mark.parametrize("sql, expected", [
    ("SELECT * FROM deliveries WHERE status = 'pending' AND endpoint_id = ? ORDER BY due_at, id LIMIT 10",
     "SEARCH deliveries USING INDEX deliveries_lane (endpoint_id=?)"),
    ("SELECT min(due_at) FROM deliveries WHERE status = 'pending' AND endpoint_id = ?",
     "SEARCH deliveries USING INDEX deliveries_lane (endpoint_id=?)"),
    ("SELECT endpoint_id, due_at FROM deliveries WHERE id > ? ORDER BY id LIMIT 100",
     "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>?)"),
    ("SELECT * FROM endpoint_changes WHERE seq > ? ORDER BY seq",
     "SEARCH endpoint_changes USING COVERING INDEX sqlite_autoindex_endpoint_changes_1 (seq>?)"),
    ("SELECT * FROM attempts WHERE delivery_id = ? ORDER BY number",
     "SEARCH attempts USING INDEX attempts_delivery (delivery_id=?)"),
    ("SELECT id FROM webhooks WHERE dedup_key = ?",
     "SEARCH webhooks USING COVERING INDEX sqlite_autoindex_webhooks_2 (dedup_key=?)"),
    ("SELECT id FROM deliveries WHERE webhook_id = ?",
     "SEARCH deliveries USING COVERING INDEX deliveries_webhook (webhook_id=?)"),
])
def test_the_hot_queries_search_and_never_sort(db, sql, expected):
    assert plan(db, sql.replace("?", "1")) == expected


def test_failed_is_found_by_its_indexes(db):
    for sql in ("SELECT * FROM failed", "SELECT * FROM failed WHERE endpoint_id = 3"):
        text = plan(db, sql)
        assert "deliveries_failed" in text and "deliveries_expired" in text
        assert "SCAN deliveries |" not in text + " |"


def test_queue_reads_pending_rows_by_their_index(db):
    assert "SCAN deliveries USING INDEX deliveries_lane" in plan(db, "SELECT * FROM queue")
