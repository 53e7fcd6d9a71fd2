#include "outhook/delivery/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The digits before the padding; SIZE_MAX when something else stands among or behind them. */
static size_t count_digits(const char *text, size_t text_length) {
    size_t digits = 0;
    while (digits < text_length && text[digits] && strchr(alphabet, text[digits]))
        digits++;
    size_t padding = (4 - digits % 4) % 4, given = 0;
    while (digits + given < text_length && text[digits + given] == '=')
        given++;
    bool whole = digits + given == text_length && (!given || given == padding) && padding != 3;
    return whole ? digits : (size_t)-1;
}

/* The last group alone, padded; its decoded bytes are 1 to 3. */
static bool decode_tail(const char *text, size_t digits, unsigned char bytes[3]) {
    char padded[] = "====";
    memcpy(padded, text, digits);
    bool good = EVP_DecodeBlock(bytes, (const unsigned char *)padded, 4) == 3;
    OPENSSL_cleanse(padded, sizeof padded);
    return good;
}

bool base64_decode(const char *text, size_t text_length, unsigned char *bytes, size_t capacity,
                   size_t *length) {
    size_t digits = count_digits(text, text_length);
    if (digits == (size_t)-1)
        return false;
    size_t whole = digits / 4 * 4, tail = digits % 4;
    *length = whole / 4 * 3 + (tail ? tail - 1 : 0);
    if (*length > capacity)
        return false;
    if (whole && EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)whole) < 0)
        return false;
    unsigned char last[3];
    if (!tail)
        return true;
    bool good = decode_tail(text + whole, tail, last);
    if (good)
        memcpy(bytes + whole / 4 * 3, last, tail - 1);
    OPENSSL_cleanse(last, sizeof last);
    return good;
}

void base64_encode(const unsigned char *bytes, size_t length, char *text) {
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
}
