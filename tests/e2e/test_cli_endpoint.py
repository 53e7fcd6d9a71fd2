"""The operator's command: the verbs of `outhook endpoint`, alone and with a running daemon."""

import base64
import fcntl
import hashlib
import hmac
import json
import signal
import sqlite3
import subprocess
import time

import pytest

from command import OUTHOOK, environment, outhook, rows, succeed, terminal
from database import attempts, enqueue, query, run, value, wait_attempts, wait_status
from receivers import answer, hang, refusing_url
from waiting import PATIENCE, stays, wait_until

URL = "https://example.com/hook"
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def endpoint(db):
    """Runs `outhook endpoint …` on the database, which has to do it; returns its stdout."""
    return lambda *arguments, **options: succeed("endpoint", *arguments, "--database", db, **options)


@pytest.fixture
def refused(db):
    """Runs `outhook endpoint …`, which has to end with this code; returns the one sentence why."""
    def refuse(code, *arguments, **options):
        got, out, err = outhook("endpoint", *arguments, "--database", db, **options)
        assert got == code, (out, err)
        assert err.startswith("outhook: ") and err.count("\n") == 1, err
        return err[len("outhook: "):-1]
    return refuse


def added(db, *arguments, **options):
    """What `endpoint add` says as JSON."""
    return json.loads(succeed("endpoint", "add", *arguments, "--json", "--database", db, **options))


def shown(db, name, *arguments):
    (one,) = rows("endpoint", "show", name, *arguments, "--database", db)
    return one


def listed(db, *arguments):
    return {row["name"] or row["url"]: row for row in rows("endpoint", "list", *arguments, "--database", db)}


def columns(db, name="billing"):
    (row,) = query(db, "SELECT * FROM endpoints WHERE name = ?", name)
    return row


def secrets(db, name="billing"):
    """The unexpired ones, newest first."""
    return [row["secret"] for row in query(db, """
        SELECT s.secret FROM endpoint_secrets AS s JOIN endpoints AS e ON e.id = s.endpoint_id WHERE e.name = ?
        AND (s.expires_at IS NULL OR s.expires_at > (SELECT ms FROM _now)) ORDER BY s.created_at DESC, s.id DESC""", name)]


def patterns(db):
    return [row["type_pattern"] for row in query(db, "SELECT type_pattern FROM subscriptions ORDER BY type_pattern")]


def now_ms():
    return int(time.time() * 1000)


# ---- usage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    (), ("lst",), ("add",), ("add", "billing"), ("add", "a", URL, "more"), ("add", "a", "ftp://x"), ("add", "", URL),
    ("add", "a", URL, "--timeout", "4"), ("add", "a", URL, "--timeout", "20m"), ("add", "a", URL, "--max-attempts", "x"),
    ("add", "a", URL, "--max-attempts", "0"), ("add", "a", URL, "--rate-limit", "1e3"), ("add", "a", URL, "--header", "x"),
    ("add", "a", URL, "--rate-limit", "."), ("add", "a", URL, "--header", "Host: x"), ("add", "a", URL, "--type", ""),
    ("add", "a", URL, "--signing", "rsa"), ("add", "a", URL, "--retry-schedule", "soon"),
    ("add", "a", URL, "--tls-ca-file", "relative"), ("add", "a", URL, "--signing", "none", "--secret", "x"),
    ("add", "a", URL, "--header", "A: b", "--header", "a: c"), ("list", "operand"), ("show",), ("show", "a", "b"),
    ("set", "billing"), ("set", "billing", "timeout"), ("set", "billing", "colour=red"), ("set", "billing", "ordered=x"),
    ("set", "billing", "url="), ("set", "billing", "--ordered", "--no-ordered"), ("set", "billing", "max_in_flight=2000"),
    ("enable",), ("disable",), ("remove",), ("rotate-secret",), ("rotate-secret", "billing", "--grace", "long"), ("test",)])
def test_wrong_usage_changes_nothing(db, endpoint, refused, arguments):
    endpoint("add", "billing", URL)
    before = query(db, "SELECT * FROM endpoints"), query(db, "SELECT * FROM endpoint_secrets")
    sentence = refused(2, *arguments)
    assert "constraint" not in sentence
    assert (query(db, "SELECT * FROM endpoints"), query(db, "SELECT * FROM endpoint_secrets")) == before


@pytest.mark.parametrize("arguments", [
    ("show",), ("set", "timeout=1s"), ("enable",), ("disable",), ("remove",), ("rotate-secret",), ("test",)])
