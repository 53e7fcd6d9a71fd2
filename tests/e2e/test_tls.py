"""https: whom the daemon trusts, and what it says when it doesn't."""

import re
import ssl

import pytest

from database import add_endpoint, enqueue, run, value, wait_attempts, wait_settled, wait_status
from inotify import Opens
from receivers import answer
from waiting import wait_until

ONCE = {"retry_schedule": "1h", "breaker_failures": 1000}


def test_a_certificate_of_a_trusted_authority(db, daemon, certificates, tls_receiver):
    one = tls_receiver()
    daemon(ca_file=certificates / "ca.pem")
    enqueue(db, '{"secret":1}', url=one.https)
    wait_status(db, "delivered")
    assert one.got()[0].body == b'{"secret":1}'


def test_an_endpoints_own_authority(db, daemon, certificates, tls_receiver):
    one = tls_receiver()
    add_endpoint(db, "a", one.https, tls_ca_file=str(certificates / "ca.pem"))
    daemon()
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")


@pytest.mark.parametrize("name, trusted, sentence", [
    ("good", False, "of an authority that is not trusted"), ("elsewhere", True, "is for another host name"),
    ("expired", True, "has expired"), ("early", True, "is not valid yet"), ("selfsigned", True, "is self-signed")])
def test_a_certificate_that_does_not_hold(db, daemon, certificates, tls_receiver, name, trusted, sentence):
    one = tls_receiver(name)
    daemon(**ONCE, **({"ca_file": certificates / "ca.pem"} if trusted else {}))
    enqueue(db, url=one.https)
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and first["error"].startswith("can't connect: its certificate")
    assert sentence in first["error"] and one.got() == []


