"""What a database has said of deliveries and attempts, kept after retention has deleted them."""

import sqlite3


class Archive:
    """Looks often enough, that is at shorter intervals than anything is retained for."""

    def __init__(self, db, path):
        self.source = sqlite3.connect(f"file:{db}?mode=ro", uri=True, timeout=20, isolation_level=None)
        self.kept = sqlite3.connect(path, isolation_level=None)
        self.kept.executescript("""
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            CREATE TABLE deliveries (id INTEGER PRIMARY KEY, webhook_id INTEGER, uid TEXT, url TEXT, status TEXT, attempts INTEGER);
            CREATE TABLE attempts (delivery_id INTEGER, number INTEGER, started_at INTEGER, reached INTEGER, success INTEGER,
                PRIMARY KEY (delivery_id, number)) WITHOUT ROWID;
            CREATE TABLE books (path TEXT, uid TEXT, calls INTEGER, taken INTEGER, PRIMARY KEY (path, uid));
            CREATE TABLE committed (id INTEGER PRIMARY KEY, uid TEXT, deliveries INTEGER);
            CREATE INDEX deliveries_webhook ON deliveries (webhook_id);
            CREATE INDEX deliveries_uid ON deliveries (uid);""")
        self.last_attempt, self.twice, self.reached = 0, [], 0

    def look(self):
        """Takes down what is new, as of one point in time."""
        self.source.execute("BEGIN")
        attempts = self.source.execute("""
            SELECT id, delivery_id, number, started_at, phase NOT IN ('lookup', 'connect', 'tls'), verdict = 'delivered'
            FROM attempts WHERE id > ? ORDER BY id""", (self.last_attempt,)).fetchall()
        deliveries = self.source.execute("""
            SELECT d.id, w.id, w.uid, e.url, d.status, d.attempts_before + d.attempts
            FROM deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id JOIN endpoints AS e ON e.id = d.endpoint_id
            """).fetchall()
        self.source.execute("COMMIT")
        self.kept.execute("BEGIN")
        for id_, delivery, number, started_at, reached, success in attempts:
            self.last_attempt, self.reached = id_, self.reached + reached
            try:
                self.kept.execute("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)",
                                  (delivery, number, started_at, reached, success))
            except sqlite3.IntegrityError:
                self.twice.append((delivery, number))
        self.kept.executemany("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?)", deliveries)
        self.kept.execute("COMMIT")

    def rows(self, sql):
        return self.kept.execute(sql).fetchall()

    def enter(self, lines, committed):
        """The receivers' books and the producers' notes, to compare with."""
        self.kept.executemany("INSERT INTO books VALUES (?, ?, ?, ?)",
                              ((path, uid, calls, taken) for (path, uid), (calls, taken) in lines.items()))
        self.kept.executemany("INSERT INTO committed VALUES (?, ?, ?)", committed)

    def audit(self, audit):
        """Holds producers, receivers and the database against each other. Returns how many calls have no attempt."""
        audit.expect(not self.twice, f"attempts were recorded twice: {self.twice[:5]}")
        missing = self.rows("""SELECT c.id, c.uid, c.deliveries, count(d.id) FROM committed AS c
                               LEFT JOIN deliveries AS d ON d.webhook_id = c.id AND d.uid = c.uid
                               GROUP BY c.id HAVING count(d.id) <> c.deliveries""")
        audit.expect(not missing, f"webhooks that were committed and did not get their deliveries: {missing[:5]}")
        strangers = self.rows("SELECT id, uid FROM deliveries WHERE webhook_id NOT IN (SELECT id FROM committed)")
        audit.expect(not strangers, f"deliveries of webhooks that nobody has committed: {strangers[:5]}")
        unfinished = self.rows("SELECT id, status FROM deliveries WHERE status NOT IN ('delivered', 'failed', 'cancelled')")
        audit.expect(not unfinished, f"deliveries without an end: {unfinished[:5]}")
        gaps = self.rows("""SELECT d.id, d.attempts, count(a.number), max(a.number) FROM deliveries AS d
                            LEFT JOIN attempts AS a ON a.delivery_id = d.id GROUP BY d.id
                            HAVING count(a.number) <> d.attempts OR coalesce(max(a.number), 0) <> d.attempts""")
        audit.expect(not gaps, f"deliveries and their attempts differ: {gaps[:5]}")
        compared = """
            FROM (SELECT d.id, d.status, path_of(d.url) AS path, d.uid, coalesce(sum(a.reached), 0) AS reached,
                      coalesce(sum(a.success), 0) AS success
                  FROM deliveries AS d LEFT JOIN attempts AS a ON a.delivery_id = d.id GROUP BY d.id) AS d
            LEFT JOIN books AS b ON b.path = d.path AND b.uid = d.uid"""
        self.kept.create_function("path_of", 1, path_of, deterministic=True)
        wrong = self.rows(f"""SELECT d.*, b.calls, b.taken {compared} WHERE reached > coalesce(calls, 0)
                              OR success > coalesce(taken, 0) OR (status = 'delivered' AND coalesce(taken, 0) = 0)""")
        audit.expect(not wrong, f"the database says more than the receivers saw: {wrong[:5]}")
        invented = self.rows("""SELECT path, uid FROM books WHERE NOT EXISTS
                                (SELECT 1 FROM deliveries AS d WHERE d.uid = books.uid AND path_of(d.url) = path)""")
        audit.expect(not invented, f"calls of no delivery: {invented[:5]}")
        ((unrecorded,),) = self.rows(f"SELECT sum(calls - reached) {compared} WHERE calls IS NOT NULL")
        return unrecorded


def path_of(url):
    """The endpoint's part of a URL, whatever stands behind it: "http://host/good/1?x" is /good/1."""
    return "/" + "/".join(url.split("?")[0].split("/")[3:5])
