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

-- What holds endpoints up, in words.
CREATE VIEW _gate_text AS
SELECT endpoint_id, CASE gate
    WHEN 'breaker' THEN 'failed too often in a row: '
    WHEN 'retry_after' THEN 'asked for quiet: '
    WHEN 'order' THEN 'its first delivery waits to be tried again: '
    WHEN 'rate' THEN 'its rate limit'
    WHEN 'concurrency' THEN 'calls under way: ' || in_flight || ' of ' || max_in_flight
    WHEN 'overdue' THEN 'owes an answer for too long: ' || in_flight || ' of ' || max_in_flight || ' under way'
    WHEN 'sealed' THEN 'its secret can not be opened: outhookd lacks the key, and says which in its log'
    WHEN 'unproven' THEN 'has yet to answer once, and waits for its turn'
    WHEN 'origin' THEN 'its host is silent: '
    WHEN 'crowded' THEN 'its host has as many calls as it may have'
    ELSE gate END
    || CASE WHEN gate IN ('breaker', 'retry_after', 'order', 'origin') THEN
           CASE WHEN until_at IS NULL THEN 'one call looks whether it is back'
                ELSE 'left alone until ' || datetime(until_at / 1000, 'unixepoch') END
       ELSE '' END AS text
FROM endpoint_gates;

-- The backlog, a row an endpoint. What holds it up is what outhookd knew when it last changed.
CREATE VIEW queue AS
SELECT coalesce(e.name, e.url) AS endpoint, p.pending, p.due, p.held,
    datetime((SELECT created_at FROM deliveries WHERE id = p.oldest_id) / 1000, 'unixepoch') AS oldest,
    CASE WHEN p.held < p.pending THEN datetime(p.next_due_at / 1000, 'unixepoch') END AS next_due,
    CASE WHEN e.id IS NULL THEN 'endpoint is gone'
         WHEN e.enabled = 0 AND e.disabled_reason GLOB 'on hold*' THEN e.disabled_reason
         WHEN p.held = p.pending THEN 'on hold'
         WHEN e.enabled = 0 THEN 'disabled: ' || replace(coalesce(e.disabled_reason, 'by hand'), 'disabled ', '')
         WHEN g.gate IS NOT NULL THEN (SELECT text FROM _gate_text WHERE endpoint_id = e.id)
         WHEN p.due > 0 THEN 'due'
         ELSE 'waiting' END AS state,
    p.endpoint_id
FROM (SELECT endpoint_id, count(*) AS pending, min(id) AS oldest_id, min(due_at) AS next_due_at,
          count(*) FILTER (WHERE due_at <= (julianday('now') - 2440587.5) * 86400000) AS due,
          count(*) FILTER (WHERE due_at = 253402300800000) AS held
      FROM deliveries WHERE status = 'pending' GROUP BY endpoint_id) AS p
LEFT JOIN endpoints AS e ON e.id = p.endpoint_id
LEFT JOIN endpoint_gates AS g ON g.endpoint_id = p.endpoint_id;

-- Deliveries, newest first.
CREATE VIEW recent AS
SELECT d.id, coalesce(e.name, e.url) AS endpoint, w.type, d.status,
    d.attempts_before + d.attempts AS attempts,
    d.last_status_code AS status_code, d.last_error AS error, d.last_duration_ms AS duration_ms,
    datetime(d.created_at / 1000, 'unixepoch') AS created,
    CASE WHEN d.held THEN 'on hold'
         WHEN d.status = 'pending' THEN datetime(coalesce(d.retry_at, d.due_at) / 1000, 'unixepoch')
         END AS next_attempt,
    datetime(d.finished_at / 1000, 'unixepoch') AS finished,
    d.webhook_id, d.endpoint_id
FROM deliveries AS d
LEFT JOIN endpoints AS e ON e.id = d.endpoint_id
LEFT JOIN webhooks AS w ON w.id = d.webhook_id
ORDER BY d.id DESC;