def test_an_unknown_endpoint(db, endpoint, refused, arguments):
    endpoint("add", "billing", URL)
    verb, *rest = arguments
    assert "did you mean billing?" in refused(1, verb, "biling", *rest)
    sentence = refused(1, verb, "shop", *rest)
    assert sentence == "there is no endpoint shop: outhook endpoint list shows them all"


def test_help_of_every_verb():
    general = succeed("endpoint", "--help")
    assert general == succeed("help", "endpoint") == succeed("--help", "endpoint") == succeed("endpoint", "help")
    verbs = [line.split()[0] for line in general.split("Verbs:\n")[1].split("\n\n")[0].splitlines()]
    assert verbs == ["add", "list", "show", "set", "enable", "disable", "remove", "rotate-secret", "test", "help"]
    for verb in verbs[:-1]:
        text = succeed("endpoint", verb, "--help")
        assert text == succeed("help", "endpoint", verb) == succeed("endpoint", "help", verb)
        assert f"Usage: outhook endpoint {verb} [OPTION …]" in text and "--database PATH" in text
        assert max(map(len, text.splitlines())) <= 100
    assert "did you mean rotate-secret?" in outhook("endpoint", "rotate-secrets")[2]
    assert "did you mean --rate-limit?" in outhook("endpoint", "add", "--rate-limits", "3")[2]


# ---- add ---------------------------------------------------------------------------------------


def test_add_prints_the_secret_once(db, endpoint):
    out = endpoint("add", "billing", URL)
    (secret,) = secrets(db)
    assert out == f"endpoint    billing, id 1\nsecret      {secret}\n" and secret.startswith("whsec_")
    assert patterns(db) == [] and columns(db)["url"] == URL
    for arguments in (("list",), ("show", "billing"), ("list", "--json"), ("show", "billing", "--json"),
                      ("set", "billing", "timeout=1s"), ("disable", "billing"), ("enable", "billing")):
        assert secret not in endpoint(*arguments)
    assert secret in endpoint("show", "billing", "--secret")


def test_add_with_everything(db):
    added(db, "billing", URL, "--type", "invoice.*", "--type", "refund.*", "--type", "invoice.*", "--signing", "stripe",
          "--header", "X-A: b", "--header", "X-C: d: e", "--timeout", "20s", "--connect-timeout", "250ms",
          "--max-attempts", "4", "--retry-schedule", "1s 1m", "--max-in-flight", "3", "--rate-limit", "0.5",
          "--rate-burst", "7", "--ordered", "--description", "Money", "--tls-ca-file", "/a", "--tls-cert-file", "/b",
          "--tls-key-file", "/c", "--tls-insecure", "--http-version", "2", "--allow-private")
    row = columns(db)
    assert {**row, "created_at": 0, "headers": json.loads(row["headers"])} == {
        "id": 1, "name": "billing", "url": URL, "description": "Money", "enabled": 1, "disabled_reason": None,
        "disabled_at": None, "failing_since": None, "signing": "stripe", "headers": {"X-A": "b", "X-C": "d: e"}, "timeout_ms": 20000,
        "connect_timeout_ms": 250, "max_attempts": 4, "retry_schedule": "1s 1m", "max_in_flight": 3, "rate_limit": 0.5,
        "rate_burst": 7, "ordered": 1, "tls_ca_file": "/a", "tls_cert_file": "/b", "tls_key_file": "/c",
        "tls_insecure": 1, "http_version": "2", "allow_private": 1, "created_at": 0}
    assert patterns(db) == ["invoice.*", "refund.*"]


@pytest.mark.parametrize("signing", ["github", "stripe", "shopify"])
def test_add_generates_a_secret_for_the_other_formats(db, signing):
    secret = added(db, "billing", URL, "--signing", signing)["secret"]
    assert [secret] == secrets(db) and len(secret) == 48 and not secret.startswith("whsec_")


def test_add_without_signing_has_no_secret(db):
    assert added(db, "billing", URL, "--signing", "none")["secret"] is None and secrets(db) == []


def test_add_with_a_secret_of_ones_own(db):
    own = "whsec_" + base64.b64encode(b"k" * 32).decode()
    assert added(db, "billing", URL, "--secret", own)["secret"] == own
    assert secrets(db) == [own]
    assert added(db, "piped", URL, "--secret", "-", stdin=own.encode() + b"\n")["secret"] == own
    assert secrets(db, "piped") == [own]


