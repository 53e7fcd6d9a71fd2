"""A person who opens a transaction and goes to lunch."""

import subprocess

from database import ENVIRONMENT


class LockHolder:
    """A second sqlite3 process that holds the write lock by an open transaction."""

    def __init__(self, db):
        self.process = subprocess.Popen(["sqlite3", str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)

    def take(self):
        self.process.stdin.write(".timeout 20000\nBEGIN IMMEDIATE;\nSELECT 'locked';\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "locked\n"
        return self

    def let_go(self, how="COMMIT"):
        out, _ = self.process.communicate(f"{how};\n", timeout=60)
        assert self.process.returncode == 0, out
