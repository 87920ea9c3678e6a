/* SPDX-License-Identifier: ISC */
/* Small things that more than one role needs. */
#ifndef COMMON_UTIL_H
#define COMMON_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/lease.h"

#define MS_NS 1000000ULL

/* CLOCK_MONOTONIC, nanoseconds. */
uint64_t util_now_ns(void);
/* CLOCK_REALTIME, milliseconds since the epoch: to show, not to measure with. */
uint64_t util_epoch_ms(void);

/* The pause before another attempt after failures in a row: min_ns after up to two,
 * then twice as long each time, up to max_ns. */
uint64_t util_back_off_ns(unsigned failures, uint64_t min_ns, uint64_t max_ns);

/* Fills addr from a socket address; IPv4-mapped IPv6 becomes IPv4. */
void util_addr_from_sockaddr(struct lease_addr *addr, const struct sockaddr_storage *ss);
/* "127.0.0.1", "::1", "unix", or "-" when unknown.  buf: UTIL_ADDR_SIZE. */
#define UTIL_ADDR_SIZE 46
const char *util_addr_text(const struct lease_addr *addr, char *buf);

/* Lower-case hex of len bytes into out (2 * len + 1 bytes). */
void util_hex(const uint8_t *bytes, size_t len, char *out);

/* Fills buf with unpredictable bytes (for ids, not for keys). */
void util_random(void *buf, size_t len);

/* malloc, calloc, strdup that never return NULL: they end the process with a
 * message.  For supervisor and router start-up and configuration; nothing that
 * a client asks for goes through them. */
void *util_alloc(size_t size); /* zeroed */
char *util_strdup(const char *s);
char *util_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
