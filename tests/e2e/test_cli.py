"""The operator's command: migrate, enqueue, list, show, status."""

import base64
import fcntl
import json
import os
import re
import subprocess

import pytest

from command import (OUTHOOK, REPOSITORY, connect, environment, finish_deliveries, now_ms, outhook, rows, succeed,
                     write_as_daemon)

URL = "http://127.0.0.1:9/hook"


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    return path


def sql(path, statement, *parameters):
    connection = connect(path)
    try:
        return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()


def enqueue(path, *arguments, **options):
    return json.loads(succeed("enqueue", "--database", path, "--json", *arguments, **options))


def refused(code, *arguments, **options):
    """Runs a command that has to end with this code, and returns the one sentence that says why."""
    got, out, err = outhook(*arguments, **options)
    assert got == code, (out, err)
    assert err.startswith("outhook: ") and err.endswith("\n") and err.count("\n") == 1, err
    return err[len("outhook: "):-1]


# ---- usage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    (), ("lst",), ("--databse", "x", "list"), ("list", "--limit", "-1"), ("list", "--limit", "many"),
    ("list", "--limit"), ("list", "--json=yes"), ("list", "operand"), ("list", "-x"),
    ("list", "--status", "lost"), ("list", "--since", "yesterday"), ("list", "--since", "1h", "--until", "2h"),
    ("show",), ("show", "1", "2"), ("replay",), ("cancel",), ("cancel", "--dry-run"), ("replay", "x"),
    ("replay", "1", "--all"), ("replay", "--status", "pending"), ("cancel", "--status", "failed"),
    ("migrate", "operand"), ("listen", "65536"), ("listen", "http"), ("listen", "--status", "99"),
    ("enqueue",), ("enqueue", URL, "{}", "more"), ("enqueue", URL, "{}", "--header", "no colon"),
    ("enqueue", URL, "{}", "--file", "x"), ("enqueue", URL, "{}", "--delay", "soon"),
    ("enqueue", URL, "{}", "--delay", "1s", "--deliver-at", "2030-01-01"), ("help", "lst")])
def test_wrong_usage_is_one_sentence_and_exit_2(database, arguments):
    refused(2, *arguments, env={"OUTHOOK_DATABASE": str(database)})


@pytest.mark.parametrize("arguments, meant", [
    (("lits",), "list"), (("enque",), "enqueue"), (("list", "--limt", "3"), "--limit"),
    (("replay", "--dryrun"), "--dry-run"), (("list", "--databse=x"), "--database")])
def test_what_is_nearly_right_is_guessed(arguments, meant):
    assert f"did you mean {meant}?" in refused(2, *arguments)


@pytest.mark.parametrize("arguments, name, count", [
    (("list", "--s", "delivered"), "s", 2), (("endpoint", "set", "x", "rate=5"), "rate", 2),
    (("endpoint", "add", "x", URL, "--tls-c", "/x"), "tls-c", 2)])
def test_what_may_be_one_of_several_options_is_none(arguments, name, count):
    assert refused(2, *arguments) == f"--{name} may be one of {count} options: write it out"


def test_the_beginning_of_one_option_is_enough(database):
    assert succeed("list", "--stat", "pending", "--js", "--database", database) == ""


def test_the_helps_columns_stand_below_each_other():
    starts = re.findall("^  --(?:status|endpoint).*?  +(?=Only)", succeed("list", "--help"), re.M)
    assert len(starts) == 2 and len(set(map(len, starts))) == 1, starts


def test_what_is_far_off_is_not_guessed():
    assert "did you mean" not in refused(2, "frobnicate")


def test_help_of_every_verb():
    general = succeed("--help")
    assert general == succeed("help") == succeed("-h")
    verbs = [line.split()[0] for line in general.split("Verbs:\n")[1].split("\n\n")[0].splitlines()]
    assert {"migrate", "enqueue", "list", "show", "status", "replay", "cancel", "listen"} <= set(verbs)
    for verb in verbs:
        if verb != "help":
            text = succeed("help", verb)
            assert text == succeed(verb, "--help") == succeed("--help", verb)
            assert f"Usage: outhook {verb}" in text and "--database PATH" in text
            assert max(map(len, text.splitlines())) <= 100


