/* SPDX-License-Identifier: ISC */
/* What workers say: the DONE of each lease.  Who sends one for a lease that does not
 * exist is reported to the supervisor, once. */
#ifndef ROUTER_GENERATION_DONE_H
#define ROUTER_GENERATION_DONE_H

#include <stdint.h>

struct generation;

/* For the loop: owner is the generation, whose DONE socket has something to read. */
void generation_done_read(void *owner, uint32_t events);
/* Everything that workers said before they died. */
void generation_done_drain(struct generation *generation);

#endif
