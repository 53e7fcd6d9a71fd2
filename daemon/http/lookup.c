#include "outhook/http/lookup.h"

#include "outhook/base/buffer.h"
#include "outhook/base/memory.h"
#include "outhook/runtime/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Enough for the modules that nsswitch.conf may name, and a tenth of the usual. */
enum { LOOKUP_STACK_BYTES = 1 << 20 };

/* Shared by the owner and the lookups' threads; the last one frees. */
struct lookups {
    void (*look)(struct lookup *lookup);
    pthread_mutex_t lock; /* for both below, and so that no wake-up outlives lookups_abandon() */
    int references;
    bool abandoned;
    struct channel *ended;
};

/* ---- one lookup ------------------------------------------------------------------------------ */

static struct lookup *lookup_new(struct lookups *lookups, const char *host, void *asker) {
    struct lookup *lookup = new (struct lookup);
    lookup->host = memory_copy_string(host);
    lookup->asker = asker;
    lookup->owner = lookups;
    return lookup;
}

void lookup_free(struct lookup *lookup) {
    free(lookup->host);
    free(lookup->addresses);
    free(lookup->error);
    free(lookup);
}

static const void *address_bytes(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

static void addresses_append(struct buffer *text, const struct sockaddr *address) {
    char one[INET6_ADDRSTRLEN];
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
        return;
    if (inet_ntop(address->sa_family, address_bytes(address), one, sizeof one))
        buffer_print(text, "%s%s", text->length ? "," : "", one);
}

void lookup_by_system(struct lookup *lookup) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct buffer text = {0};
    int code = getaddrinfo(lookup->host, NULL, &hints, &found);
    int count = 0;
    for (const struct addrinfo *one = found; one && count < LOOKUP_ADDRESSES_MAX;
         one = one->ai_next, count++)
        addresses_append(&text, one->ai_addr);
    if (found)
        freeaddrinfo(found);
    if (text.length) {
        lookup->addresses = text.data;
        return;
    }
    buffer_free(&text);
    lookup->lasting = !code || code == EAI_NONAME || code == EAI_NODATA || code == EAI_ADDRFAMILY;
    lookup->error = memory_copy_string(!code                ? "it has no address"
                                       : code == EAI_SYSTEM ? strerrordesc_np(errno)
                                                            : gai_strerror(code));
}

/* ---- their threads --------------------------------------------------------------------------- */

/* With the lock held, which is given back. */
static void lookups_unref(struct lookups *lookups) {
    bool last = --lookups->references == 0;
    pthread_mutex_unlock(&lookups->lock);
    if (!last)
        return;
    channel_free(lookups->ended);
    pthread_mutex_destroy(&lookups->lock);
    free(lookups);
}

static void *lookup_thread(void *argument) {
    struct lookup *lookup = argument;
    struct lookups *lookups = lookup->owner;
    pthread_setname_np(pthread_self(), "lookup");
    lookups->look(lookup);

    pthread_mutex_lock(&lookups->lock);
    if (lookups->abandoned || channel_send(lookups->ended, lookup) != CHANNEL_SENT)
        lookup_free(lookup);
    lookups_unref(lookups);
    return NULL;
}

/* Signals are for the loop's thread only, so lookups inherit a mask that blocks them all. */
static int lookup_start_thread(struct lookup *lookup) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, LOOKUP_STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&thread, &attributes, lookup_thread, lookup);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return code;
}

int lookups_start(struct lookups *lookups, const char *host, void *asker, struct error *error) {
    struct lookup *lookup = lookup_new(lookups, host, asker);
    pthread_mutex_lock(&lookups->lock);
    lookups->references++;
    pthread_mutex_unlock(&lookups->lock);
    int code = lookup_start_thread(lookup);
    if (!code)
        return 0;
    lookup_free(lookup);
    pthread_mutex_lock(&lookups->lock);
    lookups_unref(lookups);
    return error_set(error, ERROR_FAILED, "no thread can be started for it: %s", strerror(code));
}

/* ---- the owner's side ------------------------------------------------------------------------ */

struct lookups *lookups_new(int most, void (*look)(struct lookup *lookup),
                            void (*wake)(void *context), void *context) {
    struct lookups *lookups = new (struct lookups);
    pthread_mutex_init(&lookups->lock, NULL);
    lookups->look = look;
    lookups->references = 1;
    lookups->ended = channel_new((size_t)most, wake, context);
    return lookups;
}

struct lookup *lookups_receive(struct lookups *lookups) {
    void *message = NULL;
    return channel_receive(lookups->ended, &message, 1) ? message : NULL;
}

void lookups_abandon(struct lookups *lookups) {
    struct lookup *lookup;
    if (!lookups)
        return;
    pthread_mutex_lock(&lookups->lock);
    lookups->abandoned = true;
    while ((lookup = lookups_receive(lookups)))
        lookup_free(lookup);
    lookups_unref(lookups);
}
