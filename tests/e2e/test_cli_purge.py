"""outhook purge: the space that it gives back, and webhooks that went nowhere."""

import os
import signal
import subprocess
import time

import pytest

from command import (OUTHOOK, Terminal, connect, environment, finish_deliveries, now_ms, outhook, succeed)
from database import query, run, value

DAY = 86_400_000


def insert(db, count, **columns):
    columns = {"payload": "x" * 1000, **columns}
    connection = connect(db)
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO webhooks ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                           [tuple(columns.values())] * count)
    connection.execute("COMMIT")
    connection.close()


def test_the_file_gets_smaller_while_no_daemon_runs(db):
    insert(db, 20_000, url="http://127.0.0.1:9/")
    finish_deliveries(db, "delivered")
    full = os.path.getsize(db)
    assert succeed("purge", "--status", "delivered", "--database", db) == "20000 deliveries purged\n"
    assert value(db, "SELECT count(*) FROM webhooks") == 0
    assert os.path.getsize(db) < full / 4, "a MiB or so of free pages is kept"
    assert value(db, "PRAGMA integrity_check") == "ok"


def test_unrouted_webhooks_only(db):
    insert(db, 3, url="http://127.0.0.1:9/", type="routed")
    insert(db, 700, type="nobody.wants.it")
    assert succeed("purge", "--unrouted", "--dry-run", "--database", db) == "would purge 700 webhooks\n"
    assert value(db, "SELECT count(*) FROM webhooks") == 703
    assert succeed("purge", "--unrouted", "--database", db) == "700 webhooks purged\n"
    assert query(db, "SELECT DISTINCT type FROM webhooks") == [{"type": "routed"}]
    assert succeed("purge", "--unrouted", "--database", db) == "0 webhooks purged\n"


def test_unrouted_until(db):
    insert(db, 5, type="old", created_at=now_ms() - 8 * DAY)
    insert(db, 2, type="new")
    assert succeed("purge", "--unrouted", "--until", "7d", "--database", db) == "5 webhooks purged\n"
    assert query(db, "SELECT DISTINCT type FROM webhooks") == [{"type": "new"}]


def test_it_asks_on_a_terminal(db):
    insert(db, 5, type="nobody")
    asked = Terminal("purge", "--unrouted", "--database", db)
    asked.wait_for("Purge 5 webhooks that went nowhere? [y/N]")
    asked.type("n\n")
    code, lines = asked.finish()
    assert code == 1 and lines[-1] == "outhook: nothing was changed"
    asked = Terminal("purge", "--unrouted", "--database", db)
    asked.wait_for("[y/N]")
    asked.type("y\n")
    assert asked.finish()[0] == 0 and value(db, "SELECT count(*) FROM webhooks") == 0


def test_it_can_be_interrupted_and_continued(db):
    insert(db, 30_000, type="nobody")
    command = [OUTHOOK, "purge", "--unrouted", "--database", str(db)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        while value(db, "SELECT count(*) FROM webhooks") == 30_000:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    left = value(db, "SELECT count(*) FROM webhooks")
    assert int(out.split()[0]) == 30_000 - left
    if left:  # it may have been quicker
        assert process.returncode != 0 and b"the same command goes on" in err
        assert succeed("purge", "--unrouted", "--database", db) == f"{left} webhooks purged\n"
    assert value(db, "SELECT count(*) FROM webhooks") == 0


@pytest.mark.parametrize("arguments", [("--endpoint", "a"), ("--type", "a"), ("--since", "1d"), ("--all",), ("--limit", "1"),
                                       ("--status", "failed"), ("17",), ("--missing",)])
def test_what_does_not_go_with_unrouted(db, arguments):
    run(db, "INSERT INTO endpoints (name, url) VALUES ('a', 'http://127.0.0.1:9/')")
    code, _, err = outhook("purge", "--unrouted", *arguments, "--database", db)
    assert code == 2 and "--unrouted goes with --until, --dry-run and --yes alone" in err
