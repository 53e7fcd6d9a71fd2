"""The operator's command: replay and cancel, with a question on a terminal."""

import signal
import time

import pytest

from command import Terminal, connect, finish_deliveries, outhook, succeed, terminal


def sql(path, statement, *parameters):
    connection = connect(path)
    try:
        return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()


@pytest.fixture
def database(tmp_path):
    """Ten deliveries, of two endpoints: 1 to 3 failed, 4 expired, 5 delivered, 6 cancelled, the rest pending."""
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    sql(path, "INSERT INTO endpoints (name, url) "
              "VALUES ('odd', 'http://127.0.0.1:9/'), ('even', 'http://127.0.0.1:9/')")
    sql(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) "
              "INSERT INTO webhooks (endpoint, type, payload) "
              "SELECT CASE i % 2 WHEN 1 THEN 'odd' ELSE 'even' END, 'type.' || i, i FROM n")
    finish_deliveries(path, "failed", "id <= 3")
    finish_deliveries(path, "expired", "id = 4")
    finish_deliveries(path, "delivered", "id = 5")
    finish_deliveries(path, "cancelled", "id = 6")
    return path


def many(path, count, status=None):
    sql(path, f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
              "INSERT INTO webhooks (endpoint, type, payload) SELECT 'odd', 'many', i FROM n")
    if status:
        finish_deliveries(path, status, "webhook_id IN (SELECT id FROM webhooks WHERE type = 'many')")


def pending(path):
    ids = [row[0] for row in sql(path, "SELECT id FROM deliveries WHERE status = 'pending' ORDER BY id")]
    assert sql(path, "SELECT pending FROM queue_depth") == [(len(ids),)]
    return ids


@pytest.mark.parametrize("arguments, ids", [
    (("--all",), [1, 2, 3, 4]), (("2",), [2]), (("5", "6", "1"), [1, 5, 6]), (("--status", "delivered"), [5]),
    (("--status", "expired,cancelled"), [4, 6]), (("--endpoint", "even"), [2, 4]), (("--type", "type.[13]"), [1, 3]),
    (("--webhook", "3"), [3]), (("--since", "1h"), [1, 2, 3, 4]), (("--until", "1h"), []),
    (("--endpoint", "odd", "--status", "failed"), [1, 3])])
def test_replay(database, arguments, ids):
    noun = "delivery" if len(ids) == 1 else "deliveries"
    assert succeed("replay", "--database", database, *arguments, "--dry-run") == \
        f"would set {len(ids)} {noun} to pending\n"
    assert pending(database) == [7, 8, 9, 10]
    assert succeed("replay", "--database", database, *arguments) == f"{len(ids)} {noun} set to pending\n"
    assert pending(database) == ids + [7, 8, 9, 10]


def test_a_replay_is_what_the_schema_makes_of_it(database):
    succeed("replay", "--database", database, "1")
    (row,) = sql(database, "SELECT attempts, attempts_before, finished_at FROM deliveries WHERE id = 1")
    assert row == (0, 3, None)
    assert sql(database, "SELECT endpoint_id FROM endpoint_changes ORDER BY seq DESC LIMIT 1") == [(1,)]


@pytest.mark.parametrize("arguments, ids", [
    (("--all",), [7, 8, 9, 10]), (("8", "10"), [8, 10]), (("--endpoint", "odd"), [7, 9]),
    (("--status", "pending"), [7, 8, 9, 10]), (("--type", "type.7"), [7])])
def test_cancel(database, arguments, ids):
    assert f"{len(ids)} deliver" in succeed("cancel", "--database", database, *arguments)
    assert pending(database) == [one for one in (7, 8, 9, 10) if one not in ids]


@pytest.mark.parametrize("verb, arguments, out, sentence", [
    ("replay", ("7",), "0 deliveries", "delivery 7 is pending: only finished deliveries can be replayed"),
    ("replay", ("1", "99"), "1 delivery ", "there is no delivery 99"),
    ("cancel", ("8", "1"), "1 delivery ", "delivery 1 is failed: only pending deliveries can be cancelled")])
