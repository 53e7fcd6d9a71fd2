-- The contract with everything that writes webhooks: tables, and the triggers that keep them true.
--
-- It has to work from the stock sqlite3 CLI of Debian 12 (3.40.1) with its default settings, so it
-- names built-in functions only and needs no PRAGMA. Times are Unix milliseconds, in columns *_at.
--
-- What a producer inserts is judged by BEFORE INSERT triggers and not by CHECK constraints, because
-- INSERT OR IGNORE (the way to skip a duplicate dedup_key) silently skips rows that fail a CHECK: a
-- webhook without a payload would vanish without a word. RAISE(ABORT) can't be ignored. Tables that
-- people also update (endpoints, subscriptions) carry CHECK constraints named by a sentence.
--
-- outhookd writes outcomes on a connection with triggers switched off. So a trigger here is either
-- part of enqueueing (fan-out), or a guard for people, or the news of a change to the daemon.

PRAGMA application_id = 0x6f757468; -- "outh"

-- ---- tables ------------------------------------------------------------------------------------

-- What to send. Never updated, so the payload is written once however many deliveries share it. It
-- stands last, so that reading the other columns never walks through its overflow pages.
CREATE TABLE webhooks (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Sent as webhook-id. The leading time keeps new entries together at the end of its index.
    uid          TEXT NOT NULL UNIQUE DEFAULT ('msg_'
                     || printf('%011x', CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER))
                     || lower(hex(randomblob(10)))),
    type         TEXT,
    endpoint     TEXT,
    url          TEXT,
    method       TEXT NOT NULL DEFAULT 'POST',
    content_type TEXT NOT NULL DEFAULT 'application/json',
    headers      TEXT,
    dedup_key    TEXT UNIQUE,
    deliver_at   INTEGER,
    expires_at   INTEGER,
    created_at   INTEGER NOT NULL
                     DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER)),
    payload      ANY
) STRICT;

-- A place to send to. NULL means the configured default. An endpoint without a name was made by a
-- webhook to a bare URL and is shared by all webhooks to that URL.
CREATE TABLE endpoints (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    name               TEXT UNIQUE
        CONSTRAINT "an endpoint's name has 1 to 100 characters and no control characters"
        CHECK (length(name) BETWEEN 1 AND 100
               AND name NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'),
    url                TEXT NOT NULL,
    description        TEXT,
    enabled            INTEGER NOT NULL DEFAULT 1
        CONSTRAINT "enabled is 0 or 1" CHECK (enabled IN (0, 1)),
    disabled_reason    TEXT,
    disabled_at        INTEGER,
    failing_since      INTEGER, -- the first failed call after which none has succeeded
    signing            TEXT NOT NULL DEFAULT 'standard'
        CONSTRAINT "signing is one of standard, github, stripe, shopify, none"
        CHECK (signing IN ('standard', 'github', 'stripe', 'shopify', 'none')),
    headers            TEXT,
    timeout_ms         INTEGER
        CONSTRAINT "timeout_ms is 1 to 600000" CHECK (timeout_ms BETWEEN 1 AND 600000),
    connect_timeout_ms INTEGER
        CONSTRAINT "connect_timeout_ms is 1 to 600000" CHECK (connect_timeout_ms BETWEEN 1 AND 600000),
    max_attempts       INTEGER
        CONSTRAINT "max_attempts is 1 to 1000" CHECK (max_attempts BETWEEN 1 AND 1000),
    retry_schedule     TEXT,
    max_in_flight      INTEGER
        CONSTRAINT "max_in_flight is 1 to 1000" CHECK (max_in_flight BETWEEN 1 AND 1000),
    rate_limit         REAL
        CONSTRAINT "rate_limit is calls a second, 0.001 to 100000" CHECK (rate_limit BETWEEN 0.001 AND 100000),
    rate_burst         INTEGER
        CONSTRAINT "rate_burst is 1 to 100000" CHECK (rate_burst BETWEEN 1 AND 100000),
    ordered            INTEGER NOT NULL DEFAULT 0
        CONSTRAINT "ordered is 0 or 1" CHECK (ordered IN (0, 1)),
    tls_ca_file        TEXT
        CONSTRAINT "tls_ca_file is an absolute path" CHECK (tls_ca_file GLOB '/*'),
    tls_cert_file      TEXT
        CONSTRAINT "tls_cert_file is an absolute path" CHECK (tls_cert_file GLOB '/*'),
    tls_key_file       TEXT
        CONSTRAINT "tls_key_file is an absolute path" CHECK (tls_key_file GLOB '/*'),
    tls_insecure       INTEGER NOT NULL DEFAULT 0
        CONSTRAINT "tls_insecure is 0 or 1" CHECK (tls_insecure IN (0, 1)),
    http_version       TEXT NOT NULL DEFAULT '1.1' -- 2: over https, where the receiver speaks it
        CONSTRAINT "http_version is 1.1 or 2" CHECK (http_version IN ('1.1', '2')),
    allow_private      INTEGER NOT NULL DEFAULT 0 -- counts where permit_allow_private = yes
        CONSTRAINT "allow_private is 0 or 1" CHECK (allow_private IN (0, 1)),
    created_at         INTEGER NOT NULL
        DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER))
) STRICT;

