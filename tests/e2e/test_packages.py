"""What the quickstart and tests/run.sh say where missing packages can't be installed."""

import os
import subprocess

import pytest

from database import REPOSITORY

SCRIPT = """. daemon/packages.sh; packages_install "$1" outhook-no-such-package"""


@pytest.fixture
def install(tmp_path):
    """Calls packages_install as the user, with a sudo and an apt-get that fail."""
    def call(user):
        for name, body in (("id", f"echo {user}"), ("sudo", "echo sudo: no >&2; exit 1"),
                           ("apt-get", "echo E: no mirror >&2; exit 100")):
            (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / name).chmod(0o755)
        return subprocess.run(["sh", "-c", SCRIPT, "sh", tmp_path / "apt.log"], cwd=REPOSITORY, text=True,
                              capture_output=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return call


def test_who_may_not_sudo_is_told_what_root_has_to_run(install):
    result = install(1000)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-2:] == [
        "sudo: no", "They could not be installed. As root, run: apt-get install outhook-no-such-package"]


def test_what_apt_said_is_shown_to_root(install):
    result = install(0)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-2:] == [
        "E: no mirror", "apt-get could not install: outhook-no-such-package"]
