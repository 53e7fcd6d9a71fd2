"""The operator's command: which deliveries, the same with every verb; hold, release, purge, replay over time."""

import json
import time

import pytest

from command import Terminal, connect, finish_deliveries, now_ms, outhook, rows, succeed, terminal, write_as_daemon

HOUR_MS = 3600_000


def sql(path, statement, *parameters):
    connection = connect(path)
    try:
        return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()


@pytest.fixture
def database(tmp_path):
    """Ten deliveries an hour apart, the newest just now: odd ones of 'odd', even ones of '偶数'; 1 to 4 failed."""
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    sql(path, "INSERT INTO endpoints (name, url) VALUES ('odd', 'http://127.0.0.1:9/'), ('偶数', 'http://127.0.0.1:9/')")
    for i in range(1, 11):
        sql(path, "INSERT INTO webhooks (endpoint, type, payload, created_at) VALUES (?, ?, ?, ?)",
            "odd" if i % 2 else "偶数", f"größe.{i}", str(i), now_ms() - (10 - i) * HOUR_MS - 1000)
    finish_deliveries(path, "failed", "id <= 4")
    write_as_daemon(path, "UPDATE deliveries SET last_status_code = 503, last_error = 'it answered 503' WHERE id = 1",
                    "UPDATE deliveries SET last_status_code = 404, last_error = 'it answered 404' WHERE id = 2",
                    "UPDATE deliveries SET last_status_code = NULL, last_error = 'can''t connect: Refused' WHERE id = 3",
                    "UPDATE deliveries SET last_status_code = 502, last_error = 'Größe 100% [x]' WHERE id = 4",
                    "INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms) "
                    "VALUES (2, 1, 'delivered', 1, 1), (2, 2, 'failed', 2, 1), (1, 1, 'failed', 1, 1)")
    return path


def ids(path, condition):
    return [row[0] for row in sql(path, f"SELECT id FROM deliveries WHERE {condition} ORDER BY id")]


def iso(hours_ago, form="%Y-%m-%dT%H:%M:%S"):
    return time.strftime(form, time.gmtime(time.time() - hours_ago * 3600))


def offset(hours_ago, zone_hours):
    """The same moment, as a clock elsewhere shows it."""
    return iso(hours_ago - zone_hours) + f"{zone_hours:+03d}:00"


SELECTIONS = [
    (("--status", "failed"), [1, 2, 3, 4]), (("--status", "failed,pending", "--endpoint", "偶数"), [2, 4, 6, 8, 10]),
    (("--type", "größe.[1-3]"), [1, 2, 3]), (("--since", "150m"), [8, 9, 10]), (("--until", "450m"), [1, 2]),
    (("--since", "5h", "--until", "2h"), [6, 7, 8]), (("--since", iso(2.5)), [8, 9, 10]),
    (("--since", iso(2.5, "%Y-%m-%d %H:%M")), [8, 9, 10]), (("--since", iso(2.5) + "Z"), [8, 9, 10]),
    (("--since", offset(2.5, 5)), [8, 9, 10]), (("--since", offset(2.5, -9)), [8, 9, 10]),
    (("--since", iso(2.5) + ".5 UTC"), [8, 9, 10]), (("--since", str(now_ms() - 150 * 60_000)), [8, 9, 10]),
    (("--since", "2020-01-01"), list(range(1, 11))), (("--until", "2020-01-01"), []),
    (("--error", "503"), [1]), (("--error", "5xx"), [1, 4]), (("--error", "4XX"), [2]), (("--error", "ANSWERED"), [1, 2]),
    (("--error", "Can't connect"), [3]), (("--error", "can*refused"), [3]), (("--error", "it answered 50?"), [1]),
    (("--error", "Größe"), [4]), (("--error", "100%"), [4]), (("--error", "answered*"), []), (("--error", "50"), [1]),
    (("--missing", "--status", "failed"), [1, 3, 4]), (("--webhook", "7"), [7]), (("--held",), [])]


@pytest.mark.parametrize("arguments, selected", SELECTIONS, ids=map(str, range(len(SELECTIONS))))
def test_a_selection_is_the_same_everywhere(database, arguments, selected):
    assert sorted(row["id"] for row in rows("list", "--database", database, "--limit", "0", *arguments)) == selected
    failed = [one for one in selected if one <= 4]
    if "pending" not in str(arguments):
        for verb, words in (("replay", "set {} to pending"), ("purge", "purge {} with all that is known of them")):
            noun = "delivery" if len(failed) == 1 else "deliveries"
            assert succeed(verb, "--database", database, "--dry-run", *arguments) == \
                "would " + words.format(f"{len(failed)} {noun}") + "\n"
    assert ids(database, "status = 'failed'") == [1, 2, 3, 4]