CREATE UNIQUE INDEX endpoints_bare_url ON endpoints (url) WHERE name IS NULL;

-- Every unexpired secret signs, newest first. Where outhookd has a key, it seals a plain one within a
-- second of its commit: "sealed:v1:", the key's name, and the rest in base64.
CREATE TABLE endpoint_secrets (
    id          INTEGER PRIMARY KEY,
    endpoint_id INTEGER NOT NULL,
    secret      TEXT NOT NULL
        CONSTRAINT "a secret has 1 to 500 printable ASCII characters"
        CHECK (length(secret) BETWEEN 1 AND CASE WHEN secret GLOB 'sealed:*' THEN 1000 ELSE 500 END
               AND secret NOT GLOB '*[^ -~]*' AND NOT instr(secret, char(0))),
    created_at  INTEGER NOT NULL
        DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER)),
    expires_at  INTEGER
) STRICT;

CREATE INDEX endpoint_secrets_endpoint ON endpoint_secrets (endpoint_id);
CREATE INDEX endpoint_secrets_plain ON endpoint_secrets (id) WHERE secret NOT GLOB 'sealed:*';

-- "This endpoint wants webhooks whose type matches this GLOB pattern."
CREATE TABLE subscriptions (
    endpoint_id  INTEGER NOT NULL,
    type_pattern TEXT NOT NULL
        CONSTRAINT "a type_pattern has 1 to 200 characters" CHECK (length(type_pattern) BETWEEN 1 AND 200),
    PRIMARY KEY (endpoint_id, type_pattern)
) STRICT, WITHOUT ROWID;

-- One webhook on its way to one endpoint. The row is pending exactly while finished_at is NULL, but
-- for the moment inside a status change when a trigger has yet to complete it.
-- AUTOINCREMENT, because the daemon finds what is new by "id greater than the last one seen".
--
-- A pending one may be held (held = 1): it waits until it is released (held = 0), and does not expire
-- before that. It is no status of its own, for it is as unfinished as before and counts as much. While
-- it is held, due_at is the year 10000 (253402300800000), which no webhook can ask for, and held_due_at
-- keeps what it was: so it stands last in its lane's index, which neither that nor the daemon has to
-- know of, and held ones can be counted there.
CREATE TABLE deliveries (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id       INTEGER NOT NULL,
    endpoint_id      INTEGER NOT NULL,
    status           TEXT NOT NULL DEFAULT 'pending'
        CONSTRAINT "status is one of pending, delivered, failed, expired, cancelled"
        -- Not IN: SQLite makes a table of such a list, for each row that is judged.
        CHECK (status = 'pending' OR status = 'delivered' OR status = 'failed' OR status = 'expired'
               OR status = 'cancelled'),
    attempts         INTEGER NOT NULL DEFAULT 0, -- since the insert or the last replay
    attempts_before  INTEGER NOT NULL DEFAULT 0, -- before the last replay
    due_at           INTEGER NOT NULL,
    retry_at         INTEGER, -- of an ordered endpoint: the next attempt; due_at keeps the place in line
    expires_at       INTEGER,
    created_at       INTEGER NOT NULL,
    finished_at      INTEGER,
    last_status_code INTEGER,
    last_error       TEXT,
    last_duration_ms INTEGER,
    held             INTEGER NOT NULL DEFAULT 0
        CONSTRAINT "held is 0 or 1" CHECK (held IN (0, 1)),
    held_due_at      INTEGER
) STRICT;

CREATE INDEX deliveries_lane ON deliveries (endpoint_id, due_at) WHERE status = 'pending';
CREATE INDEX deliveries_webhook ON deliveries (webhook_id);
CREATE INDEX deliveries_failed ON deliveries (endpoint_id, finished_at) WHERE status = 'failed';
CREATE INDEX deliveries_cancelled ON deliveries (finished_at) WHERE status = 'cancelled';
CREATE INDEX deliveries_expired ON deliveries (endpoint_id, finished_at) WHERE status = 'expired';