def test_a_secret_is_judged_and_never_told(db, refused):
    for bad in ("whsec_not*base64", "whsk_c2hvcnQ=", "\tcontrol"):
        for sentence in (refused(2, "add", "a", URL, "--secret", bad), refused(2, "add", "a", URL, "--secret", "-",
                                                                               stdin=bad.encode())):
            assert bad not in sentence and bad[7:] not in sentence
    assert query(db, "SELECT * FROM endpoints") == []


def test_a_name_is_taken_once(db, endpoint, refused):
    endpoint("add", "billing", URL)
    assert refused(1, "add", "billing", URL) == \
        "there is an endpoint billing already: outhook endpoint set changes it"


# ---- set ---------------------------------------------------------------------------------------


def test_set_by_options_and_by_words(db, endpoint):
    endpoint("add", "billing", URL, "--type", "a.*", "--timeout", "20s", "--ordered", "--header", "X-A: b")
    assert endpoint("set", "billing", "--rate-limit", "10", "timeout=30s", "max_attempts=3", "tls-insecure=yes") == \
        "billing is changed\n"
    row = columns(db)
    assert (row["rate_limit"], row["timeout_ms"], row["max_attempts"], row["tls_insecure"]) == (10, 30000, 3, 1)
    assert row["ordered"] == 1 and row["headers"] == '{"X-A":"b"}', "and the rest stays"
    endpoint("set", "billing", "rate_limit=", "--timeout", "", "--no-ordered", "tls_insecure=no", "--header", "",
             "--subscribe", "b.*", "--subscribe", "c.*", "--unsubscribe", "a.*", "url=http://other.example/")
    row = columns(db)
    assert (row["rate_limit"], row["timeout_ms"], row["headers"]) == (None, None, None)
    assert (row["ordered"], row["tls_insecure"], row["max_attempts"]) == (0, 0, 3)
    assert row["url"] == "http://other.example/" and patterns(db) == ["b.*", "c.*"]


def test_set_all_or_nothing(db, endpoint, refused):
    endpoint("add", "billing", URL, "--type", "a.*")
    assert "not subscribed to b.*" in refused(1, "set", "billing", "timeout=1s", "--unsubscribe", "b.*")
    assert columns(db)["timeout_ms"] is None and patterns(db) == ["a.*"]


def test_set_signing_sees_that_there_is_a_fitting_secret(db, endpoint):
    endpoint("add", "billing", URL, "--signing", "none")
    out = endpoint("set", "billing", "signing=github")
    assert out == f"billing is changed\nsecret      {secrets(db)[0]}\n"
    run(db, "UPDATE endpoint_secrets SET secret = 'no base64!'")
    out = endpoint("set", "billing", "signing=standard")
    (fresh,) = secrets(db)
    assert fresh.startswith("whsec_") and fresh in out and "no base64" not in out
    assert endpoint("set", "billing", "signing=stripe") == "billing is changed\n", "any text will do"
    assert secrets(db) == [fresh]


# ---- list and show -----------------------------------------------------------------------------


def test_show_tells_settings_and_defaults(db, endpoint, tmp_path):
    endpoint("add", "billing", URL, "--timeout", "90s", "--type", "a.*", "--type", "b.*", "--description", "Money")
    config = tmp_path / "outhookd.conf"
    config.write_text("connect_timeout = 3s\nmax_attempts = 5\n")
    lines = dict(line.split(None, 1) for line in
                 endpoint("show", "billing", "--config", config).replace("last ", "last_").splitlines() if line[0] != " ")
    assert lines["endpoint"].startswith("billing, id 1, of 20") and lines["state"] == "enabled"
    assert (lines["timeout"], lines["connect_timeout"], lines["max_attempts"]) == ("90s", "3s (default)", "5 (default)")
    assert (lines["rate_limit"], lines["signing"], lines["description"]) == ("none", "standard", "Money")
    assert (lines["subscriptions"], lines["secrets"], lines["last_error"]) == ("a.*, b.*", "1", "none")
    one = shown(db, "billing")
    assert one["timeout_ms"] == 90000 and one["max_attempts"] is None and one["ordered"] is False
    assert one["subscriptions"] == ["a.*", "b.*"] and list(one["secrets"][0]) == ["sealed", "created_at", "expires_at"]
    config.write_text("max_attempts = many\n")
    assert "the configured default" in endpoint("show", "billing", "--config", config)