@pytest.mark.parametrize("arguments", [
    ("--since", "tomorrow"), ("--since", "2026-02-30"), ("--since", "2026-01-01T25:00"), ("--since", "2026-01-01x"),
    ("--since", "2026-1-1"), ("--since", ""), ("--until", "12:00"), ("--since", "2026-01-01T12:00+2"), ("--since", "-1h"),
    ("--since", "2026-01-02", "--until", "2026-01-01"), ("--limit", "0"), ("--rate", "0"), ("--rate", "x"),
    ("--rate", "100001"), ("--rate", "nan"), ("5-3",), ("1-",), ("-", "--all"), ("1", "--missing"), ("x1",),
    ("1-2-3",), ("9999999999999999999",)])
def test_what_is_no_selection(database, arguments):
    code, out, err = outhook("replay", "--database", database, "--all" if arguments[0] in ("--limit", "--rate") else "--yes",
                             *arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1, err
    assert ids(database, "status = 'failed'") == [1, 2, 3, 4]


@pytest.mark.parametrize("arguments, meant", [
    (("list", "--status", "faild"), "failed"), (("list", "--status", "failed,canceled"), "cancelled"),
    (("list", "--endpoint", "ood"), "odd"), (("replay", "--status", "deliverd"), "delivered"), (("hold", "odds"), "odd"),
    (("shape", "--status", "pendin"), "pending"), (("realease", "1"), "release"), (("endpoint", "show", "od"), "odd")])
def test_what_may_have_been_meant(database, arguments, meant):
    code, _, err = outhook(*arguments, "--database", database)
    assert code in (1, 2) and f"did you mean {meant}?" in err and err.count("\n") == 1


# ---- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, stdin, changed", [
    (("1", "3"), None, [1, 3]), (("1-2", "4"), None, [1, 2, 4]), (("1-1000000000",), None, [1, 2, 3, 4]),
    (("-",), b"1 3\n4\n", [1, 3, 4]), (("2", "-"), b"3-4", [2, 3, 4]), (("--", "2"), None, [2]),
    (("1", "1", "1-1"), None, [1])])
def test_ids(database, arguments, stdin, changed):
    succeed("replay", "--database", database, *arguments, stdin=stdin)
    assert ids(database, "status = 'pending' AND id <= 4") == changed


def test_very_many_ids_from_the_standard_input(database):
    code, out, err = outhook("replay", "--database", database, "-", stdin="\n".join(map(str, range(1, 200001))).encode())
    assert (code, out) == (1, "4 deliveries set to pending\n") and "delivery 5 is pending" in err
    code, _, err = outhook("replay", "--database", database, "-", stdin=b"")
    assert code == 2 and err == "outhook: the standard input holds no ids\n"


def test_limit_takes_the_oldest(database):
    assert succeed("replay", "--database", database, "--all", "--limit", "3") == "3 deliveries set to pending\n"
    assert ids(database, "status = 'failed'") == [4]


# ---- hold and release ----------------------------------------------------------------------------


def test_hold_and_release_deliveries(database):
    assert succeed("hold", "--database", database, "--endpoint", "odd") == "3 deliveries put on hold\n"
    assert ids(database, "held") == [5, 7, 9]
    assert succeed("hold", "--database", database, "5-10", "--dry-run") == "would put 3 deliveries on hold\n"
    assert [row["id"] for row in rows("list", "--database", database, "--held")] == [9, 7, 5]
    assert "on hold" in succeed("list", "--database", database).splitlines()[2]
    assert "waits on hold: outhook release 9 lets it go" in succeed("show", "9", "--database", database)
    assert json.loads(succeed("show", "9", "--database", database, "--json"))["delivery"]["held"] is True
    assert succeed("release", "--database", database, "7") == "1 delivery released\n"
    code, out, err = outhook("release", "--database", database, "7")
    assert (code, out, err) == (1, "0 deliveries released\n", "outhook: delivery 7 is not on hold\n")
    assert outhook("hold", "--database", database, "5")[2] == "outhook: delivery 5 is on hold already\n"
    assert outhook("hold", "--database", database, "1")[2] == \
        "outhook: delivery 1 is failed: only pending deliveries can be put on hold\n"
    assert succeed("release", "--database", database, "--all") == "2 deliveries released\n"
    assert ids(database, "held") == []


def test_hold_and_release_an_endpoint(database):
    assert succeed("hold", "--database", database, "偶数", "--reason", "they move") == \
        "偶数 is on hold; 3 pending deliveries wait\n"
    assert sql(database, "SELECT enabled, disabled_reason FROM endpoints WHERE id = 2") == [(0, "on hold: they move")]
    assert ids(database, "held") == []
    succeed("hold", "--database", database, "偶数")  # again, and for no reason
    assert sql(database, "SELECT disabled_reason FROM endpoints WHERE id = 2") == [("on hold",)]
    assert succeed("release", "--database", database, "偶数") == "偶数 is released; 3 pending deliveries will be sent\n"
    assert sql(database, "SELECT enabled, disabled_reason FROM endpoints WHERE id = 2") == [(1, None)]


