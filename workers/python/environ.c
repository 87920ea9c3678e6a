/* SPDX-License-Identifier: ISC */
/*
 * A request's dictionary is a copy of one that has all keys that every request
 * has: copying a table is one allocation, and its size has room for the fields
 * of most requests.  Keys are made once; what a client repeats from request to
 * request, such as its User-Agent, is one object as long as it stays the same.
 */
#include "environ.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELDS_MAX 256 /* names of fields that are remembered, a power of 2 */
#define NAME_LEN   64  /* longest one that is */
#define VALUE_LEN  256 /* longest value that is */

/* Values that change with each request, or may. */
enum value {
	REQUEST_METHOD,
	SCRIPT_NAME,
	PATH_INFO,
	QUERY_STRING,
	REQUEST_URI,
	RAW_URI,
	SERVER_NAME,
	SERVER_PORT,
	SERVER_PROTOCOL,
	REMOTE_ADDR,
	REMOTE_PORT,
	REQUEST_ID,
	WSGI_INPUT,
	VALUES
};

static const char *const names[VALUES] = {
	[REQUEST_METHOD] = "REQUEST_METHOD",
	[SCRIPT_NAME] = "SCRIPT_NAME",
	[PATH_INFO] = "PATH_INFO",
	[QUERY_STRING] = "QUERY_STRING",
	[REQUEST_URI] = "REQUEST_URI",
	[RAW_URI] = "RAW_URI",
	[SERVER_NAME] = "SERVER_NAME",
	[SERVER_PORT] = "SERVER_PORT",
	[SERVER_PROTOCOL] = "SERVER_PROTOCOL",
	[REMOTE_ADDR] = "REMOTE_ADDR",
	[REMOTE_PORT] = "REMOTE_PORT",
	[REQUEST_ID] = "REQUEST_ID",
	[WSGI_INPUT] = "wsgi.input",
};

/* A text and the object that was made of it last. */
struct cached {
	PyObject *object; /* NULL: none yet */
	uint16_t len;
	char text[VALUE_LEN];
};

enum field_kind { FIELD_HTTP, FIELD_TYPE, FIELD_LENGTH, FIELD_DROPPED };

struct field {
	uint8_t name_len; /* 0: free */
	uint8_t kind;	  /* enum field_kind */
	char name[NAME_LEN];
	PyObject *key; /* NULL: FIELD_DROPPED */
	struct cached value;
};

struct environ {
	PyObject *base;
	PyObject *keys[VALUES];
	struct cached values[VALUES];
	PyObject *content_type, *content_length;
	PyObject *protocols[2]; /* by the minor version */
	PyObject *comma, *semicolon;
	struct field fields[FIELDS_MAX];
	size_t field_count;
};

/* --- text ----------------------------------------------------------------- */

static PyObject *
latin1(const char *text, size_t len)
{
	return PyUnicode_DecodeLatin1(text, (Py_ssize_t)len, NULL);
}

/* A new reference to the text's object. */
static PyObject *
cached_get(struct cached *cached, const char *text, size_t len)
{
	PyObject *object;

	if (cached->object != NULL && cached->len == len &&
	    memcmp(cached->text, text, len) == 0)
		return Py_NewRef(cached->object);
	if ((object = latin1(text, len)) == NULL || len > sizeof(cached->text))
		return object;
	Py_XDECREF(cached->object);
	cached->object = Py_NewRef(object);
	cached->len = (uint16_t)len;
	memcpy(cached->text, text, len);
	return object;
}

/* Sets a key and takes over the reference to value. */
static int
item_set(PyObject *dict, PyObject *key, PyObject *value)
{
	int result;

	if (value == NULL)
		return -1;
	result = PyDict_SetItem(dict, key, value);
	Py_DECREF(value);
	return result;
}

/* --- fields --------------------------------------------------------------- */

static enum field_kind
field_kind(const char *name, size_t len)
{
	/* a_b would be told from a-b by nobody; Proxy would be HTTP_PROXY */
	if (memchr(name, '_', len) != NULL ||
	    (len == 5 && strcasecmp(name, "Proxy") == 0))
		return FIELD_DROPPED;
	if (len == 12 && strcasecmp(name, "Content-Type") == 0)
		return FIELD_TYPE;
	if (len == 14 && strcasecmp(name, "Content-Length") == 0)
		return FIELD_LENGTH;
	return FIELD_HTTP;
}

/* "HTTP_USER_AGENT" for "User-Agent". */
static PyObject *
field_key(const char *name, size_t len)
{
	PyObject *key = PyUnicode_New((Py_ssize_t)len + 5, 127);
	Py_UCS1 *out;

	if (key == NULL)
		return NULL;
	out = PyUnicode_1BYTE_DATA(key);
	memcpy(out, "HTTP_", 5);
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		out[5 + i] = (Py_UCS1)(c == '-' ? '_' :
			c >= 'a' && c <= 'z'	? c - 'a' + 'A' :
						  c);
	}
	return key;
}

