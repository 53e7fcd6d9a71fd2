"""An endpoint that fails for disable_after without one success is disabled. Time is moved by the row, not by waiting."""

import signal
import time

from command import rows, succeed
from database import add_endpoint, as_daemon, enqueue, query, run, value, wait_attempts, wait_status
from waiting import stays, wait_until

DAY = 24 * 3600 * 1000


def now_ms():
    return int(time.time() * 1000)


def endpoint(db):
    (row,) = query(db, "SELECT enabled, disabled_reason, disabled_at, failing_since FROM endpoints WHERE name = 'a'")
    return row


def set_failing_since(db, ms):
    """As outhookd has written it."""
    as_daemon(db, f"UPDATE endpoints SET failing_since = {ms}")


def test_the_first_failure_begins_it_and_a_success_ends_it(db, daemon, receiver):
    receiver.on("/hook", [500, 500, 200])
    add_endpoint(db, "a", receiver.url(), retry_schedule="50ms")
    before = now_ms()
    daemon()
    enqueue(db, endpoint="a")
    wait_attempts(db, 1)
    since = endpoint(db)["failing_since"]
    assert since is None or before <= since <= now_ms()
    wait_status(db, "delivered")
    assert endpoint(db)["failing_since"] is None and endpoint(db)["enabled"] == 1
    receiver.on("/hook", 500)
    enqueue(db, endpoint="a")
    wait_until(lambda: endpoint(db)["failing_since"], what="it fails again")


def test_it_is_disabled_and_its_deliveries_wait_for_people(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="50ms")
    set_failing_since(db, now_ms() - 5 * DAY - 1000)
    one = daemon()
    enqueue(db, endpoint="a")
    enqueue(db, endpoint="a")
    one.wait_for_line("warning", "endpoint a has failed for 5d", "is disabled")
    wait_until(lambda: endpoint(db)["enabled"] == 0)
    state = endpoint(db)
    assert state["disabled_reason"].startswith("no success since 20") and state["disabled_at"] > now_ms() - 60_000
    calls = len(receiver.got())
    assert stays(lambda: len(receiver.got()) == calls, 0.4)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'pending'") == 2
    assert "disabled: no success since" in succeed("endpoint", "list", "--database", db)
    receiver.on("/hook", 200)
    assert "2 pending deliveries" in succeed("endpoint", "enable", "a", "--database", db)
    wait_status(db, "delivered", 1)
    wait_status(db, "delivered", 2)
    assert endpoint(db)["failing_since"] is None


def test_it_counts_on_over_a_restart_and_is_shown(db, daemon, receiver):
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="50ms 1h")
    one = daemon()
    enqueue(db, endpoint="a")
    wait_until(lambda: endpoint(db)["failing_since"])
    one.stop()
    set_failing_since(db, now_ms() - 3 * DAY)
    assert "failing for 3d" in succeed("endpoint", "list", "--database", db)
    assert ", without a success since 20" in succeed("endpoint", "show", "a", "--database", db)
    assert rows("endpoint", "list", "--database", db)[0]["failing_since"] == endpoint(db)["failing_since"]
    two = daemon(disable_after="2d")
    enqueue(db, endpoint="a")
    two.wait_for_line("has failed for 3d", "is disabled")


def test_never_is_a_choice_and_a_reload_changes_it(db, daemon, receiver, tmp_path):
    config = tmp_path / "outhookd.conf"
    config.write_text("allow_networks = 127.0.0.0/8\ndisable_after = 0s\n")
    receiver.on("/hook", 500)
    add_endpoint(db, "a", receiver.url(), retry_schedule="50ms 1h")
    set_failing_since(db, now_ms() - 400 * DAY)
    one = daemon(config=config, allow=None)
    enqueue(db, endpoint="a")
    wait_attempts(db, 2)
    assert endpoint(db)["enabled"] == 1
    config.write_text("allow_networks = 127.0.0.0/8\ndisable_after = 365d\n")
    one.signal(signal.SIGHUP)
    one.wait_for_line("was reloaded")
    enqueue(db, endpoint="a")
    wait_until(lambda: endpoint(db)["enabled"] == 0)


def test_another_url_has_yet_to_fail(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url("/old"))
    set_failing_since(db, 1)
    run(db, f"UPDATE endpoints SET url = '{receiver.url('/old')}', description = 'the same'")
    assert endpoint(db)["failing_since"] == 1
    run(db, f"UPDATE endpoints SET url = '{receiver.url('/new')}'")
    assert endpoint(db)["failing_since"] is None
