"""Where calls may go, and what of the environment they must not listen to."""

import pytest

from database import add_endpoint, attempts, delivery, enqueue, literal, refused, wait_attempts, wait_status
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


# What a URL may be made to look like. {} is the port of a receiver on 127.0.0.1, which must not be reached.
# None: refused at the INSERT; else the verdicts that it may end with.
NEVER, BLOCKED, NOWHERE = None, {"blocked"}, {"unreachable", "invalid", "blocked"}
TRICKS = {
    "decimal": ("http://2130706433:{}/", BLOCKED), "octal": ("http://0177.0.0.1:{}/", BLOCKED),
    "hexadecimal": ("http://0x7f.0x0.0x0.0x1:{}/", BLOCKED), "short": ("http://127.1:{}/", BLOCKED),
    "zero": ("http://0:{}/", BLOCKED), "all zeros": ("http://0.0.0.0:{}/", BLOCKED),
    "IPv6 unspecified": ("http://[::]:{}/", BLOCKED), "IPv6 mapped": ("http://[::ffff:7f00:1]:{}/", BLOCKED),
    "IPv6 in full": ("http://[0:0:0:0:0:0:0:1]:{}/", BLOCKED), "IPv6 zone": ("http://[fe80::1%25lo]:{}/", BLOCKED),
    "NAT64": ("http://[64:ff9b::127.0.0.1]:{}/", BLOCKED), "6to4": ("http://[2002:7f00:1::1]:{}/", BLOCKED),
    "trailing dot": ("http://localhost.:{}/", NOWHERE), "upper case": ("HTTP://LOCALHOST:{}/", BLOCKED),
    "too large": ("http://256.256.256.256:{}/", NOWHERE), "overflow": ("http://4294967297:{}/", NOWHERE),
    "user": ("http://user@127.0.0.1:{}/", NEVER), "user and password": ("http://a:b@127.0.0.1:{}/", NEVER),
    "user that looks like a host": ("http://example.com:80@127.0.0.1:{}/", NEVER),
    "backslash": ("http://example.com\\@127.0.0.1:{}/", NEVER), "backslashes": ("http:\\\\127.0.0.1:{}/", NEVER),
    "percent-encoded host": ("http://%31%32%37.0.0.1:{}/", NEVER),
    "percent-encoded dot": ("http://127%2e0%2e0%2e1:{}/", NEVER),
    "full-width digits": ("http://\uff11\uff12\uff17.0.0.1:{}/", NEVER),
    "full-width dot": ("http://127\u30020.0.1:{}/", NEVER), "zero-width": ("http://127.0.0\u200b.1:{}/", NEVER),
    "IDN": ("http://l\u00f6calhost:{}/", NEVER), "tab": ("http://127.0.0\t.1:{}/", NEVER),
    "newline": ("http://127.0.0.1:{}/\nHost: example.com", NEVER),
    "carriage return": ("http://127.0.0.1:{}/\r\nX-A: b", NEVER), "space": ("http://127.0.0.1 :{}/", NEVER),
    "no scheme": ("127.0.0.1:{}/", NEVER), "one slash": ("http:/127.0.0.1:{}/", NEVER),
    "three slashes": ("http:///127.0.0.1:{}/", NEVER), "no host": ("http://:{}/", NEVER),
    "file": ("file:///etc/passwd", NEVER), "gopher": ("gopher://127.0.0.1:{}/_x", NEVER),
    "two ports": ("http://127.0.0.1:80:{}/", NOWHERE), "port too large": ("http://127.0.0.1:7{}/", NOWHERE),
}


def test_tricks_are_judged_by_what_would_be_connected(db, daemon, new_receiver):
    touched = []
    one = new_receiver(on_connect=lambda sock: touched.append(sock) or True)
    kept = []
    for name, (url, verdicts) in TRICKS.items():
        url = url.replace("{}", str(one.port))
        if verdicts is NEVER:
            assert "a url " in refused(db, f"INSERT INTO webhooks (url, payload) VALUES ({literal(url)}, 1)"), name
        else:
            enqueue(db, url=url)
            kept.append((name, verdicts))
    daemon(allow=None, connect_timeout="3s", **ONCE)
    for number, (name, verdicts) in enumerate(kept, 1):
        (first,) = wait_attempts(db, 1, number)
        assert first["verdict"] in verdicts and first["error"], (name, first)
    assert not touched


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
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "blocked" and receiver.connections == 0
    assert first["error"] == "127.0.0.1 is refused: address in deny_networks, which wins over allow_networks"


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


PROXIES = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]


def test_no_proxy_from_the_environment(db, daemon, receiver, tls_receiver, certificates, new_receiver, monkeypatch):
    proxy, secure = new_receiver(), tls_receiver()
    for variable in PROXIES:
        monkeypatch.setenv(variable, proxy.url(""))
    daemon(ca_file=certificates / "ca.pem")
    for number, url in enumerate((receiver.url(), secure.https), 1):
        enqueue(db, url=url)
        wait_status(db, "delivered", number)
    assert proxy.connections == 0 and len(receiver.got()) == len(secure.got()) == 1


def test_the_environment_does_not_switch_off_the_proxy_either(db, daemon, new_receiver, monkeypatch):
    proxy = new_receiver()
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "*")
    daemon(proxy=proxy.url("").rstrip("/"))
    enqueue(db, url="http://receiver.example/hook")
    (request,) = proxy.wait(1)
    assert request.target == "http://receiver.example/hook"


def test_no_authorities_from_the_environment(db, daemon, tls_receiver, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(certificates))
    one = tls_receiver()
    daemon(**ONCE)
    enqueue(db, url=one.https)
    assert "authority that is not trusted" in wait_attempts(db, 1)[0]["error"]


def test_no_keys_are_written_down(db, daemon, tls_receiver, certificates, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    daemon(ca_file=certificates / "ca.pem")
    enqueue(db, url=tls_receiver().https)
    wait_status(db, "delivered")
    assert not (tmp_path / "keys").exists()


def test_what_an_answer_says_of_later_calls_is_forgotten(db, daemon, receiver, monkeypatch, tmp_path):
    """HSTS would turn http into https, Alt-Svc would send calls elsewhere; neither leaves a file."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    receiver.on("/hook", answer(200, {"Strict-Transport-Security": "max-age=999999; includeSubDomains",
                                      "Alt-Svc": 'h2="127.0.0.1:9"; ma=999999', "Connection": "close"}))
    daemon()
    for number in range(1, 4):
        enqueue(db, url=receiver.url().replace("127.0.0.1", "localhost"))
        wait_status(db, "delivered", number)
    assert len(receiver.got()) == 3 and not list((tmp_path / "home").iterdir())


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
