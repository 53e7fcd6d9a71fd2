"""outhook verify: on calls that were really made, in each format, with sealed secrets, and with what is not right."""

import base64
import json
import os
import re
import time

import pytest

from command import outhook, succeed
from database import add_endpoint, enqueue, value
from test_headers import set_secret
from waiting import wait_until

SECRETS = {"standard": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "github": "hush", "stripe": "whsec_test_secret",
           "shopify": "hush hush"}
BODY = '{"text":"grün ✓"}'


@pytest.fixture(params=SECRETS)
def call(request, db, daemon, receiver, tmp_path):
    """(format, secret, body's file, --header options) of a call in each format."""
    set_secret(db, add_endpoint(db, "a", receiver.url(), signing=request.param), SECRETS[request.param])
    daemon()
    enqueue(db, BODY, endpoint="a")
    (got,) = receiver.wait(1)
    body = tmp_path / "body"
    body.write_bytes(got.body)
    headers = [word for name, text in got.fields for word in ("--header", f"{name}: {text}")]
    return request.param, SECRETS[request.param], body, headers


def test_what_is_right(db, call):
    signing, secret, body, headers = call
    assert succeed("verify", body, "--secret", secret, "--format", signing, *headers) == "the signature is right\n"
    assert succeed("verify", body, "--endpoint", "a", "--database", db, *headers) == "the signature is right\n"
    done = outhook("verify", "-", "--secret", secret, "--format", signing, *headers, stdin=BODY.encode())
    assert done == (0, "the signature is right\n", "")


def test_what_is_wrong(call):
    signing, secret, body, headers = call
    arguments = ["--format", signing, *headers]
    other = "whsec_" + base64.b64encode(os.urandom(24)).decode()
    code, out, err = outhook("verify", body, "--secret", other, *arguments)
    assert code == 1 and not out and "the signature is wrong" in err
    body.write_text(BODY.replace("ü", "u"))
    code, out, err = outhook("verify", body, "--secret", secret, *arguments, "--json")
    assert code == 1 and json.loads(out) == {"valid": False, "fresh": False, "reason": err.strip()[len("outhook: "):]}
    assert "the signature is wrong" in err and secret not in err


def test_an_old_one_is_refused_although_it_is_right(tmp_path):
    body = tmp_path / "body"
    body.write_text('{"test": 2432232314}')
    earliest = time.time()
    code, out, err = outhook("verify", body, "--secret", SECRETS["standard"],
                             "--header", "Webhook-Id: msg_p5jXN8AQM9LWM0D4loKWxJek",
                             "--header", "webhook-timestamp: 1614265330",
                             "--header", "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    # Ages are rounded to the nearest unit; it may be the next one meanwhile.
    days = "|".join(str(int((now - 1614265330) / 86400 + 0.5)) for now in (earliest, time.time()))
    assert code == 1 and not out
    assert re.search(f"the signature is right, but its time is ({days})d ago", err), err


def test_sealed_secrets_take_the_key(db, daemon, receiver, tmp_path):
    key = tmp_path / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    key.chmod(0o600)
    add_endpoint(db, "a", receiver.url())
    daemon(secret_key_file=key)
    wait_until(lambda: value(db, "SELECT secret FROM endpoint_secrets").startswith("sealed:"))
    enqueue(db, BODY, endpoint="a")
    (got,) = receiver.wait(1)
    body = tmp_path / "body"
    body.write_bytes(got.body)
    headers = [word for name, text in got.fields for word in ("--header", f"{name}: {text}")]
    arguments = ["verify", body, "--endpoint", "a", "--database", db, "--config", "/dev/null", *headers]
    assert succeed(*arguments, "--key-file", key) == "the signature is right\n"
    code, _, err = outhook(*arguments)
    assert code == 1 and "sealed with the key" in err


@pytest.mark.parametrize("arguments, sentence", [
    ([], "it takes the body's FILE"), (["/dev/null"], "--secret or --endpoint"),
    (["/dev/null", "--secret", "s", "--endpoint", "a"], "--secret or --endpoint"),
    (["/dev/null", "--secret", "s", "--format", "none"], "it has to be standard, github, stripe or shopify"),
    (["/dev/null", "--secret", "no base64!", "--header", "webhook-signature: v1,x"], "the secret is not base64")])
def test_wrong_usage(arguments, sentence):
    code, out, err = outhook("verify", *arguments)
    assert code == 2 and sentence in err and not out


def test_a_file_that_is_not_there():
    code, _, err = outhook("verify", "/nonexistent", "--secret", "s")
    assert code == 1 and "can't open /nonexistent" in err
