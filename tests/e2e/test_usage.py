"""The command line of outhookd."""

import pytest

from daemon import outhookd
from database import REPOSITORY


@pytest.mark.parametrize("arguments", [
    ["--nonsense"], ["-x"], ["argument"], ["--database"], ["--config"], ["--set"], ["--set", "timeout"],
    ["--set", "no_such=1"], ["--set", "timeout=soon"], ["--set", "workers=0"], ["--set", "workers=65"],
    ["--set", "max_pending=-1"], ["--set", "retry_schedule=5s,6s"], ["--set", "log_level=loud"],
    ["--set", "allow_networks=10.0.0.0/33"], ["--set", "deny_networks=everything"]])
def test_wrong_usage(tmp_path, arguments):
    status, out, err = outhookd("--database", tmp_path / "new.db", *arguments)
    assert status == 2 and out == "" and err.startswith("outhookd: "), err
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("arguments, sentence", [
    ("--set", "--set lacks its value: see outhookd --help"),
    ("-s", "-s lacks its value: see outhookd --help"),
    ("--check -xh", "there is no option -x: see outhookd --help"),
    ("--databse new.db", "there is no option --databse: see outhookd --help"),
    ("--check=yes", "--check=yes: this option takes no value; see outhookd --help"),
    ("--help=set", "--help=set: this option takes no value; see outhookd --help")])
def test_an_option_is_named_as_it_was_written(arguments, sentence):
    assert outhookd(*arguments.split()) == (2, "", f"outhookd: {sentence}\n")


def test_a_misspelt_setting_is_guessed():
    _, _, err = outhookd("--check", "--set", "max_pendign=1")
    assert "max_pending" in err


def test_version():
    status, out, _ = outhookd("--version")
    version = (REPOSITORY / "CMakeLists.txt").read_text().split("project(outhook VERSION ")[1].split()[0]
    assert status == 0 and version in out


def test_help():
    status, out, err = outhookd("--help")
    assert status == 0 and err == ""
    for option in ("--config", "--database", "--set", "--check", "--help-settings", "--version"):
        assert option in out


def test_help_settings_is_a_configuration_that_can_be_checked(tmp_path):
    status, out, _ = outhookd("--help-settings")
    assert status == 0 and "retry_schedule" in out
    (tmp_path / "all.conf").write_text(out)
    status, _, err = outhookd("--check", "--config", tmp_path / "all.conf", "--database", tmp_path / "new.db")
    assert status == 0, err


def test_check_judges_the_configuration_and_starts_nothing(tmp_path):
    config = tmp_path / "outhookd.conf"
    config.write_text("timeout = 3s\n")
    status, out, err = outhookd("--check", "--config", config, "--database", tmp_path / "new.db")
    assert status == 0, err
    assert not (tmp_path / "new.db").exists()
    config.write_text("timeout = 3s\n\ntimeout = soon\n")
    status, _, err = outhookd("--check", "--config", config)
    assert status != 0 and str(config) in err and "timeout" in err and "line 3" in err


def test_a_configuration_that_is_missing(tmp_path):
    status, _, err = outhookd("--config", tmp_path / "missing.conf", "--database", tmp_path / "new.db")
    assert status in (1, 2) and str(tmp_path / "missing.conf") in err
    assert not (tmp_path / "new.db").exists()


def test_the_database_may_come_from_the_file(tmp_path, daemon):
    config = tmp_path / "outhookd.conf"
    config.write_text(f"[outhookd]\n# comment\n; comment\ndatabase = {tmp_path}/from-file.db\n")
    status, out, err = outhookd("--check", "--config", config)
    assert status == 0, err
    one = daemon(path=tmp_path / "by-option.db", config=config)
    assert one.running and (tmp_path / "by-option.db").exists()
    assert not (tmp_path / "from-file.db").exists(), "the option wins"
