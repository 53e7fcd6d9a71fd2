#!/usr/bin/env python3
"""A producer of its own process: inserts webhooks at a steady rate, or as fast as they are delivered.

    python3 tests/bench/producer.py DATABASE SINK_STATE --rate N --seconds N --endpoints N --first N [--ahead N]

A transaction every 5 ms, with what is due by then, durable as the stock sqlite3 command makes it. Prints, as
JSON, [number of its first webhook, how many, wall time in ns when the commit had returned] of each.
"""

import argparse
import json
import mmap
import sqlite3
import struct
import time

TICK_S, BATCH_MAX, PAYLOAD_BYTES = 0.005, 500, 512


def payload(number):
    head = f'{{"n":{number},"padding":"'
    return head + "x" * (PAYLOAD_BYTES - len(head) - 2) + '"}'


def insert(connection, first, count, endpoints):
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO webhooks (endpoint, type, payload) VALUES (?, 'invoice.paid', ?)",
                           ((f"e{number % endpoints}", payload(number)) for number in range(first, first + count)))
    connection.execute("COMMIT")
    return time.time_ns()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    parser.add_argument("state")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--endpoints", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--ahead", type=int, default=1 << 40, help="of the receiver, at most by so many")
    arguments = parser.parse_args()
    connection = sqlite3.connect(arguments.database, isolation_level=None, timeout=20)
    connection.execute("PRAGMA synchronous = FULL")
    with open(arguments.state, "rb") as file:
        state = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    arrived_before, done, batches, start = struct.unpack_from("Q", state, 0)[0], 0, [], time.monotonic()
    while (now := time.monotonic()) < start + arguments.seconds:
        arrived = struct.unpack_from("Q", state, 0)[0] - arrived_before
        due = min(int((now - start) * arguments.rate) - done, BATCH_MAX, arrived + arguments.ahead - done)
        if due > 0:
            at = insert(connection, arguments.first + done, due, arguments.endpoints)
            batches.append([arguments.first + done, due, at])
            done += due
        if due < BATCH_MAX:
            time.sleep(max(0, now + TICK_S - time.monotonic()))
    connection.close()
    print(json.dumps(batches))


if __name__ == "__main__":
    main()