-- One HTTP call of a delivery, written when it has ended. Numbers run on over replays.
CREATE TABLE attempts (
    id               INTEGER PRIMARY KEY,
    delivery_id      INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    verdict          TEXT NOT NULL,
    phase            TEXT, -- that the call reached: lookup, connect, tls, wait, body, done
    started_at       INTEGER NOT NULL,
    duration_ms      INTEGER NOT NULL,
    status_code      INTEGER,
    error            TEXT,
    remote_address   TEXT,
    response_headers TEXT,
    response_body    BLOB
) STRICT;

CREATE INDEX attempts_delivery ON attempts (delivery_id, number);

-- How full the queue is, and how full it may get. One row. The two limits are outhookd's settings of
-- the same names: it writes them here, where the triggers can see them. duplicate_of is a note from a
-- BEFORE INSERT trigger to the AFTER INSERT trigger of the same row.
CREATE TABLE queue_depth (
    one               INTEGER PRIMARY KEY DEFAULT 1
        CONSTRAINT "queue_depth has one row" CHECK (one = 1),
    pending           INTEGER NOT NULL,
    max_pending       INTEGER NOT NULL,
    max_payload_bytes INTEGER NOT NULL,
    duplicate_of      INTEGER
) STRICT;

INSERT INTO queue_depth (pending, max_pending, max_payload_bytes) VALUES (0, 10000000, 16777216);

-- Endpoints whose settings or deliveries a person has changed, for the daemon to look at again. It
-- remembers the highest seq it has seen, so nothing needs to be deleted here.
CREATE TABLE endpoint_changes (
    endpoint_id INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL UNIQUE
) STRICT;

-- What holds an endpoint up, as outhookd tells it once a second while it runs; a row only while
-- something does. Empty when it starts and after it has stopped.
CREATE TABLE endpoint_gates (
    endpoint_id   INTEGER PRIMARY KEY,
    gate          TEXT NOT NULL,
    until_at      INTEGER,
    in_flight     INTEGER NOT NULL,
    max_in_flight INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL
) STRICT;

-- ---- procedures --------------------------------------------------------------------------------

-- SQLite has none, so each of these is a view that is inserted into: INSERT INTO _judge_url VALUES (…).
-- Their names start with an underscore; nobody but the triggers below needs them.

CREATE VIEW _now AS SELECT CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) AS ms;

CREATE VIEW _judge_url AS SELECT NULL AS url;
CREATE TRIGGER _judge_url_insert INSTEAD OF INSERT ON _judge_url BEGIN
    SELECT CASE
    WHEN lower(NEW.url) NOT GLOB 'http://[^/?#:]*' AND lower(NEW.url) NOT GLOB 'https://[^/?#:]*' THEN
        RAISE(ABORT, 'a url starts with http:// or https:// and a host')
    WHEN NEW.url GLOB '*[^!-~]*' OR instr(NEW.url, '\') THEN
        RAISE(ABORT, 'a url has no spaces, control or non-ASCII characters: percent-encode its path, write its host as punycode')
    WHEN instr(substr(NEW.url, 1, 8 + instr(
             replace(replace(substr(NEW.url, 9), '?', '/'), '#', '/') || '/', '/')), '@') THEN
        RAISE(ABORT, 'a url carries no user name or password: set an Authorization header')
    WHEN NEW.url NOT GLOB '*://[[]*' AND instr(substr(NEW.url, 1, 8 + instr(
             replace(replace(substr(NEW.url, 9), '?', '/'), '#', '/') || '/', '/')), '%') THEN
        RAISE(ABORT, 'a url has no percent-encoding in its host')
    WHEN length(NEW.url) > 2048 THEN
        RAISE(ABORT, 'a url has at most 2048 characters')
    END;
END;

CREATE VIEW _judge_headers AS SELECT NULL AS headers;
CREATE TRIGGER _judge_headers_insert INSTEAD OF INSERT ON _judge_headers WHEN NEW.headers IS NOT NULL BEGIN
    SELECT CASE
    WHEN NOT json_valid(NEW.headers) THEN
        RAISE(ABORT, 'headers is a JSON object such as {"X-Name": "value"}')
    WHEN json_type(NEW.headers) <> 'object' OR EXISTS (
         SELECT 1 FROM json_each(NEW.headers) WHERE type <> 'text') THEN
        RAISE(ABORT, 'headers is a JSON object whose values are strings, such as {"X-Name": "value"}')
    WHEN length(NEW.headers) > 8192 THEN
        RAISE(ABORT, 'headers has at most 8192 characters')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.headers)
         WHERE key = '' OR key GLOB '*[^!#$%&''*+.^_`|~0-9A-Za-z-]*') THEN
        RAISE(ABORT, 'a header name has letters, digits and !#$%&''*+-.^_`|~ only')
    WHEN instr(NEW.headers, '\u0000') OR EXISTS (SELECT 1 FROM json_each(NEW.headers)
         WHERE value GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') THEN
        RAISE(ABORT, 'a header value has no control characters')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.headers)
         WHERE lower(key) IN ('host', 'connection', 'content-length', 'content-type', 'expect',
             'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer',
             'transfer-encoding', 'upgrade', 'user-agent', 'stripe-signature', 'x-github-delivery',
             'x-github-event', 'x-hub-signature-256', 'x-shopify-hmac-sha256', 'x-shopify-topic',
             'x-shopify-webhook-id') OR lower(key) GLOB 'webhook-*') THEN
        RAISE(ABORT, 'outhook sets this header itself: Host, User-Agent, Content-Type (use content_type), Content-Length, those of the connection, and those of signatures (use signing) can not be given')
    END;
