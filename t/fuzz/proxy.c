/* SPDX-License-Identifier: ISC */
/* The header of the PROXY protocol. */
#include "router/proxy.h"
#include "t/fuzz/fuzz.h"

/* A verdict on a prefix stands, whatever follows. */
static void
check_prefixes(const char *buf, size_t len, enum proxy_result whole,
    const struct proxy_header *header)
{
	struct proxy_header part;
	enum proxy_result result;

	for (size_t i = 0; i < len; i++) {
		result = proxy_parse(&part, buf, i);
		if (result == PROXY_MORE)
			continue;
		FUZZ_CHECK(result == whole);
		if (result == PROXY_OK)
			FUZZ_CHECK(memcmp(&part, header, sizeof(part)) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header;
	enum proxy_result result;
	char *buf;

	if (size > PROXY_MAX)
		size = PROXY_MAX;
	buf = fuzz_copy(data, size);
	result = proxy_parse(&header, buf, size);
	FUZZ_CHECK(result != PROXY_OK || (header.len > 0 && header.len <= size));
	FUZZ_CHECK(size < PROXY_MAX || result != PROXY_MORE);
	check_prefixes(buf, size, result, &header);
	free(buf);
	return 0;
}
