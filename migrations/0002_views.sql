-- Views for people: readable times (UTC), and names instead of numbers.

-- What failed for good, and why. The two halves each have their index.
CREATE VIEW failed AS
SELECT d.id, coalesce(e.name, e.url) AS endpoint, w.type, d.status,
    d.attempts_before + d.attempts AS attempts,
    d.last_status_code AS status_code, d.last_error AS error,
    datetime(d.created_at / 1000, 'unixepoch') AS created,
    datetime(d.finished_at / 1000, 'unixepoch') AS finished,
    d.webhook_id, d.endpoint_id
FROM (SELECT * FROM deliveries WHERE status = 'failed'
      UNION ALL
      SELECT * FROM deliveries WHERE status = 'expired') AS d
LEFT JOIN endpoints AS e ON e.id = d.endpoint_id
LEFT JOIN webhooks AS w ON w.id = d.webhook_id;

-- The backlog, a row an endpoint.
CREATE VIEW queue AS
SELECT coalesce(e.name, e.url) AS endpoint, p.pending, p.due,
    datetime((SELECT created_at FROM deliveries WHERE id = p.oldest_id) / 1000, 'unixepoch') AS oldest,
    datetime(p.next_due_at / 1000, 'unixepoch') AS next_due,
    CASE WHEN e.id IS NULL THEN 'endpoint is gone'
         WHEN e.enabled = 0 THEN 'disabled: ' || coalesce(e.disabled_reason, 'by hand')
         WHEN p.due > 0 THEN 'due'
         ELSE 'waiting' END AS state,
    p.endpoint_id
FROM (SELECT endpoint_id, count(*) AS pending, min(id) AS oldest_id, min(due_at) AS next_due_at,
          count(*) FILTER (WHERE due_at <= (julianday('now') - 2440587.5) * 86400000) AS due
      FROM deliveries WHERE status = 'pending' GROUP BY endpoint_id) AS p
LEFT JOIN endpoints AS e ON e.id = p.endpoint_id;

-- Deliveries, newest first.
CREATE VIEW recent AS
SELECT d.id, coalesce(e.name, e.url) AS endpoint, w.type, d.status,
    d.attempts_before + d.attempts AS attempts,
    d.last_status_code AS status_code, d.last_error AS error, d.last_duration_ms AS duration_ms,
    datetime(d.created_at / 1000, 'unixepoch') AS created,
    CASE d.status WHEN 'pending' THEN datetime(d.due_at / 1000, 'unixepoch') END AS next_attempt,
    datetime(d.finished_at / 1000, 'unixepoch') AS finished,
    d.webhook_id, d.endpoint_id
FROM deliveries AS d
LEFT JOIN endpoints AS e ON e.id = d.endpoint_id
LEFT JOIN webhooks AS w ON w.id = d.webhook_id
ORDER BY d.id DESC;
