/* SPDX-License-Identifier: ISC */
/* The arithmetic of the calc worker: IEEE doubles, and nothing that is not a
 * finite number goes in or comes out. */
#ifndef CALC_EVAL_H
#define CALC_EVAL_H

#include <stdbool.h>
#include <stddef.h>

enum calc_op {
	CALC_ADD,
	CALC_SUBTRACT,
	CALC_MULTIPLY,
	CALC_DIVIDE,
	CALC_POWER,
	CALC_MODULO,
};
#define CALC_OPS (CALC_MODULO + 1)

enum calc_error {
	CALC_OK,
	CALC_BY_ZERO,	/* division or modulo by zero, or 0 to a power < 0 */
	CALC_OVERFLOW,	/* the result is larger than any double */
	CALC_UNDERFLOW, /* it is not zero, but smaller than any double */
	CALC_UNDEFINED, /* it is no real number */
};

/* The operation of that name (exactly); false when there is none. */
bool calc_op_parse(const char *name, enum calc_op *op);
const char *calc_op_name(enum calc_op op);

/*
 * Reads a decimal number that fills all of s: sign, digits, point, exponent.
 * No spaces, no hexadecimal, no infinity or NaN, nothing beyond a double.
 */
bool calc_number(const char *s, double *number);

/* *result is written only with CALC_OK. */
enum calc_error calc_eval(enum calc_op op, double a, double b, double *result);

/*
 * Writes x as a JSON number, the shortest that reads back to x: without point
 * and exponent when it is an integer that a double holds exactly.
 */
#define CALC_NUMBER_SIZE 32
void calc_format(double x, char buf[CALC_NUMBER_SIZE]);

#endif
