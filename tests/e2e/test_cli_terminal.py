"""The operator's command on terminals: widths, colours, and data that means to do harm."""

import re
import unicodedata

import pytest

from command import connect, finish_deliveries, succeed, terminal

ESCAPE = re.compile(r"\033\[[0-9;]*m")
STATUS = re.compile("STATUS|failed|delivered|expired|pending")
NASTY = "\033]0;owned\007\033[2J\u009b31m\u202eevil\r\nnew\tline\x7f"


def sql(path, statement, *parameters):
    connection = connect(path)
    try:
        return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()


def columns(line):
    """The columns that a line takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
               for letter in ESCAPE.sub("", line))


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    for name in ("billing-of-the-northern-region-2", "北の地域の請求書を受け取るところ"):
        sql(path, "INSERT INTO endpoints (name, url) VALUES (?, 'http://127.0.0.1:9/')", name)
        for type_ in ("invoice.paid.in.full.and.early", "größe", "e\u0301te\u0301"):
            sql(path, "INSERT INTO webhooks (endpoint, type, payload) VALUES (?, ?, ?)", name, type_, NASTY)
    sql(path, "INSERT INTO webhooks (url, payload) VALUES (?, 'x')", "http://127.0.0.1:9/" + "long/" * 50)
    finish_deliveries(path, "failed", "id = 1", error="the receiver closed the connection before it answered")
    finish_deliveries(path, "delivered", "id = 2")
    finish_deliveries(path, "expired", "id = 3", error=NASTY)
    return path


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("from_environment", [False, True], ids=["terminal", "COLUMNS"])
def test_a_table_fits_the_width(database, width, from_environment):
    options = {"columns": 77, "env": {"COLUMNS": str(width)}} if from_environment else {"columns": width}
    code, lines = terminal("list", "--database", database, **options)
    assert code == 0 and len(lines) == 8
    widest = max(map(columns, lines))
    if width >= 60:
        assert widest <= width, lines
        assert all(status in "\n".join(lines) for status in ("failed", "delivered", "expired", "pending"))
    if width >= 200:
        assert "billing-of-the-northern-region-2" in "\n".join(lines)
        assert ESCAPE.sub("", lines[0]).split()[-1] == "ERROR"
    plain = [ESCAPE.sub("", line) for line in lines]
    assert len({columns(line[:STATUS.search(line).start()]) for line in plain}) == 1


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_story_fits_the_width(database, width):
    for delivery in (1, 3, 7):
        code, lines = terminal("show", delivery, "--database", database, columns=width)
        assert code == 0 and max(map(columns, lines)) <= width, lines
        text = " ".join(ESCAPE.sub("", line)[12:] for line in lines)
        assert "…" not in text, "a story is told whole"
        if delivery == 1:
            assert "the receiver closed the connection before it answered" in text
        if delivery == 7:
            assert "long/" * 50 in text.replace(" ", "")
            assert "outhookd does not run: start it, for example with systemctl start outhookd" in text


def test_nothing_is_cut_in_a_pipe(database):
    out = succeed("list", "--database", database, env={"COLUMNS": "40"})
    assert "billing-of-the-northern-region-2" in out and "long/" * 50 in out
    assert "the receiver closed the connection before it answered" in out and "…" not in out


def test_colours_on_a_terminal_only_and_never_under_no_color(database):
    _, lines = terminal("list", "--database", database)
    assert any("\033[31mfailed" in line for line in lines)
    for delivery, style in ((1, 31), (2, 32), (3, 33)):
        assert f"\033[{style}m{delivery}, " in terminal("show", delivery, "--database", database)[1][0]
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        for arguments in (("list",), ("show", "1")):
            _, lines = terminal(*arguments, "--database", database, env=env)
            assert "\033" not in "".join(lines)
    assert "\033" not in succeed("list", "--database", database)


@pytest.mark.parametrize("arguments", [("list",), ("show", "3"), ("show", "1")])
def test_data_can_not_drive_the_terminal(database, arguments):
    _, lines = terminal(*arguments, "--database", database, columns=200)
    for text in ("\n".join(lines), succeed(*arguments, "--database", database)):
        left = ESCAPE.sub("", text).replace("\n", "")
        assert not [letter for letter in left if unicodedata.category(letter) in ("Cc", "Cf")], repr(text)
        assert "\033]" not in text and "\033[2J" not in text


def test_an_empty_list_says_so_to_a_person(tmp_path):
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    assert terminal("list", "--database", path) == (0, ["no deliveries"])


def test_enqueue_without_data_on_a_terminal_does_not_wait_for_any(database):
    code, lines = terminal("enqueue", "http://127.0.0.1:9/", "--database", database)
    assert code == 2 and lines[0].startswith("outhook: there is no data to send")
