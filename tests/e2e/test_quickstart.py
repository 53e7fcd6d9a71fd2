"""The quickstart on a terminal: it stays, works on, and at Ctrl-C leaves nothing behind."""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from daemon import BUILD
from database import REPOSITORY
from waiting import PATIENCE

pytestmark = pytest.mark.skipif(BUILD.resolve() != REPOSITORY / "build", reason="it shows what is in build/")

MARK = "OUTHOOK_TEST_QUICKSTART"


def descendants(mark):
    """Processes whose environment has the mark."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:  # gone, or another user's
            pass
    return found


class Quickstart:
    """The script on a terminal of 60 columns, its temporary files in a directory of the test's."""

    def __init__(self, directory):
        self.mark = str(directory)
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))

        def take_terminal():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            ["sh", REPOSITORY / "daemon/quickstart.sh"], cwd="/", stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=take_terminal,
            env={**os.environ, "TMPDIR": str(directory), MARK: self.mark})
        os.close(slave)
        self.text = ""

    def read(self, seconds=0.1):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace").replace("\r\n", "\n")
            except OSError:  # everyone at the other end is gone
                return False
        return True

    def wait_for(self, text):
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert self.read() and time.monotonic() < end, f"no {text!r} in:\n{self.text}"

    def interrupt(self):
        """Ctrl-C; returns the exit status."""
        os.write(self.master, b"\x03")
        end = time.monotonic() + PATIENCE
        while self.read() and time.monotonic() < end:
            pass
        return self.process.wait(PATIENCE)


@pytest.fixture
def quickstart(tmp_path):
    one = Quickstart(tmp_path)
    yield one
    for process in descendants(one.mark):
        os.kill(int(process), signal.SIGKILL)
    one.process.wait()
    os.close(one.master)


def test_it_stays_and_shows_attempts_until_ctrl_c(quickstart, tmp_path):
    quickstart.wait_for("What outhookd logs from now on:")
    database = re.search(r"OUTHOOK_DATABASE=(\S+)", quickstart.text)[1]
    (insert,) = re.findall(r"(INSERT[^;]*from[^;]*;)", quickstart.text)
    subprocess.run(["sqlite3", "-cmd", ".timeout 20000", database, insert], check=True)
    quickstart.wait_for("delivery=4 webhook=4")
    assert quickstart.interrupt() == 0
    assert descendants(quickstart.mark) == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["-- Starting --", "-- 2: retried", "given up ..."])
def test_ctrl_c_before_the_end_leaves_nothing_behind(quickstart, tmp_path, moment):
    quickstart.wait_for(moment)
    assert quickstart.interrupt() == 130
    assert descendants(quickstart.mark) == [] and list(tmp_path.iterdir()) == []


# ---- nowhere to write ----------------------------------------------------------------------------


def once(directory, before=""):
    script = f"{before} exec sh {REPOSITORY / 'daemon/quickstart.sh'} --once"
    return subprocess.run(["unshare", "--mount", "sh", "-c", script] if before else ["sh", "-c", script], cwd="/",
                          env={**os.environ, "TMPDIR": str(directory)}, text=True, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_said_before_anything_is_built(tmp_path):
    done = once(tmp_path, f"mount -t tmpfs -o size=2M small {tmp_path} &&")
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    assert done.stderr == (f"\nquickstart: only 2 MiB are free in {tmp_path}, and it takes 16. "
                           "Make room, or let TMPDIR name another place.\n")


def test_a_directory_that_is_not_there(tmp_path):
    done = once(tmp_path / "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"There can be no temporary directory in {tmp_path}/none; TMPDIR may name another place.\n")
