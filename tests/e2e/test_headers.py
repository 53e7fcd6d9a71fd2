"""The headers of every call, and its signature, checked by an independent reading of the specification."""

import base64
import hashlib
import hmac
import time

import pytest

from daemon import outhookd
from database import add_endpoint, as_daemon, enqueue, run, value, wait_settled
from waiting import wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def set_secret(db, endpoint, secret=SECRET):
    run(db, f"DELETE FROM endpoint_secrets WHERE endpoint_id = {endpoint};"
            f"INSERT INTO endpoint_secrets (endpoint_id, secret) VALUES ({endpoint}, '{secret}')")


def standard_signature(secret, request):
    """The v1 entry of Standard Webhooks 1.0 for a request as it came."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.header('webhook-id')}.{request.header('webhook-timestamp')}.".encode() + request.body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def send_one(db, receiver, payload="{}", **columns):
    expected = len(receiver.got()) + 1
    enqueue(db, payload, **columns)
    return receiver.wait(expected)[-1]


def test_a_bare_url_gets_just_what_it_needs(db, daemon, receiver):
    daemon()
    request = send_one(db, receiver, "{}", url=receiver.url())
    names = sorted(name.lower() for name, _ in request.fields)
    assert set(names) >= {"host", "content-type", "content-length", "user-agent", "webhook-id", "webhook-timestamp"}
    assert len(names) == len(set(names)), "no header twice"
    assert "expect" not in names and "webhook-signature" not in names and "transfer-encoding" not in names
    assert request.header("content-type") == "application/json"
    assert request.header("host") == f"127.0.0.1:{receiver.port}"
    assert request.header("webhook-id") == value(db, "SELECT uid FROM webhooks")
    _, version, _ = outhookd("--version")
    assert request.header("user-agent") == "outhook/" + version.split()[-1]


def test_a_large_payload_is_not_announced_by_expect(db, daemon, receiver):
    daemon()
    assert send_one(db, receiver, "x" * 1_500_000, url=receiver.url()).header("expect") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_method_content_type_and_headers_of_the_webhook(db, daemon, receiver, method):
    daemon()
    request = send_one(db, receiver, "a=b", url=receiver.url(), method=method, content_type="text/plain; charset=utf-8",
                       headers='{"X-One": "1", "Authorization": "Bearer abc", "X-Empty": "", "X-Umlaut": "grün"}')
    assert request.method == method and request.body == b"a=b"
    assert request.header("content-type") == "text/plain; charset=utf-8"
    assert request.header("x-one") == "1" and request.header("authorization") == "Bearer abc"
    assert request.headers("x-empty") == [""]
    assert request.header("x-umlaut").encode("latin-1").decode() == "grün"


def test_the_webhooks_headers_win_over_the_endpoints(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url(), headers='{"X-Both": "endpoint", "X-Endpoint": "e"}')
    daemon()
    request = send_one(db, receiver, endpoint="a", headers='{"x-both": "webhook", "X-Webhook": "w"}')
    assert request.headers("x-both") == ["webhook"]
    assert request.header("x-endpoint") == "e" and request.header("x-webhook") == "w"


@pytest.mark.parametrize("name", ["accept", "Accept-Encoding"])
def test_a_header_that_libcurl_would_set_can_be_given(db, daemon, receiver, name):
    daemon()
    request = send_one(db, receiver, url=receiver.url(), headers=f'{{"{name}": "mine"}}')
    assert request.headers(name) == ["mine"]


def test_a_named_endpoints_calls_are_signed(db, daemon, receiver):
    set_secret(db, add_endpoint(db, "a", receiver.url()))
    daemon()
    before = int(time.time())
    request = send_one(db, receiver, '{"text":"grün ✓"}', endpoint="a")
    assert before <= int(request.header("webhook-timestamp")) <= time.time()
    assert request.header("webhook-signature") == standard_signature(SECRET, request)


def test_the_secret_that_the_schema_makes_signs(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url())
    daemon()
    request = send_one(db, receiver, endpoint="a")
    secret = value(db, "SELECT secret FROM endpoint_secrets")
    assert request.header("webhook-signature") == standard_signature(secret, request)


def test_every_unexpired_secret_signs_newest_first(db, daemon, receiver):
    id_ = add_endpoint(db, "a", receiver.url())
    now = int(time.time() * 1000)
    secrets = {letter: "whsec_" + base64.b64encode(letter.encode() * 24).decode() for letter in "abc"}
    run(db, "DELETE FROM endpoint_secrets; INSERT INTO endpoint_secrets (endpoint_id, secret, created_at, expires_at) VALUES "
            f"({id_}, '{secrets['a']}', {now - 3000}, {now + 600_000}), ({id_}, '{secrets['b']}', {now - 1000}, NULL),"
            f"({id_}, '{secrets['c']}', {now - 2000}, {now - 1})")
    daemon()
    request = send_one(db, receiver, endpoint="a")
    assert request.header("webhook-signature") == " ".join(standard_signature(secrets[letter], request) for letter in "ba")


def test_a_new_secret_is_taken_up_at_once(db, daemon, receiver):
    id_ = add_endpoint(db, "a", receiver.url())
    daemon()
    send_one(db, receiver, endpoint="a")
    wait_settled(db)
    set_secret(db, id_)
    request = send_one(db, receiver, endpoint="a")
    assert request.header("webhook-signature") == standard_signature(SECRET, request)


def test_a_retry_has_the_same_id_and_a_fresh_timestamp_and_signature(db, daemon, receiver):
    receiver.on("/hook", [500, 200])
    set_secret(db, add_endpoint(db, "a", receiver.url(), retry_schedule="1500ms"))
    daemon()
    enqueue(db, endpoint="a")
    first, second = receiver.wait(2)
    assert first.header("webhook-id") == second.header("webhook-id")
    assert int(second.header("webhook-timestamp")) > int(first.header("webhook-timestamp"))
    for request in (first, second):
        assert request.header("webhook-signature") == standard_signature(SECRET, request)


def test_the_default_secret_signs_bare_urls(db, daemon, receiver):
    daemon(default_secret=SECRET)
    request = send_one(db, receiver, url=receiver.url())
    assert request.header("webhook-signature") == standard_signature(SECRET, request)


def test_github_signatures(db, daemon, receiver):
    id_ = add_endpoint(db, "a", receiver.url(), signing="github")
    set_secret(db, id_, "It's-a-Secret-to-Everybody".replace("'", "''"))
    daemon()
    request = send_one(db, receiver, "Hello, World!", endpoint="a", type="push")
    digest = hmac.new(b"It's-a-Secret-to-Everybody", b"Hello, World!", hashlib.sha256).hexdigest()
    assert request.header("x-hub-signature-256") == "sha256=" + digest


def test_stripe_signatures(db, daemon, receiver):
    set_secret(db, add_endpoint(db, "a", receiver.url(), signing="stripe"), "whsec_test_secret")
    daemon()
    request = send_one(db, receiver, '{"id":"evt_test"}', endpoint="a")
    parts = dict(part.split("=", 1) for part in request.header("stripe-signature").split(","))
    signed = f"{parts['t']}.".encode() + request.body
    assert parts["v1"] == hmac.new(b"whsec_test_secret", signed, hashlib.sha256).hexdigest()
    assert abs(int(parts["t"]) - time.time()) < 120


def test_signing_none_leaves_calls_unsigned(db, daemon, receiver):
    set_secret(db, add_endpoint(db, "a", receiver.url(), signing="none"))
    daemon()
    request = send_one(db, receiver, endpoint="a")
    assert not [name for name, _ in request.fields if "signature" in name.lower()]


def test_a_row_that_escaped_the_triggers_is_not_sent(db, daemon, receiver):
    """The second look, right before use: a line break in a header would write a request of its own."""
    daemon(retry_schedule="10ms", max_attempts=2, breaker_failures=1000)
    as_daemon(db, f"""
        INSERT INTO endpoints (url) VALUES ('{receiver.url()}');
        INSERT INTO webhooks (url, payload, headers) VALUES ('{receiver.url()}', '{{}}',
            '{{"X-A": "b\\r\\nX-Injected: c"}}');
        INSERT INTO webhooks (url, payload, content_type) VALUES ('{receiver.url()}', '{{}}',
            'a/b' || char(13, 10) || 'X-Injected: c');
        INSERT INTO deliveries (webhook_id, endpoint_id, due_at, created_at)
            SELECT id, 1, created_at, created_at FROM webhooks;
        UPDATE queue_depth SET pending = 2;""")
    for id_ in (1, 2):
        wait_until(lambda: value(db, f"SELECT count(*) FROM attempts WHERE delivery_id = {id_}"))
    assert [request.head for request in receiver.got()] == []
    assert value(db, "SELECT group_concat(DISTINCT verdict) FROM attempts") == "invalid"
