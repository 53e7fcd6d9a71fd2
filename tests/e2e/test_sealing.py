"""Secrets at rest: sealed where there is a key, and what happens without it, with another one, and with a new one."""

import base64
import json
import os
import signal
import sqlite3
import struct

import pytest

from command import outhook, succeed
from daemon import outhookd
from database import add_endpoint, enqueue, query, run, value, wait_status
from test_headers import standard_signature
from waiting import stays, wait_until

PLAIN = "whsec_" + base64.b64encode(b"a secret of the tests ..").decode()
OLD = "whsec_" + base64.b64encode(b"an older one beside it ..").decode()


def write_keys(path, *keys, mode=0o600):
    path.write_text("".join(key + "\n" for key in keys))
    path.chmod(mode)
    return path


def new_key():
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def key_file(tmp_path):
    return write_keys(tmp_path / "secret.key", new_key())


def stored(db):
    return [row["secret"] for row in query(db, "SELECT secret FROM endpoint_secrets ORDER BY id")]


def sealed(db):
    return all(secret.startswith("sealed:v1:") for secret in stored(db))


def on_disk(db, text):
    """Whether the database's files hold a text anywhere, free pages included."""
    return any(text.encode() in path.read_bytes() for path in db.parent.glob(db.name + "*") if path.is_file())


def add_with_secret(db, name, url, secret=PLAIN):
    number = add_endpoint(db, name, url)
    run(db, f"UPDATE endpoint_secrets SET secret = '{secret}' WHERE endpoint_id = {number}")
    return number


def config_with(tmp_path, db, key_file):
    path = tmp_path / "outhookd.conf"
    path.write_text(f"database = {db}\nallow_networks = 127.0.0.0/8\nsecret_key_file = {key_file}\n")
    return path


def test_what_was_there_is_sealed_at_the_start_and_still_signs(db, daemon, receiver, key_file):
    add_with_secret(db, "a", receiver.url())
    assert on_disk(db, PLAIN)
    one = daemon(secret_key_file=key_file)
    wait_until(lambda: sealed(db) and not on_disk(db, PLAIN), what="sealed, and gone from the files")
    enqueue(db, "{}", endpoint="a")
    (request,) = receiver.wait(1)
    assert request.header("webhook-signature") == standard_signature(PLAIN, request)
    assert PLAIN not in one.text() and key_file.read_text().strip() not in one.text()
    assert one.lines("sealed 1 endpoint secrets") and not one.lines("there is no secret_key_file")


def test_what_is_inserted_by_sql_is_sealed_while_it_runs(db, daemon, receiver, key_file):
    one = daemon(secret_key_file=key_file)
    add_with_secret(db, "a", receiver.url())
    run(db, f"""INSERT INTO endpoints (name, url)
                SELECT 'e' || value, 'http://127.0.0.1:9/' FROM generate_series(1, 250);
                INSERT INTO endpoint_secrets (endpoint_id, secret, created_at) VALUES (1, '{OLD}', 1)""")
    wait_until(lambda: sealed(db), what="all are sealed")
    wait_until(lambda: not on_disk(db, PLAIN) and not on_disk(db, OLD), what="gone from the files")
    assert len(stored(db)) == 252
    enqueue(db, "{}", endpoint="a")
    (request,) = receiver.wait(1)
    assert standard_signature(PLAIN, request) in request.header("webhook-signature").split()
    assert one.running


def test_a_generated_secret_is_sealed_and_can_be_shown_by_who_has_the_key(db, daemon, receiver, key_file, tmp_path):
    config = config_with(tmp_path, db, key_file)
    daemon(config=config, allow=None)
    made = json.loads(succeed("endpoint", "add", "a", receiver.url(), "--database", db, "--json"))["secret"]
    wait_until(lambda: sealed(db))
    for arguments in (["--config", config], ["--database", db, "--key-file", key_file]):
        shown = json.loads(succeed("endpoint", "show", "a", "--secret", "--json", *arguments))
        assert shown["secrets"][0]["secret"] == made
    plain = succeed("endpoint", "show", "a", "--config", config)
    assert made not in plain and "sealed:v1" not in plain and ", sealed" in plain
    assert made not in succeed("endpoint", "list", "--config", config, "--json")


@pytest.mark.parametrize("arguments, sentence", [
    ([], "names no secret_key_file"), (["--key-file", "/nonexistent/key"], "can't open /nonexistent/key"),
    (["--key-file", "OTHER"], "which secret_key_file does not hold")])
