/* SPDX-License-Identifier: ISC */
#include "router/outlier.h"

#include "common/roles.h"
#include "router/generation.h"
#include "router/generation_board.h"
#include "router/router.h"
#include "router/service.h"

/* The worker that has this pid; the owner word of the lease says where to look
 * first.  NULL: none, as of a child of a worker. */
static struct worker_view *
view_of(struct generation *generation, const struct request *request, pid_t pid)
{
	uint32_t owner = generation_board_owner(generation, request);

	if (owner < generation->worker_count && generation->workers[owner].pid == pid)
		return &generation->workers[owner];
	for (uint32_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].pid == pid)
			return &generation->workers[i];
	return NULL;
}

void
outlier_note(struct generation *generation, const struct request *request,
    const struct lease_done *done, pid_t sender)
{
	uint32_t limit = generation->settings.outlier_failures;
	struct role_outlier role = { .type = ROLE_OUTLIER,
		.generation = generation->id,
		.pid = sender };
	struct worker_view *view;

	if (limit == 0 || done->status == 0 ||
	    (view = view_of(generation, request, sender)) == NULL)
		return;
	if (done->status < 500 || done->status > 599) {
		view->failures = 0;
		return;
	}
	if (++view->failures < limit)
		return;
	role.failures = view->failures;
	view->failures = 0;
	channel_send(&generation->router->supervisor, &role, sizeof(role), NULL, 0);
}
