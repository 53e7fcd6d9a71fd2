"""Several producers at once, each a sqlite3 process, while the daemon delivers."""

import subprocess
import threading

from database import ENVIRONMENT, add_endpoint, count_is_right, query, run, value, wait_settled


def cli(db, script):
    done = subprocess.run(["sqlite3", "-bail", "-cmd", ".timeout 60000", str(db)], input=script, text=True,
                          capture_output=True, env=ENVIRONMENT, timeout=300)
    assert done.returncode == 0, done.stderr


def in_parallel(*works):
    """Runs functions side by side, and raises what any of them raised."""
    errors = []

    def guard(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guard, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def check_all_once(db, receiver, expected):
    """Nothing lost, nothing that was not inserted, each once, and the books agree."""
    wait_settled(db, timeout=180)
    got = [request.body.decode() for request in receiver.got()]
    assert sorted(got) == sorted(expected)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered' AND attempts = 1") == len(expected)
    assert value(db, "SELECT count(*) FROM attempts WHERE verdict = 'delivered'") == len(expected)
    assert value(db, "SELECT count(DISTINCT uid) FROM webhooks") == len(expected)
    uids = {row["payload"]: row["uid"] for row in query(db, "SELECT payload, uid FROM webhooks")}
    assert all(uids[request.body.decode()] == request.header("webhook-id") for request in receiver.got())
    assert count_is_right(db) and value(db, "PRAGMA integrity_check") == "ok"


def test_single_inserts_by_many_processes(db, daemon, receiver):
    daemon()

    def producer(name):
        for number in range(100):
            cli(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', '{name}-{number}');")

    in_parallel(*[lambda name=name: producer(name) for name in "abcd"])
    check_all_once(db, receiver, [f"{name}-{number}" for name in "abcd" for number in range(100)])


def test_streams_and_bulk_transactions_at_once(db, daemon, receiver):
    add_endpoint(db, "billing", receiver.url("/billing"))
    daemon()

    def stream(name):
        cli(db, "".join(f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url(f'/{number % 7}')}', '{name}-{number}');\n"
                        for number in range(400)))

    def bulk(name):
        for part in range(4):
            cli(db, f"INSERT INTO webhooks (endpoint, payload) SELECT 'billing', '{name}-' || value "
                    f"FROM generate_series({part * 250}, {part * 250 + 249});")

    in_parallel(*[lambda name=name: stream(name) for name in "abc"], lambda: bulk("d"))
    check_all_once(db, receiver, [f"{name}-{number}" for name in "abc" for number in range(400)]
                   + [f"d-{number}" for number in range(1000)])


def test_duplicates_by_many_processes_arrive_once(db, daemon, receiver):
    daemon()

    def producer():
        cli(db, "".join(f"INSERT OR IGNORE INTO webhooks (url, payload, dedup_key) "
                        f"VALUES ('{receiver.url()}', 'order-{number}', {number});\n" for number in range(200)))

    in_parallel(*[producer] * 4)
    check_all_once(db, receiver, [f"order-{number}" for number in range(200)])


def test_rollbacks_among_commits_are_never_sent(db, daemon, receiver):
    daemon()

    def producer(name):
        cli(db, "".join(f"BEGIN IMMEDIATE; INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', '{name}-{number}');"
                        f"{'COMMIT' if number % 2 else 'ROLLBACK'};\n" for number in range(200)))

    in_parallel(*[lambda name=name: producer(name) for name in "ab"])
    check_all_once(db, receiver, [f"{name}-{number}" for name in "ab" for number in range(1, 200, 2)])


def test_a_bulk_of_many_pages_beside_a_stream(db, daemon, receiver):
    """A commit of a thousand pages makes the producer checkpoint by itself; nothing may be lost to that."""
    daemon()
    padding = "x" * 3000

    def bulk():
        for part in range(3):
            cli(db, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url('/bulk')}', 'b-' || value || '{padding}' "
                    f"FROM generate_series({part * 500}, {part * 500 + 499});")

    def stream():
        for number in range(150):
            run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url('/stream')}', 's-{number}')")

    in_parallel(bulk, stream)
    check_all_once(db, receiver, [f"b-{number}{padding}" for number in range(1500)] + [f"s-{number}" for number in range(150)])
