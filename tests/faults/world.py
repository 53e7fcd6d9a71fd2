"""What the campaigns share: endpoints that behave, producers that remember what was committed, and the audit."""

import collections
import multiprocessing
import random
import sqlite3
import subprocess
import sys
import time

import disk  # noqa: F401  (lets the modules of tests/e2e be imported)
from daemon import BUILD  # noqa: F401
from database import ENVIRONMENT, query, value
from ledger import Ledger
from receivers import refusing_url
from waiting import wait_until

IN_FLIGHT, UNWRITTEN = 10, 6
SLOTS = IN_FLIGHT + UNWRITTEN  # as many calls may lack their record after a kill

SETTINGS = {
    "workers": 2, "max_in_flight": IN_FLIGHT, "max_unwritten": UNWRITTEN, "endpoint_max_in_flight": 8, "max_loaded": 64,
    "retry_schedule": "20ms 50ms", "max_attempts": 3, "timeout": "500ms", "connect_timeout": "300ms", "breaker_failures": 20, "breaker_open": "20ms",
    "breaker_open_max": "20ms", "disable_after": "0s", "drain_timeout": "1s", "log_attempts_per_second": 0,
}

# name: path, or None for a port where nobody listens; how often producers choose it.
ENDPOINTS = {"good": ("/good/1", 8), "other": ("/good/2", 8), "slow": ("/slow/1", 3), "flaky": ("/flaky/1", 4),
             "fail": ("/fail/1", 2), "lie": ("/lie/1", 1), "gone": ("/gone/1", 1), "hang": ("/hang/1", 0.1),
             "dead": (None, 1)}
FAN_OUT = ("good", "other", "flaky", "fail")


def furnish(db, ledger, environment=ENVIRONMENT):
    """The endpoints, and who subscribes to what."""
    sql = ""
    for name, (path, _) in ENDPOINTS.items():
        url = ledger.url(path) if path else refusing_url()
        sql += f"INSERT INTO endpoints (name, url) VALUES ('{name}', '{url}');"
    for name in FAN_OUT:
        sql += f"INSERT INTO subscriptions SELECT id, 'many.*' FROM endpoints WHERE name = '{name}';"
    subprocess.run(["sqlite3", "-bail", "-cmd", ".timeout 20000", db, sql], env=environment, check=True)


# ---- producers ----------------------------------------------------------------------------------


def insert(connection, chance, url):
    """One webhook of some kind, in an open transaction; returns (id, uid, deliveries)."""
    kind = chance.random()
    payload = "x" * chance.choice((10, 100, 2000, 9000))
    if kind < 0.1:
        sql, row, count = "(type, payload) VALUES ('many.things', ?)", (payload,), len(FAN_OUT)
    elif kind < 0.2:
        sql, row, count = "(url, payload) VALUES (?, ?)", (url, payload), 1
    else:
        names, weights = list(ENDPOINTS), [weight for _, weight in ENDPOINTS.values()]
        sql, row, count = "(endpoint, payload) VALUES (?, ?)", (*chance.choices(names, weights), payload), 1
    (id_, uid), = connection.execute(f"INSERT INTO webhooks {sql} RETURNING id, uid", row).fetchall()
    return id_, uid, count


def produce(db, url, seed, per_second, pipe):
    """Inserts until it is told to stop; then sends what was committed."""
    chance, committed, rolled_back = random.Random(seed), [], []
    connection = sqlite3.connect(db, timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 1000")
    while not pipe.poll():
        began_at = time.monotonic()
        rows = chance.choice((1, 1, 1, 2, 5, 20))
        try:
            connection.execute("BEGIN IMMEDIATE")
            batch = [insert(connection, chance, url) for _ in range(rows)]
            give_up = chance.random() < 0.05
            connection.execute("ROLLBACK" if give_up else "COMMIT")
            (rolled_back if give_up else committed).extend(batch)
        except sqlite3.OperationalError as error:
            # Not committed: whoever inserts is told, and tries again.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            assert any(word in str(error) for word in ("locked", "full", "readonly", "I/O", "queue")), error
            time.sleep(0.05)
        pause = began_at + rows / per_second - time.monotonic()
        if pause > 0:
            time.sleep(pause)
    pipe.send((committed, [uid for _, uid, _ in rolled_back]))
    connection.close()


class Producer:
    """A process that inserts all the while."""

    def __init__(self, db, url, seed, per_second):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=produce, args=(db, url, seed, per_second, other), daemon=True)
        self.process.start()

    def finish(self):
        """Stops it; returns [(id, uid, deliveries)] of what was committed, and the uids of what was rolled back."""
        self.pipe.send("stop")
        result = self.pipe.recv()
        self.process.join()
        return result


# ---- the audit ----------------------------------------------------------------------------------


class Audit:
    """Collects what is wrong, as sentences."""

    def __init__(self, quiet=False):
        self.faults, self.quiet = [], quiet

    def expect(self, holds, sentence):
        if not holds and len(self.faults) < 50:
            self.faults.append(sentence)
            if not self.quiet:
                print(f"WRONG: {sentence}", file=sys.stderr, flush=True)


