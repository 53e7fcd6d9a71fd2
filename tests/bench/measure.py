"""What the parts of the benchmark share: the receiver, the yardstick, databases, numbers of a process."""

import atexit
import mmap
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from certificates import certify, new_key, openssl  # noqa: E402
from daemon import BUILD  # noqa: E402
from database import create, run  # noqa: E402

PROGRAMS = BUILD / "bench"
PAYLOAD_BYTES = 512
HOSTS = 250  # of 127.0.n.0: each is an origin of its own


# ---- the receiver --------------------------------------------------------------------------------


class Sink:
    """sink.c as a child process."""

    def __init__(self, directory, certificate=None, key=None):
        state = pathlib.Path(directory) / "sink.state"
        state.unlink(missing_ok=True)
        command = [PROGRAMS / "sink", state] + ([certificate, key] if certificate else [])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        atexit.register(self.stop)  # some are for several parts, and a part may fail
        self.ports = {}
        for _ in range(2 if certificate else 1):
            scheme, port = self.process.stdout.readline().split()
            self.ports[scheme] = int(port)
        with open(state, "rb") as file:
            self.state = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    @property
    def pid(self):
        return self.process.pid

    @property
    def requests(self):
        return struct.unpack_from("Q", self.state, 0)[0]

    @property
    def connections(self):
        return struct.unpack_from("Q", self.state, 8)[0]

    def arrived_at(self, number):
        """Wall time in seconds when the body with this number came; None: it did not."""
        (ns,) = struct.unpack_from("q", self.state, 24 + 8 * number)
        return ns / 1e9 if ns else None

    def urls(self, count, scheme="http"):
        """As many URLs; each host (up to HOSTS times 250 of them) is another origin."""
        return [f"{scheme}://127.0.{n // HOSTS}.{n % HOSTS + 1}:{self.ports[scheme]}/hook" for n in range(count)]

    def stop(self):
        atexit.unregister(self.stop)
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def make_certificate(directory, hosts):
    """ca.pem, good.pem and good.key, for the first addresses that Sink.urls() gives."""
    new_key(directory / "ca.key")
    openssl("req", "-x509", "-key", directory / "ca.key", "-days", "2", "-subj", "/CN=Benchmark CA", "-out",
            directory / "ca.pem")
    certify(directory, "good", ",".join(f"IP:127.0.{n // HOSTS}.{n % HOSTS + 1}" for n in range(hosts)))


# ---- the yardstick -------------------------------------------------------------------------------


def ceiling(urls, threads, calls, in_flight=128, payload_bytes=PAYLOAD_BYTES, ca_file=None, http2=False):
    """Calls per second, and CPU microseconds per call, of bare libcurl."""
    command = [PROGRAMS / "ceiling", "--threads", threads, "--calls", calls, "--in-flight", in_flight, "--bytes",
               payload_bytes]
    command += ["--ca-file", ca_file] if ca_file else []
    command += ["--http2"] if http2 else []
    done = subprocess.run([str(word) for word in [*command, *urls]], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the yardstick failed: {done.stderr}")
    seconds, cpu_seconds = map(float, done.stdout.split())
    return calls / seconds, 1e6 * cpu_seconds / calls


# ---- databases -----------------------------------------------------------------------------------


def make_database(path, urls, columns=""):
    """A database with an endpoint e0, e1, … for each of the URLs, signing as endpoints do by default.
    `columns` are further ones, such as ", http_version = '2'"."""
    db = create(pathlib.Path(path))
    values = ",".join(f"('e{n}', '{url}')" for n, url in enumerate(urls))
    run_script(db, f"INSERT INTO endpoints (name, url) VALUES {values}")
    if columns:
        run(db, f"UPDATE endpoints SET {columns.lstrip(', ')}")
    return db


def run_script(db, sql):
    """SQL that may be longer than a command line."""
    subprocess.run(["sqlite3", "-bail", str(db)], input=f".timeout 20000\n{sql};\n", text=True, check=True,
                   capture_output=True)


def payload_sql(payload_bytes=PAYLOAD_BYTES):
    """SQL that makes {"n":<value>,"padding":"xxx…"}, about as long as that."""
    return f"""'{{"n":' || value || ',"padding":"' || printf('%.*c', {max(1, payload_bytes - 24)}, 'x') || '"}}'"""


def fill(db, rows, endpoints, payload_bytes=PAYLOAD_BYTES, first=0):
    """Inserts webhooks numbered from `first` on, over the endpoints in turn, through the triggers."""
    step = max(1, min(10_000, (64 << 20) // payload_bytes))
    for start in range(first, first + rows, step):
        last = min(start + step, first + rows) - 1
        run(db, f"""INSERT INTO webhooks (endpoint, type, payload)
                    SELECT 'e' || (value % {endpoints}), 'invoice.paid', {payload_sql(payload_bytes)}
                    FROM generate_series({start}, {last})""")


# ---- processes -----------------------------------------------------------------------------------


def cpu_seconds(pid):
    """CPU time of all threads, to the nanosecond; of those that are alive."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_bytes(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(field)


def proportional_bytes(pid):
    """What of its memory is its own, and its part of what it shares with others."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) * 1024


# ---- numbers -------------------------------------------------------------------------------------


def percentile(values, percent):
    """Of sorted values."""
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def spread(values):
    """(median, least, most)"""
    return statistics.median(values), min(values), max(values)


def load():
    """What else the machine does: its load average, and how many cores it has."""
    return os.getloadavg()[0], os.cpu_count()
