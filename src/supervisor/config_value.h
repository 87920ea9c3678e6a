/* SPDX-License-Identifier: ISC */
/*
 * The values of configuration files: one parser for each type, and the way
 * back to text where the dump needs it.
 *
 * Parsers return whether text is valid.  If not, nothing was stored and why
 * holds the reason, ready to stand behind "key: ".
 */
#ifndef SUPERVISOR_CONFIG_VALUE_H
#define SUPERVISOR_CONFIG_VALUE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_WHY_SIZE	 256
#define CONFIG_NAME_MAX	 40    /* bytes of a name of a section */
#define CONFIG_VALUE_MAX 65536 /* bytes of a value, all lines together */
/* Blanks, ';' and '#' in a row: a line that goes on with a value cannot begin
 * with them, and a line of the dump must end somewhere. */
#define CONFIG_RUN_MAX	    100
#define CONFIG_ENV_NAME_MAX 80 /* bytes; leaves room on the dump's line */
#define CONFIG_NUMBER_SIZE  32 /* a formatted number with its unit */

/* A whole decimal number within [min, max]; a '-' may lead it if min < 0. */
bool config_value_int(const char *text, int64_t min, int64_t max, int64_t *out,
    char why[CONFIG_WHY_SIZE]);
/* "500ms", "10s", "5m", "1h", "0" to milliseconds. */
bool config_value_duration(const char *text, int64_t min_ms, int64_t max_ms,
    int64_t *out_ms, char why[CONFIG_WHY_SIZE]);
/* "4096", "64K", "64M", "1G" to bytes; K is 1024. */
bool config_value_size(const char *text, int64_t min, int64_t max, int64_t *out_bytes,
    char why[CONFIG_WHY_SIZE]);
/* "50%", "200%" to the number. */
bool config_value_percent(const char *text, int64_t min, int64_t max, int64_t *out,
    char why[CONFIG_WHY_SIZE]);
/* An octal number up to max: "022". */
bool config_value_octal(const char *text, int64_t max, int64_t *out,
    char why[CONFIG_WHY_SIZE]);
/* CPUs by their numbers from 0, and ranges of them: "0-1,3". */
bool config_value_cpus(const char *text, cpu_set_t *out, char why[CONFIG_WHY_SIZE]);
/* yes, no, true, false, on, off, in any case. */
bool config_value_bool(const char *text, bool *out, char why[CONFIG_WHY_SIZE]);
/* The index of text in choices. */
bool config_value_enum(const char *text, const char *const *choices, unsigned *out,
    char why[CONFIG_WHY_SIZE]);
/* "TERM", "SIGTERM" or "term" to SIGTERM; "none", where it is allowed, to 0. */
bool config_value_signal(const char *text, bool none_allowed, int *out,
    char why[CONFIG_WHY_SIZE]);
/* "TERM"; "none" for 0. */
const char *config_signal_name(int sig);
/* A name: a letter or digit, then letters, digits, '.', '_' and '-'. */
bool config_value_name(const char *text, char why[CONFIG_WHY_SIZE]);
/* The NAME of env.NAME: a C identifier that poold does not set itself. */
bool config_value_env_name(const char *text, char why[CONFIG_WHY_SIZE]);

/*
 * "/prefix" or "host/prefix".  *host is in lower case, "" without one; *prefix
 * without a slash at its end, unless it is "/".  The caller frees both.
 */
bool config_value_route(const char *text, char **host, char **prefix,
    char why[CONFIG_WHY_SIZE]);
/* "weight=N", what may stand behind a route. */
bool config_value_weight(const char *text, int64_t *weight, char why[CONFIG_WHY_SIZE]);

/*
 * Splits a command into words as a shell would, but without expanding
 * anything: white space separates, '...' is literal, and "..." is literal but
 * for the backslash, which everywhere else makes the next character literal.
 * The caller frees *argv with config_argv_free.
 */
bool config_value_argv(const char *text, char ***argv, char why[CONFIG_WHY_SIZE]);
/* The text that config_value_argv splits into argv.  The caller frees it. */
char *config_argv_join(char *const *argv);
void config_argv_free(char **argv); /* NULL is fine */

/*
 * Replaces ${NAME} and ${NAME:-default} from the environment, and $$ by a
 * dollar sign.  The default counts when the variable is unset or empty.  The
 * caller frees *out.
 */
bool config_value_expand(const char *text, char **out, char why[CONFIG_WHY_SIZE]);

/* The text that config_value_expand makes text of, but for the ${NAME} in it:
 * for values in which a dollar sign begins a name of their own.  The caller
 * frees it. */
char *config_value_spare_names(const char *text);

/* "0", "0.25" or "1", in millionths; digits beyond are dropped. */
bool config_value_ratio(const char *text, int64_t *out_millionths,
    char why[CONFIG_WHY_SIZE]);
void config_ratio_format(int64_t millionths, char buf[CONFIG_NUMBER_SIZE]);

/* The shortest text with a unit: 10000 is "10s", 1500 is "1500ms". */
void config_duration_format(int64_t ms, char buf[CONFIG_NUMBER_SIZE]);
void config_size_format(int64_t bytes, char buf[CONFIG_NUMBER_SIZE]);

#endif
