#!/usr/bin/python3
"""Refuses every allocation of a delivery, one after the other, and tells how each daemon ended.

    OUTHOOK_BUILD=build /usr/bin/python3 tests/limits/memory.py [--stride 1] [--ever] [KIND...]

KIND is plain, tls or sealed; all when none is given.
--ever refuses all allocations from that one on.
"""

import argparse
import pathlib
import ssl
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import certificates  # noqa: E402
from receivers import Receiver  # noqa: E402
from refusals import EVER  # noqa: E402
from sweep import Sweep, summary  # noqa: E402

KINDS = ["plain", "tls", "sealed"]


def tls(directory):
    directory.mkdir()
    certificates.make(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "good.pem", directory / "good.key")
    return context


def sweep_of(kind, directory):
    """The receiver, and what to try on it."""
    if kind == "tls":
        receiver = Receiver(tls=tls(directory / "certificates"))
        return receiver, Sweep(directory, receiver, "https", {"ca_file": directory / "certificates" / "ca.pem"})
    receiver = Receiver()
    if kind == "sealed":
        key = directory / "key"
        key.write_text("c" * 43 + "=\n")
        key.chmod(0o600)
        return receiver, Sweep(directory, receiver, settings={"secret_key_file": key})
    return receiver, Sweep(directory, receiver)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--ever", action="store_true")
    parser.add_argument("kinds", nargs="*", metavar="KIND", choices=[*KINDS, []])
    arguments = parser.parse_args()
    for kind in arguments.kinds or KINDS:
        with tempfile.TemporaryDirectory() as directory:
            began = time.monotonic()
            receiver, sweep = sweep_of(kind, pathlib.Path(directory))
            count = sweep.count()
            ks = range(1, count + 1, arguments.stride)
            ways = summary(sweep.run(ks, EVER if arguments.ever else None))
            receiver.stop()
            print(f"{kind}: {count} allocations, {len(ks)} refused in {time.monotonic() - began:.0f} s: "
                  + ", ".join(f"{times} {way}" for way, times in ways.most_common()), flush=True)


if __name__ == "__main__":
    main()
