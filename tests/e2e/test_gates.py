"""What holds endpoints up, as an operator sees it: the view queue, `outhook status`, `outhook shape`."""

import re

import pytest

from command import rows, succeed, terminal
from database import add_endpoint, as_daemon, query, run, value
from locks import LockHolder
from receivers import answer, hang, refusing_url
from waiting import stays, wait_until

HOUR = 3_600_000


def held(db):
    return {row["endpoint"]: row for row in rows("status", "--database", db)[0]["held"]}


def enqueue_many(db, endpoint, count):
    run(db, f"INSERT INTO webhooks (endpoint, payload) SELECT '{endpoint}', '{{}}' FROM generate_series(1, {count})")


def wait_gate(db, endpoint, gate):
    return wait_until(lambda: (row := held(db).get(endpoint)) and row["gate"] == gate and row,
                      what=f"{endpoint} is held up by {gate}")


def state(db, endpoint):
    return value(db, "SELECT state FROM queue WHERE endpoint = ?", endpoint)


def test_the_breaker_until_a_time(db, daemon):
    add_endpoint(db, "dead", refusing_url())
    enqueue_many(db, "dead", 20)
    daemon(breaker_failures=3, breaker_open="1h", breaker_open_max="1h")
    row = wait_gate(db, "dead", "breaker")
    assert row["until_at"] > row["oldest_due_created_at"] + HOUR / 2
    assert row["pending_up_to_10001"] == 20 and row["in_flight"] == 0
    assert state(db, "dead").startswith("failed too often in a row: left alone until 20")
    due = value(db, "SELECT id FROM deliveries WHERE attempts = 0 LIMIT 1")
    next_ = "attempt 1 is due; its endpoint is held up: failed too often in a row: left alone until 20"
    assert next_ in succeed("show", due, "--database", db)
    _, lines = terminal("show", due, "--database", db, columns=60)
    assert next_ in " ".join(re.sub(r"\033\[[0-9;]*m", "", line)[12:] for line in lines)
    assert rows("show", due, "--database", db)[0]["endpoint"]["held_up"].startswith("failed too often")


def test_retry_after_until_a_time(db, daemon, receiver):
    receiver.on("/hook", answer(429, {"Retry-After": "3600"}))
    add_endpoint(db, "busy", receiver.url())
    enqueue_many(db, "busy", 5)
    daemon()
    row = wait_gate(db, "busy", "retry_after")
    assert row["until_at"] > row["oldest_due_created_at"] + HOUR / 2
    assert "asked for quiet: left alone until" in state(db, "busy")


def test_an_ordered_endpoint_waits_for_its_first(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "ordered", receiver.url(), ordered=1, retry_schedule="1h")
    enqueue_many(db, "ordered", 5)
    daemon()
    assert wait_gate(db, "ordered", "order")["until_at"]
    assert "its first delivery waits to be tried again" in state(db, "ordered")


def test_a_rate_limit(db, daemon, receiver):
    add_endpoint(db, "limited", receiver.url(), rate_limit=0.01)
    enqueue_many(db, "limited", 5)
    daemon()
    wait_gate(db, "limited", "rate")
    assert state(db, "limited") == "its rate limit"


def test_n_calls_of_m(db, daemon, receiver):
    receiver.on("/hook", [200] * 40 + [hang])
    add_endpoint(db, "slow", receiver.url(), max_in_flight=3, timeout_ms=600_000)
    enqueue_many(db, "slow", 60)
    daemon(drain_timeout="0s")
    row = wait_gate(db, "slow", "concurrency")
    assert row["in_flight"] == row["max_in_flight"] >= 1
    assert state(db, "slow") == f"calls under way: {row['in_flight']} of {row['max_in_flight']}"
    receiver.stopping.set()


def test_a_silent_host(db, daemon):
    url = refusing_url()
    for number in range(6):
        add_endpoint(db, f"e{number}", f"{url}/{number}")
        enqueue_many(db, f"e{number}", 5)
    one = daemon(breaker_open="1h")
    wait_until(lambda: [row for row in held(db).values() if row["gate"] == "origin"])
    assert "its host is silent: left alone until" in "".join(row["state"] for row in query(db, "SELECT state FROM queue"))
    assert one.lines("is silent to several endpoints and is left alone")


def test_disabled_with_the_reason(db, daemon, receiver):
    receiver.on("/hook", 410)
    add_endpoint(db, "gone", receiver.url())
    add_endpoint(db, "off", receiver.url("/off"), enabled=0)
    enqueue_many(db, "gone", 3)
    enqueue_many(db, "off", 3)
    daemon()
    wait_gate(db, "gone", "disabled")
    text = succeed("status", "--database", db)
    assert "disabled: it answered 410 Gone" in text and "disabled: by hand" in text


