"""outhook check: a finding for each thing that is not well, which says what to do."""

import json
import os
import stat
import subprocess
import time

import pytest

from command import Terminal, outhook, succeed
from database import add_endpoint, as_daemon, enqueue, run


def check(db, *arguments, config="/dev/null"):
    """(exit code, findings by subject and level)."""
    code, out, err = outhook("check", "--database", db, "--config", config, "--json", *arguments)
    found = [json.loads(line) for line in out.splitlines()]
    assert (code == 0) == (not err) and all(set(one) == {"level", "subject", "text"} for one in found)
    assert (code == 0) == all(one["level"] in ("good", "note") for one in found)
    return code, {(one["subject"], one["level"]): one["text"] for one in found}


@pytest.fixture
def healthy(db):
    db.parent.chmod(0o2770)
    db.chmod(0o660)
    return db


def test_a_healthy_one(healthy, daemon):
    daemon()
    code, found = check(healthy)
    assert code == 0, found
    assert ("integrity", "good") in found and ("outhookd", "good") in found and ("space", "good") in found
    code, found = check(healthy, "--full")
    assert code == 0 and "every index" in found["integrity", "good"]


@pytest.mark.parametrize("spoil, subject, level, words", [
    (lambda db: as_daemon(db, "UPDATE queue_depth SET pending = 7"), "counts", "warning", "UPDATE queue_depth"),
    (lambda db: as_daemon(db, "DELETE FROM webhooks"), "orphans", "bad", "lost their webhook: 1"),
    (lambda db: as_daemon(db, "DELETE FROM endpoints"), "orphans", "bad", "lost their endpoint: 1"),
    (lambda db: run(db, "DELETE FROM endpoint_secrets"), "secrets", "warning", "rotate-secret"),
    (lambda db: run(db, "UPDATE endpoints SET tls_insecure = 1"), "tls", "warning", "tls_ca_file"),
    (lambda db: run(db, "UPDATE queue_depth SET max_pending = 1"), "queue", "bad", "raise max_pending"),
    (lambda db: db.chmod(0o664), "permissions", "warning", "chmod o-rwx"),
    (lambda db: db.chmod(0o666), "permissions", "bad", "anybody may write"),
    (lambda db: db.parent.chmod(0o750), "directory", "warning", "chmod 2770"),
    (lambda db: db.parent.chmod(0o3770), "directory", "warning", "chmod -t"),
    (lambda db: None, "outhookd", "bad", "1 delivery waits: start it, for example with systemctl start outhookd"),
    (lambda db: None, "secrets", "note", "secret_key_file seals them")])
def test_what_is_not_well(healthy, spoil, subject, level, words):
    add_endpoint(healthy, "a", "https://example.com/")
    enqueue(healthy, endpoint="a")
    spoil(healthy)
    code, found = check(healthy)
    assert code == 1 and words in found[subject, level], found


def test_a_clock_that_was_wrong(healthy, daemon):
    run(healthy, f"""INSERT INTO webhooks (url, payload, created_at)
                     VALUES ('http://127.0.0.1:9/', 1, {int(time.time() * 1000) + 2 * 3600_000})""")
    assert "clock" in str(check(healthy)[1]["clock", "warning"])


def test_a_damaged_page(healthy):
    run(healthy, "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:9/', hex(randomblob(900))"
                 " FROM generate_series(1, 400)")
    size = healthy.stat().st_size
    with open(healthy, "r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 8192)
    code, found = check(healthy)
    assert code == 1 and ".recover" in found["integrity", "bad"]


def test_what_is_no_database(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("not a database, but long enough to be looked at\n" * 40)
    code, found = check(path)
    assert code == 1 and "is not an SQLite database" in found["database", "bad"]
    code, found = check(tmp_path / "missing.db")
    assert code == 1 and "there is no database" in found["database", "bad"]


def test_the_configuration(healthy, daemon, tmp_path):
    daemon()
    config = tmp_path / "outhookd.conf"
    config.write_text("workers = many\n")
    code, found = check(healthy, config=config)
    assert code == 1 and "workers" in found["configuration", "bad"]
    key = tmp_path / "key"
    key.write_text("x")
    key.chmod(stat.S_IRUSR)
    config.write_text(f"secret_key_file = {key}\n")
    assert "is not a key" in check(healthy, config=config)[1]["configuration", "warning"]


def test_a_full_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small], check=True)
    try:
        succeed("migrate", "--database", small / "outhook.db")
        assert "make room" in check(small / "outhook.db")[1]["space", "bad"]
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_on_a_terminal(healthy, columns):
    healthy.parent.chmod(0o750)
    code, lines = Terminal("check", "--database", healthy, "--config", "/dev/null", columns=columns).finish()
    text = " ".join(" ".join(line.split()) for line in lines)
    assert code == 1 and "may not make files in" in text and f"chmod 2770 {healthy.parent}" in text


def test_one_warning_is_no_warnings(healthy):
    healthy.parent.chmod(0o750)
    _, _, err = outhook("check", "--database", healthy, "--config", "/dev/null")
    assert err == "outhook: found what is not well: 0 bad, 1 warning\n"
