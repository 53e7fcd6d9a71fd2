"""What is old is deleted while the daemon serves: nobody notices, and the file stays bounded."""

import os
import signal
import subprocess
import time

from database import ENVIRONMENT, add_endpoint, as_daemon, delivery, enqueue, query, run, value, wait_status
from waiting import stays, wait_until

NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
DAY_MS = 86400_000


def insert_finished(db, count, ago_ms, status="delivered", payload="'x'", endpoint=1):
    """Deliveries that ended a while ago, with an attempt each."""
    as_daemon(db, f"""
        BEGIN IMMEDIATE;
        CREATE TEMP TABLE first AS SELECT coalesce((SELECT max(id) FROM webhooks), 0) AS id;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        INSERT INTO webhooks (endpoint, payload, created_at) SELECT 'a', {payload}, {NOW} - {ago_ms} FROM n;
        INSERT INTO deliveries (webhook_id, endpoint_id, status, attempts, due_at, created_at, finished_at)
        SELECT id, {endpoint}, '{status}', 1, created_at, created_at, created_at FROM webhooks
        WHERE id > (SELECT id FROM first);
        INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms)
        SELECT id, 1, 'delivered', created_at, 1 FROM deliveries WHERE webhook_id > (SELECT id FROM first);
        COMMIT;""")


def rows_left(db):
    return {table: value(db, f"SELECT count(*) FROM {table}") for table in ("webhooks", "deliveries", "attempts")}


def wait_left(db, count):
    wait_until(lambda: rows_left(db)["deliveries"] == count, what=lambda: f"{count} deliveries left, of {rows_left(db)}")


def test_old_rows_go_and_the_file_shrinks(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), signing="none")
    insert_finished(db, 3000, 8 * DAY_MS, payload="randomblob(8000)")
    insert_finished(db, 100, 8 * DAY_MS, status="failed")
    insert_finished(db, 100, 6 * DAY_MS)
    insert_finished(db, 100, 31 * DAY_MS, status="expired")
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = os.path.getsize(db)
    assert before > 24_000_000
    daemon()  # with what it has by default: 7 and 30 days
    wait_left(db, 200)
    assert rows_left(db) == {"webhooks": 200, "deliveries": 200, "attempts": 200}
    wait_until(lambda: os.path.getsize(db) < before / 8, what="the file is smaller")
    enqueue(db, url=receiver.url())
    receiver.wait()


def test_settings_count_after_a_reload_and_0_is_for_ever(db, daemon, receiver, tmp_path):
    add_endpoint(db, "a", receiver.url(), signing="none")
    insert_finished(db, 10, 8 * DAY_MS)
    insert_finished(db, 10, 40 * DAY_MS, status="cancelled")
    config = tmp_path / "outhookd.conf"
    config.write_text("[outhookd]\nretain_delivered = 0s\nretain_failed = 0s\nretain_attempts = 0s\n")
    running = daemon(config=config)
    assert stays(lambda: rows_left(db)["deliveries"] == 20, 0.5)
    config.write_text("[outhookd]\nretain_delivered = 0s\nretain_failed = 39d\nretain_attempts = 7d\n")
    running.signal(signal.SIGHUP)
    wait_left(db, 10)
    wait_until(lambda: rows_left(db)["attempts"] == 0, what="the attempts are gone")
    config.write_text("[outhookd]\nretain_delivered = 7d\n")
    running.signal(signal.SIGHUP)
    wait_left(db, 0)


def test_an_endpoint_of_a_bare_url_goes_and_comes_again(db, daemon, receiver):
    enqueue(db, url=receiver.url("/1"))
    enqueue(db, url=receiver.url("/2"))
    running = daemon(retain_delivered="1s", retain_failed="1s")
    wait_status(db, "delivered", 1)
    wait_until(lambda: not query(db, "SELECT 1 FROM endpoints"), what="both endpoints are gone")
    wait_left(db, 0)
    number = enqueue(db, url=receiver.url("/1"))
    receiver.wait(3)
    assert number == 3 and len(receiver.got("/1")) == 2
    running.stop()


def test_what_is_pending_stays_however_old(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), signing="none", enabled=0)
    enqueue(db, endpoint="a", created_at=1500000000000)
    daemon(retain_delivered="1s", retain_failed="1s")
    assert stays(lambda: delivery(db)["status"] == "pending", 2.5)
    run(db, "UPDATE endpoints SET enabled = 1")
    receiver.wait()
    wait_left(db, 0)


def test_while_somebody_reads_the_log_does_not_grow_by_what_is_deleted(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), signing="none")
    insert_finished(db, 12_000, 8 * DAY_MS, payload="randomblob(3000)")
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)")
    reader = subprocess.Popen(["sqlite3", str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=ENVIRONMENT)
    reader.stdin.write("BEGIN;\nSELECT count(*) FROM webhooks;\n")
    reader.stdin.flush()
    assert reader.stdout.readline() == "12000\n"
    daemon()
    time.sleep(2)
    largest = os.path.getsize(f"{db}-wal")
    left = rows_left(db)["deliveries"]
    reader.communicate("COMMIT;\n", timeout=30)
    assert largest < 16_000_000 and left > 1000, (largest, left)
    wait_left(db, 0)


def test_twelve_days_in_as_many_seconds(db, daemon, receiver):
    """A day is a second here: each brings 2,000 deliveries, kept for 3 days. The file stops growing."""
    add_endpoint(db, "a", receiver.url(), signing="none")
    daemon(retain_delivered="3s", retain_failed="3s")
    sizes = []
    for _ in range(12):
        start = time.monotonic()
        insert_finished(db, 2000, 0, payload="randomblob(400)")
        enqueue(db, endpoint="a")
        time.sleep(max(0, 1 - (time.monotonic() - start)))
        sizes.append(os.path.getsize(db))
    assert max(sizes[7:]) <= 1.5 * max(sizes[:7]), sizes
    receiver.wait(12)
    wait_left(db, 0)