END;

CREATE VIEW _judge_retry_schedule AS SELECT NULL AS retry_schedule;
CREATE TRIGGER _judge_retry_schedule_insert INSTEAD OF INSERT ON _judge_retry_schedule
WHEN NEW.retry_schedule IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a retry_schedule is 1 to 50 durations, each a number and ms, s, m, h or d, such as 5s 30s 2m 1h')
    WHERE NEW.retry_schedule IS NOT NULL AND (NEW.retry_schedule GLOB '*[^0-9 smhd]*'
        OR length(NEW.retry_schedule) > 500
        OR (SELECT count(*) NOT BETWEEN 1 AND 50
                OR count(*) <> sum(value GLOB '[0-9]*[smhd]'
                    AND length(rtrim(value, 'smhd')) <= 9
                    AND substr(value, length(rtrim(value, 'smhd')) + 1) IN ('ms', 's', 'm', 'h', 'd')
                    AND rtrim(value, 'smhd') NOT GLOB '*[^0-9]*')
            FROM json_each('["' || replace(trim(NEW.retry_schedule), ' ', '","') || '"]')
            WHERE value <> ''));
END;

-- Tells the daemon to look at an endpoint again.
CREATE VIEW _tell_daemon AS SELECT NULL AS endpoint_id;
CREATE TRIGGER _tell_daemon_insert INSTEAD OF INSERT ON _tell_daemon BEGIN
    UPDATE endpoint_changes SET seq = (SELECT max(seq) + 1 FROM endpoint_changes)
    WHERE endpoint_id = NEW.endpoint_id;
    INSERT INTO endpoint_changes (endpoint_id, seq)
    SELECT NEW.endpoint_id, (SELECT coalesce(max(seq), 0) + 1 FROM endpoint_changes)
    WHERE NOT EXISTS (SELECT 1 FROM endpoint_changes WHERE endpoint_id = NEW.endpoint_id);
END;

-- ---- inserting a webhook -----------------------------------------------------------------------

