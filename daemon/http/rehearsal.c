#include "outhook/http/rehearsal.h"

#include "outhook/base/clock.h"
#include "outhook/base/memory.h"
#include "outhook/delivery/delivery.h"
#include "outhook/delivery/endpoint.h"
#include "outhook/http/call.h"
#include "outhook/http/target.h"

#include <stdlib.h>
#include <string.h>

/* Of no value to anybody: what it signs is never sent. */
static const char secret[] = "whsec_cmVoZWFyc2FsLW9mLWEtd2ViaG9vay1zZWNyZXQ=";
static const char payload[] = "{\"rehearsal\":true}";

struct rehearsal {
    struct http_call call;
    struct endpoint *endpoint;
};

static struct endpoint *rehearsal_endpoint(void) {
    struct endpoint *endpoint = endpoint_new();
    endpoint->url = memory_copy_string("http://localhost/");
    endpoint->secrets = new (struct endpoint_secret);
    endpoint->secret_count = 1;
    endpoint->secrets[0].secret = memory_copy_string(secret);
    endpoint->secrets[0].expires_at = CLOCK_NEVER;
    endpoint->secrets[0].keyed =
        signature_prepare(endpoint->signing, secret, &endpoint->secrets[0].key);
    return endpoint;
}

static struct delivery *rehearsal_delivery(void) {
    struct delivery *delivery = delivery_new(0);
    delivery->uid = "msg_rehearsal";
    delivery->type = "outhook.rehearsal";
    delivery->method = "POST";
    delivery->content_type = "application/json";
    delivery->payload_bytes = sizeof payload - 1;
    delivery->payload = memory_new(sizeof payload, 1);
    memcpy(delivery->payload, payload, sizeof payload);
    return delivery;
}

struct rehearsal *rehearsal_new(void) {
    struct rehearsal *rehearsal = new (struct rehearsal);
    rehearsal->endpoint = rehearsal_endpoint();
    rehearsal->call.delivery = rehearsal_delivery();
    rehearsal->call.endpoint = rehearsal->endpoint;
    rehearsal->call.policy = http_policy_new();
    rehearsal->call.policy->timeout_ms = rehearsal->call.policy->connect_timeout_ms = 1000;
    rehearsal->call.target = target_of(rehearsal->endpoint, NULL);
    return rehearsal;
}

void rehearsal_free(struct rehearsal *rehearsal) {
    if (!rehearsal)
        return;
    delivery_free(rehearsal->call.delivery);
    outcome_free(&rehearsal->call.outcome);
    http_policy_unref(rehearsal->call.policy);
    endpoint_unref(rehearsal->endpoint);
    free(rehearsal);
}

struct http_call *rehearsal_call(struct rehearsal *rehearsal) {
    outcome_free(&rehearsal->call.outcome); /* why it could not be set up the last time */
    rehearsal->call.outcome.started_at = clock_now().wall_ms;
    return &rehearsal->call;
}
