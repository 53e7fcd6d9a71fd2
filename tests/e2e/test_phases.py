"""How far each call came, as it is recorded and told."""

import socket
import threading

import pytest

from command import succeed
from database import add_endpoint, attempts, enqueue, wait_attempts
from receivers import DeafListener, hang, hang_in_body, hang_in_headers, refusing_url, reset_in_body, short_body

FAST = {"timeout_ms": 400, "connect_timeout_ms": 300}


class SilentTls:
    """Takes connections and says nothing, so that a TLS handshake never ends."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.kept.append(self.listener.accept())
            except OSError:
                return

    def url(self):
        return f"https://127.0.0.1:{self.listener.getsockname()[1]}/"


@pytest.mark.parametrize("phase, meaning, behaviour", [
    ("wait", "while waiting for the answer's headers", hang),
    ("wait", "while waiting for the answer's headers", hang_in_headers),
    ("body", "while reading the body", hang_in_body), ("body", "while reading the body", reset_in_body),
    ("body", "while reading the body", short_body), ("done", "after the whole answer", 500), ("done", None, 200)])
def test_of_an_answer(db, daemon, receiver, phase, meaning, behaviour):
    receiver.on("/hook", behaviour)
    add_endpoint(db, "a", receiver.url(), retry_schedule="1h", **FAST)
    daemon()
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["phase"] == phase
    shown = " ".join(succeed("show", "1", "--database", db).split())
    assert (f"ended {meaning}" in shown) if meaning else "ended" not in shown


def test_before_the_request(db, daemon):
    deaf, silent = DeafListener(), SilentTls()
    urls = [("connect", refusing_url()), ("connect", deaf.url()), ("tls", silent.url()),
            ("connect", "http://10.0.0.1/"), ("lookup", "http://no-such-host.invalid/")]
    for number, (_, url) in enumerate(urls):
        add_endpoint(db, f"e{number}", url, retry_schedule="1h", timeout_ms=3000, connect_timeout_ms=1000)
        enqueue(db, endpoint=f"e{number}")
    daemon()
    for number, (phase, url) in enumerate(urls, 1):
        (first,) = wait_attempts(db, 1, number)
        assert first["phase"] == phase, (url, dict(first))
    assert "during the TLS handshake" in attempts(db, 3)[0]["error"]
    deaf.stop()
    silent.listener.close()