def test_an_id_that_does_not_fit_is_told(database, verb, arguments, out, sentence):
    code, printed, err = outhook(verb, "--database", database, *arguments)
    assert (code, err) == (1, f"outhook: {sentence}\n") and printed.startswith(out)


def test_many_are_changed_in_slices(database):
    many(database, 2500, "failed")
    assert succeed("replay", "--database", database, "--type", "many") == "2500 deliveries set to pending\n"
    assert len(pending(database)) == 2504
    assert succeed("cancel", "--database", database, "--all") == "2504 deliveries set to cancelled\n"
    assert pending(database) == []


def test_a_full_queue_stops_a_replay_and_says_how_far_it_got(database):
    many(database, 1200, "failed")
    sql(database, "UPDATE queue_depth SET max_pending = 704")
    code, out, err = outhook("replay", "--database", database, "--type", "many")
    assert (code, out) == (1, "700 deliveries set to pending\n")
    assert "the queue is full" in err and "the rest not tried" in err and err.count("\n") == 1
    assert len(pending(database)) == 704


def test_one_that_is_refused_does_not_stop_the_others(database):
    many(database, 600, "failed")
    sql(database, "UPDATE endpoints SET name = 'gone' WHERE name = 'even'")
    sql(database, "UPDATE deliveries SET status = 'cancelled' WHERE endpoint_id = 2 AND status = 'pending'")
    sql(database, "DELETE FROM endpoints WHERE name = 'gone'")
    code, out, err = outhook("replay", "--database", database, "--all")
    assert (code, out) == (1, "602 deliveries set to pending\n")
    assert err.startswith("outhook: 2 deliveries were not replayed: the endpoint of this delivery is gone")


# ---- on a terminal -------------------------------------------------------------------------------


@pytest.mark.parametrize("answer, changed", [("y", True), ("yes", True), ("n", False), ("", False), ("maybe", False)])
def test_many_by_a_condition_are_asked_about(database, answer, changed):
    session = Terminal("replay", "--database", database, "--all")
    session.wait_for("Set 4 deliveries to pending? [y/N]")
    assert pending(database) == [7, 8, 9, 10]
    session.type(answer + "\n")
    code, lines = session.finish()
    if changed:
        assert code == 0 and lines[-1] == "4 deliveries set to pending"
    else:
        assert code == 1 and lines[-1] == "outhook: nothing was changed"
    assert len(pending(database)) == (8 if changed else 4)


@pytest.mark.parametrize("arguments", [
    ("--all", "--yes"), ("1", "2"), ("--type", "type.1"), ("--all", "--dry-run"), ("--until", "1h")])
def test_what_is_sure_is_not_asked_about(database, arguments):
    code, lines = terminal("replay", "--database", database, *arguments)
    assert code == 0 and len(lines) == 1 and "?" not in lines[0]


def test_ctrl_c_at_the_question_changes_nothing(database):
    session = Terminal("cancel", "--database", database, "--all")
    session.wait_for("[y/N]")
    session.process.send_signal(signal.SIGINT)
    session.finish()
    assert pending(database) == [7, 8, 9, 10]


def test_a_long_change_shows_how_far_it_is_and_can_be_interrupted(database):
    many(database, 60000)
    connection = connect(database)
    connection.execute("BEGIN IMMEDIATE")  # so that it takes longer than a second
    session = Terminal("cancel", "--database", database, "--type", "many", "--yes")
    time.sleep(1.2)  # the second after which it speaks
    connection.execute("COMMIT")
    connection.close()
    session.wait_for(" of 60000")
    session.process.send_signal(signal.SIGINT)
    code, lines = session.finish()
    left = len(pending(database)) - 4
    done = 60000 - left
    assert any(line.endswith(f"{done} deliveries set to cancelled") for line in lines), lines
    if left:  # else it was quicker than the signal
        assert code == 1 and lines[-1].startswith(f"outhook: interrupted: {done} of 60000 done")
    assert succeed("cancel", "--database", database, "--type", "many") == f"{left} deliveries set to cancelled\n"
