/* SPDX-License-Identifier: ISC */
/* The errors of a load: see config.h. */
#include <stdlib.h>

#include "common/util.h"
#include "supervisor/config.h"

void
config_errors_init(struct config_errors *errors)
{
	TAILQ_INIT(&errors->list);
	errors->count = 0;
	errors->unlisted = 0;
}

void
config_errors_free(struct config_errors *errors)
{
	struct config_error *error;

	while ((error = TAILQ_FIRST(&errors->list)) != NULL) {
		TAILQ_REMOVE(&errors->list, error, entry);
		free(error->text);
		free(error);
	}
	config_errors_init(errors);
}

void
config_error_vadd(struct config_errors *errors, const struct config_origin *origin,
    const char *fmt, va_list ap)
{
	struct config_error *error;
	char *text;

	if (errors->count++ >= CONFIG_ERRORS_MAX) {
		errors->unlisted++;
		return;
	}
	error = util_alloc(sizeof(*error));
	if (vasprintf(&text, fmt, ap) == -1)
		text = util_strdup("out of memory");
	if (origin == NULL || origin->file == NULL)
		error->text = util_strdup(text);
	else if (origin->line == 0)
		error->text = util_asprintf("%s: %s", origin->file, text);
	else
		error->text = util_asprintf("%s:%u: %s", origin->file, origin->line,
		    text);
	free(text);
	TAILQ_INSERT_TAIL(&errors->list, error, entry);
}

void
config_error_add(struct config_errors *errors, const struct config_origin *origin,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	config_error_vadd(errors, origin, fmt, ap);
	va_end(ap);
}
