/* SPDX-License-Identifier: ISC */
/* What proc(5) says of a process. */
#ifndef SUPERVISOR_PROC_H
#define SUPERVISOR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads the beginning of a file, as text with a NUL at its end.  Returns its length;
 * 0, and an empty text, where there is nothing to be read. */
size_t proc_read_file(const char *path, char *buf, size_t size);
/* The same of /proc/PID/name. */
size_t proc_read(pid_t pid, const char *name, char *buf, size_t size);

/* What /proc/PID/stat says behind the name, which is in parentheses and may hold any:
 * " S 1 ..."; NULL: nothing. */
const char *proc_behind_name(const char *stat);

/* The first number of a line of /proc/PID/status.  False: there is no such line. */
bool proc_status_number(pid_t pid, const char *key, int base, uint64_t *number);

#endif
