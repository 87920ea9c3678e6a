/* SPDX-License-Identifier: ISC */
/* Dates of HTTP (RFC 9110 section 5.6.7), whatever the locale. */
#include <stdio.h>
#include <string.h>

#include "libpoold/internal.h"

#define DATE_MAX 253402300799 /* 9999-12-31T23:59:59Z */

static const char days[7][10] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
	"Aug", "Sep", "Oct", "Nov", "Dec" };

void
poold_format_date(time_t t, char buf[POOLD_DATE_SIZE])
{
	char text[128];
	struct tm tm;

	if (t < 0)
		t = 0;
	if (t > DATE_MAX)
		t = DATE_MAX;
	gmtime_r(&t, &tm);
	snprintf(text, sizeof(text), "%.3s, %02d %s %04d %02d:%02d:%02d GMT",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(buf, text, POOLD_DATE_SIZE - 1);
	buf[POOLD_DATE_SIZE - 1] = '\0';
}

const char *
date_now(struct poold_request *req)
{
	time_t now = time(NULL);

	if (now != req->date_second) {
		poold_format_date(now, req->date_text);
		req->date_second = now;
	}
	return req->date_text;
}

/*
 * Reads s by pattern: a digit place 'd' (value collected in numbers, runs of
 * digits are one number), '_' a digit or a space, 'm' a month's name, anything
 * else itself.  Returns whether all of s was read.
 */
static bool
scan(const char *s, const char *pattern, int *month, int *numbers)
{
	int m;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == 'm') {
			for (m = 0; m < 12; m++)
				if (strncmp(s, months[m], 3) == 0)
					break;
			if (m == 12)
				return false;
			*month = m;
			s += 3;
		} else if (*pattern == 'd' || *pattern == '_') {
			if (*pattern == '_' && *s == ' ')
				*numbers = 0;
			else if (*s >= '0' && *s <= '9')
				*numbers = *numbers * 10 + (*s - '0');
			else
				return false;
			s++;
			if (pattern[1] != 'd' && pattern[1] != '_')
				*++numbers = 0;
		} else if (*s++ != *pattern)
			return false;
	}
	return *s == '\0';
}

static int
year_of_two_digits(int year)
{
	time_t now = time(NULL);
	struct tm tm;

	/* More than 50 years ahead means the past. */
	gmtime_r(&now, &tm);
	year += (tm.tm_year + 1900) / 100 * 100;
	return year > tm.tm_year + 1900 + 50 ? year - 100 : year;
}

static time_t
date_make(int year, int month, int day, int hour, int minute, int second)
{
	static const int lengths[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	struct tm tm = { 0 };

	if (day < 1 || day > lengths[month] + (month == 1 && leap) || hour > 23 ||
	    minute > 59 || second > 60)
		return -1;
	tm.tm_year = year - 1900;
	tm.tm_mon = month;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	return timegm(&tm);
}

time_t
poold_parse_date(const char *s)
{
	const char *rest = NULL;
	int n[8] = { 0 }, month = 0;
	size_t i, len = 0;

	for (i = 0; i < 7 && rest == NULL; i++) {
		len = strlen(days[i]);
		if (strncmp(s, days[i], len) == 0)
			rest = s + len;
		else if (strncmp(s, days[i], 3) == 0)
			rest = s + (len = 3);
	}
	if (rest == NULL)
		return -1;
	if (len == 3 && scan(rest, ", dd m dddd dd:dd:dd GMT", &month, n))
		return date_make(n[1], month, n[0], n[2], n[3], n[4]);
	memset(n, 0, sizeof(n));
	if (len > 3 && scan(rest, ", dd-m-dd dd:dd:dd GMT", &month, n))
		return date_make(year_of_two_digits(n[1]), month, n[0], n[2], n[3], n[4]);
	memset(n, 0, sizeof(n));
	if (len == 3 && scan(rest, " m _d dd:dd:dd dddd", &month, n))
		return date_make(n[4], month, n[0], n[1], n[2], n[3]);
	return -1;
}