def test_show_tells_secrets_only_when_asked(db, endpoint):
    endpoint("add", "billing", URL)
    endpoint("rotate-secret", "billing", "--grace", "1h")
    both = secrets(db)
    quiet = endpoint("show", "billing")
    assert "secrets             2" in quiet and "expires at" in quiet and not any(one in quiet for one in both)
    assert all(one in endpoint("show", "billing", "--secret") for one in both)
    assert [one["secret"] for one in shown(db, "billing", "--secret")["secrets"]] == both


def test_show_hides_the_headers_that_look_like_credentials(db, endpoint):
    endpoint("add", "billing", URL, "--header", "Authorization: Bearer pssst", "--header", "X-Api-Key: hushhush",
             "--header", "X-Shop: 7")
    assert shown(db, "billing")["headers"] == {"Authorization": "(hidden)", "X-Api-Key": "(hidden)", "X-Shop": "7"}
    quiet = endpoint("show", "billing")
    assert "pssst" not in quiet and "hushhush" not in quiet and '"X-Shop":"7"' in quiet
    assert shown(db, "billing", "--secret")["headers"]["Authorization"] == "Bearer pssst"
    endpoint("set", "billing", "timeout=1s")
    assert "Bearer pssst" in columns(db)["headers"]


def test_list_of_names_or_all(db, endpoint):
    assert endpoint("list") == ""
    endpoint("add", "b", URL)
    endpoint("add", "a", URL)
    run(db, "INSERT INTO webhooks (url, payload) VALUES ('http://127.0.0.1:9/bare', '{}')")
    assert list(listed(db)) == ["a", "b"]
    assert list(listed(db, "--all")) == ["a", "b", "http://127.0.0.1:9/bare"]
    assert shown(db, "http://127.0.0.1:9/bare")["pending"] == 1


