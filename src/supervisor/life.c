/* SPDX-License-Identifier: ISC */
#include "supervisor/life.h"

#include <assert.h>
#include <stddef.h>

#define W(state, action)                           \
	{                                          \
		WORKER_##state, WORKER_DO_##action \
	}

/* Cells that say SAME state and NOTHING are events that come too late to
 * matter, or twice. */
const struct worker_step worker_life[WORKER_STATES][WORKER_EVENTS] = {
	[WORKER_EMPTY] = {
		[WORKER_ON_START] = W(STARTING, SPAWN),
		[WORKER_ON_READY] = W(EMPTY, NOTHING),
		[WORKER_ON_TIMEOUT] = W(EMPTY, NOTHING),
		[WORKER_ON_STOP] = W(EMPTY, RELEASE),
		[WORKER_ON_KILL] = W(EMPTY, RELEASE),
		[WORKER_ON_EXIT] = W(EMPTY, NOTHING),
		[WORKER_ON_SETTLED] = W(EMPTY, NOTHING),
		[WORKER_ON_FAILED] = W(EMPTY, NOTHING),
	},
	[WORKER_STARTING] = {
		[WORKER_ON_START] = W(STARTING, NOTHING),
		[WORKER_ON_READY] = W(RUNNING, GO),
		[WORKER_ON_TIMEOUT] = W(KILLED, KILL_LATE),
		[WORKER_ON_STOP] = W(STOPPING, STOP),
		[WORKER_ON_KILL] = W(KILLED, KILL),
		[WORKER_ON_EXIT] = W(LOST, BURY),
		[WORKER_ON_SETTLED] = W(STARTING, NOTHING),
		[WORKER_ON_FAILED] = W(WAITING, BACK_OFF),
	},
	[WORKER_RUNNING] = {
		[WORKER_ON_START] = W(RUNNING, NOTHING),
		[WORKER_ON_READY] = W(RUNNING, NOTHING),
		[WORKER_ON_TIMEOUT] = W(RUNNING, NOTHING),
		[WORKER_ON_STOP] = W(STOPPING, STOP),
		[WORKER_ON_KILL] = W(KILLED, KILL),
		[WORKER_ON_EXIT] = W(LOST, BURY),
		[WORKER_ON_SETTLED] = W(RUNNING, NOTHING),
		[WORKER_ON_FAILED] = W(RUNNING, NOTHING),
	},
	[WORKER_STOPPING] = {
		[WORKER_ON_START] = W(STOPPING, NOTHING),
		[WORKER_ON_READY] = W(STOPPING, NOTHING),
		[WORKER_ON_TIMEOUT] = W(KILLED, KILL_STUCK),
		[WORKER_ON_STOP] = W(STOPPING, NOTHING),
		[WORKER_ON_KILL] = W(KILLED, KILL),
		[WORKER_ON_EXIT] = W(LOST, BURY),
		[WORKER_ON_SETTLED] = W(STOPPING, NOTHING),
		[WORKER_ON_FAILED] = W(STOPPING, NOTHING),
	},
	[WORKER_KILLED] = {
		[WORKER_ON_START] = W(KILLED, NOTHING),
		[WORKER_ON_READY] = W(KILLED, NOTHING),
		[WORKER_ON_TIMEOUT] = W(KILLED, NOTHING),
		[WORKER_ON_STOP] = W(KILLED, NOTHING),
		[WORKER_ON_KILL] = W(KILLED, NOTHING),
		[WORKER_ON_EXIT] = W(LOST, BURY),
		[WORKER_ON_SETTLED] = W(KILLED, NOTHING),
		[WORKER_ON_FAILED] = W(KILLED, NOTHING),
	},
	[WORKER_LOST] = {
		[WORKER_ON_START] = W(LOST, NOTHING),
		[WORKER_ON_READY] = W(LOST, NOTHING),
		[WORKER_ON_TIMEOUT] = W(LOST, NOTHING),
		[WORKER_ON_STOP] = W(LOST, NOTHING),
		[WORKER_ON_KILL] = W(LOST, NOTHING),
		[WORKER_ON_EXIT] = W(LOST, NOTHING),
		[WORKER_ON_SETTLED] = W(WAITING, REPLACE),
		[WORKER_ON_FAILED] = W(LOST, NOTHING),
	},
	[WORKER_WAITING] = {
		[WORKER_ON_START] = W(STARTING, SPAWN),
		[WORKER_ON_READY] = W(WAITING, NOTHING),
		[WORKER_ON_TIMEOUT] = W(STARTING, SPAWN),
		[WORKER_ON_STOP] = W(EMPTY, RELEASE),
		[WORKER_ON_KILL] = W(EMPTY, RELEASE),
		[WORKER_ON_EXIT] = W(WAITING, NOTHING),
		[WORKER_ON_SETTLED] = W(WAITING, NOTHING),
		[WORKER_ON_FAILED] = W(WAITING, NOTHING),
	},
};

