/* SPDX-License-Identifier: ISC */
/* The logger as the rest of the program sees it. */
#ifndef LOGGER_MAIN_H
#define LOGGER_MAIN_H

/* The whole life of the process; fd LOGGER_FD_CHANNEL (common/logger.h) leads
 * to the supervisor.  Returns an exit status. */
int logger_main(void);

#endif
