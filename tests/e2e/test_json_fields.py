"""What --json prints, held against the manual: each member of each verb, and no other."""

import json
import re
import signal
import subprocess
import urllib.request

import pytest

from command import OUTHOOK, environment, outhook, succeed
from database import add_endpoint, run, value
from receivers import refusing_url
from test_manual import plain, sections
from waiting import wait_until

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def documented():
    """{verb: paths}, from the manual page."""
    titles = sections(sections(plain("outhook.1"), "SH")["JSON"], "SS")
    return {title.removeprefix("JSON of outhook "): set(re.findall(r"^\.TP\n(.+)$", body, flags=re.MULTILINE))
            for title, body in titles.items()}


def paths(member, known, path=""):
    """Every path in what was printed; names that may be any are a star."""
    if isinstance(member, dict):
        for name, inner in member.items():
            at = f"{path}.{name}" if path else name
            star = f"{path}.*" if path else "*"
            yield from paths(inner, known, at if at in known or star not in known or isinstance(inner, (dict, list)) else star)
    elif isinstance(member, list):
        for inner in member:
            yield from paths(inner, known, f"{path}[]")
    if path and (not isinstance(member, (dict, list)) or path in known):
        yield path


@pytest.fixture
def world(db, daemon, receiver):
    """Something of everything."""
    receiver.on("/fails", 500)
    add_endpoint(db, "good", receiver.url("/good"), headers='{"X-A": "b"}')
    add_endpoint(db, "bad", receiver.url("/fails"), retry_schedule="1h")
    add_endpoint(db, "dead", refusing_url(), retry_schedule="1h")
    run(db, f"""INSERT INTO endpoint_secrets (endpoint_id, secret) VALUES (1, '{SECRET}');
                INSERT INTO subscriptions VALUES (1, 'wanted.*')""")
    daemon(breaker_failures=2, breaker_open="1h", breaker_open_max="1h")
    for endpoint in ("good", "bad", "dead", "dead", "dead", "dead"):
        run(db, f"INSERT INTO webhooks (endpoint, payload, headers) VALUES ('{endpoint}', '{{}}', '{{\"X-B\": \"c\"}}')")
    run(db, "INSERT INTO webhooks (endpoint, payload) VALUES ('good', x'ff00')")
    run(db, "INSERT INTO webhooks (type, payload) VALUES ('unwanted', 'x')")
    wait_until(lambda: value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 2)
    wait_until(lambda: value(db, "SELECT count(*) FROM endpoint_gates WHERE gate = 'breaker'") >= 1)
    return db


def printed(*arguments, **options):
    """The objects that a verb prints, whatever comes of it."""
    _, out, err = outhook(*arguments, "--json", **options)
    assert out, err
    return [json.loads(line) for line in out.splitlines()]


def listened():
    """What listen prints, of two requests."""
    with subprocess.Popen([OUTHOOK, "listen", "0", "--json"], stdout=subprocess.PIPE, env=environment()) as process:
        objects = [json.loads(process.stdout.readline())]
        url = objects[0]["listening_on"]
        for data in (b"text", b"\xff\x00"):
            urllib.request.urlopen(url, data).close()
            objects.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        process.wait(30)
    return objects


def test_every_member_of_every_verb(world, tmp_path, receiver):
    db = world
    receiver.on("/binary", 200)
    known = documented()
    run(db, "UPDATE endpoints SET enabled = 0 WHERE name = 'bad'")
    everything = {
        "enqueue": [("http://127.0.0.1:9/", "{}")],
        "list": [("--limit", "0")],
        "show": [(str(n),) for n in range(1, 8)],
        "status": [()],
        "top": [("--frames", "1", "--every", "100ms")],
        "shape": [()],
        "tail": [("--no-follow",)],
        "endpoint list": [("--all",)],
        "endpoint show": [("good", "--secret")],
        "endpoint add": [("new", "http://127.0.0.1:9/")],
        "endpoint rotate-secret": [("new",)],
        "endpoint test": [("good",)],
        "verify": [("-", "--secret", SECRET, "--header", "webhook-id: msg_1", "--header", "webhook-timestamp: 1764273600",
                    "--header", "webhook-signature: v1,AAAA")],
        "backup": [(str(tmp_path / "copy.db"),)],
        "check": [()],
        "bench": [("--webhooks", "2", "--url", receiver.url("/good"), "--wait")],
    }
    assert set(everything) | {"listen"} == set(known)
    for verb, runs in everything.items():
        objects = [one for arguments in runs for one in printed(*verb.split(), *arguments, "--database", db, stdin=b"x")]
        hold_against(verb, objects, known[verb])
    hold_against("listen", listened(), known["listen"])


def hold_against(verb, objects, known):
    seen = {path for one in objects for path in paths(one, known)}
    assert seen <= known, f"{verb} prints what the manual doesn't have: {seen - known}"
    rare = {path for path in known - seen if not path.endswith(("_base64",))}
    assert not rare, f"{verb} never printed {rare}"


def test_every_verb_with_json_is_documented():
    text = succeed("--help")
    verbs = re.findall(r"^  ([a-z-]+) ", text.split("Verbs:")[1].split("\n\n")[0], flags=re.MULTILINE)
    verbs = [verb for verb in verbs if verb not in ("help", "endpoint")]
    verbs += ["endpoint " + verb for verb in re.findall(
        r"^  ([a-z-]+) ", succeed("endpoint", "--help").split("Verbs:")[1].split("\n\n")[0], flags=re.MULTILINE)
              if verb != "help"]
    assert {verb for verb in verbs if "--json" in succeed(*verb.split(), "--help")} == set(documented())