def write_attempts(db, *values):
    """Attempts of deliveries, as outhookd would write them: (delivery, verdict, started_at, error)."""
    connection = sqlite3.connect(db, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("DROP TRIGGER attempts_judge_insert")
    connection.executemany("INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms, error) "
                           "VALUES (?, 1, ?, ?, 0, ?)", values)
    connection.execute("COMMIT")
    connection.close()


def test_list_tells_how_they_fare(db, endpoint):
    for name in ("off", "good", "bad", "idle"):
        endpoint("add", name, URL)
    at = now_ms() - 3 * 3600 * 1000
    run(db, f"""INSERT INTO webhooks (endpoint, payload, created_at) VALUES
                ('good', 1, {at}), ('bad', 2, {at + 1000}), ('bad', 3, {at + 2000}), ('off', 4, {at + 3000})""")
    write_attempts(db, (1, "failed", at, "status 500"), (1, "delivered", at + 3600 * 1000, None),
                   (2, "failed", at + 1, "status 502"), (3, "timeout", at + 2, "too slow\x1b[2J"))
    endpoint("disable", "off", "--reason", "moving house")
    seen = listed(db)
    assert {name: row["pending"] for name, row in seen.items()} == {"bad": 2, "good": 1, "idle": 0, "off": 1}
    assert seen["bad"]["oldest_pending_at"] == at + 1000 and seen["idle"]["oldest_pending_at"] is None
    assert seen["good"]["last_success_at"] == at + 3600 * 1000 and seen["bad"]["last_success_at"] is None
    assert seen["bad"]["last_success_before"] is None, "all attempts were looked at"
    assert (seen["bad"]["last_failure_at"], seen["bad"]["last_failure"]) == (at + 2, "too slow\x1b[2J")
    assert (seen["off"]["enabled"], seen["off"]["disabled_reason"]) == (False, "moving house")
    text = endpoint("list")
    header, bad, good, idle, off = text.splitlines()
    assert header.split("  ")[0] == "NAME" and "\x1b" not in text
    assert "too slow" in bad and "3h" in bad and "2h" in good and "disabled: moving house" in off
    assert idle.split() == ["idle", URL, "enabled", "0"]


def test_list_fits_the_terminal(db, endpoint):
    endpoint("add", "billing", "https://example.com/" + "long" * 30)
    code, lines = terminal("endpoint", "list", "--database", db, columns=60, env={"TERM": "dumb"})
    assert code == 0 and max(map(len, lines)) <= 60 and "billing" in lines[1] and "enabled" in lines[1]


def test_a_success_beyond_what_is_looked_at_is_not_denied(db, endpoint):
    endpoint("add", "old", URL)
    endpoint("add", "busy", URL)
    run(db, "INSERT INTO webhooks (endpoint, payload) VALUES ('old', 1), ('busy', 2)")
    at = now_ms() - 3 * 3600 * 1000
    write_attempts(db, (1, "delivered", at, None), *[(2, "delivered", at + 1 + i, None) for i in range(20000)])
    seen = listed(db)
    assert seen["old"]["last_success_at"] is None and seen["old"]["last_success_before"] == at
    assert seen["busy"]["last_success_at"] == at + 20000
    assert ">3h" in endpoint("list").splitlines()[2] and ">3h ago" in endpoint("show", "old")


# ---- enable, disable, remove -------------------------------------------------------------------


def test_disable_and_enable(db, endpoint):
    endpoint("add", "billing", URL)
    run(db, "INSERT INTO webhooks (endpoint, payload) VALUES ('billing', 1), ('billing', 2)")
    assert endpoint("disable", "billing") == "billing is disabled; 2 pending deliveries wait\n"
    assert (columns(db)["enabled"], columns(db)["disabled_reason"]) == (0, "disabled by hand")
    since = columns(db)["disabled_at"]
    endpoint("disable", "billing", "--reason", "moving")
    assert (columns(db)["disabled_reason"], columns(db)["disabled_at"]) == ("moving", since)
    assert endpoint("enable", "billing") == "billing is enabled; 2 pending deliveries will be sent\n"
    assert (columns(db)["enabled"], columns(db)["disabled_reason"], columns(db)["disabled_at"]) == (1, None, None)
    assert endpoint("enable", "billing") == "billing is enabled; 2 pending deliveries will be sent\n"


def test_remove(db, endpoint, refused):
    endpoint("add", "billing", URL, "--type", "a.*")
    endpoint("add", "other", URL)
    run(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) "
            "INSERT INTO webhooks (endpoint, payload) SELECT 'billing', i FROM n")
    enqueue(db, endpoint="other")
    assert "billing has 1200 pending deliveries: --cancel-pending" in refused(1, "remove", "billing")
    assert endpoint("remove", "billing", "--dry-run") == "would remove billing, and cancel 1200 deliveries\n"
    assert columns(db)["id"] == 1 and value(db, "SELECT pending FROM queue_depth") == 1201
    assert endpoint("remove", "billing", "--cancel-pending") == "billing is removed, 1200 deliveries cancelled\n"
    assert list(listed(db)) == ["other"] and patterns(db) == [] and secrets(db) == []
    assert query(db, "SELECT status, count(*) AS n FROM deliveries GROUP BY 1 ORDER BY 1") == [
        {"status": "cancelled", "n": 1200}, {"status": "pending", "n": 1}]
    assert value(db, "SELECT pending FROM queue_depth") == 1
    assert "other has 1 pending delivery: --cancel-pending cancels it" in refused(1, "remove", "other")
    endpoint("add", "idle", URL)
    assert endpoint("remove", "idle") == "idle is removed\n"


def test_remove_tells_a_name_from_the_url_that_it_looks_like(db, endpoint):
    url = "http://127.0.0.1:9/bare"
    endpoint("add", url, URL)
    enqueue(db, endpoint=url)
    enqueue(db, url=url)
    assert endpoint("remove", url, "--cancel-pending") == f"{url} is removed, 1 delivery cancelled\n"
    assert [row["status"] for row in query(db, "SELECT status FROM deliveries ORDER BY id")] == ["cancelled", "pending"]
    endpoint("remove", url, "--cancel-pending")
    assert value(db, "SELECT pending FROM queue_depth") == 0 and listed(db, "--all") == {}


def test_remove_while_producers_insert(db, endpoint):
    endpoint("add", "billing", URL)
    loop = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
try:
    while True:
        connection.execute("INSERT INTO webhooks (endpoint, payload) VALUES ('billing', 1)")
        time.sleep(0.002)
except sqlite3.IntegrityError as error:
    print(error)
