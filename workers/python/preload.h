/* SPDX-License-Identifier: ISC */
/* Workers that are forked from a process that has the application already. */
#ifndef PYTHON_PRELOAD_H
#define PYTHON_PRELOAD_H

/*
 * To be called when the application is imported and nothing of it runs yet: no
 * event loop, no request.  Where this process is a template it returns in the
 * workers that are forked from it.  Returns 0, or an exit status after saying why.
 */
int preload(const char *app);

#endif
