"""HTTP/2 for the endpoints that chose it: one connection carries many calls at once. What goes wrong with it is in
test_hostile_h2.py."""

import signal
import threading

import pytest

import receivers
from command import succeed
from database import add_endpoint, attempts, enqueue, refused, run, value, wait_settled, wait_status
from waiting import wait_until

h2_receiver = pytest.importorskip("h2_receiver", reason="python3-h2 is missing")


@pytest.fixture
def new_h2(certificates):
    started = []

    def start(script):
        started.append(h2_receiver.H2Receiver(script, certificates / "good.pem", certificates / "good.key"))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def answer(call):
    call.headers(200, end=True)


def test_one_connection_carries_many_deliveries_at_once(db, daemon, certificates, new_h2):
    """They are held until three are there, which over HTTP/1.1 would take three connections."""
    held, lock = [], threading.Lock()

    def hold(call):
        with lock:
            held.append(call)
            if len(held) == 3:
                for one in held:
                    answer(one)
                held.clear()

    one = new_h2(answer)
    add_endpoint(db, "a", one.url(), http_version="2", max_in_flight=10)
    daemon(ca_file=certificates / "ca.pem", workers=1)
    enqueue(db, endpoint="a")  # from here on it is known to answer, and may have four at once
    wait_settled(db)
    one.script = hold
    run(db, "INSERT INTO webhooks (endpoint, payload) SELECT 'a', value FROM generate_series(1, 60)")
    wait_settled(db)
    assert one.requests == 61 and one.connections == 1


def test_without_the_choice_it_is_http_1_1(db, daemon, certificates, tls_receiver, new_h2):
    one = tls_receiver()
    add_endpoint(db, "plain", one.https)
    add_endpoint(db, "chosen", one.https, http_version="2")  # which this receiver doesn't speak
    daemon(ca_file=certificates / "ca.pem")
    for endpoint in ("plain", "chosen"):
        enqueue(db, endpoint, endpoint=endpoint)
    wait_settled(db)
    assert sorted(request.body for request in one.got()) == [b"chosen", b"plain"]
    assert all(request.head.split(b"\r\n")[0].endswith(b"HTTP/1.1") for request in one.got())


def test_over_http_the_choice_changes_nothing(db, daemon, receiver):
    """No call waits for what the answer to another will say of HTTP/2: here none comes before there are two."""
    close, both = receivers.answer(200, {"Connection": "close"}), threading.Barrier(2)
    receiver.on("/hook", close)
    add_endpoint(db, "a", receiver.url(), http_version="2")
    daemon(workers=1, timeout="5s", retry_schedule="1h")
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    receiver.on("/hook", lambda call: (both.wait(20), close(call)))
    run(db, "INSERT INTO webhooks (endpoint, payload) VALUES ('a', 1), ('a', 2)")
    for number in (2, 3):
        wait_status(db, "delivered", number)


def test_it_is_chosen_by_the_command_and_by_sql(db, daemon, certificates, new_h2):
    one = new_h2(answer)
    succeed("endpoint", "add", "a", one.url(), "--http-version", "2", "--database", db)
    assert value(db, "SELECT http_version FROM endpoints") == "2"
    daemon(ca_file=certificates / "ca.pem")
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    succeed("endpoint", "set", "a", "http_version=", "--database", db)
    assert value(db, "SELECT http_version FROM endpoints") == "1.1"
    assert "http_version is 1.1 or 2" in refused(db, "UPDATE endpoints SET http_version = '3'")


def test_an_address_that_is_denied_meanwhile_gets_no_further_stream(db, daemon, certificates, new_h2, tmp_path):

    config = tmp_path / "outhookd.conf"
    text = f"ca_file = {certificates / 'ca.pem'}\nretry_schedule = 1h\nallow_networks = 127.0.0.0/8\n"
    config.write_text(text)
    one = new_h2(answer)
    add_endpoint(db, "a", one.url(), http_version="2")
    running = daemon(config=config, allow=None)
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")
    config.write_text(text + "deny_networks = 127.0.0.1\n")
    running.signal(signal.SIGHUP)
    running.wait_for_line("was reloaded")
    enqueue(db, endpoint="a")
    wait_until(lambda: attempts(db, 2))
    assert attempts(db, 2)[0]["verdict"] == "blocked" and (one.requests, one.connections) == (1, 1)
