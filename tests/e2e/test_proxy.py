"""The proxy that the configuration names, and what it changes about where calls may go."""

import signal

import pytest

from daemon import outhookd
from database import enqueue, query, wait_attempts, wait_status
from proxies import Proxy
from waiting import wait_until

ONCE = {"retry_schedule": "1h", "breaker_failures": 1000}


@pytest.fixture
def new_proxy():
    started = []

    def start(**options):
        started.append(Proxy(**options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_http_goes_through_it_and_it_finds_the_host(db, daemon, receiver, new_proxy):
    proxy = new_proxy()
    daemon(allow=None, proxy=f"http://127.0.0.1:{proxy.port}")
    enqueue(db, '{"a":1}', url=f"http://receiver.example:{receiver.port}/hook?x=y")
    wait_status(db, "delivered")
    assert proxy.asked == [f"POST http://receiver.example:{receiver.port}/hook?x=y"]
    (request,) = receiver.got()
    assert request.body == b'{"a":1}' and request.target == "/hook?x=y"
    assert request.header("host") == f"receiver.example:{receiver.port}"


def test_https_goes_through_it_unread(db, daemon, certificates, tls_receiver, new_proxy):
    one, proxy = tls_receiver("elsewhere"), new_proxy()
    daemon(allow=None, proxy=f"http://127.0.0.1:{proxy.port}", ca_file=certificates / "ca.pem")
    enqueue(db, "secret", url=f"https://elsewhere.example:{one.port}/hook")
    row = wait_status(db, "delivered")
    assert proxy.asked == [f"CONNECT elsewhere.example:{one.port}"] and one.got()[0].body == b"secret"
    (attempt,) = query(db, "SELECT response_headers FROM attempts")
    assert "Connected" not in (attempt["response_headers"] or "") and row["last_status_code"] == 200


def test_socks5h_too(db, daemon, receiver, new_proxy):
    proxy = new_proxy()
    daemon(allow=None, proxy=f"socks5h://127.0.0.1:{proxy.port}")
    enqueue(db, url=f"http://receiver.example:{receiver.port}/hook")
    wait_status(db, "delivered")
    assert proxy.asked == [f"SOCKS receiver.example:{receiver.port}"]


def test_its_password_is_sent_to_it_and_shown_to_nobody(db, daemon, receiver, new_proxy):
    proxy = new_proxy(password="someone:s3cr%t")
    setting = f"http://someone:s3cr%25t@127.0.0.1:{proxy.port}"
    one = daemon(allow=None, proxy=setting)
    enqueue(db, url=f"http://receiver.example:{receiver.port}/hook")
    wait_status(db, "delivered")
    assert receiver.got()[0].header("proxy-authorization") is None
    status, out, err = outhookd("--check", "--set", f"proxy={setting}")
    assert status == 0
    for text in (one.text(), out, err, str(query(db, "SELECT * FROM attempts"))):
        assert "s3cr" not in text


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[fd00::1]", "2130706433",
                                  "localhost", "x.localhost"])
def test_an_address_in_the_url_is_judged_all_the_same(db, daemon, receiver, new_proxy, host):
    proxy = new_proxy()
    daemon(allow=None, proxy=f"http://127.0.0.1:{proxy.port}", **ONCE)
    enqueue(db, url=f"http://{host}:{receiver.port}/hook")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "blocked" and "is refused" in first["error"]
    assert proxy.connections == 0 and receiver.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1.", "127.0.0.1..", "0x7f.1.", "localhost.", "x.localhost.", "256.1.1.1"])
def test_what_a_proxy_may_take_for_an_address_is_not_handed_to_it(db, daemon, receiver, new_proxy, host):
    proxy = new_proxy()
    daemon(proxy=f"http://127.0.0.1:{proxy.port}", **ONCE)
    enqueue(db, url=f"http://{host}:{receiver.port}/hook")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "blocked" and first["error"].startswith(f"{host} is refused: the proxy may take it for")
    assert proxy.connections == 0 and receiver.connections == 0


def test_a_name_with_a_dot_at_its_end_is_a_name(db, daemon, receiver, new_proxy):
    proxy = new_proxy()
    daemon(allow=None, proxy=f"http://127.0.0.1:{proxy.port}")
    enqueue(db, url=f"http://receiver.example.:{receiver.port}/hook")
    wait_status(db, "delivered")
    assert len(proxy.asked) == 1


def test_an_allowed_address_goes_through_it(db, daemon, receiver, new_proxy):
    proxy = new_proxy()
    daemon(proxy=f"http://127.0.0.1:{proxy.port}")
    enqueue(db, url=receiver.url())
    wait_status(db, "delivered")
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("status", [403, 502])
def test_a_proxy_that_refuses_is_no_answer_of_the_receiver(db, daemon, tls_receiver, new_proxy, status):
    one, proxy = tls_receiver(), new_proxy(status=status)
    daemon(proxy=f"http://127.0.0.1:{proxy.port}", **ONCE)
    enqueue(db, url=f"https://elsewhere.example:{one.port}/hook")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and first["status_code"] is None and str(status) in first["error"]


def test_a_reload_takes_another_one_and_none(db, daemon, receiver, new_proxy, tmp_path):
    first, second = new_proxy(), new_proxy()
    config = tmp_path / "outhookd.conf"

    def write(proxy):
        config.write_text(f"allow_networks = 127.0.0.0/8\nproxy = {proxy}\n")

    write(f"http://127.0.0.1:{first.port}")
    one = daemon(config=config, allow=None, workers=1, max_in_flight=1)  # one handle makes all calls
    for number, proxy in ((1, f"http://127.0.0.1:{first.port}"), (2, f"http://127.0.0.1:{second.port}"), (3, "")):
        write(proxy)
        one.signal(signal.SIGHUP)
        wait_until(lambda: len(one.lines("was reloaded")) == number)
        enqueue(db, str(number), url=receiver.url())
        wait_status(db, "delivered", number)
    assert [request.target for request in receiver.got()] == ["/hook"] * 3, "and not in the form for a proxy"
    assert (len(first.asked), len(second.asked), len(receiver.got())) == (1, 1, 3)


@pytest.mark.parametrize("text", [
    "proxy.example:3128", "ftp://proxy.example", "http://", "socks4://a:1", "socks5://a:1", "http://user:secret@",
    "http://a:99999"])
def test_what_is_no_proxy_is_refused(db, text):
    status, out, err = outhookd("--check", "--set", f"proxy={text}")
    assert status == 2 and "proxy: it has to be http://HOST:PORT or socks5h://HOST:PORT" in err and "secret" not in err
