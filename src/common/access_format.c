/* SPDX-License-Identifier: ISC */
#include "common/access_format.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"

/* What a value takes at most that is no text from outside; of that, what it
 * takes at least. */
#define NUMBER_MIN  24 /* numbers, times */
#define ADDRESS_MIN 48
#define HEX_MIN	    36
#define NAME_MIN    72 /* of listeners and services */
#define TIME_MIN    48
#define PHASES_MIN  480
#define TEXT_MIN    4 /* "-", "", null */

#define FORMAT_POOLD                                                                    \
	"$remote_addr - - [$time_local] \"$request\" $status $bytes \"$referer\" "      \
	"\"$user_agent\" $service $worker_pid queue=$queue_time service=$service_time " \
	"id=$request_id"
#define FORMAT_COMBINED                                                            \
	"$remote_addr - - [$time_local] \"$request\" $status $bytes \"$referer\" " \
	"\"$user_agent\""
#define FORMAT_JSON                                                                    \
	"time_iso8601 remote_addr remote_port listener method host target protocol "   \
	"status bytes referer user_agent service worker_pid worker_slot retries "      \
	"request_id parent_id sampled router_time queue_time service_time total_time " \
	"phases by reason request_number keep"

static const struct name {
	const char *text;
	enum access_name name;
	uint16_t min; /* bytes */
	const char *field;
} names[] = {
	{ "remote_addr", ACCESS_REMOTE_ADDR, ADDRESS_MIN, NULL },
	{ "remote_port", ACCESS_REMOTE_PORT, NUMBER_MIN, NULL },
	{ "local_addr", ACCESS_LOCAL_ADDR, ADDRESS_MIN, NULL },
	{ "local_port", ACCESS_LOCAL_PORT, NUMBER_MIN, NULL },
	{ "listener", ACCESS_LISTENER, NAME_MIN, NULL },
	{ "time_local", ACCESS_TIME_LOCAL, TIME_MIN, NULL },
	{ "time_iso8601", ACCESS_TIME_ISO8601, TIME_MIN, NULL },
	{ "time_ms", ACCESS_TIME_MS, NUMBER_MIN, NULL },
	{ "start_ns", ACCESS_START_NS, NUMBER_MIN, NULL },
	{ "request", ACCESS_REQUEST, TEXT_MIN, NULL },
	{ "method", ACCESS_METHOD, TEXT_MIN, NULL },
	{ "target", ACCESS_TARGET, TEXT_MIN, NULL },
	{ "path", ACCESS_PATH, TEXT_MIN, NULL },
	{ "query", ACCESS_QUERY, TEXT_MIN, NULL },
	{ "protocol", ACCESS_PROTOCOL, NUMBER_MIN, NULL },
	{ "host", ACCESS_HOST, TEXT_MIN, NULL },
	{ "referer", ACCESS_FIELD, TEXT_MIN, "referer" },
	{ "user_agent", ACCESS_FIELD, TEXT_MIN, "user-agent" },
	{ "http_NAME", ACCESS_FIELD, TEXT_MIN, "" },
	{ "status", ACCESS_STATUS, NUMBER_MIN, NULL },
	{ "bytes", ACCESS_BYTES, NUMBER_MIN, NULL },
	{ "service", ACCESS_SERVICE, NAME_MIN, NULL },
	{ "route", ACCESS_ROUTE, TEXT_MIN, NULL },
	{ "worker_pid", ACCESS_WORKER_PID, NUMBER_MIN, NULL },
	{ "worker_slot", ACCESS_WORKER_SLOT, NUMBER_MIN, NULL },
	{ "retries", ACCESS_RETRIES, NUMBER_MIN, NULL },
	{ "request_id", ACCESS_REQUEST_ID, HEX_MIN, NULL },
	{ "trace_id", ACCESS_REQUEST_ID, HEX_MIN, NULL },
	{ "span_id", ACCESS_SPAN_ID, HEX_MIN, NULL },
	{ "parent_id", ACCESS_PARENT_ID, HEX_MIN, NULL },
	{ "sampled", ACCESS_SAMPLED, NUMBER_MIN, NULL },
	{ "router_time", ACCESS_ROUTER_TIME, NUMBER_MIN, NULL },
	{ "queue_time", ACCESS_QUEUE_TIME, NUMBER_MIN, NULL },
	{ "service_time", ACCESS_SERVICE_TIME, NUMBER_MIN, NULL },
	{ "total_time", ACCESS_TOTAL_TIME, NUMBER_MIN, NULL },
	{ "phases", ACCESS_PHASES, PHASES_MIN, NULL },
	{ "by", ACCESS_BY, NUMBER_MIN, NULL },
	{ "reason", ACCESS_REASON, TEXT_MIN, NULL },
	{ "request_number", ACCESS_REQUEST_NUMBER, NUMBER_MIN, NULL },
	{ "keep", ACCESS_KEEP, NUMBER_MIN, NULL },
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

const char *
access_format_name(size_t i)
{
	return i < NAME_COUNT ? names[i].text : NULL;
}

struct compiler {
	struct access_format *format;
	struct access_op ops[ACCESS_OPS_MAX];
	uint16_t mins[ACCESS_OPS_MAX];
	size_t text_len, text_size;
	char *why;
	char unknown[ACCESS_WORD_SIZE];
};

/* Adds text to what the ops refer to; returns where it begins. */
static uint16_t
keep(struct compiler *compiler, const char *text, size_t len)
{
	size_t off = compiler->text_len;

	if (compiler->why != NULL || len > compiler->text_size - off) {
		if (compiler->why == NULL)
			compiler->why = util_strdup("it is too long");
		return 0;
	}
	memcpy(compiler->format->text + off, text, len);
	compiler->text_len += len;
	return (uint16_t)off;
}

static void
add(struct compiler *compiler, enum access_name name, bool quoted, uint16_t min,
    const char *text, size_t len)
{
	struct access_format *format = compiler->format;

	if (format->count == ACCESS_OPS_MAX) {
		if (compiler->why == NULL)
			compiler->why = util_strdup("it has too many parts");
		return;
	}
	compiler->mins[format->count] = min;
	compiler->ops[format->count++] = (struct access_op){ .name = (uint8_t)name,
		.quoted = quoted,
		.off = keep(compiler, text, len),
		.len = (uint16_t)len };
}

static void
add_literal(struct compiler *compiler, const char *text, size_t len)
{
	struct access_format *format = compiler->format;
	struct access_op *last;

	if (len == 0)
		return;
	last = &compiler->ops[format->count > 0 ? format->count - 1 : 0];
	if (format->count == 0 || last->name != ACCESS_LITERAL) {
		add(compiler, ACCESS_LITERAL, false, (uint16_t)len, text, len);
		return;
	}
	/* nothing came between: it goes on */
	keep(compiler, text, len);
	last->len = (uint16_t)(last->len + len);
	compiler->mins[format->count - 1] = last->len;
}

/* $http_user_agent is the field User-Agent. */
static void
add_field(struct compiler *compiler, bool quoted, const char *name, size_t len)
{
	char field[64];

	for (size_t i = 0; i < len; i++)
		field[i] = name[i] == '_' ? '-' : name[i];
	add(compiler, ACCESS_FIELD, quoted, TEXT_MIN, field, len);
}

static void
refuse_name(struct compiler *compiler, const char *word, size_t len)
{
	if (compiler->why != NULL)
		return;
	if (len >= ACCESS_WORD_SIZE)
		len = ACCESS_WORD_SIZE - 1;
	memcpy(compiler->unknown, word, len);
	compiler->unknown[len] = '\0';
	compiler->why = util_asprintf("unknown name '%s'", compiler->unknown);
}

static void
add_name(struct compiler *compiler, bool quoted, const char *word, size_t len)
{
	if (len > 5 && len <= 64 && memcmp(word, "http_", 5) == 0) {
		add_field(compiler, quoted, word + 5, len - 5);
		return;
	}
	for (size_t i = 0; i < NAME_COUNT; i++)
		if (strlen(names[i].text) == len &&
		    memcmp(names[i].text, word, len) == 0) {
			const char *field = names[i].field != NULL ? names[i].field : "";

			add(compiler, names[i].name, quoted, names[i].min, field,
			    strlen(field));
			return;
		}
	refuse_name(compiler, word, len);
}

static size_t
word_len(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
}

static void
compile_text(struct compiler *compiler, const char *text)
{
	bool quoted = false;
	size_t len;

	while (*text != '\0' && compiler->why == NULL) {
		len = strcspn(text, "$\"");
		if (text[len] == '"') {
			len++;
			quoted = !quoted;
		}
		add_literal(compiler, text, len);
		text += len;
		if (*text != '$')
			continue;
		if (text[1] == '$') {
			add_literal(compiler, "$", 1);
			text += 2;
			continue;
		}
		len = word_len(text + 1);
		if (len == 0)
			compiler->why = util_strdup(
			    "a '$' has no name behind it ($$ is a "
			    "dollar sign)");
		else
			add_name(compiler, quoted, text + 1, len);
		text += len + 1;
	}
}

/* Whether the word at text is also one of those before it. */
static bool
is_repeated(const char *first, const char *text, size_t len)
{
	const char *word = first;

	for (;; word += strcspn(word, " \t")) {
		word += strspn(word, " \t");
		if (word >= text)
			return false;
		if (strcspn(word, " \t") == len && memcmp(word, text, len) == 0)
			return true;
	}
}

/* The members of an object, with white space between them. */
static void
compile_json(struct compiler *compiler, const char *text)
{
	const char *begin = "{\"", *first = text;
	size_t len;

	compiler->format->json = true;
	for (; compiler->why == NULL; text += len) {
		text += strspn(text, " \t");
		len = strcspn(text, " \t");
		if (len == 0)
			break;
		if (word_len(text) != len)
			refuse_name(compiler, text, len);
		else if (is_repeated(first, text, len))
			compiler->why = util_asprintf("'%.*s' stands there twice",
			    (int)len, text);
		add_literal(compiler, begin, strlen(begin));
		add_literal(compiler, text, len);
		add_literal(compiler, "\":", 2);
		add_name(compiler, true, text, len);
		begin = ",\"";
	}
	if (compiler->format->count > 0)
		add_literal(compiler, "}", 1);
}

/* How much of a line must be left for what comes later. */
static void
reserve(struct compiler *compiler)
{
	struct access_format *format = compiler->format;
	size_t sum = 1; /* newline */

	for (size_t i = format->count; i-- > 0;) {
		compiler->ops[i].reserve = (uint16_t)sum;
		sum += compiler->mins[i];
		if (sum > ACCESS_LINE_MAX && compiler->why == NULL)
			compiler->why =
			    util_asprintf("its lines may be longer than %d bytes",
				ACCESS_LINE_MAX);
		if (compiler->why != NULL)
			return;
	}
}

struct access_format *
access_format_compile(const char *text, char **why, char unknown[ACCESS_WORD_SIZE])
{
	struct access_format *format = util_alloc(sizeof(*format));
	struct compiler compiler = { .format = format };
	bool json;

	if (strcmp(text, "poold") == 0)
		text = FORMAT_POOLD;
	else if (strcmp(text, "combined") == 0)
		text = FORMAT_COMBINED;
	else if (strcmp(text, "json") == 0)
		text = "json " FORMAT_JSON;
	json = strncmp(text, "json", 4) == 0 && (text[4] == ' ' || text[4] == '\t');
	/* members are written twice, and names of fields grow a little */
	compiler.text_size = 4 * strlen(text) + 64;
	if (compiler.text_size > UINT16_MAX)
		compiler.text_size = UINT16_MAX;
	format->text = util_alloc(compiler.text_size);
	if (json)
		compile_json(&compiler, text + 4);
	else
		compile_text(&compiler, text);
	if (compiler.why == NULL && format->count == 0)
		compiler.why = util_strdup("it is empty");
	reserve(&compiler);
	if (compiler.why != NULL) {
		*why = compiler.why;
		strlcpy(unknown, compiler.unknown, ACCESS_WORD_SIZE);
		format->count = 0;
		access_format_free(format);
		return NULL;
	}
	format->ops = util_alloc(format->count * sizeof(*format->ops));
	memcpy(format->ops, compiler.ops, format->count * sizeof(*format->ops));
	return format;
}

void
access_format_free(struct access_format *format)
{
	if (format == NULL)
		return;
	free(format->ops);
	free(format->text);
	free(format);
}
