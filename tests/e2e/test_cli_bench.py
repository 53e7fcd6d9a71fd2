"""outhook bench: made-up webhooks in numbers."""

import json
import signal
import subprocess

import pytest

from command import OUTHOOK, Terminal, environment, outhook, succeed
from database import query, run, value
from receivers import refusing_url
from waiting import wait_until

URL = "http://127.0.0.1:9/hook/"


def bench(db, *arguments, **options):
    return outhook("bench", "--database", db, *arguments, **options)


def test_so_many_of_that_size_to_so_many_urls(db):
    code, out, err = bench(db, "--webhooks", 250, "--endpoints", 7, "--bytes", 100, "--url", URL)
    assert (code, err) == (0, "") and out.startswith("250 webhooks inserted in ")
    assert value(db, "SELECT count(DISTINCT url) FROM webhooks WHERE type = 'outhook.bench'") == 7
    assert query(db, "SELECT DISTINCT length(payload) AS bytes, json_valid(payload) AS valid FROM webhooks") == [
        {"bytes": 100, "valid": 1}]
    assert value(db, "SELECT count(*) FROM webhooks WHERE url = ?", URL + "7") == 250 // 7


def test_unless_told(db):
    result = json.loads(succeed("bench", "--database", db, "--json", "--webhooks", 30))
    assert result["inserted"] == 30 and result["insert_us"] > 0 and "delivered" not in result
    assert (result["first_webhook_id"], result["last_webhook_id"]) == (1, 30)
    assert value(db, "SELECT count(DISTINCT url) FROM webhooks WHERE url LIKE 'http://127.0.0.1:8080/%'") == 10
    assert value(db, "SELECT max(length(payload)) FROM webhooks") == 512


def test_it_waits_and_tells_how_long_it_took(db, daemon, receiver):
    daemon()
    code, out, _ = bench(db, "--webhooks", 300, "--url", receiver.url("/hook/"), "--wait")
    lines = out.splitlines()
    assert code == 0 and lines[1].startswith("300 delivered, 0 failed, 0 pending, ")
    assert lines[2].startswith("from INSERT to outcome: median ")
    result = json.loads(bench(db, "--webhooks", 300, "--url", receiver.url("/hook/"), "--wait", "--json")[1])
    assert (result["delivered"], result["failed"], result["pending"]) == (300, 0, 0)
    assert 0 <= result["median_ms"] <= result["p99_ms"] <= result["longest_ms"] <= result["delivery_ms"]
    assert len(receiver.got()) == 600


def test_what_fails_is_told_too(db, daemon):
    daemon(max_attempts=1, breaker_failures=100)
    result = json.loads(bench(db, "--webhooks", 20, "--endpoints", 1, "--url", refusing_url(), "--wait", "--json")[1])
    assert (result["delivered"], result["failed"], result["pending"]) == (0, 20, 0)


def test_a_rate_is_kept(db):
    result = json.loads(bench(db, "--webhooks", 50, "--rate", 100, "--json")[1])
    assert result["inserted"] == 50 and result["insert_us"] >= 480_000, "the fiftieth comes after 49 hundredths"


def test_a_full_queue_is_said_and_what_fits_stays(db):
    run(db, "UPDATE queue_depth SET max_pending = 120")
    code, out, err = bench(db, "--webhooks", 500)
    assert code == 1 or code == 2
    assert out.startswith("120 webhooks inserted") and "the queue is full" in err
    assert value(db, "SELECT count(*) FROM webhooks") == value(db, "SELECT pending FROM queue_depth") == 120


def test_it_asks_on_a_terminal(db):
    asked = Terminal("bench", "--webhooks", "20", "--database", db)
    asked.wait_for("made-up webhooks to http://127.0.0.1:8080/1")
    asked.type("n\n")
    code, lines = asked.finish()
    assert code == 1 and lines[-1] == "outhook: nothing was inserted"
    assert value(db, "SELECT count(*) FROM webhooks") == 0
    assert Terminal("bench", "--webhooks", "20", "--yes", "--database", db).finish()[0] == 0
    assert value(db, "SELECT count(*) FROM webhooks") == 20


def test_ctrl_c_keeps_what_was_inserted_and_it_can_be_taken_away(db):
    command = [OUTHOOK, "bench", "--rate", "100", "--database", str(db)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        wait_until(lambda: value(db, "SELECT count(*) FROM webhooks") >= 3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode != 0 and b"interrupted; outhook cancel --type outhook.bench" in err
    assert int(out.split()[0]) == value(db, "SELECT count(*) FROM webhooks")
    succeed("cancel", "--type", "outhook.bench", "--database", db)
    succeed("purge", "--type", "outhook.bench", "--database", db)
    assert value(db, "SELECT count(*) FROM webhooks") == value(db, "SELECT count(*) FROM deliveries") == 0


@pytest.mark.parametrize("option, least, most", [
    ("webhooks", 1, 1_000_000_000), ("endpoints", 1, 1_000_000), ("bytes", 32, 16 << 20), ("rate", 1, 1_000_000),
    ("transaction", 1, 100_000)])
def test_limits(db, option, least, most):
    for number in (least - 1, most + 1):
        code, _, err = bench(db, f"--{option}", number)
        assert code == 2 and f"--{option} {number}: it has to be a whole number from {least} to {most}" in err
    few = () if option == "webhooks" else ("--webhooks", 1)
    assert bench(db, f"--{option}", least, *few)[0] == 0
    if option != "webhooks":
        assert bench(db, f"--{option}", most, *few)[0] == 0


def test_a_url_that_is_none(db):
    code, out, err = bench(db, "--url", "ftp://example.com/")
    assert code == 2 and "starts with http" in err and out.startswith("0 webhooks inserted")
