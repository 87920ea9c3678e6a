/* SPDX-License-Identifier: ISC */
/*
 * The phases of a worker's own work on a request, as it names them: what they
 * are called, and how long they took.  They travel behind DONE (common/lease.h).
 */
#ifndef COMMON_PHASES_H
#define COMMON_PHASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/lease.h"

struct phase {
	char name[LEASE_PHASE_NAME_MAX + 1]; /* a token */
	uint32_t us;
};

struct phases {
	uint32_t count;
	struct phase list[LEASE_PHASES_MAX];
};

/* Whether name is a token of at most LEASE_PHASE_NAME_MAX bytes. */
bool phases_name_valid(const char *name);

/* Adds us to the phase of this name, which is made if there is none.  Returns
 * false when there are LEASE_PHASES_MAX others. */
bool phases_add(struct phases *phases, const char *name, uint64_t us);

/* Writes them as they stand behind DONE; returns the length. */
size_t phases_format(const struct phases *phases, char text[LEASE_PHASES_SIZE]);

/* Reads what a worker wrote.  Returns false, and leaves none, when it is not
 * exactly what phases_format could have written. */
bool phases_parse(struct phases *phases, const char *text, size_t len);

#endif
