/* SPDX-License-Identifier: ISC */
/*
 * The configuration: read with inih, checked as a whole, dumped by -T.
 * See poold.ini(5).
 */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/logger.h"

/* Where a section or a key stands, for messages. */
struct config_origin {
	const char *file; /* interned in the config; never NULL */
	unsigned line;	  /* from 1; 0: a default */
};

/*
 * Where each key of a section stands, by its index in the key table (see
 * config_keys.h).  file is NULL for a key that was not given.
 */
#define CONFIG_KEYS_MAX 160

struct config_string {
	char *value;
	struct config_origin origin;
	TAILQ_ENTRY(config_string) entry;
};
TAILQ_HEAD(config_strings, config_string);

/* env.NAME = value */
struct config_env {
	char *name;
	char *value;
	struct config_origin origin;
	TAILQ_ENTRY(config_env) entry;
};
TAILQ_HEAD(config_envs, config_env);

/* route = [host]/prefix [weight=N] */
#define CONFIG_WEIGHT_NONE (-1) /* the route belongs to one service */
#define CONFIG_WEIGHT_MAX  1000
struct config_route {
	char *host;	/* lower case, without port; "" is any host */
	char *prefix;	/* canonical, begins with '/', no '/' at its end but "/" */
	int64_t weight; /* share of the requests; 0: none of them */
	struct config_origin origin;
	TAILQ_ENTRY(config_route) entry;
};
TAILQ_HEAD(config_routes, config_route);

enum config_mode { CONFIG_MODE_LEASE, CONFIG_MODE_INHERIT };
enum config_scaling {
	CONFIG_SCALING_STATIC,
	CONFIG_SCALING_DYNAMIC,
	CONFIG_SCALING_ONDEMAND,
};
enum config_reload { CONFIG_RELOAD_REPLACE, CONFIG_RELOAD_ROLLING };
enum config_health {
	CONFIG_HEALTH_HTTP,
	CONFIG_HEALTH_TCP,
	CONFIG_HEALTH_WATCHDOG,
};
enum config_readers { CONFIG_READERS_GROUP, CONFIG_READERS_ALL };
enum config_right { CONFIG_RIGHT_OFF, CONFIG_RIGHT_READ, CONFIG_RIGHT_CHANGE };
enum config_balance { CONFIG_BALANCE_ROUND_ROBIN, CONFIG_BALANCE_HOT };

struct config_listen {
	char *name;
	struct config_origin origin;
	struct config_origin at[CONFIG_KEYS_MAX];
	char *address; /* ":8080", "127.0.0.1:80", "[::1]:80", "unix:/path" (the
			* path made absolute): see config_address_parse */
	int64_t backlog;
	bool shared_trust;
	bool proxy_protocol;
	struct config_strings trusted; /* "10.0.0.0/8", "::1", "unix" */
	int64_t head_timeout_ms;
	int64_t keepalive_timeout_ms;
	int64_t keepalive_requests;
	char *access_log;	 /* as in [poold]; "": what that says */
	char *access_log_format; /* the same */
	TAILQ_ENTRY(config_listen) entry;
};
TAILQ_HEAD(config_listens, config_listen);

/* Numbers that a key may leave open, or say "unlimited" to. */
#define CONFIG_UNSET	 INT64_MIN
#define CONFIG_UNLIMITED INT64_MAX

/* What the workers of a service may use, and what they see.  A number is
 * CONFIG_UNSET, a text "", where they have what poold itself has. */
struct config_limits {
	int64_t rlimit_as; /* bytes */
	int64_t rlimit_nofile;
	int64_t rlimit_cpu_ms;
	int64_t rlimit_core; /* bytes */
	int64_t rlimit_nproc;
	int64_t nice;
	char *cpu_affinity; /* see config_value_cpus */
	int64_t oom_score_adj;
	int64_t umask;
	char *chroot; /* absolute; "" : none */
	bool private_tmp;
	int64_t cgroup_memory_max; /* bytes, of all workers together */
	int64_t cgroup_cpu_max;	   /* per cent of one CPU */
	int64_t cgroup_pids_max;
};

/* What the app of a service may be: a path, or a name in the language's own way
 * as well, "package.module:callable". */
enum config_app { CONFIG_APP_PATH, CONFIG_APP_MODULE };

/* How the programs of a language are started. */
struct config_language {
	char *name;
	struct config_origin origin; /* line 0: it comes with poold */
	struct config_origin at[CONFIG_KEYS_MAX];
	char *command; /* with placeholders: see config_language.c */
	enum config_app app;
	int64_t concurrency;	       /* of services that do not say; 0: as of all */
	struct config_strings options; /* "NAME TYPE": see config_option.c */
	bool preload;		       /* of a service that does not say */
	TAILQ_ENTRY(config_language) entry;
};
TAILQ_HEAD(config_languages, config_language);

