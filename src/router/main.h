/* SPDX-License-Identifier: ISC */
/* The router as the rest of the program sees it. */
#ifndef ROUTER_MAIN_H
#define ROUTER_MAIN_H

/* The whole life of the process; fd ROLE_FD_CHANNEL (common/roles.h) leads to
 * the supervisor.  Returns an exit status. */
int router_main(void);

#endif
