"""Nothing is unbounded: rows and payloads wait on disk, and a full queue refuses the producer."""

import pathlib

from database import add_endpoint, as_daemon, count_is_right, enqueue, query, refused, run, value, wait_settled, wait_status
from receivers import answer, endless_body, hang
from waiting import stays, wait_until

MIB = 1 << 20


def memory_limit(one):
    """64 MiB, or what a sanitizer's shadow and quarantine add to that."""
    maps = pathlib.Path(f"/proc/{one.pid}/maps").read_text()
    return (700 if "libasan" in maps or "libtsan" in maps else 64) * MIB


def most_memory(one, seconds):
    """The largest VmRSS over a while."""
    seen = [one.memory()]
    stays(lambda: seen.append(one.memory()) or one.running, seconds)
    return max(seen)


def test_memory_is_bounded_while_rows_wait_for_a_receiver_that_hangs(db, daemon, receiver):
    receiver.on("/hang", hang)
    for number in range(20):
        add_endpoint(db, f"e{number}", receiver.url("/hang"), timeout_ms=600_000)
    one = daemon(drain_timeout="100ms")
    run(db, """INSERT INTO webhooks (endpoint, payload)
               SELECT 'e' || (value % 20), '{"n":' || value || '}' FROM generate_series(1, 2000)""")
    wait_until(lambda: receiver.in_flight == 20)
    before = most_memory(one, 1)
    run(db, """INSERT INTO webhooks (endpoint, payload)
               SELECT 'e' || (value % 20), '{"n":' || value || '}' FROM generate_series(2001, 22000)""")
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url('/seen')}', '{{}}')")
    receiver.wait(1, path="/seen")
    after = most_memory(one, 1.5)
    assert after < memory_limit(one), f"{after / MIB:.0f} MiB"
    assert after - before < memory_limit(one) / 4, f"from {before / MIB:.0f} to {after / MIB:.0f} MiB"
    assert value(db, "SELECT pending FROM queue_depth") == 22_000 and count_is_right(db)


def test_memory_is_bounded_while_large_payloads_wait(db, daemon, receiver):
    """200 MB on disk, for endpoints that could all take them at once."""
    receiver.on("/slow", answer(200, delay=0.2))
    for number in range(10):
        add_endpoint(db, f"e{number}", receiver.url("/slow"))
    one = daemon(max_loaded_bytes="16M", database_cache_bytes="4M")
    for number in range(10):
        run(db, f"""INSERT INTO webhooks (endpoint, payload)
                    SELECT 'e{number}', randomblob(1000000) FROM generate_series(1, 20)""")
    seen = []
    wait_until(lambda: seen.append(one.memory()) or value(
        db, "SELECT count(*) FROM deliveries WHERE status = 'pending'") == 0, timeout=180)
    assert max(seen) < memory_limit(one), f"{max(seen) / MIB:.0f} MiB"
    assert len(receiver.got()) == 200


def test_a_payload_larger_than_all_that_may_be_loaded_travels_alone(db, daemon, receiver):
    daemon(max_loaded_bytes="100000", max_payload_bytes="100000")
    as_daemon(db, "UPDATE queue_depth SET max_payload_bytes = 5000000;")
    enqueue(db, "small", url=receiver.url())
    run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', hex(zeroblob(1000000)))")
    enqueue(db, "small", url=receiver.url())
    wait_settled(db)
    assert sorted(len(request.body) for request in receiver.got()) == [5, 5, 2_000_000]


def test_answers_without_end_do_not_grow_the_daemon(db, daemon, receiver):
    receiver.on("/hook", endless_body)
    for number in range(20):
        add_endpoint(db, f"e{number}", receiver.url(), timeout_ms=60_000)
        enqueue(db, endpoint=f"e{number}")
    one = daemon(max_response_bytes="1M")
    seen = []
    wait_until(lambda: seen.append(one.memory()) or value(db, "SELECT count(*) FROM attempts") >= 20)
    assert max(seen) < memory_limit(one), f"{max(seen) / MIB:.0f} MiB"


def test_max_pending_refuses_the_producer_and_lets_him_in_again(db, daemon, receiver):
    receiver.on("/hook", [hang, 200])
    add_endpoint(db, "a", receiver.url(), timeout_ms=4000, retry_schedule="10ms")
    daemon(max_pending=10)
    one = "INSERT INTO webhooks (endpoint, payload) VALUES ('a', '{}')"
    for _ in range(10):
        run(db, one)
    for how in ("INSERT", "INSERT OR IGNORE"):
        assert "the queue is full" in refused(db, one.replace("INSERT", how))
    wait_settled(db)
    run(db, one)
    wait_status(db, "delivered", 11)
    assert len(receiver.got()) == 12


def test_few_slots_deliver_many(db, daemon, receiver):
    """Every bound at its least: slow, but nothing stops for good."""
    daemon(workers=1, max_in_flight=1, max_loaded=1)
    for number in range(3):
        run(db, f"""INSERT INTO webhooks (url, payload)
                    SELECT '{receiver.url(f"/{number}")}', value FROM generate_series(1, 60)""")
    wait_settled(db)
    assert len(receiver.got()) == 180 and receiver.most_in_flight == 1
    assert query(db, "SELECT DISTINCT attempts FROM deliveries") == [{"attempts": 1}]
