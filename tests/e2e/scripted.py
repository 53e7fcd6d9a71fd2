"""A receiver that plays a script, byte by byte, with no notion of HTTP: for what no HTTP library would send.

A script is a list of steps, each a function that is given the Stage. It is played for each connection, from accept()
on; after the last step the connection is closed.
"""

import socket
import struct
import threading
import time


class Stage:
    """One connection, and what its script has seen and sent so far."""

    def __init__(self, receiver, sock):
        self.receiver, self.sock, self.seen = receiver, sock, b""

    def send(self, data):
        self.sock.sendall(data)
        self.receiver.bytes_sent += len(data)

    def read_some(self):
        """Reads what is there; false at the end."""
        piece = self.sock.recv(1 << 18)
        self.seen += piece
        return bool(piece)


# ---- steps -------------------------------------------------------------------------------------


def send(data):
    return lambda stage: stage.send(data.encode("latin-1") if isinstance(data, str) else data)


def sleep(seconds):
    return lambda stage: stage.receiver.stopping.wait(seconds)


def expect(marker):
    """Reads until this has come."""
    def step(stage):
        while marker not in stage.seen and stage.read_some():
            pass
    return step


def request(stage):
    """Reads one whole request."""
    expect(b"\r\n\r\n")(stage)
    head, _, body = stage.seen.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    missing = (lengths or [0])[0] - len(body)
    while missing > 0:
        before = len(stage.seen)
        if not stage.read_some():
            return
        missing -= len(stage.seen) - before
    stage.receiver.requests.append(stage.seen)
    stage.seen = b""


def forever(data, every=0):
    """Sends until the other side hangs up, or as slowly as that."""
    def step(stage):
        while not stage.receiver.stopping.wait(every) if every else not stage.receiver.stopping.is_set():
            stage.send(data)
    return step


def slowly(data, every):
    """Sends a byte at a time."""
    def step(stage):
        for byte in data.encode("latin-1"):
            if stage.receiver.stopping.wait(every):
                return
            stage.send(bytes([byte]))
    return step


def half_close(stage):
    stage.sock.shutdown(socket.SHUT_WR)


def reset(stage):
    stage.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stage.sock.close()


def hold(stage):
    """Says nothing, and reads nothing, until the receiver stops."""
    stage.receiver.stopping.wait()


def drain(stage):
    """Reads until the other side hangs up."""
    while stage.read_some():
        stage.seen = b""


def again(*steps):
    """The same for each further request of the connection."""
    def step(stage):
        while not stage.receiver.stopping.is_set():
            for one in steps:
                one(stage)
    return step


# ---- the receiver ------------------------------------------------------------------------------


class ScriptedReceiver:
    """Plays its script on loopback, on a port of its own. Connections that are held open stay until stop()."""

    def __init__(self, script):
        self.script = script
        self.bytes_sent, self.requests, self.connections = 0, [], 0
        self.stopping, self.sockets = threading.Event(), []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(sock)
            threading.Thread(target=self._play, args=(sock,), daemon=True).start()

    def _play(self, sock):
        stage = Stage(self, sock)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for step in self.script:
                step(stage)
        except OSError:
            pass
        finally:
            sock.close()

    def stop(self):
        self.stopping.set()
        self.listener.close()
        for sock in self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def http_date(seconds_from_now):
    """An HTTP date (RFC 9110, 5.6.7)."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds_from_now))
