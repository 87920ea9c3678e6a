/* SPDX-License-Identifier: ISC */
/*
 * What a LEASE message must be before anything in it is used.  Looks at the
 * message alone: no state, no system call.
 */
#ifndef LIBPOOLD_LEASE_CHECK_H
#define LIBPOOLD_LEASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/lease.h"

/*
 * Whether the message's lengths and offsets agree with its len bytes.  Then
 * the parts below lie within it, each span within the first head_len bytes of
 * a head, and a byte of the head follows each span that is not empty.
 */
bool lease_check_valid(const struct lease_msg *msg, size_t len);

/* The parts behind the header of a valid message. */
const struct lease_field *lease_check_fields(const struct lease_msg *msg);
const char *lease_check_path(const struct lease_msg *msg);

#endif
