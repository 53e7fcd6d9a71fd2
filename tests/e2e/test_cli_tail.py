"""outhook tail: attempts as they are made."""

import signal
import subprocess

import pytest

from command import OUTHOOK, Terminal, environment, outhook, rows
from database import add_endpoint, as_daemon, enqueue, run


class Tail:
    """A tail in a pipe; what it prints is collected."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([OUTHOOK, "tail", *map(str, arguments)], env=environment(), text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line(self):
        return self.process.stdout.readline()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        rest, err = self.process.communicate(timeout=30)
        return self.process.returncode, rest, err


def record(db, count, verdict="failed", first=1):
    """Attempts as outhookd writes them, one a delivery."""
    as_daemon(db, f"""INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms, status_code, error)
                      SELECT value, 1, '{verdict}', 1700000000000 + value, 12, 500, 'it answered 500'
                      FROM generate_series({first}, {first + count - 1})""")


def test_lines_come_as_calls_are_made(db, daemon, receiver):
    receiver.on("/hook", [200, 500, 200])
    add_endpoint(db, "billing", receiver.url(), retry_schedule="10ms")
    tail = Tail("--database", db, "--lines", 0)
    daemon()
    enqueue(db, endpoint="billing", type="invoice.paid")
    words = tail.line().split()
    assert words[1:3] == ["delivered", "200"] and words[4:] == ["1/1", "billing", "invoice.paid"]
    enqueue(db, endpoint="billing")
    assert "failed" in (second := tail.line()) and "2/1" in second and "it answered 500" in second
    assert "2/2" in tail.line()
    assert tail.interrupt() == (0, "", "")


def test_it_begins_with_the_last_ones(db, daemon):
    run(db, "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:9/', 1 FROM generate_series(1, 1200)")
    record(db, 1200)
    numbers = [row["delivery_id"] for row in rows("tail", "--no-follow", "--database", db)]
    assert numbers == list(range(1191, 1201))
    assert len(rows("tail", "--no-follow", "--lines", "1200", "--database", db)) == 1200
    assert rows("tail", "--no-follow", "--lines", "0", "--database", db) == []


def test_only_what_is_asked_for(db):
    for name in ("a", "b"):
        add_endpoint(db, name, f"http://127.0.0.1:9/{name}")
        enqueue(db, endpoint=name, type=f"{name}.x")
    record(db, 1, "delivered")
    record(db, 1, "timeout", first=2)
    arguments = ("tail", "--no-follow", "--database", db)
    assert [row["endpoint"] for row in rows(*arguments, "--endpoint", "b")] == ["b"]
    assert [row["verdict"] for row in rows(*arguments, "--failed")] == ["timeout"]
    assert [row["type"] for row in rows(*arguments, "--type", "a.*")] == ["a.x"]
    code, _, err = outhook(*arguments, "--endpoint", "c")
    assert code != 0 and "c" in err


def test_the_documented_fields(db):
    enqueue(db, url="http://127.0.0.1:9/")
    record(db, 1)
    assert rows("tail", "--no-follow", "--database", db) == [{
        "id": 1, "delivery_id": 1, "webhook_id": 1, "number": 1, "endpoint": "http://127.0.0.1:9/", "type": None,
        "verdict": "failed", "status_code": 500, "started_at": 1700000000001, "duration_ms": 12,
        "remote_address": None, "error": "it answered 500"}]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_fit_the_terminal(db, columns):
    add_endpoint(db, "größe-漢字-" + "x" * 40, "http://127.0.0.1:9/")
    enqueue(db, endpoint="größe-漢字-" + "x" * 40, type="typ.ü")
    record(db, 1)
    code, lines = Terminal("tail", "--no-follow", "--database", db, columns=columns).finish()
    assert code == 0 and len(lines) == 1 and "größe-漢字" in lines[0]


def test_ctrl_c_on_a_terminal_and_a_reader_that_leaves(db):
    enqueue(db, url="http://127.0.0.1:9/first")
    record(db, 1)
    terminal = Terminal("tail", "--database", db)
    terminal.wait_for("first")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish()[0] == 0
    run(db, "INSERT INTO webhooks (url, payload) SELECT 'http://127.0.0.1:9/', 1 FROM generate_series(1, 5000)")
    record(db, 5000, first=2)
    done = subprocess.run(f"{OUTHOOK} tail --database {db} --lines 5000 | head -n 1", shell=True, text=True,
                          capture_output=True, timeout=30, env=environment())
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1
