"""One delivery with the k-th allocation refused, for many k: the daemon delivers all the same, or ends with a sentence
and delivers when it is started again.

The delivery is one to an endpoint with a secret and headers, whose receiver answers 503 at first: so it is read,
signed, sent, put off, read again, sent again, and written twice. What is allocated until the daemon has ended, in good
order, is counted, too.
"""

import collections
import concurrent.futures
import shutil
import signal
import sqlite3

from daemon import Daemon
from database import create
from refusals import EVER, Refusals
from waiting import wait_until

GIVE_UP_S = 30
SENTENCE = "memory"


def prepare(db, url, secret=None, **columns):
    """A database with one endpoint, as a template that is copied for each k. Without a secret it has a made-up one."""
    create(db)
    columns = {"name": "a", "url": url, "headers": '{"x-tenant": "seven"}', **columns}
    connection = sqlite3.connect(db)
    connection.execute(f"INSERT INTO endpoints ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                       list(columns.values()))
    if secret:
        connection.execute("UPDATE endpoint_secrets SET secret = ?", (secret,))
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return db


def read(db, sql):
    connection = sqlite3.connect(db, timeout=20, isolation_level=None)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def enqueue(db):
    read(db, "INSERT INTO webhooks (endpoint, type, payload) VALUES ('a', 'x.y', '{\"n\":1}')")


def delivered(db):
    return set(read(db, "SELECT status FROM deliveries")) == {("delivered",)}


class Result:
    """What became of one k."""

    def __init__(self, k, refused, how, allocations):
        self.k, self.refused, self.how, self.allocations = k, refused, how, allocations


def ended_well(one):
    """How it ended, in a word; a failure of the test when that is none of those allowed."""
    status = one.wait(GIVE_UP_S)
    told = [line for line in one.log if SENTENCE in line]
    if status == 0:
        return "delivered"
    assert status in (1, -signal.SIGABRT), f"ended with {status}:\n{one.text()}"
    assert told, f"ended with {status} and no word about memory:\n{one.text()}"
    return "exit 1" if status == 1 else "abort"


def try_one(k, template, directory, last=None, trace=False, settings=None, prefix=(), before=None):
    """Delivers with the allocations from the k-th to the `last` refused (the k-th alone when not given). `before` is a
    URL that is delivered to first, with none refused."""
    db = directory / f"{k}.db"
    shutil.copyfile(template, db)
    refusals = Refusals(directory / f"{k}.fail", trace)
    refusals.set(allocation_first=k, allocation_last=last or k)
    settings = {"retry_schedule": "20ms", "retry_jitter": 0, "workers": 1, "log_level": "info", **(settings or {})}
    one = Daemon(db, settings, prefix=[*prefix, *refusals.prefix()])
    try:
        one.wait_ready()
        if before:
            read(db, f"INSERT INTO webhooks (url, payload) VALUES ('{before}', '')")
            wait_until(lambda: delivered(db), GIVE_UP_S, "the first one is delivered")
        refusals.arm()
        enqueue(db)
        wait_until(lambda: not one.running or delivered(db), GIVE_UP_S,
                   lambda: f"k = {k}: delivered or ended:\n{one.text()}")
        if one.running:
            one.signal(signal.SIGTERM)
        how = ended_well(one)
        result = Result(k, refusals.allocations_failed, how, refusals.allocations)
        if not delivered(db):
            how = result.how = how + ", delivered by the next"
            one = Daemon(db, settings, prefix=prefix)
            one.wait_ready()
            wait_until(lambda: delivered(db), GIVE_UP_S, lambda: f"k = {k}: delivered after a restart:\n{one.text()}")
            one.stop()
    except AssertionError as error:
        raise AssertionError(f"k = {k}: {error}\n{one.text()}") from None
    finally:
        if one.running:
            one.process.kill()
            one.process.wait()
    check_database(db)
    for file in directory.glob(f"{k}.*"):
        file.unlink()
    return result


def check_database(db):
    """Whole, and what is written down is what happened."""
    assert read(db, "PRAGMA integrity_check") == [("ok",)]
    assert read(db, "SELECT pending FROM queue_depth") == [(0,)]
    last = "FROM attempts WHERE delivery_id = (SELECT max(id) FROM deliveries)"
    numbers = [number for number, in read(db, f"SELECT number {last} ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    assert read(db, f"SELECT count(*) {last} AND verdict = 'delivered'") == [(1,)]


# ---- many of them ------------------------------------------------------------------------------


class Sweep:
    """Tries k after k, four at a time. `prefix` is what daemons are started with, `host` how they call the receiver,
    `expect` judges each request, `before` is the path of what is delivered first."""

    def __init__(self, directory, receiver, scheme="http", settings=None, host="127.0.0.1", prefix=(),
                 expect=lambda request: True, before=None, **columns):
        self.directory, self.receiver, self.scheme, self.host = directory, receiver, scheme, host
        self.settings, self.prefix, self.expect, self.before, self.columns = settings, prefix, expect, before, columns

    def url(self, path):
        return self.receiver.url(path).replace("http:", f"{self.scheme}:").replace("127.0.0.1", self.host)

    def one(self, k, last=None):
        path = f"/{k}"
        self.receiver.on(path, [503, 200])
        template = prepare(self.directory / f"template{k}.db", self.url(path), **self.columns)
        result = try_one(k, template, self.directory, last, settings=self.settings, prefix=self.prefix,
                         before=self.before and self.url(self.before))
        template.unlink()
        requests = self.receiver.got(path)
        assert {request.body for request in requests} == {b'{"n":1}'}
        assert all(self.expect(request) for request in requests), "each has all that it should have"
        return result

    def count(self):
        """How many allocations there are when none is refused."""
        return self.one(EVER).allocations

    def run(self, ks, last=None):
        """The results, by k."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda k: self.one(k, last), ks))


def summary(results):
    """How many ended in which way."""
    return collections.Counter(result.how for result in results if result.refused)