def test_it_is_over_when_it_is_over(db, daemon, receiver):
    receiver.on("/hook", [503] * 3 + [200])
    add_endpoint(db, "e", receiver.url(), retry_schedule="1ms")
    enqueue_many(db, "e", 30)
    daemon(breaker_failures=3, breaker_open="2s")
    wait_gate(db, "e", "breaker")
    wait_until(lambda: value(db, "SELECT pending FROM queue_depth") == 0)
    wait_until(lambda: value(db, "SELECT count(*) FROM endpoint_gates") == 0)
    assert held(db) == {}


def test_nothing_is_left_of_it_after_a_stop_nor_believed_after_a_kill(db, daemon):
    add_endpoint(db, "dead", refusing_url())
    enqueue_many(db, "dead", 20)
    one = daemon(breaker_failures=1, breaker_open="1h")
    wait_gate(db, "dead", "breaker")
    one.kill()
    assert value(db, "SELECT count(*) FROM endpoint_gates") == 1 and held(db) == {}
    two = daemon(breaker_failures=1, breaker_open="1h")
    wait_gate(db, "dead", "breaker")
    two.stop()
    assert value(db, "SELECT count(*) FROM endpoint_gates") == 0


def test_a_lock_that_others_hold_loses_no_gate(db, daemon, receiver):
    receiver.on("/hook", hang)
    add_endpoint(db, "slow", receiver.url(), timeout_ms=600_000)
    daemon(drain_timeout="0s")
    enqueue_many(db, "slow", 5)
    receiver.wait(1)
    lock = LockHolder(db).take()
    assert stays(lambda: value(db, "SELECT count(*) FROM endpoint_gates") == 0, 3)
    lock.let_go()
    wait_gate(db, "slow", "concurrency")
    receiver.stopping.set()


def test_an_idle_daemon_writes_nothing(db, daemon, receiver):
    add_endpoint(db, "e", receiver.url())
    daemon()
    enqueue_many(db, "e", 50)
    wait_until(lambda: value(db, "SELECT pending FROM queue_depth") == 0)
    wait_until(lambda: value(db, "SELECT count(*) FROM endpoint_gates") == 0)
    version = lambda: (db.stat().st_mtime_ns, db.with_name(db.name + "-wal").stat().st_mtime_ns)  # noqa: E731
    wait_until(lambda: (before := version()) and stays(lambda: version() == before, 3))


# ---- shape ---------------------------------------------------------------------------------------


@pytest.fixture
def aged(db):
    """A delivery on each side of each bound."""
    add_endpoint(db, "a", "http://a.example/")
    add_endpoint(db, "b", "http://b.example/")
    enqueue_many(db, "a", 22)
    enqueue_many(db, "b", 3)
    now = value(db, "SELECT ms FROM _now")
    for number in range(11):
        bound = 5 * 2 ** number * 60_000
        as_daemon(db, f"UPDATE deliveries SET created_at = {now - bound + 30_000} WHERE id = {2 * number + 1};"
                      f"UPDATE deliveries SET created_at = {now - bound - 1} WHERE id = {2 * number + 2};")
    return db


def test_shape_counts_by_age(aged):
    total, a, b = rows("shape", "--database", aged)
    assert (total["endpoint"], total["total"]) == (None, 25) and (a["endpoint"], b["endpoint"]) == ("a", "b")
    assert [age["minutes"] for age in a["ages"]] == [5 * 2 ** n for n in range(10)] + [None]
    assert [age["count"] for age in a["ages"]] == [1] + [2] * 9 + [3]
    assert [age["count"] for age in b["ages"]] == [3] + [0] * 10
    assert [age["count"] for age in total["ages"]] == [4] + [2] * 9 + [3]


def test_shape_of_other_statuses_and_limits(aged):
    run(aged, "UPDATE deliveries SET status = 'cancelled' WHERE endpoint_id = 2")
    assert [row["total"] for row in rows("shape", "--database", aged, "--status", "cancelled")] == [3, 3]
    assert [row["total"] for row in rows("shape", "--database", aged)] == [22, 22]
    assert len(rows("shape", "--database", aged, "--status", "failed")) == 1


@pytest.mark.parametrize("width, titles", [(60, "T 5 10 20 40 40+"), (80, "T 5 10 20 40 80 160 320 640 1280 1280+"),
                                           (200, "T 5 10 20 40 80 160 320 640 1280 1280+")])
def test_shape_fits_the_terminal(aged, width, titles):
    code, lines = terminal("shape", "--database", aged, columns=width, env={"NO_COLOR": "1"})
    assert code == 0 and max(map(len, lines)) <= width
    assert " ".join(lines[0].split()[1:]) == titles and lines[1].split()[:2] == ["TOTAL", "25"]
    assert sum(map(int, lines[1].split()[2:])) == 25


def test_shape_says_how_many_it_left_out(aged):
    assert succeed("shape", "--database", aged, "--limit", 1).endswith("and 1 more\n")