static PyObject *
kind_key(const struct environ *env, enum field_kind kind, const char *name, size_t len)
{
	PyObject *key;

	switch (kind) {
	case FIELD_TYPE:
		return Py_NewRef(env->content_type);
	case FIELD_LENGTH:
		return Py_NewRef(env->content_length);
	default:
		if ((key = field_key(name, len)) != NULL)
			PyUnicode_InternInPlace(&key);
		return key;
	}
}

/* The entry of a field, new or not; NULL: it is too long, or there are too many
 * (a client can make up names), or an exception. */
static struct field *
field_find(struct environ *env, const char *name, size_t len)
{
	unsigned hash = 0;
	struct field *field;

	if (len == 0 || len > NAME_LEN)
		return NULL;
	for (size_t i = 0; i < len; i++)
		hash = hash * 31 + (unsigned char)name[i];
	for (;; hash++) {
		field = &env->fields[hash % FIELDS_MAX];
		if (field->name_len == 0)
			break;
		if (field->name_len == len && memcmp(field->name, name, len) == 0)
			return field;
	}
	if (env->field_count >= FIELDS_MAX / 2)
		return NULL;
	field->kind = (uint8_t)field_kind(name, len);
	if (field->kind != FIELD_DROPPED &&
	    (field->key = kind_key(env, field->kind, name, len)) == NULL)
		return NULL;
	memcpy(field->name, name, len);
	field->name_len = (uint8_t)len;
	env->field_count++;
	return field;
}

/* A field that stands there already: the values in one, as in RFC 9110 section
 * 5.3, and cookies as in RFC 6265. */
static int
field_join(const struct environ *env, PyObject *dict, PyObject *key, PyObject *first,
    PyObject *value)
{
	bool is_cookie = PyUnicode_CompareWithASCIIString(key, "HTTP_COOKIE") == 0;
	PyObject *all = PyUnicode_FromFormat("%U%U%U", first,
	    is_cookie ? env->semicolon : env->comma, value);

	return item_set(dict, key, all);
}

static int
field_set(const struct environ *env, PyObject *dict, PyObject *key, PyObject *value)
{
	Py_ssize_t size = PyDict_GET_SIZE(dict);
	PyObject *there = PyDict_SetDefault(dict, key, value);

	if (there == NULL)
		return -1;
	/* it has not grown: there was one (the objects may be the same) */
	return PyDict_GET_SIZE(dict) > size ? 0 :
					      field_join(env, dict, key, there, value);
}

static int
field_add(struct environ *env, PyObject *dict, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);
	struct field *field = field_find(env, name, name_len);
	PyObject *key, *object;
	enum field_kind kind;
	int result = -1;

	if (field == NULL && PyErr_Occurred())
		return -1;
	kind = field != NULL ? (enum field_kind)field->kind : field_kind(name, name_len);
	if (kind == FIELD_DROPPED)
		return 0;
	if (field != NULL) {
		key = Py_NewRef(field->key);
		object = cached_get(&field->value, value, value_len);
	} else {
		key = kind_key(env, kind, name, name_len);
		object = latin1(value, value_len);
	}
	if (key != NULL && object != NULL)
		result = field_set(env, dict, key, object);
	Py_XDECREF(key);
	Py_XDECREF(object);
	return result;
}

/* --- the request ---------------------------------------------------------- */

static int
value_set(struct environ *env, PyObject *dict, enum value which, const char *text,
    size_t len)
{
	return item_set(dict, env->keys[which],
	    cached_get(&env->values[which], text, len));
}

static int
text_set(struct environ *env, PyObject *dict, enum value which, const char *text)
{
	return value_set(env, dict, which, text, strlen(text));
}

static int
number_set(struct environ *env, PyObject *dict, enum value which, int number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", number);

	return value_set(env, dict, which, text, (size_t)len);
}

/* The host without its port; without a host, the address that was reached. */
static int
server_name_set(struct environ *env, PyObject *dict, struct poold_request *req)
{
	const char *host = poold_host(req);
	size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (len == 0 || *host == '\0')
		return text_set(env, dict, SERVER_NAME, poold_local_address(req));
	return value_set(env, dict, SERVER_NAME, host, len);
}

static int
values_set(struct environ *env, PyObject *dict, struct poold_request *req)
{
	int port = poold_local_port(req);
	int minor = poold_http_minor(req) > 0;
	const char *target = poold_target(req);

	return text_set(env, dict, REQUEST_METHOD, poold_method(req)) == -1 ||
		text_set(env, dict, SCRIPT_NAME, poold_route(req)) == -1 ||
		text_set(env, dict, PATH_INFO, poold_path_info(req)) == -1 ||
		text_set(env, dict, QUERY_STRING, poold_query(req)) == -1 ||
		text_set(env, dict, REQUEST_URI, target) == -1 ||
		text_set(env, dict, RAW_URI, target) == -1 ||
		server_name_set(env, dict, req) == -1 ||
		number_set(env, dict, SERVER_PORT, port != 0 ? port : 80) == -1 ||
		PyDict_SetItem(dict, env->keys[SERVER_PROTOCOL], env->protocols[minor]) ==
		    -1 ||
		text_set(env, dict, REMOTE_ADDR, poold_client_address(req)) == -1 ||
		number_set(env, dict, REMOTE_PORT, poold_client_port(req)) == -1 ||
		text_set(env, dict, REQUEST_ID, poold_request_id(req)) == -1 ?
	    -1 :
	    0;
}

