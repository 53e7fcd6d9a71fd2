"""The database locked by somebody else's open transaction."""

import signal
import sqlite3
import time

from database import add_endpoint, attempts, count_is_right, enqueue, query, run, value, wait_settled, wait_status
from locks import LockHolder
from receivers import answer
from waiting import stays, wait_until


def test_deliveries_go_on_after_a_lock_of_seconds(db, daemon, receiver):
    receiver.on("/hook", answer(200, delay=0.01))
    one = daemon()
    run(db, f"INSERT INTO webhooks (url, payload) SELECT '{receiver.url()}', value FROM generate_series(1, 600)")
    receiver.wait(50)
    holder = LockHolder(db).take()
    # Not one more is sent than there are slots for outcomes that wait to be written.
    time.sleep(3)
    assert one.running
    holder.let_go()
    wait_settled(db)
    assert sorted(int(request.body) for request in receiver.got()) == list(range(1, 601)), "each once"
    assert value(db, "SELECT count(*) FROM attempts") == 600 and count_is_right(db)


def test_dispatch_stops_while_outcomes_cannot_be_written(db, daemon, receiver):
    one = daemon(max_in_flight=10, max_unwritten=10)
    enqueue(db, "warm", url=receiver.url())
    wait_status(db, "delivered")
    run(db, f"INSERT INTO webhooks (url, payload, deliver_at) SELECT '{receiver.url()}', value, "
            "1000 * unixepoch() + 2000 FROM generate_series(1, 500)")
    holder = LockHolder(db).take()
    receiver.wait(2)
    wait_until(lambda: not stays_growing(receiver))
    assert len(receiver.got()) <= 1 + 20, "so many calls and outcomes may wait, and no more"
    assert one.running
    holder.let_go()
    wait_settled(db)
    assert len(receiver.got()) == 501 and count_is_right(db)


def stays_growing(receiver):
    """Whether requests still come within half a second."""
    count = len(receiver.got())
    return not stays(lambda: len(receiver.got()) == count, 0.5)


def test_a_call_that_ends_during_the_lock_is_written_after_it(db, daemon, receiver):
    receiver.on("/hook", answer(200, delay=0.5))
    daemon()
    enqueue(db, url=receiver.url())
    receiver.wait(1)
    holder = LockHolder(db).take()
    wait_until(lambda: receiver.in_flight == 0)
    assert stays(lambda: attempts(db) == [], 1.5)
    holder.let_go("ROLLBACK")
    wait_status(db, "delivered")
    assert len(receiver.got()) == 1


def test_a_stop_during_the_lock_repeats_rather_than_loses(db, daemon, receiver):
    one = daemon(drain_timeout="500ms")
    receiver.on("/hook", answer(200, delay=0.3))
    enqueue(db, url=receiver.url())
    receiver.wait(1)
    holder = LockHolder(db).take()
    wait_until(lambda: receiver.in_flight == 0)
    one.signal(signal.SIGTERM)
    assert stays(lambda: True, 0.5)
    holder.let_go()
    assert one.wait() == 0
    daemon()
    wait_settled(db)
    assert query(db, "SELECT status FROM deliveries") == [{"status": "delivered"}] and count_is_right(db)


def test_a_start_during_the_lock_waits_for_it(db, daemon, receiver):
    enqueue(db, url=receiver.url())
    holder = LockHolder(db).take()
    one = daemon(wait=False)
    assert stays(lambda: one.running, 2)
    holder.let_go()
    wait_status(db, "delivered")
    assert len(receiver.got()) == 1


def test_a_long_read_does_not_stop_anything(db, daemon, receiver):
    """A reader pins the WAL, so that no checkpoint can finish; deliveries don't care."""
    reader = sqlite3.connect(db, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM deliveries").fetchall()
    daemon()
    add_endpoint(db, "a", receiver.url())
    for number in range(3):
        run(db, "INSERT INTO webhooks (endpoint, payload) SELECT 'a', value FROM generate_series(1, 200)")
        wait_settled(db)
    assert reader.execute("SELECT count(*) FROM deliveries").fetchall() == [(0,)]
    reader.close()
    assert len(receiver.got()) == 600


def test_a_stop_does_not_wait_for_a_lock_that_holds_up_the_start(db, daemon):
    """The new limit has to be written, and can't be."""
    holder = LockHolder(db).take()
    one = daemon(max_pending=5, wait=False)
    one.wait_for_line("holds a lock")
    one.signal(signal.SIGTERM)
    assert one.wait(timeout=30) == 0
    assert holder.process.poll() is None, "the lock is still held"
    holder.let_go()
