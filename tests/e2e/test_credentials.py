"""Secrets of the configuration that come from the service manager (systemd's LoadCredential=)."""

import pytest

from daemon import outhookd
from database import enqueue

SECRET = "whsec_" + "a1" * 24


@pytest.fixture
def credentials(tmp_path, monkeypatch):
    directory = tmp_path / "credentials"
    directory.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    return directory


def test_the_default_secret_signs(db, daemon, receiver, credentials):
    (credentials / "default_secret").write_text(SECRET + "\n")
    daemon()
    enqueue(db, url=receiver.url())
    (request,) = receiver.wait(1)
    assert request.header("webhook-signature").startswith("v1,")


def test_the_configuration_and_the_command_line_come_first(tmp_path, credentials):
    (credentials / "proxy").write_text("http://user:word@[::1]:3128\n")
    config = tmp_path / "outhookd.conf"
    config.write_text("proxy = nonsense\n")
    assert outhookd("--check", "--config", config)[0] == 2
    config.write_text("proxy =\n")
    status, out, err = outhookd("--check", "--config", config)
    assert status == 0 and "proxy = (hidden)\n" in out and "default_secret = \n" in out, err
    assert outhookd("--check", "--config", config, "--set", "proxy=")[1].count("(hidden)") == 0


@pytest.mark.parametrize("name, value, part", ids=("secret", "proxy", "length"), argvalues=[("default_secret", "whsec_short", "default_secret"),
                                               ("proxy", "gopher://proxy.example", "proxy"),
                                               ("default_secret", "x" * 501, "0 to 500 characters")])
def test_a_credential_that_is_wrong(credentials, name, value, part):
    (credentials / name).write_text(value)
    status, _, err = outhookd("--check")
    assert status == 2 and part in err and value not in err


def test_a_credential_that_can_not_be_read(credentials):
    (credentials / "proxy").mkdir()
    status, _, err = outhookd("--check")
    assert status == 2 and f"can't read the credential {credentials}/proxy" in err


def test_an_empty_credential_is_none(credentials):
    (credentials / "proxy").write_text("")
    assert outhookd("--check")[0] == 0


def test_a_check_may_be_quiet(tmp_path):
    assert outhookd("--check", "--quiet") == (0, "", "")
    status, out, err = outhookd("--check", "--quiet", "--set", "workers=many")
    assert status == 2 and out == "" and "workers" in err
    assert outhookd("--quiet")[0] == 2
