/* SPDX-License-Identifier: ISC */
#include "router/reply.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/http.h"
#include "common/util.h"

#define SOON_S 1 /* for a Retry-After without a better number */

static void
format_date(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(buf, size, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static const char *
connection_field(bool keep, bool http10)
{
	if (!keep)
		return "Connection: close\r\n";
	return http10 ? "Connection: keep-alive\r\n" : "";
}

size_t
reply_format(char *buf, const struct reply *reply)
{
	char body[512] = "", length[96] = "", retry[32] = "", date[64], id[33];
	unsigned status = reply->status;
	int body_len = 0, len;

	format_date(date, sizeof(date));
	if (status != 204) {
		/* details are our own texts: nothing in them to escape */
		body_len = snprintf(body, sizeof(body),
		    "{\"type\":\"about:blank\",\"title\":\"%s\","
		    "\"status\":%u,\"detail\":\"%s\"}\n",
		    http_reason(status), status,
		    reply->detail != NULL ? reply->detail : "");
		snprintf(length, sizeof(length),
		    "Content-Type: application/problem+json\r\n"
		    "Content-Length: %d\r\n",
		    body_len);
	} else {
		snprintf(length, sizeof(length),
		    "Allow: GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE\r\n");
	}
	if (status == 503)
		snprintf(retry, sizeof(retry), "Retry-After: %u\r\n",
		    reply->retry_after_s > 0 ? reply->retry_after_s : SOON_S);
	util_hex(reply->id, 16, id);
	len = snprintf(buf, REPLY_MAX,
	    "HTTP/1.1 %u %s\r\nDate: %s\r\n%s%s%sX-Request-Id: %s\r\n\r\n%s", status,
	    http_reason(status), date, length, retry,
	    connection_field(reply->keep, reply->http10), id, reply->is_head ? "" : body);
	return len < REPLY_MAX ? (size_t)len : REPLY_MAX - 1;
}
