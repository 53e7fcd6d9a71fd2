-- One more migration, which only outhookd_next has: a column, an index, and each payload written once more, so that a
-- good part of the file changes.

ALTER TABLE webhooks ADD COLUMN note TEXT;
CREATE INDEX webhooks_note ON webhooks (note);
CREATE TABLE payloads (webhook_id INTEGER PRIMARY KEY, payload ANY NOT NULL) STRICT;
INSERT INTO payloads SELECT id, payload FROM webhooks;
