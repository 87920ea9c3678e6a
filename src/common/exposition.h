/* SPDX-License-Identifier: ISC */
/*
 * Metrics as Prometheus reads them: its text format, version 0.0.4, from the
 * families of the control command "metrics" (poolctl(1)).
 */
#ifndef COMMON_EXPOSITION_H
#define COMMON_EXPOSITION_H

#include <stddef.h>

struct json_t;

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * The text of a list of families, each an object with name, type, help and
 * samples; a sample has labels, an object of texts, and a value, or when the
 * type is histogram buckets (pairs of an upper bound and a cumulative count),
 * sum and count.  What is not of that form is left out.  Returns the text,
 * which the caller frees, with a NUL behind it that *len does not count; NULL
 * when there is no memory.
 */
char *exposition_text(const struct json_t *families, size_t *len);

#endif
