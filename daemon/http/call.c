#include "outhook/http/call.h"

#include "outhook/base/memory.h"
#include "outhook/delivery/endpoint.h"

#include <stdlib.h>
#include <string.h>

struct http_policy *http_policy_new(void) {
    struct http_policy *policy = new (struct http_policy);
    policy->references = 1;
    return policy;
}

struct http_policy *http_policy_ref(struct http_policy *policy) {
    policy->references++;
    return policy;
}

void http_policy_unref(struct http_policy *policy) {
    if (!policy || --policy->references > 0)
        return;
    if (policy->default_secret)
        explicit_bzero(policy->default_secret, strlen(policy->default_secret));
    free(policy->default_secret);
    free(policy->ca_file);
    proxy_free(policy->proxy);
    networks_free(&policy->addresses.allow);
    networks_free(&policy->addresses.deny);
    free(policy);
}

int64_t http_call_connect_timeout_ms(const struct http_call *call) {
    return call->endpoint->connect_timeout_ms ? call->endpoint->connect_timeout_ms
                                              : call->policy->connect_timeout_ms;
}

int64_t http_call_timeout_ms(const struct http_call *call) {
    return call->endpoint->timeout_ms ? call->endpoint->timeout_ms : call->policy->timeout_ms;
}

void http_call_free(struct http_call *call) {
    outcome_free(&call->outcome);
    free(call->addresses);
    http_policy_unref(call->policy);
    free(call);
}
