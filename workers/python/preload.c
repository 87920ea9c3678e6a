/* SPDX-License-Identifier: ISC */
#include "interpreter.h"

#include "preload.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "failure.h"

/* The names of the application's threads, ", " between them; NULL: there are none
 * but this one.  A new reference. */
static PyObject *
threads_name(void)
{
	static const char code[] =
	    "import threading\n"
	    "names = ', '.join(t.name for t in threading.enumerate()\n"
	    "    if t is not threading.main_thread() and t.is_alive())\n";
	PyObject *names = Py_BuildValue("{s:O}", "__builtins__", PyEval_GetBuiltins());
	PyObject *done, *text = NULL;

	if (names == NULL)
		return NULL;
	done = PyRun_String(code, Py_file_input, names, names);
	if (done != NULL && (text = PyDict_GetItemString(names, "names")) != NULL)
		text = PyUnicode_GetLength(text) > 0 ? Py_NewRef(text) : NULL;
	Py_XDECREF(done);
	Py_DECREF(names);
	PyErr_Clear();
	return text;
}

/* Only the thread that forks goes on in a worker. */
static int
threads_check(const char *app)
{
	PyObject *names = threads_name();
	const char *text;

	if (names == NULL)
		return EX_OK;
	text = PyUnicode_AsUTF8(names);
	failure_say("app %s: it starts threads when it is imported (%s), which workers "
		    "that are forked from it would be without; set preload = no",
	    app, text != NULL ? text : "?");
	PyErr_Clear();
	Py_DECREF(names);
	return EX_CONFIG;
}

/* What was imported is no garbage: a collection in a worker need not look at it,
 * which would write to all of its memory.  Nor is there anything to write about
 * what is garbage now. */
static void
memory_freeze(void)
{
	PyObject *gc = PyImport_ImportModule("gc"), *done = NULL;

	if (gc != NULL && (done = PyObject_CallMethod(gc, "collect", NULL)) != NULL) {
		Py_DECREF(done);
		done = PyObject_CallMethod(gc, "freeze", NULL);
	}
	Py_XDECREF(done);
	Py_XDECREF(gc);
	PyErr_Clear();
}

/* os.environ is a copy that was made when os was imported. */
static void
environment_update(void)
{
	static const char *const names[] = { "POOLD_SLOT", "POOLD_CONTROL_FD",
		"POOLD_CONCURRENCY" };
	PyObject *os = PyImport_ImportModule("os"), *variables = NULL, *value;

	if (os != NULL && (variables = PyObject_GetAttrString(os, "environ")) != NULL) {
		(void)PyMapping_DelItemString(variables, "POOLD_TEMPLATE");
		PyErr_Clear();
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			const char *text = getenv(names[i]);

			value = text != NULL ? PyUnicode_DecodeFSDefault(text) : NULL;
			if (value != NULL)
				(void)PyMapping_SetItemString(variables, names[i], value);
			Py_XDECREF(value);
		}
	}
	Py_XDECREF(variables);
	Py_XDECREF(os);
	PyErr_Clear();
}

static void
before(void *arg)
{
	(void)arg;
	PyOS_BeforeFork();
}

static void
parent(void *arg)
{
	(void)arg;
	PyOS_AfterFork_Parent();
}

/* Python gives itself a new seed, and calls what os.register_at_fork has. */
static void
child(void *arg)
{
	(void)arg;
	PyOS_AfterFork_Child();
	environment_update();
}

int
preload(const char *app)
{
	static const struct poold_fork hooks = { .before = before,
		.parent = parent,
		.child = child };
	int status;

	if (getenv("POOLD_TEMPLATE") == NULL)
		return EX_OK;
	if ((status = threads_check(app)) != EX_OK)
		return status;
	memory_freeze();
	/* What the application has registered with atexit is its workers'. */
	if (!poold_preload(&hooks, &status))
		_exit(status);
	return EX_OK;
}
