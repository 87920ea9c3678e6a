/* SPDX-License-Identifier: ISC */
#include "supervisor/environment.h"

#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lease.h"
#include "common/util.h"
#include "supervisor/listener.h"
#include "supervisor/pool.h"
#include "supervisor/supervisor.h"
#include "supervisor/worker.h"

struct builder {
	char **vars; /* NULL at its end */
	size_t count;
	size_t size;
};

static bool
same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strcspn(b, "=") == len && strncmp(a, b, len) == 0;
}

/* Adds NAME=VALUE, which the builder then owns, or replaces NAME. */
static char *
put(struct builder *builder, char *var)
{
	for (size_t i = 0; i < builder->count; i++)
		if (same_name(builder->vars[i], var)) {
			free(builder->vars[i]);
			return builder->vars[i] = var;
		}
	if (builder->count + 1 >= builder->size) {
		size_t size = builder->size > 0 ? builder->size * 2 : 64;
		char **vars = util_alloc(size * sizeof(*vars));

		if (builder->count > 0)
			memcpy(vars, builder->vars, builder->count * sizeof(*vars));
		free(builder->vars);
		builder->vars = vars;
		builder->size = size;
	}
	builder->vars[builder->count++] = var;
	builder->vars[builder->count] = NULL;
	return var;
}

