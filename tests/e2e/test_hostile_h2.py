"""HTTP/2 receivers that go away or take a call back in the middle of it. Like test_hostile.py: all at once."""

import subprocess

import pytest

from database import REPOSITORY, add_endpoint, attempts, enqueue, value
from waiting import wait_until

if "http_version" not in (REPOSITORY / "migrations" / "0001_contract.sql").read_text():
    pytest.skip("endpoints have no http_version", allow_module_level=True)
h2_receiver = pytest.importorskip("h2_receiver", reason="python3-h2 is missing")

TIMEOUT_MS = 3000
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 11


def answer(call):
    call.headers(200, end=True)


def goaway(code, includes=False, then=None):
    def script(call):
        call.goaway(code, call.stream if includes else 0)
        (then or (lambda _: None))(call)
    return script


def reset(code, headers=None, data=None):
    def script(call):
        if headers:
            call.headers(headers)
        if data:
            call.data(data)
        call.reset(code)
    return script


def goaway_in_body(call):
    call.headers(200)
    call.data(b"first")
    call.goaway(INTERNAL_ERROR, 0)
    call.sock.shutdown(2)


def headers_only(call):
    call.headers(200)


NO_WINDOW = "a window that stays closed"

# name: (script, verdicts, statuses)
CASES = {
    "an answer": (answer, {"delivered"}, {200}),
    "GOAWAY, and the call is not taken": (goaway(NO_ERROR), {"failed", "timeout"}, {None}),
    "GOAWAY for an error": (goaway(PROTOCOL_ERROR), {"failed", "timeout"}, {None}),
    "GOAWAY, and the call is still answered": (goaway(NO_ERROR, includes=True, then=answer),
                                               {"delivered"}, {200}),
    "GOAWAY in the body": (goaway_in_body, {"failed"}, {200}),
    "RST_STREAM, refused": (reset(REFUSED_STREAM), {"failed"}, {None}),
    "RST_STREAM before the answer": (reset(INTERNAL_ERROR), {"failed"}, {None}),
    "RST_STREAM, to be calm": (reset(ENHANCE_YOUR_CALM), {"failed"}, {None}),
    "RST_STREAM after the headers": (reset(INTERNAL_ERROR, headers=200), {"failed"}, {200}),
    "RST_STREAM in the body": (reset(INTERNAL_ERROR, headers=200, data=b"first"), {"failed"}, {200}),
    "no end of the stream": (headers_only, {"timeout"}, {200}),
    NO_WINDOW: (answer, {"timeout"}, {None}),
}


@pytest.fixture
def certificate(tmp_path):
    """Signs itself, for 127.0.0.1."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=h2", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def hostile(certificate):
    started = {name: h2_receiver.H2Receiver(script, *certificate, takes_data=name != NO_WINDOW)
               for name, (script, _, _) in CASES.items()}
    yield started
    for one in started.values():
        one.stop()


def test_hostile_http_2_receivers(db, daemon, hostile, certificate, new_receiver):
    healthy = new_receiver()
    for name, one in hostile.items():
        add_endpoint(db, name, one.url(), http_version="2", tls_ca_file=str(certificate[0]), retry_schedule="1h",
                     timeout_ms=TIMEOUT_MS)
    daemon(breaker_failures=1000)
    for _ in range(2):
        ids = {name: enqueue(db, "x" * 100_000, endpoint=name) for name in CASES}
        for number in range(10):
            enqueue(db, url=healthy.url())
        wanted = ", ".join(map(str, ids.values()))
        wait_until(lambda: value(db, f"SELECT count(*) FROM attempts WHERE delivery_id IN ({wanted})") == len(ids),
                   what="all calls have ended")
        wrong = {}
        for name, id_ in ids.items():
            (row,) = attempts(db, id_)
            _, verdicts, statuses = CASES[name]
            if row["verdict"] not in verdicts or row["status_code"] not in statuses or \
                    row["duration_ms"] > 2 * TIMEOUT_MS or (row["error"] is None) != (row["verdict"] == "delivered"):
                wrong[name] = (row["verdict"], row["status_code"], row["duration_ms"], row["error"])
        assert not wrong, "\n".join(f"{name}: {what}" for name, what in wrong.items())
    healthy.wait(20)
    assert hostile["an answer"].requests == 2
