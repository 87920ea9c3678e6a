/* SPDX-License-Identifier: ISC */
#include "supervisor/config_value.h"

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* From small to large; the first is the one that values are kept in. */
static const struct unit duration_units[] = { { "ms", 1 }, { "s", 1000 },
	{ "m", 60 * 1000 }, { "h", 3600 * 1000 }, { NULL, 0 } };
static const struct unit size_units[] = { { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 },
	{ "G", 1 << 30 }, { NULL, 0 } };

static bool refuse(char why[CONFIG_WHY_SIZE], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool
refuse(char why[CONFIG_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, CONFIG_WHY_SIZE, fmt, ap);
	va_end(ap);
	return false;
}

static void
unit_format(const struct unit *units, int64_t value, char buf[CONFIG_NUMBER_SIZE])
{
	const struct unit *best = units;

	for (const struct unit *u = units; value != 0 && u->name != NULL; u++)
		if (value % u->factor == 0)
			best = u;
	snprintf(buf, CONFIG_NUMBER_SIZE, "%lld%s", (long long)(value / best->factor),
	    best->name);
}

void
config_duration_format(int64_t ms, char buf[CONFIG_NUMBER_SIZE])
{
	unit_format(duration_units, ms, buf);
}

void
config_size_format(int64_t bytes, char buf[CONFIG_NUMBER_SIZE])
{
	unit_format(size_units, bytes, buf);
}

/* Digits at the start of text; *end is behind them.  A number beyond int64_t
 * becomes INT64_MAX, which is out of every range. */
static bool
digits_parse(const char *text, int64_t *out, const char **end)
{
	int64_t value = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *p - '0', &value))
			value = INT64_MAX;
	*out = value;
	*end = p;
	return p != text;
}

bool
config_value_int(const char *text, int64_t min, int64_t max, int64_t *out,
    char why[CONFIG_WHY_SIZE])
{
	int64_t value;
	const char *end;
	bool negative = min < 0 && *text == '-';

	if (!digits_parse(negative ? text + 1 : text, &value, &end) || *end != '\0')
		return refuse(why, "'%s' is not a whole number", text);
	if (negative)
		value = -value;
	if (value < min || value > max)
		return refuse(why, "%s is not between %lld and %lld", text,
		    (long long)min, (long long)max);
	*out = value;
	return true;
}

static bool
unit_apply(const struct unit *units, const char *name, int64_t *value)
{
	for (const struct unit *u = units; u->name != NULL; u++) {
		if (strcmp(u->name, name) != 0)
			continue;
		if (__builtin_mul_overflow(*value, u->factor, value))
			*value = INT64_MAX;
		return true;
	}
	return false;
}

static bool
unit_range(const struct unit *units, const char *text, int64_t value, int64_t min,
    int64_t max, char why[CONFIG_WHY_SIZE])
{
	char low[CONFIG_NUMBER_SIZE], high[CONFIG_NUMBER_SIZE];

	if (value >= min && value <= max)
		return true;
	unit_format(units, min, low);
	unit_format(units, max, high);
	return refuse(why, "%s is not between %s and %s", text, low, high);
}

bool
config_value_duration(const char *text, int64_t min_ms, int64_t max_ms, int64_t *out_ms,
    char why[CONFIG_WHY_SIZE])
{
	int64_t value;
	const char *unit;

	if (!digits_parse(text, &value, &unit))
		return refuse(why,
		    "'%s' is not a duration such as 500ms, 10s, "
		    "5m or 1h",
		    text);
	if (*unit == '\0' && value != 0)
		return refuse(why, "'%s' has no unit: ms, s, m or h", text);
	if (*unit != '\0' && !unit_apply(duration_units, unit, &value))
		return refuse(why, "'%s' is no unit of time: ms, s, m or h", unit);
	if (!unit_range(duration_units, text, value, min_ms, max_ms, why))
		return false;
	*out_ms = value;
	return true;
}

