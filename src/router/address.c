/* SPDX-License-Identifier: ISC */
#include "router/address.h"

#include <stdlib.h>
#include <string.h>

static int
compare(const struct address_count *a, const struct address_count *b)
{
	return memcmp(a->key, b->key, sizeof(a->key));
}

RB_PROTOTYPE(address_counts, address_count, entry, compare)
RB_GENERATE(address_counts, address_count, entry, compare)

static void
fill_key(uint8_t key[9], const struct lease_addr *addr)
{
	memset(key, 0, 9);
	key[0] = (uint8_t)addr->family;
	memcpy(key + 1, addr->addr, addr->family == LEASE_FAMILY_INET ? 4 : 8);
}

struct address_count *
address_enter(struct address_counts *counts, const struct lease_addr *addr, uint32_t max)
{
	struct address_count wanted, *count;

	fill_key(wanted.key, addr);
	count = RB_FIND(address_counts, counts, &wanted);
	if (count == NULL) {
		count = calloc(1, sizeof(*count));
		if (count == NULL)
			return NULL;
		memcpy(count->key, wanted.key, sizeof(count->key));
		RB_INSERT(address_counts, counts, count);
	}
	if (count->count >= max)
		return NULL;
	count->count++;
	return count;
}

void
address_leave(struct address_counts *counts, struct address_count *count)
{
	if (count == NULL || --count->count > 0)
		return;
	RB_REMOVE(address_counts, counts, count);
	free(count);
}
