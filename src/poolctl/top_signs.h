/* SPDX-License-Identifier: ISC */
/* Signs of poolctl top: a square for each worker, and a line of bars over time. */
#ifndef POOLCTL_TOP_SIGNS_H
#define POOLCTL_TOP_SIGNS_H

#include <jansson.h>
#include <stdbool.h>

#include "poolctl/top_ink.h"
#include "poolctl/top_model.h"

/* Of a service's state. */
enum top_ink top_signs_colour(const char *state);
/* One worker, as it is in a reply to status; utf8: the terminal knows more than
 * ASCII.  Full: busy; empty: waits; the shape alone tells it, too. */
void top_signs_worker(bool utf8, const json_t *worker);
/* All of a service, in the order of their slots; where there is no room for all,
 * the most urgent, and "+12" for the rest.  Fills width columns. */
void top_signs_workers(bool utf8, const struct top_service *service, int width);
/* Its samples, the last one on the right.  Fills width columns. */
void top_signs_history(bool utf8, const struct top_service *service, int width);

#endif
