/* SPDX-License-Identifier: ISC */
/*
 * A worker that dies where it is told to.  The path behind the route says
 * where, and which file gives leave:
 *
 *	/take/0/FILE	received, before the scoreboard names an owner
 *	/own/0/FILE	received, nothing read
 *	/read/K/FILE	K bytes of the request read (-1: all of it)
 *	/write/K/FILE	K bytes of the response written (-1: all, -2: half)
 *	/done/0/FILE	answered, DONE sent
 *	/live/0/FILE	does not die
 *
 * It dies only if it can remove FILE from the folder RAW_DIR, so the next
 * worker with the same request lives; "always" needs no file.  Before it goes
 * on from the named place it stops itself (SIGSTOP) if FILE ends in "-hold".
 * What it took is appended to RAW_DIR/taken.
 */
#include <fcntl.h>
#include <signal.h>

#include "workers/contract.h"

struct order {
	char place[16];
	char file[64];
	long count;
	bool dies;
};

static int dir;

static void
read_order(struct contract *c, struct order *order)
{
	memset(order, 0, sizeof(*order));
	sscanf(contract_path(c), "/%15[a-z]/%ld/%63s", order->place, &order->count,
	    order->file);
	order->dies = strcmp(order->file, "always") == 0 ||
	    (order->file[0] != '\0' && unlinkat(dir, order->file, 0) == 0);
}

static void
note_taken(struct contract *c)
{
	int fd = openat(dir, "taken", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	dprintf(fd, "%ld %s\n", (long)getpid(), contract_path(c));
	close(fd);
}

/* The end, if this is the place. */
static void
reach(const struct order *order, const char *place)
{
	size_t len = strlen(order->file);

	if (!order->dies || strcmp(order->place, place) != 0)
		return;
	if (len > 5 && strcmp(order->file + len - 5, "-hold") == 0)
		raise(SIGSTOP);
	if (strcmp(place, "live") != 0)
		raise(SIGKILL);
}

static void
read_request(struct contract *c, int fd, const struct order *order)
{
	uint64_t all = contract_request_len(c), first = all;

	if (order->dies && strcmp(order->place, "read") == 0 && order->count >= 0 &&
	    (uint64_t)order->count < all)
		first = (uint64_t)order->count;
	contract_read(fd, first);
	reach(order, "read");
	contract_read(fd, all - first);
}

static void
write_response(struct contract *c, int fd, const struct order *order)
{
	char buf[1024];
	long len = contract_response(c, buf, sizeof(buf)), first = len;

	if (order->dies && strcmp(order->place, "write") == 0 && order->count != -1)
		first = order->count == -2 ? len / 2 : order->count;
	if (first > 0 && send(fd, buf, (size_t)first, MSG_NOSIGNAL) == -1)
		return;
	reach(order, "write");
	send(fd, buf + first, (size_t)(len - first), MSG_NOSIGNAL);
}

static void
serve(struct contract *c, int fd)
{
	struct order order;

	read_order(c, &order);
	note_taken(c);
	reach(&order, "take");
	contract_own(c);
	reach(&order, "own");
	read_request(c, fd, &order);
	reach(&order, "live");
	write_response(c, fd, &order);
	close(fd);
	contract_send_done(c,
	    c->in.msg.flags & LEASE_KEEP ? LEASE_DONE_KEEP : LEASE_DONE_CLOSE);
	reach(&order, "done");
}

int
main(void)
{
	static struct contract c;
	const char *path = getenv("RAW_DIR");

	if (path == NULL || (dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return 78;
	contract_open(&c);
	for (;;)
		serve(&c, contract_take(&c));
}
