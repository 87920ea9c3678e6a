/* SPDX-License-Identifier: ISC */
#include "poolctl/top.h"

#include <err.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "poolctl/signals.h"
#include "poolctl/top_ink.h"

#define DELAY	    1.0
#define DELAY_LEAST 0.1
#define DELAY_MOST  60.0
#define ANSWER	    5.0 /* seconds; who takes longer is asked anew */

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- lines ------------------------------------------------------------- */

static void
add_line(struct top *top, struct top_service *service, int worker)
{
	if (top->line_count == top->line_size) {
		top->line_size = top->line_size * 2 + 64;
		top->lines = reallocarray(top->lines, top->line_size,
		    sizeof(*top->lines));
		if (top->lines == NULL)
			err(EX_OSERR, "reallocarray");
	}
	top->lines[top->line_count++] = (struct top_line){ service, worker };
}

/* The cursor stays with its service, wherever that has gone. */
static void
find_cursor(struct top *top)
{
	size_t service = SIZE_MAX;

	for (size_t i = 0; top->cursor_service != NULL && i < top->line_count; i++) {
		const struct top_line *line = &top->lines[i];

		if (strcmp(line->service->name, top->cursor_service) != 0)
			continue;
		if (line->worker == TOP_LINE_SERVICE)
			service = i;
		if (line->worker == top->cursor_worker) {
			top->cursor = i;
			return;
		}
	}
	if (service != SIZE_MAX)
		top->cursor = service;
	else if (top->cursor >= top->line_count)
		top->cursor = top->line_count > 0 ? top->line_count - 1 : 0;
}

static void
make_lines(struct top *top)
{
	struct top_model *model = &top->model;

	top_model_sort(model, &top_sorts[top->sort], top->reverse);
	top->line_count = 0;
	for (size_t i = 0; i < model->count; i++) {
		struct top_service *service = model->order[i];
		size_t count = json_array_size(json_object_get(service->json, "workers"));

		add_line(top, service, TOP_LINE_SERVICE);
		if (!service->open)
			continue;
		add_line(top, service, TOP_LINE_TITLES);
		for (size_t w = 0; w < count; w++)
			add_line(top, service, (int)w);
	}
	find_cursor(top);
}

static void
move_cursor(struct top *top, long by)
{
	long to = (long)top->cursor + by, last = (long)top->line_count - 1;

	if (last < 0)
		return;
	to = to < 0 ? 0 : to > last ? last : to;
	top->cursor = (size_t)to;
	free(top->cursor_service);
	top->cursor_service = strdup(top->lines[to].service->name);
	top->cursor_worker = top->lines[to].worker;
}

static void
toggle_open(struct top *top)
{
	struct top_service *service;

	if (top->line_count == 0)
		return;
	service = top->lines[top->cursor].service;
	service->open = !service->open;
	free(top->cursor_service);
	top->cursor_service = strdup(service->name);
	top->cursor_worker = TOP_LINE_SERVICE;
	make_lines(top);
}

/* --- keys -------------------------------------------------------------- */

static void
sort_by(struct top *top, int key)
{
	for (unsigned i = 0; i < top_sort_count; i++) {
		if (top_sorts[i].key != key)
			continue;
		top->reverse = top->sort == i && !top->reverse;
		top->sort = i;
		make_lines(top);
	}
}

static void
change_delay(struct top *top, double factor)
{
	double delay = top->delay * factor;

	if (delay >= DELAY_LEAST && delay <= DELAY_MOST)
		top->delay = delay;
}

