#!/usr/bin/env python3
"""How many instructions a delivery takes, and where: what noise can't disturb.

    OUTHOOK_BUILD=build python3 tests/bench/instructions.py            the table, by layer and by step
    OUTHOOK_BUILD=build python3 tests/bench/instructions.py --https    the same over https
    OUTHOOK_BUILD=build python3 tests/bench/instructions.py --check    compares with the kept figure
    OUTHOOK_BUILD=build python3 tests/bench/instructions.py --keep     makes this the kept figure

outhookd delivers a backlog under valgrind's callgrind, twice, of different sizes; the difference is what
the further deliveries took, without the start and the end. The kernel's share is not in it. Its clock is
slowed down by as much as valgrind slows it down (slow_clock.c), so that outcomes come together in batches
as usual. --check ends with 1 when it takes more than TOLERANCE over what instructions.txt says for this
machine and compiler, and with 77 when it can't tell.
"""

import argparse
import collections
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

from measure import PROGRAMS, Sink, fill, make_certificate, make_database, statistics

from daemon import BUILD, Daemon

KEPT = pathlib.Path(__file__).with_name("instructions.txt")
TOLERANCE = 0.05
SKIPPED = 77
FEW, MANY, ENDPOINTS = 500, 1500, 20
PATIENCE_S = 300

LIBRARIES = {"libcurl": "libcurl", "libsqlite3": "SQLite", "libuv": "libuv", "libcrypto": "libcrypto", "libssl": "libcrypto",
             "libc.": "libc", "libm.": "libc", "ld-linux": "libc", "libnghttp2": "libcurl", "slow_clock": None}

# Steps of a delivery: functions with all that they call. What is in one of them is in no other. Only functions
# that a compiler doesn't put into their callers can be seen.
STEPS = [
    ("store: load rows", ["queue_load"]),
    ("store: write outcomes", ["writer_commit"]),
    ("loop: schedule and send", ["scheduler_run"]),
    ("loop: take outcomes", ["scheduler_completed", "attempt_log_write"]),
    ("loop: take the store's answers", ["scheduler_loaded", "scheduler_written"]),
    ("worker: set a call up", ["transfer_start"]),
    ("worker: of which: sign", ["signature_append_keyed"]),
    ("worker: libcurl", ["curl_multi_socket_action", "curl_multi_add_handle", "curl_multi_remove_handle"]),
    ("worker: judge a call's end", ["transfer_finish"]),
]


# ---- counting ------------------------------------------------------------------------------------


def count(directory, deliveries, scheme="http"):
    """Runs outhookd under callgrind; returns the file that it leaves."""
    directory = pathlib.Path(directory) / str(deliveries)
    directory.mkdir()
    output, settings = directory / "callgrind.out", {"log_level": "warning", "drain_timeout": "1h"}
    certificate = []
    if scheme == "https":
        make_certificate(directory, ENDPOINTS)
        certificate = [directory / "good.pem", directory / "good.key"]
        settings["ca_file"] = directory / "ca.pem"
    sink = Sink(directory, *certificate)
    db = make_database(directory / "outhook.db", sink.urls(ENDPOINTS, scheme))
    fill(db, deliveries, ENDPOINTS)
    prefix = ["env", f"LD_PRELOAD={PROGRAMS / 'libslow_clock.so'}", "valgrind", "--tool=callgrind", "--quiet",
              f"--callgrind-out-file={output}"]
    daemon = Daemon(db, settings, prefix=prefix)
    try:
        until = time.monotonic() + PATIENCE_S
        while sink.requests < deliveries and daemon.running and time.monotonic() < until:
            time.sleep(0.05)
        if sink.requests < deliveries:
            sys.exit(f"{sink.requests} of {deliveries} deliveries came:\n{daemon.text()}")
        daemon.stop()
    finally:
        if daemon.running:
            daemon.kill()
        sink.stop()
    return output


def total(output):
    return int(re.search(r"^(?:summary|totals): (\d+)", output.read_text(errors="replace"), re.M).group(1))


def annotate(output, *options):
    """(instructions, place, function, object) of each function."""
    done = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", *options, output], capture_output=True,
                          text=True, check=True)
    for line in done.stdout.splitlines():
        match = re.match(r" *([\d,]+) \([\d. ]+%\)  (\S*?):([^\[]+?)(?: \[(.*)\])?$", line)
        if match:
            number, place, function, program = match.groups()
            yield int(number.replace(",", "")), place, function.strip(), program or ""


