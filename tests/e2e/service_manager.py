"""What systemd would hear from the daemon (sd_notify(3)), and one of its threads made to stand still."""

import ctypes
import os
import pathlib
import socket
import threading
import time

from waiting import wait_until

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # waits for threads, too


class Manager:
    """The socket that NOTIFY_SOCKET names. Each datagram is a dictionary, with the time it came."""

    def __init__(self, path):
        self.path, self.heard, self.lock = str(path), [], threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                return
            fields = dict(line.split("=", 1) for line in data.decode().splitlines())
            with self.lock:
                self.heard.append((time.monotonic(), fields))

    def all(self, name):
        """What was said under that name, in order."""
        with self.lock:
            return [fields[name] for _, fields in self.heard if name in fields]

    def order(self, *names):
        """Which of the names were said, in order, without repetitions in a row."""
        with self.lock:
            said = [name for _, fields in self.heard for name in fields if name in names]
        return [name for i, name in enumerate(said) if not i or said[i - 1] != name]

    def wait(self, name, value="1"):
        return wait_until(lambda: value in self.all(name), what=f"{name}={value}")

    def wait_more(self, name, more=1):
        """Waits until it was said more times than now."""
        now = len(self.all(name))
        wait_until(lambda: len(self.all(name)) >= now + more, what=f"{more} more {name}")

    def close(self):
        self.socket.close()


def threads(pid):
    """The threads by their names; the main one is "loop"."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = "loop" if int(task.name) == pid else (task / "comm").read_text().strip()
        found[name] = int(task.name)
    return found


class Frozen:
    """A thread that stands still for as long as this is entered; the others go on."""

    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    libc.ptrace.restype = ctypes.c_long

    def __init__(self, tid):
        self.tid = tid

    def _ptrace(self, request):
        if self.libc.ptrace(request, self.tid, 0, 0) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __enter__(self):
        self._ptrace(PTRACE_SEIZE)
        self._ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, WALL)
        return self

    def __exit__(self, *_):
        self._ptrace(PTRACE_DETACH)
