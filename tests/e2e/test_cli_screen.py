"""The operator's command on a terminal that is drawn over, and through a pager."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from command import OUTHOOK, Terminal, connect, environment, has_thread_sanitizer, now_ms, outhook, succeed, terminal
from waiting import wait_until

keeps_signals = pytest.mark.skipif(has_thread_sanitizer(), reason="ThreadSanitizer can lose a signal")
ENTER, LEAVE = "\033[?1049h", "\033[?1049l"
URL = "http://127.0.0.1:9/"


def enqueue(path, count=1):
    connection = connect(path)
    an_hour_ago = now_ms() - 3_600_000  # so that its age stays for a while
    connection.executemany("INSERT INTO webhooks (url, payload, created_at) VALUES (?, 'x', ?)",
                           [(URL, an_hour_ago)] * count)
    connection.close()


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    return path


def pages(lines):
    """The pictures that were drawn over each other."""
    return "\n".join(lines).split("\033[H")[1:]


# ---- --watch -------------------------------------------------------------------------------------

WATCHED = (("status",), ("list",), ("show", "1"), ("shape",), ("endpoint", "list", "--all"))


@pytest.mark.parametrize("arguments", WATCHED, ids=" ".join)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_watch_shows_it_again_and_q_ends_it(database, arguments, width):
    enqueue(database)
    watched = Terminal(*arguments, "--database", database, "--watch", "--every", "100ms", columns=width)
    while watched.text.count(b"\033[H") < 3:
        watched.read()
    watched.type("q")
    code, lines = watched.finish()
    text = "\n".join(lines)
    assert code == 0 and text.startswith(ENTER) and text.rstrip().endswith(LEAVE)
    for page in pages(lines)[:-1]:
        assert page.startswith("\033[2mouthook ") and "every 100ms" in page
        for line in re.sub(r"\033\[[0-9;?]*[a-zA-Z]", "", page).splitlines():
            assert len(line) <= width, line


def test_watch_sees_what_has_changed(database):
    watched = Terminal("status", "--database", database, "--watch", "--every", "100ms")
    watched.wait_for("0 of at most")
    enqueue(database, 7)
    watched.wait_for("7 of at most")
    watched.type("q")
    assert watched.finish()[0] == 0


def test_watch_shows_what_there_is_room_for(database):
    enqueue(database, 50)
    watched = Terminal("list", "--database", database, "--limit", "0", "--watch", "--every", "100ms", rows=10)
    while watched.text.count(b"\033[H") < 2:
        watched.read()
    first = watched.text.decode().split("\033[H")[1]
    assert first.count("\r\n") == 9, "ten rows, and no line feed that would scroll"
    watched.resize(80, 20)
    os.kill(watched.process.pid, signal.SIGWINCH)
    wait_until(lambda: watched.read() and watched.text.decode().split("\033[H")[-2].count("\r\n") == 19,
               what="the picture fills the larger terminal")
    watched.type("q")
    watched.finish()


@keeps_signals
@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_it_gives_the_terminal_back(database, signal_):
    watched = Terminal("status", "--database", database, "--watch")
    watched.wait_for("at most")
    watched.process.send_signal(signal_)
    code, lines = watched.finish()
    assert code == 0 and "\n".join(lines).endswith(LEAVE)


@keeps_signals
def test_ctrl_z_gives_the_terminal_back_for_a_while(database):
    watched = Terminal("status", "--database", database, "--watch", "--every", "100ms")
    watched.wait_for("at most")
    watched.process.send_signal(signal.SIGTSTP)
    watched.wait_for(LEAVE)
    stat = pathlib.Path(f"/proc/{watched.process.pid}/stat")
    wait_until(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", what="it stands still")
    watched.process.send_signal(signal.SIGCONT)
    watched.wait_for(LEAVE + ENTER)
    watched.type("q")
    assert watched.finish()[0] == 0


@keeps_signals
def test_watch_in_a_pipe_prints_one_below_the_other(database):
    command = [OUTHOOK, "status", "--json", "--watch", "--every", "100ms", "--database", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        for _ in range(3):
            assert json.loads(process.stdout.readline())["pending"] == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@keeps_signals
@pytest.mark.parametrize("arguments", [("status", "--watch"), ("top",)], ids=" ".join)
def test_so_it_does_on_a_terminal_that_can_not_be_drawn_over(database, arguments):
    dumb = Terminal(*arguments, "--every", "100ms", "--database", database, env={"TERM": "dumb"})
    while dumb.text.count(b"at most") < 3:
        dumb.read()
    dumb.process.send_signal(signal.SIGINT)
    code, lines = dumb.finish()
    assert code == 0 and "\033" not in "\n".join(lines) and "q ends" not in lines[0] and "keys" not in lines[0]


@pytest.mark.parametrize("arguments, sentence", [
    (("--every", "1s"), "--every goes with --watch"),
    (("--watch", "--every", "99ms"), "from 100ms to 1d"),
    (("--watch", "--every", "25h"), "from 100ms to 1d"),
    (("--watch", "--every", "soon"), "it has to be a duration"),
])
def test_wrong_ways_to_watch(database, arguments, sentence):
    code, _, err = outhook("status", "--database", database, *arguments)
    assert code == 2 and sentence in err


def test_an_error_gives_the_terminal_back_and_is_said_after_that(database):
    code, lines = terminal("show", "17", "--database", database, "--watch")
    text = "\n".join(lines)
    assert code == 1 and text.index(LEAVE) < text.index("outhook: there is no delivery 17")


# ---- the pager -----------------------------------------------------------------------------------

def paged(*arguments, pager="sed s/^/:/", **env):
    return terminal(*arguments, env={"OUTHOOK_PAGER": pager, **env})


def test_a_pager_gets_what_a_terminal_would_have_got(database):
    enqueue(database, 30)
    plain = terminal("list", "--limit", "0", "--database", database)
    assert len(plain[1]) == 31 and "\033" in plain[1][0], "with colours"
    code, lines = paged("list", "--limit", "0", "--database", database)
    assert code == 0 and [line[1:] for line in lines] == plain[1] and lines[0][0] == ":"


@pytest.mark.parametrize("arguments", [("list",), ("show", "1"), ("status",), ("shape",), ("help",), ("list", "--help"),
                                       ("endpoint", "list", "--all")], ids=" ".join)
def test_what_may_be_long_is_paged(database, arguments):
    enqueue(database)
    code, lines = paged(*arguments, "--database", database) if arguments[0] != "help" else paged(*arguments)
    assert code == 0 and lines and all(line.startswith(":") for line in lines)


def test_which_pager(database):
    enqueue(database)
    arguments = ("list", "--database", database)
    plain = terminal(*arguments)
    assert paged(*arguments, pager="") == plain
    assert paged(*arguments, pager="cat") == plain
    assert terminal(*arguments, env={"OUTHOOK_PAGER": "sed s/^/a/", "PAGER": "sed s/^/b/"})[1][0][0] == "a"
    code, out, _ = outhook(*arguments, env={"OUTHOOK_PAGER": "sed s/^/:/"})
    assert code == 0 and ":" not in out.split()[0], "none in a pipe"


def test_leaving_the_pager_early_is_no_failure(database):
    enqueue(database, 20000)
    code, lines = paged("list", "--limit", "0", "--database", database, pager="head -n 3")
    assert code == 0 and len(lines) == 3


def test_a_pager_that_is_not_there_is_said_by_the_shell(database):
    enqueue(database)
    _, lines = paged("list", "--database", database, pager="no-such-pager")
    assert "not found" in lines[0]


def test_an_error_comes_after_the_page(database):
    code, lines = paged("show", "17", "--database", database)
    assert code == 1 and lines == ["outhook: there is no delivery 17: outhook list shows the newest"]


def test_less_ends_by_itself_when_all_fits(database):
    enqueue(database)
    less = Terminal("list", "--database", database, env={"OUTHOOK_PAGER": "less"})
    code, lines = less.finish()
    assert code == 0 and any("pending" in line for line in lines)


def test_so_does_more_where_there_is_no_less(database, tmp_path):
    enqueue(database)
    (tmp_path / "more").symlink_to(shutil.which("more"))
    more = Terminal("list", "--database", database, env={"OUTHOOK_PAGER": None, "PATH": str(tmp_path)}, columns=60)
    code, lines = more.finish()
    assert code == 0 and any("pending" in line for line in lines)
    assert len(lines) == 2, "nothing is folded"


def test_less_waits_for_a_key_when_it_is_long(database):
    enqueue(database, 100)
    less = Terminal("list", "--limit", "0", "--database", database, env={"OUTHOOK_PAGER": "less"})
    less.wait_for("pending")
    time.sleep(0.3)
    assert less.process.poll() is None, "it shows the first page"
    less.type("q")
    assert less.finish()[0] == 0
