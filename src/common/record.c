/* SPDX-License-Identifier: ISC */
#include "common/record.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

#define VALUE_SIZE 64 /* a number, or the name of a value */

/* --- descriptors ------------------------------------------------------- */

static bool
fds_add(struct record_fds *list, int fd)
{
	size_t size = list->size > 0 ? list->size * 2 : 64;
	int *fds;

	if (list->count == list->size) {
		fds = realloc(list->fds, size * sizeof(*fds));
		if (fds == NULL)
			return false;
		list->fds = fds;
		list->size = size;
	}
	list->fds[list->count++] = fd;
	return true;
}

static void
fds_free(struct record_fds *list)
{
	free(list->fds);
	memset(list, 0, sizeof(*list));
}

/* --- members ----------------------------------------------------------- */

static uint64_t
unsigned_get(const void *member, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)member;
	case 2:
		return *(const uint16_t *)member;
	case 4:
		return *(const uint32_t *)member;
	default:
		return *(const uint64_t *)member;
	}
}

/* Returns whether the value fits. */
static bool
unsigned_set(void *member, size_t size, uint64_t value)
{
	switch (size) {
	case 1:
		*(uint8_t *)member = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)member = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)member = (uint32_t)value;
		break;
	default:
		*(uint64_t *)member = value;
		break;
	}
	return unsigned_get(member, size) == value;
}

