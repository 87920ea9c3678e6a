/* SPDX-License-Identifier: ISC */
#include "supervisor/staff.h"

struct staff_count
staff_count(const struct staff_slot *slots, uint32_t size)
{
	struct staff_count count = { 0 };

	for (uint32_t i = 0; i < size; i++)
		switch (slots[i].state) {
		case WORKER_STARTING:
		case WORKER_CHECKING:
		case WORKER_WAITING:
			count.coming++;
			break;
		case WORKER_KILLED:
		case WORKER_LOST:
			/* one that did not leave by itself is replaced in place */
			count.coming += !slots[i].leaving;
			break;
		case WORKER_RUNNING:
			count.going++;
			break;
		case WORKER_OUTGOING:
			count.outgoing++;
			break;
		default:
			break;
		}
	return count;
}

/* The last slot in that state, of a worker without a request if idle; UINT32_MAX: none. */
static uint32_t
find(const struct staff_slot *slots, uint32_t size, enum worker_state state, bool idle)
{
	for (uint32_t i = size; i-- > 0;)
		if (slots[i].state == state && !(idle && slots[i].busy))
			return i;
	return UINT32_MAX;
}

/* The first one. */
static uint32_t
find_state(const struct staff_slot *slots, uint32_t size, enum worker_state state)
{
	for (uint32_t i = 0; i < size; i++)
		if (slots[i].state == state)
			return i;
	return UINT32_MAX;
}

static uint32_t
find_outgoing(const struct staff_slot *slots, uint32_t size)
{
	uint32_t slot = find(slots, size, WORKER_OUTGOING, true);

	return slot != UINT32_MAX ? slot : find(slots, size, WORKER_OUTGOING, false);
}

/* Whether one that is to leave can go: enough serve without it, or there will
 * never be a slot for its successor. */
static bool
may_lose_one(const struct staff_count *count, uint32_t size, uint32_t wanted)
{
	return count->going + count->outgoing > wanted || size <= wanted;
}

/* Who is missed least. */
static uint32_t
find_leaver(const struct staff_slot *slots, uint32_t size)
{
	uint32_t slot;

	if ((slot = find(slots, size, WORKER_WAITING, false)) != UINT32_MAX ||
	    (slot = find(slots, size, WORKER_STARTING, false)) != UINT32_MAX ||
	    (slot = find(slots, size, WORKER_CHECKING, false)) != UINT32_MAX ||
	    (slot = find(slots, size, WORKER_RUNNING, true)) != UINT32_MAX)
		return slot;
	return find(slots, size, WORKER_RUNNING, false);
}

struct staff_step
staff_next(const struct staff_slot *slots, uint32_t size, uint32_t wanted)
{
	struct staff_count count = staff_count(slots, size);
	uint32_t there = count.coming + count.going;
	struct staff_step step = { STAFF_NOTHING, UINT32_MAX };

	if (there < wanted &&
	    (step.slot = find_state(slots, size, WORKER_EMPTY)) != UINT32_MAX)
		step.deed = STAFF_START;
	else if (there > wanted && (step.slot = find_leaver(slots, size)) != UINT32_MAX)
		step.deed = STAFF_STOP;
	else if (may_lose_one(&count, size, wanted) &&
	    (step.slot = find_outgoing(slots, size)) != UINT32_MAX)
		step.deed = STAFF_STOP;
	return step;
}
