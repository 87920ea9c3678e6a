/* SPDX-License-Identifier: ISC */
/*
 * Structs as text, for what one version of poold leaves to another: records
 * of lines "key value" under a "[section]".  A table says which members of a
 * struct have which keys, so the layout of the struct may change from version
 * to version.  Unknown keys are skipped, missing ones leave the member as it
 * is, and one that is required and missing is an error that names it.
 *
 * To add a member: one line in its table.  To rename a key: .was.
 */
#ifndef COMMON_RECORD_H
#define COMMON_RECORD_H

#include <stdbool.h>
#include <stddef.h>

enum record_type {
	RECORD_UNSIGNED, /* of 1, 2, 4 or 8 bytes */
	RECORD_INT,	 /* int */
	RECORD_BOOL,
	RECORD_FD,    /* int; a descriptor that goes along */
	RECORD_TEXT,  /* char *: allocated; NULL is left out */
	RECORD_CHARS, /* char[size], with a NUL */
	RECORD_BYTES, /* uint8_t[size], in hex */
	RECORD_ENUM,  /* of 1 or 4 bytes, by name */
};

struct record_key {
	const char *name;
	const char *was; /* its name in older versions; NULL: the same */
	enum record_type type;
	bool required; /* an error when it is missing */
	bool always;   /* written even when it is zero, since that is not what
			* a reader begins with */
	size_t offset;
	size_t size; /* of the member */
	/* RECORD_ENUM: the name of a value, NULL for one that is none */
	const char *(*name_of)(unsigned value);
};

/* clang-format off */
#define RECORD_KEY(t, key, structure, member)                                  \
	.name = key, .type = t, .offset = offsetof(structure, member),         \
	.size = sizeof(((structure *)0)->member)
/* clang-format on */

struct record_table {
	const struct record_key *keys;
	size_t count;
};

#define RECORD_TABLE(array)                               \
	{                                                 \
		array, sizeof(array) / sizeof((array)[0]) \
	}

/* Descriptors that records name, but for standard input, output and error, which
 * go along anyway. */
struct record_fds {
	int *fds;
	size_t count;
	size_t size;
};

/* --- writing */

struct record_writer {
	char *text; /* no NUL at its end */
	size_t len;
	size_t size;
	bool failed; /* no memory: the text is not whole */
	struct record_fds fds;
};

/* All zero is an empty writer. */
void record_begin(struct record_writer *writer, const char *section);
/* Members that are zero are left out unless the table says otherwise. */
void record_put(struct record_writer *writer, const struct record_table *table,
    const void *object);
/* An empty line: what follows in the same message is no record. */
void record_end(struct record_writer *writer);
/* Forgets the text, keeps the memory. */
void record_restart(struct record_writer *writer);
void record_writer_free(struct record_writer *writer);

/* --- reading */

#define RECORD_PAIRS_MAX 128 /* keys in one record */

struct record {
	const char *section;
	unsigned line; /* of the section, from 1 */
	size_t count;
	struct record_pair {
		const char *key;
		char *value;
	} pairs[RECORD_PAIRS_MAX];
};

struct record_reader {
	char *at; /* the text is changed as it is read */
	char *end;
	unsigned line;
	struct record_fds fds; /* that were named so far */
};

/* Begins to read text, which must stay. */
void record_open(struct record_reader *reader, char *text, size_t len);
/* Reads one record, which lives as long as the text.  Returns false at the end,
 * or with a reason in *why, which the caller frees. */
bool record_next(struct record_reader *reader, struct record *record, char **why);
/* Sets the members of object that record has keys for.  Returns false with a
 * reason in *why, which the caller frees: a required key is missing, a value
 * does not fit. */
bool record_get(struct record_reader *reader, const struct record *record,
    const struct record_table *table, void *object, char **why);
void record_close(struct record_reader *reader);

#endif
