"""The database as a producer and an operator see it: through the stock sqlite3 command."""

import os
import pathlib
import sqlite3
import subprocess

from waiting import PATIENCE, wait_until

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
MIGRATIONS = sorted((REPOSITORY / "migrations").glob("*.sql"))

# No ~/.sqliterc: what a stock installation does is what is tested.
ENVIRONMENT = {**os.environ, "HOME": "/nonexistent"}


def sqlite(db, sql, *args):
    """Runs the stock CLI with its default settings; returns (exit status, stdout, stderr)."""
    done = subprocess.run(["sqlite3", *args, str(db), sql], env=ENVIRONMENT, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def sqlite_script(db, script, *args):
    """Feeds a script of any length, dot commands too, to the CLI; returns what it printed."""
    done = subprocess.run(["sqlite3", "-bail", *args, str(db)], env=ENVIRONMENT, text=True,
                          input=script, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run(db, sql, *args):
    """Runs SQL that has to succeed, waiting for locks as the documentation advises."""
    status, out, err = sqlite(db, sql, "-cmd", ".timeout 20000", *args)
    assert status == 0, f"{sql}\n{err}"
    return out


def refused(db, sql):
    """Runs SQL that has to be refused, and returns the sentence that says why."""
    status, out, err = sqlite(db, sql)
    assert status != 0, f"not refused: {sql}\n{out}"
    return err


def query(db, sql, *parameters):
    """Rows as dictionaries, over a connection of its own."""
    connection = sqlite3.connect(db, timeout=20, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(sql, parameters)]
    finally:
        connection.close()


def value(db, sql, *parameters):
    """The single value of a query."""
    (row,) = query(db, sql, *parameters)
    (only,) = row.values()
    return only


def create(db, migrations=MIGRATIONS):
    """Makes a database the way outhookd does, by the CLI alone."""
    script = "PRAGMA auto_vacuum = INCREMENTAL;\nPRAGMA journal_mode = WAL;\n"
    for number, migration in enumerate(migrations, start=1):
        script += f"BEGIN;\n{migration.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;\n"
    sqlite_script(db, script)
    return db


def as_daemon(db, sql):
    """Runs SQL with triggers off: outhookd writes outcomes so."""
    return sqlite_script(db, f".timeout 20000\n.dbconfig enable_trigger off\n{sql}\n")


def finish(db, delivery, status, attempts=1):
    """Gives a delivery a final status, as outhookd would."""
    as_daemon(db, f"""
        UPDATE deliveries SET status = '{status}', attempts = {attempts}, last_status_code = 500,
            last_error = 'answered 500', last_duration_ms = 12,
            finished_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
        WHERE id = {delivery};
        INSERT INTO attempts (delivery_id, number, verdict, started_at, duration_ms, status_code)
        SELECT {delivery}, attempts_before + attempts, 'failed', created_at, 12, 500
        FROM deliveries WHERE id = {delivery};
        UPDATE queue_depth SET pending = pending - 1;""")


def count_is_right(db):
    """Whether queue_depth agrees with the rows it counts."""
    return value(db, """SELECT (SELECT pending FROM queue_depth)
                             = (SELECT count(*) FROM deliveries WHERE status = 'pending')""") == 1


# ---- what most tests of the daemon begin with --------------------------------------------------


def add_endpoint(db, name, url, **columns):
    """Inserts a named endpoint; returns its id."""
    columns = {"name": name, "url": url, **columns}
    sql = f"INSERT INTO endpoints ({', '.join(columns)}) VALUES ({', '.join(map(literal, columns.values()))})"
    return int(run(db, sql + " RETURNING id"))


def enqueue(db, payload="{}", **columns):
    """Inserts a webhook; returns its id, which is also its delivery's while each webhook has one."""
    columns = {**columns, "payload": payload}
    sql = f"INSERT INTO webhooks ({', '.join(columns)}) VALUES ({', '.join(map(literal, columns.values()))})"
    return int(sqlite_script(db, f".timeout 20000\n{sql} RETURNING id;\n"))


def literal(value):
    """A value as SQL text."""
    if value is None:
        return "NULL"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return "'" + value.replace("'", "''") + "'"


def delivery(db, id_=1):
    """The row of a delivery."""
    (row,) = query(db, "SELECT * FROM deliveries WHERE id = ?", id_)
    return row


def attempts(db, id_=1):
    """The attempts of a delivery, in order."""
    return query(db, "SELECT * FROM attempts WHERE delivery_id = ? ORDER BY number", id_)


def wait_status(db, status, id_=1):
    """Waits until a delivery has a status; returns its row."""
    return wait_until(lambda: (row := delivery(db, id_))["status"] == status and row,
                      what=f"delivery {id_} is {status}")


def wait_attempts(db, count, id_=1):
    """Waits until so many attempts of a delivery are written; returns them."""
    return wait_until(lambda: len(rows := attempts(db, id_)) >= count and rows,
                      what=f"{count} attempts of delivery {id_}")


def wait_settled(db, timeout=PATIENCE):
    """Waits until nothing is pending any more."""
    wait_until(lambda: value(db, "SELECT count(*) FROM deliveries WHERE status = 'pending'") == 0, timeout,
               "nothing is pending")