static bool
is_ours(const char *var)
{
	static const char *const prefixes[] = { "NOTIFY_SOCKET=", "LISTEN_PID=",
		"LISTEN_FDS=", "LISTEN_FDNAMES=", "SERVER_STARTER_", "FPM_SOCKETS",
		"WATCHDOG_",
		"POOLD_PROTOCOL=", "POOLD_FDS=", "POOLD_SERVICE=", "POOLD_SLOT=",
		"POOLD_GENERATION=", "POOLD_ENV=", "POOLD_CONCURRENCY=", "POOLD_CONTROL_",
		"POOLD_TEMPLATE=" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(var, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static void
put_inherited(struct builder *builder)
{
	for (char **var = environ; var != NULL && *var != NULL; var++)
		if (!is_ours(*var) && strchr(*var, '=') != NULL)
			put(builder, util_strdup(*var));
}

static void
put_account(struct builder *builder, const struct pool *pool)
{
	const struct passwd *pw;

	if (!pool->supervisor->is_root)
		return;
	pw = getpwuid(pool->account.uid);
	put(builder, util_asprintf("USER=%s", pool->account.name));
	put(builder, util_asprintf("LOGNAME=%s", pool->account.name));
	put(builder, util_asprintf("HOME=%s", pw != NULL ? pw->pw_dir : "/"));
}

/* env.NAME keys, and which they are: what a worker that starts programs of its
 * own hands on to them (poold-cgi), while it keeps poold's own environment. */
static void
put_configured(struct builder *builder, const struct config_envs *envs)
{
	const struct config_env *env;
	char *names = util_strdup("POOLD_ENV="), *more;

	TAILQ_FOREACH (env, envs, entry) {
		put(builder, util_asprintf("%s=%s", env->name, env->value));
		more = util_asprintf("%s%s%s", names, env->name,
		    TAILQ_NEXT(env, entry) != NULL ? "," : "");
		free(names);
		names = more;
	}
	put(builder, names);
}

static void
put_lease(struct builder *builder, const struct worker *worker)
{
	put(builder, util_asprintf("POOLD_PROTOCOL=%d", LEASE_PROTOCOL));
	put(builder,
	    util_asprintf("POOLD_FDS=%d,%d,%d,%d%s", LEASE_FD_QUEUE, LEASE_FD_CONTROL,
		LEASE_FD_SCOREBOARD, LEASE_FD_DONE, worker->rest_fd != -1 ? ",7" : ""));
	put(builder,
	    util_asprintf("POOLD_CONCURRENCY=%lld",
		(long long)worker->pool->config->concurrency));
}

/* --- listening sockets -------------------------------------------------- */

static bool
is_told_as(const struct pool *pool, const char *word)
{
	struct config_string *string;

	TAILQ_FOREACH (string, &pool->config->inherit_as, entry)
		if (strcmp(string->value, word) == 0)
			return true;
	return false;
}

static struct listener *
listener_named(const struct pool *pool, const char *name)
{
	return listener_by_address(&pool->supervisor->listeners,
	    config_listen_find(pool->plan->config, name)->address);
}

/* The listener's name in the configuration. */
static char *
name_in_systemd(const struct listener *listener, const char *name)
{
	(void)listener;
	return util_strdup(name);
}

/* The address as it was given to start_server: a port alone is every address. */
static char *
name_in_server_starter(const struct listener *listener, const char *name)
{
	const struct config_address *address = &listener->address;

	(void)name;
	if (address->kind == CONFIG_ADDRESS_UNIX)
		return util_strdup(address->path);
	if (address->kind == CONFIG_ADDRESS_ANY)
		return util_asprintf("%u", address->port);
	return util_strdup(listener->text);
}

/*
 * The key under which php-fpm looks for the socket of its own "listen": the
 * numeric address and the port, IPv6 without brackets.  "listen = 9000" there,
 * as ":9000" here, is every address, and its key that of IPv4.
 */
static char *
name_in_php_fpm(const struct listener *listener, const char *name)
{
	const struct config_address *address = &listener->address;
	char host[NI_MAXHOST];

	(void)name;
	if (address->kind == CONFIG_ADDRESS_UNIX)
		return util_strdup(address->path);
	if (address->kind == CONFIG_ADDRESS_ANY)
		return util_asprintf("0.0.0.0:%u", address->port);
	if (getnameinfo((const struct sockaddr *)&address->ss, address->ss_len, host,
		sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
		return util_strdup(listener->text);
	return util_asprintf("%s:%u", host, address->port);
}

typedef char *(*listener_naming)(const struct listener *listener, const char *name);

/* "VARIABLE=NAME=3,NAME=4", or without the numbers. */
static void
put_list(struct builder *builder, const struct pool *pool, const char *variable,
    listener_naming naming, const char *separator, bool with_numbers)
{
	char *text = util_asprintf("%s=", variable);
	struct config_string *listen;
	int fd = SPAWN_FD_FIRST;

	TAILQ_FOREACH (listen, &pool->config->listen, entry) {
		char *name = naming(listener_named(pool, listen->value), listen->value);
		const char *before = fd > SPAWN_FD_FIRST ? separator : "";
		char *more = with_numbers ?
		    util_asprintf("%s%s%s=%d", text, before, name, fd) :
		    util_asprintf("%s%s%s", text, before, name);

		free(name);
		free(text);
		text = more;
		fd++;
	}
	put(builder, text);
}

/* As sd_listen_fds(3) describes. */
static char *
put_systemd(struct builder *builder, const struct pool *pool)
{
	struct config_string *listen;
	unsigned count = 0;

	TAILQ_FOREACH (listen, &pool->config->listen, entry)
		count++;
	put_list(builder, pool, "LISTEN_FDNAMES", name_in_systemd, ":", false);
	put(builder, util_asprintf("LISTEN_FDS=%u", count));
	/* the child writes its pid here, which it alone knows in time */
	return put(builder, util_asprintf("LISTEN_PID=%010d.", 0));
}

/* As sd_watchdog_enabled(3) describes. */
static char *
put_watchdog(struct builder *builder, const struct pool *pool)
{
	put(builder,
	    util_asprintf("WATCHDOG_USEC=%llu",
		(unsigned long long)pool->config->health_interval_ms * 1000));
	return put(builder, util_asprintf("WATCHDOG_PID=%010d.", 0));
}

/* Returns what is to become LISTEN_PID, or NULL. */
static char *
put_sockets(struct builder *builder, const struct pool *pool)
{
	if (is_told_as(pool, CONFIG_INHERIT_SERVER_STARTER)) {
		put_list(builder, pool, "SERVER_STARTER_PORT", name_in_server_starter,
		    ";", true);
		put(builder, util_asprintf("SERVER_STARTER_GENERATION=%u", pool->number));
	}
	if (is_told_as(pool, CONFIG_INHERIT_PHP_FPM))
		put_list(builder, pool, "FPM_SOCKETS", name_in_php_fpm, ",", true);
	/* last: put may move what is before it, never what it returns */
	return is_told_as(pool, CONFIG_INHERIT_SYSTEMD) ? put_systemd(builder, pool) :
							  NULL;
}

/* What all processes of the pool have. */
static void
put_common(struct builder *builder, const struct pool *pool)
{
	put_inherited(builder);
	put_account(builder, pool);
	put(builder, util_asprintf("NOTIFY_SOCKET=%s", pool->supervisor->notify.path));
	put(builder, util_asprintf("POOLD_SERVICE=%s", pool->service->name));
	put(builder, util_asprintf("POOLD_GENERATION=%u", pool->number));
}

/* What a worker has for itself. */
static void
put_own(struct builder *builder, const struct worker *worker)
{
	put(builder, util_asprintf("POOLD_SLOT=%u", worker->slot));
	if (pool_is_leased(worker->pool))
		put_lease(builder, worker);
	if (worker->line.number == 0)
		return;
	put(builder, util_asprintf("POOLD_CONTROL_FD=%d", worker->line.number));
	put(builder,
	    util_asprintf("POOLD_CONTROL_RIGHT=%s",
		worker->pool->config->control == CONFIG_RIGHT_CHANGE ? "change" :
								       "read"));
}

char **
environment_new(struct worker *worker, char **listen_pid, char **watchdog_pid)
{
	struct pool *pool = worker->pool;
	struct builder builder = { 0 };

	*listen_pid = *watchdog_pid = NULL;
	put_common(&builder, pool);
	put_own(&builder, worker);
	put_configured(&builder, &pool->config->env);
	if (pool->config->health_type == CONFIG_HEALTH_WATCHDOG)
		*watchdog_pid = put_watchdog(&builder, pool);
	/* last: put may move what is before it, never what it returns */
	if (!pool_is_leased(pool))
		*listen_pid = put_sockets(&builder, pool);
	return builder.vars;
}

char **
environment_template(const struct pool *pool)
{
	struct builder builder = { 0 };

	put_common(&builder, pool);
	put(&builder, util_asprintf("POOLD_TEMPLATE=%d", LEASE_TEMPLATE));
	put_configured(&builder, &pool->config->env);
	return builder.vars;
}

char **
environment_oneoff(const struct pool *pool, const char *term)
{
	struct builder builder = { 0 };

	put_inherited(&builder);
	put_account(&builder, pool);
	put(&builder, util_asprintf("POOLD_SERVICE=%s", pool->service->name));
	if (term != NULL)
		put(&builder, util_asprintf("TERM=%s", term));
	put_configured(&builder, &pool->config->env);
	return builder.vars;
}

/* The template may be older than this version of poold, and its address. */
char **
environment_forked(const struct worker *worker)
{
	const struct pool *pool = worker->pool;
	struct builder builder = { 0 };

	put(&builder, util_asprintf("NOTIFY_SOCKET=%s", pool->supervisor->notify.path));
	put_own(&builder, worker);
	/* it is nobody else's: no WATCHDOG_PID */
	if (pool->config->health_type == CONFIG_HEALTH_WATCHDOG)
		put(&builder,
		    util_asprintf("WATCHDOG_USEC=%llu",
			(unsigned long long)pool->config->health_interval_ms * 1000));
	return builder.vars;
}

void
environment_free(char **envp)
{
	for (char **var = envp; *var != NULL; var++)
		free(*var);
	free(envp);
}

int
environment_listen_fds(const struct pool *pool, int *fds)
{
	struct config_string *listen;
	int count = 0;

	TAILQ_FOREACH (listen, &pool->config->listen, entry)
		if (count < SPAWN_SOCKETS_MAX)
			fds[count++] = listener_named(pool, listen->value)->fd;
	return count;
}

int
environment_stdin(const struct pool *pool)
{
	if (pool_is_leased(pool) || !is_told_as(pool, CONFIG_INHERIT_STDIN))
		return -1;
	return listener_named(pool, TAILQ_FIRST(&pool->config->listen)->value)->fd;
}