def test_version():
    assert succeed("--version") == succeed("list", "--version")
    assert succeed("--version").startswith("outhook ")


# ---- which database ------------------------------------------------------------------------------


def test_the_database_is_named_by_option_then_environment_then_configuration(tmp_path):
    paths = {name: tmp_path / f"{name}.db" for name in ("option", "environment", "configuration")}
    for path in paths.values():
        succeed("migrate", "--database", path)
    config = tmp_path / "outhookd.conf"
    config.write_text(f"[outhookd]\ndatabase = {paths['configuration']}\n")

    def used(*arguments, env=None):
        return json.loads(succeed(*arguments, env=env))["database"]

    env = {"OUTHOOK_DATABASE": str(paths["environment"])}
    status = ("status", "--json", "--config", config)
    assert used(*status) == str(paths["configuration"])
    assert used(*status, env=env) == str(paths["environment"])
    assert used(*status, "--database", paths["option"], env=env) == str(paths["option"])
    assert used("--database", paths["option"], *status, env=env) == str(paths["option"])


@pytest.mark.parametrize("arguments", [
    ("list",), ("show", "1"), ("status",), ("enqueue", URL, "{}"), ("replay", "--all"), ("cancel", "1")])
def test_a_missing_database_is_not_made(tmp_path, arguments):
    path = tmp_path / "missing.db"
    assert "there is no database" in refused(1, *arguments, "--database", path)
    assert not path.exists()


def test_another_programs_database_is_refused(tmp_path):
    path = tmp_path / "other.db"
    sql(path, "CREATE TABLE t (a)")
    for verb in ("list", "migrate"):
        assert "another program's" in refused(1, verb, "--database", path)
    (tmp_path / "text").write_text("no database at all, just a longish text" * 100)
    assert "is not an SQLite database" in refused(1, "list", "--database", tmp_path / "text")


def test_a_broken_configuration_says_how_to_do_without(tmp_path):
    config = tmp_path / "bad.conf"
    config.write_text("workers = many\n")
    assert "--database" in refused(2, "list", "--config", config)


# ---- migrate -------------------------------------------------------------------------------------


def test_migrate(tmp_path):
    path = tmp_path / "new.db"
    created = succeed("migrate", "--database", path)
    version = sql(path, "PRAGMA user_version")[0][0]
    assert created == f"created {path}, schema version {version}\n"
    assert succeed("migrate", "--database", path) == f"{path} is already at schema version {version}\n"
    assert path.stat().st_mode & 0o777 == 0o660


def test_migrate_from_an_older_version(tmp_path):
    path = tmp_path / "old.db"
    migrations = sorted((REPOSITORY / "migrations").glob("*.sql"))
    connection = connect(path)
    connection.executescript(migrations[0].read_text() + "PRAGMA user_version = 1;")
    connection.close()
    assert "outhook migrate" in refused(1, "list", "--database", path)
    assert succeed("migrate", "--database", path) == \
        f"migrated {path} from schema version 1 to {len(migrations)}\n" \
        f"a copy of before is {path}.schema-1.backup\n"


def test_a_newer_database_is_refused(database):
    sql(database, "PRAGMA user_version = 999")
    assert "newer" in refused(1, "migrate", "--database", database)


# ---- enqueue -------------------------------------------------------------------------------------


def test_enqueue_prints_the_webhook_and_its_deliveries(database):
    assert succeed("enqueue", "--database", database, URL, '{"a":1}') == "webhook 1, 1 delivery\n"
    (row,) = sql(database, "SELECT url, payload, typeof(payload), method, content_type FROM webhooks")
    assert row == (URL, '{"a":1}', "text", "POST", "application/json")


def test_enqueue_everything(database):
    before = now_ms()
    enqueue(database, URL, "x", "--type", "a.b", "--method", "PUT", "--content-type", "text/plain",
            "--header", 'X-Quote: say "hi" \\ there', "--header", "X-Empty:", "--header", "X-Colon: a: b",
            "--dedup-key", "k", "--delay", "5m", "--expires-after", "1h")
    (row,) = sql(database, "SELECT type, method, content_type, headers, dedup_key, deliver_at, expires_at "
                           "FROM webhooks")
    assert row[:3] == ("a.b", "PUT", "text/plain") and row[4] == "k"
    assert json.loads(row[3]) == {"X-Quote": 'say "hi" \\ there', "X-Empty": "", "X-Colon": "a: b"}
    assert before + 300000 <= row[5] <= now_ms() + 300000 and row[6] == row[5] + 3600000


