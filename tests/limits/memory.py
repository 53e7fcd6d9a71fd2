#!/usr/bin/python3
"""Refuses every allocation of a delivery, one after the other, and tells how each daemon ended.

    OUTHOOK_BUILD=build /usr/bin/python3 tests/limits/memory.py [--stride 1] [--ever] [KIND...]

KIND is plain, tls, http2 (over TLS), sealed (a secret), ed25519 (to sign with), or lookup (of a host name that is not the
first; as root, by a name server of its own); all when none is given.
--ever refuses all allocations from that one on.
"""

import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from refusals import EVER  # noqa: E402
from sweep import summary  # noqa: E402
from sweep_kinds import KINDS, sweep_of  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--ever", action="store_true")
    parser.add_argument("kinds", nargs="*", metavar="KIND", choices=[*KINDS, []])
    arguments = parser.parse_args()
    for kind in arguments.kinds or KINDS:
        with tempfile.TemporaryDirectory() as directory:
            began = time.monotonic()
            with sweep_of(kind, pathlib.Path(directory)) as sweep:
                count = sweep.count()
                ks = range(1, count + 1, arguments.stride)
                ways = summary(sweep.run(ks, EVER if arguments.ever else None))
            print(f"{kind}: {count} allocations, {len(ks)} refused in {time.monotonic() - began:.0f} s: "
                  + ", ".join(f"{times} {way}" for way, times in ways.most_common()), flush=True)


if __name__ == "__main__":
    main()
