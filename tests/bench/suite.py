#!/usr/bin/env python3
"""The benchmark: figures as a table, as JSON and as plots. sh tests/bench/run.sh builds what it needs and runs it.

    OUTHOOK_BUILD=build python3 tests/bench/suite.py [--quick] [--part LETTER ...] [--rounds N] [--output DIRECTORY]

What compares is a ratio of two measurements in one round; each figure is the median of the rounds, with the
least and the most. --quick is for seeing that all of it works, and for what is far off: its figures are of
small sizes. The output goes to bench.json and *.svg in DIRECTORY.
"""

import argparse
import atexit
import contextlib
import datetime
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time

import figures
import plots
from measure import BUILD

import arrival
import contention
import drain
import standing

PARTS = {"a": drain.part_a, "b": drain.part_b, "c": drain.part_c, "d": drain.part_d, "e": arrival.part_e,
         "f": arrival.part_f, "g": contention.part_g, "h": drain.part_h, "i": standing.part_i, "j": standing.part_j,
         "k": standing.part_k}


class Suite:
    """What the parts are told: how large, how often, and where."""

    def __init__(self, arguments, directory):
        self.quick, self.directory, self.directories = arguments.quick, pathlib.Path(directory), 0
        self.count = arguments.rounds or (2 if self.quick else 5)

    def size(self, full, quick):
        return quick if self.quick else full

    def rounds(self):
        return range(self.count)

    def new_directory(self):
        self.directories += 1
        path = self.directory / str(self.directories)
        path.mkdir()
        return path


def run_part(suite, letter):
    title = PARTS[letter].__doc__.split("\n")[0]
    print(f"\n({letter}) {title}", flush=True)
    start = time.monotonic()
    result = PARTS[letter](suite)
    for figure in result:
        print("    " + figures.line(figure), flush=True)
    seconds = time.monotonic() - start
    print(f"    {seconds:.0f} s", flush=True)
    return {"title": title, "seconds": seconds, "figures": [figure.as_json() for figure in result]}


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, two rounds")
    parser.add_argument("--part", action="append", choices=sorted(PARTS), help="this one only; again and again")
    parser.add_argument("--rounds", type=int, help="how often each is measured; 5, or 2 with --quick")
    parser.add_argument("--output", type=pathlib.Path, default=BUILD / "bench-results", help="where results go")
    parser.add_argument("--directory", help="where databases are made: on a disk, not in memory")
    arguments = parser.parse_args()
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds is at least 1")
    return arguments


def end_children():
    """What a part that failed has left running."""
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == os.getpid():
                os.kill(int(path.parent.name), signal.SIGKILL)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    atexit.register(end_children)
    arguments = read_arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # a connection an endpoint, at each end
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    arguments.output.mkdir(parents=True, exist_ok=True)
    document = {"began_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "quick": arguments.quick, "machine": figures.machine(BUILD), "parts": {}}
    for name, value in document["machine"].items():
        print(f"{name:<12} {value}")
    with tempfile.TemporaryDirectory(prefix="outhook-bench-", dir=arguments.directory) as directory:
        suite = Suite(arguments, directory)
        for letter in arguments.part or PARTS:
            document["parts"][letter] = run_part(suite, letter)
            figures.write_json(arguments.output / "bench.json", document)  # what there is, should the next one fail
    for path in plots.draw(document, arguments.output):
        print(f"plot: {path}")
    print(f"all of it: {arguments.output / 'bench.json'}")
    missed = [f"({letter}) {figure['name']}" for letter, part in document["parts"].items()
              for figure in part["figures"] if figure["met"] is False]
    print("not reached: " + "; ".join(missed) if missed else "everything that was to be reached is")
    return 0


if __name__ == "__main__":
    sys.exit(main())
