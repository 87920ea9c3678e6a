/* SPDX-License-Identifier: ISC */
/* How a service's health is judged: whether the keys fit together. */
#include "common/http.h"
#include "supervisor/check.h"
#include "supervisor/config_check.h"
#include "supervisor/config_keys.h"
#include "supervisor/expect.h"

/* The path becomes a request, which must be one that the router would take. */
static void
path_check(const struct config_service *service, struct config_errors *errors)
{
	const struct config_origin *origin = config_key_origin(CONFIG_SERVICE,
	    "health_check", service->at);
	char request[CHECK_REQUEST_MAX], path[HTTP_PATH_MAX];
	size_t len = check_request(service->health_check, request), path_len;
	const char *why = "it is too long";
	struct http_head head;
	bool encoded_slash;

	if (service->health_check[0] == '\0')
		return;
	if (service->health_check[0] != '/')
		why = "it does not begin with a slash";
	else if (len > 0 && http_head_parse(&head, request, len) != HTTP_OK)
		why = head.reason;
	else if (len > 0)
		why = http_path_canonical(request + head.path.off, head.path.len, path,
		    sizeof(path), &path_len, &encoded_slash);
	if (why != NULL)
		config_error_add(errors, origin, "health_check = %s: %s",
		    service->health_check, why);
}

static void
expect_check(const struct config_service *service, struct config_errors *errors)
{
	const struct config_origin *origin = config_key_origin(CONFIG_SERVICE,
	    "health_expect", service->at);
	char why[CONFIG_WHY_SIZE];
	struct expect expect;

	if (origin != NULL && !expect_parse(&expect, service->health_expect, why))
		config_error_add(errors, origin, "health_expect = %s: %s",
		    service->health_expect, why);
}

void
config_health_check(const struct config_service *service, struct config_errors *errors)
{
	path_check(service, errors);
	expect_check(service, errors);
	if (service->health_type == CONFIG_HEALTH_TCP &&
	    service->mode == CONFIG_MODE_LEASE)
		config_error_add(errors,
		    config_key_origin(CONFIG_SERVICE, "health_type", service->at),
		    "[service %s]: health_type = tcp needs mode = inherit: a leased "
		    "worker listens nowhere",
		    service->name);
	if (service->health_type != CONFIG_HEALTH_HTTP &&
	    service->health_check[0] != '\0')
		config_error_add(errors,
		    config_key_origin(CONFIG_SERVICE, "health_check", service->at),
		    "[service %s]: health_check is for health_type = http",
		    service->name);
	if (service->outlier_failures > 0 && service->mode == CONFIG_MODE_INHERIT)
		config_error_add(errors,
		    config_key_origin(CONFIG_SERVICE, "outlier_failures", service->at),
		    "[service %s]: outlier_failures needs mode = lease: what other "
		    "workers answer is not seen",
		    service->name);
}
