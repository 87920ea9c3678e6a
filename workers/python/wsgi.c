/* SPDX-License-Identifier: ISC */
/*
 * A worker answers one request at a time, so there is one struct wsgi and, as long
 * as nobody keeps it, one start_response, used over and over.  Python runs only within `handle': a thread
 * that the application has started goes on while this one waits for a request or
 * for a client.
 */
#include "wsgi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "environ.h"
#include "failure.h"
#include "file_wrapper.h"
#include "header.h"
#include "input.h"
#include "log_stream.h"

#define JOIN_MAX (64 * 1024) /* a list of small parts is sent as one */

struct wsgi {
	PyObject *application;
	PyObject *errors;	  /* wsgi.errors */
	PyObject *start_response; /* builtins, whose self is self */
	PyObject *write;
	PyObject *self; /* a capsule around this; NULL: none yet */
	struct environ *environ;
	PyThreadState *thread;	   /* while Python does not run */
	struct poold_request *req; /* NULL: none */
	/* the response */
	PyObject *fields; /* the list; NULL: start_response was not called */
	int status;
	int64_t length;	  /* declared; -1: it is not */
	int64_t left;	  /* of it */
	bool begun;	  /* its head is on its way */
	bool is_head;	  /* the request's method is HEAD */
	bool client_left; /* writing failed */
};

/* --- start_response ------------------------------------------------------- */

/* The name and value of a field; -1 with an exception. */
static int
field_get(PyObject *item, const char **name, const char **value)
{
	if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
		PyErr_Format(PyExc_TypeError,
		    "a field must be a tuple of name and value, not %R", item);
		return -1;
	}
	*name = header_text(PyTuple_GET_ITEM(item, 0), "the name of a field");
	if (*name == NULL)
		return -1;
	*value = header_text(PyTuple_GET_ITEM(item, 1), "the value of a field");
	return *value != NULL ? 0 : -1;
}

static int
fields_check(PyObject *fields, int64_t *length)
{
	const char *name, *value;

	*length = -1;
	if (!PyList_Check(fields)) {
		PyErr_Format(PyExc_TypeError, "the fields must be a list, not '%s'",
		    Py_TYPE(fields)->tp_name);
		return -1;
	}
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(fields); i++)
		if (field_get(PyList_GET_ITEM(fields, i), &name, &value) == -1 ||
		    header_check(name, value, length) == -1)
			return -1;
	return 0;
}

/* Raises the exception in exc_info, since it is too late for another response. */
static void
raise_again(PyObject *exc_info)
{
	PyObject *type, *value, *traceback;

	if (!PyTuple_Check(exc_info) ||
	    !PyArg_ParseTuple(exc_info, "OOO", &type, &value, &traceback)) {
		PyErr_SetString(PyExc_TypeError, "exc_info is not one of sys.exc_info()");
		return;
	}
	PyErr_Restore(Py_NewRef(type), value == Py_None ? NULL : Py_NewRef(value),
	    traceback == Py_None ? NULL : Py_NewRef(traceback));
}

/* What a callable belongs to; NULL with an exception when its request is over. */
static struct wsgi *
wsgi_of(PyObject *self)
{
	struct wsgi *wsgi = NULL;

	if (PyCapsule_GetName(self) == NULL)
		wsgi = PyCapsule_GetPointer(self, NULL);
	if (wsgi != NULL && wsgi->req != NULL)
		return wsgi;
	PyErr_SetString(PyExc_RuntimeError, "the request is over");
	return NULL;
}

static PyObject *
start_response(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = { "status", "headers", "exc_info", NULL };
	struct wsgi *wsgi = wsgi_of(self);
	PyObject *status, *fields, *exc_info = Py_None;
	int64_t length;
	int number;

	if (wsgi == NULL ||
	    !PyArg_ParseTupleAndKeywords(args, keywords, "OO|O:start_response", names,
		&status, &fields, &exc_info))
		return NULL;
	if (exc_info != Py_None && wsgi->begun) {
		raise_again(exc_info);
		return NULL;
	}
	if (exc_info == Py_None && wsgi->fields != NULL) {
		PyErr_SetString(PyExc_AssertionError,
		    "start_response was called before, and there is no exc_info");
		return NULL;
	}
	if ((number = header_status(status)) == -1 || fields_check(fields, &length) == -1)
		return NULL;
	Py_XSETREF(wsgi->fields, Py_NewRef(fields));
	wsgi->status = number;
	wsgi->length = length;
	return Py_NewRef(wsgi->write);
}

/* --- writing -------------------------------------------------------------- */

/* What became of a call of libpoold: 0, or -1 with an exception. */
static int
client_result(struct wsgi *wsgi, int result, int error)
{
	if (result == 0)
		return 0;
	wsgi->client_left = error == EPIPE || error == ECONNRESET || error == ETIMEDOUT;
	errno = error;
	PyErr_SetFromErrno(PyExc_OSError);
	return -1;
}

