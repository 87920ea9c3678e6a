/* SPDX-License-Identifier: ISC */
#include "interpreter.h"

#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define TEXT_MAX 512

static void
lines_log(struct poold_request *req, const char *text)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (len > 0)
			poold_log(req, "%.*s", (int)(len < 4000 ? len : 4000), text);
	}
}

/* The pending exception, normalised, its traceback in it; NULL: there is none. */
static PyObject *
exception_take(void)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	if (type == NULL)
		return NULL;
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback != NULL && value != NULL)
		(void)PyException_SetTraceback(value, traceback);
	Py_XDECREF(type);
	Py_XDECREF(traceback);
	return value;
}

/* The words of traceback.FUNCTION(exception) in one; NULL when even that fails. */
static PyObject *
exception_format(PyObject *exception, const char *function)
{
	PyObject *module = PyImport_ImportModule("traceback"), *list = NULL;
	PyObject *empty = PyUnicode_FromString(""), *text = NULL;

	if (module != NULL)
		list = PyObject_CallMethod(module, function, "(O)", exception);
	if (list != NULL && empty != NULL)
		text = PyUnicode_Join(empty, list);
	PyErr_Clear();
	Py_XDECREF(module);
	Py_XDECREF(list);
	Py_XDECREF(empty);
	return text;
}

static const char *
text_of(PyObject *text)
{
	const char *bytes = text != NULL ? PyUnicode_AsUTF8(text) : NULL;

	PyErr_Clear(); /* a lone surrogate */
	return bytes;
}

/* Logs the traceback. */
static void
exception_log(struct poold_request *req, PyObject *exception)
{
	PyObject *text = exception_format(exception, "format_exception");
	const char *bytes = text_of(text);

	lines_log(req, bytes != NULL ? bytes : Py_TYPE(exception)->tp_name);
	Py_XDECREF(text);
}

void
failure_log(struct poold_request *req)
{
	PyObject *exception = exception_take();

	if (exception == NULL)
		return;
	exception_log(req, exception);
	Py_DECREF(exception);
}

void
failure_say(const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	poold_log(NULL, "%s", text);
	poold_status("%s", text);
}

/* Those of the last lines of a formatted exception that say what it is: for a
 * syntax error the place and the line too. */
static void
exception_tell(const char *what, PyObject *exception)
{
	PyObject *text = exception_format(exception, "format_exception_only");
	const char *bytes = text_of(text);
	char line[TEXT_MAX] = "";
	size_t n = 0;

	if (bytes == NULL)
		bytes = Py_TYPE(exception)->tp_name;
	/* one line, runs of white space one blank */
	for (; *bytes != '\0' && n + 1 < sizeof(line); bytes++) {
		if (strchr(" \t\n", *bytes) == NULL)
			line[n++] = *bytes;
		else if (n > 0 && line[n - 1] != ' ')
			line[n++] = ' ';
	}
	if (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	failure_say("%s: %s", what, line);
	Py_XDECREF(text);
}

/* An application may say how it wants to end. */
static int
exit_status(PyObject *exception)
{
	PyObject *code;
	long status = EX_SOFTWARE;

	if (!PyErr_GivenExceptionMatches(exception, PyExc_SystemExit))
		return EX_SOFTWARE;
	code = PyObject_GetAttrString(exception, "code");
	if (code != NULL && PyLong_Check(code))
		status = PyLong_AsLong(code);
	Py_XDECREF(code);
	PyErr_Clear();
	return status > 0 && status < 128 ? (int)status : EX_SOFTWARE;
}

/* Whether a traceback begins in the machinery of import, "<frozen ...>". */
static bool
is_import(PyObject *traceback)
{
	const PyTracebackObject *entry = (const PyTracebackObject *)traceback;
	PyCodeObject *code = PyFrame_GetCode(entry->tb_frame);
	const char *name = PyUnicode_AsUTF8(code->co_filename);
	bool import = name != NULL && name[0] == '<';

	Py_DECREF(code);
	PyErr_Clear();
	return import;
}

/* Leaves the steps by which this program has come to the application out of the
 * traceback. */
static void
exception_trim(PyObject *exception)
{
	PyObject *traceback = PyException_GetTraceback(exception), *next;

	while (traceback != NULL && is_import(traceback)) {
		next = (PyObject *)((PyTracebackObject *)traceback)->tb_next;
		Py_XINCREF(next);
		Py_DECREF(traceback);
		traceback = next;
	}
	(void)PyException_SetTraceback(exception,
	    traceback != NULL ? traceback : Py_None);
	Py_XDECREF(traceback);
}

int
failure_python(const char *what)
{
	PyObject *exception = exception_take();
	int status;

	if (exception == NULL) {
		failure_say("%s", what);
		return EX_SOFTWARE;
	}
	exception_trim(exception);
	exception_log(NULL, exception);
	exception_tell(what, exception);
	status = exit_status(exception);
	Py_DECREF(exception);
	return status;
}
