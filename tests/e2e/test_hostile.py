"""Receivers that do what they can to hurt the sender. Each case of the table is an endpoint whose receiver plays a
script; all are called at once, twice, by one daemon, which meanwhile delivers to a healthy endpoint as ever.
"""

import threading
import zlib

import pytest

from command import rows
from daemon import BUILD
from database import add_endpoint, attempts, delivery, enqueue, query, run, value
from scripted import ScriptedReceiver, again, drain, expect, forever, half_close, hold, http_date, request, reset, \
    send, sleep, slowly
from waiting import wait_until

TIMEOUT_MS = 3000
SCHEDULE_MS = 600_000
BYTES_MAX = 2 * 15_000_000  # of two calls, with what stands in the sockets' buffers
HOUR_MS = 3_600_000
RETRY_AFTER_MAX_MS = 24 * HOUR_MS
LARGE = "x" * 4_000_000

OK = "HTTP/1.1 200 OK\r\n"
DONE = OK + "Content-Length: 0\r\nConnection: close\r\n\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n"
BOMB = zlib.compressobj(9, zlib.DEFLATED, 31)
BOMB = BOMB.compress(bytes(50_000_000)) + BOMB.flush()


class Case:
    """How a receiver behaves, and what is to be recorded of a call to it.

    `verdict` may be several words, parted by a slash, where the kernel decides which end comes first. `status` is
    what attempts.status_code holds. `words` stand in the error. `hold_ms`: how long the endpoint is left alone.
    """

    def __init__(self, script, verdict, status=None, words="", body=None, payload="{}", hold_ms=None):
        self.script, self.verdicts, self.status = script, verdict.split("/"), status
        self.words, self.body, self.payload, self.hold_ms = words, body, payload, hold_ms


def answers(*steps, verdict, **expected):
    """Reads the request and then does what the steps say; text stands for sending it."""
    return Case([request, *(send(step) if isinstance(step, (str, bytes)) else step for step in steps)],
                verdict, **expected)


def throttles(value, hold_ms, status=503):
    """An answer with Retry-After, on a connection that is closed after it."""
    verdict = "throttled" if hold_ms or status == 429 else "failed"
    return answers(f"HTTP/1.1 {status} Later\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n",
                   verdict=verdict, status=status, hold_ms=hold_ms)