/* Gives the fields to libpoold: there is something to send. */
static int
fields_apply(struct wsgi *wsgi)
{
	const char *name, *value;

	if (wsgi->fields == NULL) {
		PyErr_SetString(PyExc_AssertionError,
		    "the application did not call start_response before its first "
		    "data");
		return -1;
	}
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(wsgi->fields); i++)
		if (field_get(PyList_GET_ITEM(wsgi->fields, i), &name, &value) == -1 ||
		    header_set(wsgi->req, name, value) == -1)
			return -1;
	return 0;
}

static int
response_begin(struct wsgi *wsgi)
{
	int result;

	if (wsgi->begun)
		return 0;
	if (fields_apply(wsgi) == -1)
		return -1;
	wsgi->begun = true;
	wsgi->left = wsgi->length;
	result = poold_start(wsgi->req, wsgi->status, NULL, wsgi->length);
	return client_result(wsgi, result, errno);
}

static void
too_much(struct wsgi *wsgi)
{
	poold_log(wsgi->req, "the response has more bytes than its Content-Length, %lld",
	    (long long)wsgi->length);
}

/* Sends a part of the body; -1 with an exception. */
static int
part_write(struct wsgi *wsgi, const char *bytes, size_t len)
{
	PyThreadState *thread;
	int result, error;
	bool excess;

	if (response_begin(wsgi) == -1)
		return -1;
	excess = wsgi->length != -1 && !wsgi->is_head && len > (uint64_t)wsgi->left;
	if (excess)
		len = (size_t)wsgi->left;
	thread = PyEval_SaveThread();
	result = poold_write(wsgi->req, bytes, len);
	error = errno;
	PyEval_RestoreThread(thread);
	if (wsgi->length != -1)
		wsgi->left -= (int64_t)len;
	if (client_result(wsgi, result, error) == -1)
		return -1;
	if (excess) {
		too_much(wsgi);
		PyErr_SetString(PyExc_ValueError, "more data than the Content-Length");
		return -1;
	}
	return 0;
}

/* The write() that start_response gives. */
static PyObject *
write_call(PyObject *self, PyObject *data)
{
	struct wsgi *wsgi = wsgi_of(self);

	if (wsgi == NULL)
		return NULL;
	if (!PyBytes_Check(data))
		return PyErr_Format(PyExc_TypeError, "write() needs bytes, not '%s'",
		    Py_TYPE(data)->tp_name);
	if (PyBytes_GET_SIZE(data) == 0 && wsgi->begun)
		return Py_NewRef(Py_None);
	if (part_write(wsgi, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)) ==
	    -1)
		return NULL;
	return Py_NewRef(Py_None);
}

/* --- the response --------------------------------------------------------- */

static int response_end(struct wsgi *wsgi);

/* All of a body that has not begun. */
static int
whole_send(struct wsgi *wsgi, const char *bytes, size_t len)
{
	PyThreadState *thread;
	int result, error;

	/* what HEAD would be the head of is not known, if it says no length; and
	 * one that is wrong is for part_write to find out */
	if ((wsgi->is_head && len == 0) ||
	    (wsgi->length != -1 && (uint64_t)wsgi->length != len)) {
		if ((len == 0 ? response_begin(wsgi) : part_write(wsgi, bytes, len)) ==
		    -1)
			return -1;
		return response_end(wsgi);
	}
	if (fields_apply(wsgi) == -1)
		return -1;
	wsgi->begun = true;
	wsgi->left = 0;
	thread = PyEval_SaveThread();
	result = poold_respond(wsgi->req, wsgi->status, NULL, bytes, len);
	error = errno;
	PyEval_RestoreThread(thread);
	return client_result(wsgi, result, error);
}

/* Ends a response that may have been sent in parts, or not at all. */
static int
response_end(struct wsgi *wsgi)
{
	PyThreadState *thread;
	int result, error;

	if (!wsgi->begun)
		return whole_send(wsgi, "", 0);
	if (wsgi->length != -1 && wsgi->left > 0 && !wsgi->is_head &&
	    wsgi->status != 204 && wsgi->status != 304) {
		poold_log(wsgi->req,
		    "the response has %lld bytes less than its Content-Length, %lld",
		    (long long)wsgi->left, (long long)wsgi->length);
		return 0; /* libpoold cuts it */
	}
	thread = PyEval_SaveThread();
	result = poold_end(wsgi->req);
	error = errno;
	PyEval_RestoreThread(thread);
	if (result == -1 && error == EALREADY)
		return 0; /* it was whole */
	return client_result(wsgi, result, error);
}

static int
not_bytes(PyObject *part)
{
	PyErr_Format(PyExc_TypeError, "a part of the response must be bytes, not '%s'",
	    Py_TYPE(part)->tp_name);
	return -1;
}