CREATE TRIGGER webhooks_judge BEFORE INSERT ON webhooks BEGIN
    SELECT CASE
    WHEN NEW.uid IS NULL OR NEW.method IS NULL OR NEW.content_type IS NULL OR NEW.created_at IS NULL THEN
        RAISE(ABORT, 'uid, method, content_type and created_at can not be NULL: leave them out to have them filled in')
    WHEN NEW.payload IS NULL THEN
        RAISE(ABORT, 'a webhook needs a payload; readfile() of a file that does not exist gives NULL')
    WHEN length(CAST(NEW.payload AS BLOB)) > (SELECT max_payload_bytes FROM queue_depth) THEN
        RAISE(ABORT, 'the payload is larger than max_payload_bytes allows: send a link to the data instead, or raise max_payload_bytes')
    WHEN NEW.url IS NULL AND NEW.endpoint IS NULL AND NEW.type IS NULL THEN
        RAISE(ABORT, 'a webhook needs a url, or an endpoint, or a type that endpoints subscribe to')
    WHEN NEW.url IS NOT NULL AND NEW.endpoint IS NOT NULL THEN
        RAISE(ABORT, 'a webhook goes to a url or to an endpoint, not to both')
    WHEN NEW.type IS NOT NULL AND (length(NEW.type) NOT BETWEEN 1 AND 200
         OR NEW.type GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*') THEN
        RAISE(ABORT, 'a type has 1 to 200 characters and no control characters')
    WHEN NEW.endpoint IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM endpoints WHERE name = NEW.endpoint) THEN
        RAISE(ABORT, 'there is no endpoint of that name: insert it into endpoints first, or give a url')
    WHEN length(NEW.uid) NOT BETWEEN 1 AND 200 OR NEW.uid GLOB '*[^!-~]*' OR instr(NEW.uid, '.') THEN
        RAISE(ABORT, 'a uid has 1 to 200 printable ASCII characters, no space and no dot')
    WHEN NOT (NEW.method = 'POST' OR NEW.method = 'PUT' OR NEW.method = 'PATCH' OR NEW.method = 'DELETE') THEN
        RAISE(ABORT, 'method is one of POST, PUT, PATCH, DELETE')
    WHEN length(NEW.content_type) NOT BETWEEN 1 AND 200 OR NEW.content_type GLOB '*[^ -~]*' THEN
        RAISE(ABORT, 'a content_type has 1 to 200 printable ASCII characters')
    WHEN length(NEW.dedup_key) NOT BETWEEN 1 AND 500 THEN
        RAISE(ABORT, 'a dedup_key has 1 to 500 characters')
    WHEN NEW.created_at < 100000000000 OR NEW.deliver_at < 100000000000
         OR NEW.expires_at < 100000000000 THEN
        RAISE(ABORT, 'deliver_at, expires_at and created_at are milliseconds since 1970: multiply seconds by 1000')
    WHEN NEW.created_at > 253402300799999 OR NEW.deliver_at > 253402300799999
         OR NEW.expires_at > 253402300799999 THEN
        RAISE(ABORT, 'deliver_at, expires_at and created_at are milliseconds since 1970, of the year 9999 at the latest')
    WHEN NEW.expires_at <= coalesce(NEW.deliver_at, NEW.created_at) THEN
        RAISE(ABORT, 'expires_at must be later than deliver_at, or than now without one')
    WHEN NEW.id NOT BETWEEN -1 AND 9007199254740991 -- -1 stands for "not given"
         OR EXISTS (SELECT 1 FROM webhooks WHERE id = NEW.id) THEN
        RAISE(ABORT, 'leave id out: it is assigned')
    WHEN EXISTS (SELECT 1 FROM webhooks WHERE uid = NEW.uid) THEN
        RAISE(ABORT, 'there is a webhook with that uid already')
    WHEN (SELECT pending >= max_pending FROM queue_depth) THEN
        RAISE(ABORT, 'the queue is full: as many deliveries are pending as max_pending allows; insert again later, or raise max_pending')
    END;
END;

CREATE TRIGGER webhooks_judge_url BEFORE INSERT ON webhooks WHEN NEW.url IS NOT NULL BEGIN
    INSERT INTO _judge_url VALUES (NEW.url);
END;

CREATE TRIGGER webhooks_judge_headers BEFORE INSERT ON webhooks WHEN NEW.headers IS NOT NULL BEGIN
    INSERT INTO _judge_headers VALUES (NEW.headers);
END;

-- INSERT OR REPLACE takes a row with the same dedup_key away without firing a single DELETE trigger.
CREATE TRIGGER webhooks_note_duplicate BEFORE INSERT ON webhooks WHEN NEW.dedup_key IS NOT NULL BEGIN
    UPDATE queue_depth SET duplicate_of = (SELECT id FROM webhooks WHERE dedup_key = NEW.dedup_key);
END;

CREATE TRIGGER webhooks_keep_duplicate AFTER INSERT ON webhooks WHEN NEW.dedup_key IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'a webhook is never replaced: use INSERT OR IGNORE to skip one whose dedup_key is there already')
    FROM queue_depth WHERE duplicate_of IS NOT NULL;
END;

-- Fan-out, inside the producer's own transaction. VALUES where one row is made: INSERT ... SELECT into a
-- table that has triggers goes by way of a temporary one.

CREATE TRIGGER webhooks_to_url AFTER INSERT ON webhooks WHEN NEW.url IS NOT NULL BEGIN
    INSERT INTO endpoints (url) SELECT NEW.url
    WHERE NOT EXISTS (SELECT 1 FROM endpoints WHERE url = NEW.url AND name IS NULL);
    INSERT INTO deliveries (webhook_id, endpoint_id, due_at, expires_at, created_at)
    VALUES (NEW.id, (SELECT id FROM endpoints WHERE url = NEW.url AND name IS NULL),
            coalesce(NEW.deliver_at, NEW.created_at), NEW.expires_at, NEW.created_at);
END;

CREATE TRIGGER webhooks_to_endpoint AFTER INSERT ON webhooks WHEN NEW.endpoint IS NOT NULL BEGIN
    INSERT INTO deliveries (webhook_id, endpoint_id, due_at, expires_at, created_at)
    VALUES (NEW.id, (SELECT id FROM endpoints WHERE name = NEW.endpoint),
            coalesce(NEW.deliver_at, NEW.created_at), NEW.expires_at, NEW.created_at);
END;

