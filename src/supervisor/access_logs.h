/* SPDX-License-Identifier: ISC */
/*
 * The access logs as the supervisor sees them: what the configuration names is
 * opened once each, and the router gets descriptors and rules (common/roles.h).
 */
#ifndef SUPERVISOR_ACCESS_LOGS_H
#define SUPERVISOR_ACCESS_LOGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct config;
struct link;
struct supervisor;

/* Where some access log goes. */
struct access_target {
	char *text; /* as in the configuration, but not "off" */
	uint32_t id;
	int fd;
	TAILQ_ENTRY(access_target) entry;
};
TAILQ_HEAD(access_target_list, access_target);

struct access_targets {
	struct access_target_list list;
	uint32_t last_id;
};

void access_targets_init(struct access_targets *targets);
/*
 * Opens what config names, anew.  Returns NULL and *fresh, whose ids are those
 * that the supervisor's targets have for the same text; or why it cannot be done (the caller
 * frees it).
 */
char *access_targets_open(struct supervisor *supervisor, const struct config *config,
    struct access_targets *fresh);
/* Whether all that config names is open. */
bool access_targets_named(const struct access_targets *targets,
    const struct config *config);
/* Closes all. */
void access_targets_close(struct access_targets *targets);

/* Tells the router where the targets lead, and the rules of the configuration
 * in force, before a COMMIT. */
void access_targets_tell(struct link *link);
void access_rules_tell(struct link *link);
/* The id of the target that trace_export is; 0: none. */
uint32_t access_targets_spans(const struct link *link);

#endif
