/* SPDX-License-Identifier: ISC */
#include "supervisor/slow_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/util.h"
#include "supervisor/logs.h"
#include "supervisor/proc.h"

/* Those that a worker waits in. */
static const struct {
	long number;
	const char *name;
} waits[] = {
	{ SYS_accept4, "accept4" },
	{ SYS_clock_nanosleep, "clock_nanosleep" },
	{ SYS_connect, "connect" },
	{ SYS_epoll_pwait, "epoll_pwait" },
	{ SYS_fcntl, "fcntl" },
	{ SYS_fdatasync, "fdatasync" },
	{ SYS_flock, "flock" },
	{ SYS_fsync, "fsync" },
	{ SYS_futex, "futex" },
	{ SYS_io_getevents, "io_getevents" },
	{ SYS_ioctl, "ioctl" },
	{ SYS_nanosleep, "nanosleep" },
	{ SYS_openat, "openat" },
	{ SYS_ppoll, "ppoll" },
	{ SYS_pread64, "pread64" },
	{ SYS_pselect6, "pselect6" },
	{ SYS_pwrite64, "pwrite64" },
	{ SYS_read, "read" },
	{ SYS_readv, "readv" },
	{ SYS_recvfrom, "recvfrom" },
	{ SYS_recvmsg, "recvmsg" },
	{ SYS_rt_sigsuspend, "rt_sigsuspend" },
	{ SYS_rt_sigtimedwait, "rt_sigtimedwait" },
	{ SYS_semtimedop, "semtimedop" },
	{ SYS_sendfile, "sendfile" },
	{ SYS_sendmsg, "sendmsg" },
	{ SYS_sendto, "sendto" },
	{ SYS_wait4, "wait4" },
	{ SYS_waitid, "waitid" },
	{ SYS_write, "write" },
	{ SYS_writev, "writev" },
#ifdef SYS_epoll_wait /* newer machines have the variants above alone */
	{ SYS_epoll_wait, "epoll_wait" },
	{ SYS_open, "open" },
	{ SYS_pause, "pause" },
	{ SYS_poll, "poll" },
	{ SYS_select, "select" },
#endif
};

/* --- the look ---------------------------------------------------------- */

static void
first_line(char *text, size_t size)
{
	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '\0')
		strlcpy(text, "?", size);
}

void
slow_log_look(pid_t pid, struct slow_look *look)
{
	proc_read(pid, "wchan", look->wchan, sizeof(look->wchan));
	first_line(look->wchan, sizeof(look->wchan));
	proc_read(pid, "syscall", look->syscall, sizeof(look->syscall));
	first_line(look->syscall, sizeof(look->syscall));
	proc_read(pid, "stack", look->stack, sizeof(look->stack));
}

/* --- the entry --------------------------------------------------------- */

static void
put_time(FILE *out)
{
	struct timespec ts;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "%s.%03ldZ ", text, ts.tv_nsec / 1000000);
}

/* As in the access log: nobody forges a line or drives a terminal. */
static void
put_quoted(FILE *out, const char *text)
{
	putc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		if (*p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\')
			putc(*p, out);
		else
			fprintf(out, "\\x%02x", *p);
	putc('"', out);
}

/* Of "230 0x0 ..."; "running" and "-1 ..." (in no system call) have no name. */
const char *
slow_log_call(const struct slow_look *look, char buf[SLOW_CALL_MAX])
{
	char *end;
	long number = strtol(look->syscall, &end, 10);

	strlcpy(buf, look->syscall, SLOW_CALL_MAX);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		if (end != look->syscall && waits[i].number == number)
			snprintf(buf, SLOW_CALL_MAX, "%s (%s)", waits[i].name,
			    look->syscall);
	return buf;
}

static void
put_stack(FILE *out, const char *stack)
{
	if (*stack == '\0')
		fputs("\tstack ?\n", out);
	for (size_t len; *stack != '\0'; stack += len + (stack[len] == '\n')) {
		len = strcspn(stack, "\n");
		fprintf(out, "\tstack %.*s\n", (int)len, stack);
	}
}

double
slow_log_seconds(const struct slow_entry *entry)
{
	uint64_t now_ns = util_now_ns();

	return now_ns > entry->taken_ns ? (double)(now_ns - entry->taken_ns) / 1e9 : 0;
}

void
slow_log_write(struct logs *logs, const struct slow_entry *entry)
{
	char *text = NULL, call[SLOW_CALL_MAX];
	size_t len;
	FILE *out;

	if (!logs_has_slow(logs) || (out = open_memstream(&text, &len)) == NULL)
		return;
	put_time(out);
	fprintf(out, "%s service=%s worker=%u pid=%d seconds=%.3f request=", entry->what,
	    entry->service, entry->worker, (int)entry->pid, slow_log_seconds(entry));
	put_quoted(out, entry->request);
	fprintf(out, "\n\twchan %s\n", entry->look->wchan);
	fprintf(out, "\tsyscall %s\n", slow_log_call(entry->look, call));
	put_stack(out, entry->look->stack);
	if (entry->trace != NULL)
		fprintf(out, "\ttrace_signal %s\n", entry->trace);
	if (fclose(out) == 0)
		logs_slow(logs, text, len);
	free(text);
}
