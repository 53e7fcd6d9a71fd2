"""allow_private of an endpoint, in a network where a private address is near."""

import signal
import subprocess

import pytest

import names
from command import succeed
from database import add_endpoint, attempts, enqueue, wait_attempts, wait_status
from receivers import Receiver
from waiting import wait_until

PRIVATE = "10.9.8.7"
LINK_LOCAL = "169.254.169.254"
ONCE = {"retry_schedule": "1h", "breaker_failures": 1000}


@pytest.fixture
def world(tmp_path):
    names.require()
    one = names.NameWorld(tmp_path)
    for address in (PRIVATE, LINK_LOCAL, "fd00::7"):
        no_wait = ["nodad"] if ":" in address else []
        subprocess.run([*one.prefix, "ip", "address", "add", address, "dev", "lo", *no_wait], check=True)
    yield one
    one.stop()


@pytest.fixture
def inside(world):
    """A receiver at all of the world's IPv4 addresses."""
    one = world.run(lambda: Receiver(host="0.0.0.0"))
    yield one
    one.stop()


@pytest.fixture
def inside6(world):
    one = world.run(lambda: Receiver(host="fd00::7"))
    yield one
    one.stop()


def test_it_counts_where_the_configuration_permits_it(db, daemon, world, inside, inside6):
    add_endpoint(db, "near", f"http://{PRIVATE}:{inside.port}/near", allow_private=1)
    add_endpoint(db, "near6", f"http://[fd00::7]:{inside6.port}/near6", allow_private=1)
    add_endpoint(db, "plain", f"http://{PRIVATE}:{inside.port}/plain")
    daemon(allow=None, prefix=world.prefix, permit_allow_private="yes", **ONCE)
    for number, endpoint in enumerate(("near", "near6"), 1):
        enqueue(db, endpoint=endpoint)
        wait_status(db, "delivered", number)
    enqueue(db, endpoint="plain")
    (first,) = wait_attempts(db, 1, 3)
    assert first["verdict"] == "blocked" and f"{PRIVATE} is refused: private address" in first["error"]
    assert not inside.got("/plain")


def test_and_nowhere_else(db, daemon, world, inside):
    add_endpoint(db, "near", f"http://{PRIVATE}:{inside.port}/", allow_private=1)
    daemon(allow=None, prefix=world.prefix, **ONCE)
    enqueue(db, endpoint="near")
    assert wait_attempts(db, 1)[0]["verdict"] == "blocked" and inside.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", LINK_LOCAL, "0.0.0.0", "localhost"])
def test_it_opens_private_addresses_alone(db, daemon, world, inside, host):
    add_endpoint(db, "a", f"http://{host}:{inside.port}/", allow_private=1)
    daemon(allow=None, prefix=world.prefix, permit_allow_private="yes", **ONCE)
    enqueue(db, endpoint="a")
    assert wait_attempts(db, 1)[0]["verdict"] == "blocked" and inside.connections == 0


def test_deny_networks_wins(db, daemon, world, inside):
    add_endpoint(db, "near", f"http://{PRIVATE}:{inside.port}/", allow_private=1)
    daemon(allow=None, prefix=world.prefix, permit_allow_private="yes", deny_networks="10.0.0.0/8", **ONCE)
    enqueue(db, endpoint="near")
    assert "address in deny_networks" in wait_attempts(db, 1)[0]["error"] and inside.connections == 0


def test_a_reload_and_an_edit_reach_connections_that_are_open(db, daemon, world, inside, tmp_path):
    """What was allowed a moment ago costs no further call, though its connection is still there."""
    config = tmp_path / "outhookd.conf"
    config.write_text("permit_allow_private = yes\nretry_schedule = 1h\n")
    add_endpoint(db, "near", f"http://{PRIVATE}:{inside.port}/", allow_private=1)
    one = daemon(config=config, allow=None, prefix=world.prefix)
    enqueue(db, endpoint="near")
    wait_status(db, "delivered")
    succeed("endpoint", "set", "near", "allow_private=no", "--database", db)
    enqueue(db, endpoint="near")
    assert wait_attempts(db, 1, 2)[0]["verdict"] == "blocked"
    succeed("endpoint", "set", "near", "--allow-private", "--database", db)
    enqueue(db, endpoint="near")
    wait_status(db, "delivered", 3)
    config.write_text("permit_allow_private = no\nretry_schedule = 1h\n")
    one.signal(signal.SIGHUP)
    one.wait_for_line("was reloaded")
    enqueue(db, endpoint="near")
    wait_until(lambda: attempts(db, 4))
    assert attempts(db, 4)[0]["verdict"] == "blocked" and len(inside.got()) == 2
