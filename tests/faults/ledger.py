"""A receiver that keeps books: how often each webhook came, and how often it was taken.

It runs in a process of its own. What a path does is its first word:

    /good    takes it
    /slow    takes it after 20 to 200 ms
    /flaky   refuses every other call, then takes it
    /fail    refuses it, always
    /hang    never answers
    /lie     begins to answer 200 and hangs up halfway
    /gone    closes the connection; it has a port of its own, as libcurl makes a call again that ends so on a
             connection which served another one before

A call is in the books before its answer leaves, so that what the daemon could know is always there.
"""

import asyncio
import collections
import multiprocessing
import random
import re
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
ID = re.compile(rb"\r\nwebhook-id: *([^\r]+)", re.IGNORECASE)
TAKE, REFUSE = b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 503 Not now\r\nContent-Length: 2\r\n\r\nno"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst bytes"


class Books:
    """(path, webhook-id) -> [calls, calls that were answered by 2xx in full]"""

    def __init__(self):
        self.lines = collections.defaultdict(lambda: [0, 0])
        self.calls, self.open = 0, 0

    def enter(self, path, webhook):
        line = self.lines[path, webhook]
        line[0] += 1
        self.calls += 1
        return line


class Connection(asyncio.Protocol):
    def __init__(self, books, chance):
        self.books, self.chance, self.buffer = books, chance, b""

    def connection_made(self, transport):
        self.transport = transport
        self.books.open += 1

    def connection_lost(self, error):
        self.books.open -= 1

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            total = end + 4 + int(LENGTH.search(self.buffer, 0, end + 2).group(1))
            if len(self.buffer) < total:
                return
            path = self.buffer.split(b" ", 2)[1].split(b"?")[0].decode()
            webhook = ID.search(self.buffer, 0, end + 2).group(1).decode()
            self.buffer = self.buffer[total:]
            self._serve(path, webhook)

    def _serve(self, path, webhook):
        line = self.books.enter(path, webhook)
        word = path.split("/")[1]
        if word == "slow":
            asyncio.get_running_loop().call_later(self.chance.uniform(0.02, 0.2), self._take, line)
        elif word == "good" or word == "flaky" and line[0] % 2 == 0:
            self._take(line)
        elif word == "hang":
            pass
        elif word in ("lie", "gone"):
            self.transport.write(HALF if word == "lie" else b"")
            self.transport.close()
        else:
            self._answer(REFUSE)

    def _take(self, line):
        if not self.transport.is_closing():
            line[1] += 1
            self._answer(TAKE)

    def _answer(self, bytes_):
        self.transport.write(bytes_)


async def serve(pipe, seed):
    loop, books, chance = asyncio.get_running_loop(), Books(), random.Random(seed)
    servers = [await loop.create_server(lambda: Connection(books, chance), "127.0.0.1", 0, backlog=4096)
               for _ in range(2)]
    pipe.send([server.sockets[0].getsockname()[1] for server in servers])
    while (order := await loop.run_in_executor(None, pipe.recv)) != "stop":
        if order == "counts":
            pipe.send((books.calls, books.open))
        else:
            pipe.send({key: tuple(line) for key, line in books.lines.items()})


class Ledger:
    def __init__(self, seed=0):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=lambda: asyncio.run(serve(other, seed)), daemon=True)
        self.process.start()
        self.ports = self.pipe.recv()

    def url(self, path):
        return f"http://127.0.0.1:{self.ports[path.startswith('/gone')]}{path}"

    def _ask(self, order):
        self.pipe.send(order)
        return self.pipe.recv()

    @property
    def calls(self):
        """All calls so far."""
        return self._ask("counts")[0]

    def settle(self):
        """After the daemon's end: waits until all it had sent has been read. Returns how many calls that makes. A
        connection that has yet to be accepted is not counted as open, hence the looks again."""
        before, quiet, deadline = None, 0, time.monotonic() + 10
        while quiet < 4 and time.monotonic() < deadline:
            calls, still_open = self._ask("counts")
            quiet = quiet + 1 if calls == before and not still_open else 0
            before = calls
            time.sleep(0.003)
        assert quiet == 4, "the receivers did not come to rest"
        return before

    def lines(self):
        """{(path, webhook-id): (calls, taken)}"""
        return self._ask("all")

    def stop(self):
        self.pipe.send("stop")
        self.process.terminate()
        self.process.join()