CASES = {
    # ---- without end: cut off by a limit of bytes, long before the timeout
    "endless headers": answers(OK, forever(b"X-Again: " + b"y" * 1000 + b"\r\n"), verdict="failed"),
    "one endless header line": answers(OK + "X-Long: ", forever(b"y" * 4096), verdict="failed",
                                       words="a line of it is longer"),
    "an endless status line": answers("HTTP/1.1 200 ", forever(b"y" * 4096), verdict="failed"),
    "an endless chunked body": answers(CHUNKED, forever(b"1000\r\n" + b"x" * 4096 + b"\r\n"),
                                       verdict="delivered", status=200, words="cut after 65536 bytes"),
    "an endless body that nothing announces": answers(OK + "\r\n", forever(b"x" * 4096), verdict="delivered",
                                                      status=200, words="cut"),
    "an endless body of a refusal": answers("HTTP/1.1 404 No\r\n\r\n", forever(b"x" * 4096), verdict="rejected",
                                            status=404),
    "endless trailers": answers(CHUNKED + "0\r\n", forever(b"X-Trailer: " + b"y" * 1000 + b"\r\n"),
                                verdict="failed", status=200, words="without end"),
    "one endless trailer": answers(CHUNKED + "0\r\nX-Trailer: ", forever(b"y" * 4096), verdict="failed", status=200),
    "an endless chunk extension": answers(CHUNKED + "1;", forever(b"y" * 4096), verdict="failed", status=200,
                                         words="without end"),
    "an endless chunk extension of another version": answers("HTTP/2 200\r\nTransfer-Encoding: chunked\r\n\r\n1;",
                                                             forever(b"y" * 4096), verdict="failed", status=200),

    # ---- slow: each byte is in time, and the whole never
    "a byte a second in the status line": answers(slowly(OK, 1), verdict="timeout", words="timed out"),
    "a byte a second in the headers": answers(OK, slowly("X-Slow: " + "y" * 60, 1), verdict="timeout",
                                              words="waiting for the answer's headers"),
    "a byte a second in the body": answers(OK + "Content-Length: 100\r\n\r\n", slowly("x" * 100, 1),
                                           verdict="timeout", status=200, words="reading the body"),
    "a byte a second of chunks": answers(CHUNKED, slowly("1\r\nx\r\n" * 20, 1), verdict="timeout", status=200),
    "silence after the request": answers(hold, verdict="timeout"),
    "a request that nobody reads": Case([hold], "timeout", payload=LARGE),

    # ---- compression: never asked for, so nothing is unpacked; by Transfer-Encoding libcurl does it all the same, up
    # to the limit of bytes
    "a gzip bomb": answers(OK + f"Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n", BOMB,
                           verdict="delivered", status=200, body=BOMB[:4096]),
    "a gzip bomb as transfer encoding": answers(OK + "Transfer-Encoding: gzip\r\nConnection: close\r\n\r\n", BOMB,
                                                verdict="delivered", status=200, words="cut"),
    "bombs within bombs": answers(OK + "Transfer-Encoding: " + "gzip, " * 50 + "gzip\r\n\r\n", BOMB, verdict="failed"),

    # ---- interim answers: they are none, however many
    "100 before the request is read": Case([send("HTTP/1.1 100 Continue\r\n\r\n"), request, send(DONE)],
                                           "delivered", 200),
    "100 and then nothing": answers("HTTP/1.1 100 Continue\r\n\r\n", hold, verdict="timeout", words="waiting for"),
    "417 to an expectation that we never had": answers("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n",
                                                       verdict="rejected", status=417),
    "a few 1xx and then the answer": answers("HTTP/1.1 102 Processing\r\n\r\n" * 3
                                             + "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", DONE,
                                             verdict="delivered", status=200),
    "1xx without end": answers(forever(b"HTTP/1.1 102 Processing\r\n\r\n" * 40), verdict="failed"),
    "1xx every now and then": answers(forever(b"HTTP/1.1 102 Processing\r\n\r\n", every=0.3), verdict="timeout"),
    "101 to an upgrade that we never wanted": answers("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
                                                      sleep(0.3), verdict="failed"),

    # ---- the answer comes while we still send: a refusal ends the call, and so does an answer that ends the
    # connection; after another one the rest is sent, as it has to be on a connection that stays
    "413 early, and the body is not read": Case([expect(b"\r\n\r\n"),
                                                 send("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"), hold],
                                                "rejected", 413, payload=LARGE),
    "413 early, and the body is read": Case([expect(b"\r\n\r\n"),
                                             send("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"), drain],
                                            "rejected", 413, payload=LARGE),
    "413 early, and a reset": Case([expect(b"\r\n\r\n"), send("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"),
                                    sleep(0.2), reset], "rejected", 413, payload=LARGE),
    "200 early, and the body is read": Case([expect(b"\r\n\r\n"), send(DONE), drain], "delivered", 200, payload=LARGE),
    "200 early, with the connection's end": Case([expect(b"\r\n\r\n"), send(DONE), hold], "delivered", 200,
                                                 payload=LARGE),
    "200 early, and the body is not read": Case([expect(b"\r\n\r\n"), send(OK + "Content-Length: 0\r\n\r\n"), hold],
                                                "timeout", 200, payload=LARGE),

    # ---- resets, in every phase: whether anything has arrived nobody knows, so it failed
    "reset at accept": Case([reset], "failed/unreachable"),
    "reset in the request's headers": Case([expect(b"POST"), reset], "failed"),
    "reset in the request's body": Case([expect(b"xxxx"), reset], "failed", payload=LARGE),
    "reset before the answer": answers(reset, verdict="failed"),
    "reset in the status line": answers("HTTP/1.", sleep(0.1), reset, verdict="failed"),
    "reset in the headers": answers(OK + "Content-Ty", sleep(0.1), reset, verdict="failed"),
    "reset in the body": answers(OK + "Content-Length: 100\r\n\r\nfirst", sleep(0.1), reset, verdict="failed",
                                 status=200),
    "reset between chunks": answers(CHUNKED + "5\r\nfirst\r\n", sleep(0.1), reset, verdict="failed", status=200),
    "reset after the answer": answers(DONE, sleep(0.1), reset, verdict="delivered", status=200),

    # ---- half of the connection is closed
    "half-close at accept": Case([half_close, drain], "failed"),
    "half-close before the answer": answers(half_close, drain, verdict="failed"),
    "half-close in the headers": answers(OK + "Content-Ty", half_close, drain, verdict="failed"),
    "half-close in the body": answers(OK + "Content-Length: 100\r\n\r\nfirst", half_close, drain, verdict="failed",
                                      status=200),
    "half-close after the answer": answers(DONE, half_close, drain, verdict="delivered", status=200),
    "half-close ends the body": answers(OK + "\r\nall of it", half_close, drain, verdict="delivered", status=200,
                                        body=b"all of it"),

    # ---- Retry-After: as long as the configuration allows, and not a moment longer
    "Retry-After of an hour": throttles("3600", HOUR_MS),
    "Retry-After of 10^30": throttles("1" + "0" * 30, RETRY_AFTER_MAX_MS),
    "Retry-After of 2^63": throttles(str(2**63), RETRY_AFTER_MAX_MS),
    "Retry-After of 429 and 10^300": throttles("1" + "0" * 300, RETRY_AFTER_MAX_MS, 429),
    "Retry-After below zero": throttles("-5", 0),
    "Retry-After of zero": throttles("0", 0),
    "Retry-After of a fraction": throttles("1.5", 0),
    "Retry-After of hex": throttles("0x7fffffff", 0),
    "Retry-After of nothing": throttles("", 0),
    "Retry-After of garbage": throttles("soon \xff, or later", 0),
    "Retry-After with garbage behind it": throttles("3600 seconds", 0),
    "Retry-After at a date": throttles(http_date(3600), HOUR_MS),
    "Retry-After at a date far away": throttles("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_MS),
    "Retry-After at a date in the past": throttles("Sun, 06 Nov 1994 08:49:37 GMT", 0),
    "Retry-After at a date that isn't": throttles("Sun, 99 Nov 2094 88:49:37 GMT", 0),
    "Retry-After twice": throttles("garbage\r\nRetry-After: 3600", HOUR_MS),

    # ---- headers: what can be no header is no answer; odd bytes are kept as text
    "bytes beyond ASCII in a header": answers(OK + "X-Odd: \xff\xfe\x80\r\nContent-Length: 0\r\n\r\n",
                                              verdict="delivered", status=200),
    "NUL in a header": answers(OK + "X-Odd: a\0b\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "NUL in the status line": answers("HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "control characters in a header": answers(OK + "X-Odd: \x1b[31m\x07\x7f\r\nContent-Length: 0\r\n\r\n",
                                              verdict="delivered", status=200),
    "a header without a colon": answers(OK + "nothing\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "a folded header": answers(OK + "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n", verdict="delivered", status=200),
    "bare line feeds": answers("HTTP/1.1 200 OK\nContent-Length: 0\n\n", verdict="delivered", status=200),
    "no headers at all": answers(OK + "\r\n", verdict="delivered", status=200),

    # ---- the body's length: of a length that can't be, libcurl believes none; of two, the last one. The answer has
    # arrived all the same when its status has and the connection ended as it said it would.
    "fewer bytes than promised": answers(OK + "Content-Length: 100\r\n\r\nfirst", verdict="failed", status=200),
    "more bytes than promised": answers(OK + "Content-Length: 5\r\n\r\nfirst and more", verdict="delivered",
                                        status=200, body=b"first"),
    "a length below zero": answers(OK + "Content-Length: -5\r\n\r\nfirst", verdict="failed"),
    "a length of 10^30": answers(OK + f"Content-Length: 1{'0' * 30}\r\n\r\nfirst", verdict="delivered", status=200),
    "a length that is no number": answers(OK + "Content-Length: five\r\n\r\nfirst", verdict="failed"),
    "two lengths": answers(OK + "Content-Length: 5\r\nContent-Length: 9\r\n\r\nfirst", verdict="failed", status=200),
    "a length and chunks": answers(OK + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n",
                                   verdict="delivered", status=200, body=b"first"),
    "a body where none may be": answers("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nfirst",
                                        verdict="delivered", status=204),

    # ---- chunks
    "a chunk that is no number": answers(CHUNKED + "five\r\nfirst\r\n", verdict="failed", status=200),
    "a chunk of 2^64": answers(CHUNKED + "10000000000000000\r\nfirst", verdict="failed", status=200),
    "a chunk below zero": answers(CHUNKED + "-5\r\nfirst\r\n", verdict="failed", status=200),
    "a chunk longer than it says": answers(CHUNKED + "2\r\nfirst\r\n0\r\n\r\n", verdict="failed", status=200),
    "chunks without an end": answers(CHUNKED + "5\r\nfirst\r\n", verdict="failed", status=200),
    "an unknown transfer encoding": answers(OK + "Transfer-Encoding: rot13\r\n\r\nsvefg", verdict="failed", status=200),

    # ---- other protocols
    "HTTP/0.9": answers("all of it", verdict="failed"),
    "HTTP/1.0 that closes": answers("HTTP/1.0 200 OK\r\n\r\nall of it", verdict="delivered", status=200,
                                    body=b"all of it"),
    "HTTP/2 without having been asked": answers("HTTP/2 200\r\n\r\n", verdict="delivered", status=200),
    "HTTP/9.9": answers("HTTP/9.9 200 OK\r\n\r\n", verdict="failed"),
    "another protocol": answers("220 smtp.example ESMTP\r\n", verdict="failed"),
    "TLS where there should be none": answers(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
                                              verdict="failed"),
    "an HTTP answer before the request": Case([send(DONE), drain], "delivered", 200),

    # ---- statuses that there are not, from 000 to three digits of nonsense
    "status 000": answers("HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "status 099": answers("HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "status 99": answers("HTTP/1.1 99 No\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "status 1000": answers("HTTP/1.1 1000 No\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "status 2000": answers("HTTP/1.1 2000 No\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "status -1": answers("HTTP/1.1 -1 No\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "status 2x0": answers("HTTP/1.1 2x0 No\r\nContent-Length: 0\r\n\r\n", verdict="failed"),
    "status 999": answers("HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", verdict="failed", status=999),
    "status 600": answers("HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n", verdict="failed", status=600),
    "a status without a reason": answers("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", verdict="delivered", status=200),
}


def mistakes(case, receiver, attempt, wait_ms):
    """What was recorded otherwise than the table says."""
    got = []
    if attempt["verdict"] not in case.verdicts:
        got.append(f"verdict {attempt['verdict']} instead of {'/'.join(case.verdicts)}")
    if attempt["status_code"] != case.status:
        got.append(f"status {attempt['status_code']} instead of {case.status}")
    if (attempt["error"] is None) != (attempt["verdict"] == "delivered" and "cut" not in case.words):
        got.append(f"error {attempt['error']!r}")
    if case.words and case.words not in (attempt["error"] or ""):
        got.append(f"no {case.words!r} in the error {attempt['error']!r}")
    if case.body is not None and attempt["response_body"] != case.body:
        got.append(f"body {attempt['response_body'][:40]!r}")
    if attempt["duration_ms"] > TIMEOUT_MS * 2:
        got.append(f"took {attempt['duration_ms']} ms")
    if receiver.bytes_sent > BYTES_MAX:
        got.append(f"{receiver.bytes_sent} bytes were read")
    least = max(case.hold_ms or 0, SCHEDULE_MS)
    if attempt["verdict"] != "delivered" and not least * 0.9 - 2000 <= wait_ms <= least * 1.1 + 60_000:
        got.append(f"tried again after {wait_ms} ms instead of {least}")
    return got


def is_sanitized():
    return b"__asan_init" in (binary := (BUILD / "outhookd").read_bytes()) or b"__tsan_init" in binary


class Heartbeat:
    """Enqueues to a healthy endpoint all the time."""

    def __init__(self, db):
        self.db, self.count, self.stopping = db, 0, threading.Event()
        self.thread = threading.Thread(target=self._beat)
        self.thread.start()

    def _beat(self):
        while not self.stopping.wait(0.1):
            run(self.db, "INSERT INTO webhooks (endpoint, payload) VALUES ('healthy', '{}')")
            self.count += 1

    def stop(self):
        self.stopping.set()
        self.thread.join()


@pytest.fixture
def hostile():
    receivers = {name: ScriptedReceiver(case.script) for name, case in CASES.items()}
    yield receivers
    for one in receivers.values():
        one.stop()


def call_all(db, cases):
    """One delivery to each hostile endpoint; returns {name: its row with its attempt} when all have ended."""
    first = value(db, "SELECT coalesce(max(id), 0) FROM attempts")
    ids = {name: enqueue(db, case.payload, endpoint=name) for name, case in cases.items()}
    wanted = ", ".join(map(str, ids.values()))
    wait_until(lambda: value(db, f"""SELECT count(*) FROM attempts WHERE id > {first} AND delivery_id IN ({wanted})""")
               == len(ids), what="all calls have ended")
    return {name: {**delivery(db, id_), **attempts(db, id_)[0]} for name, id_ in ids.items()}


def test_hostile_receivers(db, daemon, hostile, new_receiver):
    for name, one in hostile.items():
        add_endpoint(db, name, one.url(), retry_schedule=f"{SCHEDULE_MS}ms", timeout_ms=TIMEOUT_MS)
    add_endpoint(db, "healthy", new_receiver().url())
    server = daemon(max_in_flight=400, breaker_failures=1000, retry_jitter=0)
    beat = Heartbeat(db)
    memory, wrong = [], {}
    try:
        for cases in (CASES, {name: case for name, case in CASES.items() if not case.hold_ms}):
            for name, row in call_all(db, cases).items():
                wait_ms = row["due_at"] - row["started_at"] - row["duration_ms"]
                wrong.setdefault(name, []).extend(mistakes(CASES[name], hostile[name], row, wait_ms))
            memory.append(server.memory())
    finally:
        beat.stop()
    wrong = {name: what for name, what in wrong.items() if what}
    assert not wrong, "\n".join(f"{name}: {'; '.join(what)}" for name, what in wrong.items())

    wait_until(lambda: value(db, "SELECT count(*) FROM endpoints JOIN deliveries ON endpoint_id = endpoints.id "
                                 "WHERE name = 'healthy' AND status = 'pending'") == 0, what="the healthy one's are all done")
    healthy = query(db, """SELECT verdict, max(duration_ms) AS slowest, count(*) AS n FROM attempts
        JOIN deliveries ON deliveries.id = delivery_id JOIN endpoints ON endpoints.id = endpoint_id
        WHERE endpoints.name = 'healthy' GROUP BY verdict""")
    assert [(row["verdict"], row["n"]) for row in healthy] == [("delivered", beat.count)], healthy
    if not is_sanitized():
        assert healthy[0]["slowest"] < TIMEOUT_MS
        # The payloads themselves may stand in malloc()'s heap for a while, or not yet have, when it is measured.
        payloads = sum(len(case.payload) for case in CASES.values())
        assert memory[1] < memory[0] + payloads + 8_000_000, memory
    for row in rows("list", "--limit", "0", "--database", db):
        rows("show", row["id"], "--database", db)
