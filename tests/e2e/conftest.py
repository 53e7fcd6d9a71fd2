"""The fixtures of the end-to-end tests. The helpers they hand out are in the modules beside this file."""

import pytest

from database import create


@pytest.fixture
def db(tmp_path):
    """A database with the newest schema, made by the stock CLI."""
    return create(tmp_path / "outhook.db")