static bool
is_default(const struct record_key *key, const void *member)
{
	const char *bytes = member;

	if (key->type == RECORD_FD)
		return *(const int *)member == -1;
	if (key->type == RECORD_CHARS)
		return *bytes == '\0';
	for (size_t i = 0; i < key->size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* --- writing ----------------------------------------------------------- */

static void
append(struct record_writer *writer, const char *bytes, size_t len)
{
	size_t size = writer->size > 0 ? writer->size : 4096;
	char *text;

	while (size - writer->len < len)
		size *= 2;
	if (size != writer->size) {
		text = realloc(writer->text, size);
		if (text == NULL) {
			writer->failed = true;
			return;
		}
		writer->text = text;
		writer->size = size;
	}
	memcpy(writer->text + writer->len, bytes, len);
	writer->len += len;
}

static void
append_text(struct record_writer *writer, const char *text)
{
	append(writer, text, strlen(text));
}

/* A value is one line. */
static void
append_escaped(struct record_writer *writer, const char *text)
{
	size_t plain;

	for (;;) {
		plain = strcspn(text, "\\\n");
		append(writer, text, plain);
		text += plain;
		if (*text == '\0')
			return;
		append_text(writer, *text == '\n' ? "\\n" : "\\\\");
		text++;
	}
}

static void
put_value(struct record_writer *writer, const struct record_key *key, const void *member)
{
	char text[VALUE_SIZE] = "";
	const char *name;

	switch (key->type) {
	case RECORD_UNSIGNED:
		snprintf(text, sizeof(text), "%" PRIu64, unsigned_get(member, key->size));
		break;
	case RECORD_FD:
		if (*(const int *)member > STDERR_FILENO &&
		    !fds_add(&writer->fds, *(const int *)member))
			writer->failed = true;
		/* FALLTHROUGH */
	case RECORD_INT:
		snprintf(text, sizeof(text), "%d", *(const int *)member);
		break;
	case RECORD_BOOL:
		strlcpy(text, *(const bool *)member ? "yes" : "no", sizeof(text));
		break;
	case RECORD_ENUM:
		name = key->name_of((unsigned)unsigned_get(member, key->size));
		strlcpy(text, name != NULL ? name : "?", sizeof(text));
		break;
	case RECORD_BYTES:
		if (key->size * 2 < sizeof(text))
			util_hex(member, key->size, text);
		break;
	case RECORD_TEXT:
		append_escaped(writer, *(char *const *)member);
		return;
	case RECORD_CHARS:
		append_escaped(writer, member);
		return;
	}
	append_text(writer, text);
}

static void
put_key(struct record_writer *writer, const struct record_key *key, const void *object)
{
	const char *member = (const char *)object + key->offset;

	if (key->type == RECORD_TEXT && *(char *const *)(const void *)member == NULL)
		return;
	if (!key->required && !key->always && key->type != RECORD_ENUM &&
	    is_default(key, member))
		return;
	append_text(writer, key->name);
	append_text(writer, " ");
	put_value(writer, key, member);
	append_text(writer, "\n");
}

void
record_begin(struct record_writer *writer, const char *section)
{
	append_text(writer, "[");
	append_text(writer, section);
	append_text(writer, "]\n");
}

void
record_put(struct record_writer *writer, const struct record_table *table,
    const void *object)
{
#ifdef RECORD_TEST_NEXT /* another version, as the tests build it */
	append_text(writer, "novelty of the next version\n");
	for (size_t i = table->count; i-- > 0;)
		put_key(writer, &table->keys[i], object);
#else
	for (size_t i = 0; i < table->count; i++)
		put_key(writer, &table->keys[i], object);
#endif
}

void
record_end(struct record_writer *writer)
{
	append_text(writer, "\n");
}

void
record_restart(struct record_writer *writer)
{
	writer->len = 0;
	writer->failed = false;
	writer->fds.count = 0;
}

void
record_writer_free(struct record_writer *writer)
{
	free(writer->text);
	fds_free(&writer->fds);
	memset(writer, 0, sizeof(*writer));
}

/* --- reading ----------------------------------------------------------- */

void
record_open(struct record_reader *reader, char *text, size_t len)
{
	memset(reader, 0, sizeof(*reader));
	reader->at = text;
	reader->end = text + len;
}

void
record_close(struct record_reader *reader)
{
	fds_free(&reader->fds);
}

/* The next line, with a NUL for its end; NULL when none is whole. */
static char *
next_line(struct record_reader *reader, size_t *len)
{
	char *line = reader->at, *newline;

	newline = memchr(line, '\n', (size_t)(reader->end - line));
	if (newline == NULL)
		return NULL;
	*newline = '\0';
	*len = (size_t)(newline - line);
	reader->at = newline + 1;
	reader->line++;
	return line;
}

/* Returns false for an escape that is none. */
static bool
unescape(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++) {
		if (*text != '\\') {
			*out++ = *text;
			continue;
		}
		text++;
		if (*text != 'n' && *text != '\\')
			return false;
		*out++ = *text == 'n' ? '\n' : '\\';
	}
	*out = '\0';
	return true;
}

static bool
add_pair(struct record *record, char *line)
{
	char *space = strchr(line, ' ');

	if (space == NULL || space == line || record->count == RECORD_PAIRS_MAX)
		return false;
	*space = '\0';
	if (!unescape(space + 1))
		return false;
	record->pairs[record->count].key = line;
	record->pairs[record->count++].value = space + 1;
	return true;
}

static bool
read_section(struct record *record, char *line, size_t len)
{
	if (len < 3 || line[0] != '[' || line[len - 1] != ']')
		return false;
	line[len - 1] = '\0';
	record->section = line + 1;
	record->count = 0;
	return true;
}

bool
record_next(struct record_reader *reader, struct record *record, char **why)
{
	bool begun = false, good;
	size_t len;
	char *line;

	*why = NULL;
	while (reader->at < reader->end && !(begun && *reader->at == '[')) {
		line = next_line(reader, &len);
		if (line == NULL) {
			*why = util_asprintf("it ends within line %u", reader->line + 1);
			return false;
		}
		good = strlen(line) == len &&
		    (begun ? add_pair(record, line) : read_section(record, line, len));
		if (!good) {
			*why = util_asprintf("line %u is not what it should be",
			    reader->line);
			return false;
		}
		if (!begun)
			record->line = reader->line;
		begun = true;
	}
	return begun;
}

static bool
get_unsigned(const struct record_key *key, const char *value, void *member)
{
	uint64_t number;
	char *end;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	number = strtoull(value, &end, 10);
	return errno == 0 && *end == '\0' && unsigned_set(member, key->size, number);
}

static bool
get_int(const char *value, int *member)
{
	char *end;
	long number;

	if (*value != '-' && (*value < '0' || *value > '9'))
		return false;
	errno = 0;
	number = strtol(value, &end, 10);
	*member = (int)number;
	return errno == 0 && *end == '\0' && number >= INT_MIN && number <= INT_MAX;
}

static bool
get_bool(const char *value, bool *member)
{
	*member = strcmp(value, "yes") == 0;
	return *member || strcmp(value, "no") == 0;
}

static bool
get_enum(const struct record_key *key, const char *value, void *member)
{
	const char *name;

	for (unsigned i = 0; (name = key->name_of(i)) != NULL; i++)
		if (strcmp(name, value) == 0)
			return unsigned_set(member, key->size, i);
	return false;
}

static bool
get_bytes(const struct record_key *key, const char *value, uint8_t *member)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = key->size * 2;

	if (strlen(value) != len || strspn(value, digits) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		member[i / 2] = (uint8_t)(member[i / 2] << 4 |
		    (strchr(digits, value[i]) - digits));
	return true;
}

static bool
get_text(const char *value, char **member)
{
	free(*member);
	*member = util_strdup(value);
	return true;
}

static bool
get_value(struct record_reader *reader, const struct record_key *key, const char *value,
    void *member)
{
	switch (key->type) {
	case RECORD_UNSIGNED:
		return get_unsigned(key, value, member);
	case RECORD_INT:
		return get_int(value, member);
	case RECORD_FD:
		return get_int(value, member) && *(int *)member >= -1 &&
		    (*(int *)member <= STDERR_FILENO ||
			fds_add(&reader->fds, *(int *)member));
	case RECORD_BOOL:
		return get_bool(value, member);
	case RECORD_ENUM:
		return get_enum(key, value, member);
	case RECORD_BYTES:
		return get_bytes(key, value, member);
	case RECORD_TEXT:
		return get_text(value, member);
	case RECORD_CHARS:
		return strlcpy(member, value, key->size) < key->size;
	}
	return false;
}

static const char *
find(const struct record *record, const char *name)
{
	for (size_t i = 0; name != NULL && i < record->count; i++)
		if (strcmp(record->pairs[i].key, name) == 0)
			return record->pairs[i].value;
	return NULL;
}

bool
record_get(struct record_reader *reader, const struct record *record,
    const struct record_table *table, void *object, char **why)
{
	const struct record_key *key;
	const char *value;

	*why = NULL;
	for (size_t i = 0; i < table->count; i++) {
		key = &table->keys[i];
		value = find(record, key->name);
		if (value == NULL)
			value = find(record, key->was);
		if (value == NULL && key->required)
			*why = util_asprintf("line %u: [%s] has no '%s'", record->line,
			    record->section, key->name);
		else if (value != NULL &&
		    !get_value(reader, key, value, (char *)object + key->offset))
			*why = util_asprintf("line %u: [%s] has a '%s' that this version "
					     "does not know: %.64s",
			    record->line, record->section, key->name, value);
		if (*why != NULL)
			return false;
	}
	return true;
}
