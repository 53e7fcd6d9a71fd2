"""Small proxies of the tests': HTTP (forwarding, and CONNECT) and SOCKS 5. They alone know where names lead."""

import base64
import re
import socket
import threading


def pump(source, sink):
    try:
        while data := source.recv(1 << 16):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """`hosts` says where names lead; what was asked for is kept in `asked`, as "POST http://…", "CONNECT host:port" or
    "SOCKS host:port". With `password`, HTTP's Basic "user:password" is wanted."""

    def __init__(self, hosts=None, password=None, status=None):
        self.hosts, self.password, self.status = hosts or {}, password, status
        self.asked, self.connections, self.headers = [], 0, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _connect(self, host, port):
        return socket.create_connection((self.hosts.get(host, "127.0.0.1"), int(port)))

    def _serve(self, sock):
        first = sock.recv(1 << 16)
        if first[:1] == b"\x05":
            self._socks(sock)
            return
        while b"\r\n\r\n" not in first:
            first += sock.recv(1 << 16)
        head, rest = first.split(b"\r\n\r\n", 1)
        line, *fields = head.decode().split("\r\n")
        self.headers.append(fields)
        method, target, _ = line.split(" ")
        self.asked.append(f"{method} {target}")
        wanted = "proxy-authorization: basic " + base64.b64encode((self.password or "").encode()).decode()
        if self.password and wanted.lower() not in [field.lower() for field in fields]:
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif self.status:
            sock.sendall(f"HTTP/1.1 {self.status} No\r\nContent-Length: 0\r\n\r\n".encode())
        elif method == "CONNECT":
            upstream = self._connect(*target.rsplit(":", 1))
            sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            self._join(sock, upstream)
            return
        else:
            host, port, path = re.match(r"http://([^/:]+)(?::(\d+))?(.*)", target).groups()
            upstream = self._connect(host, port or 80)
            kept = [field for field in fields if not field.lower().startswith("proxy-")]
            upstream.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *kept]).encode() + b"\r\n\r\n" + rest)
            self._join(sock, upstream)
            return
        sock.close()

    def _socks(self, sock):
        sock.sendall(b"\x05\x00")
        request = sock.recv(1 << 16)
        assert request[:4] == b"\x05\x01\x00\x03", "a name, for the proxy to look up"
        host, port = request[5:5 + request[4]].decode(), int.from_bytes(request[-2:], "big")
        self.asked.append(f"SOCKS {host}:{port}")
        upstream = self._connect(host, port)
        sock.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        self._join(sock, upstream)

    @staticmethod
    def _join(one, other):
        threading.Thread(target=pump, args=(other, one), daemon=True).start()
        pump(one, other)

    def stop(self):
        self.listener.close()