def test_plain_text_where_tls_should_be(db, daemon, new_receiver):
    """As servers do that take the first bytes of TLS for a request."""
    one = new_receiver(on_connect=lambda sock: sock.recv(1000) and sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    daemon(**ONCE)
    enqueue(db, url=one.url().replace("http:", "https:"))
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and "does not speak TLS on this port" in first["error"]


def test_tls_where_plain_text_should_be(db, daemon, tls_receiver):
    one = tls_receiver()
    daemon(**ONCE)
    enqueue(db, url=one.url())
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "failed" and first["error"] and one.got() == []


def test_tls_insecure_is_for_one_endpoint_only(db, daemon, tls_receiver):
    one = tls_receiver("elsewhere")
    add_endpoint(db, "lax", one.https, tls_insecure=1)
    daemon(**ONCE)
    enqueue(db, "lax", endpoint="lax")
    wait_status(db, "delivered", 1)
    enqueue(db, "strict", url=one.https)
    assert wait_attempts(db, 1, 2)[0]["verdict"] == "unreachable"
    assert [request.body for request in one.got()] == [b"lax"], "no connection of the lax one is used"


def test_nothing_of_a_call_stays_for_the_next_one(db, daemon, certificates, receiver, tls_receiver):
    """All calls are made by one handle, which keeps its options from call to call while they succeed."""
    lax, trusted, asking = tls_receiver("elsewhere"), tls_receiver(), tls_receiver(client_ca=certificates / "ca.pem")
    authority = {"tls_ca_file": str(certificates / "ca.pem")}
    add_endpoint(db, "lax", lax.https, tls_insecure=1)
    add_endpoint(db, "strict", lax.https)
    add_endpoint(db, "own authority", trusted.https, **authority)
    add_endpoint(db, "no authority", trusted.https)
    add_endpoint(db, "certificate", asking.https, **authority, tls_cert_file=str(certificates / "good.pem"),
                 tls_key_file=str(certificates / "good.key"))
    add_endpoint(db, "no certificate", asking.https, **authority)
    add_endpoint(db, "headers", receiver.url("/headers"), headers='{"X-Own": "1"}')
    daemon(workers=1, max_in_flight=1, **ONCE)
    name = receiver.url("/name").replace("127.0.0.1", "localhost")
    calls = [({"url": receiver.url("/plain")}, "delivered"), ({"url": receiver.url("/put"), "method": "PUT"}, "delivered"),
             ({"endpoint": "headers"}, "delivered"), ({"endpoint": "lax"}, "delivered"), ({"endpoint": "strict"}, "unreachable"),
             ({"endpoint": "own authority"}, "delivered"), ({"endpoint": "no authority"}, "unreachable"),
             ({"endpoint": "certificate"}, "delivered"), ({"endpoint": "no certificate"}, "failed|unreachable"),
             ({"url": name}, "delivered"), ({"endpoint": "lax"}, "delivered"), ({"url": receiver.url("/plain")}, "delivered")]
    for number, (columns, verdict) in enumerate(2 * calls):
        id_ = enqueue(db, f'{{"n":{number}}}' + " " * number, **columns)
        assert re.fullmatch(verdict, wait_attempts(db, 1, id_)[0]["verdict"]), columns
    assert [(request.method, request.target, request.header("x-own"), request.header("user-agent") is None)
            for request in receiver.got()] == [("POST", "/plain", None, False), ("PUT", "/put", None, False),
                                               ("POST", "/headers", "1", False), ("POST", "/name", None, False),
                                               ("POST", "/plain", None, False)] * 2
    assert [len(one.got()) for one in (lax, trusted, asking)] == [4, 2, 2]
    assert len({request.body for one in (receiver, lax, trusted, asking) for request in one.got()}) == 18


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_too_old(db, daemon, tls_receiver):
    one = tls_receiver(most=ssl.TLSVersion.TLSv1_1)
    add_endpoint(db, "a", one.https, tls_insecure=1)
    daemon(**ONCE)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and "no TLS version that is safe" in first["error"] and one.got() == []


def test_a_client_certificate(db, daemon, certificates, tls_receiver):
    one = tls_receiver(client_ca=certificates / "ca.pem")
    add_endpoint(db, "a", one.https, tls_ca_file=str(certificates / "ca.pem"),
                 tls_cert_file=str(certificates / "good.pem"), tls_key_file=str(certificates / "good.key"))
    add_endpoint(db, "without", one.https, tls_ca_file=str(certificates / "ca.pem"))
    daemon(**ONCE)
    enqueue(db, "with", endpoint="a")
    wait_status(db, "delivered", 1)
    enqueue(db, "without", endpoint="without")
    (second,) = wait_attempts(db, 1, 2)
    assert second["verdict"] in ("unreachable", "failed")
    # It says so in an alert, and closes, which may be noticed first.
    assert any(words in second["error"] for words in ("it wants a client certificate", "not connected", "reset"))
    assert [request.body for request in one.got()] == [b"with"]


@pytest.mark.parametrize("cert, key", [("missing.pem", "good.key"), ("good.pem", "missing.key"),
                                       ("good.pem", "expired.key"), ("good.key", "good.key")])
def test_a_client_certificate_that_cant_be_used(db, daemon, certificates, tls_receiver, cert, key):
    one = tls_receiver(client_ca=certificates / "ca.pem")
    add_endpoint(db, "a", one.https, tls_ca_file=str(certificates / "ca.pem"),
                 tls_cert_file=str(certificates / cert), tls_key_file=str(certificates / key))
    daemon(**ONCE)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and "the client certificate can't be used" in first["error"]


def test_an_insecure_endpoint_is_spoken_of_each_time_it_is_read(db, daemon, tls_receiver):
    one = tls_receiver("elsewhere")
    add_endpoint(db, "lax", one.https, tls_insecure=1)
    running = daemon(**ONCE)
    for number in range(5):
        enqueue(db, str(number), endpoint="lax")
    wait_settled(db)
    assert len(running.lines("warning", "endpoint lax has tls_insecure")) == 1, "not with each call"
    run(db, "UPDATE endpoints SET timeout_ms = 900")
    wait_until(lambda: len(running.lines("warning", "endpoint lax has tls_insecure")) == 2)


def test_roots_are_read_once_and_sessions_are_taken_up(db, daemon, certificates, tls_receiver):
    """Each call makes a connection of its own here."""
    one = tls_receiver()
    resumed = []
    one.on("/hook", lambda call: (resumed.append(call.sock.session_reused),
                                  answer(200, {"Connection": "close"})(call)))
    with Opens(certificates / "ca.pem") as opens:
        daemon(ca_file=certificates / "ca.pem", workers=1)
        for number in range(1, 21):
            enqueue(db, str(number), url=one.https)
            wait_status(db, "delivered", number)
        assert one.connections == 20
        assert 1 <= opens.count() <= 2, f"{opens.count()} times for 20 connections"
    assert sum(resumed) >= 15, resumed


def test_connections_are_kept(db, daemon, certificates, tls_receiver):
    one = tls_receiver()
    daemon(ca_file=certificates / "ca.pem", workers=1)
    for number in range(1, 21):
        enqueue(db, str(number), url=one.https)
        wait_status(db, "delivered", number)
    assert one.connections == 1


def test_a_ca_file_that_is_missing_is_said_so(db, daemon, tls_receiver):
    one = tls_receiver()
    add_endpoint(db, "a", one.https, tls_ca_file="/nonexistent/ca.pem")
    daemon(**ONCE)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] in ("unreachable", "invalid") and "/nonexistent/ca.pem" in first["error"]
    run(db, "UPDATE deliveries SET status = 'cancelled'")
