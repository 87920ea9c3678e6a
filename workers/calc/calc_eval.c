/* SPDX-License-Identifier: ISC */
#include "calc_eval.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX 9007199254740992.0 /* 2^53: all integers up to it are exact */

static const char *const op_names[] = {
	[CALC_ADD] = "add",
	[CALC_SUBTRACT] = "subtract",
	[CALC_MULTIPLY] = "multiply",
	[CALC_DIVIDE] = "divide",
	[CALC_POWER] = "power",
	[CALC_MODULO] = "modulo",
};
static_assert(sizeof(op_names) / sizeof(op_names[0]) == CALC_OPS,
    "every operation has a name");

bool
calc_op_parse(const char *name, enum calc_op *op)
{
	size_t i;

	for (i = 0; i < CALC_OPS; i++) {
		if (strcmp(name, op_names[i]) == 0) {
			*op = (enum calc_op)i;
			return true;
		}
	}
	return false;
}

const char *
calc_op_name(enum calc_op op)
{
	return op_names[op];
}

/* strtod takes more than we want ("0x1p3", " 1", "nan"): look before. */
static bool
is_decimal(const char *s)
{
	const char digits[] = "0123456789";
	size_t whole, fraction = 0;

	if (*s == '+' || *s == '-')
		s++;
	s += whole = strspn(s, digits);
	if (*s == '.') {
		s++;
		s += fraction = strspn(s, digits);
	}
	if (whole + fraction == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '+' || *s == '-')
			s++;
		if (strspn(s, digits) == 0)
			return false;
		s += strspn(s, digits);
	}
	return *s == '\0';
}

/* Whether a decimal number is zero as written, not only as a double. */
static bool
is_written_zero(const char *s)
{
	return strcspn(s, "123456789") >= strcspn(s, "eE");
}

bool
calc_number(const char *s, double *number)
{
	double x;

	if (!is_decimal(s))
		return false;
	x = strtod(s, NULL);
	if (!isfinite(x) || (x == 0 && !is_written_zero(s)))
		return false;
	*number = x;
	return true;
}

static enum calc_error
check(double x, bool zero_is_true, double *result)
{
	if (isnan(x))
		return CALC_UNDEFINED;
	if (isinf(x))
		return CALC_OVERFLOW;
	if (x == 0 && !zero_is_true)
		return CALC_UNDERFLOW;
	*result = x;
	return CALC_OK;
}

enum calc_error
calc_eval(enum calc_op op, double a, double b, double *result)
{
	switch (op) {
	case CALC_ADD:
		return check(a + b, true, result);
	case CALC_SUBTRACT:
		return check(a - b, true, result);
	case CALC_MULTIPLY:
		return check(a * b, a == 0 || b == 0, result);
	case CALC_DIVIDE:
		if (b == 0)
			return CALC_BY_ZERO;
		return check(a / b, a == 0, result);
	case CALC_POWER:
		if (a == 0 && b < 0)
			return CALC_BY_ZERO;
		return check(pow(a, b), a == 0, result);
	case CALC_MODULO:
		if (b == 0)
			return CALC_BY_ZERO;
		return check(fmod(a, b), true, result);
	}
	return CALC_UNDEFINED;
}

void
calc_format(double x, char buf[CALC_NUMBER_SIZE])
{
	int precision;

	if (x == trunc(x) && fabs(x) <= INTEGER_MAX) {
		snprintf(buf, CALC_NUMBER_SIZE, "%lld", (long long)x);
		return;
	}
	/* 17 digits always read back to the same double, and 15 often do. */
	for (precision = 15; precision <= 17; precision++) {
		snprintf(buf, CALC_NUMBER_SIZE, "%.*g", precision, x);
		if (strtod(buf, NULL) == x)
			break;
	}
}
