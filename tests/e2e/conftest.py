"""The fixtures of the end-to-end tests. The helpers they hand out are in the modules beside this file."""

import ssl

import pytest

import certificates as certificate_authority
from daemon import LOOPBACK, Daemon
from database import create
from receivers import DeafListener, Receiver


@pytest.fixture
def db(tmp_path):
    """A database with the newest schema, made by the stock CLI."""
    return create(tmp_path / "outhook.db")


@pytest.fixture
def daemon(db):
    """Starts daemons. Each one still running at the end is stopped and has to leave in good order."""
    started = []

    def start(path=db, config=None, allow=LOOPBACK, wait=True, prefix=(), **settings):
        one = Daemon(path, settings, config, allow, prefix)
        started.append(one)
        return one.wait_ready() if wait else one

    yield start
    running = [one for one in started if one.running]
    try:
        for one in running:
            one.stop()
    finally:
        for one in started:
            if one.running:
                one.process.kill()
                one.process.wait()


@pytest.fixture
def receiver():
    """One receiver that answers 200 unless told otherwise."""
    one = Receiver()
    yield one
    one.stop()


@pytest.fixture
def new_receiver():
    """Starts receivers."""
    started = []

    def start(*arguments, **options):
        started.append(Receiver(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def deaf_listener():
    one = DeafListener()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A directory with an authority's certificate and those that it signed: see certificates.py."""
    return certificate_authority.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_receiver(certificates, new_receiver):
    """Starts receivers over TLS, with one of the certificates; `https` is their URL."""
    def start(name="good", most=None, client_ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        if most:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.maximum_version = most
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        one = new_receiver(tls=context)
        one.https = one.url().replace("http:", "https:")
        return one
    return start
