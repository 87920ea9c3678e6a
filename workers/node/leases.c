/* SPDX-License-Identifier: ISC */
#include "leases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/util.h"

#define SIZE_MIN   16
#define INDEX_BITS 20 /* of a number: which slot; the rest is never used twice */
#define WATCH_NS   (20 * MS_NS) /* most are over by then */

void
leases_init(struct leases *leases, int epoll)
{
	memset(leases, 0, sizeof(*leases));
	leases->epoll = epoll;
	TAILQ_INIT(&leases->fresh);
}

void
leases_free(struct leases *leases)
{
	for (size_t i = 0; i < leases->size; i++)
		free(leases->slots[i]);
	free(leases->slots);
}

/* Room for twice as many. */
static int
grow(struct leases *leases)
{
	size_t size = leases->size == 0 ? SIZE_MIN : 2 * leases->size;
	struct lease **slots = reallocarray(leases->slots, size, sizeof(*slots));

	if (slots == NULL)
		return -1;
	leases->slots = slots;
	for (; leases->size < size; leases->size++)
		if ((slots[leases->size] = calloc(1, sizeof(struct lease))) == NULL)
			return -1;
	return 0;
}

static struct lease *
free_slot(struct leases *leases, size_t *index)
{
	size_t before = leases->size;

	for (size_t i = 0; i < leases->size; i++)
		if (leases->slots[i]->id == 0) {
			*index = i;
			return leases->slots[i];
		}
	if (grow(leases) == -1 && leases->size == before)
		return NULL;
	*index = before;
	return leases->slots[before];
}

struct lease *
lease_add(struct leases *leases, struct poold_request *req)
{
	size_t index;
	struct lease *lease = free_slot(leases, &index);

	if (lease == NULL)
		return NULL;
	lease->id = ++leases->round << INDEX_BITS | index;
	lease->req = req;
	lease->taken_ns = util_now_ns();
	lease->is_detached = lease->is_whole = false;
	lease->is_fresh = true;
	TAILQ_INSERT_TAIL(&leases->fresh, lease, entry);
	leases->held++;
	return lease;
}

struct lease *
lease_find(const struct leases *leases, uint64_t id)
{
	size_t index = id & ((1 << INDEX_BITS) - 1);

	if (id == 0 || index >= leases->size || leases->slots[index]->id != id)
		return NULL;
	return leases->slots[index];
}

void
lease_detach(struct leases *leases, struct lease *lease, int status)
{
	if (lease->is_detached)
		return;
	lease->is_detached = true;
	leases->held--;
	if (poold_detach_raw(lease->req, status) == -1)
		poold_log(lease->req, "cannot detach the connection: %s",
		    strerror(errno));
}

static void
forget(struct leases *leases, struct lease *lease)
{
	if (lease->is_fresh)
		TAILQ_REMOVE(&leases->fresh, lease, entry);
	else /* closing alone would not do, since others have the socket too */
		(void)epoll_ctl(leases->epoll, EPOLL_CTL_DEL, poold_client_fd(lease->req),
		    NULL);
	if (!lease->is_detached)
		leases->held--;
	lease->id = 0;
}

void
lease_respond(struct leases *leases, struct lease *lease, int status, const void *data,
    size_t len, bool keep)
{
	struct poold_request *req = lease->req;

	forget(leases, lease);
	if (poold_respond_raw(req, status, data, len, keep) == -1 && errno == EINVAL)
		(void)poold_problem(req, 500, "The service gave no response.");
	poold_finish(req);
}

void
lease_end(struct leases *leases, struct lease *lease, int status, uint64_t bytes,
    bool keep)
{
	forget(leases, lease);
	poold_lend(lease->req);
	(void)poold_release(lease->req, status, bytes, keep);
}

void
leases_end(struct leases *leases)
{
	for (size_t i = 0; i < leases->size; i++)
		if (leases->slots[i]->id != 0)
			lease_end(leases, leases->slots[i], 0, 0, false);
}

int
leases_watch(struct leases *leases)
{
	struct epoll_event event = { .events = EPOLLRDHUP | EPOLLONESHOT };
	uint64_t now_ns = util_now_ns();
	struct lease *lease;

	while ((lease = TAILQ_FIRST(&leases->fresh)) != NULL) {
		if (lease->taken_ns + WATCH_NS > now_ns)
			return (int)((lease->taken_ns + WATCH_NS - now_ns) / MS_NS) + 1;
		TAILQ_REMOVE(&leases->fresh, lease, entry);
		lease->is_fresh = false;
		event.data.u64 = lease->id;
		/* without it Node hears later, when it sends */
		(void)epoll_ctl(leases->epoll, EPOLL_CTL_ADD, poold_client_fd(lease->req),
		    &event);
	}
	return -1;
}
