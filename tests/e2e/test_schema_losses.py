"""Statements of SQLite's own that could take a webhook away without a word, and must not."""

import pytest

from database import query, run, sqlite, value

URL = "https://example.com/hook"


@pytest.mark.parametrize("column", ["uid", "method", "content_type", "created_at"])
def test_or_ignore_does_not_skip_a_null(db, column):
    """INSERT OR IGNORE skips a row that fails NOT NULL; a program that binds every column would lose it."""
    status, _, err = sqlite(db, f"INSERT OR IGNORE INTO webhooks (url, payload, {column}) VALUES ('{URL}', '{{}}', NULL)")
    assert value(db, "SELECT count(*) FROM deliveries") == 1 or (status != 0 and column in err)


@pytest.mark.parametrize("key", ["dedup_key", "uid", "id"])
def test_or_replace_takes_no_pending_webhook_away(db, key):
    """INSERT OR REPLACE deletes the row in its way, and fires no delete trigger for it."""
    insert = f"INTO webhooks (url, payload, {key}) VALUES ('{URL}', '%s', 7)"
    run(db, "INSERT " + insert % "first")
    sqlite(db, "INSERT OR REPLACE " + insert % "second")
    assert query(db, """SELECT w.payload FROM deliveries AS d LEFT JOIN webhooks AS w ON w.id = d.webhook_id
                        WHERE d.id = 1""") == [{"payload": "first"}]


@pytest.mark.parametrize("statement", [
    "INSERT OR REPLACE INTO endpoints (name, url) VALUES ('billing', 'https://example.com/new')",
    "REPLACE INTO endpoints (id, name, url) VALUES (1, 'billing', 'https://example.com/new')",
    "UPDATE OR REPLACE endpoints SET name = 'billing' WHERE name = 'other'",
    "UPDATE endpoints SET id = 77 WHERE name = 'billing'"])
def test_no_statement_leaves_pending_work_without_its_endpoint(db, statement):
    run(db, f"""INSERT INTO endpoints (name, url) VALUES ('billing', '{URL}'), ('other', '{URL}');
                INSERT INTO webhooks (endpoint, payload) VALUES ('billing', '{{}}')""")
    sqlite(db, statement)
    assert query(db, """SELECT * FROM deliveries AS d
                        WHERE NOT EXISTS (SELECT 1 FROM endpoints WHERE id = d.endpoint_id)""") == []


def test_no_delivery_is_inserted_for_an_endpoint_that_does_not_exist(db):
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{URL}', '{{}}')")
    sqlite(db, """INSERT INTO deliveries (webhook_id, endpoint_id, due_at, created_at)
                  VALUES (1, 99, 1700000000000, 1700000000000)""")
    assert value(db, "SELECT count(*) FROM deliveries WHERE endpoint_id = 99") == 0


def test_or_replace_starts_no_delivery_afresh(db):
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{URL}', '{{}}')")
    run(db, "UPDATE deliveries SET status = 'cancelled'")
    sqlite(db, """INSERT OR REPLACE INTO deliveries (id, webhook_id, endpoint_id, due_at, created_at)
                  VALUES (1, 1, 1, 1700000000000, 1700000000000)""")
    assert value(db, "SELECT status FROM deliveries WHERE id = 1") == "cancelled"


def test_on_conflict_may_name_the_dedup_key(db):
    """What everyone writes first; SQLite asks for the WHERE of a partial index to be repeated."""
    keyed = f"INSERT INTO webhooks (url, payload, dedup_key) VALUES ('{URL}', '{{}}', 'k')"
    run(db, f"{keyed}; {keyed} ON CONFLICT (dedup_key) DO NOTHING")
    assert value(db, "SELECT count(*) FROM webhooks") == 1
