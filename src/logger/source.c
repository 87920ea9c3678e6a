/* SPDX-License-Identifier: ISC */
#include "logger/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"
#include "logger/logger.h"

#define READ_MAX    (256 * 1024)
#define RAW_MAX	    (32 * 1024) /* bytes of a raw line */
#define HURRY_BYTES (32 * 1024) /* as much in one read: do not rest now */
#define DRAIN_MAX   64		/* reads */
/* A line that was waited for was written no longer than that before we woke. */
#define WAKE_NS	  (1 * MS_NS)
#define WAITED_NS (MS_NS / 10) /* a shorter wait may have been none */

/* Text is joined here with what was carried; one source at a time. */
static char joined[RAW_MAX + READ_MAX];

/* --- lines ------------------------------------------------------------- */

static void
fill_line(const struct source *source, struct line *line)
{
	memset(line, 0, sizeof(*line));
	clock_gettime(CLOCK_REALTIME, &line->time);
	line->pid = source->pid;
	if (source->kind == LOGGER_WORKER) {
		line->level = LOGGER_INFO;
		line->service = source->name;
		line->role = "worker";
	} else {
		/* whatever a library or the kernel says in our name */
		line->level = LOGGER_ERROR;
		line->role = source->name;
	}
}

/* When what is read now was written at the earliest: after the source was found
 * empty, and when it was waited for, not long ago. */
static uint64_t
written_since(const struct source *source)
{
	const struct logger *logger = source->logger;
	uint64_t since_ns = source->empty_ns, woke_ns = logger->loop.now_ns;

	if (woke_ns - logger->wait_ns < WAITED_NS)
		return since_ns;
	if (logger->wait_ns > since_ns)
		since_ns = logger->wait_ns;
	return woke_ns - WAKE_NS > since_ns ? woke_ns - WAKE_NS : since_ns;
}

/* Nobody but the worker can say which request a line is of; what it does not say
 * is concluded, but not when it may be wrong. */
static void
tag(const struct source *source, struct line *line)
{
	const struct board *board;

	if (source->board == 0 || line->request_id[0] != '\0' ||
	    (board = board_find(&source->logger->boards, source->board)) == NULL)
		return;
	board_request_id(board, source->slot, written_since(source), source->answered,
	    line->request_id);
}

/* What is longer than a piece goes out in pieces, with a mark where it is cut. */
static void
put_piece(struct source *source, const char *text, size_t len, bool cut)
{
	static const char mark[] = "[...]";
	char marked[LOGGER_PIECE_MAX + 2 * sizeof(mark)], role[LOGGER_NAME_MAX];
	struct line line;
	size_t at = 0;

	fill_line(source, &line);
	line.text = text;
	line.len = len;
	if (source->kind == LOGGER_OWN && !source->split)
		line_parse_own(&line, role, text, len);
	if (source->kind == LOGGER_WORKER && !source->split)
		line_parse_worker(&line);
	tag(source, &line);
	if (source->split) {
		memcpy(marked, mark, sizeof(mark) - 1);
		at = sizeof(mark) - 1;
	}
	if (source->split || cut) {
		memcpy(marked + at, line.text, line.len);
		at += line.len;
		line.text = marked;
	}
	if (cut) {
		memcpy(marked + at, mark, sizeof(mark) - 1);
		at += sizeof(mark) - 1;
	}
	if (at > 0)
		line.len = at;
	source->split = cut;
	logger_line(source->logger, source->dest, &line);
}

/* A line without its end. */
static void
put_line(struct source *source, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len == 0 && !source->split)
		return; /* says nothing */
	for (; len > LOGGER_PIECE_MAX; text += LOGGER_PIECE_MAX, len -= LOGGER_PIECE_MAX)
		put_piece(source, text, LOGGER_PIECE_MAX, true);
	put_piece(source, text, len, false);
}

/* Returns how much of text went out: whole lines, and pieces of one that is too
 * long. */