/* What len() says; -1: it has none. */
static Py_ssize_t
length_of(PyObject *object)
{
	Py_ssize_t length = PyObject_Size(object);

	if (length == -1)
		PyErr_Clear();
	return length;
}

/* Sends what an iterator gives, each part before the next is asked for. */
static int
parts_send(struct wsgi *wsgi, PyObject *result)
{
	Py_ssize_t count = wsgi->begun || wsgi->length != -1 ? -1 : length_of(result);
	PyObject *iterator = PyObject_GetIter(result), *part;
	int good = 0;
	size_t len;

	if (iterator == NULL)
		return -1;
	while (good == 0 && !(wsgi->begun && wsgi->is_head) &&
	    (part = PyIter_Next(iterator)) != NULL) {
		if (!PyBytes_Check(part)) {
			good = not_bytes(part);
		} else if ((len = (size_t)PyBytes_GET_SIZE(part)) > 0) {
			/* the only part: then its length is that of all */
			if (count == 1 && !wsgi->begun && wsgi->length == -1)
				wsgi->length = (int64_t)len;
			good = part_write(wsgi, PyBytes_AS_STRING(part), len);
		}
		Py_DECREF(part);
	}
	Py_DECREF(iterator);
	if (good == -1 || PyErr_Occurred())
		return -1;
	return response_end(wsgi);
}

/* A list or tuple of which all parts are there: sent as one if they are small. */
static int
list_send(struct wsgi *wsgi, PyObject *list)
{
	Py_ssize_t count = PySequence_Fast_GET_SIZE(list), i;
	PyObject **parts = PySequence_Fast_ITEMS(list), *only;
	char joined[JOIN_MAX];
	size_t len = 0, n;
	int good;

	if (wsgi->begun) /* by write() */
		return parts_send(wsgi, list);
	if (count == 1 && PyBytes_Check(parts[0])) {
		only = Py_NewRef(parts[0]); /* a thread may change the list */
		good = whole_send(wsgi, PyBytes_AS_STRING(only),
		    (size_t)PyBytes_GET_SIZE(only));
		Py_DECREF(only);
		return good;
	}
	for (i = 0; i < count; i++) {
		if (!PyBytes_Check(parts[i]))
			return not_bytes(parts[i]);
		n = (size_t)PyBytes_GET_SIZE(parts[i]);
		if (n > sizeof(joined) - len)
			return parts_send(wsgi, list);
		memcpy(joined + len, PyBytes_AS_STRING(parts[i]), n);
		len += n;
	}
	return whole_send(wsgi, joined, len);
}

/* A file, from where it was read to; a Content-Length may say that it is a part. */
static int
file_send(struct wsgi *wsgi, int fd, off_t offset, uint64_t len)
{
	PyThreadState *thread;
	int result, error;

	if (wsgi->length != -1 && (uint64_t)wsgi->length > len && !wsgi->is_head) {
		PyErr_SetString(PyExc_ValueError,
		    "the file is shorter than the "
		    "Content-Length");
		return -1;
	}
	if (wsgi->length != -1)
		len = (uint64_t)wsgi->length;
	if (fields_apply(wsgi) == -1)
		return -1;
	wsgi->begun = true;
	thread = PyEval_SaveThread();
	result = poold_respond_file(wsgi->req, wsgi->status, NULL, fd, offset, len);
	error = errno;
	PyEval_RestoreThread(thread);
	return client_result(wsgi, result, error);
}

static int
result_send(struct wsgi *wsgi, PyObject *result)
{
	uint64_t len;
	off_t offset;
	int fd;

	if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
		return list_send(wsgi, result);
	if (!wsgi->begun && file_wrapper_plain(result, &fd, &offset, &len))
		return file_send(wsgi, fd, offset, len);
	return parts_send(wsgi, result);
}

/* Calls close() of what the application returned, if it has one: always. */
static void
result_close(struct wsgi *wsgi, PyObject *result)
{
	PyObject *type, *value, *traceback, *close, *closed = NULL;

	if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
		return;
	PyErr_Fetch(&type, &value, &traceback);
	close = PyObject_GetAttrString(result, "close");
	if (close == NULL)
		PyErr_Clear();
	else if ((closed = PyObject_CallNoArgs(close)) == NULL)
		failure_log(wsgi->req);
	Py_XDECREF(close);
	Py_XDECREF(closed);
	PyErr_Restore(type, value, traceback);
}

/* --- what the application calls -------------------------------------------- */

static PyMethodDef start_response_def = { "start_response",
	(PyCFunction)(void (*)(void))start_response, METH_VARARGS | METH_KEYWORDS,
	"start_response(status, headers, exc_info=None)" };
static PyMethodDef write_def = { "write", write_call, METH_O, "write(bytes)" };

