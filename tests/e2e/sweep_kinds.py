"""The kinds of deliveries whose allocations are refused: see sweep.py."""

import base64
import contextlib
import pathlib
import ssl
import subprocess
import tempfile

import certificates
from names import NameWorld, require
from receivers import Receiver
from sweep import Sweep

KINDS = ["plain", "tls", "http2", "sealed", "ed25519", "lookup"]
ED25519 = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="


def sweep_over_tls(directory, http_version):
    """The receiver, and what to try on it."""
    certificates.make(directory)
    if http_version == "2":
        from h2_receiver import H2Paths  # which needs python3-h2
        receiver = H2Paths(directory / "good.pem", directory / "good.key")
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "good.pem", directory / "good.key")
        receiver = Receiver(tls=context)
    return receiver, Sweep(directory, receiver, "https", {"ca_file": directory / "ca.pem"}, http_version=http_version)


def sweep_sealed(directory):
    key, receiver = directory / "key", Receiver()
    key.write_text("c" * 43 + "=\n")
    key.chmod(0o600)
    return receiver, Sweep(directory, receiver, settings={"secret_key_file": key})


def ed25519_verifies(directory, request):
    """By the public key in the latter half of the secret."""
    kind, signature = request.header("webhook-signature").split(",")
    public = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(ED25519[5:])[32:]
    message = "{}.{}.".format(request.header("webhook-id"), request.header("webhook-timestamp")).encode() + request.body
    with tempfile.TemporaryDirectory(dir=directory) as name:
        files = [pathlib.Path(name) / file for file in ("public", "signature", "message")]
        for file, content in zip(files, (public, base64.b64decode(signature), message)):
            file.write_bytes(content)
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin",
                               "-inkey", files[0], "-sigfile", files[1], "-in", files[2]], capture_output=True)
    return kind == "v1a" and done.returncode == 0


def sweep_ed25519(directory):
    receiver = Receiver()
    return receiver, Sweep(directory, receiver, secret=ED25519,
                           expect=lambda request: ed25519_verifies(directory, request))


def sweep_lookup(directory, world):
    """Both attempts look the name up, by a name server. Not in a process's first lookup of all, in which the C library
    reads how names are looked up: it ends the process when it has no memory for that, or finds no name from then on.
    That a lookup failed is remembered for a while, which is no reason to leave the endpoint alone for longer."""
    world.server.names["a.test"] = ["127.0.0.1"]
    receiver = world.run(Receiver)
    settings = {"lookup_cache": "0s", "retry_schedule": "100ms", "breaker_failures": 1000, "max_attempts": 100}
    return receiver, Sweep(directory, receiver, settings=settings, host="a.test", prefix=world.prefix, before="/before")


@contextlib.contextmanager
def sweep_of(kind, directory):
    """What to try, and a receiver for it until then."""
    world = None
    if kind == "lookup":
        require()
        world = NameWorld(directory)
    receiver, sweep = (sweep_lookup(directory, world) if world else
                       sweep_over_tls(directory, "2" if kind == "http2" else "1.1") if kind in ("tls", "http2") else
                       sweep_sealed(directory) if kind == "sealed" else
                       sweep_ed25519(directory) if kind == "ed25519" else (one := Receiver(), Sweep(directory, one)))
    try:
        yield sweep
    finally:
        receiver.stop()
        if world:
            world.stop()
