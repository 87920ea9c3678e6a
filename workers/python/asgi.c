/* SPDX-License-Identifier: ISC */
/*
 * What libpoold can do as Python objects: a Worker that gives Requests, none of
 * which ever waits.  Who waits, and for what, is in asgi.py, which is a part of
 * this program.
 */
#include "asgi.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>

#include "asgi_py.h"
#include "failure.h"
#include "header.h"

struct request {
	PyObject_HEAD struct poold_request *req; /* NULL: it is over */
};

struct worker {
	PyObject_HEAD struct poold_worker *worker; /* NULL: not open */
	int argc;
	char **argv;
	int status; /* for the end of the process */
};

static PyTypeObject *request_type, *worker_type;

/* --- requests ------------------------------------------------------------- */

/* The request of an object; NULL with an exception when it is over. */
static struct poold_request *
request_of(PyObject *self)
{
	struct poold_request *req = ((struct request *)self)->req;

	if (req == NULL)
		PyErr_SetString(PyExc_RuntimeError, "the request is over");
	return req;
}

/* True: it is done; False: not now; or an exception. */
static PyObject *
result_of(int result)
{
	if (result == 0)
		return Py_NewRef(Py_True);
	if (errno == EAGAIN)
		return Py_NewRef(Py_False);
	return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *
bytes_of(const char *text)
{
	return PyBytes_FromString(text);
}

/* The name in small letters, as ASGI wants it. */
static PyObject *
name_of(const char *text)
{
	PyObject *bytes = PyBytes_FromString(text);
	char *p = bytes != NULL ? PyBytes_AS_STRING(bytes) : NULL;

	for (; p != NULL && *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return bytes;
}

static PyObject *
request_headers(PyObject *self, PyObject *unused)
{
	struct poold_request *req = request_of(self);
	PyObject *list, *pair;
	const char *name, *value;

	(void)unused;
	if (req == NULL || (list = PyList_New(0)) == NULL)
		return NULL;
	for (size_t i = 0; poold_header_at(req, i, &name, &value); i++) {
		pair = Py_BuildValue("(NN)", name_of(name), bytes_of(value));
		if (pair == NULL || PyList_Append(list, pair) == -1) {
			Py_XDECREF(pair);
			Py_DECREF(list);
			return NULL;
		}
		Py_DECREF(pair);
	}
	return list;
}

/* Bytes that are no UTF-8 are for nobody: a lone surrogate would be an exception
 * wherever the application writes the path. */
static PyObject *
text_of(const char *text)
{
	return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

/* The path of a target as it was sent: with a proxy's "http://host/path" too. */
static const char *
raw_path(const char *target, size_t *len)
{
	const char *authority = target[0] != '/' ? strstr(target, "://") : NULL;

	if (authority != NULL) {
		target = authority + 3 + strcspn(authority + 3, "/?");
		if (*target != '/')
			target = "/";
	}
	*len = strcspn(target, "?");
	return target;
}

static PyObject *
request_facts(PyObject *self, PyObject *unused)
{
	struct poold_request *req = request_of(self);
	const char *path;
	size_t path_len;

	(void)unused;
	if (req == NULL)
		return NULL;
	path = raw_path(poold_target(req), &path_len);
	return Py_BuildValue("(ssNNNy#y(si)(si)Ls)",
	    poold_http_minor(req) ? "1.1" : "1.0", poold_method(req),
	    text_of(poold_path(req)), text_of(poold_route(req)),
	    request_headers(self, NULL), path, (Py_ssize_t)path_len, poold_query(req),
	    poold_client_address(req), poold_client_port(req), poold_local_address(req),
	    poold_local_port(req), (long long)poold_body_length(req),
	    poold_request_id(req));
}

static PyObject *
request_fileno(PyObject *self, PyObject *unused)
{
	struct poold_request *req = request_of(self);

	(void)unused;
	return req != NULL ? PyLong_FromLong(poold_client_fd(req)) : NULL;
}

/* Up to size bytes of the body, none at its end; None: not now. */
static PyObject *
request_read(PyObject *self, PyObject *arg)
{
	struct poold_request *req = request_of(self);
	Py_ssize_t size = PyLong_AsSsize_t(arg);
	PyObject *bytes;
	ssize_t n;

	if (req == NULL || (size == -1 && PyErr_Occurred()))
		return NULL;
	if ((bytes = PyBytes_FromStringAndSize(NULL, size)) == NULL)
		return NULL;
	n = poold_read(req, PyBytes_AS_STRING(bytes), (size_t)size);
	if (n == -1) {
		Py_DECREF(bytes);
		if (errno == EAGAIN)
			return Py_NewRef(Py_None);
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	_PyBytes_Resize(&bytes, n);
	return bytes;
}

/* Whether the client is there: False when it has closed its side or is gone.
 * None: it has sent more, behind its request, which hides that. */
static PyObject *
request_there(PyObject *self, PyObject *unused)
{
	struct poold_request *req = request_of(self);
	ssize_t n;
	char byte;

	(void)unused;
	if (req == NULL)
		return NULL;
	n = recv(poold_client_fd(req), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		return Py_NewRef(Py_None);
	return PyBool_FromLong(n == -1 && (errno == EAGAIN || errno == EINTR));
}

/* What an iterable of pairs has as a list of tuples: each may be of any kind, and
 * made while it is asked for. */
static PyObject *
pairs_of(PyObject *headers)
{
	PyObject *list = PySequence_List(headers), *pair;

	for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++) {
		if ((pair = PySequence_Tuple(PyList_GET_ITEM(list, i))) == NULL)
			Py_CLEAR(list);
		else
			PyList_SetItem(list, i, pair);
	}
	return list;
}

/* Looks at fields, or adds them, without those that are the server's. */
static int
pairs_each(struct poold_request *req, PyObject *pairs, int64_t *length, bool add)
{
	char *name, *value;
	int good = 0;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs) && good == 0; i++) {
		if (!PyArg_ParseTuple(PyList_GET_ITEM(pairs, i), "yy", &name, &value))
			return -1;
		if (!header_is_hop_by_hop(name))
			good = add ? header_set(req, name, value) :
				     header_check(name, value, length);
	}
	return good;
}

/* Adds fields; sets *length if one says it.  All are looked at first: those of a
 * response that is wrong are none of the error's. */
static int
headers_set(struct poold_request *req, PyObject *headers, int64_t *length)
{
	PyObject *pairs = pairs_of(headers);
	int good = pairs != NULL ? 0 : -1;

	for (int add = 0; add < 2 && good == 0; add++)
		good = pairs_each(req, pairs, length, add);
	Py_XDECREF(pairs);
	return good;
}

/* respond(status, headers, body): all of a response. */
static PyObject *
request_respond(PyObject *self, PyObject *args)
{
	struct poold_request *req = request_of(self);
	PyObject *headers;
	int64_t length = -1;
	Py_buffer body;
	int status, result, error;
	bool is_head;

	if (req == NULL ||
	    !PyArg_ParseTuple(args, "iOy*:respond", &status, &headers, &body))
		return NULL;
	if (headers_set(req, headers, &length) == -1) {
		PyBuffer_Release(&body);
		return NULL;
	}
	is_head = strcmp(poold_method(req), "HEAD") == 0;
	if (length == body.len || (length == -1 && !(is_head && body.len == 0))) {
		result = poold_respond(req, status, NULL, body.buf, (size_t)body.len);
	} else {
		result = poold_start(req, status, NULL, length);
		if (result == 0 && body.len > 0)
			result = poold_write(req, body.buf, (size_t)body.len);
		if (result == 0)
			result = poold_end(req);
	}
	error = errno;
	PyBuffer_Release(&body);
	errno = error;
	return result_of(result);
}

/* start(status, headers): the head of a response, which waits for its body. */
static PyObject *
request_start(PyObject *self, PyObject *args)
{
	struct poold_request *req = request_of(self);
	PyObject *headers;
	int64_t length = -1;
	int status;

	if (req == NULL || !PyArg_ParseTuple(args, "iO:start", &status, &headers) ||
	    headers_set(req, headers, &length) == -1)
		return NULL;
	return result_of(poold_start(req, status, NULL, length));
}

static PyObject *
request_write(PyObject *self, PyObject *data)
{
	struct poold_request *req = request_of(self);
	Py_buffer body;
	int result, error;

	if (req == NULL || PyObject_GetBuffer(data, &body, PyBUF_SIMPLE) == -1)
		return NULL;
	result = poold_write(req, body.buf, (size_t)body.len);
	error = errno;
	PyBuffer_Release(&body);
	errno = error;
	return result_of(result);
}

static PyObject *
request_end(PyObject *self, PyObject *unused)
{
	struct poold_request *req = request_of(self);

	(void)unused;
	return req != NULL ? result_of(poold_end(req)) : NULL;
}

static PyObject *
request_flush(PyObject *self, PyObject *unused)
{
	struct poold_request *req = request_of(self);

	(void)unused;
	return req != NULL ? result_of(poold_flush(req)) : NULL;
}

/* upgrade(headers): switches to WebSocket. */
static PyObject *
request_upgrade(PyObject *self, PyObject *headers)
{
	struct poold_request *req = request_of(self);
	int64_t length = -1;
	int fd;

	if (req == NULL || headers_set(req, headers, &length) == -1)
		return NULL;
	fd = poold_upgrade(req, "websocket");
	return fd != -1 ? PyLong_FromLong(fd) : PyErr_SetFromErrno(PyExc_OSError);
}

/* problem(status, detail) */
static PyObject *
request_problem(PyObject *self, PyObject *args)
{
	struct poold_request *req = request_of(self);
	const char *detail;
	int status;

	if (req == NULL || !PyArg_ParseTuple(args, "is:problem", &status, &detail))
		return NULL;
	return result_of(poold_problem(req, status, "%s", detail));
}

/* log(text): a line with the request's id; also when it is over, without. */
static PyObject *
request_log(PyObject *self, PyObject *text)
{
	const char *line = PyUnicode_AsUTF8(text);

	if (line == NULL)
		return NULL;
	poold_log(((struct request *)self)->req, "%s", line);
	return Py_NewRef(Py_None);
}

/* failed(exception): its traceback in the log. */
static PyObject *
request_failed(PyObject *self, PyObject *exception)
{
	PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
	failure_log(((struct request *)self)->req);
	return Py_NewRef(Py_None);
}

static PyObject *
request_finish(PyObject *self, PyObject *unused)
{
	struct request *request = (struct request *)self;

	(void)unused;
	if (request->req != NULL)
		poold_finish(request->req);
	request->req = NULL;
	return Py_NewRef(Py_None);
}

static void
object_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef request_methods[] = {
	{ "facts", request_facts, METH_NOARGS, NULL },
	{ "fileno", request_fileno, METH_NOARGS, NULL },
	{ "read", request_read, METH_O, NULL },
	{ "there", request_there, METH_NOARGS, NULL },
	{ "respond", request_respond, METH_VARARGS, NULL },
	{ "start", request_start, METH_VARARGS, NULL },
	{ "write", request_write, METH_O, NULL },
	{ "end", request_end, METH_NOARGS, NULL },
	{ "flush", request_flush, METH_NOARGS, NULL },
	{ "upgrade", request_upgrade, METH_O, NULL },
	{ "problem", request_problem, METH_VARARGS, NULL },
	{ "log", request_log, METH_O, NULL },
	{ "failed", request_failed, METH_O, NULL },
	{ "finish", request_finish, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot request_slots[] = {
	{ Py_tp_dealloc, object_dealloc },
	{ Py_tp_methods, request_methods },
	{ 0, NULL },
};

static PyType_Spec request_spec = {
	.name = "poold.Request",
	.basicsize = sizeof(struct request),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = request_slots,
};

/* --- the worker ----------------------------------------------------------- */

/* open(): says that this worker is ready.  The descriptor to wait for, or None
 * after an error that was logged. */
static PyObject *
worker_open(PyObject *self, PyObject *unused)
{
	struct worker *worker = (struct worker *)self;

	(void)unused;
	worker->worker = poold_worker_open(worker->argc, worker->argv, &worker->status);
	if (worker->worker == NULL)
		return Py_NewRef(Py_None);
	return PyLong_FromLong(poold_worker_fd(worker->worker));
}

/* next(): a request; None: not now; False: no more will come. */
static PyObject *
worker_next(PyObject *self, PyObject *unused)
{
	struct worker *worker = (struct worker *)self;
	struct poold_request *req = poold_worker_next(worker->worker);
	struct request *request;

	(void)unused;
	if (req == NULL)
		return Py_NewRef(errno == ESHUTDOWN ? Py_False : Py_None);
	if (poold_nonblocking(req) == -1 ||
	    (request = PyObject_New(struct request, request_type)) == NULL) {
		poold_finish(req);
		return PyErr_Occurred() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
	}
	request->req = req;
	return (PyObject *)request;
}

static PyObject *
worker_close(PyObject *self, PyObject *unused)
{
	PyThreadState *thread;
	struct worker *worker = (struct worker *)self;

	(void)unused;
	if (worker->worker != NULL) {
		thread = PyEval_SaveThread();
		poold_worker_close(worker->worker);
		PyEval_RestoreThread(thread);
	}
	worker->worker = NULL;
	return Py_NewRef(Py_None);
}

/* fail(text): the reason why it cannot start. */
static PyObject *
worker_fail(PyObject *self, PyObject *text)
{
	const char *line = PyUnicode_AsUTF8(text);

	if (line == NULL)
		return NULL;
	failure_say("%s", line);
	((struct worker *)self)->status = EX_SOFTWARE;
	return Py_NewRef(Py_None);
}

static PyMethodDef worker_methods[] = {
	{ "open", worker_open, METH_NOARGS, NULL },
	{ "next", worker_next, METH_NOARGS, NULL },
	{ "close", worker_close, METH_NOARGS, NULL },
	{ "fail", worker_fail, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot worker_slots[] = {
	{ Py_tp_dealloc, object_dealloc },
	{ Py_tp_methods, worker_methods },
	{ 0, NULL },
};

static PyType_Spec worker_spec = {
	.name = "poold.Worker",
	.basicsize = sizeof(struct worker),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = worker_slots,
};

/* --- serving -------------------------------------------------------------- */

static struct worker *
worker_new(int argc, char **argv)
{
	struct worker *worker;

	request_type = (PyTypeObject *)PyType_FromSpec(&request_spec);
	worker_type = (PyTypeObject *)PyType_FromSpec(&worker_spec);
	if (request_type == NULL || worker_type == NULL ||
	    (worker = PyObject_New(struct worker, worker_type)) == NULL)
		return NULL;
	worker->worker = NULL;
	worker->argc = argc;
	worker->argv = argv;
	worker->status = EX_OK;
	return worker;
}

/* The module that asgi.py is. */
static PyObject *
module_new(void)
{
	PyObject *code = Py_CompileString(asgi_py, "poold/asgi.py", Py_file_input);
	PyObject *module = NULL;

	if (code != NULL)
		module = PyImport_ExecCodeModule("poold_asgi", code);
	Py_XDECREF(code);
	return module;
}

int
asgi_serve(PyObject *application, const char *name, int argc, char **argv)
{
	struct worker *worker = worker_new(argc, argv);
	PyObject *module = worker != NULL ? module_new() : NULL, *done = NULL;
	int status = EX_SOFTWARE;

	if (module != NULL)
		done = PyObject_CallMethod(module, "serve", "OOs", application, worker,
		    name);
	if (done == NULL)
		status = failure_python(name);
	else
		status = worker->status;
	if (worker != NULL && worker->worker != NULL)
		poold_worker_close(worker->worker);
	Py_XDECREF(done);
	Py_XDECREF(module);
	Py_XDECREF((PyObject *)worker);
	return status;
}
