"""The fixtures of the end-to-end tests. The helpers they hand out are in the modules beside this file."""

import pytest

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
