"""What a producer may insert, through the stock sqlite3 CLI: every refusal with its sentence."""

import concurrent.futures
import time

import pytest

from database import as_daemon, count_is_right, query, refused, run, sqlite, value

URL = "https://example.com/hook"


def insert(**columns):
    """An INSERT of one webhook; values are SQL expressions."""
    columns.setdefault("payload", "'{}'")
    return f"INSERT INTO webhooks ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"


def to_url(**columns):
    return insert(url=f"'{URL}'", **columns)


def ms_now():
    return int(time.time() * 1000)


def test_the_shortest_insert_makes_a_pending_delivery(db):
    before = ms_now()
    assert run(db, f"INSERT INTO webhooks (url, payload) VALUES ('{URL}', '{{}}') RETURNING id") == "1"
    (webhook,) = query(db, "SELECT * FROM webhooks")
    (delivery,) = query(db, "SELECT * FROM deliveries")
    assert webhook["method"] == "POST" and webhook["content_type"] == "application/json"
    assert webhook["uid"].startswith("msg_") and len(webhook["uid"]) == 35
    assert before - 1 <= webhook["created_at"] <= ms_now() + 1
    assert delivery["status"] == "pending" and delivery["attempts"] == 0
    assert delivery["due_at"] == webhook["created_at"] and delivery["expires_at"] is None
    assert delivery["finished_at"] is None


def test_uids_differ_and_sort_by_time(db):
    run(db, "; ".join([to_url()] * 100))
    uids = [row["uid"] for row in query(db, "SELECT uid FROM webhooks ORDER BY id")]
    assert len(set(uids)) == 100
    assert [uid[:15] for uid in uids] == sorted(uid[:15] for uid in uids)


REFUSED = {
    "no payload": (f"INSERT INTO webhooks (url) VALUES ('{URL}')", "a webhook needs a payload"),
    "a missing file": (to_url(payload="readfile('/nonexistent/file.json')"), "a webhook needs a payload"),
    "nowhere to go": (insert(), "a webhook needs a url, or an endpoint, or a type"),
    "two places to go": (to_url(endpoint="'billing'"), "to a url or to an endpoint, not to both"),
    "unknown endpoint": (insert(endpoint="'nobody'"), "there is no endpoint of that name"),
    "empty type": (to_url(type="''"), "a type has 1 to 200 characters"),
    "long type": (to_url(type="hex(zeroblob(101))"), "a type has 1 to 200 characters"),
    "type with a newline": (to_url(type="'a' || char(10)"), "no control characters"),
    "uid with a dot": (to_url(uid="'a.b'"), "a uid has 1 to 200 printable ASCII characters"),
    "uid with a space": (to_url(uid="'a b'"), "a uid has 1 to 200 printable ASCII characters"),
    "empty uid": (to_url(uid="''"), "a uid has 1 to 200 printable ASCII characters"),
    "long uid": (to_url(uid="hex(zeroblob(101))"), "a uid has 1 to 200 printable ASCII characters"),
    "GET": (to_url(method="'GET'"), "method is one of POST, PUT, PATCH, DELETE"),
    "lower-case method": (to_url(method="'post'"), "method is one of POST, PUT, PATCH, DELETE"),
    "empty content type": (to_url(content_type="''"), "a content_type has 1 to 200 printable"),
    "content type with a line end": (to_url(content_type="'a' || char(13) || char(10) || 'X: y'"),
                                     "a content_type has 1 to 200 printable"),
    "content type beyond ASCII": (to_url(content_type="'tëxt/plain'"), "a content_type has 1 to 200"),
    "empty dedup_key": (to_url(dedup_key="''"), "a dedup_key has 1 to 500 characters"),
    "long dedup_key": (to_url(dedup_key="hex(zeroblob(251))"), "a dedup_key has 1 to 500 characters"),
    "deliver_at in seconds": (to_url(deliver_at="unixepoch()"), "multiply seconds by 1000"),
    "expires_at in seconds": (to_url(expires_at="unixepoch() + 60"), "multiply seconds by 1000"),
    "created_at in seconds": (to_url(created_at="unixepoch()"), "multiply seconds by 1000"),
    "expired before now": (to_url(expires_at="1000 * unixepoch() - 60000"),
                           "expires_at must be later than deliver_at"),
    "expired before it is due": (to_url(deliver_at="1000 * unixepoch() + 60000",
                                        expires_at="1000 * unixepoch() + 60000"),
                                 "expires_at must be later than deliver_at"),
    "an id beyond all": (to_url(id="9223372036854775807"), "leave id out"),
    "a blob as type": (to_url(type="x'00'"), "type"),
}