@pytest.mark.parametrize("text, at", [
    ("2030-05-01 12:00", 1903867200000), ("2030-05-01T12:00:00Z", 1903867200000),
    ("2030-05-01T14:00:00.250+02:00", 1903867200250), ("1903867200250", 1903867200250)])
def test_deliver_at(database, text, at):
    enqueue(database, URL, "x", "--deliver-at", text)
    assert sql(database, "SELECT deliver_at FROM webhooks") == [(at,)]


@pytest.mark.parametrize("text", ["now", "2459945.5", "tomorrow", "2030-13-01", "12:00", ""])
def test_deliver_at_that_is_no_time(database, text):
    assert "point in time" in refused(2, "enqueue", "--database", database, URL, "x", "--deliver-at", text)


def test_seconds_instead_of_milliseconds_are_refused_by_the_schema(database):
    assert "multiply seconds by 1000" in refused(2, "enqueue", "--database", database, URL, "x",
                                                 "--deliver-at", "1903867200")


def test_data_comes_from_a_file_or_the_standard_input(database, tmp_path):
    file = tmp_path / "data"
    file.write_bytes(b"from a file")
    enqueue(database, URL, "--file", file)
    enqueue(database, URL, stdin=b"from a pipe")
    enqueue(database, URL, "-", stdin=b"from a dash")
    enqueue(database, URL, "--file", "-", stdin=b"")
    enqueue(database, URL, "")
    payloads = sql(database, "SELECT payload FROM webhooks ORDER BY id")
    assert payloads == [("from a file",), ("from a pipe",), ("from a dash",), ("",), ("",)]


def test_an_empty_pipe_that_nobody_mentioned_is_refused(database):
    assert "no data" in refused(2, "enqueue", "--database", database, URL)
    assert "no data" in refused(2, "enqueue", "--database", database, URL, stdin=b"")


def test_a_file_that_is_not_there(database, tmp_path):
    assert "can't read" in refused(1, "enqueue", "--database", database, URL, "--file", tmp_path / "no")
    assert "can't read" in refused(1, "enqueue", "--database", database, URL, "--file", tmp_path)


@pytest.mark.parametrize("data", [b"\x00\xff\xfe", b"a\x00b", b"\xc3", bytes(range(256)) * 1000],
                         ids=["binary", "nul", "cut", "long"])
def test_bytes_that_are_no_text_are_kept_as_they_are(database, data):
    enqueue(database, URL, "-", stdin=data)
    assert sql(database, "SELECT payload, typeof(payload) FROM webhooks") == [(data, "blob")]


def test_which_operand_is_the_url(database):
    sql(database, "INSERT INTO endpoints (name, url) VALUES ('billing', 'http://127.0.0.1:9/b')")
    enqueue(database, "--endpoint", "billing", "http://is/data")
    enqueue(database, "--type", "t", "data")
    enqueue(database, "--type", "t", URL, "data")
    enqueue(database, "--type", "t", URL, stdin=b"piped")
    assert sql(database, "SELECT endpoint, url, type, payload FROM webhooks ORDER BY id") == [
        ("billing", None, None, "http://is/data"), (None, None, "t", "data"), (None, URL, "t", "data"),
        (None, URL, "t", "piped")]


def test_fan_out_and_nobody_who_subscribes(database):
    for name in "ab":
        sql(database, "INSERT INTO endpoints (name, url) VALUES (?, 'http://127.0.0.1:9/')", name)
    sql(database, "INSERT INTO subscriptions SELECT id, 'invoice.*' FROM endpoints")
    assert enqueue(database, "--type", "invoice.paid", "{}")["deliveries"] == 2
    code, out, err = outhook("enqueue", "--database", database, "--type", "other", "{}")
    assert (code, out) == (0, "webhook 2, 0 deliveries\n")
    assert err.startswith("outhook: no endpoint subscribes to the type other")


