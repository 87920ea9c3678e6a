/* SPDX-License-Identifier: ISC */
#include "manual.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define ARGS_MAX     64	 /* of a macro line; the rest of a longer one is lost */
#define HEADER_LINES 500 /* in which .Dd, .Dt or .TH must come */

struct arg {
	const char *s;
	size_t len;
	bool quoted; /* never a macro */
};

/* Requests and macros whose arguments are layout, not text. */
static const char silent[] =
    " Dd Os Bl El Bd Ed Bk Ek Pp Lp Rs Re Sm Bf Ef Oo Oc Xo Xc Fo Fc Eo Ec"
    " ft nf fi sp br ad na nh hy in ta ti ne ce ie el if ds nr so ps vs ll pl"
    " PP P LP TP HP RS RE PD UE ME EX EE DT AT UC TS TE EQ EN ";

/* Macros of mdoc(7) that may stand within a line. */
static const char callable[] =
    " Ac Ad An Ao Ap Aq Ar Bc Bo Bq Brc Bro Brq Cd Cm Dc Do Dq Dv Dx Ec Em"
    " En Eo Er Ev Fa Fc Fl Fn Fo Fr Ft Fx Ic In Li Lk Ms Mt Nm No Ns Nx Oc"
    " Oo Op Ot Ox Pa Pc Pf Po Pq Qc Ql Qo Qq Sc Sh So Sq Ss St Sx Sy Ta Tn"
    " Ux Va Vt Xc Xo Xr ";

/* Macros of man(7) whose arguments alternate between fonts, unspaced. */
static const char alternating[] = " BI BR IB IR RB RI SB ";

static bool
is_in(const char *list, const char *name, size_t len)
{
	char word[8];

	if (len == 0 || len > 4)
		return false;
	snprintf(word, sizeof(word), " %.*s ", (int)len, name);
	return strstr(list, word) != NULL;
}

static bool
arg_is(const struct arg *arg, const char *text)
{
	return arg->len == strlen(text) && memcmp(arg->s, text, arg->len) == 0;
}

bool
manual_is(const char *text)
{
	const char *line = text;
	int i;

	/* Comments and definitions may come first, but not text. */
	if (*line != '.' && *line != '\'')
		return false;
	for (i = 0; i < HEADER_LINES && line != NULL; i++) {
		if (strncmp(line, ".Dd", 3) == 0 || strncmp(line, ".Dt ", 4) == 0 ||
		    strncmp(line, ".TH ", 4) == 0)
			return true;
		if ((line = strchr(line, '\n')) != NULL)
			line++;
	}
	return false;
}

/* Splits a macro line into its words: "two words" are one. */
static size_t
split(const char *line, size_t len, struct arg args[ARGS_MAX])
{
	const char *end = line + len, *stop;
	size_t count = 0;

	while (line < end && count < ARGS_MAX) {
		while (line < end && (*line == ' ' || *line == '\t'))
			line++;
		if (line == end || strncmp(line, "\\\"", 2) == 0)
			break;
		args[count].quoted = *line == '"';
		if (args[count].quoted) {
			line++;
			stop = memchr(line, '"', (size_t)(end - line));
		} else {
			for (stop = line; stop < end && *stop != ' ' && *stop != '\t';
			     stop++)
				if (*stop == '\\' && stop + 1 < end)
					stop++; /* "\ " is within a word */
		}
		if (stop == NULL || stop > end)
			stop = end;
		args[count].s = line;
		args[count++].len = (size_t)(stop - line);
		line = stop < end ? stop + 1 : end;
	}
	return count;
}

/* A space before a word, but not at a line's start, nor before a word that is
 * nothing but closing punctuation. */
static void
put_space(struct buffer *out, const struct arg *arg)
{
	if (out->len == 0 || strchr(" \n([", out->text[out->len - 1]) != NULL)
		return;
	if (arg->len == 1 && strchr(".,:;)]?!", *arg->s) != NULL)
		return;
	buffer_putc(out, ' ');
}

static void
put_arg(struct buffer *out, const struct arg *arg)
{
	put_space(out, arg);
	manual_unescape(out, arg->s, arg->len);
}

/* "Xr name 1" as name(1).  Returns how many arguments it took. */
static size_t
put_reference(struct buffer *out, const struct arg *args, size_t count)
{
	if (count == 0)
		return 0;
	put_arg(out, &args[0]);
	if (count < 2 || !isdigit((unsigned char)*args[1].s))
		return 1;
	buffer_putc(out, '(');
	manual_unescape(out, args[1].s, args[1].len);
	buffer_putc(out, ')');
	return 2;
}

/* The page's name where .Nm stands without one. */
static size_t
put_name(struct manual *m, const struct arg *args, size_t count)
{
	const struct arg name = { m->name, strlen(m->name), false };

	if (count > 0 && !is_in(callable, args[0].s, args[0].len) &&
	    isalnum((unsigned char)*args[0].s))
		return 0;
	put_arg(&m->body, &name);
	return 0;
}

/* The words of an mdoc(7) line, without the macros among them. */
static void
put_mdoc(struct manual *m, const struct arg *args, size_t count)
{
	struct buffer *out = &m->body;
	size_t i = 0;
	bool flag = false, joined = false;

	while (i < count) {
		const struct arg *arg = &args[i++];

		if (!arg->quoted && is_in(callable, arg->s, arg->len)) {
			flag = arg_is(arg, "Fl");
			joined |= arg_is(arg, "Ns") || arg_is(arg, "Ap");
			if (arg_is(arg, "Ap"))
				buffer_putc(out, '\'');
			if (arg_is(arg, "Xr"))
				i += put_reference(out, args + i, count - i);
			else if (arg_is(arg, "Nm"))
				i += put_name(m, args + i, count - i);
			continue;
		}
		if (!joined)
			put_space(out, arg);
		if (flag && isalnum((unsigned char)*arg->s))
			buffer_putc(out, '-');
		manual_unescape(out, arg->s, arg->len);
		joined = false;
	}
}

