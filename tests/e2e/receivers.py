"""A scripted HTTP receiver on loopback: raw sockets, a thread a connection, every byte recorded.

What a path does is a behaviour: a status, a list of behaviours (one a request, the last one repeats), or
a function that is given the Call and may answer properly, badly, slowly, or not at all.
"""

import select
import socket
import struct
import threading
import time

from waiting import PATIENCE, wait_until


class Request:
    """One request as it came."""

    def __init__(self, connection, head, body, started_at):
        lines = head.split(b"\r\n")
        self.method, self.target, self.version = lines[0].decode("latin-1").split(" ")
        self.fields = [tuple(part.strip() for part in line.decode("latin-1").split(":", 1)) for line in lines[1:]]
        self.head, self.body = head, body
        self.connection = connection  # a number, counted by the receiver
        self.started_at, self.received_at = started_at, time.time()

    def headers(self, name):
        """Every value of a header."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def header(self, name):
        """The value of a header that must be there at most once."""
        values = self.headers(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Call:
    """A request and the socket to answer it on, for a behaviour."""

    def __init__(self, receiver, sock, request, number):
        self.receiver, self.sock, self.request = receiver, sock, request
        self.number = number  # of this path's requests, from 0
        self.closed = self.ended = False

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, status=200, headers=(), body=b""):
        """A complete answer."""
        lines = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in dict(headers).items()]
        self.end()
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def end(self):
        """No longer in flight: counted before the last byte leaves, after which the next call may come."""
        with self.receiver.lock:
            self.receiver.in_flight -= not self.ended
            self.ended = True

    def pause(self, seconds):
        """Waits; ends early when the receiver stops."""
        self.receiver.stopping.wait(seconds)

    def hang(self):
        """Says nothing more until the daemon hangs up or the receiver stops."""
        while not self.receiver.stopping.is_set():
            readable, _, _ = select.select([self.sock], [], [], 0.05)
            if readable and not self.sock.recv(65536):
                break
        self.closed = True

    def reset(self):
        """Ends the connection by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.closed = True
        self.sock.close()


# ---- behaviours --------------------------------------------------------------------------------


def answer(status=200, headers=(), body=b"", delay=0):
    """A complete answer, after a delay."""
    def behave(call):
        call.pause(delay)
        call.answer(status, headers, body)
    return behave


def hang(call):
    call.hang()


def close(call):
    call.close()


def reset(call):
    call.reset()


def garbage(call):
    call.send(b"220 this is not HTTP\r\n")
    call.close()


def hang_in_headers(call):
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: te")
    call.hang()


def reset_in_headers(call):
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: te")
    call.pause(0.1)
    call.reset()


def hang_in_body(call):
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst bytes")
    call.hang()


def reset_in_body(call):
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst bytes")
    call.pause(0.1)
    call.reset()


def short_body(call):
    """A Content-Length that promises more than comes."""
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst bytes")
    call.close()


def slow_body(call):
    """A byte every so often: each is in time, and the whole never."""
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not call.receiver.stopping.wait(0.02):
        call.send(b"x")


def endless(start, piece):
    """Sends as fast as it is read, until the daemon hangs up; counts the bytes in the receiver."""
    def behave(call):
        call.send(start)
        while not call.receiver.stopping.is_set():
            call.send(piece)
            call.receiver.bytes_sent += len(piece)
    return behave


endless_body = endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n")
endless_headers = endless(b"HTTP/1.1 200 OK\r\n", b"X-Again: " + b"y" * 1000 + b"\r\n")


# ---- the receiver ------------------------------------------------------------------------------


class Receiver:
    """Listens on a port of its own; default answer 200."""

    def __init__(self, behaviour=200, on_connect=None, tls=None, host="127.0.0.1", port=0):
        self.paths, self.tls, self.host = {None: behaviour}, tls, host
        self.on_connect = on_connect  # called with the fresh socket; true: that was all
        self.requests, self.in_flight, self.most_in_flight = [], 0, 0
        self.connections, self.bytes_sent = 0, 0
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.sockets, self.counts = set(), {}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, port), backlog=1024, family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path="/hook"):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{path}"

    def on(self, path, behaviour):
        """Says what a path does from now on."""
        with self.lock:
            self.paths[path] = behaviour
            self.counts.pop(path, None)
        return self.url(path)

    def wait(self, count=1, timeout=PATIENCE, path=None):
        """Waits until at least so many requests have come, and returns them all."""
        wait_until(lambda: len(self.got(path)) >= count, timeout,
                   f"{count} requests, {len(self.got(path))} came")
        return self.got(path)

    def got(self, path=None):
        with self.lock:
            return [request for request in self.requests if path in (None, request.target)]

    def stop(self):
        self.stopping.set()
        self.listener.close()
        with self.lock:
            for sock in self.sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.sockets.add(sock)
                number = self.connections
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock, number):
        """Requests of one connection, until either side ends it."""
        buffer = b""
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            if self.on_connect and self.on_connect(sock):
                return
            while not self.stopping.is_set():
                request, buffer = self._read(sock, number, buffer)
                if request is None or not self._behave(sock, request):
                    return
        except OSError:
            pass
        finally:
            with self.lock:
                self.sockets.discard(sock)
            sock.close()

    @staticmethod
    def _read(sock, number, buffer):
        """One request of a Content-Length, and what came after it."""
        started_at = time.time()
        while b"\r\n\r\n" not in buffer:
            piece = sock.recv(1 << 16)
            if not piece:
                return None, b""
            if not buffer:
                started_at = time.time()
            buffer += piece
        head, rest = buffer.split(b"\r\n\r\n", 1)
        length = Request(number, head, b"", started_at).header("Content-Length")
        pieces, missing = [rest], int(length or 0) - len(rest)
        while missing > 0:
            piece = sock.recv(1 << 18)
            if not piece:
                return None, b""
            pieces.append(piece)
            missing -= len(piece)
        body = b"".join(pieces)
        extra = body[int(length or 0):]
        return Request(number, head, body[:int(length or 0)], started_at), extra

    def _behave(self, sock, request):
        """Records, then does what the path's behaviour says. False when the connection has ended."""
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            key = request.target if request.target in self.paths else None
            number = self.counts[key] = self.counts.get(key, -1) + 1
            behaviour = self.paths[key]
            self.requests.append(request)
        call = Call(self, sock, request, number)
        try:
            if isinstance(behaviour, list):
                behaviour = behaviour[min(number, len(behaviour) - 1)]
            if isinstance(behaviour, int):
                call.answer(behaviour)
            else:
                behaviour(call)
            return not call.closed
        finally:
            call.end()


class DeafListener:
    """A listening socket whose backlog is full: whoever connects waits for ever."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.waiting = []
        while self._fill():
            pass

    def _fill(self):
        """Puts one more connection into the backlog; false when there is no more room."""
        sock = socket.socket()
        sock.settimeout(0.3)
        self.waiting.append(sock)
        try:
            sock.connect(("127.0.0.1", self.port))
            return True
        except TimeoutError:
            return False

    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def stop(self):
        for sock in [*self.waiting, self.listener]:
            sock.close()


REFUSING = []  # sockets that have a port, and do not listen on it


def refusing_url():
    """The URL of a port where nobody listens, nor anybody else will while this process lives."""
    REFUSING.append(socket.socket())
    REFUSING[-1].bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{REFUSING[-1].getsockname()[1]}/hook"
