/* SPDX-License-Identifier: ISC */
/*
 * read(n) gives n bytes unless the body ends before, as a buffered file does.
 * Nothing is read before the application asks for it, so that a client that waits
 * for "100 Continue" gets it then.
 */
#include "input.h"

#include <errno.h>
#include <string.h>

#define BUFFER_SIZE (16 * 1024) /* for lines */
#define STEP_MIN    (64 * 1024) /* a body without a length grows by this or more */
#define STEP_MAX    (64 * 1024 * 1024)

struct input {
	PyObject_HEAD struct poold_request *req; /* NULL: it is over */
	int error;				 /* errno; 0: none */
	char *buf;				 /* BUFFER_SIZE bytes; NULL: none yet */
	size_t pos, len;
};

static PyTypeObject *input_type;

/* --- bytes ---------------------------------------------------------------- */

static int
over(void)
{
	PyErr_SetString(PyExc_ValueError, "the request is over");
	return -1;
}

/* Up to size bytes from the client; 0 at the end; -1 with an exception. */
static Py_ssize_t
receive(struct input *input, char *buf, size_t size)
{
	PyThreadState *thread;
	ssize_t n;
	int error;

	if (input->req == NULL)
		return over();
	if (input->error == 0) {
		thread = PyEval_SaveThread();
		n = poold_read(input->req, buf, size);
		error = errno;
		PyEval_RestoreThread(thread);
		if (n >= 0)
			return n;
		input->error = error;
	}
	errno = input->error;
	PyErr_SetFromErrno(PyExc_OSError);
	return -1;
}

/* Up to size bytes, those of the buffer first. */
static Py_ssize_t
take(struct input *input, char *buf, size_t size)
{
	size_t have = input->len - input->pos;

	if (have == 0)
		return receive(input, buf, size);
	if (size > have)
		size = have;
	memcpy(buf, input->buf + input->pos, size);
	input->pos += size;
	return (Py_ssize_t)size;
}

/* Makes the buffer not empty; 0 at the end of the body, -1 with an exception. */
static int
fill(struct input *input)
{
	Py_ssize_t n;

	if (input->pos < input->len)
		return 1;
	if (input->buf == NULL && (input->buf = PyMem_Malloc(BUFFER_SIZE)) == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	n = receive(input, input->buf, BUFFER_SIZE);
	if (n < 0)
		return -1;
	input->pos = 0;
	input->len = (size_t)n;
	return n > 0;
}

/* What is known to come, the buffer included; -1: until it ends. */
static int64_t
known_length(const struct input *input)
{
	return poold_body_length(input->req);
}

/* --- methods -------------------------------------------------------------- */

/* Reads size bytes into a new object; fewer at the end. */
static PyObject *
read_exactly(struct input *input, size_t size)
{
	int64_t length = known_length(input);
	PyObject *bytes;
	size_t done = 0;
	Py_ssize_t n = 1;

	/* nobody gets memory for bytes that he only speaks of */
	if (length >= 0 && size > (uint64_t)length)
		size = (size_t)length;
	if ((bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size)) == NULL)
		return NULL;
	while (done < size && n > 0) {
		n = take(input, PyBytes_AS_STRING(bytes) + done, size - done);
		if (n < 0) {
			Py_DECREF(bytes);
			return NULL;
		}
		done += (size_t)n;
	}
	if (done < size)
		_PyBytes_Resize(&bytes, (Py_ssize_t)done);
	return bytes;
}