struct config_service {
	char *name;
	struct config_origin origin;
	struct config_origin at[CONFIG_KEYS_MAX];
	struct config_strings listen; /* names of [listen] sections; filled with
				       * all of them when none is given (lease),
				       * checked against them */
	struct config_routes routes;
	char *command;	/* as written, or as the language's command became */
	char *language; /* "": none */
	char *app;	/* absolute, but for a module; "": none */
	struct config_strings app_files; /* paths of the app, which count as watched */
	struct config_envs options;	 /* keys that its language has added */
	char **argv; /* split, NULL at its end; argv[0] is an absolute path */
	struct config_origin command_origin;
	bool preload;	 /* its workers are forked from a template */
	int64_t workers; /* scaling = static */
	enum config_scaling scaling;
	int64_t workers_min;
	int64_t workers_max; /* 0: not given */
	int64_t workers_spare;
	int64_t idle_timeout_ms;
	int64_t spawn_rate;   /* starts a second */
	int64_t max_requests; /* of one worker; 0: any */
	int64_t max_lifetime_ms;
	int64_t max_memory;	/* bytes */
	int64_t recycle_jitter; /* per cent */
	enum config_reload reload;
	int64_t reload_batch; /* workers; reload = rolling */
	int64_t reload_grace_ms;
	int64_t concurrency;
	enum config_balance balance;
	enum config_mode mode;
	char *user;   /* "" : that of [poold], or who poold runs as */
	char *group;  /* "" : the user's own groups */
	char *output; /* "log", "off", or an absolute path */
	char *chdir;  /* absolute; default: the folder of the file in which the
			 * section stands, or / in a chroot */
	struct config_limits limits;
	struct config_envs env;
	struct config_strings watch;	  /* paths, absolute */
	struct config_strings inherit_as; /* mode = inherit: words of
					   * config_inherit_words, at least one */
	int64_t ready_after_ms;		  /* mode = inherit; 0: it must say so */
	int stop_signal;
	int reload_signal; /* 0: none */
	int64_t start_timeout_ms;
	int64_t stop_timeout_ms;
	int64_t queue_limit;
	int64_t queue_timeout_ms;
	int64_t request_timeout_ms; /* 0: none */
	int64_t slow_threshold_ms;  /* 0: none */
	int trace_signal;	    /* 0: none */
	int64_t client_timeout_ms;
	int64_t body_timeout_ms;
	int64_t body_min_rate;	 /* bytes a second; 0: any */
	int64_t body_buffer;	 /* bytes; 0: no gate */
	int64_t max_body;	 /* bytes */
	int64_t response_buffer; /* bytes of each worker; 0: none */
	int64_t retries;
	bool breaker;
	int64_t breaker_failures; /* percent; 0: their rate does not count */
	int64_t breaker_requests;
	int64_t breaker_status; /* 0: none */
	int64_t breaker_window_ms;
	int64_t breaker_time_ms;
	int64_t breaker_max_time_ms;
	int64_t breaker_trials;
	char *health_check;  /* path and query; "": none */
	char *health_expect; /* see expect.h */
	enum config_health health_type;
	int64_t health_interval_ms;
	int64_t health_timeout_ms;
	int64_t health_failures;   /* in a row */
	int64_t health_successes;  /* in a row */
	int64_t outlier_failures;  /* in a row; 0: not looked at */
	enum config_right control; /* what its workers may ask of the supervisor */
	bool required;		   /* the machine is not ready without it */
	char *description;
	struct config_strings examples;
	struct config_strings tags;
	char *access_log;	 /* as in [poold]; "": what its listeners say */
	char *access_log_format; /* the same */
	bool server_timing;
	TAILQ_ENTRY(config_service) entry;
};
TAILQ_HEAD(config_services, config_service);

struct config {
	char *file;		     /* as given to config_load, absolute */
	char *dir;		     /* its folder */
	struct config_origin origin; /* of [poold]; line 0: there is none */
	struct config_origin at[CONFIG_KEYS_MAX];
	/* [poold] */
	char *user;	/* "" : nobody when started as root, else who runs it */
	char *group;	/* "" : the user's own groups */
	char *pid_file; /* "" : none */
	char *log;	/* "stderr", "syslog", "syslog:PATH", or absolute */
	enum logger_format log_format;
	enum logger_level log_level;
	char *access_log;	 /* as log, or "off" */
	char *access_log_format; /* see common/access_format.h */
	char *slow_log;		 /* the same */
	char *control;		 /* "" : in the run-time folder, "off", or absolute */
	char *control_group;	 /* "" : none */
	enum config_readers control_readers;
	int64_t trace_sample; /* millionths */
	char *trace_export;   /* "off", or see common/endpoint.h */
	char *libexec;	      /* absolute */
	int64_t max_connections;
	int64_t max_connections_per_address; /* 0: no limit of its own */
	struct config_listens listens;
	struct config_services services;
	struct config_languages languages; /* those that come with poold too */
	struct config_strings files;	   /* interned names of all files read */
};

/* Errors found in one load; all of them: first those of the text, in its
 * order, then those of the cross checks. */
