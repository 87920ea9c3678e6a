/* SPDX-License-Identifier: ISC */
/* A WebSocket echo (RFC 6455): what one needs for small frames. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <poold.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define GUID	    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define PAYLOAD_MAX 125 /* longer frames have another length field */

enum opcode { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

/* Reads exactly len bytes; false when the client or poold ends it. */
static bool
read_all(int fd, uint8_t *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	while (len > 0) {
		if (poll(&pfd, 1, 50) == 0) {
			if (poold_stopping())
				return false;
			continue;
		}
		n = recv(fd, buf, len, 0);
		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
send_frame(int fd, enum opcode opcode, const uint8_t *payload, uint8_t len)
{
	uint8_t frame[2 + PAYLOAD_MAX] = { (uint8_t)(0x80 | opcode), len };

	if (len > 0)
		memcpy(frame + 2, payload, len);
	return send(fd, frame, 2 + (size_t)len, MSG_NOSIGNAL) == 2 + len;
}

/* One frame from the client, which masks it.  Returns whether to go on. */
static bool
echo_frame(int fd)
{
	uint8_t head[2], mask[4], payload[PAYLOAD_MAX], len;

	if (!read_all(fd, head, 2) || !(head[1] & 0x80))
		return false;
	len = head[1] & 0x7f;
	if (len > PAYLOAD_MAX || !read_all(fd, mask, 4) || !read_all(fd, payload, len))
		return false;
	for (uint8_t i = 0; i < len; i++)
		payload[i] ^= mask[i % 4];
	switch (head[0] & 0x0f) {
	case OP_TEXT:
	case OP_BINARY:
		return send_frame(fd, head[0] & 0x0f, payload, len);
	case OP_PING:
		return send_frame(fd, OP_PONG, payload, len);
	case OP_CLOSE:
		send_frame(fd, OP_CLOSE, payload, len);
		return false;
	default:
		return true;
	}
}

static bool
accept_key(const char *key, char out[32])
{
	char text[128];
	unsigned char hash[SHA_DIGEST_LENGTH];
	int len = snprintf(text, sizeof(text), "%s%s", key, GUID);

	if (len < 0 || (size_t)len >= sizeof(text))
		return false;
	SHA1((const unsigned char *)text, (size_t)len, hash);
	EVP_EncodeBlock((unsigned char *)out, hash, sizeof(hash));
	return true;
}

static void
websocket(struct poold_request *req, void *arg)
{
	const char *key = poold_header(req, "Sec-WebSocket-Key");
	static const uint8_t going_away[] = { 1001 >> 8, 1001 & 0xff };
	char accepted[32];
	int fd;

	(void)arg;
	if (key == NULL || !accept_key(key, accepted) ||
	    poold_set_header(req, "Sec-WebSocket-Accept", accepted) == -1 ||
	    (fd = poold_upgrade(req, "websocket")) == -1) {
		poold_problem(req, 400, "this is a WebSocket");
		return;
	}
	while (echo_frame(fd))
		continue;
	if (poold_stopping())
		send_frame(fd, OP_CLOSE, going_away, sizeof(going_away));
}

int
main(int argc, char **argv)
{
	return poold_serve(argc, argv, websocket, NULL);
}