@pytest.mark.parametrize("arguments, sentence", [
    (("ftp://host/", "x"), "a url starts with http"),
    (("--endpoint", "nobody", "x"), "there is no endpoint of that name"),
    ((URL, "x", "--method", "GET"), "method is one of"),
    ((URL, "x", "--header", "Host: x"), "outhook sets this header itself"),
    ((URL, "x", "--header", "a b: x"), "a header name has"),
    ((URL, "x", "--header", "X-A: x", "--header", "x-a: y"), "given twice"),
    ((URL, "x", "--endpoint", "billing"), "one argument too many")])
def test_a_refusal_is_one_sentence(database, arguments, sentence):
    assert sentence in refused(2, "enqueue", "--database", database, *arguments)
    assert sql(database, "SELECT count(*) FROM webhooks") == [(0,)]


def test_a_dedup_key_is_used_once(database):
    enqueue(database, URL, "x", "--dedup-key", "order-17")
    sentence = refused(2, "enqueue", "--database", database, URL, "x", "--dedup-key", "order-17")
    assert "order-17" in sentence and "before" in sentence
    assert sql(database, "SELECT count(*) FROM webhooks") == [(1,)]


def test_a_full_queue_refuses(database):
    sql(database, "UPDATE queue_depth SET max_pending = 1")
    enqueue(database, URL, "x")
    assert "the queue is full" in refused(2, "enqueue", "--database", database, URL, "x")


def test_enqueue_waits_for_a_lock(database):
    connection = connect(database)
    connection.execute("BEGIN IMMEDIATE")
    process = subprocess.Popen([OUTHOOK, "enqueue", "--database", database, URL, "x"], env=environment(),
                               stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    connection.execute("COMMIT")
    assert process.communicate(timeout=30)[0] == b"webhook 1, 1 delivery\n"
    connection.close()


# ---- list ----------------------------------------------------------------------------------------


@pytest.fixture
def busy(database):
    """Three endpoints' deliveries: 1 to 5 pending, then failed, expired, delivered, cancelled ones."""
    for name in ("billing", "audit"):
        sql(database, "INSERT INTO endpoints (name, url) VALUES (?, 'http://127.0.0.1:9/' || ?1)", name)
    for type_, target in [("invoice.paid", "billing"), ("invoice.sent", "billing"), ("user.new", "audit")]:
        for _ in range(3):
            enqueue(database, "--endpoint", target, "--type", type_, "{}")
    enqueue(database, URL, "x")
    finish_deliveries(database, "failed", "id IN (1, 2, 4)")
    finish_deliveries(database, "expired", "id = 5")
    finish_deliveries(database, "delivered", "id = 7")
    finish_deliveries(database, "cancelled", "id = 8")
    return database


@pytest.mark.parametrize("arguments, ids", [
    ((), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]), (("--limit", "3"), [10, 9, 8]), (("--limit", "0"), list(range(10, 0, -1))),
    (("--status", "failed"), [4, 2, 1]), (("--status", "failed,expired"), [5, 4, 2, 1]),
    (("--status", "failed", "--status", "cancelled"), [8, 4, 2, 1]),
    (("--endpoint", "audit"), [9, 8, 7]), (("--endpoint", URL), [10]),
    (("--type", "invoice.paid"), [3, 2, 1]), (("--type", "invoice.*"), [6, 5, 4, 3, 2, 1]),
    (("--webhook", "4"), [4]), (("--since", "1h", "--endpoint", "audit"), [9, 8, 7]), (("--until", "1h"), []),
    (("--endpoint", "billing", "--status", "pending", "--type", "*.paid"), [3])])
def test_list_filters(busy, arguments, ids):
    assert [row["id"] for row in rows("list", "--database", busy, *arguments)] == ids


def test_list_by_uid(busy):
    (uid,) = sql(busy, "SELECT uid FROM webhooks WHERE id = 6")[0]
    assert [row["id"] for row in rows("list", "--database", busy, "--webhook", uid)] == [6]


