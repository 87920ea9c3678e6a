/* SPDX-License-Identifier: ISC */
#include "log_stream.h"

#include <string.h>

#define TEXT_MAX 4000 /* a longer one is cut in several */

struct log_stream {
	PyObject_HEAD struct poold_request *const *req;
	size_t len;
	char line[TEXT_MAX + 1];
};

static void
line_end(struct log_stream *stream)
{
	if (stream->len == 0)
		return;
	stream->line[stream->len] = '\0';
	poold_log(*stream->req, "%s", stream->line);
	stream->len = 0;
}

void
log_stream_flush(PyObject *stream)
{
	line_end((struct log_stream *)stream);
}

static void
bytes_write(struct log_stream *stream, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n' || stream->len == TEXT_MAX)
			line_end(stream);
		if (bytes[i] != '\n')
			stream->line[stream->len++] = bytes[i] != '\0' ? bytes[i] : ' ';
	}
}

static PyObject *
stream_write(PyObject *self, PyObject *text)
{
	PyObject *bytes;

	if (!PyUnicode_Check(text))
		return PyErr_Format(PyExc_TypeError, "write() needs a str, not '%s'",
		    Py_TYPE(text)->tp_name);
	bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
	if (bytes == NULL)
		return NULL;
	bytes_write((struct log_stream *)self, PyBytes_AS_STRING(bytes),
	    (size_t)PyBytes_GET_SIZE(bytes));
	Py_DECREF(bytes);
	return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *
stream_writelines(PyObject *self, PyObject *lines)
{
	PyObject *iterator = PyObject_GetIter(lines), *line, *done;

	if (iterator == NULL)
		return NULL;
	while ((line = PyIter_Next(iterator)) != NULL) {
		done = stream_write(self, line);
		Py_DECREF(line);
		if (done == NULL)
			break;
		Py_DECREF(done);
	}
	Py_DECREF(iterator);
	return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *
stream_flush(PyObject *self, PyObject *unused)
{
	(void)unused;
	log_stream_flush(self);
	return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
	{ "write", stream_write, METH_O, "write(text)" },
	{ "writelines", stream_writelines, METH_O, "writelines(texts)" },
	{ "flush", stream_flush, METH_NOARGS, "flush()" },
	{ NULL, NULL, 0, NULL },
};

static void
stream_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_Free(self);
	Py_DECREF(type);
}

static PyType_Slot slots[] = {
	{ Py_tp_dealloc, stream_dealloc },
	{ Py_tp_methods, methods },
	{ 0, NULL },
};

static PyType_Spec spec = {
	.name = "poold.LogStream",
	.basicsize = sizeof(struct log_stream),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots,
};

PyObject *
log_stream_new(struct poold_request *const *req)
{
	PyObject *type = PyType_FromSpec(&spec);
	struct log_stream *stream;

	if (type == NULL)
		return NULL;
	stream = PyObject_New(struct log_stream, (PyTypeObject *)type);
	Py_DECREF(type); /* the object has its own */
	if (stream == NULL)
		return NULL;
	stream->req = req;
	stream->len = 0;
	return (PyObject *)stream;
}
