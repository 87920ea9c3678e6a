/* SPDX-License-Identifier: ISC */
#include "supervisor/supervisor.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "supervisor/daemon.h"
#include "supervisor/event.h"
#include "supervisor/main.h"
#include "supervisor/reload.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/stop.h"

#define TITLE_INTERVAL_NS (100 * MS_NS)
#define FLUSH_INTERVAL_NS (50 * MS_NS)

/* --- title, logs ------------------------------------------------------- */

void
supervisor_title_show(struct supervisor *supervisor)
{
	static const char *const phases[] = { "", ", draining", ", stopping" };
	const char *slash = strrchr(supervisor->config_file, '/');
	unsigned services, workers, open;
	char breakers[40] = "";

	service_count(&supervisor->services, &services, &workers);
	open = service_count_open(&supervisor->services);
	if (open > 0)
		snprintf(breakers, sizeof(breakers), ", %u breaker%s open", open,
		    open == 1 ? "" : "s");
	setproctitle("-poold: supervisor (%s, %u service%s, %u worker%s%s%s)",
	    slash != NULL ? slash + 1 : supervisor->config_file, services,
	    services == 1 ? "" : "s", workers, workers == 1 ? "" : "s", breakers,
	    phases[supervisor->phase]);
	systemd_status(supervisor);
}

static void
on_title_timer(void *owner)
{
	supervisor_title_show(owner);
}

void
supervisor_title_touch(struct supervisor *supervisor)
{
	if (!loop_timer_is_set(&supervisor->title_timer))
		loop_timer_set(&supervisor->loop, &supervisor->title_timer,
		    util_now_ns() + TITLE_INTERVAL_NS);
}

static void
flush_log(void *owner)
{
	struct supervisor *supervisor = owner;

	bool waits = log_flush();

	if (logs_flush(&supervisor->logs))
		waits = true;
	if (waits && !loop_timer_is_set(&supervisor->flush_timer))
		loop_timer_set(&supervisor->loop, &supervisor->flush_timer,
		    util_now_ns() + FLUSH_INTERVAL_NS);
}

static void
on_flush_timer(void *owner)
{
	(void)owner; /* the wait that follows flushes */
}

/* --- signals ----------------------------------------------------------- */

bool
supervisor_knows(struct supervisor *supervisor, pid_t pid)
{
	return pid == supervisor->link.process.pid || pid == supervisor->link.old.pid ||
	    pid == supervisor->logger.process.pid || pid == supervisor->upgrade.pid ||
	    oneoff_is_known(supervisor, pid) ||
	    service_find_worker(&supervisor->services, pid) != NULL ||
	    service_find_template(&supervisor->services, pid) != NULL;
}

/* One of ours hides those behind it: its pidfd leads back here.  So does the end
 * of a fork, before which a stranger may be the worker. */
void
supervisor_reap_strangers(struct supervisor *supervisor)
{
	siginfo_t info;

	while (!service_is_forking(&supervisor->services)) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 ||
		    info.si_pid == 0 || supervisor_knows(supervisor, info.si_pid))
			return;
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

static void
handle_signal(struct supervisor *supervisor, int sig)
{
	switch (sig) {
	case SIGHUP:
		reload_begin(supervisor);
		break;
	case SIGTERM:
	case SIGQUIT:
		stop_ask(supervisor);
		break;
	case SIGINT:
		stop_now(supervisor);
		break;
	case SIGUSR1:
		log_info("reopening the logs");
		logs_reopen(supervisor, supervisor->plan->config);
		break;
	case SIGUSR2:
		upgrade_ask(supervisor);
		break;
	case SIGCHLD:
		supervisor_reap_strangers(supervisor);
		break;
	default:
		break;
	}
}

static void
on_signal(void *owner, uint32_t events)
{
	struct supervisor *supervisor = owner;
	struct signalfd_siginfo info;

	(void)events;
	while (read(supervisor->signals.fd, &info, sizeof(info)) == sizeof(info))
		handle_signal(supervisor, (int)info.ssi_signo);
}

