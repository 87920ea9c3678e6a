/* SPDX-License-Identifier: ISC */
#include "supervisor/oneoff.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/cgroup.h"
#include "supervisor/control_client.h"
#include "supervisor/environment.h"
#include "supervisor/json_text.h"
#include "supervisor/pool.h"
#include "supervisor/stop.h"
#include "supervisor/supervisor.h"

#define NOT_FOUND    127 /* as shells have it */
#define NOT_STARTED  126
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

static void on_exit_event(void *owner, uint32_t events);
static void on_failure(void *owner, uint32_t events);

/* --- begin and end ------------------------------------------------------ */

static struct oneoff *
oneoff_new(struct supervisor *supervisor)
{
	struct oneoff *oneoff = util_alloc(sizeof(*oneoff));

	oneoff->supervisor = supervisor;
	oneoff->exit = (struct loop_io){ .fd = -1, .fn = on_exit_event, .owner = oneoff };
	oneoff->failure = (struct loop_io){ .fd = -1, .fn = on_failure, .owner = oneoff };
	oneoff->client_fd = -1;
	oneoff->began_ns = util_now_ns();
	TAILQ_INSERT_TAIL(&supervisor->oneoffs, oneoff, entry);
	return oneoff;
}

static void
oneoff_free(struct oneoff *oneoff)
{
	if (oneoff->client != NULL)
		oneoff->client->oneoff = NULL;
	TAILQ_REMOVE(&oneoff->supervisor->oneoffs, oneoff, entry);
	loop_io_close(&oneoff->supervisor->loop, &oneoff->exit);
	loop_io_close(&oneoff->supervisor->loop, &oneoff->failure);
	free(oneoff->service);
	free(oneoff);
}

/* Its group, which it may not lead yet. */
static void
send_signal(const struct oneoff *oneoff, int sig)
{
	if (kill(-oneoff->pid, sig) == -1)
		syscall(SYS_pidfd_send_signal, oneoff->exit.fd, sig, NULL, 0);
}

static void
watch(struct oneoff *oneoff)
{
	struct loop *loop = &oneoff->supervisor->loop;

	if (loop_io_add(loop, &oneoff->exit, EPOLLIN) == -1)
		log_error("cannot watch a process of poolctl run: %s", strerror(errno));
	if (oneoff->failure.fd != -1)
		loop_io_add(loop, &oneoff->failure, EPOLLIN);
}

/* --- what becomes of it -------------------------------------------------- */

/* It runs, or why not. */
static void
read_failure(struct oneoff *oneoff)
{
	if (oneoff->failure.fd == -1)
		return;
	spawn_failure_read(oneoff->failure.fd, &oneoff->spawn_failure);
	loop_io_close(&oneoff->supervisor->loop, &oneoff->failure);
	if (oneoff->spawn_failure.step[0] == '\0' && oneoff->client != NULL) {
		json_t *reply = json_pack("{s:b, s:i}", "ok", 1, "pid", (int)oneoff->pid);

		control_client_reply(oneoff->client, reply);
		json_decref(reply);
	}
}

static void
on_failure(void *owner, uint32_t events)
{
	(void)events;
	read_failure(owner);
}

static json_t *
failure_json(const struct oneoff *oneoff)
{
	const struct spawn_failure *failure = &oneoff->spawn_failure;
	char *why = util_asprintf("cannot start it: %s: %s", failure->step,
	    strerror(failure->error));
	json_t *json = json_pack("{s:b, s:o, s:i}", "ok", 0, "error", json_text(why),
	    "exit_status", failure->error == ENOENT ? NOT_FOUND : NOT_STARTED);

	free(why);
	return json;
}

static json_t *
exit_json(const struct oneoff *oneoff, const siginfo_t *info)
{
	bool exited = info->si_code == CLD_EXITED;

	return json_pack("{s:b, s:o, s:o, s:f}", "end", 1, "exit_status",
	    exited ? json_integer(info->si_status) : json_null(), "signal",
	    exited ? json_null() : json_integer(info->si_status), "seconds",
	    (double)(util_now_ns() - oneoff->began_ns) / 1e9);
}

static void
on_exit_event(void *owner, uint32_t events)
{
	struct oneoff *oneoff = owner;
	struct supervisor *supervisor = oneoff->supervisor;
	siginfo_t info = { 0 };

	(void)events;
	read_failure(oneoff);
	/* what it left in its group, as long as nobody else can have its number */
	kill(-oneoff->pid, SIGKILL);
	waitid(P_PIDFD, (id_t)oneoff->exit.fd, &info, WEXITED | WNOHANG);
	log_info("service %s: poolctl run (pid %d) has ended: %s %d", oneoff->service,
	    (int)oneoff->pid, info.si_code == CLD_EXITED ? "status" : "signal",
	    info.si_status);
	if (oneoff->client != NULL)
		control_client_done(oneoff->client,
		    oneoff->spawn_failure.step[0] != '\0' ? failure_json(oneoff) :
							    exit_json(oneoff, &info));
	oneoff_free(oneoff);
	stop_check(supervisor);
}

/* --- what its client says ------------------------------------------------ */

void
oneoff_said(struct control_client *client, const json_t *said)
{
	static const int allowed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGKILL, SIGUSR1,
		SIGUSR2, SIGTSTP, SIGCONT };
	json_int_t sig = json_integer_value(json_object_get(said, "signal"));

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (sig == allowed[i])
			send_signal(client->oneoff, (int)sig);
}

