"""The Tab key in bash and in zsh, from the same table as the help."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from command import BUILD, PATIENCE_S, connect, environment, outhook, succeed

NAMES = ("billing", "büro nord", "shop")


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    connection = connect(path)
    for name in NAMES:
        connection.execute("INSERT INTO endpoints (name, url) VALUES (?, 'http://127.0.0.1:9/')", (name,))
    connection.execute("INSERT INTO webhooks (url, payload) VALUES ('http://127.0.0.1:9/x', '{}')")
    connection.close()
    return path


def complete(*words, shell="bash", env=None):
    """What is offered for the last of the words."""
    return succeed("completion", shell, "--", *words, env=env).splitlines()


def verbs(*of):
    """The verbs that a help lists."""
    listed = succeed(*of, "--help").split("Verbs:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def everything():
    """Each verb's words."""
    for verb in verbs():
        if verb == "endpoint":
            yield from ((verb, one) for one in verbs(verb) if one != "help")
        elif verb != "help":
            yield (verb,)


def test_it_knows_every_verb():
    assert complete("") == verbs() and complete("help", "") == verbs()
    assert complete("endpoint", "") == verbs("endpoint") == complete("help", "endpoint", "")


@pytest.mark.parametrize("verb", everything(), ids=" ".join)
def test_it_knows_every_option_of(verb):
    options = re.findall(r"^  (--[a-z-]+)", succeed(*verb, "--help"), re.MULTILINE)
    assert len(options) >= 4 and complete(*verb, "--") == options
    for option in options:
        assert complete(*verb, option) == [one for one in options if one.startswith(option)]


@pytest.mark.parametrize("words, offered", [
    (("li",), ["list", "listen"]), (("x",), []), (("list", "--status", "f"), ["failed"]),
    (("list", "--status=p"), ["--status=pending"]), (("list", "--status", "failed,ex"), ["failed,expired"]),
    (("shape", "--status", "c"), ["cancelled"]), (("endpoint", "add", "--signing", "s"), ["standard", "stripe", "shopify"]),
    (("endpoint", "set", "shop", "rate_"), ["rate_limit=", "rate_burst="]), (("enqueue", "--file", ""), [":files"]),
    (("--config", "list", "sho"), ["show"]), (("list", "--", "--st"), []), (("completion", ""), ["bash", "zsh"]),
    (("show", ""), []), (("list", "--limit", ""), []), (("list", "--nothing=x"), []), (("frobnicate", "li"), ["list", "listen"])])
def test_what_is_offered(words, offered):
    assert complete(*words) == offered


def test_endpoints_come_from_the_database(database):
    everyone = [*NAMES, "http://127.0.0.1:9/x"]
    for env, before in (({"OUTHOOK_DATABASE": str(database)}, ()), ({}, ("--database", database)),
                        ({}, (f"--database={database}",))):
        assert complete(*before, "list", "--endpoint", "", env=env) == everyone
        assert complete(*before, "list", "--endpoint=b", env=env) == ["--endpoint=billing", "--endpoint=büro nord"]
        assert complete(*before, "endpoint", "show", "http", env=env) == everyone[3:]
    assert complete("--database", "/nonexistent/x.db", "list", "--endpoint", "") == []
    assert complete("endpoint", "add", "", env={"OUTHOOK_DATABASE": str(database)}) == []


def test_settings_that_are_offered_can_be_set(database):
    for setting in complete("endpoint", "set", "shop", ""):
        code, _, err = outhook("endpoint", "set", "shop", setting + ("https://x.example/" if setting == "url=" else ""),
                               "--database", database)
        assert code == 0, err


def test_which_shell():
    code, _, err = outhook("completion", "fish")
    assert code == 2 and err == "outhook: there is no completion for fish: it has to be bash or zsh\n"
    assert outhook("completion")[0] == 2
    assert "list:list deliveries, newest first" in complete("lis", shell="zsh")
    assert complete("completion", "b", shell="zsh") == ["bash"]


# ---- in the shells -------------------------------------------------------------------------------


class Shell:
    """A shell on a terminal."""

    def __init__(self, *command, **changes):
        self.master, slave = pty.openpty()
        env = environment(TERM="dumb", PATH=f"{BUILD}:{os.environ['PATH']}", **changes)
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env=env)
        os.close(slave)

    def until(self, text):
        """Reads until a text comes."""
        got, deadline = "", time.monotonic() + PATIENCE_S
        while text not in got:
            assert select.select([self.master], [], [], deadline - time.monotonic())[0], f"no {text!r} in {got!r}"
            got += os.read(self.master, 65536).decode(errors="replace")
        return got

    def type(self, text):
        os.write(self.master, text.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


# What is typed, with a Tab behind it, and the words that the line then has.
TYPED = [("outhook canc", "outhook cancel"), ("outhook list --status=failed,exp", "outhook list --status=failed,expired"),
         ("outhook list --endpoint bi", "outhook list --endpoint billing"),
         ("outhook endpoint sh", "outhook endpoint show"),
         ("outhook endpoint set shop rate_b", "outhook endpoint set shop rate_burst="),
         ("outhook list --endpoint=http", "outhook list --endpoint=http://127.0.0.1:9/x"),
         ("outhook enqueue --file dat", "outhook enqueue --file data.json")]


@pytest.mark.parametrize("command", [
    ("bash", "--norc", "--noprofile", "-i"),
    pytest.param(("zsh", "-f", "-i"), marks=pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed"))],
    ids=["bash", "zsh"])
def test_tab(database, tmp_path, command):
    """Types words and Tab, and lets the shell tell which words the line has then."""
    (tmp_path / "data.json").write_text("{}")
    shell = Shell(*command, OUTHOOK_DATABASE=str(database), HOME=str(tmp_path), PS1="> ")
    prepare = "autoload -Uz compinit; compinit -u -D; " if command[0] == "zsh" else ""
    try:
        shell.type(f"cd {tmp_path}; {prepare}source <(outhook completion {command[0]}); echo read''y\n")
        shell.until("ready")
        for typed, words in TYPED:
            shell.type(typed + "\t\x01echo @ \n")  # Ctrl-A goes to the beginning of the line
            shell.until(f"\n@ {words}")
    finally:
        shell.close()
