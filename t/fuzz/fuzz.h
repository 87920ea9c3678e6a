/* SPDX-License-Identifier: ISC */
/*
 * What every fuzzing target has: libFuzzer's two entry points, and a check
 * that ends the process.  A target is deterministic, leaves nothing behind
 * between inputs, and takes any bytes.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input; not assert, which NDEBUG would remove. */
#define FUZZ_CHECK(condition)                                                   \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, \
			    __LINE__, #condition);                              \
			abort();                                                \
		}                                                               \
	} while (0)

/* A copy that ends where its allocation ends, so that ASan sees a byte read
 * too many.  The caller frees it. */
static inline char *
fuzz_copy(const void *data, size_t size)
{
	char *copy = calloc(1, size > 0 ? size : 1);

	FUZZ_CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

#endif
