#include "outhook/cli/argument.h"

#include "outhook/store/selection.h"

#include <stdbool.h>
#include <string.h>

#define STATUS_WORD(name, word) word " "
#define SETTING_WORDS                                                                              \
    "url= description= signing= header= timeout= connect_timeout= max_attempts= retry_schedule= "  \
    "max_in_flight= rate_limit= rate_burst= ordered= tls_ca_file= tls_cert_file= tls_key_file= "   \
    "tls_insecure="

const struct argument arguments[] = {
    {"DURATION", ARGUMENT_TEXT, NULL,
     "A number and a unit, ms, s, m, h or d: 250ms, 30s, 5m, 12h, 7d."},
    {"ENDPOINT", ARGUMENT_ENDPOINT, NULL,
     "An endpoint's name; or, of one that was made by a webhook to a bare URL, that URL."},
    {"ERROR", ARGUMENT_TEXT, NULL,
     "How the last attempt ended: a status code (503), a class of them (5xx), a part of the "
     "error's "
     "text, or a pattern with * and ? for all of it."},
    {"FILE", ARGUMENT_FILE, NULL, NULL},
    {"FORMAT", ARGUMENT_WORDS, "standard github stripe shopify none", NULL},
    {"ID", ARGUMENT_TEXT, NULL,
     "A delivery's id, as outhook list shows it. Verbs that act on many also take ranges, 10-20, "
     "and "
     "a - for ids on the standard input."},
    {"METHOD", ARGUMENT_WORDS, "POST PUT PATCH DELETE", NULL},
    {"PATH", ARGUMENT_FILE, NULL, NULL},
    {"PATTERN", ARGUMENT_TEXT, NULL,
     "A pattern of SQLite's GLOB: * stands for anything, ? for one character, [abc] for one of "
     "them."},
    {"SETTING=VALUE", ARGUMENT_WORDS, SETTING_WORDS,
     "An endpoint's setting; nothing behind the = stands for the configured default."},
    {"SHELL", ARGUMENT_WORDS, "bash zsh", NULL},
    {"STATUS", ARGUMENT_WORDS, SELECTION_STATUSES(STATUS_WORD), NULL},
    {"STATUS,…", ARGUMENT_LIST, SELECTION_STATUSES(STATUS_WORD), NULL},
    {"RATE", ARGUMENT_TEXT, NULL, "So many a second, such as 100 or 0.5."},
    {"WHEN", ARGUMENT_TEXT, NULL,
     "So long ago, such as 30m, 12h or 7d; or a time in UTC, such as 2026-05-01, 2026-05-01T12:30 "
     "or, "
     "with an offset, 2026-05-01T14:30+02:00."},
    {"VERB", ARGUMENT_VERB, NULL, NULL},
    {0},
};

const struct argument *argument_find(const char *name, size_t length) {
    static const struct argument text = {0};
    for (const struct argument *row = arguments; row->name; row++)
        if (strlen(row->name) == length && !memcmp(row->name, name, length))
            return row;
    return &text;
}

static bool is_decoration(const char *word, size_t length) {
    static const char ellipsis[] = "…";
    return length == strlen(ellipsis) && !memcmp(word, ellipsis, length);
}

const char *argument_next(const char **text, size_t *length) {
    while (*text) {
        *text += strspn(*text, " []");
        *length = strcspn(*text, " []");
        if (!*length)
            return NULL;
        const char *word = *text;
        *text += *length;
        if (!is_decoration(word, *length))
            return word;
    }
    return NULL;
}
