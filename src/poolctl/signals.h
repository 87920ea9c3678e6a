/* SPDX-License-Identifier: ISC */
/* Signals that are read, in place of being caught. */
#ifndef POOLCTL_SIGNALS_H
#define POOLCTL_SIGNALS_H

#include <stddef.h>

/* Blocks count of them, and returns a signalfd(2) that does not block, which is the
 * caller's; -1 with errno. */
int signals_open(const int *signals, size_t count);

#endif