CREATE TRIGGER webhooks_to_subscribers AFTER INSERT ON webhooks
WHEN NEW.url IS NULL AND NEW.endpoint IS NULL BEGIN
    INSERT INTO deliveries (webhook_id, endpoint_id, due_at, expires_at, created_at)
    SELECT NEW.id, s.endpoint_id, coalesce(NEW.deliver_at, NEW.created_at), NEW.expires_at, NEW.created_at
    FROM subscriptions AS s
    WHERE NEW.type GLOB s.type_pattern AND EXISTS (SELECT 1 FROM endpoints WHERE id = s.endpoint_id)
    GROUP BY s.endpoint_id;
    -- One webhook may make many deliveries, so the bound is looked at again.
    SELECT RAISE(ABORT, 'the queue is full: this webhook''s subscribers would exceed max_pending; insert again later, or raise max_pending')
    FROM queue_depth WHERE pending > max_pending;
END;

CREATE TRIGGER deliveries_count AFTER INSERT ON deliveries WHEN NEW.status = 'pending' BEGIN
    UPDATE queue_depth SET pending = pending + 1;
END;

-- ---- what people may change, and what they may not ---------------------------------------------

CREATE TRIGGER webhooks_keep BEFORE UPDATE ON webhooks BEGIN
    SELECT RAISE(ABORT, 'a webhook never changes once it is inserted: cancel its deliveries and insert a new one');
END;

CREATE TRIGGER webhooks_keep_pending BEFORE DELETE ON webhooks
WHEN EXISTS (SELECT 1 FROM deliveries WHERE webhook_id = OLD.id AND status = 'pending') BEGIN
    SELECT RAISE(ABORT, 'this webhook has pending deliveries: cancel them first');
END;

CREATE TRIGGER webhooks_delete AFTER DELETE ON webhooks BEGIN
    DELETE FROM deliveries WHERE webhook_id = OLD.id;
END;

CREATE TRIGGER deliveries_keep_pending BEFORE DELETE ON deliveries WHEN OLD.status = 'pending' BEGIN
    SELECT RAISE(ABORT, 'this delivery is pending: cancel it first');
END;

CREATE TRIGGER deliveries_delete AFTER DELETE ON deliveries BEGIN
    DELETE FROM attempts WHERE delivery_id = OLD.id;
END;

CREATE TRIGGER deliveries_judge_insert BEFORE INSERT ON deliveries
WHEN NEW.status <> 'pending' OR NEW.attempts <> 0 OR NEW.attempts_before <> 0 OR NEW.held <> 0
     OR NOT EXISTS (SELECT 1 FROM webhooks WHERE id = NEW.webhook_id)
     OR NOT EXISTS (SELECT 1 FROM endpoints WHERE id = NEW.endpoint_id)
     OR EXISTS (SELECT 1 FROM deliveries WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'insert into webhooks: its deliveries are made from that');
END;

CREATE TRIGGER deliveries_judge_status BEFORE UPDATE OF status ON deliveries
WHEN NEW.status IS NOT OLD.status BEGIN
    SELECT CASE
    WHEN NEW.status NOT IN ('pending', 'delivered', 'failed', 'expired', 'cancelled') THEN
        RAISE(ABORT, 'status is one of pending, delivered, failed, expired, cancelled')
    WHEN NEW.status NOT IN ('pending', 'cancelled')
         OR (NEW.status = 'cancelled' AND OLD.status <> 'pending') THEN
        RAISE(ABORT, 'a pending delivery may be set to cancelled, and a finished one to pending (which replays it); outhookd sets the rest')
    WHEN NEW.status = 'pending' AND (SELECT pending >= max_pending FROM queue_depth) THEN
        RAISE(ABORT, 'the queue is full: as many deliveries are pending as max_pending allows; replay later, or raise max_pending')
    WHEN NEW.status = 'pending' AND NOT EXISTS (SELECT 1 FROM endpoints WHERE id = OLD.endpoint_id) THEN
        RAISE(ABORT, 'the endpoint of this delivery is gone: insert the webhook again for another one')
    WHEN NEW.status = 'pending' AND NOT EXISTS (SELECT 1 FROM webhooks WHERE id = OLD.webhook_id) THEN
        RAISE(ABORT, 'the webhook of this delivery is gone, so there is nothing to send')
    WHEN NEW.status = 'pending' AND NEW.due_at NOT BETWEEN 100000000000 AND 253402300799999 THEN
        RAISE(ABORT, 'due_at is milliseconds since 1970: multiply seconds by 1000')
    END;
END;

CREATE TRIGGER deliveries_judge_held BEFORE UPDATE OF held ON deliveries
WHEN NEW.held = 1 AND OLD.held = 0 AND (OLD.status <> 'pending' OR NEW.status <> 'pending') BEGIN
    SELECT RAISE(ABORT, 'only a pending delivery can be held');
