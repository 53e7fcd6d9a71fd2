/* Secrets. The input: a byte for the format, then the secret; after a line break, the webhook's
 * uid.
 *
 * - A secret that is found good signs, and one that is not doesn't.
 * - What is appended are whole header lines, the same again for the same secret, twice for two; and
 *   nothing when it fails. */

#include "fuzz.h"

#include "outhook/delivery/header.h"
#include "outhook/delivery/signature.h"

enum { FORMATS = SIGNING_NONE + 1 };

static void judge_lines(const struct buffer *lines) {
    const char *line = buffer_text(lines);
    while (*line) {
        size_t length = strcspn(line, "\n"), name = strcspn(line, ":");
        fuzz_require(line[length] == '\n' && name < length && line[name + 1] == ' ');
        fuzz_require(header_name_valid(line, name) && header_is_ours(line, name));
        fuzz_require(header_value_valid(line + name, length - name));
        line += length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    enum signing format = (enum signing)(data[0] % FORMATS);
    char *text = fuzz_text(data + 1, size - 1), *rest = text;
    const char *secret = fuzz_line(&rest), *uid = rest ? rest : "msg_1";
    const char *const secrets[] = {secret, secret};
    const struct signature_input input = {
        .uid = uid, .type = "a.b", .timestamp_s = 1700000000, .body = "{}", .body_bytes = 2};
    struct buffer one = {0}, again = {0}, two = {0};
    struct error error = {0};

    bool good = signature_secret_check(format, secret, &error) == 0;
    if (!good)
        fuzz_require(error.kind == ERROR_USAGE && *error.text &&
                     (strlen(secret) < 20 || !strstr(error.text, secret)));
    int r = signature_append(&one, format, secrets, 1, &input, &error);
    if (r)
        fuzz_require(one.length == 0);
    else
        judge_lines(&one);
    if (!good && format != SIGNING_NONE)
        fuzz_require(r);
    if (good && header_value_valid(uid, strlen(uid)) && !strchr(uid, '.') && *uid)
        fuzz_require(r == 0);
    fuzz_require(signature_append(&again, format, secrets, 1, &input, &error) == r);
    fuzz_require(again.length == one.length && !strcmp(buffer_text(&again), buffer_text(&one)));
    fuzz_require(signature_append(&two, format, secrets, 2, &input, &error) == r);
    fuzz_require(two.length >= one.length);
    buffer_free(&one);
    buffer_free(&again);
    buffer_free(&two);
    free(text);
    return 0;
}
