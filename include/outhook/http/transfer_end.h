#ifndef OUTHOOK_HTTP_TRANSFER_END_H
#define OUTHOOK_HTTP_TRANSFER_END_H

/*
 * How a transfer's end is judged: libcurl's result, the phase that was reached and the status
 * become a verdict and a sentence.
 */

#include "outhook/delivery/outcome.h"

#include <curl/curl.h>

struct transfer;

/* Fills verdict, status, times, address, Retry-After and error; not the kept answer. */
void transfer_judge(const struct transfer *transfer, CURLcode code, struct outcome *outcome);

#endif
