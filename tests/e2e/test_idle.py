"""A daemon that has nothing to do sleeps, and is there when it has."""

import pathlib
import time

from database import enqueue, query, run
from service_manager import threads
from waiting import wait_until

WINDOW_S = 4
MOST = {"loop": 1, "store": 3, "worker1": 1}  # wakes in that time


def wakes(one):
    """How often each thread has gone to sleep."""
    counts = {}
    for name, tid in threads(one.pid).items():
        status = pathlib.Path(f"/proc/{one.pid}/task/{tid}/status").read_text()
        counts[name] = int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return counts


def sleeps(one):
    before = wakes(one)
    time.sleep(WINDOW_S)
    after = wakes(one)
    return all(after[name] - before[name] <= most for name, most in MOST.items())


def delivered(db, count):
    wait_until(lambda: len(query(db, "SELECT id FROM deliveries WHERE status = 'delivered'")) == count, what="delivered")


def test_with_nothing_to_do_it_sleeps(db, daemon, receiver):
    one = daemon()
    for count in (1, 2):
        enqueue(db, url=receiver.url())
        delivered(db, count)
        wait_until(lambda: sleeps(one), what="it sleeps")


def test_others_writes_wake_it_up_in_time_but_not_for_ever(db, daemon, receiver):
    """Each may be a webhook, so that the threads which that would pass through are told, until it never is one."""
    one = daemon()
    enqueue(db, url=receiver.url())
    delivered(db, 1)
    wait_until(lambda: sleeps(one), what="it sleeps")
    run(db, "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    before, began = wakes(one), time.monotonic()
    while time.monotonic() < began + WINDOW_S:
        run(db, "INSERT INTO orders DEFAULT VALUES")
        time.sleep(0.005)  # after some quiet
    after, seconds = wakes(one), time.monotonic() - began
    more = {name: after[name] - before[name] for name in ("loop", "worker1", "worker2")}
    assert more["loop"] >= 1 and max(more["worker1"], more["worker2"]) >= 1
    assert more["loop"] <= 20 + 2 * seconds and max(more["worker1"], more["worker2"]) <= 40
    enqueue(db, url=receiver.url())
    delivered(db, 2)
