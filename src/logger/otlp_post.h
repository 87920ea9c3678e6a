/* SPDX-License-Identifier: ISC */
/* One message to a collector, by HTTP. */
#ifndef LOGGER_OTLP_POST_H
#define LOGGER_OTLP_POST_H

#include <stddef.h>

#include "common/endpoint.h"

/*
 * Sends text as a POST of JSON, and waits for the answer: for two seconds at
 * most, so it is for a thread that may wait.  Returns 0 when the collector has
 * taken it (2xx); else an errno, EPROTO for another answer.
 */
int otlp_post(const struct endpoint *endpoint, const char *text, size_t len);

#endif
