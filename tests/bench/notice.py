#!/usr/bin/env python3
"""How soon an idle daemon sends what was just committed, and what its idleness costs.

    OUTHOOK_BUILD=build python3 tests/bench/notice.py [INSERTS]

Times are from the return of the commit to the first byte at the receiver. A sqlite3 process returns a
little after its commit, so that its figures flatter (and may be negative); the connection that is kept
open in this process is exact.
"""

import pathlib
import random
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import Daemon  # noqa: E402
from database import create, sqlite  # noqa: E402
from receivers import Receiver  # noqa: E402


def cpu_seconds(pid):
    """CPU time of all threads, to the nanosecond."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def idle_cpu(daemon, seconds=10):
    before, start = cpu_seconds(daemon.pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(daemon.pid) - before) / (time.monotonic() - start)


def latencies(receiver, insert, count):
    """Milliseconds of each of `count` single inserts into an idle daemon's database."""
    result = []
    for _ in range(count):
        expected = len(receiver.got()) + 1
        insert()
        committed = time.time()
        result.append(1000 * (receiver.wait(expected)[-1].started_at - committed))
        time.sleep(random.uniform(0.005, 0.03))  # the daemon comes to rest, at no particular beat
    return sorted(result)


def report(name, values):
    def at(percent):
        return values[min(len(values) - 1, int(len(values) * percent / 100))]
    print(f"{name}: {len(values)} inserts, median {at(50):.2f} ms, p90 {at(90):.2f} ms, p99 {at(99):.2f} ms, "
          f"most {values[-1]:.2f} ms", flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as directory:
        db, receiver = create(pathlib.Path(directory) / "outhook.db"), Receiver()
        sql = f"INSERT INTO webhooks (url, payload) VALUES ('{receiver.url()}', '{{}}')"
        daemon = Daemon(db, {}).wait_ready()
        connection = sqlite3.connect(db, isolation_level=None, timeout=10)
        try:
            sqlite(db, sql)
            receiver.wait(1)
            report("connection kept open", latencies(receiver, lambda: connection.execute(sql), count))
            report("sqlite3 processes   ", latencies(
                receiver, lambda: sqlite(db, sql, "-cmd", ".timeout 10000"), count))
            time.sleep(1)
            print(f"idle: {idle_cpu(daemon):.3f} % of a core over 10 s, VmRSS {daemon.memory() / 2**20:.1f} MiB")
            connection.close()
            daemon.stop()
        finally:
            if daemon.running:
                daemon.kill()
            receiver.stop()


if __name__ == "__main__":
    main()
