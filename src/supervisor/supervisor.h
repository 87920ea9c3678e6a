/* SPDX-License-Identifier: ISC */
/*
 * The supervisor: binds, starts, reaps, reloads, decides.  One thread, one
 * event loop; it parses nothing that a client sent, and never waits for a
 * child.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/loop.h"
#include "supervisor/cgroup.h"
#include "supervisor/config.h"
#include "supervisor/control.h"
#include "supervisor/event.h"
#include "supervisor/figures.h"
#include "supervisor/inherited.h"
#include "supervisor/link.h"
#include "supervisor/listener.h"
#include "supervisor/logger_link.h"
#include "supervisor/logs.h"
#include "supervisor/notify.h"
#include "supervisor/oneoff.h"
#include "supervisor/plan.h"
#include "supervisor/service.h"
#include "supervisor/slow_ring.h"
#include "supervisor/systemd.h"
#include "supervisor/upgrade.h"

struct reload;

enum supervisor_phase {
	SUPERVISOR_SERVING,
	SUPERVISOR_DRAINING, /* the router finishes what was accepted */
	SUPERVISOR_STOPPING, /* workers are told to stop */
};

struct supervisor {
	struct loop loop;
	struct loop_io signals; /* signalfd */
	struct plan *plan;	/* in force */
	char *config_file;	/* absolute */
	char *program;		/* absolute; what an upgrade executes */
	struct listeners listeners;
	struct inherited_sockets inherited; /* that no listener has taken */
	struct services services;
	struct cgroup_root cgroups;
	struct link link;	/* to the router */
	struct notify notify;	/* NOTIFY_SOCKET of the workers */
	struct systemd systemd; /* NOTIFY_SOCKET of our own */
	struct logs logs;
	struct logger_link logger;
	struct control control;
	struct events events;
	struct figures_board figures;
	struct usage_clock usage;
	struct usage own_usage;
	struct oneoffs oneoffs;
	struct slow_ring slow; /* the last slow requests */
	struct reload *reload; /* in progress, or NULL */
	bool reload_again;     /* asked for while one was in progress */
	enum supervisor_phase phase;
	bool quick; /* stop without waiting for requests */
	struct loop_timer stop_timer;
	struct loop_timer flush_timer;
	struct loop_timer title_timer;
	uint32_t next_id; /* of pools and listeners */
	struct upgrade upgrade;
	char *pid_path;	       /* absolute; NULL: no pid file */
	struct pidfh *pidfile; /* NULL: none */
	uint64_t started_ns;
	bool is_root;
};

/* A number in the title changed: it is shown soon; at once. */
void supervisor_title_touch(struct supervisor *supervisor);
void supervisor_title_show(struct supervisor *supervisor);
/* Whether a process is one of those that are looked after. */
bool supervisor_knows(struct supervisor *supervisor, pid_t pid);
/* Reaps children that are not ours to know (as PID 1 we inherit strangers). */
void supervisor_reap_strangers(struct supervisor *supervisor);

#endif
