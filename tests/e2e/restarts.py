"""A daemon that is started and stopped at random instants, again and again, while there is work."""

import random
import signal
import subprocess
import time

from daemon import BUILD, LOOPBACK, SANITIZER
from database import count_is_right, query, run, value

GIVE_UP_S = 60
LONGEST_S = 0.06  # after which it is stopped at the latest; a start takes about a third of that
CLOSE_BEHIND_S = 0.01  # a second signal that stops it


class Restarts:
    """Starts and stops of one database's daemon. Each way that one ended is counted in `ways`."""

    def __init__(self, db, seed, slow=1):
        self.db, self.random, self.slow, self.ways = db, random.Random(seed), slow, {}

    def once(self):
        command = [str(BUILD / "outhookd"), "--database", str(self.db), "--set", f"allow_networks={LOOPBACK}",
                   "--set", "retry_schedule=10ms", "--set", "max_attempts=1000", "--set", "drain_timeout=2s",
                   "--set", "breaker_failures=1000", "--set", f"workers={self.random.choice([1, 2, 8])}"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        try:
            longest_s = LONGEST_S
            for number in self.signals():
                time.sleep(self.random.random() * longest_s * self.slow)
                process.send_signal(number)
                if number != signal.SIGHUP:
                    longest_s = CLOSE_BEHIND_S
            _, log = process.communicate(timeout=GIVE_UP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"it did not end:\n{process.communicate()[1]}") from None
        self.judge(process.returncode, log)

    def signals(self):
        """What it is sent: at last a signal that stops it, and sometimes a second one close behind."""
        before = [signal.SIGHUP] * self.random.choice([0, 0, 1])
        return before + [self.random.choice([signal.SIGTERM, signal.SIGINT])] * self.random.choice([1, 2, 3])

    def judge(self, status, log):
        assert not SANITIZER.search(log), log
        if status in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):
            assert "serving" not in log, f"it had begun, and ended with {status}:\n{log}"
            way = "before it began"
        else:
            assert status == 0, f"exit {status}:\n{log}"
            way = "while delivering" if "ready" in log else "while starting"
            assert "stopped" in log, log
        self.ways[way] = self.ways.get(way, 0) + 1

    def check(self):
        """That nothing was lost, or written down twice."""
        assert value(self.db, "PRAGMA integrity_check") == "ok" and count_is_right(self.db)
        assert query(self.db, """SELECT delivery_id, number FROM attempts GROUP BY delivery_id, number
                                 HAVING count(*) > 1""") == []
        assert query(self.db, """SELECT d.id FROM deliveries AS d WHERE attempts <>
                                 (SELECT count(*) FROM attempts WHERE delivery_id = d.id)""") == []


def insert(db, url, count):
    """So much work: a third to each of three URLs."""
    run(db, f"INSERT INTO webhooks (url, payload) SELECT '{url}/' || (value % 3), value "
            f"FROM generate_series(1, {count})")