@pytest.mark.parametrize("option, sentence", [("--endpoint", "there is no endpoint nobody"),
                                              ("--webhook", "there is no webhook nobody")])
def test_a_condition_on_nothing_is_a_slip(busy, option, sentence):
    for verb in ("list", "replay", "cancel"):
        assert sentence in refused(1, verb, "--database", busy, option, "nobody")


def test_list_in_a_pipe_is_aligned_and_whole(busy):
    out = succeed("list", "--database", busy)
    header, *lines = out.splitlines()
    assert len(lines) == 10 and "\033" not in out
    assert header.split() == ["ID", "STATUS", "ENDPOINT", "TYPE", "TRIES", "CODE", "AGE", "NEXT", "TOOK", "ERROR"]
    for line in lines:
        assert line[header.index("STATUS") - 1] == " " and line[header.index("STATUS")] != " "
    assert any(URL in line for line in lines)
    assert "due" in lines[0] and lines[9].endswith("status 500")


def test_list_pages_through_more_than_a_block(database):
    sql(database, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234) "
                  "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:9/' || (i % 3), i FROM n")
    assert [row["id"] for row in rows("list", "--database", database, "--limit", "0")] == list(range(1234, 0, -1))
    out = succeed("list", "--database", database, "--limit", "777").splitlines()
    assert len(out) == 778 and out[-1].split()[0] == "458"


def test_an_empty_list_prints_nothing_in_a_pipe(database):
    assert succeed("list", "--database", database) == "" == succeed("list", "--database", database, "--json")


def test_a_closed_pipe_ends_it_quietly(database):
    sql(database, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
                  "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:9/', i FROM n")
    done = subprocess.run(f"'{OUTHOOK}' list --limit 0 --database '{database}' | head -1", shell=True,
                          env=environment(), capture_output=True, timeout=60)
    assert done.returncode == 0 and done.stdout.count(b"\n") == 1 and done.stderr == b""


def test_a_full_disk_under_the_output_is_told(busy):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([OUTHOOK, "list", "--database", busy], stdout=full, stderr=subprocess.PIPE,
                              env=environment(), timeout=60)
    assert done.returncode == 1 and b"can't write the output" in done.stderr


# ---- show ----------------------------------------------------------------------------------------


@pytest.fixture
def story(database):
    """Delivery 1: replayed once, two attempts, due again in an hour."""
    enqueue(database, URL, '{"hello": "world"}', "--type", "greeting", "--header", "X-A: b")
    at = now_ms()
    attempt = ("INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms, status_code, "
               "error, remote_address, response_headers, response_body) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    write_as_daemon(
        database,
        ("UPDATE deliveries SET attempts = 1, attempts_before = 1, due_at = ?", (at + 3600000,)),
        (attempt, (2, "failed", at - 1000, 80, 503, "status 503", "192.0.2.1:443", "Server: x\r\n",
                   b"<h1>down</h1>\n\x1b[2J")),
        (attempt, (1, "unreachable", at - 9000, 5000, None, "connection refused", None, None, None)))
    return database


def test_show_tells_the_whole_story(story):
    out = succeed("show", "--database", story, "1")
    (uid,) = sql(story, "SELECT uid FROM webhooks")[0]
    parts = ["1, pending, 1 attempt since its replay, 1 before", uid, "type greeting", '{"X-A":"b"}',
             '18 bytes: {"hello": "world"}', URL, "attempt 1", "unreachable", "connection refused", "attempt 2",
             "80 ms, failed, status 503, from 192.0.2.1:443", "<h1>down</h1>", "attempt 3 at", "in 60m"]
    places = [out.find(part) for part in parts]
    assert -1 not in places and places == sorted(places), out
    assert "\x1b" not in out


def test_show_as_json(story):
    (one,) = rows("show", "--database", story, "1")
    assert one["delivery"]["status"] == "pending" and one["webhook"]["payload"] == '{"hello": "world"}'
    assert one["webhook"]["headers"] == {"X-A": "b"} and one["endpoint"]["url"] == URL
    assert [attempt["number"] for attempt in one["attempts"]] == [1, 2]
    assert one["attempts"][0]["status_code"] is None and one["attempts"][0]["response_body"] is None
    assert one["attempts"][1]["response_body"] == "<h1>down</h1>\n\x1b[2J"