def audit_file(audit, db):
    """The file as such, and what its tables say of each other."""
    found = [row["integrity_check"] for row in query(db, "PRAGMA integrity_check")]
    audit.expect(found == ["ok"], f"integrity_check says {found[:3]}")
    twice = query(db, "SELECT delivery_id, number FROM attempts GROUP BY 1, 2 HAVING count(*) > 1")
    audit.expect(not twice, f"attempts are there twice: {twice[:5]}")
    differ = query(db, """SELECT d.id, attempts, attempts_before, count(a.id) AS rows, max(a.number) AS last
                          FROM deliveries AS d LEFT JOIN attempts AS a ON a.delivery_id = d.id GROUP BY d.id
                          HAVING attempts + attempts_before <> count(a.id)
                              OR attempts + attempts_before <> coalesce(max(a.number), 0)""")
    audit.expect(not differ, f"deliveries and their attempts differ: {differ[:5]}")
    # Of two clocks, one of which may be set: hence the milliseconds.
    overlap = query(db, """SELECT delivery_id, number, ended_at - next_at AS early FROM (
                               SELECT delivery_id, number, started_at + duration_ms AS ended_at,
                                   lead(started_at) OVER (PARTITION BY delivery_id ORDER BY number) AS next_at FROM attempts)
                           WHERE early > 5""")
    audit.expect(not overlap, f"attempts of one delivery were under way at once: {overlap[:5]}")
    halfway = query(db, "SELECT id, status FROM deliveries WHERE (status = 'pending') <> (finished_at IS NULL)")
    audit.expect(not halfway, f"deliveries are halfway: {halfway[:5]}")
    depth = value(db, """SELECT (SELECT pending FROM queue_depth)
                              - (SELECT count(*) FROM deliveries WHERE status = 'pending')""")
    audit.expect(depth == 0, f"queue_depth is off by {depth}")


def audit_committed(audit, db, committed, rolled_back, may_be_deleted=False):
    """What was committed is there with all its deliveries, and what was not is not."""
    there = {row["id"]: (row["uid"], row["deliveries"]) for row in query(db, """
        SELECT w.id, w.uid, count(d.id) AS deliveries FROM webhooks AS w LEFT JOIN deliveries AS d ON d.webhook_id = w.id
        GROUP BY w.id""")}
    for id_, uid, count in committed:
        if id_ in there or not may_be_deleted:
            found = there.get(id_)
            right = found and found[0] == uid and (found[1] == count or may_be_deleted)
            audit.expect(right, f"webhook {id_} ({uid}) was committed with {count} deliveries; there is {found}")
    uids = {uid for uid, _ in there.values()}
    audit.expect(not uids.intersection(rolled_back), "what was rolled back is there")
    known = {uid for _, uid, _ in committed}
    return uids - known


def audit_books(audit, db, lines):
    """The database against the receivers' books: what it says was delivered was taken, no attempt is invented, and
    nothing was taken by a call that the database does not know of for any other reason than a kill. Returns how many
    calls have no attempt."""
    unrecorded = 0
    rows = query(db, """
        SELECT d.id, d.status, w.uid, e.url, count(a.id) AS attempts,
            count(a.id) FILTER (WHERE a.verdict = 'delivered') AS successes
        FROM deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id JOIN endpoints AS e ON e.id = d.endpoint_id
        LEFT JOIN attempts AS a ON a.delivery_id = d.id AND a.phase NOT IN ('lookup', 'connect', 'tls')
        GROUP BY d.id""")
    seen = collections.Counter()
    for row in rows:
        path = "/" + row["url"].split("/", 3)[3]
        calls, taken = lines.get((path, row["uid"]), (0, 0))
        key = path, row["uid"]
        seen[key] += 1
        if row["status"] == "delivered":
            audit.expect(taken >= 1, f"delivery {row['id']} is delivered, and its receiver has not taken it")
        audit.expect(row["status"] != "pending", f"delivery {row['id']} is still pending")
        audit.expect(row["attempts"] <= calls,
                     f"delivery {row['id']} has {row['attempts']} attempts, and its receiver saw {calls} calls")
        audit.expect(row["successes"] <= taken,
                     f"delivery {row['id']} has {row['successes']} successes, and its receiver took {taken}")
        unrecorded += calls - row["attempts"]
    invented = [key for key in lines if key not in seen]
    return unrecorded, invented


def wait_drained(audit, db, seconds):
    """Waits until nothing is pending."""
    try:
        wait_until(lambda: not query(db, "SELECT 1 FROM deliveries WHERE status = 'pending' LIMIT 1"), seconds)
    except AssertionError:
        left = query(db, """SELECT coalesce(e.name, e.url) AS endpoint, count(*) AS n FROM deliveries AS d
                            JOIN endpoints AS e ON e.id = endpoint_id WHERE status = 'pending' GROUP BY 1""")
        audit.expect(False, f"after {seconds:.0f} s these are pending still: {left}")
