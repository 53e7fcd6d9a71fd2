"""What the daemon logs, and whom it does not wait for."""

import fcntl
import re
import signal
import subprocess

import pytest

from daemon import BUILD
from database import run, value, wait_settled
from waiting import PATIENCE, wait_until

SMALLEST_PIPE = 4096


@pytest.fixture
def unread_daemon(db):
    """A daemon whose log goes into a pipe that nobody reads, until somebody does."""
    command = [BUILD / "outhookd", "--database", db, "--set", "allow_networks=127.0.0.0/8",
               "--set", "log_attempts_per_second=1000000", "--set", "endpoint_max_in_flight=200"]
    one = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    fcntl.fcntl(one.stderr, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
    yield one
    if one.poll() is None:
        one.kill()
    one.stderr.close()
    one.wait()


def enqueue_many(db, receiver, count):
    run(db, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', value FROM generate_series(1, {count})")


def test_a_log_that_nobody_reads_holds_nothing_up(db, unread_daemon, receiver):
    """12,000 lines of some 150 bytes are more than the pipe and the daemon keep."""
    enqueue_many(db, receiver, 12000)
    wait_settled(db, timeout=120)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 12000
    text = b""
    while b"missing here" not in text:
        text += unread_daemon.stderr.readline()
    unread_daemon.send_signal(signal.SIGTERM)
    text = (text + unread_daemon.stderr.read()).decode()
    assert unread_daemon.wait(PATIENCE) == 0
    attempts = [int(number) for number in re.findall(r" delivery=(\d+) ", text)]
    (lost,) = re.findall(r" warning: (\d+) lines of log are missing here: nobody took them\n", text)
    assert int(lost) > 0 and len(attempts) > 1000 and attempts[0] == 1
    # The lines about readiness and the end of it are there as well, and none is cut.
    others = [line for line in text.splitlines() if " delivery=" not in line]
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning): ", line) for line in text.splitlines())
    assert len(attempts) + int(lost) >= 12000
    assert "stopped" in others[-1] and len(others) < 12


def test_a_log_that_nobody_reads_does_not_hold_up_the_end(db, unread_daemon, receiver):
    enqueue_many(db, receiver, 300)
    wait_settled(db)
    unread_daemon.send_signal(signal.SIGTERM)
    assert unread_daemon.wait(PATIENCE) == 0
    assert value(db, "PRAGMA integrity_check") == "ok"


def test_an_error_is_told_after_what_was_logged(db, receiver):
    """The sentence of the end is the last line, whichever thread wrote the others."""
    command = [BUILD / "outhookd", "--database", db]
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: "ready" in first.stderr.readline(), what="ready")
        db.rename(db.with_suffix(".moved"))
        *_, last = first.stderr.read().splitlines()
        assert first.wait(PATIENCE) == 3 and last.startswith("outhookd: ") and "was moved" in last
    finally:
        first.kill()
        first.stderr.close()
        first.wait()