bool
config_value_ratio(const char *text, int64_t *out_millionths, char why[CONFIG_WHY_SIZE])
{
	int64_t whole, part = 0, unit = 1000000;
	const char *p;

	if (!digits_parse(text, &whole, &p))
		return refuse(why, "'%s' is not a number from 0 to 1", text);
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++) {
			unit /= 10;
			part += (*p - '0') * unit;
		}
	if (*p != '\0' || whole > 1 || (whole == 1 && part > 0))
		return refuse(why, "'%s' is not a number from 0 to 1", text);
	*out_millionths = whole * 1000000 + part;
	return true;
}

void
config_ratio_format(int64_t millionths, char buf[CONFIG_NUMBER_SIZE])
{
	int len = snprintf(buf, CONFIG_NUMBER_SIZE, "%lld.%06lld",
	    (long long)(millionths / 1000000), (long long)(millionths % 1000000));

	while (buf[len - 1] == '0')
		buf[--len] = '\0';
	if (buf[len - 1] == '.')
		buf[len - 1] = '\0';
}

bool
config_value_size(const char *text, int64_t min, int64_t max, int64_t *out_bytes,
    char why[CONFIG_WHY_SIZE])
{
	int64_t value;
	const char *unit;

	if (!digits_parse(text, &value, &unit))
		return refuse(why,
		    "'%s' is not a size such as 4096, 64K, 64M "
		    "or 1G",
		    text);
	if (!unit_apply(size_units, unit, &value))
		return refuse(why, "'%s' is no unit of size: K, M or G", unit);
	if (!unit_range(size_units, text, value, min, max, why))
		return false;
	*out_bytes = value;
	return true;
}

bool
config_value_percent(const char *text, int64_t min, int64_t max, int64_t *out,
    char why[CONFIG_WHY_SIZE])
{
	int64_t value;
	const char *end;

	if (!digits_parse(text, &value, &end) || strcmp(end, "%") != 0)
		return refuse(why, "'%s' is not a percentage such as 50%% or 200%%",
		    text);
	if (value < min || value > max)
		return refuse(why, "%s is not between %lld%% and %lld%%", text,
		    (long long)min, (long long)max);
	*out = value;
	return true;
}

bool
config_value_octal(const char *text, int64_t max, int64_t *out, char why[CONFIG_WHY_SIZE])
{
	int64_t value = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '7' && value <= max; p++)
		value = value * 8 + (*p - '0');
	if (p == text || *p != '\0' || value > max)
		return refuse(why, "'%s' is not an octal number up to %04llo", text,
		    (long long)max);
	*out = value;
	return true;
}

/* "N" or "N-M" at *text, which is moved behind it. */
static bool
cpu_range_parse(const char **text, cpu_set_t *cpus)
{
	int64_t first, last;

	if (!digits_parse(*text, &first, text))
		return false;
	last = first;
	if (**text == '-' && !digits_parse(*text + 1, &last, text))
		return false;
	if (first > last || last >= CPU_SETSIZE)
		return false;
	for (int64_t cpu = first; cpu <= last; cpu++)
		CPU_SET((size_t)cpu, cpus);
	return true;
}

bool
config_value_cpus(const char *text, cpu_set_t *out, char why[CONFIG_WHY_SIZE])
{
	const char *p = text;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (;;) {
		p += strspn(p, " \t");
		if (!cpu_range_parse(&p, &cpus))
			return refuse(why,
			    "'%.128s' is not a list of CPUs up to %d, such as 0-1,3",
			    text, CPU_SETSIZE - 1);
		p += strspn(p, " \t");
		if (*p == '\0')
			break;
		if (*p++ != ',')
			return refuse(why, "CPUs are separated by commas");
	}
	*out = cpus;
	return true;
}

