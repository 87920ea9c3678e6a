/* SPDX-License-Identifier: ISC */
/*
 * The lives of a worker, of a template (that workers are forked from), and of a
 * pool (the workers of one generation), as one state x event table each.  Pure:
 * what an action does is the business of worker.c (with worker_start.c and
 * worker_end.c), template.c and pool.c.
 */
#ifndef SUPERVISOR_LIFE_H
#define SUPERVISOR_LIFE_H

enum worker_state {
	WORKER_EMPTY,	 /* no process; none is wanted */
	WORKER_STARTING, /* a process that is not ready; its timer runs.  Or there
			  * is none yet, and the template was asked for it */
	WORKER_CHECKING, /* ready; its first health check is under way; its timer
			  * runs on */
	WORKER_RUNNING,	 /* ready, healthy, told GO */
	WORKER_OUTGOING, /* like RUNNING, until a successor is ready */
	WORKER_STOPPING, /* told to stop; its timer runs */
	WORKER_KILLED,	 /* SIGKILL was sent */
	WORKER_LOST,	 /* reaped; the router settles its leases */
	WORKER_WAITING,	 /* back-off before the next start; its timer runs */
	WORKER_STATES,
};

enum worker_event {
	WORKER_ON_START,   /* a process is wanted */
	WORKER_ON_READY,   /* it said READY, or is taken to be */
	WORKER_ON_PASSED,  /* its first health check passed, or it has none */
	WORKER_ON_RECYCLE, /* it should leave when a successor is ready */
	WORKER_ON_SICK,	   /* it failed its health checks */
	WORKER_ON_TIMEOUT, /* the timer of the state */
	WORKER_ON_STOP,	   /* it should leave in its own time */
	WORKER_ON_KILL,	   /* it should be gone now */
	WORKER_ON_EXIT,	   /* it was reaped */
	WORKER_ON_SETTLED, /* the router has settled its leases */
	WORKER_ON_FAILED,  /* it could not be forked: there is no process */
	WORKER_EVENTS,
};

enum worker_action {
	WORKER_DO_NOTHING,
	WORKER_DO_SPAWN,
	WORKER_DO_CHECK,      /* begin its first health check */
	WORKER_DO_GO,	      /* tell it GO, tell the router */
	WORKER_DO_SUCCEED,    /* have a successor started */
	WORKER_DO_STOP,	      /* tell it to stop, tell the router */
	WORKER_DO_STOP_SICK,  /* the same, for it failed its health checks */
	WORKER_DO_KILL_LATE,  /* SIGKILL: it did not become ready in time */
	WORKER_DO_KILL_STUCK, /* SIGKILL: it did not stop in time */
	WORKER_DO_KILL,	      /* SIGKILL: as asked */
	WORKER_DO_BURY,	      /* log how it died, tell the router */
	WORKER_DO_REPLACE,    /* decide whether and when to start anew */
	WORKER_DO_RELEASE,    /* the slot is free: the pool may be over */
	WORKER_DO_BACK_OFF,   /* wait before the next start */
	WORKER_ACTIONS,
};

struct worker_step {
	unsigned char next;   /* enum worker_state */
	unsigned char action; /* enum worker_action */
};

extern const struct worker_step worker_life[WORKER_STATES][WORKER_EVENTS];

enum template_state {
	TEMPLATE_NONE,	   /* no process; the pool has not begun, or is over */
	TEMPLATE_STARTING, /* a process that is not ready; its timer runs */
	TEMPLATE_READY,	   /* it forks workers; its timer runs while it does */
	TEMPLATE_KILLED,   /* SIGKILL was sent */
	TEMPLATE_WAITING,  /* back-off before the next start; its timer may run */
	TEMPLATE_ENDING,   /* told to end; its timer runs */
	TEMPLATE_STATES,
};

enum template_event {
	TEMPLATE_ON_START,   /* a process is wanted */
	TEMPLATE_ON_READY,   /* it said READY */
	TEMPLATE_ON_TIMEOUT, /* the timer of the state */
	TEMPLATE_ON_BREACH,  /* it broke the contract */
	TEMPLATE_ON_STOP,    /* the pool ends */
	TEMPLATE_ON_EXIT,    /* it has ended */
	TEMPLATE_ON_FAILED,  /* it could not be started */
	TEMPLATE_EVENTS,
};

enum template_action {
	TEMPLATE_DO_NOTHING,
	TEMPLATE_DO_SPAWN,
	TEMPLATE_DO_SERVE,	/* fork for those who wait */
	TEMPLATE_DO_KILL_LATE,	/* SIGKILL: it did not become ready in time */
	TEMPLATE_DO_KILL_STUCK, /* SIGKILL: it did not fork in time */
	TEMPLATE_DO_KILL,	/* SIGKILL: it did not end in time, or worse */
	TEMPLATE_DO_BURY,	/* log how it died; who needed it has failed */
	TEMPLATE_DO_FAIL,	/* the same, for none was started */
	TEMPLATE_DO_END,	/* tell it to end */
	TEMPLATE_DO_REAP,	/* it has ended as told: the pool may be over */
	TEMPLATE_DO_RELEASE,	/* there was none */
	TEMPLATE_ACTIONS,
};

struct template_step {
	unsigned char next;   /* enum template_state */
	unsigned char action; /* enum template_action */
};

extern const struct template_step template_life[TEMPLATE_STATES][TEMPLATE_EVENTS];

enum pool_state {
	POOL_STARTING, /* workers get ready; no route leads here yet */
	POOL_SERVING,  /* routes lead here */
	POOL_STANDBY,  /* they led here, and will again if its successor fails */
	POOL_RETIRING, /* the router is asked to send nothing more */
	POOL_DRAINING, /* its queue is shut down; workers finish and exit */
	POOL_ENDED,    /* its last process was reaped: to be freed */
	POOL_STATES,
};

enum pool_event {
	POOL_ON_COMMIT,	 /* routes lead here from now on */
	POOL_ON_STANDBY, /* another generation serves, on probation */
	POOL_ON_RETIRE,	 /* another generation, or none, serves from now on */
	POOL_ON_RETIRED, /* the router will send nothing more */
	POOL_ON_ABANDON, /* stop the workers; what they were for failed */
	POOL_ON_EMPTY,	 /* no process is left */
	POOL_EVENTS,
};

enum pool_action {
	POOL_DO_NOTHING,
	POOL_DO_SERVE,	/* note it */
	POOL_DO_YIELD,	/* note that it does not any more */
	POOL_DO_RETIRE, /* ask the router */
	POOL_DO_DRAIN,	/* shut the queue down, stop the workers */
	POOL_DO_END,	/* tell the router, free */
	POOL_ACTIONS,
};

struct pool_step {
	unsigned char next;   /* enum pool_state */
	unsigned char action; /* enum pool_action */
};

extern const struct pool_step pool_life[POOL_STATES][POOL_EVENTS];

/* For logs and tests: "starting". */
const char *worker_state_name(enum worker_state state);
const char *template_state_name(enum template_state state);
const char *pool_state_name(enum pool_state state);

#endif
