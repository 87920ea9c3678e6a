/* SPDX-License-Identifier: ISC */
/* A command as text and as words: see config_value.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "supervisor/config_value.h"

/* Appends the word at *text, which is moved behind it, to out without quotes
 * and backslashes.  NULL, or the reason. */
static const char *
word_unquote(const char **text, char **out)
{
	const char *p = *text;
	char *o = *out;
	char quote = '\0';

	for (; *p != '\0'; p++) {
		if (*p == quote) {
			quote = '\0';
		} else if (quote == '\0' && (*p == ' ' || *p == '\t')) {
			break;
		} else if (quote == '\0' && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (*p == '\\' && quote != '\'') {
			if (*++p == '\0')
				return "a backslash at its end";
			*o++ = *p;
		} else {
			*o++ = *p;
		}
	}
	*text = p;
	*out = o;
	if (quote != '\0')
		return "a quote that does not end (a ';' behind white space "
		       "begins a comment, even in quotes: write '\\;')";
	return NULL;
}

bool
config_value_argv(const char *text, char ***argv, char why[CONFIG_WHY_SIZE])
{
	size_t len = strlen(text);
	/* each word takes at least one byte of text and one to separate it */
	char **words = util_alloc((len / 2 + 2) * sizeof(*words));
	char *buf = util_alloc(len + 1);
	const char *reason = NULL;
	size_t count = 0;

	for (;;) {
		char *o = buf;

		text += strspn(text, " \t");
		if (*text == '\0' || reason != NULL)
			break;
		reason = word_unquote(&text, &o);
		*o = '\0';
		words[count++] = util_strdup(buf);
	}
	free(buf);
	if (reason == NULL && (count == 0 || words[0][0] == '\0'))
		reason = "no program";
	if (reason != NULL) {
		snprintf(why, CONFIG_WHY_SIZE, "it has %s", reason);
		config_argv_free(words);
		return false;
	}
	*argv = words;
	return true;
}

void
config_argv_free(char **argv)
{
	if (argv == NULL)
		return;
	for (char **word = argv; *word != NULL; word++)
		free(*word);
	free(argv);
}

/* In double quotes where needed.  A ';' gets a backslash, since behind white
 * space it would begin a comment even in quotes. */
static void
word_quote(const char *word, FILE *out)
{
	bool quote = *word == '\0' || strpbrk(word, " \t'\"\\;#") != NULL;

	if (!quote) {
		fputs(word, out);
		return;
	}
	putc('"', out);
	for (; *word != '\0'; word++) {
		if (strchr("\"\\;", *word) != NULL)
			putc('\\', out);
		putc(*word, out);
	}
	putc('"', out);
}

char *
config_argv_join(char *const *argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; argv[i] != NULL; i++) {
		if (i > 0)
			putc(' ', out);
		word_quote(argv[i], out);
	}
	fclose(out);
	return text;
}
