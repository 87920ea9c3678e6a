/* SPDX-License-Identifier: ISC */
/*
 * A worker that means harm.  The path behind the route says which, NUMBER how
 * often; what is not named is done right: /HARM/NUMBER
 *
 *	slot	DONE for a slot that does not exist
 *	serial	DONE with the serial of another lease
 *	future	DONE with the serial of a router that is yet to come
 *	flood	DONE messages for no lease, without a pause
 *	empty	messages of no bytes, before the DONE
 *	odd	messages of odd lengths, before the DONE
 *	fds	descriptors in the DONE
 *	unread	a response and DONE(keep), and nothing was read
 *	part	the same, with all but the last byte of the request read
 *	options	socket options that the next worker would suffer from
 *	linger	a close that waits, with a response that nobody reads
 *	copies	keeps copies of the clients' sockets
 *	board	garbage all over the scoreboard
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "workers/contract.h"

static void
set(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

static void
spoil_options(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	set(fd, SOL_SOCKET, SO_PEEK_OFF, 5);
	set(fd, SOL_SOCKET, SO_RCVLOWAT, 100000);
	set(fd, IPPROTO_TCP, TCP_CORK, 1);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* More than the client's window and the socket's buffer hold. */
static void
fill_socket(int fd)
{
	static const char piece[65536];
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	while (send(fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
}

static void
send_wrong(struct contract *c, const char *harm, long count)
{
	struct lease_done done = contract_done(c, LEASE_DONE_KEEP);

	if (strcmp(harm, "slot") == 0)
		done.slot = 0x7fffffff;
	else if (strcmp(harm, "future") == 0)
		done.serial += 1ULL << 48;
	else
		done.serial++;
	for (long i = 0; i < count; i++)
		msg_send(LEASE_FD_DONE, &done, sizeof(done), 0);
}

static void
send_odd(long count)
{
	static const char zeros[4096];
	static const size_t lens[] = { 1, 2, 47, 49, sizeof(zeros) };

	for (long i = 0; i < count; i++)
		msg_send(LEASE_FD_DONE, zeros, lens[i % 5], 0);
}

static void
send_fds(struct contract *c, uint32_t flags)
{
	struct lease_done done = contract_done(c, flags);
	struct iovec iov = { .iov_base = &done, .iov_len = sizeof(done) };
	int fds[4] = { 0, 0, 0, 0 };

	if (msg_sendv(LEASE_FD_DONE, &iov, 1, fds, 4, 0) == -1)
		msg_send(LEASE_FD_DONE, &done, sizeof(done), 0);
}

/* Text behind DONE that is no list of phases. */
static void
send_bad_phases(struct contract *c, uint32_t flags, long which)
{
	static char bad[8][4000] = { "db", "=1", "db=1,db=2", "d b=1", "db=-1",
		"db=99999999999", "\n\"'\033[2J=1" };
	struct lease_done done = contract_done(c, flags);
	struct iovec iov[2] = { { &done, sizeof(done) }, { bad[which % 8], 0 } };

	memset(bad[7], 'x', sizeof(bad[7]));
	iov[1].iov_len = which % 8 == 7 ? sizeof(bad[7]) : strlen(bad[which % 8]);
	msg_sendv(LEASE_FD_DONE, iov, 2, NULL, 0, 0);
}

static void
spoil_board(struct contract *c, long count)
{
	unsigned char *byte = (unsigned char *)c->board;

	for (long round = 0; round < count; round++)
		for (size_t i = 0; i < c->board_size; i++)
			byte[i] = (unsigned char)(round == 0 ? 0xff : rand());
}

static void
answer(struct contract *c, int fd, uint64_t read_len)
{
	char buf[1024];
	int len = contract_response(c, buf, sizeof(buf));

	contract_read(fd, read_len);
	send(fd, buf, (size_t)len, MSG_NOSIGNAL);
}

static void
serve(struct contract *c, int fd)
{
	uint32_t flags = c->in.msg.flags & LEASE_KEEP ? LEASE_DONE_KEEP :
							LEASE_DONE_CLOSE;
	uint64_t len = contract_request_len(c);
	char harm[16] = "";
	long count = 1;

	contract_own(c);
	sscanf(contract_path(c), "/%15[a-z]/%ld", harm, &count);
	if (strcmp(harm, "slot") == 0 || strcmp(harm, "serial") == 0 ||
	    strcmp(harm, "future") == 0 || strcmp(harm, "flood") == 0)
		send_wrong(c, harm, count);
	answer(c, fd,
	    strcmp(harm, "unread") == 0	  ? 0 :
		strcmp(harm, "part") == 0 ? len - 1 :
					    len);
	if (strcmp(harm, "options") == 0)
		spoil_options(fd);
	else if (strcmp(harm, "linger") == 0)
		fill_socket(fd);
	else if (strcmp(harm, "board") == 0)
		spoil_board(c, count);
	else if (strcmp(harm, "odd") == 0)
		send_odd(count);
	for (long i = 0; i < count && strcmp(harm, "empty") == 0; i++)
		msg_send(LEASE_FD_DONE, "", 0, 0);
	if (strcmp(harm, "copies") == 0)
		fcntl(fd, F_DUPFD_CLOEXEC, 0);
	close(fd);
	if (strcmp(harm, "fds") == 0)
		send_fds(c, flags);
	else if (strcmp(harm, "phases") == 0)
		send_bad_phases(c, flags, count);
	else
		contract_send_done(c, flags);
}

int
main(void)
{
	static struct contract c;

	contract_open(&c);
	for (;;)
		serve(&c, contract_take(&c));
}
