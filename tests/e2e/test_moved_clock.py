"""What waits for hours and days, by moving the daemon's clock instead of waiting: deliver_at, expires_at, a secret's
grace, an endpoint that fails for days. libfaketime (Debian's package faketime) reads the time that it shows to the
daemon from a file; monotonic time goes on as it is. A sanitizer's runtime wants to be loaded first, so these tests
are for builds without one."""

import glob
import subprocess
import time

import pytest

from command import succeed
from daemon import BUILD
from database import add_endpoint, delivery, enqueue, query, run, value, wait_attempts, wait_status
from test_headers import standard_signature
from waiting import stays, wait_until

HOUR = 3600
DAY = 24 * HOUR


def library():
    """What is preloaded: glibc's allocator, too, in front of jemalloc, which asks for the time while libfaketime is
    being set up."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        pytest.skip("libfaketime is not installed")
    programs = subprocess.run(["ldd", BUILD / "outhookd"], capture_output=True, text=True).stdout
    if "libasan" in programs or "libtsan" in programs:
        pytest.skip("a build with a sanitizer")
    return f"{found[0]}:libc.so.6"


class Clock:
    """The daemon's wall clock, so many seconds ahead of ours."""

    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        """At once: whoever reads the file sees the old time or the new one, and never an empty file."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{'+' if seconds >= 0 else '-'}{abs(seconds)}\n")
        fresh.replace(self.path)

    def prefix(self):
        return ["env", f"LD_PRELOAD={library()}", f"FAKETIME_TIMESTAMP_FILE={self.path}", "FAKETIME_NO_CACHE=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1",
                "NO_FAKE_STAT=1"]  # a file's times stay what they are when the clock is set


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


@pytest.fixture
def moved(daemon, clock):
    """Starts a daemon whose clock can be moved."""
    return lambda **settings: daemon(prefix=clock.prefix(), **settings)


def now_ms():
    return int(time.time() * 1000)


def test_deliver_at_comes(db, moved, clock, receiver):
    one = moved()
    enqueue(db, "later", url=receiver.url(), deliver_at=now_ms() + 10 * HOUR * 1000)
    enqueue(db, "tomorrow", url=receiver.url("/tomorrow"), deliver_at=now_ms() + DAY * 1000)
    assert stays(lambda: not receiver.got(), 0.3)
    clock.set(10 * HOUR + 1)
    receiver.wait(1, path="/hook")
    one.wait_for_line("the system's clock was set by")
    assert not receiver.got("/tomorrow")
    clock.set(DAY + 1)
    receiver.wait(1, path="/tomorrow")


def test_expires_at_comes_between_two_attempts(db, moved, clock, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="20m 20m 20m 5h")
    moved(retry_jitter=0)
    enqueue(db, endpoint="a", expires_at=now_ms() + 3 * HOUR * 1000)
    wait_attempts(db, 1)
    clock.set(HOUR // 2)
    wait_attempts(db, 2)
    assert delivery(db)["status"] == "pending"
    clock.set(4 * HOUR)
    assert wait_status(db, "expired")["attempts"] == 2
    assert len(receiver.got()) == 2, "what has expired is not sent any more"


def test_a_clock_that_goes_back_loses_nothing(db, moved, clock, receiver):
    clock.set(DAY)
    receiver.on("/hook", [500, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="1s")
    moved()
    enqueue(db, endpoint="a")
    wait_attempts(db, 1)  # due a day from now, by the clock to come
    clock.set(0)
    assert stays(lambda: len(receiver.got()) == 1, 0.3)
    enqueue(db, url=receiver.url("/other"))
    receiver.wait(1, path="/other")
    clock.set(DAY + 60)
    wait_status(db, "delivered")


def test_a_secret_signs_until_its_grace_is_over(db, moved, clock, receiver):
    add_endpoint(db, "a", receiver.url())
    moved()
    first = value(db, "SELECT secret FROM endpoint_secrets")
    succeed("endpoint", "rotate-secret", "a", "--grace", "24h", "--database", db)
    second = value(db, "SELECT secret FROM endpoint_secrets ORDER BY id DESC LIMIT 1")
    enqueue(db, "{}", endpoint="a")
    (request,) = receiver.wait(1)
    assert request.header("webhook-signature").split() == [standard_signature(second, request),
                                                           standard_signature(first, request)]
    clock.set(DAY + 60)
    enqueue(db, "{}", endpoint="a")
    request = receiver.wait(2)[-1]
    assert request.header("webhook-signature").split() == [standard_signature(second, request)]
    assert abs(int(request.header("webhook-timestamp")) - time.time() - DAY) < 120


def test_a_secret_that_does_not_open_holds_up_until_its_grace_is_over(db, moved, clock, receiver):
    run(db, f"""INSERT INTO endpoints (name, url) VALUES ('a', '{receiver.url()}');
                UPDATE endpoint_secrets SET secret = 'sealed:v1:12345678:' || hex(zeroblob(40))""")
    one = moved()
    one.wait_for_line("endpoint a is not sent to")
    succeed("endpoint", "rotate-secret", "a", "--grace", "24h", "--database", db)
    second = value(db, "SELECT secret FROM endpoint_secrets ORDER BY id DESC LIMIT 1")
    enqueue(db, "{}", endpoint="a")
    assert stays(lambda: not receiver.got(), 0.5)
    clock.set(DAY + 60)
    (request,) = receiver.wait(1)
    assert request.header("webhook-signature") == standard_signature(second, request)


def test_an_endpoint_that_fails_for_days_is_disabled(db, moved, clock, receiver):
    """The daemon is started anew each time: to a running one, a clock that is days ahead has been set."""
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="1h", max_attempts=1000)
    settings = {"retry_jitter": 0, "breaker_failures": 1000}
    one = moved(**settings)
    enqueue(db, endpoint="a")
    wait_attempts(db, 1)
    one.stop()
    clock.set(4 * DAY)
    one = moved(**settings)
    wait_attempts(db, 2)
    assert query(db, "SELECT enabled FROM endpoints") == [{"enabled": 1}]
    one.stop()
    clock.set(5 * DAY + HOUR)
    one = moved(**settings)
    one.wait_for_line("endpoint a has failed for", "is disabled")
    wait_until(lambda: query(db, "SELECT enabled FROM endpoints") == [{"enabled": 0}])


def test_a_leap_of_the_clock_disables_nobody(db, moved, clock, receiver):
    """Neither at once nor after a restart, which knows the leap only from what was written down."""
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="1h", max_attempts=1000)
    settings = {"retry_jitter": 0, "breaker_failures": 1000}
    one = moved(**settings)
    enqueue(db, endpoint="a")
    wait_attempts(db, 1)
    clock.set(6 * DAY)
    wait_attempts(db, 2)
    since = value(db, "SELECT failing_since FROM endpoints")
    assert abs(since - now_ms() - 6 * DAY * 1000) < 600_000
    one.stop()
    clock.set(6 * DAY + 2 * HOUR)
    one = moved(**settings)
    wait_attempts(db, 3)
    assert query(db, "SELECT enabled, failing_since FROM endpoints") == [{"enabled": 1, "failing_since": since}]
    assert not one.lines("is disabled")


@pytest.mark.parametrize("ahead", [DAY, -DAY], ids=["a day ahead", "a day back"])
def test_all_goes_on_when_the_clock_leaps_by_a_day(db, moved, clock, receiver, ahead):
    """What is pending, what waits to be tried again, and what is new; each as often as it should."""
    clock.set(DAY)
    receiver.on("/retried", [500, 500, 200])
    add_endpoint(db, "a", receiver.url("/retried"), retry_schedule="400ms")
    one = moved(retry_jitter=0)
    enqueue(db, "retried", endpoint="a")
    wait_attempts(db, 1)
    clock.set(DAY + ahead)
    enqueue(db, "new", url=receiver.url("/new"))
    wait_status(db, "delivered", 2)
    if ahead < 0:
        assert delivery(db)["status"] == "pending", "it is due when it is that late again"
        clock.set(DAY + 2)
    wait_status(db, "delivered")
    assert len(one.lines("the system's clock was set by")) == (1 if ahead > 0 else 2)
    assert [len(receiver.got(path)) for path in ["/retried", "/new"]] == [3, 1]


@pytest.mark.parametrize("ahead", [12 * 365 * DAY, 74 * 365 * DAY], ids=["past 2038", "2100"])
@pytest.mark.parametrize("leaps", [True, False], ids=["leaps", "starts there"])
def test_the_far_future(db, moved, clock, receiver, ahead, leaps):
    receiver.on("/retried", [500, 500, 200])
    add_endpoint(db, "a", receiver.url("/retried"), retry_schedule="300ms")
    if not leaps:
        clock.set(ahead)
    one = moved(retry_jitter=0)
    enqueue(db, "retried", endpoint="a")
    wait_attempts(db, 1)
    clock.set(ahead)
    wait_status(db, "delivered")
    enqueue(db, "new", endpoint="a")
    wait_status(db, "delivered", 2)
    assert len(receiver.got()) == 4
    now_s = time.time() + ahead
    last = receiver.got()[-1]
    secret = value(db, "SELECT secret FROM endpoint_secrets")
    assert abs(int(last.header("webhook-timestamp")) - now_s) < 600
    assert last.header("webhook-signature") == standard_signature(secret, last)
    times = query(db, "SELECT finished_at FROM deliveries UNION ALL SELECT started_at FROM attempts WHERE number > 1")
    assert all(abs(at - now_s * 1000) < 600_000 for row in times for at in row.values()), times
    year = time.gmtime(now_s).tm_year
    assert one.lines(f"{year}-", "verdict=delivered"), "the log tells the year"
    assert value(db, "SELECT count(*) FROM webhooks") == 2, "nothing is deleted for its age"