static size_t
put_lines(struct source *source, const char *text, size_t len)
{
	const char *end;
	size_t done = 0;

	while ((end = memchr(text + done, '\n', len - done)) != NULL) {
		put_line(source, text + done, (size_t)(end - text) - done);
		done = (size_t)(end - text) + 1;
	}
	for (; len - done > LOGGER_PIECE_MAX; done += LOGGER_PIECE_MAX)
		put_piece(source, text + done, LOGGER_PIECE_MAX, true);
	return done;
}

static size_t
put_raw(struct source *source, const char *text, size_t len)
{
	const char *end = memrchr(text, '\n', len);
	size_t done = end != NULL ? (size_t)(end - text) + 1 : 0;

	if (done > 0)
		logger_raw(source->logger, source->dest, text, done);
	if (len - done < RAW_MAX)
		return done;
	logger_raw(source->logger, source->dest, text + done, len - done);
	logger_raw(source->logger, source->dest, "\n", 1);
	return len;
}

/* --- reading ----------------------------------------------------------- */

static void
keep(struct source *source, const char *text, size_t len)
{
	char *carry = len > 0 ? util_alloc(len) : NULL;

	if (len > 0)
		memcpy(carry, text, len);
	free(source->carry);
	source->carry = carry;
	source->carry_len = len;
}

void
source_flush(struct source *source)
{
	char *carry = source->carry;
	size_t len = source->carry_len;

	source->carry = NULL;
	source->carry_len = 0;
	if (len > 0 && source->kind == LOGGER_RAW) {
		logger_raw(source->logger, source->dest, carry, len);
		logger_raw(source->logger, source->dest, "\n", 1);
	} else if (len > 0)
		put_line(source, carry, len);
	free(carry);
}

static void
note_empty(struct source *source)
{
	const struct board *board = board_find(&source->logger->boards, source->board);

	source->empty_ns = util_now_ns();
	if (board != NULL)
		source->answered = board_requests(board, source->slot);
}

/* Returns whether there may be more. */
static bool
read_some(struct source *source)
{
	size_t before = source->carry_len, len, done;
	ssize_t n;

	if (before > 0)
		memcpy(joined, source->carry, before);
	n = read(source->io.fd, joined + before, READ_MAX);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		source_flush(source);
		logger_ended(source->logger, source->id);
		source_free(source);
		return false;
	}
	len = before + (size_t)n;
	done = source->kind == LOGGER_RAW ? put_raw(source, joined, len) :
					    put_lines(source, joined, len);
	keep(source, joined + done, len - done);
	if (n >= HURRY_BYTES)
		source->logger->hurry = true;
	if (n == READ_MAX)
		return true;
	note_empty(source);
	return true; /* or its end */
}

static void
on_io(void *owner, uint32_t events)
{
	struct source *source = owner;

	(void)events;
	source->logger->reads++;
	read_some(source);
}

void
source_drain(struct source *source)
{
	for (int i = 0; i < DRAIN_MAX; i++)
		if (!read_some(source))
			return;
}

/* --- begin and end ----------------------------------------------------- */

void
source_new(struct logger *logger, const struct logger_source *msg, size_t len, int fd)
{
	struct source *source = util_alloc(sizeof(*source));

	source->logger = logger;
	source->id = msg->id;
	source->kind = (enum logger_kind)msg->kind;
	source->dest = msg->dest;
	source->board = msg->board;
	source->slot = msg->slot;
	source->pid = msg->pid;
	memcpy(source->name, msg->name, sizeof(source->name));
	source->name[sizeof(source->name) - 1] = '\0';
	if (len == sizeof(*msg) + msg->carry_len && msg->carry_len <= RAW_MAX)
		keep(source, msg->carry, msg->carry_len);
	source->io = (struct loop_io){ .fd = fd, .fn = on_io, .owner = source };
	TAILQ_INSERT_TAIL(&logger->sources, source, entry);
	loop_io_add(&logger->loop, &source->io, EPOLLIN);
}

void
source_free(struct source *source)
{
	TAILQ_REMOVE(&source->logger->sources, source, entry);
	loop_io_remove(&source->logger->loop, &source->io);
	close(source->io.fd);
	free(source->carry);
	free(source);
}
