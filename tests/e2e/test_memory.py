"""Out of memory: whichever allocation of a delivery is refused, nothing is lost. The short form; all of them, and more
kinds of endpoints, by hand: tests/limits/memory.py."""

import pytest

from refusals import EVER, library
from sweep import Sweep, summary
from sweep_kinds import sweep_of

STRIDE = 7
COUNT_MOST = 600  # a quiet machine makes about 340; a busy one looks more often whether there is something to do


@pytest.fixture(autouse=True)
def has_library():
    library()


def test_one_allocation_is_refused(tmp_path, receiver):
    sweep = Sweep(tmp_path, receiver)
    count = min(sweep.count(), COUNT_MOST)
    assert count > 100, "it allocates something"
    results = sweep.run(range(1, count + 1, STRIDE))
    ways = summary(results)
    assert len(ways) > 1 and sum(ways.values()) > 100 // STRIDE, ways


def test_there_is_no_memory_from_then_on(tmp_path, receiver):
    sweep = Sweep(tmp_path, receiver)
    results = sweep.run(range(3, min(sweep.count(), COUNT_MOST) + 1, 5 * STRIDE), last=EVER)
    assert sum(summary(results).values()) > 100 // (5 * STRIDE)


def test_one_allocation_of_tls_is_refused(tmp_path, tls_receiver, certificates):
    """After one that failed within OpenSSL, all of its connections would fail until the daemon's end."""
    sweep = Sweep(tmp_path, tls_receiver(), scheme="https", settings={"ca_file": certificates / "ca.pem"})
    results = sweep.run(range(11, sweep.count() + 1, 53 * STRIDE))
    ways = summary(results)
    assert ways["delivered"] < sum(ways.values()) / 4, "OpenSSL must not try to go on"


@pytest.mark.parametrize("kind, first, stride", [("http2", 17, 197), ("lookup", 3, 13), ("ed25519", 5, 67)])
def test_one_allocation_of_other_kinds_is_refused(tmp_path, kind, first, stride):
    """All of them: tests/limits/memory.py."""
    if kind == "http2":
        pytest.importorskip("h2", reason="python3-h2 is missing")
    with sweep_of(kind, tmp_path) as sweep:
        count = sweep.count()
        ways = summary(sweep.run(range(first, count + 1, stride)))
        assert sum(ways.values()) > count / stride / 2, (count, ways)
