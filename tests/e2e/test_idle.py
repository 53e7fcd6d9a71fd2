"""A daemon that has nothing to do sleeps, and is there when it has."""

import pathlib
import time

from database import enqueue, query
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


def test_with_nothing_to_do_it_sleeps(db, daemon, receiver):
    one = daemon()
    for count in (1, 2):
        enqueue(db, url=receiver.url())
        wait_until(lambda: len(query(db, "SELECT id FROM deliveries WHERE status = 'delivered'")) == count,
                   what="delivered")
        wait_until(lambda: sleeps(one), what="it sleeps")
