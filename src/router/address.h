/* SPDX-License-Identifier: ISC */
/* How many connections each client address has: max_connections_per_address. */
#ifndef ROUTER_ADDRESS_H
#define ROUTER_ADDRESS_H

#include <stdint.h>
#include <sys/tree.h>

#include "common/lease.h"

/* Who counts as one client: an IPv4 address, or the first 64 bits of an IPv6
 * address, which one customer has all of. */
struct address_count {
	RB_ENTRY(address_count) entry;
	uint8_t key[9]; /* family, then 8 bytes */
	uint32_t count;
};
RB_HEAD(address_counts, address_count);

/* One connection more from addr.  Returns its count, to be given back with
 * address_leave; NULL when there are max already, or no memory. */
struct address_count *address_enter(struct address_counts *counts,
    const struct lease_addr *addr, uint32_t max);
/* One less; NULL is fine. */
void address_leave(struct address_counts *counts, struct address_count *count);

#endif