#define P(state, action)                       \
	{                                      \
		POOL_##state, POOL_DO_##action \
	}

const struct pool_step pool_life[POOL_STATES][POOL_EVENTS] = {
	[POOL_STARTING] = {
		[POOL_ON_COMMIT] = P(SERVING, SERVE),
		[POOL_ON_RETIRE] = P(RETIRING, RETIRE),
		[POOL_ON_RETIRED] = P(STARTING, NOTHING),
		[POOL_ON_ABANDON] = P(DRAINING, DRAIN),
		[POOL_ON_EMPTY] = P(STARTING, NOTHING),
	},
	[POOL_SERVING] = {
		[POOL_ON_COMMIT] = P(SERVING, NOTHING),
		[POOL_ON_RETIRE] = P(RETIRING, RETIRE),
		[POOL_ON_RETIRED] = P(SERVING, NOTHING),
		[POOL_ON_ABANDON] = P(DRAINING, DRAIN),
		[POOL_ON_EMPTY] = P(SERVING, NOTHING),
	},
	[POOL_RETIRING] = {
		[POOL_ON_COMMIT] = P(RETIRING, NOTHING),
		[POOL_ON_RETIRE] = P(RETIRING, NOTHING),
		[POOL_ON_RETIRED] = P(DRAINING, DRAIN),
		[POOL_ON_ABANDON] = P(DRAINING, DRAIN),
		[POOL_ON_EMPTY] = P(RETIRING, NOTHING),
	},
	[POOL_DRAINING] = {
		[POOL_ON_COMMIT] = P(DRAINING, NOTHING),
		[POOL_ON_RETIRE] = P(DRAINING, NOTHING),
		[POOL_ON_RETIRED] = P(DRAINING, NOTHING),
		[POOL_ON_ABANDON] = P(DRAINING, NOTHING),
		[POOL_ON_EMPTY] = P(ENDED, END),
	},
	[POOL_ENDED] = {
		[POOL_ON_COMMIT] = P(ENDED, NOTHING),
		[POOL_ON_RETIRE] = P(ENDED, NOTHING),
		[POOL_ON_RETIRED] = P(ENDED, NOTHING),
		[POOL_ON_ABANDON] = P(ENDED, NOTHING),
		[POOL_ON_EMPTY] = P(ENDED, NOTHING),
	},
};

const char *
worker_state_name(enum worker_state state)
{
	static const char *const names[] = { "empty", "starting", "running", "stopping",
		"killed", "lost", "waiting" };

	static_assert(sizeof(names) / sizeof(names[0]) == WORKER_STATES,
	    "a name for each state");
	return names[state];
}

const char *
pool_state_name(enum pool_state state)
{
	static const char *const names[] = { "starting", "serving", "retiring",
		"draining", "ended" };

	static_assert(sizeof(names) / sizeof(names[0]) == POOL_STATES,
	    "a name for each state");
	return names[state];
}
