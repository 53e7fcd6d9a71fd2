"""outhook top: a live screen, and JSON for programs."""

import json
import re
import signal
import subprocess

import pytest

from command import OUTHOOK, Terminal, environment, has_thread_sanitizer, outhook, rows, succeed
from database import add_endpoint, run, value
from receivers import hang, refusing_url
from waiting import wait_until

ESCAPE = re.compile(r"\033\[[0-9;?]*[a-zA-Z]")


def enqueue_many(db, endpoint, count):
    run(db, f"INSERT INTO webhooks (endpoint, payload) SELECT '{endpoint}', '{{}}' FROM generate_series(1, {count})")


def top(db, *arguments, **options):
    return Terminal("top", "--database", db, "--every", "100ms", *arguments, **options)


def last_picture(screen):
    """The last one that is complete."""
    pictures = [piece for piece in screen.text.decode(errors="replace").split("\033[H") if piece.endswith("\033[J")]
    return ESCAPE.sub("", pictures[-1]).replace("\r", "") if pictures else ""


def watch(screen, condition):
    wait_until(lambda: screen.read() and condition(last_picture(screen)), what="the screen shows it")
    return last_picture(screen)


@pytest.fixture
def busy(db, daemon, receiver):
    """A good endpoint that is called, a dead one, and one that fails."""
    receiver.on("/good", 200)
    receiver.on("/bad", 500)
    add_endpoint(db, "good", receiver.url("/good"))
    add_endpoint(db, "bad", receiver.url("/bad"), retry_schedule="1h")
    add_endpoint(db, "dead", refusing_url(), retry_schedule="1h")
    daemon(breaker_failures=2, breaker_open="1h", breaker_open_max="1h")
    return db


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_screen_fits_and_shows_what_happens(busy, columns):
    screen = top(busy, columns=columns)
    watch(screen, lambda picture: "0/s delivered" in picture)
    for endpoint in ("good", "bad", "dead"):
        enqueue_many(busy, endpoint, 30)
    wait_until(lambda: value(busy, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 30)
    picture = watch(screen, lambda picture: re.search(r"^dead .*\b30\b", picture, re.M)
                    and re.search(r"^good ", picture, re.M) and picture.count("failed too") == 2)
    assert max(map(len, picture.splitlines())) <= columns, picture
    assert "f r s b, space, q" in picture.splitlines()[0]
    names = re.findall(r"^(good|bad|dead) ", picture, re.M)
    assert names[2] == "good", "failing ones come first"
    assert "running, process" in picture and "pending" in picture
    screen.type("r")
    picture = watch(screen, lambda picture: "rate first" in picture)
    assert re.findall(r"^(good|bad|dead) ", picture, re.M)[0] == "good"
    screen.type("q")
    code, lines = screen.finish()
    assert code == 0 and "\n".join(lines).endswith("\033[?1049l")


def test_the_picture_stands_still_and_goes_on(db):
    succeed("migrate", "--database", db)
    screen = top(db)
    watch(screen, lambda picture: "the last" in picture)
    screen.type(" ")
    watch(screen, lambda picture: "stands still" in picture)
    screen.type("b")
    watch(screen, lambda picture: "stands still, backlog first" in picture)
    screen.type(" ")
    watch(screen, lambda picture: "the last" in picture)
    screen.type("q")
    assert screen.finish()[0] == 0


@pytest.mark.skipif(has_thread_sanitizer(), reason="ThreadSanitizer can lose a signal")
def test_json_counts_each_attempt_once(busy):
    command = [OUTHOOK, "top", "--json", "--every", "100ms", "--database", str(busy)]
    looks = []

    def total(name):
        return sum(look[name] for look in looks)

    def complete():
        looks.append(json.loads(process.stdout.readline()))
        failed = value(busy, "SELECT count(*) FROM attempts WHERE verdict <> 'delivered'")
        told = {row["endpoint"] for row in looks[-1]["endpoints"] if row["held_up"]}
        return (total("enqueued") == 90 and total("delivered") == 30 and total("failed") >= failed >= 2
                and {"bad", "dead"} <= told)

    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        looks.append(json.loads(process.stdout.readline()))
        for endpoint in ("good", "bad", "dead"):
            enqueue_many(busy, endpoint, 30)
        wait_until(complete, what="each attempt has been counted")
        looks += [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert (total("enqueued"), total("delivered")) == (90, 30)
    assert total("failed") == value(busy, "SELECT count(*) FROM attempts") - 30
    last = {row["endpoint"]: row for row in looks[-1]["endpoints"]}
    assert last["dead"]["pending_up_to_10001"] == 30 and "failed too often" in last["dead"]["held_up"]
    assert looks[-1]["pending"] == 60 and looks[-1]["daemon_runs"] is True
    assert all(80 <= look["interval_ms"] < 30_000 for look in looks)


def test_in_a_pipe_it_prints_a_picture_a_look(busy):
    out = succeed("top", "--database", busy, "--every", "100ms", "--frames", "3")
    assert out.count("outhookd    running") == 3 and "\033" not in out and "keys" not in out


def test_calls_in_flight(db, daemon, receiver):
    receiver.on("/hook", hang)
    for i in range(3):
        add_endpoint(db, f"e{i}", receiver.url("/hook"))
        enqueue_many(db, f"e{i}", 1)
    daemon(drain_timeout="0s")
    wait_until(lambda: rows("status", "--database", db)[0]["in_flight"] == 3, what="three calls in flight")
    assert "3 calls in flight" in succeed("status", "--database", db)
    receiver.stopping.set()
    wait_until(lambda: rows("status", "--database", db)[0]["in_flight"] == 0, what="none in flight")


@pytest.mark.parametrize("arguments, sentence", [
    (("--every", "99ms"), "--every has to be from 100ms to 60s"),
    (("--every", "61s"), "--every has to be from 100ms to 60s"),
    (("--sort", "name"), "--sort name: it has to be failing, rate, slow or backlog"),
    (("--frames", "0"), "--frames 0"),
    (("17",), "one argument too many"),
])
def test_wrong_usage(db, arguments, sentence):
    succeed("migrate", "--database", db)
    code, _, err = outhook("top", "--database", db, *arguments)
    assert code == 2 and sentence in err