"""
    producer = subprocess.Popen(["/usr/bin/python3", "-c", loop, str(db)], stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: value(db, "SELECT pending FROM queue_depth") > 50)
        assert endpoint("remove", "billing", "--cancel-pending").startswith("billing is removed")
        assert "there is no endpoint of that name" in producer.communicate(timeout=PATIENCE)[0]
    finally:
        producer.kill()
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'pending'") == 0


# ---- rotate-secret -----------------------------------------------------------------------------


def test_rotate_secret(db, endpoint):
    first = added(db, "billing", URL)["secret"]
    before = now_ms()
    out = endpoint("rotate-secret", "billing")
    second, old = secrets(db)
    assert old == first and second.startswith("whsec_") and f"secret      {second}\n" in out and first not in out
    expiry = value(db, "SELECT expires_at FROM endpoint_secrets WHERE secret = ?", first)
    assert before + DAY_MS <= expiry <= now_ms() + DAY_MS
    endpoint("rotate-secret", "billing", "--grace", "48h")
    assert value(db, "SELECT expires_at FROM endpoint_secrets WHERE secret = ?", first) == expiry, "never longer"
    third = json.loads(endpoint("rotate-secret", "billing", "--grace", "0s", "--json"))["secret"]
    assert wait_until(lambda: secrets(db) == [third])


def test_rotate_to_a_secret_of_ones_own(db, endpoint, refused):
    endpoint("add", "billing", URL)
    bad = "whsec_not*base64"
    assert bad not in refused(2, "rotate-secret", "billing", "--secret", bad) and len(secrets(db)) == 1
    own = "whsec_" + base64.b64encode(b"k" * 32).decode()
    endpoint("rotate-secret", "billing", "--secret", "-", stdin=own.encode())
    assert secrets(db)[0] == own and len(secrets(db)) == 2


def test_what_is_unsigned_has_no_secret_to_rotate(db, endpoint, refused):
    endpoint("add", "billing", URL, "--signing", "none")
    assert "not signed" in refused(1, "rotate-secret", "billing")
    run(db, "INSERT INTO webhooks (url, payload) VALUES ('http://127.0.0.1:9/bare', '{}')")
    assert "default_secret" in refused(1, "rotate-secret", "http://127.0.0.1:9/bare")


# ---- with a running daemon ---------------------------------------------------------------------


def signatures(request):
    return request.header("webhook-signature").split()


def signed_with(request, secret):
    """Which of a request's signatures a secret makes, from 0; None: none."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode() + request.body
    made = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return signatures(request).index(made) if made in signatures(request) else None


def test_a_rotated_secret_and_the_one_before_it_sign_at_once(db, daemon, receiver, endpoint):
    old = added(db, "billing", receiver.url())["secret"]
    daemon()
    enqueue(db, endpoint="billing")
    assert signed_with(receiver.wait(1)[0], old) == 0 and len(signatures(receiver.got()[0])) == 1
    new = json.loads(endpoint("rotate-secret", "billing", "--json", "--grace", "1h"))["secret"]
    enqueue(db, endpoint="billing")
    request = receiver.wait(2)[1]
    assert (signed_with(request, new), signed_with(request, old), len(signatures(request))) == (0, 1, 2)
    last = json.loads(endpoint("rotate-secret", "billing", "--json", "--grace", "0s"))["secret"]
    enqueue(db, endpoint="billing")
    request = receiver.wait(3)[2]
    assert signed_with(request, last) == 0 and len(signatures(request)) == 1


def test_what_was_enqueued_while_disabled_is_sent_after_enable(db, daemon, receiver, endpoint):
    endpoint("add", "billing", receiver.url())
    daemon()
    endpoint("disable", "billing")
    for number in range(3):
        enqueue(db, str(number), endpoint="billing")
    assert stays(lambda: not receiver.got(), 0.5)
    endpoint("enable", "billing")
    assert sorted(request.body for request in receiver.wait(3)) == [b"0", b"1", b"2"]
    wait_until(lambda: listed(db)["billing"]["pending"] == 0)
    assert listed(db)["billing"]["last_success_at"] > now_ms() - 60000


def test_set_counts_at_once(db, daemon, receiver, endpoint):
    endpoint("add", "billing", receiver.url("/old"), "--type", "invoice.*")
    one = daemon()
    enqueue(db, type="invoice.paid")
    receiver.wait(1, path="/old")
    endpoint("set", "billing", f"url={receiver.url('/new')}", "--header", "X-Shop: 7", "--subscribe", "refund.*")
    enqueue(db, type="refund.made")
    request = receiver.wait(1, path="/new")[0]
    assert request.header("X-Shop") == "7" and len(receiver.got("/old")) == 1
    assert not one.lines("reload")


