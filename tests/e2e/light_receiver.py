"""Receivers in a process of their own that cost little: one that answers 204, one that never answers.

The answering one notes when the first byte of each request came, by the number in its body.
"""

import asyncio
import multiprocessing
import re
import time

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
NUMBER = re.compile(rb'"n":(\d+)')


class Answering(asyncio.Protocol):
    def __init__(self, arrivals):
        self.arrivals, self.buffer, self.began_at = arrivals, b"", 0.0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if not self.buffer:
            self.began_at = time.time()
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            total = end + 4 + int(LENGTH.search(self.buffer, 0, end + 2).group(1))
            if len(self.buffer) < total:
                return
            number = NUMBER.search(self.buffer, end, total)
            if number:
                self.arrivals.append((int(number.group(1)), self.began_at))
            self.buffer = self.buffer[total:]
            self.began_at = time.time()
            self.transport.write(ANSWER)


class Hanging(asyncio.Protocol):
    pass


async def serve(pipe):
    loop, arrivals = asyncio.get_running_loop(), []
    answering = await loop.create_server(lambda: Answering(arrivals), "0.0.0.0", 0, backlog=4096)
    hanging = await loop.create_server(Hanging, "0.0.0.0", 0, backlog=4096)
    pipe.send([server.sockets[0].getsockname()[1] for server in (answering, hanging)])
    while (order := await loop.run_in_executor(None, pipe.recv)) != "stop":
        pipe.send(len(arrivals) if order == "count" else arrivals)


class LightReceiver:
    """`answering` and `hanging` are ports on all of 127.0.0.0/8: each address is an origin of its own."""

    def __init__(self):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(
            target=lambda: asyncio.run(serve(other)), daemon=True)
        self.process.start()
        self.answering, self.hanging = self.pipe.recv()

    def count(self):
        self.pipe.send("count")
        return self.pipe.recv()

    def arrivals(self):
        """(number, Unix time of the first byte) of each request."""
        self.pipe.send("all")
        return self.pipe.recv()

    def stop(self):
        self.pipe.send("stop")
        self.process.terminate()
        self.process.join()
