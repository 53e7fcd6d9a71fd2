"""Waiting for something to become true, instead of sleeping and hoping."""

import os
import time

# Seconds; the suite also runs under sanitizers on slow machines.
PATIENCE = float(os.environ.get("OUTHOOK_TEST_PATIENCE", 60))


def wait_until(condition, timeout=PATIENCE, what=""):
    """Polls until condition() is true, and returns what it gave. `what` may be a function that says how things are."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not true after {timeout} s: {what() if callable(what) else what or condition}")
        time.sleep(0.01)


def stays(condition, seconds):
    """Whether a condition holds all the time for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            return False
        time.sleep(0.01)
    return True
