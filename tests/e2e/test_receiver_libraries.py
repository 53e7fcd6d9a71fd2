"""The libraries that real receivers verify with accept every call as it came, and refuse it when one byte differs.

They are installed once by npm into build-receivers/; without node, npm or a registry these tests are skipped.
"""

import base64
import fcntl
import json
import shutil
import subprocess

import pytest

from database import REPOSITORY, add_endpoint, enqueue, run
from test_headers import set_secret

RECEIVERS = REPOSITORY / "tests/receivers"
FILES = ("package.json", "package-lock.json", ".npmrc", "verify.mjs")
INSTALL_S = 240

STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECOND = "whsec_" + base64.b64encode(b"another, and a newer one").decode()
PLAIN = "hush hush: 4 words"

BODIES = ['{"type":"invoice.paid","data":{"id":17}}', '{"text":"grün ✓ 漢字"}', '{"n":[' + "1," * 5000 + "1]}"]

# format, its libraries, secret
FORMATS = [("standard", ("standardwebhooks", "svix"), STANDARD), ("github", ("octokit",), PLAIN),
           ("stripe", ("stripe",), "whsec_test_secret"), ("shopify", ("shopify",), PLAIN)]
# What Shopify's library wants to see beside the signature, from the endpoint's own headers.
SHOPIFY_HEADERS = '{"X-Shopify-API-Version": "2025-01", "X-Shopify-Shop-Domain": "shop.example"}'


def install():
    """The directory with the libraries, the same for all builds and processes."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    directory, content = REPOSITORY / "build-receivers", b"".join((RECEIVERS / name).read_bytes() for name in FILES)
    directory.mkdir(exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = directory / "done"
        if not done.exists() or done.read_bytes() != content:
            for name in FILES:
                shutil.copy(RECEIVERS / name, directory)
            npm = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=directory,
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_S)
            if npm.returncode:
                pytest.skip(f"npm could not install the libraries: {npm.stderr.strip().splitlines()[:1]}")
            done.write_bytes(content)
    return directory


@pytest.fixture(scope="module")
def verify():
    """Asks the libraries about many calls at once."""
    directory = install()

    def ask(questions):
        lines = "".join(json.dumps({"library": library, "secret": secret, "headers": headers,
                                    "body": base64.b64encode(body).decode()}) + "\n"
                        for library, secret, headers, body in questions)
        done = subprocess.run(["node", directory / "verify.mjs"], input=lines, capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
    return ask


def headers_of(request):
    return {name.lower(): text for name, text in request.fields}


def altered(body):
    """Of the same length, and valid JSON still."""
    return body.replace(b"1", b"2", 1) if b"1" in body else body.replace(b"r", b"s", 1)


def calls_in_all_formats(db, receiver):
    """(library, secret, request) of each body in each format."""
    for signing, _, secret in FORMATS:
        set_secret(db, add_endpoint(db, signing, receiver.url("/" + signing), signing=signing), secret)
    run(db, f"UPDATE endpoints SET headers = '{SHOPIFY_HEADERS}' WHERE name = 'shopify'")
    for signing, _, _ in FORMATS:
        for body in BODIES:
            enqueue(db, body, endpoint=signing, type="invoice.paid")
    result = []
    for signing, libraries, secret in FORMATS:
        requests = receiver.wait(len(BODIES), path="/" + signing)
        assert sorted(request.body for request in requests) == sorted(body.encode() for body in BODIES)
        result += [(library, secret, request) for library in libraries for request in requests]
    return result


def test_each_library_accepts_each_call_and_nothing_else(db, daemon, receiver, verify):
    daemon()
    calls = calls_in_all_formats(db, receiver)
    answers = verify([(library, secret, headers_of(request), request.body) for library, secret, request in calls])
    assert len(answers) == 15 and [answer for answer in answers if not answer["valid"]] == []
    answers = verify([(library, secret, headers_of(request), altered(request.body))
                      for library, secret, request in calls])
    assert len(answers) == 15 and [answer for answer in answers if answer["valid"]] == []
    answers = verify([(library, STANDARD[:-1] + "x" if secret == STANDARD else secret + "x", headers_of(request),
                       request.body) for library, secret, request in calls])
    assert [answer for answer in answers if answer["valid"]] == []


def test_both_secrets_verify_while_one_replaces_the_other(db, daemon, receiver, verify):
    daemon()
    for signing, first, second in (("standard", STANDARD, SECOND), ("stripe", "whsec_first", "whsec_second")):
        number = add_endpoint(db, signing, receiver.url("/" + signing), signing=signing)
        set_secret(db, number, first)
        run(db, f"INSERT INTO endpoint_secrets (endpoint_id, secret, created_at) VALUES ({number}, '{second}', "
                "1 + (SELECT max(created_at) FROM endpoint_secrets))")
        enqueue(db, BODIES[0], endpoint=signing)
        (request,) = receiver.wait(1, path="/" + signing)
        libraries = ("standardwebhooks", "svix") if signing == "standard" else ("stripe",)
        answers = verify([(library, secret, headers_of(request), request.body)
                          for library in libraries for secret in (first, second)])
        assert all(answer["valid"] for answer in answers), answers