END;

-- The second half of a change is done by the triggers below; they are told from people by the row being
-- halfway: pending with a finished_at, or finished without one; held without a held_due_at, or the
-- other way round.
CREATE TRIGGER deliveries_keep BEFORE UPDATE OF id, webhook_id, endpoint_id, attempts, attempts_before,
    retry_at, expires_at, created_at, finished_at, last_status_code, last_error, last_duration_ms, held_due_at
ON deliveries WHEN (OLD.status = 'pending') = (OLD.finished_at IS NULL)
    AND OLD.held = (OLD.held_due_at IS NOT NULL) BEGIN
    SELECT RAISE(ABORT, 'only the status of a delivery may be changed: to cancelled, or to pending to replay it; and held');
END;

-- A replay may say when; many may so be spread over time.
CREATE TRIGGER deliveries_keep_due BEFORE UPDATE OF due_at ON deliveries
WHEN (OLD.status = 'pending') = (OLD.finished_at IS NULL) AND OLD.held = (OLD.held_due_at IS NOT NULL)
    AND NOT (OLD.status <> 'pending' AND NEW.status = 'pending') BEGIN
    SELECT RAISE(ABORT, 'only the status of a delivery may be changed; due_at together with it, by a replay');
END;

CREATE TRIGGER deliveries_replay AFTER UPDATE OF status ON deliveries
WHEN OLD.status <> 'pending' AND NEW.status = 'pending' BEGIN
    UPDATE deliveries SET
        attempts_before = attempts_before + attempts,
        attempts = 0,
        due_at = max((SELECT ms FROM _now), CASE WHEN NEW.due_at <> OLD.due_at THEN NEW.due_at ELSE 0 END),
        retry_at = NULL,
        expires_at = max((SELECT ms FROM _now), CASE WHEN NEW.due_at <> OLD.due_at THEN NEW.due_at ELSE 0 END)
            + (SELECT w.expires_at - coalesce(w.deliver_at, w.created_at) FROM webhooks AS w
               WHERE w.id = OLD.webhook_id),
        finished_at = NULL
    WHERE id = OLD.id;
    UPDATE queue_depth SET pending = pending + 1;
    INSERT INTO _tell_daemon VALUES (OLD.endpoint_id);
END;

CREATE TRIGGER deliveries_cancel AFTER UPDATE OF status ON deliveries
WHEN OLD.status = 'pending' AND NEW.status <> 'pending' BEGIN
    UPDATE deliveries
    SET finished_at = (SELECT ms FROM _now), due_at = coalesce(held_due_at, due_at), held = 0, held_due_at = NULL
    WHERE id = OLD.id;
    UPDATE queue_depth SET pending = pending - 1;
    INSERT INTO _tell_daemon VALUES (OLD.endpoint_id);
END;

CREATE TRIGGER deliveries_hold AFTER UPDATE OF held ON deliveries
WHEN OLD.held = 0 AND NEW.held = 1 BEGIN
    UPDATE deliveries SET held_due_at = due_at, due_at = 253402300800000 WHERE id = OLD.id;
    INSERT INTO _tell_daemon VALUES (OLD.endpoint_id);
END;

CREATE TRIGGER deliveries_release AFTER UPDATE OF held ON deliveries
WHEN OLD.held = 1 AND NEW.held = 0 AND NEW.held_due_at IS NOT NULL BEGIN
    UPDATE deliveries SET due_at = coalesce(held_due_at, due_at), held_due_at = NULL WHERE id = OLD.id;
    INSERT INTO _tell_daemon VALUES (OLD.endpoint_id);
END;

CREATE TRIGGER attempts_judge_insert BEFORE INSERT ON attempts BEGIN
    SELECT RAISE(ABORT, 'attempts are written by outhookd only');
END;

CREATE TRIGGER attempts_keep BEFORE UPDATE ON attempts BEGIN
    SELECT RAISE(ABORT, 'an attempt never changes once it is written');
END;

-- ---- endpoints ---------------------------------------------------------------------------------

CREATE TRIGGER endpoints_judge_insert BEFORE INSERT ON endpoints BEGIN
    INSERT INTO _judge_url VALUES (NEW.url);
    INSERT INTO _judge_headers VALUES (NEW.headers);
    INSERT INTO _judge_retry_schedule VALUES (NEW.retry_schedule);
END;

CREATE TRIGGER endpoints_judge_update BEFORE UPDATE OF url, headers, retry_schedule ON endpoints BEGIN
    INSERT INTO _judge_url VALUES (NEW.url);
    INSERT INTO _judge_headers VALUES (NEW.headers);
    INSERT INTO _judge_retry_schedule VALUES (NEW.retry_schedule);
