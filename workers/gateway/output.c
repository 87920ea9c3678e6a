/* SPDX-License-Identifier: ISC */
#include "output.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STATUS_LINE_MAX 1024

/* The length of the head with its empty line; 0: it is not there yet. */
static size_t
head_length(const char *buf, size_t len)
{
	const char *p = buf, *end = buf + len;

	while (p < end) {
		if (*p == '\n')
			return (size_t)(p - buf) + 1;
		if (*p == '\r' && p + 1 < end && p[1] == '\n')
			return (size_t)(p - buf) + 2;
		if ((p = memchr(p, '\n', (size_t)(end - p))) == NULL)
			return 0;
		p++;
	}
	return 0;
}

/* A token (RFC 9110 section 5.6.2). */
static bool
name_valid(const char *name)
{
	if (*name == '\0')
		return false;
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) &&
		    strchr("!#$%&'*+-.^_`|~", *name) == NULL)
			return false;
	return true;
}

static bool
value_valid(const char *value)
{
	for (; *value != '\0'; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* "404 Not Found" */
static const char *
status_set(struct output_head *head, const char *value)
{
	if (head->status != 0)
		return "Status is given twice";
	if (strspn(value, "0123456789") != 3 || (value[3] != '\0' && value[3] != ' '))
		return "Status is no number of three digits";
	head->status = atoi(value);
	if (head->status < 200 || head->status > 599)
		return "Status is not between 200 and 599";
	return NULL;
}

static const char *
length_set(struct output_head *head, const char *value)
{
	size_t digits = strspn(value, "0123456789");

	if (head->length != -1)
		return "Content-Length is given twice";
	if (digits == 0 || digits > 18 || value[digits] != '\0')
		return "Content-Length is no number";
	head->length = (int64_t)strtoll(value, NULL, 10);
	return NULL;
}

/* What is between poold and its client, and no business of a program. */
static bool
is_about_connection(const char *name)
{
	static const char *const names[] = { "Connection", "Date", "Keep-Alive",
		"Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static const char *
once_set(const char **slot, const char *value, const char *twice)
{
	if (*slot != NULL)
		return twice;
	*slot = value;
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
field_set(struct output_head *head, const char *name, const char *value)
{
	if (!name_valid(name))
		return "a field's name is none";
	if (!value_valid(value))
		return "a field has a control character";
	if (strcasecmp(name, "Status") == 0)
		return status_set(head, value);
	if (strcasecmp(name, "Location") == 0)
		return *value == '\0' ?
		    "Location is empty" :
		    once_set(&head->location, value, "Location is given twice");
	if (strcasecmp(name, "Content-Type") == 0)
		return once_set(&head->type, value, "Content-Type is given twice");
	if (strcasecmp(name, "Content-Length") == 0)
		return length_set(head, value);
	if (is_about_connection(name))
		return NULL;
	if (head->field_count == OUTPUT_FIELDS_MAX)
		return "the head has too many fields";
	head->fields[head->field_count++] = (struct output_field){ name, value };
	return NULL;
}

/* One line without its end, which it is cut at. */
static const char *
line_parse(char *line, size_t len, struct output_head *head)
{
	char *colon, *value;

	if (memchr(line, '\0', len) != NULL)
		return "the head has a NUL byte";
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	if ((colon = strchr(line, ':')) == NULL)
		return "a line of the head is no field";
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	for (len = strlen(value); len > 0 && strchr(" \t", value[len - 1]) != NULL; len--)
		value[len - 1] = '\0';
	return field_set(head, line, value);
}

ssize_t
output_parse(char *buf, size_t len, struct output_head *head, const char **why)
{
	size_t head_len = head_length(buf, len);
	char *line = buf, *end;

	*why = NULL;
	if (head_len == 0 && len < OUTPUT_HEAD_MAX)
		return 0;
	if (head_len == 0 || head_len > OUTPUT_HEAD_MAX) {
		*why = "the head does not end";
		return -1;
	}
	*head = (struct output_head){ .length = -1 };
	while (*why == NULL && line < buf + head_len && *line != '\n' &&
	    strncmp(line, "\r\n", 2) != 0) {
		end = memchr(line, '\n', (size_t)(buf + head_len - line));
		*why = line_parse(line, (size_t)(end - line), head);
		line = end + 1;
	}
	/* RFC 3875 section 6.3 */
	if (*why == NULL && head->type == NULL && head->location == NULL &&
	    head->status == 0)
		*why = "the head has neither Content-Type, Location nor Status";
	return *why == NULL ? (ssize_t)head_len : -1;
}

int
output_raw_status(const char *buf, size_t len)
{
	const char *digits = buf + strlen("HTTP/1.1 ");
	int status;

	if (len > 0 && memcmp(buf, "HTTP/1.1 ", len < 7 ? len : 7) != 0)
		return -1;
	if (memchr(buf, '\n', len) == NULL)
		return len < STATUS_LINE_MAX ? 0 : -1;
	if (len < strlen("HTTP/1.1 200\n") || !isdigit((unsigned char)buf[7]) ||
	    buf[8] != ' ' || !isdigit((unsigned char)digits[0]) ||
	    !isdigit((unsigned char)digits[1]) || !isdigit((unsigned char)digits[2]) ||
	    strchr(" \r\n", digits[3]) == NULL || digits[3] == '\0')
		return -1;
	status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0';
	return status >= 200 && status <= 599 ? status : -1;
}