bool
config_value_bool(const char *text, bool *out, char why[CONFIG_WHY_SIZE])
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*out = i % 2 == 1;
			return true;
		}
	}
	return refuse(why, "'%s' is neither yes nor no", text);
}

bool
config_value_enum(const char *text, const char *const *choices, unsigned *out,
    char why[CONFIG_WHY_SIZE])
{
	char list[CONFIG_WHY_SIZE / 2] = "";

	for (unsigned i = 0; choices[i] != NULL; i++) {
		if (strcmp(text, choices[i]) == 0) {
			*out = i;
			return true;
		}
		if (i > 0)
			strlcat(list, choices[i + 1] == NULL ? " or " : ", ",
			    sizeof(list));
		strlcat(list, choices[i], sizeof(list));
	}
	return refuse(why, "'%s' is not %s", text, list);
}

/* What servers take to stop or to reload; not those that the kernel sends for
 * faults, nor STOP and its like, after which nothing would ever end. */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "none", 0 },
	{ "TERM", SIGTERM },
	{ "QUIT", SIGQUIT },
	{ "INT", SIGINT },
	{ "HUP", SIGHUP },
	{ "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
	{ "WINCH", SIGWINCH },
	{ "ALRM", SIGALRM },
	{ "ABRT", SIGABRT },
	{ "KILL", SIGKILL },
};

bool
config_value_signal(const char *text, bool none_allowed, int *out,
    char why[CONFIG_WHY_SIZE])
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	size_t first = none_allowed ? 0 : 1;
	char list[CONFIG_WHY_SIZE / 2] = "";

	for (size_t i = first; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcasecmp(signals[i].number == 0 ? text : name, signals[i].name) ==
		    0) {
			*out = signals[i].number;
			return true;
		}
		strlcat(list, i > first ? ", " : "", sizeof(list));
		strlcat(list, signals[i].name, sizeof(list));
	}
	return refuse(why, "'%.64s' is not one of %s", text, list);
}

const char *
config_signal_name(int sig)
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (signals[i].number == sig)
			return signals[i].name;
	return "?"; /* no value of a key: config_value_signal knows no others */
}

bool
config_value_name(const char *text, char why[CONFIG_WHY_SIZE])
{
	if (strlen(text) > CONFIG_NAME_MAX)
		return refuse(why, "the name '%.*s...' is longer than %d bytes",
		    CONFIG_NAME_MAX, text, CONFIG_NAME_MAX);
	if (!isalnum((unsigned char)text[0]))
		return refuse(why,
		    "the name '%s' does not begin with a letter "
		    "or a digit",
		    text);
	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
			return refuse(why,
			    "the name '%s' has other characters "
			    "than letters, digits, '.', '_' and '-'",
			    text);
	return true;
}

bool
config_value_env_name(const char *text, char why[CONFIG_WHY_SIZE])
{
	/* what a worker's environment says about its own start */
	static const char *const prefixes[] = { "POOLD_", "LISTEN_", "WATCHDOG_",
		"NOTIFY_SOCKET", "SERVER_STARTER_", "FPM_SOCKETS" };

	if (!isalpha((unsigned char)text[0]) && text[0] != '_')
		return refuse(why,
		    "the name of a variable begins with a letter"
		    " or '_'");
	if (strlen(text) > CONFIG_ENV_NAME_MAX)
		return refuse(why, "the name of a variable is longer than %d bytes",
		    CONFIG_ENV_NAME_MAX);
	for (const char *p = text; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return refuse(why,
			    "the name of a variable has letters,"
			    " digits and '_' only");
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			return refuse(why, "poold itself sets %s", text);
	return true;
}

/* The value of ${expr}; NULL with why. */
static const char *
variable_value(char *expr, char why[CONFIG_WHY_SIZE])
{
	char *fallback = strstr(expr, ":-");
	const char *value;

	if (fallback != NULL) {
		*fallback = '\0';
		fallback += 2;
	}
	for (const char *p = expr; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_') {
			refuse(why,
			    "'${%.64s}' is not a variable: write "
			    "${NAME} or ${NAME:-default}",
			    expr);
			return NULL;
		}
	}
	if (*expr == '\0') {
		refuse(why, "'${' is not followed by a name");
		return NULL;
	}
	value = getenv(expr);
	if (fallback != NULL)
		return value != NULL && *value != '\0' ? value : fallback;
	if (value == NULL)
		refuse(why,
		    "the environment has no variable %.64s, and "
		    "${%.64s} gives no default",
		    expr, expr);
	return value;
}

