/* SPDX-License-Identifier: ISC */
#include "header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *
header_text(PyObject *object, const char *what)
{
	const char *text;

	if (!PyUnicode_Check(object)) {
		PyErr_Format(PyExc_TypeError, "%s must be a str, not '%s'", what,
		    Py_TYPE(object)->tp_name);
		return NULL;
	}
	if (PyUnicode_READY(object) == -1)
		return NULL;
	if (PyUnicode_KIND(object) != PyUnicode_1BYTE_KIND) {
		PyErr_Format(PyExc_ValueError, "%s has characters beyond Latin-1: %R",
		    what, object);
		return NULL;
	}
	text = (const char *)PyUnicode_1BYTE_DATA(object);
	if (strlen(text) != (size_t)PyUnicode_GET_LENGTH(object)) {
		PyErr_Format(PyExc_ValueError, "%s has a NUL: %R", what, object);
		return NULL;
	}
	return text;
}

int
header_status(PyObject *object)
{
	const char *status = header_text(object, "the status");
	int number = 0, i;

	if (status == NULL)
		return -1;
	for (i = 0; i < 3 && status[i] >= '0' && status[i] <= '9'; i++)
		number = number * 10 + status[i] - '0';
	if (i < 3 || (status[3] != ' ' && status[3] != '\0') || number < 200 ||
	    number > 599) {
		PyErr_Format(PyExc_ValueError, "the status is not like '200 OK': %R",
		    object);
		return -1;
	}
	for (; *status != '\0'; status++) {
		if ((unsigned char)*status >= 0x20 && *status != 0x7f)
			continue;
		PyErr_Format(PyExc_ValueError, "the status has a control character: %R",
		    object);
		return -1;
	}
	return number;
}

static bool
is_token(const char *name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (*name == '\0')
		return false;
	for (char c; (c = *name) != '\0'; name++)
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && strchr(others, c) == NULL)
			return false;
	return true;
}

static bool
is_value(const char *value)
{
	for (unsigned char c; (c = (unsigned char)*value) != '\0'; value++)
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	return true;
}

/* RFC 2616 section 13.5.1, to which PEP 3333 refers. */
bool
header_is_hop_by_hop(const char *name)
{
	static const char *const names[] = { "connection", "keep-alive",
		"proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
		"transfer-encoding", "upgrade" };
	char first = (char)(*name | 0x20);

	if (strchr("ckptu", first) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i][0] == first && strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool
is_length(const char *name)
{
	return (*name | 0x20) == 'c' && strcasecmp(name, "Content-Length") == 0;
}

static int
length_parse(const char *value, int64_t *length)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 ||
	    (*length != -1 && *length != n)) {
		PyErr_Format(PyExc_ValueError, "the Content-Length is no number: %s",
		    value);
		return -1;
	}
	*length = n;
	return 0;
}

int
header_check(const char *name, const char *value, int64_t *length)
{
	if (!is_token(name)) {
		PyErr_Format(PyExc_ValueError, "not the name of a field: '%s'", name);
		return -1;
	}
	if (!is_value(value)) {
		PyErr_Format(PyExc_ValueError, "the field %s has a control character",
		    name);
		return -1;
	}
	if (header_is_hop_by_hop(name)) {
		PyErr_Format(PyExc_ValueError, "the field %s is the server's", name);
		return -1;
	}
	return is_length(name) ? length_parse(value, length) : 0;
}

int
header_set(struct poold_request *req, const char *name, const char *value)
{
	if (is_length(name) || ((*name | 0x20) == 'd' && strcasecmp(name, "Date") == 0))
		return 0;
	if (poold_set_header(req, name, value) == 0)
		return 0;
	if (errno == EMSGSIZE)
		PyErr_SetString(PyExc_ValueError,
		    "the fields of the response are too "
		    "long");
	else
		PyErr_SetFromErrno(PyExc_OSError);
	return -1;
}