def test_it_is_not_shown_to_who_has_no_key(db, daemon, receiver, key_file, tmp_path, arguments, sentence):
    add_endpoint(db, "a", receiver.url())
    one = daemon(secret_key_file=key_file)
    wait_until(lambda: sealed(db))
    one.stop()
    other = write_keys(tmp_path / "other.key", new_key())
    empty = tmp_path / "empty.conf"
    empty.write_text("")
    code, out, err = outhook("endpoint", "show", "a", "--secret", "--database", db, "--config", empty,
                             *[other if word == "OTHER" else word for word in arguments])
    assert code == 1 and sentence in err and not out


def test_without_a_key_it_says_once_that_secrets_can_be_read(db, daemon, receiver):
    add_with_secret(db, "a", receiver.url())
    one = daemon()
    enqueue(db, "{}", endpoint="a")
    wait_status(db, "delivered")
    assert len(one.lines("warning", "there is no secret_key_file", "can be read by whoever may read")) == 1
    assert stored(db) == [PLAIN]


def test_a_new_key_seals_anew_and_the_old_one_may_go(db, daemon, receiver, tmp_path):
    old, new = new_key(), new_key()
    key_file = write_keys(tmp_path / "secret.key", old)
    add_with_secret(db, "a", receiver.url())
    one = daemon(config=config_with(tmp_path, db, key_file), allow=None)
    wait_until(lambda: sealed(db))
    before = stored(db)
    write_keys(key_file, "# the new one", new, old)
    one.signal(signal.SIGHUP)
    wait_until(lambda: stored(db)[0].split(":")[2] != before[0].split(":")[2], what="sealed by the new key")
    write_keys(key_file, new)
    one.signal(signal.SIGHUP)
    wait_until(lambda: len(one.lines("the configuration was reloaded")) == 2)
    one.stop()
    daemon(config=tmp_path / "outhookd.conf", allow=None)
    enqueue(db, "{}", endpoint="a")
    (request,) = receiver.wait(1)
    assert request.header("webhook-signature") == standard_signature(PLAIN, request)


def test_without_the_right_key_deliveries_wait_and_are_sent_when_it_comes(db, daemon, receiver, tmp_path):
    right, wrong = new_key(), new_key()
    key_file = write_keys(tmp_path / "secret.key", right)
    config = config_with(tmp_path, db, key_file)
    add_with_secret(db, "a", receiver.url())
    one = daemon(config=config, allow=None)
    wait_until(lambda: sealed(db))
    one.stop()

    write_keys(key_file, wrong)
    two = daemon(config=config, allow=None)
    enqueue(db, "{}", endpoint="a")
    enqueue(db, "{}", url=receiver.url("/other"))
    receiver.wait(1, path="/other")
    two.wait_for_line("error", "endpoint a is not sent to", "which secret_key_file does not hold")
    sentence = "its secret can not be opened"
    wait_until(lambda: sentence in value(db, "SELECT state FROM queue WHERE endpoint = 'a'"), what="the view says so")
    assert sentence in succeed("status", "--database", db)
    assert stays(lambda: not receiver.got("/hook"), 0.3)

    write_keys(key_file, right)
    two.signal(signal.SIGHUP)
    (request,) = receiver.wait(1, path="/hook")
    assert request.header("webhook-signature") == standard_signature(PLAIN, request)
    wait_until(lambda: not value(db, "SELECT count(*) FROM endpoint_gates"), what="nothing is held up any more")


def test_a_sealed_secret_opens_for_its_own_endpoint_alone(db, daemon, receiver, key_file):
    add_with_secret(db, "a", receiver.url())
    one = daemon(secret_key_file=key_file)
    wait_until(lambda: sealed(db))
    run(db, """INSERT INTO endpoints (name, url, signing) SELECT 'thief', url, 'github' FROM endpoints WHERE name = 'a';
               INSERT INTO endpoint_secrets (endpoint_id, secret) SELECT 2, secret FROM endpoint_secrets""")
    one.wait_for_line("endpoint thief is not sent to", "belongs to another endpoint")


@pytest.mark.parametrize("text, mode, sentence", [
    ("hunter2\n", 0o600, "line 1 is not a key"), ("", 0o600, "holds no key"),
    ("A" * 43 + "=", 0o640, "may be read by others than its owner"), ("A" * 43 + "=", 0o604, "may be read by others"),
    (None, 0, "can't open")])
def test_a_key_file_that_is_none_is_refused(db, tmp_path, text, mode, sentence):
    path = tmp_path / "secret.key"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    for arguments in (["--check"], []):
        status, out, err = outhookd("--database", db, "--set", f"secret_key_file={path}", *arguments)
        assert status == 2 and sentence in err and "hunter2" not in err and not out


def test_a_bad_key_file_changes_nothing_at_a_reload(db, daemon, receiver, tmp_path):
    key_file = write_keys(tmp_path / "secret.key", new_key())
    one = daemon(config=config_with(tmp_path, db, key_file), allow=None)
    write_keys(key_file, "nonsense")
    one.signal(signal.SIGHUP)
    one.wait_for_line("the configuration was not reloaded", "line 1 is not a key")
    add_with_secret(db, "a", receiver.url())
    wait_until(lambda: sealed(db), what="sealed by the key that was there")


