/* SPDX-License-Identifier: ISC */
/*
 * A worker that tells what it may use, and tries to use more:
 *
 *	read=FILE	the contents of a file
 *	list=DIR	the names in a folder, one a line
 *	create=FILE	makes the file with mode 0666, tells what it became
 *	allocate=BYTES	that much memory, each page touched, then given back
 *	open=N		opens /dev/null until there are N more or none
 *	fork=N		starts up to N processes, which stay: "N: why no more",
 *			then their pids; with session=1 each in one of its
 *			own, and so not part of the worker's group
 *	reap=1		ends them
 *	spin=1		uses CPU time without end
 *	spin_ms=N	uses CPU time until N ms have passed
 *
 * Without any of them it tells of itself, "name value" on each line.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poold.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN_MAX 4096

static pid_t children[CHILDREN_MAX];
static long child_count;

static void
copy_file(FILE *out, const char *path)
{
	FILE *in = fopen(path, "r");
	int c;

	if (in == NULL) {
		fprintf(out, "%s: %s\n", path, strerror(errno));
		return;
	}
	while ((c = getc(in)) != EOF)
		putc(c, out);
	fclose(in);
}

static void
list_folder(FILE *out, const char *path)
{
	struct dirent **names;
	int count = scandir(path, &names, NULL, alphasort);

	if (count == -1) {
		fprintf(out, "%s: %s\n", path, strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		fprintf(out, "%s\n", names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static void
create_file(FILE *out, const char *path)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd == -1 || fstat(fd, &st) == -1)
		fprintf(out, "%s: %s\n", path, strerror(errno));
	else
		fprintf(out, "%04o\n", (unsigned)st.st_mode & 07777);
	if (fd != -1)
		close(fd);
}

static void
allocate(FILE *out, size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		fprintf(out, "%s\n", strerror(errno));
		return;
	}
	for (size_t at = 0; at < bytes; at += 4096)
		*(volatile char *)(memory + at) = 1;
	munmap(memory, bytes);
	fprintf(out, "allocated\n");
}

static void
open_files(FILE *out, long wanted)
{
	int first = -1, fd = -1;
	long count;

	for (count = 0; count < wanted; count++) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			break;
		if (first == -1)
			first = fd;
	}
	fprintf(out, "%ld: %s\n", count, count < wanted ? strerror(errno) : "all");
	for (fd = first; fd != -1 && count > 0; fd++)
		if (close(fd) == 0)
			count--;
}

static void
start_processes(FILE *out, long wanted, bool own_session)
{
	pid_t pid = 0;
	long first = child_count;

	while (child_count - first < wanted && child_count < CHILDREN_MAX) {
		pid = fork();
		if (pid == 0) {
			if (own_session)
				setsid();
			for (;;)
				pause();
		}
		if (pid == -1)
			break;
		children[child_count++] = pid;
	}
	fprintf(out, "%ld: %s\n", child_count - first,
	    pid == -1 ? strerror(errno) : "all");
	while (first < child_count)
		fprintf(out, "%ld\n", (long)children[first++]);
}

static void
end_processes(FILE *out)
{
	fprintf(out, "%ld\n", child_count);
	for (; child_count > 0; child_count--) {
		kill(children[child_count - 1], SIGKILL);
		waitpid(children[child_count - 1], NULL, 0);
	}
}

static void
spin(long ms)
{
	struct timespec now, begin;
	volatile unsigned long count = 0;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (int i = 0; i < 100000; i++)
			count = count + 1;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (ms < 0 ||
	    (now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
		ms);
}

static void
describe(FILE *out)
{
	mode_t mask = umask(0);
	char cwd[4096];
	cpu_set_t cpus;

	umask(mask);
	fprintf(out, "pid %ld\n", (long)getpid());
	fprintf(out, "umask %04o\n", (unsigned)mask);
	fprintf(out, "nice %d\n", getpriority(PRIO_PROCESS, 0));
	fprintf(out, "cwd %s\n", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "?");
	fprintf(out, "cpus");
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &cpus))
				fprintf(out, " %d", cpu);
	fprintf(out, "\n");
}

static void
act(struct poold_request *req, FILE *out)
{
	const char *value;

	if ((value = poold_param(req, "read")) != NULL)
		copy_file(out, value);
	else if ((value = poold_param(req, "list")) != NULL)
		list_folder(out, value);
	else if ((value = poold_param(req, "create")) != NULL)
		create_file(out, value);
	else if ((value = poold_param(req, "allocate")) != NULL)
		allocate(out, (size_t)strtoull(value, NULL, 10));
	else if ((value = poold_param(req, "open")) != NULL)
		open_files(out, strtol(value, NULL, 10));
	else if ((value = poold_param(req, "fork")) != NULL)
		start_processes(out, strtol(value, NULL, 10),
		    poold_param(req, "session") != NULL);
	else if (poold_param(req, "reap") != NULL)
		end_processes(out);
	else if (poold_param(req, "spin") != NULL)
		spin(-1);
	else if ((value = poold_param(req, "spin_ms")) != NULL)
		spin(strtol(value, NULL, 10));
	else
		describe(out);
}

static void
answer(struct poold_request *req, void *arg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)arg;
	if (out == NULL)
		return;
	act(req, out);
	if (fclose(out) == 0)
		poold_respond(req, 200, "text/plain", text, len);
	free(text);
}

int
main(int argc, char **argv)
{
	return poold_serve(argc, argv, answer, NULL);
}