def test_an_endpoint_that_is_disabled_for_another_reason_is_not_touched(database):
    sql(database, "UPDATE endpoints SET enabled = 0, disabled_reason = 'it answered 410 Gone' WHERE name = 'odd'")
    for verb, sentence in (("release", "odd is not on hold but disabled: it answered 410 Gone; outhook endpoint enable"),
                           ("hold", "odd sends nothing as it is: it answered 410 Gone")):
        code, _, err = outhook(verb, "odd", "--database", database)
        assert code == 1 and sentence in err
    code, _, err = outhook("release", "--database", database, "偶数")
    assert code == 1 and "偶数 is not on hold; single deliveries are released by id" in err
    assert outhook("hold", "--database", database, "odd", "5")[0] == 2
    assert outhook("hold", "--database", database, "odd", "--all")[0] == 2
    assert outhook("hold", "--database", database, "5", "--reason", "x")[0] == 2


# ---- replay over time ----------------------------------------------------------------------------


@pytest.mark.parametrize("rate, gap_ms", [("2", 500), ("0.5", 2000), ("100000", 0)])
def test_a_rate_spreads_what_becomes_due(database, rate, gap_ms):
    before = now_ms()
    out = succeed("replay", "--database", database, "--all", "--rate", rate)
    assert out.startswith("4 deliveries set to pending, all due by ")
    dues = [row[0] for row in sql(database, "SELECT due_at FROM deliveries WHERE id <= 4 ORDER BY id")]
    assert before <= dues[0] <= now_ms() + 1000
    if gap_ms:
        assert [later - sooner for sooner, later in zip(dues[1:], dues[2:])] == [gap_ms] * 2


def test_a_delay_comes_before_the_first(database):
    before = now_ms()
    succeed("replay", "--database", database, "1", "2", "--delay", "1h", "--rate", "10")
    dues = [row[0] for row in sql(database, "SELECT due_at FROM deliveries WHERE id <= 2 ORDER BY id")]
    assert before + HOUR_MS <= dues[0] <= now_ms() + HOUR_MS and dues[1] - dues[0] == 100
    succeed("replay", "--database", database, "3", "--delay", "1h")
    assert sql(database, "SELECT due_at FROM deliveries WHERE id = 3")[0][0] >= before + HOUR_MS


# ---- purge ---------------------------------------------------------------------------------------


def test_purge(database):
    assert succeed("purge", "--database", database, "1", "2") == "2 deliveries purged\n"
    assert ids(database, "true") == list(range(3, 11))
    assert sql(database, "SELECT count(*) FROM attempts") == [(0,)]
    assert sql(database, "SELECT min(id) FROM webhooks") == [(3,)]
    code, out, err = outhook("purge", "--database", database, "5")
    assert (code, out) == (1, "0 deliveries purged\n") and "only finished deliveries can be purged" in err
    assert outhook("purge", "--database", database, "--status", "pending")[0] == 2
    assert succeed("purge", "--database", database, "--all") == "2 deliveries purged\n"
    assert ids(database, "true") == list(range(5, 11)) and sql(database, "SELECT pending FROM queue_depth") == [(6,)]


def test_a_webhook_stays_while_another_delivery_of_it_does(database):
    sql(database, "INSERT INTO subscriptions VALUES (1, 'both'), (2, 'both')")
    sql(database, "INSERT INTO webhooks (type, payload) VALUES ('both', 'x')")
    finish_deliveries(database, "delivered", "id = 11")
    succeed("purge", "--database", database, "--status", "delivered")
    assert ids(database, "webhook_id = 11") == [12] and sql(database, "SELECT payload FROM webhooks WHERE id = 11")
    finish_deliveries(database, "cancelled", "id = 12")
    succeed("purge", "12", "--database", database)
    assert sql(database, "SELECT 1 FROM webhooks WHERE id = 11") == []


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("verb, question, did", [
    ("purge", "Purge 4 deliveries with all that is known of them? [y/N]", "4 deliveries purged"),
    ("hold", "Put 6 deliveries on hold? [y/N]", "6 deliveries put on hold")])
def test_a_terminal_is_asked(database, verb, question, did, columns):
    session = Terminal(verb, "--database", database, "--all", columns=columns)
    session.wait_for(question)
    session.type("y\n")
    assert session.finish()[1][-1] == did
    code, lines = terminal("purge", "--database", database, "--all", "--yes", columns=columns)
    assert code == 0 and lines[-1] == ("0 deliveries purged" if verb == "purge" else "4 deliveries purged")


@pytest.mark.parametrize("columns", [20, 60, 80, 200])
def test_the_bar_fits(database, columns):
    sql(database, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                  "INSERT INTO webhooks (endpoint, type, payload) SELECT 'odd', 'many', i FROM n")
    connection = connect(database)
    connection.execute("BEGIN IMMEDIATE")  # so that it takes longer than a second
    session = Terminal("hold", "--database", database, "--type", "many", "--yes", columns=columns)
    time.sleep(1.2)
    connection.execute("COMMIT")
    connection.close()
    session.wait_for("%")
    code, _ = session.finish()
    bars = [piece.replace("\033[K", "") for piece in session.text.decode().split("\r") if "%" in piece]
    assert code == 0 and bars and all(len(bar) < columns for bar in bars)
    assert all("[" in bar for bar in bars) == (columns >= 60)
