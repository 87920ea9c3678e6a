/* SPDX-License-Identifier: ISC */
#include "common/tcp.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* enum of the kernel's include/net/tcp_states.h: the states after a FIN was
 * received, in which bytes_received counts it. */
enum {
	STATE_TIME_WAIT = 6,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_CLOSING = 11
};

static bool
read_info(int fd, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 &&
	    len >= offsetof(struct tcp_info, tcpi_bytes_retrans) +
		sizeof(info->tcpi_bytes_retrans);
}

static bool
has_fin(const struct tcp_info *info)
{
	return info->tcpi_state == STATE_CLOSE_WAIT ||
	    info->tcpi_state == STATE_LAST_ACK || info->tcpi_state == STATE_CLOSING ||
	    info->tcpi_state == STATE_TIME_WAIT;
}

static void
fill(struct tcp_sample *sample, const struct tcp_info *info, int unread)
{
	sample->written = info->tcpi_bytes_sent - info->tcpi_bytes_retrans +
	    info->tcpi_notsent_bytes;
	sample->consumed = info->tcpi_bytes_received - (uint64_t)unread;
	if (has_fin(info) && sample->consumed > 0)
		sample->consumed--;
}

bool
tcp_sample_before(int fd, struct tcp_sample *sample)
{
	struct tcp_info info;
	int unread;

	if (!read_info(fd, &info) || ioctl(fd, SIOCINQ, &unread) == -1)
		return false;
	fill(sample, &info, unread);
	return true;
}

bool
tcp_sample_after(int fd, struct tcp_sample *sample)
{
	struct tcp_info info;
	int unread;

	if (ioctl(fd, SIOCINQ, &unread) == -1 || !read_info(fd, &info))
		return false;
	fill(sample, &info, unread);
	return true;
}

bool
tcp_progress_read(int fd, struct tcp_progress *progress)
{
	struct tcp_info info;
	int unsent;

	if (!read_info(fd, &info) || ioctl(fd, SIOCOUTQ, &unsent) == -1)
		return false;
	progress->acked = info.tcpi_bytes_acked;
	progress->received = info.tcpi_bytes_received;
	progress->unacked = (uint64_t)unsent;
	progress->ended = has_fin(&info);
	return true;
}
