#include "outhook/cli/json_field.h"

#include <stddef.h>

/* list has these by themselves, show in an object. */
#define DELIVERY_FIELDS(verb, in)                                                                  \
    {verb, in "id", "The delivery's id."}, {verb, in "webhook_id", "Its webhook's id."},           \
        {verb, in "uid", "The webhook's uid, sent as webhook-id; null when the webhook is gone."}, \
        {verb, in "type", "The webhook's type, or null."},                                         \
        {verb, in "endpoint_id", "Where it goes to."},                                             \
        {verb, in "endpoint", "The endpoint's name, or else its URL; null when it is gone."},      \
        {verb, in "status", "pending, delivered, failed, expired or cancelled."},                  \
        {verb, in "held", "Whether it is on hold."},                                               \
        {verb, in "attempts", "Attempts since it was enqueued or last replayed."},                 \
        {verb, in "attempts_before", "Attempts before its last replay."},                          \
        {verb, in "created_at", "When it was enqueued."},                                          \
        {verb, in "due_at",                                                                        \
         "When its next attempt is due; of a finished one, when the last was."},                   \
        {verb, in "expires_at", "When it is given up, or null."},                                  \
        {verb, in "finished_at", "When it was finished; null while it is pending."},               \
        {verb, in "last_status_code", "The HTTP status that the last attempt got, or null."},      \
        {verb, in "last_error", "What was wrong with the last attempt, or null."}, {               \
        verb, in "last_duration_ms", "How long the last attempt took, or null."                    \
    }

#define GLANCE_FIELDS(verb)                                                                        \
    {verb, "daemon_runs", "Whether an outhookd serves the database."},                             \
        {verb, "daemon_pid", "Its process id, or null."},                                          \
        {verb, "in_flight", "Calls under way, as it told within the last second or so, or null."}, \
        {verb, "failures",                                                                         \
         "How often in a row it has ended by a failure; 0 once it runs well, or was stopped."},    \
        {verb, "failed_at", "When it did so last, or null."},                                      \
        {verb, "failure", "What that was, or null."},                                              \
        {verb, "waits_until_at", "When it works again, while it waits for that; else null."},      \
        {verb, "pending", "Deliveries that are pending."},                                         \
        {verb, "max_pending", "How many may be, before an INSERT is refused."},                    \
        {verb, "oldest_pending_at", "When the oldest pending one was enqueued, or null."}, {       \
        verb, "next_due_at", "When the next one of an enabled endpoint is due, or null."           \
    }

#define HEALTH_FIELDS(verb)                                                                        \
    {verb, "enabled", "Whether it is."}, {verb, "disabled_reason", "Why it is not, or null."},     \
        {verb, "disabled_at", "Since when it is not, or null."},                                   \
        {verb, "failing_since", "The first failed attempt without a success after it, or null."},  \
        {verb, "pending", "Its deliveries that are pending."},                                     \
        {verb, "oldest_pending_at", "When the oldest of them was enqueued, or null."},             \
        {verb, "last_success_at",                                                                  \
         "Its last success among the newest 20000 attempts of all endpoints, or null."},           \
        {verb, "last_success_before",                                                              \
         "When there is none among these: the first of them; else null."},                         \
        {verb, "last_failure_at", "Its last failure among these, or null."}, {                     \
        verb, "last_failure", "What was wrong then, or null."                                      \
    }

