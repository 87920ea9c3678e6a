/* SPDX-License-Identifier: ISC */
#include "common/control_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
fits(int len, size_t size)
{
	return len > 0 && (size_t)len < size;
}

bool
control_path_folder(char *buf, size_t size)
{
	const char *folders = getenv("RUNTIME_DIRECTORY");
	const char *own = getenv("XDG_RUNTIME_DIR");

	if (folders != NULL && folders[0] == '/')
		return fits(snprintf(buf, size, "%.*s", (int)strcspn(folders, ":"),
				folders),
		    size);
	if (geteuid() == 0)
		return fits(snprintf(buf, size, "/run/poold"), size);
	if (own != NULL && own[0] == '/')
		return fits(snprintf(buf, size, "%s/poold", own), size);
	return false;
}

bool
control_path_default(char *buf, size_t size)
{
	size_t len;

	if (!control_path_folder(buf, size))
		return false;
	len = strlen(buf);
	return fits(snprintf(buf + len, size - len, "/control.sock"), size - len);
}
