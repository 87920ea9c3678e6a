/* SPDX-License-Identifier: ISC */
/* The list of services in poolctl top, and of their workers. */
#ifndef POOLCTL_TOP_LIST_H
#define POOLCTL_TOP_LIST_H

#include "poolctl/top.h"

/* Draws it from line y of the screen to the last but one, with the cursor among what
 * is shown: sets first and page. */
void top_list_draw(struct top *top, int y);

#endif
