/* SPDX-License-Identifier: ISC */
/* Checks of what [poold] says about the control socket. */
#include <grp.h>
#include <string.h>
#include <sys/un.h>

#include "supervisor/config_check.h"
#include "supervisor/config_keys.h"

static bool
is_number(const char *text)
{
	return strspn(text, "0123456789") == strlen(text);
}

void
config_control_check(const struct config *config, struct config_errors *errors)
{
	const char *group = config->control_group;

	if (strlen(config->control) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		config_error_add(errors,
		    config_key_origin(CONFIG_POOLD, "control", config->at),
		    "the path of the control socket is longer than %zu bytes",
		    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (group[0] != '\0' && !is_number(group) && getgrnam(group) == NULL)
		config_error_add(errors,
		    config_key_origin(CONFIG_POOLD, "control_group", config->at),
		    "unknown group '%s' in control_group", group);
}
