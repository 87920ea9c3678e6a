/* SPDX-License-Identifier: ISC */
#include "application.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "failure.h"

/* --- which one ------------------------------------------------------------ */

/* "MODULE", "MODULE:NAME" or "MODULE:NAME()", where MODULE may be a file. */
struct target {
	char *module;
	const char *name; /* of the callable, dots within; NULL: the usual ones */
	bool is_file;
	bool factory;
};

/* Takes options->app apart; target->module is the caller's to free. */
static int
target_parse(struct target *target, const struct options *options)
{
	struct stat st;
	char *colon;
	size_t len;

	*target = (struct target){ .factory = options->factory };
	if ((target->module = strdup(options->app)) == NULL)
		return EX_OSERR;
	colon = strrchr(target->module, ':');
	if (colon != NULL && strchr(colon, '/') == NULL) {
		*colon = '\0';
		target->name = colon + 1;
		len = strlen(target->name);
		if (len > 2 && strcmp(target->name + len - 2, "()") == 0) {
			colon[1 + len - 2] = '\0';
			target->factory = true;
		}
	}
	len = strlen(target->module);
	target->is_file = strchr(target->module, '/') != NULL ||
	    (len > 3 && strcmp(target->module + len - 3, ".py") == 0);
	if (target->is_file && stat(target->module, &st) == -1) {
		failure_say("app %s: %s", target->module, strerror(errno));
		return EX_NOINPUT;
	}
	return EX_OK;
}

/* --- its module ----------------------------------------------------------- */

/* Puts a folder first among those that modules are looked for in. */
static int
path_add(const char *folder)
{
	PyObject *path = PySys_GetObject("path");
	PyObject *text = PyUnicode_DecodeFSDefault(folder);
	int result = -1;

	if (path != NULL && text != NULL)
		result = PyList_Insert(path, 0, text);
	Py_XDECREF(text);
	return result;
}

