/* SPDX-License-Identifier: ISC */
#include "interpreter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "failure.h"

#define VERSION_TEXT_(major, minor) #major "." #minor
#define VERSION_TEXT(major, minor)  VERSION_TEXT_(major, minor)
#define PYTHON_VERSION		    VERSION_TEXT(PY_MAJOR_VERSION, PY_MINOR_VERSION)
#define PYTHON_PROGRAM		    PYTHON_PREFIX "/bin/python" PYTHON_VERSION

/* --- the virtual environment ---------------------------------------------- */

/* The value of a line "version = 3.11.2" or "version_info = ..." of pyvenv.cfg. */
static bool
version_line(const char *line, char version[32])
{
	size_t len = strcspn(line, " \t=");

	if (!(len == 7 && strncmp(line, "version", len) == 0) &&
	    !(len == 12 && strncmp(line, "version_info", len) == 0))
		return false;
	line += len + strspn(line + len, " \t=");
	snprintf(version, 32, "%.*s", (int)strcspn(line, " \t\r\n"), line);
	return true;
}

/* Whether version, "3.11.2", is this interpreter's but for its last part. */
static bool
version_fits(const char *version)
{
	size_t len = strlen(PYTHON_VERSION);

	return strncmp(version, PYTHON_VERSION, len) == 0 &&
	    (version[len] == '.' || version[len] == '\0');
}

/* Packages with compiled parts are of one version of Python. */
static int
virtualenv_check(const char *path)
{
	char *name = NULL, *line = NULL, version[32];
	size_t size = 0;
	FILE *in = NULL;
	int status = EX_OK;

	if (asprintf(&name, "%s/pyvenv.cfg", path) == -1 ||
	    (in = fopen(name, "re")) == NULL) {
		failure_say("virtualenv %s: %s: %s", path, name != NULL ? name : "",
		    strerror(errno));
		free(name);
		return EX_CONFIG;
	}
	while (status == EX_OK && getline(&line, &size, in) != -1) {
		if (!version_line(line, version) || version_fits(version))
			continue;
		failure_say("virtualenv %s is one of Python %s; this is Python %s: make "
			    "it again with %s -m venv",
		    path, version, PY_VERSION, PYTHON_PROGRAM);
		status = EX_CONFIG;
	}
	free(line);
	free(name);
	fclose(in);
	return status;
}

/* --- start ---------------------------------------------------------------- */

static PyStatus
string_set(PyConfig *config, wchar_t **to, const char *text)
{
	return PyConfig_SetBytesString(config, to, text);
}

/*
 * The standard library is always that of PYTHON_PREFIX, named as `home', since
 * Python would look for it along PATH.  It finds the packages of a virtual
 * environment beside its executable, as a python3 that lies there would.
 */
static PyStatus
config_fill(PyConfig *config, const struct options *options)
{
	char *program = NULL;
	PyStatus status;

	config->parse_argv = 0;
	config->install_signal_handlers = 0; /* libpoold's */
	if (options->virtualenv == NULL)
		program = strdup(PYTHON_PROGRAM);
	else if (asprintf(&program, "%s/bin/python3", options->virtualenv) == -1)
		program = NULL;
	if (program == NULL)
		return PyStatus_NoMemory();
	status = string_set(config, &config->home, PYTHON_PREFIX);
	if (!PyStatus_Exception(status))
		status = string_set(config, &config->program_name, PYTHON_PROGRAM);
	if (!PyStatus_Exception(status))
		status = string_set(config, &config->executable, program);
	free(program);
	if (!PyStatus_Exception(status))
		status = string_set(config, &config->base_executable, PYTHON_PROGRAM);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetBytesArgv(config, 1,
		    (char *[]){ (char *)(uintptr_t)options->app });
	return status;
}

/* A line of the application is a line of the log, when it is written. */
static int
streams_open(void)
{
	PyObject *out = PySys_GetObject("stdout"), *reconfigure, *yes, *done = NULL;

	if (out == NULL || out == Py_None)
		return 0;
	reconfigure = PyObject_GetAttrString(out, "reconfigure");
	yes = Py_BuildValue("{s:O}", "line_buffering", Py_True);
	if (reconfigure != NULL && yes != NULL) {
		PyObject *none = PyTuple_New(0);

		done = none != NULL ? PyObject_Call(reconfigure, none, yes) : NULL;
		Py_XDECREF(none);
	}
	Py_XDECREF(reconfigure);
	Py_XDECREF(yes);
	Py_XDECREF(done);
	return done != NULL ? 0 : -1;
}

/* The folders of python_path come first in sys.path, in their order. */
static int
path_fill(const struct options *options)
{
	PyObject *path = PySys_GetObject("path"), *folder;
	Py_ssize_t at = 0;
	int bad = 0;

	if (path == NULL || !PyList_Check(path))
		return 0;
	for (const char **p = options->python_path; *p != NULL && !bad; p++) {
		folder = PyUnicode_DecodeFSDefault(*p);
		bad = folder == NULL || PyList_Insert(path, at++, folder) == -1;
		Py_XDECREF(folder);
	}
	return bad ? -1 : 0;
}

int
interpreter_open(const struct options *options)
{
	PyConfig config;
	PyStatus status;
	int exit_status;

	if (options->virtualenv != NULL &&
	    (exit_status = virtualenv_check(options->virtualenv)) != EX_OK)
		return exit_status;
	PyConfig_InitPythonConfig(&config);
	status = config_fill(&config, options);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (PyStatus_Exception(status)) {
		failure_say("Python %s does not start: %s", PY_VERSION,
		    status.err_msg != NULL ? status.err_msg : "?");
		return EX_SOFTWARE;
	}
	if (streams_open() == -1 || path_fill(options) == -1)
		return failure_python("cannot start");
	return EX_OK;
}

int
interpreter_close(int status)
{
	return Py_FinalizeEx() == -1 && status == EX_OK ? EX_IOERR : status;
}
