"""Where calls may go, and what of the environment they must not listen to."""

import pytest

from database import add_endpoint, attempts, delivery, enqueue, wait_attempts, wait_status
from receivers import answer
from waiting import stays, wait_until

ONCE = {"retry_schedule": "1h", "breaker_failures": 1000}


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "127.0.0.2", "0.0.0.0", "0",
    "[::1]", "[::ffff:127.0.0.1]", "[::]", "[::127.0.0.1]", "LOCALHOST", "localhost."])
def test_loopback_is_refused_by_default_however_it_is_written(db, daemon, new_receiver, host):
    touched = []
    one = new_receiver(on_connect=lambda sock: touched.append(sock) or True)
    daemon(allow=None, **ONCE)
    enqueue(db, url=f"http://{host}:{one.port}/hook")
    (first,) = wait_attempts(db, 1)
    # Some of these are no address at all to the resolver; none may connect.
    assert first["verdict"] in ("blocked", "unreachable", "invalid"), first
    if host in ("127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]"):
        assert first["verdict"] == "blocked", first
    assert first["error"] and not touched and one.connections == 0


@pytest.mark.parametrize("address", [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::ffff:10.0.0.1]"])
def test_what_is_not_public_is_refused(db, daemon, address):
    daemon(allow=None, connect_timeout="3s", **ONCE)
    enqueue(db, url=f"http://{address}/hook")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "blocked" and first["status_code"] is None and first["error"]
    assert delivery(db)["status"] == "pending"


def test_an_allowed_network_may_be_called(db, daemon, receiver):
    daemon(allow="10.0.0.0/8 127.0.0.1/32", **ONCE)
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")


def test_deny_wins_over_allow(db, daemon, receiver):
    daemon(allow="127.0.0.0/8", deny_networks="127.0.0.1", **ONCE)
    enqueue(db, url=receiver.url())
    assert wait_attempts(db, 1)[0]["verdict"] == "blocked"
    assert receiver.connections == 0


def test_a_blocked_delivery_uses_up_its_attempts(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), retry_schedule="10ms", max_attempts=3)
    daemon(allow=None, breaker_failures=1000)
    enqueue(db, endpoint="a")
    assert wait_status(db, "failed")["attempts"] == 3
    assert {row["verdict"] for row in attempts(db)} == {"blocked"}


def test_ipv6_receivers_are_reached(db, daemon, new_receiver):
    one = new_receiver(host="::1")
    daemon()
    enqueue(db, url=one.url())
    wait_status(db, "delivered")
    assert "::1" in attempts(db)[0]["remote_address"]
    assert one.got()[0].header("host") == f"[::1]:{one.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(db, daemon, receiver, new_receiver, status):
    elsewhere = new_receiver()
    receiver.on("/hook", answer(status, {"Location": elsewhere.url("/secret")}))
    daemon(**ONCE)
    enqueue(db, url=receiver.url())
    (first,) = wait_attempts(db, 1)
    assert (first["verdict"], first["status_code"]) == ("failed", status)
    assert stays(lambda: elsewhere.connections == 0, 0.2) and len(receiver.got()) == 1


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_no_proxy_from_the_environment(db, daemon, receiver, new_receiver, monkeypatch, variable):
    proxy = new_receiver()
    monkeypatch.setenv(variable, proxy.url(""))
    daemon()
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert proxy.connections == 0 and len(receiver.got()) == 1


def test_no_netrc_and_no_curlrc(db, daemon, receiver, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    (tmp_path / ".curlrc").write_text('header = "X-Curlrc: 1"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    daemon()
    enqueue(db, url=receiver.url())
    (request,) = receiver.wait(1)
    assert request.header("authorization") is None and request.header("x-curlrc") is None


def test_no_cookies_are_kept(db, daemon, receiver):
    receiver.on("/hook", answer(200, {"Set-Cookie": "session=1; Path=/"}))
    daemon()
    for number in range(3):
        enqueue(db, url=receiver.url())
        wait_status(db, "delivered", number + 1)
    assert all(request.header("cookie") is None for request in receiver.got())


def test_a_fragment_stays_at_home(db, daemon, receiver):
    daemon()
    enqueue(db, url=receiver.url("/hook?a=b%20c&d=../e#fragment"))
    wait_until(lambda: receiver.got())
    assert receiver.got()[0].target == "/hook?a=b%20c&d=../e"


@pytest.mark.parametrize("path", ["//a", "/a%2Fb", "/a;b=c", "/a[1]", "/?a=b", "/a?b=%C3%BC&c=d+e", "/%zz"])
def test_a_path_is_sent_as_it_is_written(db, daemon, receiver, path):
    daemon()
    enqueue(db, url=receiver.url(path))
    assert receiver.wait(1)[0].target == path
