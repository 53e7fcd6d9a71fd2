"""Starts and stops at random instants: the short form. Ten thousand of them by hand: tests/limits/restarts.py."""

from database import query, wait_settled
from receivers import answer
from refusals import sanitized
from restarts import Restarts, insert


def test_started_and_stopped_at_random_instants(db, daemon, receiver):
    times, slow = (12, 8) if sanitized() else (200, 1)
    for path in range(3):
        receiver.on(f"/{path}", [503, answer(200, delay=0.005)])
    insert(db, receiver.url(""), 300)
    restarts = Restarts(db, 20261128, slow)
    for _ in range(times):
        restarts.once()
    restarts.check()
    assert len(restarts.ways) >= 2, restarts.ways
    daemon(retry_schedule="10ms", max_attempts=1000)
    wait_settled(db)
    restarts.check()
    assert {row["status"] for row in query(db, "SELECT status FROM deliveries")} == {"delivered"}
    assert {int(request.body) for request in receiver.got()} == set(range(1, 301))