@pytest.mark.parametrize("how", ["INSERT", "INSERT OR IGNORE"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_webhook_is_refused_and_or_ignore_hides_none(db, case, how):
    sql, sentence = REFUSED[case]
    assert sentence in refused(db, sql.replace("INSERT", how, 1))
    assert value(db, "SELECT count(*) FROM webhooks") == 0
    assert value(db, "SELECT count(*) FROM deliveries") == 0
    assert count_is_right(db)


BAD_URLS = {
    "empty": ("''", "starts with http:// or https://"),
    "no scheme": ("'example.com/hook'", "starts with http:// or https://"),
    "another scheme": ("'ftp://example.com/'", "starts with http:// or https://"),
    "a file": ("'file:///etc/passwd'", "starts with http:// or https://"),
    "no host": ("'http://'", "starts with http:// or https://"),
    "no host, a path": ("'https:///hook'", "starts with http:// or https://"),
    "no host, a port": ("'http://:80/'", "starts with http:// or https://"),
    "no host, a query": ("'http://?a'", "starts with http:// or https://"),
    "no host, a fragment": ("'http://#a'", "starts with http:// or https://"),
    "a space before": ("' http://example.com/'", "starts with http:// or https://"),
    "a space": ("'http://example.com/a b'", "no spaces, control or non-ASCII"),
    "a newline": ("'http://example.com/' || char(10)", "no spaces, control or non-ASCII"),
    "a delete": ("'http://example.com/' || char(127)", "no spaces, control or non-ASCII"),
    "non-ASCII": ("'http://exämple.com/'", "no spaces, control or non-ASCII"),
    "a backslash": (r"'http://example.com\@other.org/'", "no spaces, control or non-ASCII"),
    "a user": ("'http://user@example.com/'", "no user name or password"),
    "a user and password": ("'https://user:secret@example.com/'", "no user name or password"),
    "an empty user": ("'http://@example.com/'", "no user name or password"),
    "a user, https": ("'https://u@h'", "no user name or password"),
    "a user before a query": ("'http://u@h?x'", "no user name or password"),
    "an escaped host": ("'http://%31%32%37.0.0.1/'", "no percent-encoding in its host"),
    "an escaped host before a query": ("'https://a%2eb?x'", "no percent-encoding in its host"),
    "too long": (f"'{URL}/' || hex(zeroblob(1020))", "at most 2048 characters"),
}

GOOD_URLS = [
    "http://a", "https://a", "HTTP://EXAMPLE.COM/Hook", "https://example.com:8443/a?b=c#d",
    "http://a/%41", "http://a?%41", "https://[fe80::1%25eth0]/", "http://a/@b", "http://a?x@y", "https://a#x@y",
    "https://example.com/user@host",
    "http://[::1]:8080/", "http://127.0.0.1", "https://xn--exmple-cua.com/%20",
]


@pytest.mark.parametrize("how", ["INSERT", "INSERT OR IGNORE"])
@pytest.mark.parametrize("case", BAD_URLS)
def test_a_bad_url_is_refused(db, case, how):
    url, sentence = BAD_URLS[case]
    assert sentence in refused(db, insert(url=url).replace("INSERT", how, 1))
    assert sentence in refused(db, f"{how} INTO endpoints (name, url) VALUES ('a', {url})")
    assert value(db, "SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM endpoints)") == 0


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_good_url_is_accepted(db, url):
    run(db, insert(url=f"'{url}'"))
    assert value(db, "SELECT url FROM endpoints") == url


def test_the_longest_url_is_accepted(db):
    url = "http://a/" + "x" * (2048 - 9)
    run(db, insert(url=f"'{url}'"))
    assert "2048" in refused(db, insert(url=f"'{url}x'"))


BAD_HEADERS = {
    "not JSON": ("'X-A: b'", "headers is a JSON object such as"),
    "an array": ("'[\"X-A\"]'", "headers is a JSON object whose values are strings"),
    "a number": ("'{\"X-A\": 1}'", "headers is a JSON object whose values are strings"),
    "a null": ("'{\"X-A\": null}'", "headers is a JSON object whose values are strings"),
    "nested": ("'{\"X-A\": {}}'", "headers is a JSON object whose values are strings"),
    "too long": ("'{\"X-A\": \"' || hex(zeroblob(4096)) || '\"}'", "headers has at most 8192"),
    "an empty name": ("'{\"\": \"b\"}'", "a header name has letters, digits"),
    "a name with a colon": ("'{\"X:A\": \"b\"}'", "a header name has letters, digits"),
    "a name with a space": ("'{\"X A\": \"b\"}'", "a header name has letters, digits"),
    "a name with a line end": (r"""'{"X\nA": "b"}'""", "a header name has letters, digits"),
    "a name beyond ASCII": ("'{\"X-Ä\": \"b\"}'", "a header name has letters, digits"),
    "a value with CR LF": (r"""'{"X-A": "b\r\nX-B: c"}'""", "a header value has no control characters"),
    "a value with LF": (r"""'{"X-A": "b\nc"}'""", "a header value has no control characters"),
    "a value with NUL": (r"""'{"X-A": "b\u0000c"}'""", "a header value has no control characters"),
    "a value with DEL": (r"""'{"X-A": "b\u007f"}'""", "a header value has no control characters"),
    "Host": ("'{\"Host\": \"b\"}'", "outhook sets this header itself"),
    "content-length": ("'{\"content-length\": \"5\"}'", "outhook sets this header itself"),
    "Transfer-Encoding": ("'{\"Transfer-Encoding\": \"chunked\"}'", "outhook sets this header itself"),
    "Content-Type": ("'{\"Content-Type\": \"a/b\"}'", "use content_type"),
    "webhook-id": ("'{\"Webhook-Id\": \"b\"}'", "outhook sets this header itself"),
    "webhook-signature": ("'{\"WEBHOOK-SIGNATURE\": \"b\"}'", "outhook sets this header itself"),
    "Expect": ("'{\"expect\": \"100-continue\"}'", "outhook sets this header itself"),
}


@pytest.mark.parametrize("how", ["INSERT", "INSERT OR IGNORE"])
@pytest.mark.parametrize("case", BAD_HEADERS)
def test_bad_headers_are_refused(db, case, how):
    headers, sentence = BAD_HEADERS[case]
    assert sentence in refused(db, to_url(headers=headers).replace("INSERT", how, 1))
    assert sentence in refused(db, f"INSERT INTO endpoints (name, url, headers) VALUES ('a', '{URL}', {headers})")
    assert value(db, "SELECT count(*) FROM webhooks") == 0


@pytest.mark.parametrize("headers", [
    '{}', '{"X-A": "b"}', '{"Authorization": "Bearer ab+/="}', '{"x!#$%&*+-.^_`|~9": ""}',
    '{"X-A": "grün"}', '{"X-A": "a]b[c\\"d"}'])
def test_good_headers_are_accepted(db, headers):
    run(db, to_url(headers=f"'{headers}'"))
    assert value(db, "SELECT headers FROM webhooks") == headers


def test_text_and_blob_payloads_are_kept_as_they_are(db, tmp_path):
    content = bytes(range(256)) + "grün ✓".encode()
    (tmp_path / "file").write_bytes(content)
    run(db, to_url(payload=f"readfile('{tmp_path}/file')") + "; " + to_url(payload="'grün'")
        + "; " + to_url(payload="''"))
    payloads = [row["payload"] for row in query(db, "SELECT payload FROM webhooks ORDER BY id")]
    assert payloads == [content, "grün", ""]


def test_a_payload_may_be_as_large_as_max_payload_bytes(db):
    as_daemon(db, "UPDATE queue_depth SET max_payload_bytes = 1000;")
    run(db, to_url(payload="zeroblob(1000)"))
    run(db, to_url(payload="CAST(zeroblob(1000) AS TEXT)"))
    assert "larger than max_payload_bytes allows" in refused(db, to_url(payload="zeroblob(1001)"))
    # Bytes count, not characters, and a NUL ends nothing.
    assert "larger than max_payload_bytes" in refused(db, to_url(payload="replace(hex(zeroblob(250)), '0', 'ü') || 'x'"))
    assert "larger than max_payload_bytes" in refused(db, to_url(payload="CAST(zeroblob(1001) AS TEXT)"))


def test_limits_of_lengths_are_met_exactly(db):
    run(db, to_url(type="hex(zeroblob(100))", uid="hex(zeroblob(100))", dedup_key="hex(zeroblob(250))",
                   content_type="hex(zeroblob(100))"))
    assert value(db, "SELECT count(*) FROM webhooks") == 1


def test_times_shift_the_delivery(db):
    due, expiry = ms_now() + 60_000, ms_now() + 120_000
    run(db, to_url(deliver_at=str(due), expires_at=str(expiry)))
    assert query(db, "SELECT due_at, expires_at FROM deliveries") == [{"due_at": due, "expires_at": expiry}]


def test_a_second_dedup_key_fails_by_name(db):
    run(db, to_url(dedup_key="'order-1'"))
    assert "UNIQUE constraint failed: webhooks.dedup_key" in refused(db, to_url(dedup_key="'order-1'"))
    run(db, to_url(dedup_key="'order-2'"))
    assert value(db, "SELECT count(*) FROM deliveries") == 2


@pytest.mark.parametrize("skip", ["OR IGNORE", "ON CONFLICT DO NOTHING"])
def test_a_second_dedup_key_can_be_skipped(db, skip):
    run(db, to_url(dedup_key="'order-1'", payload="'first'"))
    again = to_url(dedup_key="'order-1'", payload="'second'")
    again = again.replace("INSERT", "INSERT OR IGNORE") if skip == "OR IGNORE" else f"{again} {skip}"
    assert run(db, again + " RETURNING id") == ""
    assert query(db, "SELECT payload FROM webhooks") == [{"payload": "first"}]
    assert value(db, "SELECT count(*) FROM deliveries") == 1 and count_is_right(db)


@pytest.mark.parametrize("skip", [False, True])
def test_of_many_who_insert_a_dedup_key_at_once_one_succeeds(db, skip):
    def one(number):
        insert_it = to_url(dedup_key="'order-1'", payload=f"'{number}'")
        return sqlite(db, (insert_it.replace("INSERT", "INSERT OR IGNORE") if skip else insert_it) + " RETURNING id",
                      "-cmd", ".timeout 20000")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(24)))
    assert len([out for _, out, _ in answers if out]) == 1
    refusals = [err for status, _, err in answers if status]
    assert len(refusals) == (0 if skip else 23) and all("webhooks.dedup_key" in err for err in refusals)
    assert value(db, "SELECT count(*) FROM webhooks") == value(db, "SELECT count(*) FROM deliveries") == 1
    assert count_is_right(db)


