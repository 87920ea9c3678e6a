/* SPDX-License-Identifier: ISC */
#include "document.h"

#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "../common/text.h"
#include "manual.h"

#define TITLE_LINES 40 /* a heading further down is not the document's */

static char *
copy(const char *s, size_t len, size_t max)
{
	char *text = text_utf8_copy(s, len, max);

	if (text == NULL)
		err(EX_OSERR, "malloc");
	return text;
}

static bool
is_markup(const char *text)
{
	static const char *const starts[] = { "<!doctype", "<html", "<?xml", "<svg" };
	size_t i;

	text += strspn(text, " \t\r\n");
	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncasecmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

/* Only where "#" means a heading, and is no comment. */
static bool
has_headings(const char *name, const char *text)
{
	static const char *const endings[] = { ".md", ".markdown", ".txt", ".rst" };
	const char *dot = strrchr(name, '.');
	size_t i;

	if (dot == NULL) /* README and its like, but not scripts */
		return strncmp(text, "#!", 2) != 0;
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strcasecmp(dot, endings[i]) == 0)
			return true;
	return false;
}

/* Whether a line is "====" or "----", which makes the one above a heading. */
static bool
is_underline(const char *line)
{
	size_t len = strspn(line, *line == '=' ? "=" : "-");

	return len >= 3 && (line[len] == '\n' || line[len] == '\0');
}

static const char *
next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line == '\n' ? line + 1 : line;
}

/* The text of a heading "# like this #"; *len 0 when line is none. */
static const char *
hash_heading(const char *line, size_t *len)
{
	size_t hashes = strspn(line, "#");

	*len = 0;
	if (hashes == 0 || hashes > 6 || line[hashes] != ' ')
		return line;
	line += hashes + strspn(line + hashes, " ");
	*len = strcspn(line, "\r\n");
	while (*len > 0 && strchr("# ", line[*len - 1]) != NULL)
		(*len)--;
	return line;
}

/* The first heading of Markdown or the like; NULL when there is none. */
static char *
heading(const char *text)
{
	const char *line = text, *start;
	bool fenced = false;
	size_t len;
	int i;

	for (i = 0; i < TITLE_LINES && *line != '\0'; i++) {
		if (strncmp(line, "```", 3) == 0)
			fenced = !fenced;
		start = hash_heading(line, &len);
		if (!fenced && len > 0)
			return copy(start, len, DOCUMENT_TITLE_MAX);
		len = strcspn(line, "\r\n");
		line = next_line(line);
		/* "---" below a "---" opens and closes front matter. */
		if (!fenced && len > 0 && is_underline(line) &&
		    isalnum((unsigned char)*start))
			return copy(start, len, DOCUMENT_TITLE_MAX);
	}
	return NULL;
}

bool
document_read(struct document *document, const char *name, const char *text, size_t len)
{
	struct manual manual;

	if (memchr(text, '\0', len) != NULL || is_markup(text))
		return false;
	if (manual_is(text)) {
		manual_render(&manual, text);
		document->title = copy(manual.title.text, manual.title.len,
		    DOCUMENT_TITLE_MAX);
		document->body = copy(manual.body.text, manual.body.len, manual.body.len);
		manual_free(&manual);
	} else {
		document->title = has_headings(name, text) ? heading(text) : NULL;
		document->body = copy(text, len, len);
	}
	if (document->title == NULL)
		document->title = copy(name, strlen(name), DOCUMENT_TITLE_MAX);
	text_squeeze(document->title);
	return true;
}

void
document_free(struct document *document)
{
	free(document->title);
	free(document->body);
}
