/* SPDX-License-Identifier: ISC */
/*
 * calc: arithmetic over HTTP.
 *
 *	GET /api/calc?op=divide&a=20&b=4
 *	{"op":"divide","a":20,"b":4,"result":5,"pid":4711,"port":8080}
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <poold.h>

#include "../common/answer.h"
#include "../common/program.h"
#include "calc_eval.h"

#define OPS_TEXT "add, subtract, multiply, divide, power, modulo"

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: calc [PORT | ADDRESS:PORT | unix:PATH]\n"
	    "Answers GET ?op=OP&a=NUMBER&b=NUMBER, with OP one of\n"
	    "    " OPS_TEXT ".\n"
	    "The address is needed only without poold: see "
	    "poold-workers(7).\n");
}

/* A parameter that must be there; NULL after the client was told so. */
static const char *
required(struct poold_request *req, const char *name)
{
	const char *value = poold_param(req, name);

	if (value == NULL)
		answer_problem(req, 400, name,
		    "the parameter '%s' is missing; "
		    "for example ?op=divide&a=20&b=4",
		    name);
	return value;
}

/* A number that must be there; false after the client was told so. */
static bool
number(struct poold_request *req, const char *name, double *value)
{
	const char *text;

	if ((text = required(req, name)) == NULL)
		return false;
	if (calc_number(text, value))
		return true;
	answer_problem(req, 400, name,
	    "the parameter '%s' is no decimal number within the range of "
	    "a double: '%.64s'",
	    name, text);
	return false;
}

static void
answer_error(struct poold_request *req, enum calc_op op, enum calc_error error)
{
	const char *name = calc_op_name(op);

	switch (error) {
	case CALC_BY_ZERO:
		if (op == CALC_POWER)
			answer_problem(req, 400, "b",
			    "the parameter 'b' must not be negative when 'a' "
			    "is zero: that is a division by zero");
		else
			answer_problem(req, 400, "b",
			    "the parameter 'b' must not be zero to %s", name);
		break;
	case CALC_OVERFLOW:
		answer_problem(req, 400, "a",
		    "overflow: the result of %s with the parameters 'a' and "
		    "'b' is too large",
		    name);
		break;
	case CALC_UNDERFLOW:
		answer_problem(req, 400, "a",
		    "underflow: the result of %s with the parameters 'a' and "
		    "'b' is too close to zero",
		    name);
		break;
	default:
		answer_problem(req, 400, "a",
		    "the result of %s with the parameters 'a' and 'b' is no "
		    "real number",
		    name);
	}
}

/*
 * Written by hand: jansson has one precision for all numbers of a text, and
 * shows 0.1 as 0.10000000000000001 as soon as one of them needs 17 digits.
 */
static void
answer_result(struct poold_request *req, enum calc_op op, double a, double b,
    double result)
{
	char a_text[CALC_NUMBER_SIZE], b_text[CALC_NUMBER_SIZE];
	char result_text[CALC_NUMBER_SIZE], body[256];
	int len;

	calc_format(a, a_text);
	calc_format(b, b_text);
	calc_format(result, result_text);
	len = snprintf(body, sizeof(body),
	    "{\"op\":\"%s\",\"a\":%s,\"b\":%s,\"result\":%s,"
	    "\"pid\":%ld,\"port\":%d}",
	    calc_op_name(op), a_text, b_text, result_text, (long)getpid(),
	    poold_local_port(req));
	(void)poold_respond(req, 200, "application/json", body, (size_t)len);
}

static void
handle(struct poold_request *req, void *arg)
{
	const char *name;
	double a, b, result;
	enum calc_op op;
	enum calc_error error;

	(void)arg;
	if (answer_method(req, NULL) || (name = required(req, "op")) == NULL)
		return;
	if (!calc_op_parse(name, &op)) {
		answer_problem(req, 400, "op",
		    "the parameter 'op' is none of " OPS_TEXT ": '%.64s'", name);
		return;
	}
	if (!number(req, "a", &a) || !number(req, "b", &b))
		return;
	if ((error = calc_eval(op, a, b, &result)) != CALC_OK)
		answer_error(req, op, error);
	else
		answer_result(req, op, a, b, result);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'h') /* getopt_long said what is wrong */
			return program_usage_error("bad options");
		usage(stdout);
		return EX_OK;
	}
	return program_serve(argc, argv, handle, NULL);
}
