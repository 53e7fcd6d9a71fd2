"""outhookd as a child process: started, waited for, stopped, and its log looked through."""

import os
import pathlib
import re
import signal
import subprocess
import threading

from database import REPOSITORY
from waiting import PATIENCE, wait_until

BUILD = pathlib.Path(os.environ.get("OUTHOOK_BUILD") or REPOSITORY / "build")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer")
LOOPBACK = "127.0.0.0/8,::1"


def outhookd(*arguments, timeout=PATIENCE, prefix=(), **options):
    """Runs outhookd to its end; returns (exit status, stdout, stderr)."""
    done = subprocess.run([*prefix, BUILD / "outhookd", *map(str, arguments)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=timeout, **options)
    assert not SANITIZER.search(done.stderr), done.stderr
    return done.returncode, done.stdout, done.stderr


class Daemon:
    """A running outhookd. What it logs is collected in `log`."""

    def __init__(self, db, settings, config=None, allow=LOOPBACK, prefix=(), program="outhookd"):
        command = [*prefix, BUILD / program, "--database", db]
        if config:
            command += ["--config", config]
        if allow:
            command += ["--set", f"allow_networks={allow}"]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        self.db, self.log, self.lock = db, [], threading.Lock()
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self.lock:
                self.log.append(line.rstrip("\n"))

    def lines(self, *words):
        """The log's lines that contain all the words."""
        with self.lock:
            return [line for line in self.log if all(word in line for word in words)]

    def text(self):
        with self.lock:
            return "\n".join(self.log)

    def wait_for_line(self, *words, timeout=PATIENCE):
        return wait_until(lambda: self.lines(*words), timeout, lambda: f"a line of {words}, in:\n{self.text()}")[0]

    def wait_ready(self):
        """Waits until the database is open and the lanes are loaded."""
        wait_until(lambda: self.lines("ready") or self.process.poll() is not None, what="ready")
        assert self.process.poll() is None, f"exit {self.process.returncode}:\n{self.text()}"
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """Waits for its end; returns the exit status."""
        status = self.process.wait(timeout)
        self.reader.join(10)
        assert not SANITIZER.search(self.text()), self.text()
        return status

    def stop(self):
        """Stops it properly, and sees that it went well."""
        self.signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"exit {status}:\n{self.text()}"

    def kill(self):
        """kill -9: no goodbye of any kind."""
        self.process.kill()
        return self.wait()

    @property
    def running(self):
        return self.process.poll() is None

    def memory(self, field="VmRSS"):
        """Bytes, of a field of /proc/PID/status."""
        with open(f"/proc/{self.pid}/status") as file:
            (line,) = [line for line in file if line.startswith(field + ":")]
        return int(line.split()[1]) * 1024

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))
