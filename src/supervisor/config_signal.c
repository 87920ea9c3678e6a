/* SPDX-License-Identifier: ISC */
/* Signals by name. */
#include <signal.h>
#include <stdio.h>
#include <strings.h>

#include "supervisor/config_value.h"

/* Those that a program may handle for the one who runs it. */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "none", 0 },
	{ "ABRT", SIGABRT },
	{ "ALRM", SIGALRM },
	{ "HUP", SIGHUP },
	{ "INT", SIGINT },
	{ "PROF", SIGPROF },
	{ "QUIT", SIGQUIT },
	{ "TERM", SIGTERM },
	{ "TRAP", SIGTRAP },
	{ "URG", SIGURG },
	{ "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
	{ "VTALRM", SIGVTALRM },
	{ "WINCH", SIGWINCH },
	{ "XCPU", SIGXCPU },
};

#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

bool
config_value_signal(const char *text, int *out, char why[CONFIG_WHY_SIZE])
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;

	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (strcasecmp(signals[i].name, name) == 0) {
			*out = signals[i].number;
			return true;
		}
	}
	snprintf(why, CONFIG_WHY_SIZE,
	    "'%.128s' is not a signal to send, such as USR1 or QUIT, or none", text);
	return false;
}

const char *
config_signal_name(int number)
{
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (signals[i].number == number)
			return signals[i].name;
	return "?";
}
