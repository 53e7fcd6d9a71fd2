"""A daemon whose allocations and threads fail on demand: tests/limits/fail.c in front of it, and the file that says
which."""

import mmap
import pathlib
import struct
import subprocess

import pytest

from daemon import BUILD

FIELDS = ["armed", "allocation_first", "allocation_last", "allocations", "allocations_failed",
          "thread_first", "thread_last", "threads", "threads_failed"]
EVER = 2**62


def library():
    """The library, or a skip: a sanitizer's runtime wants to be loaded first, and has allocations of its own."""
    path = BUILD / "limits" / "libfail.so"
    if not path.exists():
        pytest.skip("a build with a sanitizer")
    return path


class Refusals:
    """What fails, and how much there was. All is counted from arm()."""

    def __init__(self, path, trace=False):
        self.path = pathlib.Path(path)
        self.path.write_bytes(bytes(8 * len(FIELDS)))
        self.trace = trace
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 8 * len(FIELDS))

    def prefix(self):
        """What to start the daemon with."""
        return ["env", f"LD_PRELOAD={library()}", f"OUTHOOK_FAIL={self.path}",
                *(["OUTHOOK_FAIL_TRACE=1"] if self.trace else [])]

    def __getattr__(self, name):
        if name not in FIELDS:
            raise AttributeError(name)
        return struct.unpack_from("q", self.page, 8 * FIELDS.index(name))[0]

    def set(self, **fields):
        for name, value in fields.items():
            struct.pack_into("q", self.page, 8 * FIELDS.index(name), value)
        return self

    def arm(self):
        return self.set(armed=1)

    def disarm(self):
        return self.set(armed=0)


def sanitized():
    programs = subprocess.run(["ldd", BUILD / "outhookd"], capture_output=True, text=True).stdout
    return "libasan" in programs or "libtsan" in programs