static void
callables_drop(struct wsgi *wsgi)
{
	Py_CLEAR(wsgi->start_response);
	Py_CLEAR(wsgi->write);
	Py_CLEAR(wsgi->self);
}

static int
callables_make(struct wsgi *wsgi)
{
	if ((wsgi->self = PyCapsule_New(wsgi, NULL, NULL)) == NULL)
		return -1;
	wsgi->start_response = PyCFunction_New(&start_response_def, wsgi->self);
	wsgi->write = PyCFunction_New(&write_def, wsgi->self);
	return wsgi->start_response != NULL && wsgi->write != NULL ? 0 : -1;
}

/* Whoever has kept one of a request that is over must not reach the next: that
 * one gets others. */
static int
callables_renew(struct wsgi *wsgi)
{
	if (wsgi->self != NULL && Py_REFCNT(wsgi->start_response) == 1 &&
	    Py_REFCNT(wsgi->write) == 1)
		return 0;
	if (wsgi->self != NULL)
		(void)PyCapsule_SetName(wsgi->self, "over");
	callables_drop(wsgi);
	if (callables_make(wsgi) == 0)
		return 0;
	callables_drop(wsgi);
	return -1;
}

/* --- a request ------------------------------------------------------------ */

/* An exception that the application did not handle.  input_error: the errno of
 * the request's body, 0 if all went well with it. */
static void
exception_answer(struct wsgi *wsgi, int input_error)
{
	bool clients_fault = wsgi->client_left || input_error != 0;

	if (clients_fault && PyErr_ExceptionMatches(PyExc_OSError))
		PyErr_Clear(); /* the access log tells of it */
	else
		failure_log(wsgi->req);
	if (wsgi->begun)
		return; /* libpoold cuts it */
	if (input_error == EMSGSIZE)
		(void)poold_problem(wsgi->req, 413, "The body is too large.");
	else if (input_error == EBADMSG)
		(void)poold_problem(wsgi->req, 400,
		    "The body is not chunked as it says.");
	else
		(void)poold_problem(wsgi->req, 500, "The application failed.");
}

static void
request_run(struct wsgi *wsgi, PyObject *dict)
{
	PyObject *args[] = { dict, wsgi->start_response };
	PyObject *result = PyObject_Vectorcall(wsgi->application, args, 2, NULL);

	if (result == NULL)
		return;
	(void)result_send(wsgi, result);
	result_close(wsgi, result);
	Py_DECREF(result);
}

static void
request_answer(struct wsgi *wsgi)
{
	PyObject *input = input_new(wsgi->req), *dict = NULL;
	int input_error = 0;

	if (input != NULL && callables_renew(wsgi) == 0)
		dict = environ_make(wsgi->environ, wsgi->req, input);
	if (dict != NULL)
		request_run(wsgi, dict);
	if (input != NULL)
		input_error = input_detach(input);
	if (PyErr_Occurred())
		exception_answer(wsgi, input_error);
	Py_XDECREF(dict);
	Py_XDECREF(input);
}

static void
handle(struct poold_request *req, void *arg)
{
	struct wsgi *wsgi = arg;

	PyEval_RestoreThread(wsgi->thread);
	wsgi->req = req;
	wsgi->begun = wsgi->client_left = false;
	wsgi->length = wsgi->left = -1;
	wsgi->is_head = strcmp(poold_method(req), "HEAD") == 0;
	request_answer(wsgi);
	log_stream_flush(wsgi->errors);
	Py_CLEAR(wsgi->fields);
	wsgi->req = NULL;
	wsgi->thread = PyEval_SaveThread();
}

/* --- the worker ----------------------------------------------------------- */

static int
wsgi_open(struct wsgi *wsgi)
{
	PyObject *file_wrapper;

	if (input_init() == -1 || (file_wrapper = file_wrapper_init()) == NULL)
		return -1;
	wsgi->errors = log_stream_new((struct poold_request *const *)&wsgi->req);
	if (wsgi->errors == NULL)
		return -1;
	wsgi->environ = environ_new(wsgi->errors, file_wrapper);
	return wsgi->environ != NULL ? 0 : -1;
}

/* What the application may still hold stays: the process ends soon. */
static void
wsgi_close(struct wsgi *wsgi)
{
	environ_free(wsgi->environ);
	callables_drop(wsgi);
	Py_CLEAR(wsgi->errors);
}

int
wsgi_serve(PyObject *application, int argc, char **argv)
{
	static struct wsgi wsgi;
	int status;

	wsgi.application = application;
	if (wsgi_open(&wsgi) == -1)
		return failure_python("cannot start");
	wsgi.thread = PyEval_SaveThread();
	status = poold_serve(argc, argv, handle, &wsgi);
	PyEval_RestoreThread(wsgi.thread);
	wsgi_close(&wsgi);
	return status;
}
