"""Thousands of payloads such as GitHub sends arrive byte for byte, once each, with the right headers."""

import hashlib
import json
import random
import string

from database import add_endpoint, query, sqlite_script, value, wait_settled
from test_headers import standard_signature

COUNT = 2000
LETTERS = string.ascii_letters + string.digits + "-_ /.\"\\'\n\t" + "äöüßéñçøåčžłığ" + "日本語中文한국어" + "Привет" + "🚀✓💥"


POOL = "".join(random.Random(1).choices(LETTERS, k=200_000))


def text(rng, length):
    """A piece of a pool of random letters: a hundred times faster than drawing each."""
    start = rng.randrange(len(POOL) - length)
    return POOL[start:start + length]


def user(rng):
    login = text(rng, 12)
    return {"login": login, "id": rng.randrange(1 << 40), "avatar_url": f"https://avatars.example.com/u/{rng.random()}",
            "type": "User", "site_admin": rng.random() < 0.1, "name": None if rng.random() < 0.2 else text(rng, 20)}


def github_event(rng, size):
    """A push event of about so many bytes, in one of the ways in which JSON is written."""
    event = {"ref": "refs/heads/" + text(rng, 10), "before": f"{rng.getrandbits(160):040x}", "created": False,
             "repository": {"id": rng.randrange(1 << 40), "full_name": text(rng, 20), "owner": user(rng),
                            "description": text(rng, 60), "size": rng.random() * 1e6}, "sender": user(rng), "commits": []}
    style = rng.choice([{"ensure_ascii": True}, {"ensure_ascii": False}, {"ensure_ascii": False, "indent": 2}])
    length = len(json.dumps(event, **style).encode())
    while length < size:
        commit = {"id": f"{rng.getrandbits(160):040x}", "message": text(rng, rng.randrange(5, 400)),
                  "author": user(rng), "added": [text(rng, 20) for _ in range(rng.randrange(4))]}
        event["commits"].append(commit)
        length += len(json.dumps(commit, **style).encode())
    return json.dumps(event, **style).encode()


def test_real_payloads_arrive_byte_for_byte(db, daemon, receiver, tmp_path):
    rng = random.Random(20260101)
    directory = tmp_path / "payloads"
    directory.mkdir()
    # Sizes spread evenly over the orders of magnitude, 1 kB to 100 kB.
    payloads = [github_event(rng, int(1000 * 100 ** (number / (COUNT - 1)))) for number in range(COUNT)]
    rng.shuffle(payloads)
    for number, payload in enumerate(payloads):
        (directory / f"{number}.json").write_bytes(payload)
    add_endpoint(db, "github", receiver.url("/github"), headers='{"X-Source": "test"}')
    daemon()
    # In transactions of twenty: a sync for each of thousands is the disk's test, not ours.
    sqlite_script(db, ".timeout 60000\nBEGIN;\n" + "".join(
        f"INSERT INTO webhooks (endpoint, type, payload, headers) VALUES ('github', 'push', "
        f"readfile('{directory}/{number}.json'), '{{\"X-Event\": \"push\", \"X-Number\": \"{number}\"}}');\n"
        + ("COMMIT;\nBEGIN;\n" if number % 20 == 19 else "") for number in range(COUNT)) + "COMMIT;\n")
    wait_settled(db, timeout=180)

    got = receiver.got()
    assert len(got) == COUNT
    assert sorted(int(request.header("x-number")) for request in got) == list(range(COUNT)), "each once"
    secret = value(db, "SELECT secret FROM endpoint_secrets")
    uids = {row["number"]: row["uid"] for row in query(
        db, "SELECT headers ->> 'X-Number' AS number, uid FROM webhooks")}
    for request in got:
        number = request.header("x-number")
        assert hashlib.sha256(request.body).digest() == hashlib.sha256(payloads[int(number)]).digest()
        assert request.method == "POST" and request.target == "/github"
        assert request.header("content-type") == "application/json"
        assert request.header("content-length") == str(len(request.body))
        assert request.header("x-event") == "push" and request.header("x-source") == "test"
        assert request.header("webhook-id") == uids[number]
        assert request.header("webhook-signature") == standard_signature(secret, request)
    assert value(db, "SELECT count(*) FROM attempts WHERE verdict = 'delivered'") == COUNT
