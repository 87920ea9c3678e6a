/* SPDX-License-Identifier: ISC */
#include "token.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define MAC_LEN	     32
#define MAC_TEXT_LEN (TOKEN_BASE64_SIZE(MAC_LEN) - 2) /* 43: no padding, no NUL */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
token_base64_encode(const void *bytes, size_t len, char *out)
{
	const unsigned char *in = bytes;
	unsigned bits = 0, buffer = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		buffer = (buffer << 8 | in[i]) & 0xffff;
		bits += 8;
		while (bits >= 6) {
			bits -= 6;
			*out++ = alphabet[buffer >> bits & 0x3f];
		}
	}
	if (bits > 0)
		*out++ = alphabet[buffer << (6 - bits) & 0x3f];
	*out = '\0';
}

bool
token_base64_decode(const char *text, size_t len, void *bytes, size_t size,
    size_t *bytes_len)
{
	unsigned bits = 0, buffer = 0;
	unsigned char *out = bytes;
	const char *digit;
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		digit = memchr(alphabet, text[i], sizeof(alphabet) - 1);
		if (digit == NULL)
			return false;
		buffer = (buffer << 6 | (unsigned)(digit - alphabet)) & 0xffff;
		if ((bits += 6) < 8)
			continue;
		if (n == size)
			return false;
		bits -= 8;
		out[n++] = (unsigned char)(buffer >> bits);
	}
	/* Six bits left over: a lone character.  Set bits: not canonical. */
	if (bits >= 6 || (buffer & ((1U << bits) - 1)) != 0)
		return false;
	*bytes_len = n;
	return true;
}

static bool
sign(const char *text, size_t len, const void *key, size_t key_len,
    unsigned char mac[MAC_LEN])
{
	unsigned mac_len = MAC_LEN;

	return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len,
		   mac, &mac_len) != NULL &&
	    mac_len == MAC_LEN;
}

char *
token_make(const struct token *token, const void *key, size_t key_len)
{
	unsigned char mac[MAC_LEN];
	char *payload = NULL, *text = NULL;
	size_t len, text_len;
	json_t *object;

	object = json_pack("{s:s, s:I, s:I}", "sub", token->user, "iat",
	    (json_int_t)token->issued_at, "exp", (json_int_t)token->expires_at);
	if (object == NULL || (payload = json_dumps(object, JSON_COMPACT)) == NULL)
		goto out;
	len = strlen(payload);
	text = malloc(TOKEN_BASE64_SIZE(len) + 1 + TOKEN_BASE64_SIZE(MAC_LEN));
	if (text == NULL)
		goto out;
	token_base64_encode(payload, len, text);
	text_len = strlen(text);
	if (!sign(text, text_len, key, key_len, mac)) {
		free(text);
		text = NULL;
		goto out;
	}
	text[text_len] = '.';
	token_base64_encode(mac, MAC_LEN, text + text_len + 1);
out:
	free(payload);
	json_decref(object);
	return text;
}

static bool
read_payload(const char *text, size_t len, struct token *token)
{
	char payload[TOKEN_MAX];
	const char *user;
	json_int_t issued_at, expires_at;
	size_t payload_len;
	json_t *object;
	bool ok;

	if (!token_base64_decode(text, len, payload, sizeof(payload), &payload_len))
		return false;
	object = json_loadb(payload, payload_len, 0, NULL);
	ok = object != NULL &&
	    json_unpack(object, "{s:s, s:I, s:I}", "sub", &user, "iat", &issued_at, "exp",
		&expires_at) == 0 &&
	    strlen(user) < sizeof(token->user);
	if (ok) {
		memcpy(token->user, user, strlen(user) + 1);
		token->issued_at = issued_at;
		token->expires_at = expires_at;
	}
	json_decref(object);
	return ok;
}

bool
token_verify(const char *text, const void *key, size_t key_len, time_t now,
    struct token *token)
{
	unsigned char expected[MAC_LEN], mac[MAC_LEN];
	size_t len = strnlen(text, TOKEN_MAX + 1), mac_len, payload_len;

	if (len > TOKEN_MAX || len <= MAC_TEXT_LEN + 1)
		return false;
	payload_len = len - MAC_TEXT_LEN - 1;
	if (text[payload_len] != '.' ||
	    !token_base64_decode(text + payload_len + 1, MAC_TEXT_LEN, mac, sizeof(mac),
		&mac_len) ||
	    mac_len != MAC_LEN || !sign(text, payload_len, key, key_len, expected) ||
	    CRYPTO_memcmp(mac, expected, MAC_LEN) != 0)
		return false;
	/* From here on the payload is one that we wrote. */
	return read_payload(text, payload_len, token) && token->expires_at > now;
}
