"""What a disk could hold after the power has gone, made from what disk.c has recorded: see power.py.

What the model takes for granted is what all of ext4, XFS and Btrfs do: creations, removals and renamings come to the
disk in their order, and last once the directory has been synced, or the very file that got the name. (ext4 keeps them
with the sync of any file, Btrfs does not.)
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import tempfile

from disk import (COPY, COPY_FRESH, COPY_TEMPORARY, CREATE, DATABASE, DIRECTORY, JOURNAL, MARK, RECORD, RENAME, SYNC, TRUNCATE, UNLINK,
                  WAL, WRITE)

# Of a database with schema version 1 and its copy, which is the only one that is made here.
ENDINGS = {DATABASE: "", WAL: "-wal", JOURNAL: "-journal", COPY_TEMPORARY: ".schema-1.backup.new.XXXXXX",
           COPY_FRESH: ".schema-1.backup.new", COPY: ".schema-1.backup"}
NAMES = CREATE, UNLINK, RENAME
SECTOR = 512


def read_record(path):
    """[(operation, file, offset or number or other file, bytes or None)]"""
    data, at, operations = path.read_bytes(), 0, []
    while at < len(data):
        operation, file, offset, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        content = data[at:at + length] if operation == WRITE else None
        at += len(content or b"")
        if file in ENDINGS or operation in (SYNC, MARK):
            operations.append((operation, file, offset, content))
    return operations


def change(files, operation):
    """Carries out an operation on {file: bytearray}; a file that does not exist is not there."""
    kind, file, offset, content = operation
    if kind == CREATE:
        files[file] = bytearray()
    elif kind == UNLINK:
        files.pop(file, None)
    elif file in files and kind == RENAME:
        files[offset] = files.pop(file)
    elif file in files and kind == TRUNCATE:
        there = files[file]
        del there[offset:]
        there.extend(bytes(offset - len(there)))
    elif file in files and kind == WRITE:
        there = files[file]
        there.extend(bytes(max(0, offset - len(there))))
        there[offset:offset + len(content)] = content


def tear(operation, chance):
    """A write of which only some sectors have reached the disk, as writes of their own."""
    kind, file, offset, content = operation
    first = offset // SECTOR * SECTOR
    for start in range(first, offset + len(content), SECTOR):
        begin, end = max(start, offset), min(start + SECTOR, offset + len(content))
        if chance.random() < 0.5:
            yield kind, file, begin, content[begin - offset:end - offset]


class Model:
    """The files as they surely are on the disk, and what is under way to it."""

    def __init__(self, durable):
        self.durable, self.waiting = {file: bytearray(content) for file, content in durable.items()}, []

    @staticmethod
    def is_synced(one, file):
        """By a sync of a file, or of the directory."""
        return file == (one[2] if one[0] == RENAME else one[1]) or file == DIRECTORY and one[0] in NAMES

    def take(self, operation):
        kind, file = operation[:2]
        if kind != SYNC:
            self.waiting.append(operation)
            return
        kept = []
        for one in self.waiting:
            synced = self.is_synced(one, file)
            if synced:
                change(self.durable, one)
            else:
                kept.append(one)
            if one[0] == RENAME and synced:  # what was written before comes to the disk under the new name
                kept = [(kind, one[2] if file == one[1] else file, *rest) for kind, file, *rest in kept]
        self.waiting = kept

    def keep(self, chance, names, share):
        """What has reached the disk, in order: the first `names` creations, removals and renamings, and a share of the
        rest. What is done to a file that does not get its name is nowhere to be found."""
        lost = set()
        for one in self.waiting:
            if one[0] in NAMES:
                names -= 1
                if names < 0:
                    lost.add(one[2] if one[0] == RENAME else one[1])
                    continue
            kept = one[0] in NAMES or chance.random() < share
            if kept and one[1] not in lost:
                yield one

    def image(self, chance, how):
        """A disk after a power loss: `how` is all, none, torn or random."""
        files = {file: bytearray(content) for file, content in self.durable.items()}
        names = sum(one[0] in NAMES for one in self.waiting)
        kept = list(self.keep(chance, {"none": 0, "random": chance.randint(0, names)}.get(how, names),
                              {"none": 0, "random": 0.5}.get(how, 1)))
        writes = [number for number, one in enumerate(kept) if one[0] == WRITE]
        torn = writes[-1] if writes and how in ("torn", "random") else -1
        for number, one in enumerate(kept):
            for piece in tear(one, chance) if number == torn else [one]:
                change(files, piece)
        return files


def lay_out(files, directory):
    """Makes the files; returns the path of the database, which may not be among them."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for file, content in files.items():
        (directory / f"outhook.db{ENDINGS[file]}").write_bytes(content)
    return directory / "outhook.db"


def points(operations):
    """Indices after which the power goes: at each sync, before and after, and one between."""
    syncs = [number for number, one in enumerate(operations) if one[0] == SYNC]
    between = [(a + b) // 2 for a, b in zip(syncs, syncs[1:]) if b - a > 2]
    return sorted({*syncs, *(number - 1 for number in syncs if number), *between, len(operations) - 1})


class Point:
    """A power loss. `how` is what image() was told, `marks` are those before it; `last`: no other image of this point
    follows."""

    def __init__(self, number, how, last, files, marks, where):
        self.number, self.how, self.last, self.files, self.marks, self.where = number, how, last, files, marks, where


def power_losses(operations, stops, chance, randoms, durable=()):
    """A Point for each image that is to be looked at, in the order of the record. `durable` is what was on the disk
    before it: {file: bytes}."""
    model, marks = Model(dict(durable)), []
    for number, operation in enumerate(operations):
        if operation[0] == MARK:
            marks.append(operation[2])
        else:
            model.take(operation)
        if number not in stops:
            continue
        hows = ["none", "all", "torn", *["random"] * randoms] if model.waiting else ["none"]
        for order, how in enumerate(hows):
            yield Point(number, how, order == len(hows) - 1, model.image(chance, how), marks,
                        f"after operation {number} of {len(operations)}, {how} of {len(model.waiting)}")


# ---- for whoever looks at them ------------------------------------------------------------------


@contextlib.contextmanager
def memory_directory():
    """A directory that is in memory, where possible; gone afterwards."""
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="outhook-power.", dir=shared) as name:
        yield pathlib.Path(name)


# ---- command lines -------------------------------------------------------------------------------


def power_options():
    """The options that all tests of power losses take; each adds its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--random", type=int, default=2, help="random images at each point")
    parser.add_argument("--runs", type=int, default=20, help="points at which outhookd is started, too")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def recorded(operations):
    """How much that is, for the last line."""
    return f"{len(operations)} operations with {sum(one[0] == SYNC for one in operations)} syncs"