struct config_error {
	char *text; /* "poold.ini:12: unknown key 'wokers' in [service a]; did
		     * you mean 'workers'?" */
	TAILQ_ENTRY(config_error) entry;
};
struct config_errors {
	TAILQ_HEAD(config_error_list, config_error)
	list;
	size_t count;
	size_t unlisted; /* beyond CONFIG_ERRORS_MAX, counted only */
};
#define CONFIG_ERRORS_MAX 100

void config_errors_init(struct config_errors *errors);
void config_errors_free(struct config_errors *errors);
void config_error_add(struct config_errors *errors, const struct config_origin *origin,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void config_error_vadd(struct config_errors *errors, const struct config_origin *origin,
    const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/*
 * Reads and checks file and what it includes.  Returns the configuration,
 * which the caller frees with config_free; NULL when errors has grown by at
 * least one (unreadable file included).
 */
struct config *config_load(const char *file, struct config_errors *errors);
void config_free(struct config *config); /* NULL is fine */

/* Writes the effective configuration, every key with its value, as a file that
 * config_load reads back to the same. */
void config_dump(const struct config *config, FILE *out);

/* The same with this one of its services alone. */
void config_dump_service(const struct config *config,
    const struct config_service *service, FILE *out);

/*
 * What of a service's section its workers depend on, as text (the part of
 * config_dump that it contributes, with the [poold] defaults it inherits
 * resolved, and without keys that take effect without new workers): equal texts
 * mean that its workers may stay.  The caller frees it.
 */
char *config_service_text(const struct config *config,
    const struct config_service *service);

/* Parses "ADDRESS", "ADDRESS/BITS" (IPv4 or IPv6) or "unix". */
struct role_network;
bool config_network_parse(const char *text, struct role_network *out, const char **why);

/*
 * Where to listen.  CONFIG_ADDRESS_ANY is ":8080": every IPv6 and IPv4 address
 * of the machine, one dual-stack socket (IPV6_V6ONLY off).  CONFIG_ADDRESS_INET6
 * is IPv6 alone (IPV6_V6ONLY on), "[::]:8080" included.
 */
enum config_address_kind {
	CONFIG_ADDRESS_ANY,
	CONFIG_ADDRESS_INET,
	CONFIG_ADDRESS_INET6,
	CONFIG_ADDRESS_UNIX,
};

struct config_address {
	enum config_address_kind kind;
	uint16_t port;		    /* 0 with CONFIG_ADDRESS_UNIX */
	char host[64];		    /* numeric, without brackets; "" otherwise */
	char path[108];		    /* CONFIG_ADDRESS_UNIX: absolute; "" otherwise */
	struct sockaddr_storage ss; /* ready for bind */
	socklen_t ss_len;
};

/* Returns whether text is an address and fills out; otherwise *why is the
 * reason (static). */
bool config_address_parse(const char *text, struct config_address *out, const char **why);

/* Whether the two cannot be bound at the same time. */
bool config_address_overlap(const struct config_address *a,
    const struct config_address *b);

/* Who a process runs as. */
struct config_account {
	uid_t uid;
	gid_t gid;
	char *name;    /* of the user; the number as text if it has none */
	gid_t *groups; /* all that setgroups should set; gid among them */
	int group_count;
};

/*
 * Finds a user and a group by name or number.  user "" is nobody when the
 * effective user is root and whoever poold runs as otherwise; group "" is the
 * user's own.  The supplementary groups are the user's.  A number without an
 * entry in the user database is accepted only along with a group.  Returns
 * false with a reason in *why, which the caller frees; out is then empty.
 */
bool config_account_find(const char *user, const char *group, struct config_account *out,
    char **why);
void config_account_free(struct config_account *account);

/*
 * The account of a service's workers: the service's user and group, else those
 * of [poold], else the default of config_account_find.  A group of [poold] goes
 * with its user: a service that names a user of its own does not inherit it.
 */
bool config_service_account(const struct config *config,
    const struct config_service *service, struct config_account *out, char **why);
/* The account of the router. */
bool config_router_account(const struct config *config, struct config_account *out,
    char **why);

/* The listener, service or language of this name, or NULL. */
struct config_listen *config_listen_find(const struct config *config, const char *name);
struct config_service *config_service_find(const struct config *config, const char *name);
struct config_language *config_language_find(const struct config *config,
    const char *name);

/* Whether the service names the listener of this name. */
bool config_service_listens(const struct config_service *service, const char *listen);

/* Whether the service may have no worker until a request waits for one. */
bool config_starts_on_demand(const struct config_service *service);

/* The most workers that a service may have. */
#define CONFIG_WORKERS_MAX 1024

/* What inherit_as may name; NULL at its end. */
#define CONFIG_INHERIT_SYSTEMD	      "systemd"
#define CONFIG_INHERIT_SERVER_STARTER "server-starter"
#define CONFIG_INHERIT_PHP_FPM	      "php-fpm"
#define CONFIG_INHERIT_STDIN	      "stdin"
extern const char *const config_inherit_words[];

/* The sections of a file. */
enum config_section { CONFIG_POOLD, CONFIG_LISTEN, CONFIG_SERVICE, CONFIG_LANGUAGE };

#endif