def layer_of(place, program):
    own = re.search(r"(?:daemon|include/outhook)/(?:(\w+)/)?\w+\.[ch]$", place)
    if own:
        return own.group(1) or "service"
    for name, layer in LIBRARIES.items():
        if name in program:
            return layer
    return "libc" if "./" in place else "other"


def by_layer(output):
    """Instructions of each layer, without what it calls."""
    result = collections.Counter()
    for number, place, _, program in annotate(output):
        result[layer_of(place, program)] += number
    return result


def by_function(output):
    """Instructions of each function, with all that it calls; how often is not known."""
    result = collections.Counter()
    for number, _, function, _ in annotate(output, "--inclusive=yes"):
        result[function] = max(result[function], number)
    return result


def per_delivery(few, many):
    return {key: (many[key] - few[key]) / (MANY - FEW) for key in {*few, *many}}


# ---- the kept figure -----------------------------------------------------------------------------


def compiler():
    """What built outhookd, such as "GNU 12"."""
    for path in BUILD.glob("CMakeFiles/*/CMakeCCompiler.cmake"):
        text = path.read_text()
        name = re.search(r'CMAKE_C_COMPILER_ID "(\w+)"', text).group(1)
        version = re.search(r'CMAKE_C_COMPILER_VERSION "(\d+)', text).group(1)
        return f"{name} {version}"
    return "unknown"


def build_type():
    match = re.search(r"^CMAKE_BUILD_TYPE:\w+=(\w+)", (BUILD / "CMakeCache.txt").read_text(), re.M)
    return match.group(1) if match else "unknown"


def kind():
    """The figure holds for this only."""
    return f"{platform.machine()} {compiler()} {build_type()}"


def read_kept():
    pairs = (line.rsplit(" ", 1) for line in KEPT.read_text().splitlines() if line and not line.startswith("#"))
    return {key: int(number) for key, number in pairs}


def keep(number):
    lines = [line for line in KEPT.read_text().splitlines() if not line.startswith(kind() + " ")]
    KEPT.write_text("\n".join([*lines, f"{kind()} {number:.0f}"]) + "\n")


def measure_once():
    with tempfile.TemporaryDirectory() as directory:
        return (total(count(directory, MANY)) - total(count(directory, FEW))) / (MANY - FEW)


def check():
    kept = read_kept().get(kind())
    if not kept:
        print(f"skipped: {KEPT.name} has no figure for {kind()}; --keep adds one")
        return SKIPPED
    # Threads meet each other in other ways each time; what is too much has to be so again.
    for _ in range(2):
        number = measure_once()
        print(f"{number:.0f} instructions a delivery; kept: {kept} ({100 * number / kept - 100:+.1f} %)", flush=True)
        if number <= kept * (1 + TOLERANCE):
            return 0
    print(f"that is more than {100 * TOLERANCE:.0f} % over: find out why, or run tests/bench/instructions.py --keep "
          "and say why in the commit")
    return 1


# ---- the table -----------------------------------------------------------------------------------


def table(scheme):
    with tempfile.TemporaryDirectory() as directory:
        few, many = count(directory, FEW, scheme), count(directory, MANY, scheme)
        layers = per_delivery(by_layer(few), by_layer(many))
        functions = per_delivery(by_function(few), by_function(many))
        all_of_it = sum(number for layer, number in layers.items() if layer)
        print(f"{kind()}: {all_of_it:.0f} instructions a delivery\n\n| where | instructions | share |\n|---|---:|---:|")
        for layer, number in sorted(layers.items(), key=lambda pair: -pair[1]):
            if layer:
                print(f"| {layer} | {number:.0f} | {100 * number / all_of_it:.1f} % |")
        print("\n| step, with all that it calls | instructions |\n|---|---:|")
        for name, members in STEPS:
            print(f"| {name} | {sum(functions.get(member, 0) for member in members):.0f} |")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the kept figure")
    parser.add_argument("--https", action="store_true", help="the table of deliveries over https")
    parser.add_argument("--keep", action="store_true", help="keep the median of three")
    arguments = parser.parse_args()
    for program in ("valgrind", "callgrind_annotate", "sqlite3"):
        if not shutil.which(program):
            print(f"skipped: there is no {program}")
            return SKIPPED
    if arguments.check:
        return check()
    if arguments.keep:
        numbers = [measure_once() for _ in range(3)]
        keep(statistics.median(numbers))
        print(f"{kind()}: {', '.join(f'{number:.0f}' for number in numbers)}")
        return 0
    return table("https" if arguments.https else "http")


if __name__ == "__main__":
    sys.exit(main())