/* Returns false for the one that ends it. */
static bool
handle_key(struct top *top, int key)
{
	if (top->help && key != 'q' && key != KEY_RESIZE) {
		top->help = false;
		erase();
		return true;
	}
	switch (key) {
	case 'q':
		return false;
	case '?':
	case 'h':
		top->help = true;
		break;
	case ' ':
	case 'p':
		top->paused = !top->paused;
		break;
	case KEY_UP:
	case 'k':
		move_cursor(top, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move_cursor(top, 1);
		break;
	case KEY_PPAGE:
		move_cursor(top, -(long)top->page);
		break;
	case KEY_NPAGE:
		move_cursor(top, (long)top->page);
		break;
	case KEY_HOME:
	case 'g':
		move_cursor(top, -(long)top->line_count);
		break;
	case KEY_END:
	case 'G':
		move_cursor(top, (long)top->line_count);
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		toggle_open(top);
		break;
	case '+':
		change_delay(top, 2);
		break;
	case '-':
		change_delay(top, 0.5);
		break;
	case KEY_RESIZE:
		erase();
		break;
	default:
		sort_by(top, key);
		break;
	}
	return true;
}

static bool
handle_keys(struct top *top)
{
	int key;

	while ((key = getch()) != ERR)
		if (!handle_key(top, key))
			return false;
	return true;
}

/* --- poold ------------------------------------------------------------- */

static const char look[] = "{\"command\":\"status\",\"workers\":true,\"history\":true}\n"
			   "{\"command\":\"check\"}\n";

/* Nothing is shown of the time in between: another poold may have begun to
 * count anew. */
static void
lose(struct top *top, const char *why)
{
	top_link_close(&top->link);
	top->lost = why;
}

static bool
ask(struct top *top)
{
	if (top->link.fd == -1 && !top_link_open(&top->link)) {
		top->lost = errno == EACCES || errno == EPERM ?
		    "poold does not let us look any more; trying again" :
		    "poold is not there: waiting for it to come back";
		return false;
	}
	if (top_link_send(&top->link, look))
		return true;
	lose(top, "poold has closed the connection: connecting again");
	return false;
}

/* Takes in what came.  Returns whether all of it is there. */
static bool
hear(struct top *top)
{
	bool open = top_link_read(&top->link), broken, whole = false;
	json_t *reply;

	while ((reply = top_link_next(&top->link, &broken)) != NULL) {
		if (json_object_get(reply, "services") != NULL) {
			top_model_status(&top->model, reply, now());
			make_lines(top);
			top->lost = NULL;
		} else if (json_object_get(reply, "problems") != NULL) {
			top_model_check(&top->model, reply);
			whole = true;
		} else
			json_decref(reply); /* refused; it comes again */
	}
	if (broken)
		lose(top, "what listens there is no poold");
	else if (!open)
		lose(top, "poold has closed the connection: connecting again");
	return whole;
}

/* --- the loop ---------------------------------------------------------- */

/* Returns 0, or the signal that ends it. */
static int
loop(struct top *top, int signal_fd)
{
	double next = now(), asked = 0;
	bool waiting = false; /* for an answer */
	struct signalfd_siginfo info;

	for (;;) {
		struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = signal_fd, .events = POLLIN },
			{ .fd = top->link.fd, .events = POLLIN } };
		double rest = next - now();

		if (waiting && now() - asked > ANSWER)
			lose(top, "poold does not answer: connecting again");
		waiting = waiting && top->link.fd != -1;
		if (rest <= 0) {
			if (!waiting && !top->paused) {
				asked = now();
				waiting = ask(top);
				top_draw(top);
			}
			next = now() + top->delay;
			continue;
		}
		if (poll(fds, 3, (int)(rest * 1000) + 1) == -1 && errno != EINTR)
			return 0;
		if (fds[1].revents != 0 &&
		    read(signal_fd, &info, sizeof(info)) == sizeof(info))
			return (int)info.ssi_signo;
		/* the terminal is gone, and may not have said so */
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			return SIGHUP;
		if (fds[2].revents != 0 && hear(top))
			waiting = false;
		if (!handle_keys(top))
			return 0;
		top_draw(top);
	}
}

/* As if it had not been caught. */
static void
die_of(int sig)
{
	sigset_t set;

	signal(sig, SIG_DFL);
	raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void
show(struct top *top, int signal_fd)
{
	int sig;

	if (initscr() == NULL)
		errx(EX_UNAVAILABLE, "top: the terminal cannot be used");
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	top_ink_init();
	sig = loop(top, signal_fd);
	endwin();
	if (sig != 0)
		die_of(sig);
}

int
top_run(const struct options *options)
{
	struct top top = { .delay = options->delay > 0 ? options->delay : DELAY,
		.sort = 0,
		.cursor_worker = TOP_LINE_SERVICE };
	struct client client;
	int status, signal_fd;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		warnx("top is for terminals; poolctl --json status for programs");
		return EX_USAGE;
	}
	/* says why, if there is no poold in the first place */
	status = client_open(&client, options->path);
	client_close(&client);
	if (status != 0)
		return status;
	setlocale(LC_CTYPE, "");
	top.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	signal_fd = signals_open(signals, sizeof(signals) / sizeof(signals[0]));
	if (signal_fd == -1)
		err(EX_OSERR, "signalfd");
	top_link_init(&top.link, options->path);
	top_model_init(&top.model);
	show(&top, signal_fd);
	top_link_close(&top.link);
	top_model_free(&top.model);
	free(top.lines);
	free(top.cursor_service);
	close(signal_fd);
	return 0;
}