/* The name that a file has as a module: "hello" for "/srv/hello.py". */
static char *
module_name(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *name = strdup(slash != NULL ? slash + 1 : file), *dot;

	if (name == NULL)
		return NULL;
	if ((dot = strrchr(name, '.')) != NULL && dot != name)
		*dot = '\0';
	for (char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			*p = '_';
	return name;
}

/* Imports a file, whatever its name ends in, as import would a module. */
static PyObject *
file_import(const char *file)
{
	static const char code[] =
	    "import importlib.machinery, importlib.util, sys\n"
	    "loader = importlib.machinery.SourceFileLoader(name, file)\n"
	    "spec = importlib.util.spec_from_file_location(name, file, loader=loader)\n"
	    "module = importlib.util.module_from_spec(spec)\n"
	    "if name not in sys.modules:\n"
	    "    sys.modules[name] = module\n"
	    "loader.exec_module(module)\n";
	char *name = module_name(file);
	PyObject *names = NULL, *done = NULL, *module = NULL;

	if (name != NULL)
		names = Py_BuildValue("{s:s, s:N, s:O}", "name", name, "file",
		    PyUnicode_DecodeFSDefault(file), "__builtins__",
		    PyEval_GetBuiltins());
	free(name);
	if (names == NULL)
		return NULL;
	if ((done = PyRun_String(code, Py_file_input, names, names)) != NULL) {
		module = PyDict_GetItemString(names, "module");
		Py_XINCREF(module);
	}
	Py_XDECREF(done);
	Py_DECREF(names);
	return module;
}

/* The folder of a file, or that in which this process was started. */
static char *
folder_of(const struct target *target)
{
	char *path, *slash;

	if (!target->is_file)
		return getcwd(NULL, 0);
	if ((path = realpath(target->module, NULL)) == NULL)
		return NULL;
	slash = strrchr(path, '/');
	slash[slash == path ? 1 : 0] = '\0';
	return path;
}

static PyObject *
module_import(const struct target *target)
{
	char *folder = folder_of(target);
	PyObject *module = NULL;

	if (folder == NULL)
		PyErr_SetFromErrno(PyExc_OSError);
	else if (path_add(folder) == 0)
		module = target->is_file ? file_import(target->module) :
					   PyImport_ImportModule(target->module);
	free(folder);
	return module;
}

/* Whether the exception says that the module itself is not there, and not one
 * that it imports. */
static bool
is_missing(const struct target *target)
{
	PyObject *type, *value, *traceback, *name = NULL;
	const char *text;
	size_t len;
	bool missing = false;

	if (!PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
		return false;
	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (value != NULL && (name = PyObject_GetAttrString(value, "name")) != NULL &&
	    PyUnicode_Check(name) && (text = PyUnicode_AsUTF8(name)) != NULL) {
		len = strlen(text);
		missing = strncmp(target->module, text, len) == 0 &&
		    (target->module[len] == '.' || target->module[len] == '\0');
	}
	Py_XDECREF(name);
	PyErr_Clear();
	PyErr_Restore(type, value, traceback);
	return missing;
}

/* --- its callable --------------------------------------------------------- */

/* What "a.b" names in an object; NULL with an exception. */
static PyObject *
attribute_get(PyObject *object, const char *name)
{
	char *copy = strdup(name), *rest = copy, *part;
	PyObject *next;

	Py_INCREF(object);
	while (object != NULL && (part = strsep(&rest, ".")) != NULL) {
		next = PyObject_GetAttrString(object, part);
		Py_DECREF(object);
		object = next;
	}
	free(copy);
	return object;
}

/* The callable of the module; NULL without an exception when it has none. */
static PyObject *
callable_find(PyObject *module, const struct target *target)
{
	static const char *const usual[] = { "application", "app" };
	PyObject *callable;

	if (target->name != NULL && target->name[0] != '\0')
		callable = attribute_get(module, target->name);
	else {
		callable = PyObject_GetAttrString(module, usual[0]);
		if (callable == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
			PyErr_Clear();
			callable = PyObject_GetAttrString(module, usual[1]);
		}
	}
	if (callable == NULL && PyErr_ExceptionMatches(PyExc_AttributeError))
		PyErr_Clear();
	return callable;
}

/* What a factory makes; takes over the reference. */
static PyObject *
callable_make(PyObject *factory)
{
	PyObject *made = PyObject_CallNoArgs(factory);

	Py_DECREF(factory);
	return made;
}

/* --- its interface -------------------------------------------------------- */

/* Whether calling it gives a coroutine: a coroutine function, or an object that
 * has one as its __call__. */
static int
is_coroutine(PyObject *callable)
{
	PyObject *inspect = PyImport_ImportModule("inspect"), *call = NULL;
	PyObject *answer = NULL;
	int result = -1;

	if (inspect == NULL)
		return -1;
	answer = PyObject_CallMethod(inspect, "iscoroutinefunction", "O", callable);
	if (answer != NULL && answer != Py_True) {
		Py_DECREF(answer);
		answer = NULL;
		call = PyObject_GetAttrString(callable, "__call__");
		if (call != NULL)
			answer = PyObject_CallMethod(inspect, "iscoroutinefunction", "O",
			    call);
	}
	if (answer != NULL)
		result = answer == Py_True;
	Py_XDECREF(call);
	Py_XDECREF(answer);
	Py_DECREF(inspect);
	return result;
}

static int
interface_find(struct application *application, const struct options *options)
{
	int is_asgi;

	if (strcmp(options->interface, "auto") != 0) {
		application->asgi = strcmp(options->interface, "asgi") == 0;
		return EX_OK;
	}
	if ((is_asgi = is_coroutine(application->callable)) == -1)
		return failure_python(options->app);
	application->asgi = is_asgi == 1;
	return EX_OK;
}

/* --- all of it ------------------------------------------------------------ */

static int
callable_get(struct application *application, PyObject *module,
    const struct target *target, const struct options *options)
{
	PyObject *callable = callable_find(module, target);

	if (callable != NULL && target->factory)
		callable = callable_make(callable);
	if (callable == NULL && PyErr_Occurred())
		return failure_python(options->app);
	if (callable == NULL) {
		if (target->name != NULL)
			failure_say("app %s: %s has no '%s'", options->app,
			    target->module, target->name);
		else
			failure_say("app %s: it has neither 'application' nor 'app'; "
				    "name what there is: %s:NAME",
			    options->app, options->app);
		return EX_CONFIG;
	}
	if (!PyCallable_Check(callable)) {
		failure_say("app %s: a '%s' cannot be called", options->app,
		    Py_TYPE(callable)->tp_name);
		Py_DECREF(callable);
		return EX_CONFIG;
	}
	application->callable = callable;
	return interface_find(application, options);
}

int
application_load(struct application *application, const struct options *options)
{
	struct target target;
	PyObject *module;
	int status;

	if ((status = target_parse(&target, options)) == EX_OK) {
		module = module_import(&target);
		if (module != NULL)
			status = callable_get(application, module, &target, options);
		else if (is_missing(&target)) {
			(void)failure_python(options->app);
			status = EX_NOINPUT;
		} else
			status = failure_python(options->app);
		Py_XDECREF(module);
	}
	free(target.module);
	return status;
}