PyObject *
environ_make(struct environ *env, struct poold_request *req, PyObject *input)
{
	PyObject *dict = PyDict_Copy(env->base);
	const char *name, *value;

	if (dict == NULL)
		return NULL;
	if (values_set(env, dict, req) == -1 ||
	    PyDict_SetItem(dict, env->keys[WSGI_INPUT], input) == -1)
		goto fail;
	for (size_t i = 0; poold_header_at(req, i, &name, &value); i++)
		if (field_add(env, dict, name, value) == -1)
			goto fail;
	return dict;
fail:
	Py_DECREF(dict);
	return NULL;
}

/* --- what is the same for all --------------------------------------------- */

static int
base_set(PyObject *base, const char *key, PyObject *value)
{
	int result = value != NULL ? PyDict_SetItemString(base, key, value) : -1;

	Py_XDECREF(value);
	return result;
}

static int
base_set_variable(PyObject *base, const char *key, const char *name)
{
	const char *value = getenv(name);

	return base_set(base, key, PyUnicode_FromString(value != NULL ? value : ""));
}

/* All keys, those of VALUES too: a copy has its table's size. */
static int
base_fill(struct environ *env, PyObject *errors, PyObject *file_wrapper)
{
	PyObject *base = env->base;

	for (size_t i = 0; i < VALUES; i++)
		if (PyDict_SetItem(base, env->keys[i], Py_None) == -1)
			return -1;
	return base_set(base, "wsgi.version", Py_BuildValue("(ii)", 1, 0)) == -1 ||
		base_set(base, "wsgi.url_scheme", PyUnicode_FromString("http")) == -1 ||
		base_set(base, "wsgi.errors", Py_NewRef(errors)) == -1 ||
		base_set(base, "wsgi.multithread", Py_NewRef(Py_False)) == -1 ||
		base_set(base, "wsgi.multiprocess", Py_NewRef(Py_True)) == -1 ||
		base_set(base, "wsgi.run_once", Py_NewRef(Py_False)) == -1 ||
		base_set(base, "wsgi.file_wrapper", Py_NewRef(file_wrapper)) == -1 ||
		/* its end is seen: chunked bodies have no length */
		base_set(base, "wsgi.input_terminated", Py_NewRef(Py_True)) == -1 ||
		base_set(base, "SERVER_SOFTWARE",
		    PyUnicode_FromString("poold/" PACKAGE_VERSION)) == -1 ||
		base_set_variable(base, "poold.service", "POOLD_SERVICE") == -1 ||
		base_set_variable(base, "poold.worker", "POOLD_SLOT") == -1 ||
		base_set_variable(base, "poold.generation", "POOLD_GENERATION") == -1 ?
	    -1 :
	    0;
}

struct environ *
environ_new(PyObject *errors, PyObject *file_wrapper)
{
	struct environ *env = calloc(1, sizeof(*env));
	bool good;

	if (env == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	env->base = PyDict_New();
	good = env->base != NULL;
	for (size_t i = 0; i < VALUES; i++)
		good = good &&
		    (env->keys[i] = PyUnicode_InternFromString(names[i])) != NULL;
	env->content_type = PyUnicode_InternFromString("CONTENT_TYPE");
	env->content_length = PyUnicode_InternFromString("CONTENT_LENGTH");
	env->protocols[0] = PyUnicode_FromString("HTTP/1.0");
	env->protocols[1] = PyUnicode_FromString("HTTP/1.1");
	env->comma = PyUnicode_FromString(", ");
	env->semicolon = PyUnicode_FromString("; ");
	if (good && !PyErr_Occurred() && base_fill(env, errors, file_wrapper) == 0)
		return env;
	environ_free(env);
	return NULL;
}

void
environ_free(struct environ *env)
{
	if (env == NULL)
		return;
	for (size_t i = 0; i < VALUES; i++) {
		Py_CLEAR(env->keys[i]);
		Py_CLEAR(env->values[i].object);
	}
	for (size_t i = 0; i < FIELDS_MAX; i++) {
		Py_CLEAR(env->fields[i].key);
		Py_CLEAR(env->fields[i].value.object);
	}
	Py_CLEAR(env->content_type);
	Py_CLEAR(env->content_length);
	Py_CLEAR(env->protocols[0]);
	Py_CLEAR(env->protocols[1]);
	Py_CLEAR(env->comma);
	Py_CLEAR(env->semicolon);
	Py_CLEAR(env->base);
	free(env);
}
