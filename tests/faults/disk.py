"""The other side of disk.c: which calls of which files fail, when to die, and what was recorded."""

import errno
import fcntl
import mmap
import pathlib
import re
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from daemon import BUILD  # noqa: E402

LIBRARY = BUILD / "faults" / "libdisk.so"
NO_SPACE, NO_QUOTA, INPUT_OUTPUT, READ_ONLY = errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS

# As in disk.c.
DATABASE, WAL, JOURNAL, SHM, DIRECTORY, COPY_TEMPORARY, COPY_FRESH, COPY = range(1, 9)
ALL_FILES = 1 << DATABASE | 1 << WAL | 1 << JOURNAL | 1 << SHM
CREATE, WRITE, TRUNCATE, SYNC, UNLINK, MARK, RENAME = range(1, 8)
TOLD = -1  # the mark that words make which a process says
RECORD = struct.Struct("IIqq")


def sanitizer():
    """The runtime that the daemon was linked with, if any: it has to come first."""
    linked = subprocess.run(["ldd", BUILD / "outhookd"], capture_output=True, text=True).stdout
    return re.findall(r"lib[at]san\S* => (\S+)", linked)


class Disk:
    """Of one database. `environment` is for the processes that are to use it."""

    def __init__(self, db, directory, record=False, told=None, sync_ms=0):
        self.db = pathlib.Path(db).resolve()
        assert LIBRARY.exists(), f"{LIBRARY} is not built"
        self.environment = {"LD_PRELOAD": ":".join([*sanitizer(), str(LIBRARY)]), "OUTHOOK_DISK_DATABASE": str(self.db)}
        path = pathlib.Path(directory) / "disk.control"
        path.write_bytes(bytes(64))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        self.environment["OUTHOOK_DISK_CONTROL"] = str(path)
        if record:
            self.record = pathlib.Path(directory) / "disk.record"
            self.record.write_bytes(b"")
            self.environment["OUTHOOK_DISK_RECORD"] = str(self.record)
            self.environment["OUTHOOK_DISK_SYNC_MS"] = str(sync_ms)
        if told:
            self.environment["OUTHOOK_DISK_TOLD"] = told

    @property
    def prefix(self):
        """For the command line of a process that is to use it."""
        return ["env", *(f"{name}={value}" for name, value in self.environment.items())]

    def fail(self, open=0, read=0, write=0, sync=0, files=ALL_FILES):  # noqa: A002
        """From now on these calls end with these errno numbers; 0: they succeed."""
        struct.pack_into("iiiii", self.memory, 0, open, read, write, sync, files)

    def fail_page(self, number, size):
        """This page of the database can't be read from now on. It is the only one."""
        struct.pack_into("qq", self.memory, 48, (number - 1) * size, number * size)
        self.fail()

    def heal(self):
        struct.pack_into("qq", self.memory, 48, 0, 0)
        self.fail()

    def die_at(self, number):
        """The number-th change from now on is not made: the process that wants to make it is killed."""
        struct.pack_into("qq", self.memory, 24, 0, number)

    def mark(self, number):
        """Notes in the record that what was asked for until now has been confirmed to whoever asked."""
        with open(self.record, "ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(RECORD.pack(MARK, 0, number, 0))

    @property
    def changes(self):
        """Writes, truncations, syncs and removals since die_at()."""
        return struct.unpack_from("q", self.memory, 24)[0]

    @property
    def failed(self):
        """Calls that were made to fail."""
        return struct.unpack_from("q", self.memory, 40)[0]
