"""What the recordings of power_upgrade.py and power_sealing.py share: sqlite3 under the eyes of disk.c."""

import contextlib
import subprocess

from disk import Disk
from database import ENVIRONMENT


class Recorded:
    """A database whose changes are recorded. `promises[n]` is what whoever asked was told with the n-th mark."""

    def __init__(self, directory, **options):
        self.db = directory / "outhook.db"
        self.disk, self.promises = Disk(self.db, directory, record=True, **options), []
        self.environment = {**ENVIRONMENT, **self.disk.environment}

    def sqlite(self, sql):
        """The stock command; returns what it printed."""
        done = subprocess.run(["sqlite3", "-bail", "-cmd", ".timeout 20000", self.db], input=sql, env=self.environment,
                              text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def promise(self, what):
        self.disk.mark(len(self.promises))
        self.promises.append(what)

    @contextlib.contextmanager
    def keeping_the_log(self):
        """As somebody has the database open, nobody who closes it is the last one, who would empty the log."""
        other = subprocess.Popen(["sqlite3", self.db], env=self.environment, text=True, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        other.stdin.write("SELECT count(*) FROM webhooks;\n")
        other.stdin.flush()
        other.stdout.readline()
        yield
        other.communicate()
