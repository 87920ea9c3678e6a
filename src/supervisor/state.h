/* SPDX-License-Identifier: ISC */
/*
 * The supervisor's state as text, for the version of poold that goes on in its
 * place (upgrade.h): records (common/record.h) of the supervisor, its listeners,
 * services, pools and workers, with the numbers of their descriptors.
 *
 * [state], [supervisor], [log_dest] ..., [log_source] ..., [listener] ...,
 * [inherited] ..., then for each service [service], its
 * [pool]s, each with its [worker]s, then [event]s, and [end].  Sections that are not known are
 * skipped.  STATE_FORMAT changes only when a reader of the old format could
 * not make sense of the new one; for all else there are the rules of records.
 */
#ifndef SUPERVISOR_STATE_H
#define SUPERVISOR_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

struct supervisor;

#ifndef STATE_FORMAT   /* tests build another */
#define STATE_FORMAT 2 /* 1: there was no logger; it can be read */
#endif

/* What stands in [state]: what no struct of the supervisor has. */
struct state_head {
	uint32_t format;
	char *version; /* of the poold that wrote it */
	char *config;  /* in force, as config_dump writes it */
	int log_fd;
	int pid_fd;	   /* of the pid file, locked */
	uint64_t fd_limit; /* RLIMIT_NOFILE that children get */
	int router_pid;	   /* that serves; 0: none */
	int router_channel;
	int logger_pid; /* 0: none */
	int logger_channel;
};

/* What stands in [pool] beside the pool's own members. */
struct state_pool {
	char *config; /* that it is of, if not of the one in force */
	char *files;  /* the part of its fingerprint that is about files */
	char *groups; /* of its account, numbers */
	bool current; /* it serves */
};

/* [event]: one that was kept. */
struct state_event {
	uint64_t id;
	char *text; /* with its end */
};

extern const struct record_table state_head_table;
extern const struct record_table state_supervisor_table;
extern const struct record_table state_listener_table;
extern const struct record_table state_inherited_table;
extern const struct record_table state_log_dest_table;
extern const struct record_table state_log_source_table;
extern const struct record_table state_access_table;
extern const struct record_table state_service_table;
extern const struct record_table state_pool_table;
extern const struct record_table state_pool_more_table;
extern const struct record_table state_event_table;
extern const struct record_table state_oneoff_table;
extern const struct record_table state_slot_table;
extern const struct record_table state_worker_table;

/* Writes the state; writer->fds are the descriptors that must go along.
 * Returns whether there was memory for it. */
bool state_save(struct supervisor *supervisor, struct record_writer *writer);

/*
 * Reads text (which is changed) into a supervisor as supervisor_new makes it.
 * No descriptor is touched: it may be a dry run.  Returns NULL, or why it cannot
 * be done, which the caller frees; the supervisor is then good for nothing.
 * fds becomes the list of descriptors that were named; the caller frees it.
 */
char *state_load(struct supervisor *supervisor, char *text, size_t len,
    struct state_head *head, struct record_fds *fds);
void state_head_free(struct state_head *head);

/* After state_load and with the loop open: takes the descriptors, maps, watches
 * and sets the timers of all that was loaded.  Returns false when that cannot be
 * (said in the log). */
bool state_adopt(struct supervisor *supervisor, const struct record_fds *fds);

#endif