/* Reads all that a body without a length has. */
static PyObject *
read_to_end(struct input *input, size_t max)
{
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, STEP_MIN);
	size_t done = 0, size = STEP_MIN, grow;
	Py_ssize_t n;

	while (bytes != NULL && done < max) {
		if (done == size) {
			grow = size < STEP_MAX ? size : STEP_MAX;
			if (_PyBytes_Resize(&bytes, (Py_ssize_t)(size + grow)) == -1)
				return NULL;
			size += grow;
		}
		n = take(input, PyBytes_AS_STRING(bytes) + done,
		    size - done < max - done ? size - done : max - done);
		if (n < 0) {
			Py_DECREF(bytes);
			return NULL;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	if (bytes != NULL)
		_PyBytes_Resize(&bytes, (Py_ssize_t)done);
	return bytes;
}

/* The argument of read and readline: none, None or negative is all. */
static int
size_get(const struct input *input, PyObject *const *args, Py_ssize_t count, size_t *size)
{
	Py_ssize_t n;

	*size = PY_SSIZE_T_MAX;
	if (input->req == NULL)
		return over();
	if (count > 1) {
		PyErr_SetString(PyExc_TypeError, "at most one argument is expected");
		return -1;
	}
	if (count == 0 || args[0] == Py_None)
		return 0;
	n = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
	if (n == -1 && PyErr_Occurred())
		return -1;
	if (n >= 0)
		*size = (size_t)n;
	return 0;
}

static PyObject *
input_read(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	struct input *input = (struct input *)self;
	size_t size;

	if (size_get(input, args, count, &size) == -1)
		return NULL;
	if (size == 0)
		return PyBytes_FromStringAndSize(NULL, 0);
	/* of a body that is chunked, size may be no more than a wish */
	if (known_length(input) == -1 && size > STEP_MIN)
		return read_to_end(input, size);
	return read_exactly(input, size);
}

/* A line, its end included, or what there is of it within size bytes. */
static PyObject *
line_read(struct input *input, size_t size)
{
	PyObject *line = PyBytes_FromStringAndSize(NULL, 0), *part;
	const char *start, *end = NULL;
	size_t n;
	int more = 1;

	while (line != NULL && size > 0 && end == NULL && (more = fill(input)) > 0) {
		start = input->buf + input->pos;
		n = input->len - input->pos;
		if (n > size)
			n = size;
		if ((end = memchr(start, '\n', n)) != NULL)
			n = (size_t)(end - start) + 1;
		part = PyBytes_FromStringAndSize(start, (Py_ssize_t)n);
		if (part == NULL) {
			Py_CLEAR(line);
			break;
		}
		PyBytes_ConcatAndDel(&line, part);
		input->pos += n;
		size -= n;
	}
	if (more < 0)
		Py_CLEAR(line);
	return line;
}

static PyObject *
input_readline(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	size_t size;

	if (size_get((struct input *)self, args, count, &size) == -1)
		return NULL;
	return line_read((struct input *)self, size);
}

static PyObject *
input_next(PyObject *self)
{
	PyObject *line = line_read((struct input *)self, PY_SSIZE_T_MAX);

	if (line != NULL && PyBytes_GET_SIZE(line) == 0)
		Py_CLEAR(line);
	return line;
}

static PyObject *
input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	size_t hint, total = 0;
	PyObject *lines, *line;

	if (size_get((struct input *)self, args, count, &hint) == -1 ||
	    (lines = PyList_New(0)) == NULL)
		return NULL;
	while (total < hint && (line = input_next(self)) != NULL) {
		total += (size_t)PyBytes_GET_SIZE(line);
		if (PyList_Append(lines, line) == -1)
			total = hint;
		Py_DECREF(line);
	}
	if (PyErr_Occurred())
		Py_CLEAR(lines);
	return lines;
}

static PyObject *
input_iter(PyObject *self)
{
	return Py_NewRef(self);
}

static void
input_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyMem_Free(((struct input *)self)->buf);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{ "read", (PyCFunction)(void (*)(void))input_read, METH_FASTCALL,
	    "read([size]): size bytes of the body, fewer at its end" },
	{ "readline", (PyCFunction)(void (*)(void))input_readline, METH_FASTCALL,
	    "readline([size]): a line with its end" },
	{ "readlines", (PyCFunction)(void (*)(void))input_readlines, METH_FASTCALL,
	    "readlines([hint]): a list of lines" },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, input_dealloc },
	{ Py_tp_iter, input_iter },
	{ Py_tp_iternext, input_next },
	{ Py_tp_methods, methods },
	{ 0, NULL },
};

static PyType_Spec spec = {
	.name = "poold.Input",
	.basicsize = sizeof(struct input),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};

int
input_init(void)
{
	input_type = (PyTypeObject *)PyType_FromSpec(&spec);
	return input_type != NULL ? 0 : -1;
}

PyObject *
input_new(struct poold_request *req)
{
	struct input *input = PyObject_New(struct input, input_type);

	if (input == NULL)
		return NULL;
	input->req = req;
	input->error = 0;
	input->buf = NULL;
	input->pos = input->len = 0;
	return (PyObject *)input;
}

int
input_detach(PyObject *self)
{
	struct input *input = (struct input *)self;

	input->req = NULL;
	return input->error;
}