def test_the_service_managers_credential_is_a_key_too(db, daemon, receiver, tmp_path, monkeypatch):
    write_keys(tmp_path / "secret_key", new_key(), mode=0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    add_with_secret(db, "a", receiver.url())
    daemon()
    wait_until(lambda: sealed(db))


def test_a_credential_whose_reader_is_on_an_access_control_list_is_a_key(db, daemon, tmp_path, monkeypatch):
    """As systemd makes one where the file system has such lists: the list's mask shows as the group's permission."""
    path = write_keys(tmp_path / "secret_key", new_key(), mode=0o400)
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(
            struct.pack("<HHI", tag, permission, who) for tag, permission, who in (
                (0x01, 4, 2**32 - 1), (0x02, 4, 65534), (0x04, 0, 2**32 - 1), (0x10, 4, 2**32 - 1), (0x20, 0, 2**32 - 1))))
    except OSError:
        pytest.skip("this file system has no access control lists")
    assert path.stat().st_mode & 0o777 == 0o440
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    add_endpoint(db, "a", "http://127.0.0.1:9/")
    one = daemon()
    wait_until(lambda: sealed(db))
    one.stop()
    path.chmod(0o444)
    status, _, err = outhookd("--database", db, "--check")
    assert status == 2 and "may be read by others" in err


def test_another_signing_needs_the_key_only_where_the_secret_has_to_fit(db, daemon, receiver, key_file, tmp_path):
    config = config_with(tmp_path, db, key_file)
    run(db, f"INSERT INTO endpoints (name, url, signing) VALUES ('a', '{receiver.url()}', 'github');"
            "INSERT INTO endpoint_secrets (endpoint_id, secret) VALUES (1, 'not base64!')")
    one = daemon(config=config, allow=None)
    wait_until(lambda: sealed(db))
    one.stop()
    assert succeed("endpoint", "set", "a", "signing=stripe", "--database", db) == "a is changed\n"
    code, out, err = outhook("endpoint", "set", "a", "signing=standard", "--database", db, "--config", "/dev/null")
    assert code == 1 and "can't see whether its secret fits" in err
    out = succeed("endpoint", "set", "a", "signing=standard", "--database", db, "--config", config)
    assert "secret      whsec_" in out, "the old one does not fit, so there is a new one"


def test_a_lock_of_others_delays_the_sealing_and_no_more(db, daemon, receiver, key_file):
    one = daemon(secret_key_file=key_file)
    connection = sqlite3.connect(db, isolation_level=None, timeout=20)
    connection.execute("INSERT INTO endpoints (name, url) VALUES ('a', 'http://127.0.0.1:9/')")
    connection.execute("BEGIN IMMEDIATE")
    assert stays(lambda: one.running, 0.5)
    connection.execute("COMMIT")
    wait_until(lambda: sealed(db))
    connection.close()


def test_a_key_file_that_is_none_is_refused_at_once(db, daemon, receiver, key_file, tmp_path):
    """One with more in it than is read, which would be cut; one that is a FIFO, whose writer would be waited for."""
    large, fifo = tmp_path / "large.key", tmp_path / "fifo.key"
    write_keys(large, "#" * 4200, new_key())
    os.mkfifo(fifo, 0o600)
    config = config_with(tmp_path, db, key_file)
    one = daemon(config=config)
    for path in [large, fifo]:
        status, _, err = outhookd("--database", db, "--set", f"secret_key_file={path}")
        assert status == 2 and f"secret_key_file: {path} is not a file of at most 4096 bytes" in err, err
        config_with(tmp_path, db, path)
        one.signal(signal.SIGHUP)
        one.wait_for_line("the configuration was not reloaded", str(path))
    enqueue(db, url=receiver.url())
    wait_until(lambda: receiver.got(), what="it goes on")


def test_many_that_do_not_open_are_told_in_a_few_lines(db, daemon):
    run(db, """INSERT INTO endpoints (name, url) SELECT 'e' || value, 'https://example.com/' || value
               FROM generate_series(1, 500);
               UPDATE endpoint_secrets SET secret = 'sealed:v1:12345678:' || hex(zeroblob(40))""")
    one = daemon()
    one.wait_for_line("more endpoints are not sent to", "outhook endpoint list")
    told = one.lines("is not sent to, and its deliveries wait")
    left_out = sum(int(line.split(" more endpoints")[0].split()[-1]) for line in one.lines("more endpoints are not"))
    assert len(told) <= 50 and len(told) + left_out == 500