END;

CREATE TRIGGER endpoints_keep_id BEFORE UPDATE OF id ON endpoints WHEN NEW.id <> OLD.id BEGIN
    SELECT RAISE(ABORT, 'an endpoint keeps its id');
END;

-- As with webhooks: OR REPLACE must not take an endpoint away from its pending deliveries.
CREATE TRIGGER endpoints_note_duplicate BEFORE INSERT ON endpoints WHEN NEW.name IS NOT NULL BEGIN
    UPDATE queue_depth SET duplicate_of = (SELECT id FROM endpoints WHERE name = NEW.name);
END;

CREATE TRIGGER endpoints_keep_duplicate AFTER INSERT ON endpoints WHEN NEW.name IS NOT NULL BEGIN
    SELECT RAISE(ABORT, 'there is an endpoint of that name already: update it, or use INSERT OR IGNORE')
    FROM queue_depth WHERE duplicate_of IS NOT NULL AND duplicate_of <> NEW.id;
END;

CREATE TRIGGER endpoints_judge_name BEFORE UPDATE OF name ON endpoints
WHEN EXISTS (SELECT 1 FROM endpoints WHERE name = NEW.name AND id <> OLD.id) BEGIN
    SELECT RAISE(ABORT, 'there is an endpoint of that name already');
END;

-- A signed endpoint is never left without a secret. 48 hex digits are also valid base64.
CREATE TRIGGER endpoints_secret AFTER INSERT ON endpoints
WHEN NEW.name IS NOT NULL AND NEW.signing = 'standard' BEGIN
    INSERT INTO endpoint_secrets (endpoint_id, secret)
    VALUES (NEW.id, 'whsec_' || lower(hex(randomblob(24))));
END;

CREATE TRIGGER endpoints_keep_pending BEFORE DELETE ON endpoints
WHEN EXISTS (SELECT 1 FROM deliveries WHERE endpoint_id = OLD.id AND status = 'pending') BEGIN
    SELECT RAISE(ABORT, 'this endpoint has pending deliveries: cancel them first, or set enabled = 0');
END;

CREATE TRIGGER endpoints_delete AFTER DELETE ON endpoints BEGIN
    DELETE FROM endpoint_secrets WHERE endpoint_id = OLD.id;
    DELETE FROM subscriptions WHERE endpoint_id = OLD.id;
    INSERT INTO _tell_daemon VALUES (OLD.id);
END;

CREATE TRIGGER endpoints_disable AFTER UPDATE OF enabled ON endpoints WHEN OLD.enabled <> NEW.enabled BEGIN
    UPDATE endpoints SET
        disabled_at = CASE NEW.enabled WHEN 0 THEN (SELECT ms FROM _now) END,
        disabled_reason = CASE NEW.enabled WHEN 0 THEN coalesce(NEW.disabled_reason, 'disabled by hand') END,
        failing_since = CASE NEW.enabled WHEN 0 THEN failing_since END
    WHERE id = NEW.id;
END;

-- Another URL is another place, which has yet to fail.
CREATE TRIGGER endpoints_move AFTER UPDATE OF url ON endpoints WHEN OLD.url <> NEW.url BEGIN
    UPDATE endpoints SET failing_since = NULL WHERE id = NEW.id;
END;

CREATE TRIGGER endpoints_change AFTER UPDATE ON endpoints BEGIN
    INSERT INTO _tell_daemon VALUES (NEW.id);
END;

CREATE TRIGGER endpoint_secrets_judge BEFORE INSERT ON endpoint_secrets
WHEN NOT EXISTS (SELECT 1 FROM endpoints WHERE id = NEW.endpoint_id) BEGIN
    SELECT RAISE(ABORT, 'there is no endpoint of that id');
END;

CREATE TRIGGER endpoint_secrets_insert AFTER INSERT ON endpoint_secrets BEGIN
    INSERT INTO _tell_daemon VALUES (NEW.endpoint_id);
END;

CREATE TRIGGER endpoint_secrets_update AFTER UPDATE ON endpoint_secrets BEGIN
    INSERT INTO _tell_daemon VALUES (NEW.endpoint_id);
END;

CREATE TRIGGER endpoint_secrets_delete AFTER DELETE ON endpoint_secrets BEGIN
    INSERT INTO _tell_daemon VALUES (OLD.endpoint_id);
END;

CREATE TRIGGER subscriptions_judge BEFORE INSERT ON subscriptions
WHEN NOT EXISTS (SELECT 1 FROM endpoints WHERE id = NEW.endpoint_id) BEGIN
    SELECT RAISE(ABORT, 'there is no endpoint of that id');
END;