def test_show_payloads_that_are_no_text_as_base64(database):
    data = bytes(range(256)) + b"z"
    enqueue(database, URL, "-", stdin=data)
    (one,) = rows("show", "--database", database, "1")
    assert base64.b64decode(one["webhook"]["payload_base64"]) == data
    assert "257 bytes" in succeed("show", "--database", database, "1")


def test_show_a_webhooks_deliveries_by_its_uid(database):
    for name in "abc":
        sql(database, "INSERT INTO endpoints (name, url) VALUES (?, 'http://127.0.0.1:9/')", name)
    sql(database, "INSERT INTO subscriptions SELECT id, '*' FROM endpoints WHERE name <> 'c'")
    uid = enqueue(database, "--type", "t", "{}")["uid"]
    assert [one["endpoint"]["name"] for one in rows("show", "--database", database, uid)] == ["b", "a"]
    sql(database, "DELETE FROM subscriptions")
    uid = enqueue(database, "--type", "t", "{}")["uid"]
    assert "has no delivery" in refused(1, "show", "--database", database, uid)


@pytest.mark.parametrize("change, next_", [
    ("UPDATE endpoints SET enabled = 0, disabled_reason = 'it said 410'", "enabled again: it said 410"),
    ("UPDATE deliveries SET status = 'cancelled'", "outhook replay 1 sends it again")])
def test_show_what_happens_next(story, change, next_):
    sql(story, change)
    assert next_ in succeed("show", "--database", story, "1").splitlines()[-1]


def test_show_what_is_not_there(database):
    assert refused(1, "show", "--database", database, "17").startswith("there is no delivery 17")
    assert refused(1, "show", "--database", database, "msg_17").startswith("there is no webhook msg_17")


# ---- status --------------------------------------------------------------------------------------


def test_status(busy):
    sql(busy, "UPDATE endpoints SET enabled = 0 WHERE name = 'audit'")
    enqueue(busy, "--type", "nobody", "{}")
    (status,) = rows("status", "--database", busy)
    assert status["deliveries"] == {"pending": 4, "delivered": 1, "failed": 3, "expired": 1, "cancelled": 1}
    assert status["pending"] == 4 and status["max_pending"] == 10000000
    assert status["endpoints_enabled"] == 2 and status["endpoints_disabled"] == 1
    assert status["webhooks_without_delivery"] == 1 and status["daemon_runs"] is False
    assert status["schema_version"] == sql(busy, "PRAGMA user_version")[0][0]
    assert status["database_bytes"] == busy.stat().st_size
    oldest, due = sql(busy, "SELECT created_at, due_at FROM deliveries WHERE id = 3")[0]
    assert (status["oldest_pending_at"], status["next_due_at"]) == (oldest, due)
    text = succeed("status", "--database", busy)
    for part in (str(busy), "not running", "4 of at most 10000000", "due now", "3 failed", "2 enabled, 1 disabled",
                 "1 webhook without a delivery"):
        assert part in text


def test_status_of_an_empty_database(database):
    (status,) = rows("status", "--database", database)
    assert status["oldest_pending_at"] is None and status["next_due_at"] is None
    assert "0 of at most" in succeed("status", "--database", database)


def test_status_sees_whether_a_daemon_holds_the_lock(database):
    lock = open(f"{database}.lock", "w+")
    lock.write("4711\n")
    lock.flush()
    assert rows("status", "--database", database)[0]["daemon_runs"] is False
    fcntl.flock(lock, fcntl.LOCK_EX)
    (status,) = rows("status", "--database", database)
    assert status["daemon_runs"] is True and status["daemon_pid"] == 4711
    assert "running, process 4711" in succeed("status", "--database", database)
    lock.close()
    assert rows("status", "--database", database)[0]["daemon_runs"] is False


def test_reading_neither_writes_nor_needs_to(busy):
    before = os.stat(busy).st_mtime_ns
    for arguments in (("list",), ("show", "1"), ("status",)):
        succeed(*arguments, "--database", busy)
    assert os.stat(busy).st_mtime_ns == before