def test_add_and_remove_under_a_running_daemon(db, daemon, receiver, endpoint):
    receiver.on("/hook", 500)
    daemon(retry_schedule="1h")
    endpoint("add", "billing", receiver.url(), "--type", "*")
    enqueue(db, type="a")
    wait_attempts(db, 1)
    assert "500" in listed(db)["billing"]["last_failure"]
    endpoint("remove", "billing", "--cancel-pending")
    wait_status(db, "cancelled")


# ---- test --------------------------------------------------------------------------------------


def pending(db):
    return value(db, "SELECT count(*) FROM deliveries WHERE status = 'pending'")


def test_a_ping_that_is_taken(db, daemon, receiver, endpoint):
    secret = added(db, "billing", receiver.url())["secret"]
    daemon()
    out = endpoint("test", "billing")
    (request,) = receiver.got()
    assert out.startswith("delivered, status 200, ") and f"from 127.0.0.1:{receiver.port}" in out
    assert signed_with(request, secret) == 0
    assert json.loads(request.body)["type"] == "outhook.ping" and json.loads(request.body)["endpoint"] == "billing"
    (row,) = rows("endpoint", "test", "billing", "--database", db)
    assert (row["verdict"], row["status_code"], row["error"]) == ("delivered", 200, None)
    wait_until(lambda: pending(db) == 0)


def test_a_ping_that_is_not_taken_is_tried_once(db, daemon, receiver, refused, endpoint):
    receiver.on("/hook", answer(503))
    endpoint("add", "billing", receiver.url())
    daemon(retry_schedule="10s")
    code, out, err = outhook("endpoint", "test", "billing", "--database", db)
    assert code == 1 and out.startswith("failed, status 503, ") and "billing did not take the ping" in err
    assert pending(db) == 0 and len(attempts(db)) == 1
    assert wait_status(db, "cancelled")["attempts"] == 1


def test_a_ping_to_nobody(db, daemon, refused, endpoint):
    endpoint("add", "billing", refusing_url())
    daemon()
    assert "billing did not take the ping: can't connect" in refused(1, "test", "billing")
    assert pending(db) == 0


def test_a_ping_to_a_bare_url(db, daemon, receiver, endpoint):
    daemon()
    enqueue(db, url=receiver.url())
    receiver.wait(1)
    assert endpoint("test", receiver.url()).startswith("delivered")


def test_no_ping_without_a_daemon_or_to_a_disabled_endpoint(db, daemon, receiver, refused, endpoint):
    endpoint("add", "billing", receiver.url())
    began = time.monotonic()
    assert "outhookd does not run" in refused(1, "test", "billing")
    assert time.monotonic() - began < 10
    endpoint("disable", "billing", "--reason", "moving")
    daemon()
    assert "billing is disabled (moving)" in refused(1, "test", "billing")
    assert query(db, "SELECT * FROM webhooks") == [] and receiver.got() == []


def test_a_ping_that_nobody_sends_in_time_is_cancelled(db, refused, endpoint):
    endpoint("add", "billing", URL)
    with open(f"{db}.lock", "w+") as lock:  # a daemon that does nothing
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "no attempt within 300ms" in refused(1, "test", "billing", "--timeout", "300ms")
    assert query(db, "SELECT status FROM deliveries") == [{"status": "cancelled"}]


def test_a_ping_is_cancelled_when_the_daemon_stops(db, endpoint):
    endpoint("add", "billing", URL)
    with open(f"{db}.lock", "w+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen([OUTHOOK, "endpoint", "test", "billing", "--database", str(db)],
                                   env=environment(), stderr=subprocess.PIPE, text=True)
        wait_until(lambda: pending(db) == 1)
    assert "outhookd has stopped" in process.communicate(timeout=PATIENCE)[1] and process.returncode == 1
    assert pending(db) == 0


def test_ctrl_c_cancels_the_ping(db, daemon, receiver, endpoint):
    receiver.on("/hook", hang)
    endpoint("add", "billing", receiver.url())
    daemon(drain_timeout="100ms")
    process = subprocess.Popen([OUTHOOK, "endpoint", "test", "billing", "--database", str(db)], env=environment(),
                               stderr=subprocess.PIPE, text=True)
    receiver.wait(1)
    process.send_signal(signal.SIGINT)
    assert "interrupted" in process.communicate(timeout=PATIENCE)[1] and process.returncode == 1
    assert pending(db) == 0
    receiver.stopping.set()
