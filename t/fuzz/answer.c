/* SPDX-License-Identifier: ISC */
/*
 * What a worker answers to a health check, as the supervisor takes it apart.
 * What is found must not depend on how the bytes arrive.
 */
#include "supervisor/answer.h"
#include "t/fuzz/fuzz.h"

/* Puts the bytes in, at most step at a time. */
static void
feed(struct answer *answer, const uint8_t *data, size_t size, size_t step)
{
	bool more = true;
	size_t room, n;
	char *buf;

	answer_init(answer);
	for (size_t at = 0; at < size && more; at += n) {
		buf = answer_room(answer, &room);
		if (buf == NULL)
			break;
		FUZZ_CHECK(room > 0 && room <= ANSWER_MAX - answer->total);
		n = size - at < step ? size - at : step;
		n = n < room ? n : room;
		memcpy(buf, data + at, n);
		more = answer_add(answer, n);
		FUZZ_CHECK(answer->len <= answer->size && answer->total <= ANSWER_MAX);
		FUZZ_CHECK(more ==
		    (answer->state != ANSWER_WHOLE && answer->state != ANSWER_BROKEN));
	}
}

/* The body, as far as its length says that it goes: more may lie behind it. */
static size_t
body_len(const struct answer *answer, const char **body)
{
	size_t len;

	*body = answer_body(answer, &len);
	FUZZ_CHECK(len <= answer->len);
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 2, 5, 1000 };
	const char *whole_body, *other_body;
	struct answer whole, other;
	size_t len, other_len;

	feed(&whole, data, size, SIZE_MAX);
	len = body_len(&whole, &whole_body);
	if (whole.status != 0)
		FUZZ_CHECK(whole.status >= 100 && whole.status <= 999);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		feed(&other, data, size, steps[i]);
		FUZZ_CHECK(other.state == whole.state);
		if (whole.state != ANSWER_BROKEN) {
			FUZZ_CHECK(other.status == whole.status);
			/* of what follows a whole one, less may be read */
			other_len = body_len(&other, &other_body);
			FUZZ_CHECK(other_len <= len);
			FUZZ_CHECK(memcmp(whole_body, other_body, other_len) == 0);
			if (whole.state != ANSWER_WHOLE)
				FUZZ_CHECK(other_len == len);
		}
		answer_free(&other);
	}
	answer_free(&whole);
	return 0;
}
