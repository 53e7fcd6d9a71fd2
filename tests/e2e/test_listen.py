"""outhook listen: what it shows, and how it misbehaves."""

import base64
import contextlib
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

from command import OUTHOOK, PATIENCE_S, Terminal, environment, outhook, succeed


class Listener:
    def __init__(self, *arguments, port="0"):
        self.process = subprocess.Popen([OUTHOOK, "listen", port, *arguments], env=environment(),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.output = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        first = self.line()
        self.url = json.loads(first)["listening_on"] if "--json" in arguments else first.split()[-1]
        if "--json" not in arguments:
            assert re.fullmatch(r"listening on http://[^ ]+:\d+/", first), first
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port

    def read(self):
        for line in self.process.stdout:
            self.output.put(line.decode().rstrip("\n"))
        self.output.put(None)

    def line(self):
        line = self.output.get(timeout=PATIENCE_S)
        assert line is not None, self.process.communicate()[1]
        return line

    def connection(self):
        return contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S))

    def call(self, body=b"{}", path="/", method="POST", headers=None, connection=None):
        """Returns the answer's (status, headers)."""
        with contextlib.ExitStack() as stack:
            connection = connection or stack.enter_context(self.connection())
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers

    def stop(self, number=signal.SIGTERM):
        """Ends it, and returns the seconds that took."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        took = time.monotonic() - started
        self.reader.join(PATIENCE_S)
        err = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        assert (code, err) == (0, ""), err
        return took


@pytest.fixture
def listen():
    started = []

    def start(*arguments, **options):
        started.append(Listener(*map(str, arguments), **options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


# ---- what it shows -------------------------------------------------------------------------------


def test_a_request_is_shown_at_once(listen):
    one = listen()
    status, _ = one.call(b'{"a": 1}\nsecond line', "/hook/%20x?y=z", headers={
        "Content-Type": "application/json", "Webhook-Id": "msg_1", "webhook-timestamp": "1700000000"})
    line = one.line()
    assert status == 200
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}  200  POST /hook/%20x\?y=z  application/json  20 bytes", line), line
    assert "webhook-id=msg_1" in line and "webhook-timestamp=1700000000" in line
    assert one.line() == '  {"a": 1} …'


def test_whole_bodies(listen):
    one = listen("--body")
    one.call(b"first\n\nthird \x1b[2J\r\n" + b"x" * 10000)
    one.line()
    assert [one.line() for _ in range(4)] == ["  first", "  ", "  third \ufffd[2J ", "  " + "x" * 10000]


def test_json(listen):
    one = listen("--json")
    one.call('{"grüße": "\u2028"}'.encode(), "/a?b=%00", "PUT", {"X-A": "b", "Webhook-Id": "msg_2"})
    shown = json.loads(one.line())
    assert abs(shown["received_at"] / 1000 - time.time()) < PATIENCE_S
    assert (shown["method"], shown["path"], shown["status"], shown["body_bytes"]) == ("PUT", "/a?b=%00", 200, 18)
    assert shown["body"] == '{"grüße": "\u2028"}'
    assert shown["headers"]["X-A"] == "b" and shown["headers"]["Webhook-Id"] == "msg_2"


@pytest.mark.parametrize("length", [1, 2, 3, 100, 1_000_003])
def test_json_of_bytes_that_are_no_text(listen, length):
    one = listen("--json")
    body = (b"\xff\x00\xfe" * length)[:length]
    one.call(body)
    shown = json.loads(one.line())
    assert base64.b64decode(shown["body_base64"]) == body and "body" not in shown


def test_an_empty_body_and_other_methods(listen):
    one = listen()
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert one.call(None, "/x", method)[0] == 200
        assert f"{method} /x  0 bytes" in one.line()


def test_a_large_body_is_counted_and_not_kept(listen):
    one = listen()
    one.call(b"y" * 30_000_000)
    assert "29 MiB" in one.line()
    assert one.line() == "  " + "y" * 4096


def test_a_request_that_is_expected_to_continue(listen):
    one = listen()
    with socket.create_connection((one.host, one.port), PATIENCE_S) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_request_can_not_drive_the_terminal():
    session = Terminal("listen", "0", columns=60)
    session.wait_for("/\r\n")
    host, port = re.search(r"http://([\d.]+):(\d+)/", session.text.decode()).groups()
    with socket.create_connection((host, int(port)), PATIENCE_S) as client:
        client.sendall(b"POST /\x1b]0;x\x07 HTTP/1.1\r\nHost: x\r\nWebhook-Id: \x1b[2J\xff\r\n"
                       b"Content-Length: 90\r\n\r\n\x1b[2J\xc2\x9b" + b"w" * 84)
        session.wait_for("www")
    session.process.send_signal(signal.SIGINT)
    code, lines = session.finish()
    assert code == 0
    assert "\x1b[2J" not in "".join(lines) and "\x1b]" not in "".join(lines) and "\x9b" not in "".join(lines)
    assert max(len(line) for line in lines if "www" in line) <= 60


# ---- how it misbehaves ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 302, 304, 404, 410, 429, 500, 503, 599])
def test_status(listen, status):
    one = listen("--status", status)
    with one.connection() as connection:
        for _ in range(2):
            assert one.call(connection=connection)[0] == status
    assert f"  {status}  POST" in one.line()


@pytest.mark.parametrize("status, sent", [(200, None), (429, "7"), (503, "7")])
def test_retry_after(listen, status, sent):
    one = listen("--status", status, "--retry-after", 7)
    assert one.call()[1]["Retry-After"] == sent


def test_delay_holds_up_each_call_and_no_other(listen):
    one = listen("--delay", "600ms")
    started = time.monotonic()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(one.call()[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    took = time.monotonic() - started
    assert answers == [200] * 20 and 0.6 <= took < 6


def test_fail_first_counts_by_webhook(listen):
    one = listen("--fail-first", 2, "--status", 202)
    for name in ("a", "b"):
        statuses = [one.call(headers={"Webhook-Id": name})[0] for _ in range(4)]
        assert statuses == [500, 500, 202, 202]


def test_fail_first_counts_by_connection_without_an_id(listen):
    one = listen("--fail-first", 1)
    for _ in range(2):
        with one.connection() as connection:
            assert [one.call(connection=connection)[0] for _ in range(3)] == [500, 200, 200]


def test_hang_shows_the_request_and_never_answers(listen):
    one = listen("--hang")
    with socket.create_connection((one.host, one.port), PATIENCE_S) as client:
        client.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert "hangs  POST /slow" in one.line()
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.recv(1)
        one.stop()
        client.settimeout(PATIENCE_S)
        assert client.recv(1) == b""


def test_callers_that_give_up_on_a_hanging_receiver_leave_nothing_behind(listen):
    one = listen("--hang")

    def files():
        return len(os.listdir(f"/proc/{one.process.pid}/fd"))

    before = files()
    for _ in range(50):
        with socket.create_connection((one.host, one.port), PATIENCE_S) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            one.line(), one.line()
    deadline = time.monotonic() + PATIENCE_S
    while files() > before:
        assert time.monotonic() < deadline, f"{files()} files are open, {before} were"
        time.sleep(0.01)


# ---- how it begins and ends ----------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("manners", [(), ("--hang",), ("--delay", "1h")], ids=["idle", "hang", "delay"])
def test_a_signal_ends_it_at_once(listen, number, manners):
    one = listen(*manners)
    with contextlib.ExitStack() as stack:
        for _ in range(5 if manners else 0):
            client = stack.enter_context(socket.create_connection((one.host, one.port), PATIENCE_S))
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
            one.line(), one.line()
        assert one.stop(number) < 5


def test_a_port_in_use(listen):
    one = listen()
    code, out, err = outhook("listen", one.port)
    assert (code, out) == (1, "") and err.startswith(f"outhook: port {one.port} of 127.0.0.1 is in use")
    assert err.count("\n") == 1


def test_the_port_can_be_used_again_at_once(listen):
    one = listen()
    one.call()
    one.stop()
    listen(port=str(one.port)).call()


def test_another_address(listen):
    one = listen("--address", "127.0.0.2")
    assert one.url.startswith("http://127.0.0.2:") and one.call()[0] == 200
    code, _, err = outhook("listen", "0", "--address", "nowhere.example")
    assert code == 2 and "nowhere.example is no address" in err


def test_it_listens_on_loopback_only(listen):
    assert listen().host == "127.0.0.1"


def test_it_ends_when_nobody_reads_on():
    reading, writing = os.pipe()
    process = subprocess.Popen([OUTHOOK, "listen", "0"], env=environment(), stdout=writing)
    os.close(writing)
    url = urllib.parse.urlsplit(os.read(reading, 1000).decode().split()[-1])
    os.close(reading)
    with socket.create_connection((url.hostname, url.port), PATIENCE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert process.wait(PATIENCE_S) == -signal.SIGPIPE


def test_it_needs_no_database():
    assert "--database" in succeed("listen", "--help")
