"""What is said where packages are missing that the scripts take."""

import os
import subprocess

import pytest

from database import REPOSITORY

SCRIPT = """. daemon/packages.sh; packages_install "$1" outhook-no-such-package"""


@pytest.fixture
def run(tmp_path):
    """Runs sh with its arguments, and with programs whose bodies are given before all others."""
    def call(*arguments, **bodies):
        for name, body in bodies.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        return subprocess.run(["sh", *arguments], cwd=REPOSITORY, text=True, capture_output=True,
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    return call


@pytest.fixture
def install(run, tmp_path):
    """Calls packages_install as the user, with a sudo and an apt-get that fail."""
    def call(user):
        return run("-c", SCRIPT, "sh", tmp_path / "apt.log", id=f"echo {user}", sudo="echo sudo: no >&2; exit 1",
                   apt_get="echo E: no mirror >&2; exit 100")

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


def test_what_the_package_takes_is_named_before_anything_is_made(run, tmp_path):
    said = "echo dpkg-checkbuilddeps: error: Unmet build dependencies: build-essential:native >&2; exit 1"
    result = run("debian/package.sh", ".", tmp_path, dh="", dpkg_checkbuilddeps=said)
    assert result.returncode == 1 and not (tmp_path / "package").exists()
    assert result.stderr == ("Unmet build dependencies: build-essential:native. "
                             f"As root, run: apt-get build-dep {REPOSITORY}\n")
