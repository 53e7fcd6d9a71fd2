"""The manual pages: everything that there is stands in them, and nothing that there isn't."""

import re
import shutil
import subprocess

import pytest

from command import BUILD, succeed
from daemon import outhookd
from database import query

PAGES = ("outhook.1", "outhookd.8", "outhookd.conf.5", "outhook-sql.7")


def plain(page):
    """A page's roff without the escapes that this one uses."""
    text = (BUILD / "man" / page).read_text()
    text = re.sub(r"\\f.", "", text)
    for escape, character in (("\\-", "-"), ("\\(aq", "'"), ("\\(ga", "`"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\&", ""),
                              ("\\e", "\\")):
        text = text.replace(escape, character)
    return text


def sections(text, mark):
    """{title: text} of what begins with .SH or .SS."""
    parts = re.split(rf"^\.{mark} (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def options(text):
    return set(re.findall(r"--[a-z][a-z-]*", text))


def verbs(*within):
    """Every verb that does something, as a list of words."""
    out = succeed(*within, "--help")
    for name in re.findall(r"^  ([a-z-]+) ", out.split("Verbs:")[1].split("\n\n")[0], flags=re.MULTILINE):
        if name != "help":
            yield from verbs(*within, name) if "\nVerbs:\n" in succeed(*within, name, "--help") else [[*within, name]]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_clean_roff(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", BUILD / "man" / page], capture_output=True, text=True)
    # It is of no particular day, so that the same sources always make the same page.
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []
    assert done.stderr == ""


def test_every_verb_with_every_option():
    text = plain("outhook.1")
    common = options(sections(text, "SH")["OPTIONS OF ALL VERBS"])
    assert common == {"--database", "--config", "--help", "--version"}
    described = {}
    for title, body in sections(sections(text, "SH")["VERBS"], "SS").items():
        words = title.split(" [")[0].split()
        name = tuple(word for word in words[1:] if word.islower() and not word.startswith("-"))
        described[name] = set(re.findall(r"^(--[a-z-]+)", body.split("\n.SH ")[0], flags=re.MULTILINE))
    known = {tuple(verb) for verb in verbs()}
    assert set(described) == known
    for verb in known:
        listed = set(re.findall(r"^  (--[a-z-]+)", succeed(*verb, "--help"), flags=re.MULTILINE))
        assert described[verb] == listed - common, verb


def test_every_setting():
    _, printed, _ = outhookd("--help-settings")
    known = set(re.findall(r"^;?([a-z_]+) =", printed, flags=re.MULTILINE))
    text = sections(plain("outhookd.conf.5"), "SH")["SETTINGS"]
    assert set(re.findall(r"^\.TP\n([a-z_]+)$", text, flags=re.MULTILINE)) == known


def test_every_option_of_the_daemon():
    _, printed, _ = outhookd("--help")
    listed = set(re.findall(r"^ .*?(--[a-z-]+)", printed, flags=re.MULTILINE))
    assert listed <= options(sections(plain("outhookd.8"), "SH")["OPTIONS"]) <= listed


def test_every_column(db):
    known = {}
    for row in query(db, """SELECT s.name AS relation, c.name AS column FROM sqlite_schema AS s, pragma_table_info(s.name) AS c
                            WHERE s.type IN ('table', 'view') AND s.name NOT GLOB 'sqlite_*' AND s.name NOT GLOB '_*'"""):
        known.setdefault(row["relation"], []).append(row["column"])
    described = {title: re.findall(r"^\.B ([a-z_]+)$", body.split("\n.SH ")[0], flags=re.MULTILINE)
                 for title, body in sections(plain("outhook-sql.7"), "SS").items()}
    assert described == known
