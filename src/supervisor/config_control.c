/* SPDX-License-Identifier: ISC */
/* Checks of what [poold] says about the control socket. */
#include <grp.h>
#include <string.h>
#include <sys/un.h>

#include "supervisor/config_check.h"
#include "supervisor/config_keys.h"

static const struct config_origin *
origin_of(const struct config *config, const char *key)
{
	const struct config_origin *at =
	    &config->at[config_key_index(config_key_find(CONFIG_POOLD, key))];

	return at->file != NULL ? at : NULL;
}

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
		config_error_add(errors, origin_of(config, "control"),
		    "the path of the control socket is longer than %zu bytes",
		    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (group[0] != '\0' && !is_number(group) && getgrnam(group) == NULL)
		config_error_add(errors, origin_of(config, "control_group"),
		    "unknown group '%s' in control_group", group);
}
