"""The operator's command as a person meets it: in a pipe, or on a terminal."""

import fcntl
import json
import os
import pathlib
import pty
import select
import sqlite3
import struct
import subprocess
import termios
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("OUTHOOK_BUILD", REPOSITORY / "build"))
OUTHOOK = str(BUILD / "outhook")
PATIENCE_S = 30


def environment(**changes):
    """This one, without what would change the command's mind; a change to None unsets."""
    unset = ("OUTHOOK_DATABASE", "COLUMNS", "NO_COLOR", "TERM", "PAGER", "LESS", "MORE")
    kept = {name: text for name, text in os.environ.items() if name not in unset}
    changed = {**kept, "OUTHOOK_PAGER": "", **changes}
    return {name: text for name, text in changed.items() if text is not None}


def outhook(*arguments, stdin=None, env=None):
    """Runs the command in a pipe; returns (exit code, stdout, stderr)."""
    options = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run([OUTHOOK, *map(str, arguments)], env=environment(**(env or {})),
                          capture_output=True, timeout=PATIENCE_S * 4, **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def succeed(*arguments, **options):
    """Runs the command, which has to do it; returns its stdout."""
    code, out, err = outhook(*arguments, **options)
    assert code == 0, err
    return out


def rows(*arguments):
    """What --json prints, an object a line."""
    return [json.loads(line) for line in succeed(*arguments, "--json").splitlines()]


def has_thread_sanitizer():
    """Whether the command was built with it. It holds signals back until a better moment, and can lose one: of 120
    SIGTERM to outhook status --watch on a busy machine 6 were, and none without it."""
    return "libtsan" in subprocess.run(["ldd", OUTHOOK], capture_output=True, text=True).stdout


class Terminal:
    """The command on a terminal of a given width."""

    def __init__(self, *arguments, columns=80, rows=24, env=None):
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen([OUTHOOK, *map(str, arguments)], stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True,
                                        env=environment(**{"TERM": "xterm", **(env or {})}))
        os.close(slave)
        self.text = b""

    def resize(self, columns, rows=24):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """Takes in a piece more; False at the end."""
        ready, _, _ = select.select([self.master], [], [], PATIENCE_S)
        assert ready, f"silent: {self.text!r}"
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # the last one at the other end is gone
            return False
        self.text += piece
        return bool(piece)

    def wait_for(self, text):
        while text.encode() not in self.text:
            assert self.read(), f"no {text!r} in {self.text!r}"

    def type(self, text):
        os.write(self.master, text.encode())

    def finish(self):
        """Returns (exit code, lines)."""
        deadline = time.monotonic() + 4 * PATIENCE_S
        while self.read():
            if time.monotonic() > deadline:  # what is drawn again and again is never silent
                self.process.kill()
                raise AssertionError(f"it goes on for ever: {self.text[-500:]!r}")
        os.close(self.master)
        code = self.process.wait(PATIENCE_S)
        return code, self.text.decode().replace("\r\n", "\n").splitlines()


def terminal(*arguments, **options):
    """Runs the command on a terminal; returns (exit code, lines)."""
    return Terminal(*arguments, **options).finish()


def connect(db):
    return sqlite3.connect(db, timeout=20, isolation_level=None)


def write_as_daemon(db, *statements):
    """Writes outcomes, which the triggers refuse to people."""
    connection = connect(db)
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name "
                                  "IN ('deliveries', 'attempts')").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    for name, _ in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    for statement in statements:
        connection.execute(*(statement if isinstance(statement, tuple) else (statement,)))
    for _, sql in triggers:
        connection.execute(sql)
    connection.execute("UPDATE queue_depth SET pending = "
                       "(SELECT count(*) FROM deliveries WHERE status = 'pending')")
    connection.execute("COMMIT")
    connection.close()


def finish_deliveries(db, status, where="true", error="status 500"):
    """Gives deliveries a finished status."""
    write_as_daemon(db, (f"UPDATE deliveries SET status = ?, attempts = 3, finished_at = created_at + 1000, "
                         f"last_status_code = 500, last_error = ?, last_duration_ms = 12 WHERE {where}",
                         (status, error)))


def now_ms():
    return int(time.time() * 1000)
