"""The operator's command when something is wrong: one sentence, with the way out, and the right exit code."""

import grp
import os
import pwd
import shutil
import subprocess
import tempfile

import pytest

from command import OUTHOOK, connect, environment, outhook, succeed

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def place():
    """A directory that everybody can reach; pytest's own are root's alone."""
    directory = tempfile.mkdtemp(prefix="outhook-test-", dir="/tmp")
    os.chmod(directory, 0o755)
    yield directory
    shutil.rmtree(directory)


def as_nobody(*arguments, groups=()):
    """Runs the command, from a place that everybody can reach; returns (exit code, the sentence)."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        program = shutil.copy(OUTHOOK, directory)
        done = subprocess.run([program, *map(str, arguments)], user=NOBODY.pw_uid, group=NOBODY.pw_gid,
                              extra_groups=list(groups), env=environment(), text=True, capture_output=True, cwd="/",
                              stdin=subprocess.DEVNULL, timeout=60)
    assert done.stdout == "" or done.returncode == 0
    assert done.stderr.count("\n") == (done.returncode != 0), done.stderr
    return done.returncode, done.stderr.strip()


def make(place, group, mode=0o660, directory_mode=0o2770):
    """A database as the package's directory has it; returns its path."""
    home = os.path.join(place, "home")
    os.mkdir(home)
    path = os.path.join(home, "outhook.db")
    succeed("migrate", "--database", path)
    os.chown(home, 0, group)
    os.chmod(home, directory_mode)
    os.chown(path, 0, group)
    os.chmod(path, mode)
    return path


# ---- permission ----------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize("directory_mode", [0o2770, 0o2755], ids=["hidden", "visible"])
@pytest.mark.parametrize("arguments", [("list",), ("status",), ("replay", "1"), ("enqueue", "http://x.example/", "{}"),
                                       ("migrate",), ("endpoint", "list")], ids=" ".join)
def test_it_tells_which_group_to_join(place, arguments, directory_mode):
    group = grp.getgrnam("staff").gr_gid
    path = make(place, group, directory_mode=directory_mode)
    code, sentence = as_nobody(*arguments, "--database", path)
    assert code == 1
    assert sentence == (f"outhook: no permission to use {path}: you are not in the group staff, which may; "
                        "as root: adduser nobody staff, then log in again")


@as_root
def test_it_tells_nobody_to_join_the_group_of_root(place):
    path = make(place, 0, directory_mode=0o2755)
    code, sentence = as_nobody("list", "--database", path)
    assert code == 1 and sentence == (f"outhook: no permission to use {path}: only the user root may use {path}; "
                                      "run this as that user, or as root")


@as_root
def test_a_member_may(place):
    group = grp.getgrnam("staff").gr_gid
    path = make(place, group)
    assert as_nobody("replay", "--all", "--database", path, groups=[group]) == (0, "")
    assert as_nobody("list", "--database", path, groups=[group]) == (0, "")


@as_root
def test_where_no_group_may_it_names_the_user(place):
    path = make(place, NOBODY.pw_gid, mode=0o640, directory_mode=0o755)
    code, sentence = as_nobody("list", "--database", path)
    assert code == 1 and sentence == (f"outhook: no permission to use {path}: only the user root may use {path}; "
                                      "run this as that user, or as root")


@as_root
def test_what_others_left_behind_is_named(place):
    group = grp.getgrnam("staff").gr_gid
    path = make(place, group)
    with open(path + "-wal", "w"):
        os.chmod(path + "-wal", 0o600)
    code, sentence = as_nobody("list", "--database", path, groups=[group])
    assert code == 1 and f"no permission to use {path}-wal: only the user root may use {path}-wal" in sentence


@as_root
def test_a_directory_that_may_not_be_written_is_named(place):
    group = grp.getgrnam("staff").gr_gid
    path = make(place, group, directory_mode=0o755)
    code, sentence = as_nobody("list", "--database", path, groups=[group])
    assert code == 1 and sentence == (f"outhook: no permission to use {os.path.dirname(path)}: only the user root may use "
                                      f"{os.path.dirname(path)}; run this as that user, or as root")
    connection = connect(path)  # which has SQLite's files made, so that nothing is to be made
    connection.execute("UPDATE queue_depth SET pending = pending")
    assert as_nobody("list", "--database", path, groups=[group]) == (0, "")
    connection.close()


@as_root
def test_a_database_can_not_be_made_in_a_strange_directory(place):
    path = os.path.join(place, "new.db")
    code, sentence = as_nobody("migrate", "--database", path)
    assert code == 1 and f"no permission to use {path}: only the user root may use {place}" in sentence
    assert not os.path.exists(path)


# ---- files that are something else ---------------------------------------------------------------


@pytest.mark.parametrize("verb", [("list",), ("replay", "--all"), ("status",), ("shape",), ("purge", "--all")], ids=" ".join)
def test_what_is_no_database(tmp_path, verb):
    text, empty, missing, other = (tmp_path / name for name in ("text", "empty", "missing", "other"))
    text.write_text("hello " * 1000)
    empty.write_text("")
    connection = connect(other)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    for path, words in ((text, "is not an SQLite database"), (missing, f"there is no database {missing}: start outhookd"),
                        (tmp_path, ""), (other, ""), (empty, "")):
        code, out, err = outhook(*verb, "--database", path)
        assert (code, out) == (1, "") and err.startswith("outhook: ") and err.count("\n") == 1, err
        assert words in err and str(path) in err


def test_who_forgot_to_name_the_database_is_told_how(tmp_path):
    _, _, err = outhook("list", "--database", tmp_path / "new.db")
    assert err.endswith(", or name another by --database or OUTHOOK_DATABASE\n"), err


def test_a_lock_that_is_held_for_long_is_said_with_what_to_do(tmp_path):
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    connection = connect(path)
    connection.execute("BEGIN IMMEDIATE")
    code, out, err = outhook("enqueue", "http://127.0.0.1:9/", "{}", "--database", path)
    connection.close()
    assert (code, out) == (1, "") and err.endswith(
        f": another process holds a lock on {path}; try again when its transaction is over\n"), err
    succeed("enqueue", "http://127.0.0.1:9/", "{}", "--database", path)


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, code", [
    (("--", "list"), 0), (("list", "--"), 0), (("replay", "--yes", "--all", "--"), 0), (("show", "--", "-1"), 1),
    (("replay", "--", "--all"), 2), (("endpoint", "show", "--", "--x"), 1), (("replay", "--", "-"), 2), (("-",), 2),
    (("list", "-"), 2), (("",), 2), (("list", ""), 2), (("list", "--endpoint", ""), 1), (("list", "--type="), 0),
    (("list", "--all"), 2), (("release", "--reason", "x", "--all"), 2), (("hold", "--"), 2)])
def test_dashes(tmp_path, arguments, code):
    path = tmp_path / "outhook.db"
    succeed("migrate", "--database", path)
    got, _, err = outhook(*arguments, env={"OUTHOOK_DATABASE": str(path)})
    assert got == code, err
    assert err.count("\n") == (code != 0) and err.startswith("outhook: ") == (code != 0), err


def test_a_full_output_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run([OUTHOOK, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
    assert done.returncode == 1 and done.stderr == "outhook: can't write the output: No space left on device\n"