static int
open_signals(struct supervisor *supervisor)
{
	static const int wanted[] = { SIGHUP, SIGTERM, SIGQUIT, SIGINT, SIGUSR1, SIGUSR2,
		SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaddset(&set, wanted[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	supervisor->signals = (struct loop_io){ .fn = on_signal, .owner = supervisor };
	supervisor->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals.fd == -1)
		return -1;
	return loop_io_add(&supervisor->loop, &supervisor->signals, EPOLLIN);
}

/* --- start ------------------------------------------------------------- */

static struct config *
load_first(const char *file)
{
	struct config_errors errors;
	struct config_error *error;
	struct config *config;

	config_errors_init(&errors);
	config = config_load(file, &errors);
	TAILQ_FOREACH (error, &errors.list, entry)
		fprintf(stderr, "poold: %s\n", error->text);
	config_errors_free(&errors);
	return config;
}

/* The folder that we are in may be another one after an upgrade. */
static char *
absolute(const char *path)
{
	char cwd[PATH_MAX];

	if (path[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		return util_strdup(path);
	return util_asprintf("%s/%s", cwd, path);
}

/* Returns an exit status. */
static int
take_inherited(struct inherited_sockets *sockets)
{
	char *why = inherited_open(sockets);

	if (why == NULL)
		return 0;
	fprintf(stderr, "poold: %s\n", why);
	free(why);
	inherited_close(sockets, false);
	return EX_UNAVAILABLE;
}

/* Returns an exit status; another poold that holds the file refuses us. */
static int
open_pidfile(struct supervisor *supervisor)
{
	const char *path = supervisor->pid_path;
	pid_t other = 0;

	if (path == NULL)
		return 0;
	supervisor->pidfile = pidfile_open(path, 0644, &other);
	if (supervisor->pidfile != NULL)
		return 0;
	if (errno == EEXIST)
		log_error("another poold runs already: pid %d holds %s", (int)other,
		    path);
	else
		log_error("cannot write the pid file %s: %s", path, strerror(errno));
	return errno == EEXIST ? EX_UNAVAILABLE : EX_NOPERM;
}

static struct supervisor *
supervisor_new(void)
{
	struct supervisor *supervisor = util_alloc(sizeof(*supervisor));

	supervisor->is_root = geteuid() == 0;
	TAILQ_INIT(&supervisor->listeners);
	TAILQ_INIT(&supervisor->inherited);
	TAILQ_INIT(&supervisor->services);
	logs_init(&supervisor->logs);
	TAILQ_INIT(&supervisor->oneoffs);
	supervisor->signals.fd = -1;
	supervisor->notify.io.fd = -1;
	supervisor->flush_timer.fn = on_flush_timer;
	supervisor->flush_timer.owner = supervisor;
	supervisor->title_timer.fn = on_title_timer;
	supervisor->title_timer.owner = supervisor;
	cgroup_init(&supervisor->cgroups, &supervisor->loop);
	link_init(&supervisor->link, supervisor);
	logger_link_init(&supervisor->logger, supervisor);
	stop_init(supervisor);
	upgrade_init(supervisor);
	systemd_init(supervisor);
	control_init(supervisor);
	figures_init(supervisor);
	supervisor->started_ns = util_now_ns();
	return supervisor;
}

static void
set_names(struct supervisor *supervisor, const struct supervisor_options *options)
{
	const char *file = options->config_file;

	/* the folder a relative one was given in may not be ours later */
	supervisor->config_file = realpath(file, NULL);
	if (supervisor->config_file == NULL)
		supervisor->config_file = util_strdup(file);
	supervisor->program = upgrade_program(options->program);
}

static int
open_loop(struct supervisor *supervisor)
{
	if (loop_init(&supervisor->loop) == -1 || open_signals(supervisor) == -1 ||
	    notify_open(supervisor) == -1) {
		log_error("cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	systemd_open(supervisor);
	supervisor->loop.before_wait = flush_log;
	supervisor->loop.before_wait_owner = supervisor;
	return 0;
}

/* In this order: what may fail for reasons of the place it runs in comes
 * before any process is started. */
static int
start(struct supervisor *supervisor, struct config *config,
    const struct supervisor_options *options)
{
	const char *pid_file = options->pid_file != NULL ? options->pid_file :
							   config->pid_file;
	char *why = logs_open(supervisor, config);
	int status;

	if (why != NULL) {
		log_error("%s", why);
		free(why);
		config_free(config);
		return EX_NOPERM;
	}
	if (pid_file[0] != '\0')
		supervisor->pid_path = absolute(pid_file);
	status = open_pidfile(supervisor);
	if (status != 0) {
		config_free(config);
		return status;
	}
	why = control_open(supervisor, config);
	if (why != NULL) {
		log_error("%s", why);
		free(why);
		config_free(config);
		return EX_UNAVAILABLE;
	}
	figures_open(supervisor);
	status = reload_first(supervisor, config);
	if (status != 0)
		return status;
	if (supervisor->pidfile != NULL)
		pidfile_write(supervisor->pidfile);
	logger_link_start(&supervisor->logger);
	link_start(&supervisor->link);
	inherited_close(&supervisor->inherited, true);
	systemd_started(supervisor);
	supervisor_title_show(supervisor);
	log_info("poold %s serves %s (pid %d)", PACKAGE_VERSION, supervisor->config_file,
	    (int)getpid());
	return 0;
}

static void
clean_up(struct supervisor *supervisor)
{
	struct listener *listener;

	while ((listener = TAILQ_FIRST(&supervisor->listeners)) != NULL) {
		TAILQ_REMOVE(&supervisor->listeners, listener, entry);
		listener_close(listener);
	}
	inherited_close(&supervisor->inherited, false);
	oneoff_stop_all(supervisor, SIGKILL);
	control_close(supervisor);
	oneoff_free_all(supervisor);
	figures_close(supervisor);
	events_free(&supervisor->events);
	slow_ring_free(&supervisor->slow);
	systemd_close(supervisor);
	if (supervisor->pidfile != NULL)
		pidfile_remove(supervisor->pidfile);
	cgroup_close(&supervisor->cgroups);
	logs_close(supervisor);
	plan_release(supervisor->plan);
	notify_close(supervisor);
	if (supervisor->signals.fd != -1)
		close(supervisor->signals.fd);
	loop_destroy(&supervisor->loop);
	free(supervisor->config_file);
	free(supervisor->program);
	free(supervisor->pid_path);
	free(supervisor);
}

int
supervisor_main(const struct supervisor_options *options)
{
	struct inherited_sockets inherited = TAILQ_HEAD_INITIALIZER(inherited);
	struct supervisor *supervisor;
	struct config *config;
	int status;

	log_open("supervisor", STDERR_FILENO);
	/* first, as long as the numbers are nobody else's */
	status = take_inherited(&inherited);
	if (status != 0)
		return status;
	config = load_first(options->config_file);
	if (config == NULL) {
		inherited_close(&inherited, false);
		return EX_CONFIG;
	}
	supervisor = supervisor_new();
	set_names(supervisor, options);
	TAILQ_CONCAT(&supervisor->inherited, &inherited, entry);
	/* a worker of our user could take our descriptors otherwise */
	prctl(PR_SET_DUMPABLE, 0);
	spawn_raise_fd_limit();
	if (options->daemonise)
		daemon_begin();
	status = open_loop(supervisor);
	if (status == 0)
		status = start(supervisor, config, options);
	if (options->daemonise)
		daemon_ready(status);
	if (status == 0) {
		logs_started(supervisor);
		loop_run(&supervisor->loop);
		log_info("poold is stopped");
	}
	/* a worker that was started before a failure ends with us */
	clean_up(supervisor);
	return status;
}

/* --- in the place of another version ----------------------------------- */

/* Returns the text in fd, which the caller frees; NULL with errno. */
static char *
read_state(int fd, size_t *len)
{
	struct stat st;
	char *text;
	ssize_t n = 0;

	if (fstat(fd, &st) == -1)
		return NULL;
	text = util_alloc((size_t)st.st_size + 1);
	for (*len = 0; *len < (size_t)st.st_size; *len += (size_t)n) {
		n = pread(fd, text + *len, (size_t)st.st_size - *len, (off_t)*len);
		if (n <= 0) {
			free(text);
			return NULL;
		}
	}
	return text;
}

/* Returns NULL, or why it cannot be done; head and fds are filled. */
static char *
load_state(struct supervisor *supervisor, int fd, struct state_head *head,
    struct record_fds *fds)
{
	size_t len = 0;
	char *text = read_state(fd, &len), *why;

	head->log_fd = -1;
	if (text == NULL)
		return util_asprintf("its state cannot be read: %s", strerror(errno));
	why = state_load(supervisor, text, len, head, fds);
	free(text);
	if (why == NULL)
		return NULL;
	text = util_asprintf("its state cannot be read: %s", why);
	free(why);
	return text;
}

/* What can only be known to go well when it has. */
static int
take_over(struct supervisor *supervisor, const struct state_head *head,
    const struct record_fds *fds)
{
	spawn_set_fd_limit(head->fd_limit);
	if (open_loop(supervisor) != 0 || !state_adopt(supervisor, fds))
		return EX_OSERR;
	if (head->pid_fd != -1)
		close(head->pid_fd); /* it holds the lock */
	open_pidfile(supervisor);
	if (supervisor->pidfile != NULL)
		pidfile_write(supervisor->pidfile);
	control_adopt(supervisor);
	logs_adopt(supervisor);
	logger_link_adopt(&supervisor->logger, head->logger_pid, head->logger_channel);
	oneoff_adopt_all(supervisor);
	figures_open(supervisor);
	link_old_adopt(&supervisor->link, head->router_pid, head->router_channel);
	link_start(&supervisor->link);
	systemd_open(supervisor);
	systemd_started(supervisor);
	supervisor_reap_strangers(supervisor);
	supervisor_title_show(supervisor);
	log_info("poold %s goes on in the place of poold %s (pid %d)", PACKAGE_VERSION,
	    head->version, (int)getpid());
	event_tell(supervisor, "upgraded", NULL, "s:s, s:s", "from", head->version, "to",
	    PACKAGE_VERSION);
	return 0;
}

int
supervisor_upgraded(int state_fd)
{
	struct supervisor *supervisor = supervisor_new();
	struct state_head head;
	struct record_fds fds;
	int status;
	char *why;

	prctl(PR_SET_DUMPABLE, 0);
	log_open("supervisor", STDERR_FILENO);
	spawn_raise_fd_limit();
	why = load_state(supervisor, state_fd, &head, &fds);
	if (head.log_fd != -1)
		log_replace(head.log_fd);
	if (why != NULL) {
		/* a dry run has read it just before */
		log_error("cannot go on in the place of the old version: %s", why);
		return EX_SOFTWARE;
	}
	close(state_fd);
	status = take_over(supervisor, &head, &fds);
	state_head_free(&head);
	free(fds.fds);
	if (status == 0) {
		loop_run(&supervisor->loop);
		log_info("poold is stopped");
	}
	clean_up(supervisor);
	return status;
}

int
supervisor_dry_run(int state_fd)
{
	struct supervisor *supervisor = supervisor_new();
	struct state_head head;
	struct record_fds fds;
	char *why = load_state(supervisor, state_fd, &head, &fds);

	if (why != NULL)
		fprintf(stderr, "%s\n", why);
	else
		printf("poold %s in the place of poold %s\n", PACKAGE_VERSION,
		    head.version);
	fflush(stdout);
	/* the process ends, and all that was loaded with it */
	_exit(why == NULL ? 0 : EX_SOFTWARE);
}