def test_no_dedup_key_is_never_a_duplicate(db):
    run(db, to_url() + "; " + to_url())
    assert value(db, "SELECT count(*) FROM webhooks") == 2


def test_a_webhook_never_changes(db):
    run(db, to_url())
    for column, new in [("payload", "'x'"), ("url", f"'{URL}/2'"), ("dedup_key", "'k'")]:
        assert "a webhook never changes" in refused(db, f"UPDATE webhooks SET {column} = {new}")
    upsert = " ON CONFLICT (dedup_key) WHERE dedup_key IS NOT NULL DO UPDATE SET payload = 'x'"
    keyed = to_url(dedup_key="'k'")
    assert "a webhook never changes" in refused(db, f"{keyed}; {keyed}{upsert}")
    assert value(db, "SELECT count(*) FROM webhooks WHERE payload <> '{}'") == 0


def test_a_full_queue_refuses_webhooks(db):
    as_daemon(db, "UPDATE queue_depth SET max_pending = 3;")
    run(db, "; ".join([to_url()] * 3))
    for how in ("INSERT", "INSERT OR IGNORE"):
        assert "the queue is full" in refused(db, to_url().replace("INSERT", how))
    assert value(db, "SELECT count(*) FROM webhooks") == 3
    run(db, "UPDATE deliveries SET status = 'cancelled' WHERE id = 2")
    run(db, to_url())
    assert count_is_right(db)


