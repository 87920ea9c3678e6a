/* SPDX-License-Identifier: ISC */
#include "file_wrapper.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE 8192

struct file_wrapper {
	PyObject_HEAD PyObject *file;
	PyObject *size; /* of a block */
};

static PyTypeObject *wrapper_type;
/* Files whose descriptor gives the same bytes as they do.  That of a GzipFile does
 * not: it is the file with what is compressed. */
static PyObject *file_io, *buffered_reader, *buffered_random;

static PyObject *
wrapper_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static char *names[] = { "filelike", "block_size", NULL };
	Py_ssize_t size = BLOCK_SIZE;
	struct file_wrapper *wrapper;
	PyObject *file;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|n", names, &file, &size))
		return NULL;
	wrapper = (struct file_wrapper *)type->tp_alloc(type, 0);
	if (wrapper == NULL)
		return NULL;
	wrapper->file = Py_NewRef(file);
	wrapper->size = PyLong_FromSsize_t(size > 0 ? size : BLOCK_SIZE);
	if (wrapper->size == NULL)
		Py_CLEAR(wrapper);
	return (PyObject *)wrapper;
}

static PyObject *
wrapper_iter(PyObject *self)
{
	return Py_NewRef(self);
}

static PyObject *
wrapper_next(PyObject *self)
{
	struct file_wrapper *wrapper = (struct file_wrapper *)self;
	PyObject *block = PyObject_CallMethod(wrapper->file, "read", "O", wrapper->size);
	int some = block != NULL ? PyObject_IsTrue(block) : -1;

	if (some <= 0)
		Py_CLEAR(block);
	return block;
}

static PyObject *
wrapper_close(PyObject *self, PyObject *unused)
{
	struct file_wrapper *wrapper = (struct file_wrapper *)self;
	PyObject *close = PyObject_GetAttrString(wrapper->file, "close"), *result;

	(void)unused;
	if (close == NULL) {
		PyErr_Clear(); /* what it wraps need not have one */
		return Py_NewRef(Py_None);
	}
	result = PyObject_CallNoArgs(close);
	Py_DECREF(close);
	return result;
}

static int
wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct file_wrapper *wrapper = (struct file_wrapper *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(wrapper->file);
	Py_VISIT(wrapper->size);
	return 0;
}

static int
wrapper_clear(PyObject *self)
{
	struct file_wrapper *wrapper = (struct file_wrapper *)self;

	Py_CLEAR(wrapper->file);
	Py_CLEAR(wrapper->size);
	return 0;
}

static void
wrapper_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	(void)wrapper_clear(self);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{ "close", wrapper_close, METH_NOARGS, "close(): closes the file" },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
	{ Py_tp_new, wrapper_new },
	{ Py_tp_dealloc, wrapper_dealloc },
	{ Py_tp_traverse, wrapper_traverse },
	{ Py_tp_clear, wrapper_clear },
	{ Py_tp_iter, wrapper_iter },
	{ Py_tp_iternext, wrapper_next },
	{ Py_tp_methods, methods },
	{ 0, NULL },
};

static PyType_Spec spec = {
	.name = "poold.FileWrapper",
	.basicsize = sizeof(struct file_wrapper),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = slots,
};

PyObject *
file_wrapper_init(void)
{
	PyObject *io = PyImport_ImportModule("io");

	if (io == NULL)
		return NULL;
	file_io = PyObject_GetAttrString(io, "FileIO");
	buffered_reader = PyObject_GetAttrString(io, "BufferedReader");
	buffered_random = PyObject_GetAttrString(io, "BufferedRandom");
	Py_DECREF(io);
	wrapper_type = (PyTypeObject *)PyType_FromSpec(&spec);
	return PyErr_Occurred() ? NULL : (PyObject *)wrapper_type;
}

static bool
is_type(PyObject *object, PyObject *type)
{
	return (PyObject *)Py_TYPE(object) == type;
}

/* Whether reading the object reads a descriptor. */
static bool
is_plain(PyObject *file)
{
	PyObject *raw;
	bool plain;

	if (is_type(file, file_io))
		return true;
	if (!is_type(file, buffered_reader) && !is_type(file, buffered_random))
		return false;
	if ((raw = PyObject_GetAttrString(file, "raw")) == NULL)
		return false;
	plain = is_type(raw, file_io);
	Py_DECREF(raw);
	return plain;
}

/* A temporary file of Python is an object around the real one. */
static PyObject *
file_inside(PyObject *file)
{
	PyObject *inside;

	if (strcmp(Py_TYPE(file)->tp_name, "_TemporaryFileWrapper") != 0)
		return Py_NewRef(file);
	inside = PyObject_GetAttrString(file, "file");
	return inside;
}

/* Where reading would go on: a buffered file has read ahead. */
static off_t
position_of(PyObject *file)
{
	PyObject *position = PyObject_CallMethod(file, "tell", NULL);
	long long offset = position != NULL ? PyLong_AsLongLong(position) : -1;

	Py_XDECREF(position);
	return offset;
}

bool
file_wrapper_plain(PyObject *object, int *fd, off_t *offset, uint64_t *len)
{
	PyObject *file;
	struct stat st;
	bool plain = false;

	if (Py_TYPE(object) != wrapper_type)
		return false;
	file = file_inside(((struct file_wrapper *)object)->file);
	if (file != NULL && is_plain(file)) {
		*fd = PyObject_AsFileDescriptor(file);
		*offset = *fd != -1 ? position_of(file) : -1;
		plain = *offset >= 0 && fstat(*fd, &st) == 0 && S_ISREG(st.st_mode);
		if (plain)
			*len = st.st_size > *offset ? (uint64_t)(st.st_size - *offset) :
						      0;
	}
	Py_XDECREF(file);
	PyErr_Clear();
	return plain;
}