/* One "${...}" at *text, which is moved behind it, into out. */
static bool
variable_expand(const char **text, FILE *out, char why[CONFIG_WHY_SIZE])
{
	const char *end = strchr(*text, '}');
	const char *value;
	char *expr;

	if (end == NULL)
		return refuse(why, "'${' without '}'%s",
		    strstr(*text, ":-") != NULL ?
			" (a ';' behind white space begins a comment)" :
			"");
	expr = strndup(*text + 2, (size_t)(end - *text) - 2);
	if (expr == NULL)
		return refuse(why, "out of memory");
	value = variable_value(expr, why);
	if (value != NULL)
		fputs(value, out);
	free(expr);
	*text = end + 1;
	return value != NULL;
}

/*
 * Refuses what the text of a file could not have said: the dump must read back
 * to the same value.
 */
static bool
expanded_check(const char *text, char why[CONFIG_WHY_SIZE])
{
	bool space = true;
	size_t run = 0;

	if (strlen(text) > CONFIG_VALUE_MAX)
		return refuse(why, "the value is longer than %d bytes", CONFIG_VALUE_MAX);
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if ((*p < ' ' && *p != '\t') || *p == 0x7f)
			return refuse(why,
			    "the value has a control character "
			    "(byte 0x%02x)",
			    *p);
		if (space && *p == ';')
			return refuse(why,
			    "the value has a ';' behind white "
			    "space, where a comment would begin");
		space = *p == ' ' || *p == '\t';
		run = space || *p == ';' || *p == '#' ? run + 1 : 0;
		if (run > CONFIG_RUN_MAX)
			return refuse(why,
			    "the value has more than %d blanks, ';' or '#' in a row",
			    CONFIG_RUN_MAX);
	}
	return true;
}

static void
trim(char *text)
{
	size_t len = strlen(text), skip = strspn(text, " \t");

	while (len > skip && strchr(" \t", text[len - 1]) != NULL)
		len--;
	memmove(text, text + skip, len - skip);
	text[len - skip] = '\0';
}

bool
config_value_expand(const char *text, char **out, char why[CONFIG_WHY_SIZE])
{
	char *expanded = NULL;
	size_t size;
	FILE *f = open_memstream(&expanded, &size);
	bool ok = f != NULL;

	if (!ok)
		return refuse(why, "out of memory");
	while (ok && *text != '\0') {
		if (*text != '$') {
			putc(*text++, f);
		} else if (text[1] == '$') {
			putc('$', f);
			text += 2;
		} else if (text[1] == '{') {
			ok = variable_expand(&text, f, why);
		} else {
			ok = refuse(why,
			    "a single '$': write ${NAME} for a "
			    "variable of the environment, $$ for a dollar sign");
		}
	}
	if (fclose(f) != 0 && ok)
		ok = refuse(why, "out of memory");
	if (ok) {
		trim(expanded);
		ok = expanded_check(expanded, why);
	}
	if (ok)
		*out = expanded;
	else
		free(expanded);
	return ok;
}

char *
config_value_spare_names(const char *text)
{
	char *spared = util_alloc(2 * strlen(text) + 1), *out = spared;

	for (; *text != '\0'; text++) {
		if (*text == '$' && text[1] != '{')
			*out++ = '$';
		*out++ = *text;
	}
	return spared;
}