def test_a_bulk_insert_that_overfills_the_queue_leaves_nothing(db):
    as_daemon(db, "UPDATE queue_depth SET max_pending = 10;")
    bulk = f"INSERT INTO webhooks (url, payload) SELECT '{URL}', value FROM generate_series(1, %d)"
    assert "the queue is full" in refused(db, bulk % 11)
    assert value(db, "SELECT count(*) FROM webhooks") == 0 and count_is_right(db)
    run(db, bulk % 10)
    assert value(db, "SELECT pending FROM queue_depth") == 10


def test_a_rolled_back_insert_leaves_nothing(db):
    run(db, f"BEGIN; {to_url()}; {to_url()}; ROLLBACK")
    assert value(db, "SELECT count(*) FROM deliveries") == 0 and count_is_right(db)


def test_an_import_of_a_file_works(db, tmp_path):
    (tmp_path / "rows.csv").write_text(f'url,payload\n{URL},"{{""n"":1}}"\n{URL},"{{""n"":2}}"\n')
    run(db, "INSERT INTO webhooks (url, payload) SELECT url, payload FROM temp.rows",
        "-cmd", f".import --csv --schema temp {tmp_path}/rows.csv rows")
    assert [row["payload"] for row in query(db, "SELECT payload FROM webhooks")] == ['{"n":1}', '{"n":2}']
