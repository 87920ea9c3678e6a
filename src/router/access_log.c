/* SPDX-License-Identifier: ISC */
#include "router/access_log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/util.h"
#include "router/connection.h"
#include "router/request.h"
#include "router/router.h"
#include "router/service.h"

#define LINE_SIZE  4096
#define QUOTED_MAX 1024 /* bytes of a request line or field in a line */

struct line {
	size_t len;
	char text[LINE_SIZE];
};

static void
add(struct line *line, const char *text, size_t len)
{
	if (len > sizeof(line->text) - line->len - 1)
		len = sizeof(line->text) - line->len - 1;
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void
add_text(struct line *line, const char *text)
{
	add(line, text, strlen(text));
}

/* What a client sent, between quotes: quotes, backslashes and what does not
 * print become \xHH, so that nobody forges a line or drives a terminal. */
static void
add_quoted(struct line *line, const char *text, size_t len)
{
	char hex[5];

	if (len > QUOTED_MAX)
		len = QUOTED_MAX;
	add(line, "\"", 1);
	if (len == 0)
		add(line, "-", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
			add(line, text + i, 1);
			continue;
		}
		snprintf(hex, sizeof(hex), "\\x%02x", c);
		add(line, hex, 4);
	}
	add(line, "\"", 1);
}

static void
add_time(struct line *line)
{
	static time_t shown;
	static char text[40];
	time_t now = time(NULL);
	struct tm tm;

	if (now != shown) {
		localtime_r(&now, &tm);
		strftime(text, sizeof(text), "[%d/%b/%Y:%H:%M:%S %z] ", &tm);
		shown = now;
	}
	add_text(line, text);
}

static void
begin(struct line *line, const struct connection *connection)
{
	char addr[UTIL_ADDR_SIZE];

	line->len = 0;
	add_text(line, util_addr_text(&connection->client, addr));
	add(line, " - - ", 5);
	add_time(line);
}

static size_t
first_line_len(const char *head, size_t len)
{
	const char *end = memchr(head, '\r', len);
	const char *newline = memchr(head, '\n', len);

	if (end == NULL || (newline != NULL && newline < end))
		end = newline;
	return end == NULL ? len : (size_t)(end - head);
}

static void
add_request_line(struct line *line, const char *head, size_t len)
{
	while (len > 0 && (*head == '\r' || *head == '\n')) {
		head++;
		len--;
	}
	add_quoted(line, head, first_line_len(head, len));
}

static void
add_field(struct line *line, const struct request *request, const char *name)
{
	size_t len;
	const char *value = request_field(request, name, &len);

	add(line, " ", 1);
	add_quoted(line, value, len);
}

void
access_log_request(struct router *router, const struct request *request, unsigned status,
    uint64_t bytes, pid_t pid, uint64_t taken_ns)
{
	uint64_t now_ns = util_now_ns();
	struct line line;
	char text[256], id[33];

	if (router->access_log.fd == -1 || request->connection == NULL)
		return;
	begin(&line, request->connection);
	add_request_line(&line, request_head(request), request->msg.head_len);
	snprintf(text, sizeof(text), " %u %llu", status, (unsigned long long)bytes);
	add_text(&line, text);
	add_field(&line, request, "referer");
	add_field(&line, request, "user-agent");
	util_hex(request->msg.request_id, sizeof(request->msg.request_id), id);
	snprintf(text, sizeof(text), " %s %d queue=%.6f service=%.6f id=%s\n",
	    request->service->name, (int)pid,
	    (double)(taken_ns - request->msg.accepted_ns) / 1e9,
	    (double)(now_ns - taken_ns) / 1e9, id);
	add_text(&line, text);
	sink_add(&router->access_log, line.text, line.len);
}

void
access_log_refusal(struct router *router, const struct connection *connection,
    unsigned status, const char *head, size_t head_len)
{
	struct line line;
	char text[64];

	if (router->access_log.fd == -1)
		return;
	begin(&line, connection);
	add_request_line(&line, head, head_len);
	snprintf(text, sizeof(text), " %u 0 \"-\" \"-\" - -\n", status);
	add_text(&line, text);
	sink_add(&router->access_log, line.text, line.len);
}