void
oneoff_client_gone(struct control_client *client)
{
	struct oneoff *oneoff = client->oneoff;

	if (oneoff == NULL)
		return;
	client->oneoff = NULL;
	oneoff->client = NULL;
	send_signal(oneoff, SIGKILL);
}

/* --- starting ------------------------------------------------------------ */

/* Returns NULL, or why not (static text). */
static const char *
check(const struct control_client *client, const json_t *request)
{
	const json_t *argv = json_object_get(request, "argv");
	const struct oneoff *oneoff;
	unsigned count = 0;

	if (json_array_size(argv) == 0)
		return "the request has no argv";
	for (size_t i = 0; i < json_array_size(argv); i++)
		if (!json_is_string(json_array_get(argv, i)))
			return "argv is a list of texts";
	if (client->fd_count != CONTROL_FDS)
		return "the request came without standard input, output and error";
	TAILQ_FOREACH (oneoff, &client->control->supervisor->oneoffs, entry)
		count++;
	return count >= ONEOFF_MAX ? "too many of these processes run already" : NULL;
}

static const char *
path_of(char *const *envp)
{
	for (; *envp != NULL; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return DEFAULT_PATH;
}

static char **
argv_of(const json_t *list)
{
	size_t count = json_array_size(list);
	char **argv = util_alloc((count + 1) * sizeof(*argv));

	for (size_t i = 0; i < count; i++)
		argv[i] = util_strdup(json_string_value(json_array_get(list, i)));
	return argv;
}

/* Returns false with errno. */
static bool
fork_oneoff(struct oneoff *oneoff, struct pool *pool, const int fds[CONTROL_FDS],
    const json_t *request)
{
	const char *term = json_string_value(json_object_get(request, "term"));
	char **argv = argv_of(json_object_get(request, "argv"));
	struct spawn spawn = { .path = argv[0],
		.argv = argv,
		.envp = environment_oneoff(pool, term),
		.chdir = pool->config->chdir,
		.account = &pool->account,
		.switch_account = pool->supervisor->is_root,
		.stdin_fd = fds[STDIN_FILENO],
		.log_fd = fds[STDOUT_FILENO],
		.error_fd = fds[STDERR_FILENO],
		.terminal = json_is_true(json_object_get(request, "terminal")),
		.death_signal = SIGKILL };
	struct limits limits;
	pid_t pid;
	int error;

	spawn.search = path_of(spawn.envp);
	limits_init(&limits, &pool->config->limits,
	    cgroup_fd(&pool->supervisor->cgroups, pool));
	spawn.limits = &limits;
	pid = spawn_process(&spawn, &oneoff->exit.fd, &oneoff->failure.fd);
	error = errno;
	environment_free(spawn.envp);
	environment_free(argv);
	errno = error;
	if (pid == -1)
		return false;
	oneoff->pid = pid;
	return true;
}

void
oneoff_start(struct control_client *client, struct service *service,
    const json_t *request)
{
	const char *why = check(client, request);
	struct oneoff *oneoff;
	json_t *reply;

	if (why == NULL) {
		oneoff = oneoff_new(client->control->supervisor);
		oneoff->service = util_strdup(service->name);
		if (fork_oneoff(oneoff, service->current, client->fds, request)) {
			oneoff->client = client;
			client->oneoff = oneoff;
			client->wait = CONTROL_WAIT_RUN;
			watch(oneoff);
			log_info("service %s: poolctl run (pid %d)", service->name,
			    (int)oneoff->pid);
		} else {
			why = strerror(errno);
			oneoff_free(oneoff);
		}
	}
	control_client_close_fds(client);
	if (why == NULL)
		return;
	reply = json_pack("{s:b, s:o}", "ok", 0, "error", json_text(why));
	control_client_reply(client, reply);
	json_decref(reply);
}

/* --- all ------------------------------------------------------------------ */

bool
oneoff_is_known(const struct supervisor *supervisor, pid_t pid)
{
	const struct oneoff *oneoff;

	TAILQ_FOREACH (oneoff, &supervisor->oneoffs, entry)
		if (oneoff->pid == pid)
			return true;
	return false;
}

void
oneoff_stop_all(struct supervisor *supervisor, int sig)
{
	struct oneoff *oneoff;

	TAILQ_FOREACH (oneoff, &supervisor->oneoffs, entry)
		send_signal(oneoff, sig);
}

void
oneoff_free_all(struct supervisor *supervisor)
{
	struct oneoff *oneoff;

	while ((oneoff = TAILQ_FIRST(&supervisor->oneoffs)) != NULL)
		oneoff_free(oneoff);
}

struct oneoff *
oneoff_restore(struct supervisor *supervisor)
{
	return oneoff_new(supervisor);
}

/* Our child, and not reaped: nobody else can have its pid. */
void
oneoff_adopt_all(struct supervisor *supervisor)
{
	struct oneoff *oneoff;

	TAILQ_FOREACH (oneoff, &supervisor->oneoffs, entry) {
		oneoff->exit.fd = spawn_pidfd(oneoff->pid);
		if (oneoff->client_fd != -1)
			oneoff->client = control_client_new(&supervisor->control,
			    oneoff->client_fd, true, NULL);
		oneoff->client_fd = -1;
		if (oneoff->client != NULL) {
			oneoff->client->oneoff = oneoff;
			control_client_wait(oneoff->client, CONTROL_WAIT_RUN);
		}
		watch(oneoff);
		if (oneoff->client == NULL)
			send_signal(oneoff, SIGKILL);
	}
}
