"""A small world of its own for the daemon to look names up in: a network namespace whose only name server is the
test's, with an /etc/resolv.conf, /etc/hosts and /etc/nsswitch.conf that nobody else sees.

Only root can make one; elsewhere the tests that need it are skipped.
"""

import ctypes
import os
import select
import shutil
import socket
import struct
import subprocess
import threading

import pytest

CLONE_NEWNET = 0x40000000
A, AAAA = 1, 28
SERVFAIL, NXDOMAIN = 2, 3

SCRIPT = """
set -e
ip link set lo up
ip address add "$1" dev lo
mount --make-rprivate /
for file in resolv.conf hosts nsswitch.conf; do
    mount --bind "$2/$file" /etc/$file
done
echo ready
exec sleep 3600
"""


def inside(pid, function):
    """Runs a function on a thread of its own in the network of a process; what it opens stays there."""
    result = []

    def run():
        with open(f"/proc/{pid}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                result.append(OSError(ctypes.get_errno(), "setns"))
            else:
                result.append(function())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


class NameServer:
    """Answers by `names`: a name's list of addresses, "hang", SERVFAIL, NXDOMAIN, (seconds, addresses) for a slow
    answer, or a function that is given the number of lookups of this name before and returns one of these. Names that
    are not there are NXDOMAIN, unless `default` says otherwise."""

    def __init__(self, sock):
        self.sock, self.names, self.default = sock, {}, NXDOMAIN
        self.queries, self.lock, self.stopping = [], threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def count(self, name, kind=A):
        with self.lock:
            return self.queries.count((name, kind))

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.sock.close()

    def _serve(self):
        while not self.stopping.is_set():
            readable, _, _ = select.select([self.sock], [], [], 0.05)
            if readable:
                self._take(*self.sock.recvfrom(4096))

    def _take(self, packet, sender):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
            at += 1 + packet[at]
        name, kind, question = ".".join(labels), struct.unpack(">H", packet[at + 1:at + 3])[0], packet[12:at + 5]
        with self.lock:
            before = self.queries.count((name, kind))
            self.queries.append((name, kind))
        behaviour = self.names.get(name, self.default)
        if callable(behaviour):
            behaviour = behaviour(before)
        delay = 0
        if isinstance(behaviour, tuple):
            delay, behaviour = behaviour
        if behaviour != "hang":
            answer = self._answer(packet[:2], question, kind, behaviour)
            threading.Timer(delay, self._send, (answer, sender)).start() if delay else self._send(answer, sender)

    def _send(self, answer, sender):
        try:
            self.sock.sendto(answer, sender)
        except OSError:
            pass

    @staticmethod
    def _answer(number, question, kind, behaviour):
        code = behaviour if isinstance(behaviour, int) else 0
        family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
        addresses = [] if code else [one for one in behaviour if (":" in one) == (kind == AAAA)]
        answer = number + struct.pack(">HHHHH", 0x8180 | code, 1, len(addresses), 0, 0) + question
        for one in addresses:
            packed = socket.inet_pton(family, one)
            answer += struct.pack(">HHHIH", 0xC00C, kind, 1, 1, len(packed)) + packed
        return answer


class NameWorld:
    """`prefix` starts a command inside; `run` makes receivers inside."""

    # Public, so that it may be called; and nobody's here, so that it is never left for the real one.
    public = "93.184.216.34"

    def __init__(self, directory, options="timeout:2 attempts:1", hosts=""):
        (directory / "resolv.conf").write_text(f"nameserver 127.0.0.1\noptions {options}\n")
        (directory / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
        (directory / "nsswitch.conf").write_text("hosts: files dns\n")
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", SCRIPT, "sh", self.public,
                                        str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            pytest.skip("no namespaces here: " + self.holder.communicate()[1].strip())
        self.prefix = ["nsenter", f"--target={self.holder.pid}", "--mount", "--net", "--root", "--"]
        self.server = NameServer(self.run(self._listen))

    @staticmethod
    def _listen():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("127.0.0.1", 53))
        return sock

    def run(self, function):
        return inside(self.holder.pid, function)

    def stop(self):
        if hasattr(self, "server"):
            self.server.stop()
        self.holder.kill()
        self.holder.communicate()


def require():
    if os.geteuid() != 0:
        pytest.skip("only root can give the daemon a name server of its own")
    for program in ("unshare", "nsenter", "ip"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program} here")
