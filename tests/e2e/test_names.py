"""Host names: looked up once for all who wait, by a name server that may hang, fail, or lie."""

import os
import time

import pytest

import names
from database import add_endpoint, attempts, delivery, enqueue, query, run, value, wait_attempts, wait_settled, \
    wait_status
from names import AAAA, NXDOMAIN, SERVFAIL, NameWorld
from receivers import Receiver, answer
from waiting import stays, wait_until

ONCE = {"retry_schedule": "1h", "breaker_failures": 1000}


@pytest.fixture
def new_world(tmp_path):
    names.require()
    started = []

    def start(**options):
        directory = tmp_path / f"world{len(started)}"
        directory.mkdir()
        started.append(NameWorld(directory, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def world(new_world):
    return new_world()


@pytest.fixture
def new_inside(world):
    """Starts receivers in the world's network."""
    started = []

    def start(**options):
        started.append(world.run(lambda: Receiver(**options)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def url(host, receiver, path="/hook"):
    return f"http://{host}:{receiver.port}{path}"


def threads(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/task"))


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def enqueue_many(db, count, endpoint):
    run(db, f"INSERT INTO webhooks (endpoint, payload) SELECT '{endpoint}', value FROM generate_series(1, {count})")


# ---- one lookup for all ------------------------------------------------------------------------


def test_two_hundred_deliveries_are_one_lookup(db, daemon, world, new_inside):
    world.server.names["a.test"] = (0.5, ["127.0.0.1"])
    one = new_inside()
    for number in range(40):  # of which each may have one call under way until it has proven itself
        add_endpoint(db, f"e{number}", url("A.test", one, f"/{number}"))
        enqueue_many(db, 5, f"e{number}")
    daemon(prefix=world.prefix)
    wait_settled(db)
    assert len(one.got()) == 200
    assert world.server.count("a.test") == world.server.count("a.test", AAAA) == 1
    assert value(db, "SELECT max(duration_ms) FROM attempts") >= 500, "who waited for it says so"


def test_a_name_is_looked_up_again_when_the_answer_is_old(db, daemon, world, new_inside):
    world.server.names["a.test"] = ["127.0.0.1"]
    one = new_inside()
    daemon(prefix=world.prefix, lookup_cache="300ms")
    for number in (1, 2):
        enqueue(db, url=url("a.test", one))
        wait_status(db, "delivered", number)
        time.sleep(0.35)
    assert world.server.count("a.test") == 2


def test_addresses_and_the_hosts_file_need_no_name_server(db, daemon, new_world):
    world = new_world(hosts="127.0.0.1 in-a-file.test\n::1 six.test\n")
    world.server.default = "hang"
    receivers = [world.run(Receiver), world.run(lambda: Receiver(host="::1"))]
    daemon(prefix=world.prefix)
    for host, one in [("127.0.0.1", receivers[0]), ("in-a-file.test", receivers[0]), ("localhost", receivers[0]),
                      ("six.test", receivers[1]), ("[::1]", receivers[1]), ("2130706433", receivers[0])]:
        enqueue(db, url=url(host, one))
    wait_settled(db)
    assert value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 6
    assert {name for name, _ in world.server.queries} == set()
    assert receivers[1].got()[0].header("host") in (f"six.test:{receivers[1].port}", f"[::1]:{receivers[1].port}")
    for one in receivers:
        one.stop()


def test_the_next_address_is_tried_when_one_does_not_answer(db, daemon, world, new_inside):
    world.server.names["two.test"] = ["127.0.0.9", "127.0.0.2", "::1"]
    one = new_inside(host="127.0.0.2")
    daemon(prefix=world.prefix)
    enqueue(db, url=url("two.test", one))
    wait_status(db, "delivered")
    assert attempts(db)[0]["remote_address"] == f"127.0.0.2:{one.port}"


# ---- a name server that hangs or fails ---------------------------------------------------------


@pytest.mark.parametrize("behaviour, words, least_ms", [
    (NXDOMAIN, "Name or service not known", 0), ([], "", 0), (SERVFAIL, "", 0), ("hang", "nobody answered in time", 400)])
def test_a_name_without_an_answer_is_unreachable(db, daemon, world, behaviour, words, least_ms):
    world.server.names["gone.test"] = behaviour
    daemon(prefix=world.prefix, connect_timeout="400ms", **ONCE)
    enqueue(db, url="http://gone.test/")
    (first,) = wait_attempts(db, 1)
    assert (first["verdict"], first["status_code"], first["remote_address"]) == ("unreachable", None, None)
    assert "lookup of gone.test" in first["error"] and words in first["error"], first["error"]
    assert least_ms <= first["duration_ms"] < 20_000


def test_the_total_timeout_covers_the_lookup(db, daemon, world, new_inside):
    """What the lookup has taken is missing from what the answer may take."""
    world.server.names["slow.test"] = (1.5, ["127.0.0.1"])
    one = new_inside()
    one.on("/hook", answer(200, delay=60))
    add_endpoint(db, "late", "http://slow.test/", timeout_ms=300)
    add_endpoint(db, "rest", url("slow.test", one), timeout_ms=3000)
    daemon(prefix=world.prefix, **ONCE)
    late, rest = enqueue(db, endpoint="late"), enqueue(db, endpoint="rest")
    (first,) = wait_attempts(db, 1, late)
    assert first["verdict"] == "unreachable" and 300 <= first["duration_ms"] < 1500
    (first,) = wait_attempts(db, 1, rest)
    assert first["verdict"] == "timeout" and 3000 <= first["duration_ms"] < 4400, first


def test_a_dead_name_server_hurts_nobody_else(db, daemon, world, new_inside):
    """Threads and descriptors stay within their bounds while it is dead, and are given back afterwards."""
    one = new_inside()
    count, lookups = 100, 8
    world.server.names["known.test"] = ["127.0.0.1"]
    run(db, f"""INSERT INTO endpoints (name, url, connect_timeout_ms)
                SELECT 'dead' || value, 'http://dead' || value || '.test/', 1000 FROM generate_series(1, {count})""")
    for name, host in [("address", "127.0.0.1"), ("known", "known.test")]:
        add_endpoint(db, name, url(host, one))
    server = daemon(prefix=world.prefix, max_in_flight=32, max_lookups=lookups, lookup_cache="500ms",
                    retry_schedule="100ms", max_attempts=3)
    enqueue_many(db, 1, "known")
    wait_settled(db)
    threads_before, descriptors_before = threads(server), descriptors(server)
    world.server.default = "hang"
    world.server.names["known.test"] = "hang"
    run(db, f"""INSERT INTO webhooks (endpoint, payload)
                SELECT 'dead' || (1 + value % {count}), '{{}}' FROM generate_series(1, {3 * count})""")
    wait_until(lambda: world.server.queries and threads(server) > threads_before, what="lookups are under way")

    most_threads = most_descriptors = 0
    for _ in range(6):
        for name in ("address", "known"):
            before = len(one.got())
            enqueue_many(db, 5, name)
            one.wait(before + 5)
        most_threads = max(most_threads, threads(server))
        most_descriptors = max(most_descriptors, descriptors(server))
        time.sleep(0.1)
    assert most_threads <= threads_before + lookups
    assert most_descriptors <= descriptors_before + 2 * lookups + 16
    assert value(db, "SELECT count(*) FROM attempts WHERE verdict NOT IN ('unreachable', 'delivered')") == 0
    run(db, "UPDATE deliveries SET status = 'cancelled' WHERE status = 'pending'")
    wait_until(lambda: threads(server) == threads_before and descriptors(server) <= descriptors_before + one.connections,
               what="all but the connections to the receiver are given back")


def test_names_that_nobody_answers_for_leave_lookups_to_others(db, daemon, new_world):
    """16 names that hang share 4 lookups; others, never seen before, need one attempt each."""
    world = new_world(options="timeout:1 attempts:1")
    one = world.run(Receiver)
    world.server.default = "hang"
    run(db, """INSERT INTO endpoints (name, url, connect_timeout_ms)
               SELECT 'dead' || value, 'http://dead' || value || '.test/', 500 FROM generate_series(1, 16);
               INSERT INTO webhooks (endpoint, payload)
               SELECT 'dead' || (1 + value % 16), '{}' FROM generate_series(1, 1600)""")
    daemon(prefix=world.prefix, max_in_flight=48, max_lookups=4, retry_schedule="100ms", max_attempts=1000,
           breaker_failures=1000, drain_timeout="0s", connect_timeout="500ms")
    wait_until(lambda: len({name for name, _ in world.server.queries}) == 16, what="each of them has been looked up")
    time.sleep(1.1)
    for number in range(5):
        name = f"good{number}.test"
        world.server.names[name] = ["127.0.0.1"]
        enqueue(db, url=url(name, one, f"/{name}"))
    one.wait(5)
    wait_until(lambda: value(db, "SELECT count(*) FROM deliveries WHERE status = 'delivered'") == 5)
    assert value(db, "SELECT max(attempts) FROM deliveries WHERE status = 'delivered'") == 1
    one.stop()


def test_stopping_does_not_wait_for_a_lookup(db, daemon, new_world):
    world = new_world(options="timeout:30 attempts:5")
    world.server.default = "hang"
    for number in range(20):
        enqueue(db, url=f"http://hung{number}.test/")
    server = daemon(prefix=world.prefix, drain_timeout="200ms", connect_timeout="60s", timeout="60s")
    wait_until(lambda: len({name for name, _ in world.server.queries}) >= 10, what="many lookups hang")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 15
    assert query(db, "SELECT DISTINCT status, attempts FROM deliveries") == [{"status": "pending", "attempts": 0}]
    assert value(db, "SELECT count(*) FROM attempts") == 0


# ---- a name server that lies -------------------------------------------------------------------


@pytest.fixture
def trap(world, new_inside):
    """A receiver at a public address and one on loopback at the same port, which nobody may touch."""
    public = new_inside(host=world.public)
    public.on("/hook", answer(200, headers={"Connection": "close"}))
    loopback = new_inside(port=public.port)
    yield public, loopback
    assert loopback.connections == 0, "loopback was called"


@pytest.mark.parametrize("second", [["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["10.0.0.1", "169.254.169.254"]])
@pytest.mark.parametrize("cache", ["0s", "200ms"])
def test_a_name_that_is_rebound_to_loopback(db, daemon, world, trap, second, cache):
    """The first lookup's answer is public, so that one who only looks at that answer would go on to the second."""
    public, _ = trap
    world.server.names["evil.test"] = lambda before: second if before else [world.public]
    daemon(allow=None, prefix=world.prefix, lookup_cache=cache, **ONCE)
    enqueue(db, url=url("evil.test", public))
    wait_status(db, "delivered", 1)
    time.sleep(0.25)
    enqueue(db, url=url("evil.test", public))
    (first,) = wait_attempts(db, 1, 2)
    assert (first["verdict"], first["status_code"]) == ("blocked", None), first
    assert any(address in first["error"] for address in second), first
    assert len(public.got()) == 1 and world.server.count("evil.test") == 2


def test_both_in_one_answer(db, daemon, world, trap):
    public, _ = trap
    daemon(allow=None, prefix=world.prefix, **ONCE)
    for number, addresses in enumerate([[world.public, "127.0.0.1"], ["127.0.0.1", world.public],
                                        ["::1", world.public]], start=1):
        world.server.names[f"both{number}.test"] = addresses
        enqueue(db, url=url(f"both{number}.test", public))
        wait_status(db, "delivered", number)
        assert attempts(db, number)[0]["remote_address"] == f"{world.public}:{public.port}"
    assert len(public.got()) == 3


def test_both_in_one_answer_and_the_public_one_is_down(db, daemon, world, new_inside):
    """Whatever the order in which the system hands them out, and so whichever reason comes last."""
    loopback = new_inside()
    world.server.names["both.test"] = [world.public, "127.0.0.1"]
    daemon(allow=None, prefix=world.prefix, **ONCE)
    enqueue(db, url=url("both.test", loopback))
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] in ("blocked", "unreachable") and first["status_code"] is None
    assert stays(lambda: loopback.connections == 0, 0.2) and delivery(db)["status"] == "pending"
