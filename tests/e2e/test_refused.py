"""What the system refuses: descriptors and threads."""

import resource
import time

import pytest

from daemon import outhookd
from database import add_endpoint, attempts, enqueue, query, value, wait_attempts, wait_settled
from refusals import EVER, Refusals, sanitized
from waiting import wait_until

WORKERS = 2


def set_limit(one, descriptors):
    """Of how many it may have open; None: as many as ever."""
    _, hard = resource.prlimit(one.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(one.pid, resource.RLIMIT_NOFILE, (descriptors or hard, hard))


def test_calls_without_descriptors_fail_visibly_and_go_on_later(db, daemon, receiver):
    one = daemon(retry_schedule="200ms", breaker_open="200ms", breaker_open_max="200ms", retry_jitter=0)
    set_limit(one, one.descriptors())
    for number in range(20):
        enqueue(db, str(number), url=receiver.url(f"/{number % 4}"))
    wait_attempts(db, 2)
    cpu, began = one.cpu(), time.monotonic()
    wait_attempts(db, 4)
    time.sleep(1)
    busy = (one.cpu() - cpu) / (time.monotonic() - began)
    assert busy < 0.2 or sanitized(), f"{busy:.2f} of a processor"
    assert one.running and not receiver.got()
    for attempt in attempts(db):
        assert attempt["verdict"] == "unreachable"
        assert "Too many open files" in attempt["error"] and "LimitNOFILE" in attempt["error"]
    set_limit(one, None)
    wait_settled(db)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(20)), "each once"


def test_the_last_descriptors_are_shared_by_all_calls(db, daemon, receiver):
    """Some calls have a socket, and the rest waits for its turn by its schedule."""
    one = daemon(retry_schedule="100ms", breaker_open="100ms", breaker_open_max="100ms", max_attempts=1000)
    set_limit(one, one.descriptors() + 3)
    add_endpoint(db, "a", receiver.url("/a"), max_in_flight=20)
    query(db, "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
          "INSERT INTO webhooks (endpoint, payload) SELECT 'a', i FROM n")
    wait_settled(db)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 200
    assert {int(request.body) for request in receiver.got()} == set(range(1, 201))
    assert one.descriptors() < 100


def test_too_few_descriptors_to_start_are_a_sentence(db):
    """From none that suffice to those that do: a sentence each time, and an end of the daemon's own making."""
    if sanitized():
        pytest.skip("a sanitizer needs descriptors of its own")
    sentences = set()
    for limit in range(4, 64):
        status, _, err = outhookd("--database", db, "--set", "workers=1", "--set", "log_level=error",
                                  prefix=["timeout", "--signal=TERM", "0.5", "prlimit", f"--nofile={limit}"])
        if "error while loading shared libraries" in err:
            continue
        if status == 124:  # it ran, until it was stopped
            break
        assert status == 1 and err.count("\n") == 1 and err.startswith("outhookd: "), f"{limit}: {status} {err}"
        assert "Too many open files" in err, err
        sentences.add(err)
    else:
        raise AssertionError("it never started")
    assert len(sentences) >= 3, sentences


# The daemon's threads in the order of their start. Behind the one that is tried comes libuv's, which would abort: the
# one is tried for the other.
THREADS = ["log", "tried", "libuv", "store", *(f"worker{number}" for number in range(1, WORKERS + 1))]


@pytest.mark.parametrize("which", [number for number, name in enumerate(THREADS, 1) if name != "libuv"])
def test_a_thread_refused_at_the_start_is_a_sentence(db, tmp_path, which):
    refusals = Refusals(tmp_path / "fail").set(thread_first=which, thread_last=EVER).arm()
    enqueue(db, url="http://127.0.0.1:9/")
    status, _, err = outhookd("--database", db, "--set", f"workers={WORKERS}", prefix=refusals.prefix())
    assert status == 1, err
    words = f"can't start the thread {THREADS[which - 1]}" if which > 3 else "can't make a thread"
    assert words in err and "Resource temporarily unavailable" in err, err
    assert value(db, "SELECT status FROM deliveries") == "pending"
    assert query(db, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_a_lookup_without_a_thread_fails_visibly_and_is_made_later(db, daemon, tmp_path):
    refusals = Refusals(tmp_path / "fail").set(thread_first=1, thread_last=EVER)
    one = daemon(prefix=refusals.prefix(), retry_schedule="200ms", breaker_failures=1000, max_attempts=1000)
    refusals.arm()
    enqueue(db, url="http://name.invalid/")
    wait_attempts(db, 2)
    assert all("Resource temporarily unavailable" in attempt["error"] for attempt in attempts(db))
    refusals.disarm()
    wait_until(lambda: "Resource temporarily" not in attempts(db)[-1]["error"],
               what=lambda: f"it is looked up: {attempts(db)[-1]}")
    assert one.running
