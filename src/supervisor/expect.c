/* SPDX-License-Identifier: ISC */
#include "supervisor/expect.h"

#include <stdio.h>
#include <string.h>

static bool
parse_number(const char **p, uint16_t *out)
{
	const char *s = *p;

	for (int i = 0; i < 3; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	*out = (uint16_t)((s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0'));
	*p += 3;
	return *out >= 100 && *out <= 599;
}

/* "200", "2xx" or "200-399"; *p moves behind it. */
static bool
parse_range(const char **p, uint16_t *from, uint16_t *to)
{
	const char *s = *p;

	if (s[0] >= '1' && s[0] <= '5' && strncmp(s + 1, "xx", 2) == 0) {
		*from = (uint16_t)((s[0] - '0') * 100);
		*to = (uint16_t)(*from + 99);
		*p += 3;
		return true;
	}
	if (!parse_number(p, from))
		return false;
	*to = *from;
	if (**p != '-')
		return true;
	(*p)++;
	return parse_number(p, to) && *to >= *from;
}

static bool
parse_text(struct expect *expect, const char *p, char why[CONFIG_WHY_SIZE])
{
	const char *last = strrchr(p, '"');

	expect->text = p + 1;
	expect->text_len = last > p ? (size_t)(last - p) - 1 : 0;
	if (last > p && expect->text_len > 0 && last[1] == '\0')
		return true;
	snprintf(why, CONFIG_WHY_SIZE,
	    "the text stands in double quotes, is not empty, "
	    "and is the last of it");
	return false;
}

bool
expect_parse(struct expect *expect, const char *value, char why[CONFIG_WHY_SIZE])
{
	const char *p = value;

	memset(expect, 0, sizeof(*expect));
	do {
		size_t i = expect->range_count;

		p += strspn(p, " \t");
		if (i == EXPECT_RANGES_MAX) {
			snprintf(why, CONFIG_WHY_SIZE, "there are more than %d statuses",
			    EXPECT_RANGES_MAX);
			return false;
		}
		if (!parse_range(&p, &expect->ranges[i].from, &expect->ranges[i].to)) {
			snprintf(why, CONFIG_WHY_SIZE,
			    "a status is a number such as 200, a class such as 2xx, or "
			    "a range such as 200-399, between 100 and 599");
			return false;
		}
		expect->range_count++;
		p += strspn(p, " \t");
	} while (*p++ == ',');
	p--;
	if (*p == '"')
		return parse_text(expect, p, why);
	if (*p == '\0')
		return true;
	snprintf(why, CONFIG_WHY_SIZE,
	    "'%.40s' is no status and no text in double quotes", p);
	return false;
}

static bool
status_matches(const struct expect *expect, unsigned status)
{
	for (size_t i = 0; i < expect->range_count; i++)
		if (status >= expect->ranges[i].from && status <= expect->ranges[i].to)
			return true;
	return false;
}

/* What is wrong with its form, or NULL. */
static const char *
form_fault(const struct answer *answer)
{
	bool is_cut = answer->total < ANSWER_MAX;

	switch (answer->state) {
	case ANSWER_HEAD:
		return answer->total == 0 ? "no answer" :
		    is_cut		  ? "an answer that ends in its head" :
					    "a head that does not end";
	case ANSWER_BROKEN:
		return "an answer that is not HTTP";
	case ANSWER_LENGTH:
	case ANSWER_CHUNKED:
		/* of a longer one the first part is judged */
		return is_cut ? "an answer that is not complete" : NULL;
	case ANSWER_CLOSE:
	case ANSWER_WHOLE:
		break;
	}
	return NULL;
}

bool
expect_judge(const struct expect *expect, const struct answer *answer,
    char got[EXPECT_GOT_SIZE])
{
	const char *fault = form_fault(answer), *body;
	size_t len;

	if (fault != NULL) {
		if (answer->status != 0)
			snprintf(got, EXPECT_GOT_SIZE, "status %u and %s", answer->status,
			    fault);
		else
			snprintf(got, EXPECT_GOT_SIZE, "%s", fault);
		return false;
	}
	snprintf(got, EXPECT_GOT_SIZE, "status %u", answer->status);
	if (!status_matches(expect, answer->status))
		return false;
	body = answer_body(answer, &len);
	if (expect->text == NULL ||
	    memmem(body, len, expect->text, expect->text_len) != NULL)
		return true;
	snprintf(got, EXPECT_GOT_SIZE, "status %u without the text \"%.*s\"",
	    answer->status, (int)(expect->text_len < 64 ? expect->text_len : 64),
	    expect->text);
	return false;
}
