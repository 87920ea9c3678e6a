/* SPDX-License-Identifier: ISC */
/*
 * DONE messages as the router takes them from workers that may say anything.
 * A generation with leases in its slots gets messages over its real socket;
 * afterwards exactly those leases are over that a message named rightly, and
 * each message that named none of this router's was counted as forged.
 *
 * The first byte of the input says which of eight slots are in use.  Then come
 * messages: a byte n below 128 and n bytes of it; or a byte from 128 and three
 * bytes, slot, difference of the serial and flags of a well-formed message.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/roles.h"
#include "router/generation.h"
#include "router/router.h"
#include "router/service.h"
#include "t/fuzz/fuzz.h"

enum { SLOTS = 8, MESSAGES_MAX = 100 };

static struct router router;

/* What must come of it. */
struct expected {
	bool used[SLOTS];
	uint64_t serial[SLOTS];
	uint64_t forged;
	uint32_t late; /* answers to earlier routers */
};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_replace(open("/dev/null", O_WRONLY | O_CLOEXEC));
	FUZZ_CHECK(loop_init(&router.loop) == 0);
	TAILQ_INIT(&router.generations);
	TAILQ_INIT(&router.services);
	TAILQ_INIT(&router.connections);
	router.supervisor.io.fd = -1; /* closed: says nothing to anybody */
	router.epoch = 7;
	return 0;
}

static struct lease_scoreboard
layout(void)
{
	return (struct lease_scoreboard){ .magic = LEASE_MAGIC,
		.protocol = LEASE_PROTOCOL,
		.size = 64 + sizeof(struct lease_worker) +
		    SLOTS * sizeof(struct lease_slot),
		.worker_count = 1,
		.worker_off = 64,
		.worker_size = sizeof(struct lease_worker),
		.slot_count = SLOTS,
		.slot_off = 64 + sizeof(struct lease_worker),
		.slot_size = sizeof(struct lease_slot) };
}

/* A scoreboard, as the supervisor makes it, whose slots in use hold leases of
 * this router and of the one before. */
static int
board_make(const struct expected *expected)
{
	struct lease_scoreboard header = layout();
	struct lease_slot slot;
	int fd = memfd_create("board", MFD_CLOEXEC);

	FUZZ_CHECK(fd != -1 && ftruncate(fd, (off_t)header.size) == 0);
	FUZZ_CHECK(pwrite(fd, &header, sizeof(header), 0) == sizeof(header));
	for (size_t i = 0; i < SLOTS; i++) {
		memset(&slot, 0, sizeof(slot));
		slot.state = expected->used[i] ? LEASE_SLOT_SENT : LEASE_SLOT_FREE;
		slot.serial = expected->serial[i];
		slot.sequence = i + 1;
		FUZZ_CHECK(
		    pwrite(fd, &slot, sizeof(slot),
			(off_t)(header.slot_off + i * sizeof(slot))) == sizeof(slot));
	}
	return fd;
}

static struct generation *
generation_make(const struct expected *expected, int *worker)
{
	struct role_generation role = { .type = ROLE_GENERATION,
		.id = 1,
		.layout = layout(),
		.service = "fuzz" };
	struct generation *generation;
	int queue[2], done[2], fds[3];

	FUZZ_CHECK(msg_pair(queue) == 0 && msg_pair(done) == 0);
	close(queue[1]);
	fds[0] = queue[0];
	fds[1] = done[0];
	fds[2] = board_make(expected);
	generation = generation_new(&router, &role, fds);
	FUZZ_CHECK(generation != NULL);
	*worker = done[1];
	return generation;
}

/* An answer to an earlier router, once for each lease. */
static bool
is_late(struct expected *expected, const struct lease_done *done)
{
	uint16_t age = (uint16_t)(router.epoch - LEASE_EPOCH(done->serial));

	return age > 0 && age <= INT16_MAX && ++expected->late <= SLOTS;
}

/* The rules once more: poold-lease(7). */
static void
expect(struct expected *expected, const void *text, size_t len)
{
	struct lease_done done;

	memset(&done, 0, sizeof(done));
	memcpy(&done, text, len < sizeof(done) ? len : sizeof(done));
	if (len >= sizeof(done) && done.type == LEASE_DONE && done.slot < SLOTS &&
	    expected->used[done.slot] && expected->serial[done.slot] == done.serial)
		expected->used[done.slot] = false;
	else if (done.type != LEASE_DONE || !is_late(expected, &done))
		expected->forged++;
}

/* Sends the next message of data[0, size); returns how many bytes it took. */
static size_t
message_send(struct expected *expected, int worker, const uint8_t *data, size_t size)
{
	struct lease_done done = { .type = LEASE_DONE };
	const void *text = data + 1;
	size_t len = data[0], took = 1;

	if (len < 128) {
		len = len < size - 1 ? len : size - 1;
		took += len;
	} else if (size > 3) {
		done.slot = data[1];
		done.serial = expected->serial[data[1] % SLOTS] ^ data[2];
		done.flags = data[3];
		text = &done;
		len = sizeof(done);
		took += 3;
	} else {
		return size;
	}
	FUZZ_CHECK(msg_send(worker, text, len, MSG_DONTWAIT) == 0);
	expect(expected, text, len);
	return took;
}

static void
outcome_check(const struct generation *generation, const struct expected *expected)
{
	uint32_t leases = 0;

	for (size_t i = 0; i < SLOTS; i++) {
		FUZZ_CHECK((generation->by_slot[i] != NULL) == expected->used[i]);
		leases += expected->used[i];
	}
	FUZZ_CHECK(generation->lease_count == leases);
	FUZZ_CHECK(generation->free_count == SLOTS - leases);
	FUZZ_CHECK(router.stats.forged == expected->forged);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct expected expected = { .forged = 0 };
	struct generation *generation;
	int worker;

	if (size == 0)
		return 0;
	for (size_t i = 0; i < SLOTS; i++) {
		expected.used[i] = data[0] >> i & 1;
		expected.serial[i] = LEASE_SERIAL(i < 5 ? 7 : 6, 0x100 + i);
	}
	router.stats.forged = 0;
	generation = generation_make(&expected, &worker);
	for (size_t at = 1, i = 0; at < size && i < MESSAGES_MAX; i++)
		at += message_send(&expected, worker, data + at, size - at);
	generation->done.fn(generation, EPOLLIN);
	outcome_check(generation, &expected);
	close(worker);
	generation_forget(generation);
	FUZZ_CHECK(router.stats.forged == expected.forged);
	services_free(&router);
	return 0;
}