const struct json_field json_fields[] = {
    {"enqueue", "webhook_id", "The new webhook's id."},
    {"enqueue", "uid", "Its uid, sent as webhook-id."},
    {"enqueue", "deliveries", "To how many endpoints it goes."},

    DELIVERY_FIELDS("list", ""),

    DELIVERY_FIELDS("show", "delivery."),
    {"show", "webhook", "Null when it is gone; else its object:"},
    {"show", "webhook.id", "Its id."},
    {"show", "webhook.uid", "Its uid, sent as webhook-id."},
    {"show", "webhook.type", "Its type, or null."},
    {"show", "webhook.method", "The HTTP method."},
    {"show", "webhook.content_type", "The payload's media type."},
    {"show", "webhook.headers", "The headers given with it, or null."},
    {"show", "webhook.headers.*", "A header's value by its name."},
    {"show", "webhook.dedup_key", "Its key, or null."},
    {"show", "webhook.created_at", "When it was enqueued."},
    {"show", "webhook.deliver_at", "Before when it may not be sent, or null."},
    {"show", "webhook.expires_at", "When it is given up, or null."},
    {"show", "webhook.payload_bytes", "The payload's size."},
    {"show", "webhook.payload", "The payload, when it is text in UTF-8."},
    {"show", "webhook.payload_base64", "Else in base64."},
    {"show", "endpoint", "Null when it is gone; else its object:"},
    {"show", "endpoint.id", "Its id."},
    {"show", "endpoint.name", "Its name, or null."},
    {"show", "endpoint.url", "Its URL."},
    {"show", "endpoint.enabled", "Whether it is."},
    {"show", "endpoint.disabled_reason", "Why it is not, or null."},
    {"show", "endpoint.disabled_at", "Since when it is not, or null."},
    {"show", "endpoint.ordered", "Whether its deliveries go one after the other."},
    {"show", "endpoint.held_up", "What a running outhookd says holds it up, in words, or null."},
    {"show", "attempts[].number", "Which attempt it was; the count goes on over replays."},
    {"show", "attempts[].verdict",
     "delivered, or what came of it: see attempts in outhook-sql(7)."},
    {"show", "attempts[].phase", "How far the call came: see attempts in outhook-sql(7)."},
    {"show", "attempts[].started_at", "When it began."},
    {"show", "attempts[].duration_ms", "How long it took."},
    {"show", "attempts[].status_code", "The HTTP status of the answer, or null."},
    {"show", "attempts[].error", "What was wrong, or null."},
    {"show", "attempts[].remote_address", "The address that was called, or null."},
    {"show", "attempts[].response_headers", "The answer's headers, or null."},
    {"show", "attempts[].response_body", "What was kept of the answer, or null."},
    {"show", "attempts[].response_body_base64", "The same when it is no text in UTF-8."},

    {"status", "database", "The database file, as it was named."},
    {"status", "schema_version", "Of the database."},
    {"status", "database_bytes", "The file's size."},
    {"status", "wal_bytes", "The size of the write-ahead log beside it."},
    GLANCE_FIELDS("status"),
    {"status", "deliveries.*", "How many have that status."},
    {"status", "webhooks_without_delivery",
     "Among the newest 100000 webhooks, those that no endpoint wanted."},
    {"status", "endpoints_enabled", "Endpoints that are enabled."},
    {"status", "endpoints_disabled", "Endpoints that are not."},
    {"status", "held[].endpoint_id", "An endpoint that is held up while something waits for it."},
    {"status", "held[].endpoint", "Its name, or else its URL."},
    {"status", "held[].gate", "What holds it up, in a word: see queue in outhook-sql(7)."},
    {"status", "held[].until_at", "Until when, or null."},
    {"status", "held[].in_flight", "Its calls under way."},
    {"status", "held[].max_in_flight", "How many it may have."},
    {"status", "held[].pending_up_to_10001", "Its pending deliveries; 10001: or more."},
    {"status", "held[].oldest_due_created_at",
     "When the one of them that is due first was enqueued."},

    {"top", "at", "When it looked."},
    {"top", "interval_ms", "How long after the time before."},
    {"top", "delivered", "Attempts since then that delivered."},
    {"top", "failed", "Attempts since then that did not."},
    {"top", "enqueued", "Webhooks inserted since then."},
    GLANCE_FIELDS("top"),
    {"top", "endpoints[].endpoint_id", "An endpoint called in the last ten looks, or held up."},
    {"top", "endpoints[].endpoint", "Its name, or else its URL; null when it is gone."},
    {"top", "endpoints[].delivered", "Its attempts that delivered, since the look before."},
    {"top", "endpoints[].failed", "Its attempts that did not."},
    {"top", "endpoints[].duration_ms", "How long these took, together."},
    {"top", "endpoints[].longest_ms", "How long the longest took."},
    {"top", "endpoints[].pending_up_to_10001", "Its pending deliveries; 10001: or more."},
    {"top", "endpoints[].oldest_due_created_at",
     "When the one of them that is due first was enqueued, or null."},
    {"top", "endpoints[].held_up", "What holds it up, in words, or null."},
    {"top", "endpoints[].last_error", "What was wrong with the last attempt that failed, or null."},

    {"shape", "endpoint", "Its name, or else its URL; null in the first object, for all."},
    {"shape", "endpoint_id", "Its id; null in the first object."},
    {"shape", "total", "Its deliveries with that status."},
    {"shape", "ages[].minutes", "How old at most those counted here are; null: older."},
    {"shape", "ages[].count", "How many are, and older than those counted before."},

    {"tail", "id", "The attempt's id."},
    {"tail", "delivery_id", "Its delivery's id."},
    {"tail", "webhook_id", "Its webhook's id."},
    {"tail", "number", "Which attempt of the delivery it was."},
    {"tail", "endpoint", "The endpoint's name, or else its URL; null when it is gone."},
    {"tail", "type", "The webhook's type, or null."},
    {"tail", "verdict", "delivered, or what came of it."},
    {"tail", "status_code", "The HTTP status of the answer, or null."},
    {"tail", "started_at", "When it began."},
    {"tail", "duration_ms", "How long it took."},
    {"tail", "remote_address", "The address that was called, or null."},
    {"tail", "error", "What was wrong, or null."},

    {"endpoint list", "id", "The endpoint's id."},
    {"endpoint list", "name", "Its name, or null."},
    {"endpoint list", "url", "Its URL."},
    HEALTH_FIELDS("endpoint list"),

    {"endpoint show", "id", "The endpoint's id."},
    {"endpoint show", "name", "Its name, or null."},
    {"endpoint show", "*",
     "Each setting: a column of endpoints in outhook-sql(7); null: the default."},
    {"endpoint show", "headers.*", "A header's value by its name."},
    {"endpoint show", "created_at", "When it was made."},
    HEALTH_FIELDS("endpoint show"),
    {"endpoint show", "subscriptions[]", "The patterns of the types that it wants."},
    {"endpoint show", "secrets[].secret", "With --secret alone."},
    {"endpoint show", "secrets[].sealed", "Whether it is sealed in the database."},
    {"endpoint show", "secrets[].created_at", "When it was made."},
    {"endpoint show", "secrets[].expires_at", "Until when it signs, or null."},

    {"endpoint add", "id", "The new endpoint's id."},
    {"endpoint add", "name", "Its name."},
    {"endpoint add", "secret", "Its secret, or null when it has none."},

    {"endpoint rotate-secret", "name", "The endpoint's name."},
    {"endpoint rotate-secret", "secret", "The new secret."},
    {"endpoint rotate-secret", "earlier_secrets_expire_at", "Until when the earlier ones sign."},

    {"endpoint test", "delivery_id", "The ping's delivery."},
    {"endpoint test", "uid", "The ping's uid, sent as webhook-id."},
    {"endpoint test", "verdict", "delivered, or what came of it."},
    {"endpoint test", "status_code", "The HTTP status of the answer, or null."},
    {"endpoint test", "duration_ms", "How long it took."},
    {"endpoint test", "remote_address", "The address that was called, or null."},
    {"endpoint test", "error", "What was wrong, or null."},

    {"listen", "listening_on", "In the first object, alone: the URL."},
    {"listen", "received_at", "When the request came."},
    {"listen", "method", "Its method."},
    {"listen", "path", "Its path, with the query."},
    {"listen", "headers.*", "A header's value by its name, in small letters."},
    {"listen", "body_bytes", "The size of its body."},
    {"listen", "body", "The body, when it is text in UTF-8."},
    {"listen", "body_base64", "Else in base64."},
    {"listen", "status", "The status of the answer; null when there was none."},

    {"verify", "valid", "Whether the signature is right."},
    {"verify", "fresh", "Whether it is right, and not too old."},
    {"verify", "reason", "What is wrong, or null."},

    {"backup", "file", "The copy."},
    {"backup", "bytes", "Its size."},

    {"check", "level", "ok, note, warning or error."},
    {"check", "subject", "What was looked at."},
    {"check", "text", "What was found, and what to do."},

    {"bench", "inserted", "Webhooks that were inserted."},
    {"bench", "insert_us", "How long that took, in microseconds."},
    {"bench", "first_webhook_id", "The first one's id, or null."},
    {"bench", "last_webhook_id", "The last one's id, or null."},
    {"bench", "delivered", "With --wait: those that were delivered."},
    {"bench", "failed", "With --wait: those that failed, expired or were cancelled."},
    {"bench", "pending", "With --wait: those that were not yet, when it was interrupted."},
    {"bench", "delivery_ms", "With --wait: from the first INSERT to the last outcome."},
    {"bench", "median_ms", "With --wait: from an INSERT to its outcome, half of them."},
    {"bench", "p99_ms", "With --wait: the same, 99 of 100."},
    {"bench", "longest_ms", "With --wait: the same, the longest."},

    {0},
};