static void
put_alternating(struct buffer *out, const struct arg *args, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (i == 0)
			put_space(out, &args[i]);
		manual_unescape(out, args[i].s, args[i].len);
	}
}

/* Ends the line that a macro began, if it gave any text. */
static void
end_line(struct manual *m)
{
	if (m->body.len > 0 && m->body.text[m->body.len - 1] != '\n')
		buffer_putc(&m->body, '\n');
}

static void
put_heading(struct manual *m, const struct arg *args, size_t count)
{
	size_t i;

	end_line(m);
	for (i = 0; i < count; i++)
		put_arg(&m->body, &args[i]);
	m->in_name = count == 1 && arg_is(&args[0], "NAME");
}

static void
arg_copy(char *out, size_t size, const struct arg *arg)
{
	snprintf(out, size, "%.*s", (int)(arg->len < size ? arg->len : size - 1), arg->s);
}

/* The title's first part, "name(section): ". */
static void
begin_title(struct manual *m)
{
	buffer_puts(&m->title, m->name);
	if (m->section[0] != '\0') {
		buffer_putc(&m->title, '(');
		buffer_puts(&m->title, m->section);
		buffer_putc(&m->title, ')');
	}
	m->has_title = true;
}

static void
put_description(struct manual *m, const struct arg *args, size_t count)
{
	size_t i;

	put_mdoc(m, args, count);
	if (m->has_title || m->name[0] == '\0')
		return;
	begin_title(m);
	buffer_putc(&m->title, ':');
	for (i = 0; i < count; i++)
		put_arg(&m->title, &args[i]);
}

/* .Dt NAME SECTION and .TH NAME SECTION. */
static void
read_header(struct manual *m, const struct arg *args, size_t count)
{
	char *p;

	if (count > 1)
		arg_copy(m->section, sizeof(m->section), &args[1]);
	if (count > 0)
		arg_copy(m->name, sizeof(m->name), &args[0]);
	/* Pages shout their name here; .Nm says it as it is. */
	for (p = m->name; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
}

static void
render_macro(struct manual *m, const char *line, size_t len)
{
	struct arg args[ARGS_MAX];
	size_t count = split(line, len, args);
	const struct arg *name = args, *rest = args + 1;

	if (count == 0 || name->s[0] == '\\')
		return; /* a comment */
	if (arg_is(name, "de") || arg_is(name, "ig"))
		m->in_definition = true;
	else if (arg_is(name, "Dt") || arg_is(name, "TH"))
		read_header(m, rest, count - 1);
	else if (arg_is(name, "Sh") || arg_is(name, "SH") || arg_is(name, "Ss") ||
	    arg_is(name, "SS"))
		put_heading(m, rest, count - 1);
	else if (arg_is(name, "Nd"))
		put_description(m, rest, count - 1);
	else if (is_in(alternating, name->s, name->len))
		put_alternating(&m->body, rest, count - 1);
	else if (is_in(silent, name->s, name->len))
		return;
	else if (arg_is(name, "IP")) /* its second argument is a width */
		put_mdoc(m, rest, count > 2 ? 1 : count - 1);
	else if (is_in(callable, name->s, name->len)) {
		if (arg_is(name, "Nm") && count > 1 && !m->has_title)
			arg_copy(m->name, sizeof(m->name), rest);
		put_mdoc(m, args, count);
	} else
		put_mdoc(m, rest, count - 1);
	end_line(m);
}

/* "name \- what it is", in the NAME section of man(7). */
static void
read_name_line(struct manual *m, const char *line, size_t len)
{
	struct buffer text = { 0 };
	const char *dash;

	manual_unescape(&text, line, len);
	if (text.len > 0 && (dash = strstr(text.text, " - ")) != NULL) {
		snprintf(m->name, sizeof(m->name), "%.*s", (int)strcspn(text.text, ", "),
		    text.text);
		begin_title(m);
		buffer_puts(&m->title, ": ");
		buffer_puts(&m->title, dash + 3);
	}
	buffer_free(&text);
}

static void
render_line(struct manual *m, const char *line, size_t len)
{
	if (m->in_definition) {
		m->in_definition = !(len >= 2 && memcmp(line, "..", 2) == 0);
		return;
	}
	if (len > 0 && (*line == '.' || *line == '\'')) {
		render_macro(m, line + 1, len - 1);
		return;
	}
	if (m->in_name && !m->has_title)
		read_name_line(m, line, len);
	manual_unescape(&m->body, line, len);
	buffer_putc(&m->body, '\n');
}

void
manual_render(struct manual *manual, const char *text)
{
	const char *end;

	*manual = (struct manual){ 0 };
	for (; *text != '\0'; text = *end == '\0' ? end : end + 1) {
		end = text + strcspn(text, "\n");
		render_line(manual, text, (size_t)(end - text));
	}
	if (!manual->has_title)
		begin_title(manual);
	/* Never NULL for who reads them. */
	buffer_puts(&manual->body, "");
	buffer_puts(&manual->title, "");
}

void
manual_free(struct manual *manual)
{
	buffer_free(&manual->body);
	buffer_free(&manual->title);
}
