#include "common/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

static const char day_names[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
	"Dec" };

static const int64_t LAST_MS = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

static struct timespec now(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		abort(); /* only an invalid clock id fails */
	return t;
}

int64_t wb_clock_mono_ms(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);

	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t wb_clock_mono_us(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);

	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t wb_clock_boot_ms(void)
{
	struct timespec t = now(CLOCK_BOOTTIME);

	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t wb_clock_wall_ms(void)
{
	struct timespec t = now(CLOCK_REALTIME);

	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t clamped(int64_t wall_ms)
{
	return wall_ms < 0 ? 0 : wall_ms > LAST_MS ? LAST_MS : wall_ms;
}

static struct tm fields(int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		abort(); /* only years beyond an int fail */
	return tm;
}

/* The last count decimal digits of value. */
static char *put_digits(char *to, int value, int count)
{
	for (int i = count - 1; i >= 0; i--) {
		to[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return to + count;
}

static char *put_text(char *to, const char *text)
{
	size_t len = strlen(text);

	memcpy(to, text, len);
	return to + len;
}

static char *put_time(char *to, const struct tm *tm)
{
	to = put_text(put_digits(to, tm->tm_hour, 2), ":");
	to = put_text(put_digits(to, tm->tm_min, 2), ":");
	return put_digits(to, tm->tm_sec, 2);
}

void wb_clock_rfc3339(int64_t wall_ms, char ret[WB_CLOCK_RFC3339_SIZE])
{
	struct tm tm = fields(clamped(wall_ms));
	char *to = put_digits(ret, tm.tm_year + 1900, 4);

	to = put_digits(put_text(to, "-"), tm.tm_mon + 1, 2);
	to = put_digits(put_text(to, "-"), tm.tm_mday, 2);
	to = put_time(put_text(to, "T"), &tm);
	to = put_digits(put_text(to, "."), (int)(clamped(wall_ms) % 1000), 3);
	*put_text(to, "Z") = '\0';
}

void wb_clock_rfc1123(int64_t wall_ms, char ret[WB_CLOCK_RFC1123_SIZE])
{
	struct tm tm = fields(clamped(wall_ms));
	char *to = put_text(put_text(ret, day_names[tm.tm_wday]), ", ");

	to = put_text(put_digits(to, tm.tm_mday, 2), " ");
	to = put_text(put_text(to, month_names[tm.tm_mon]), " ");
	to = put_text(put_digits(to, tm.tm_year + 1900, 4), " ");
	*put_text(put_time(to, &tm), " GMT") = '\0';
}

/* count digits at text, or -1. */
static int read_digits(const char *text, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

static int read_month(const char *text)
{
	for (int i = 0; i < 12; i++) {
		if (strncasecmp(text, month_names[i], 3) == 0)
			return i;
	}
	return -1;
}

bool wb_clock_parse_rfc1123(struct wb_slice text, int64_t *ret_wall_ms)
{
	char again[WB_CLOCK_RFC1123_SIZE];
	int64_t wall_ms;
	struct tm tm = { 0 };

	if (text.len != WB_CLOCK_RFC1123_SIZE - 1)
		return false;
	tm.tm_mday = read_digits(text.data + 5, 2);
	tm.tm_mon = read_month(text.data + 8);
	tm.tm_year = read_digits(text.data + 12, 4) - 1900;
	tm.tm_hour = read_digits(text.data + 17, 2);
	tm.tm_min = read_digits(text.data + 20, 2);
	tm.tm_sec = read_digits(text.data + 23, 2);
	if (tm.tm_mday < 0 || tm.tm_mon < 0 || tm.tm_year < 0 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
		return false;
	wall_ms = (int64_t)timegm(&tm) * 1000;
	/* Written again it must be the same text: that checks the rest, the 30th of February and the weekday too. */
	wb_clock_rfc1123(wall_ms, again);
	if (strncasecmp(again, text.data, text.len) != 0)
		return false;
	*ret_wall_ms = wall_ms;
	return true;
}

/* Decimals of a second as milliseconds; moves *at behind them. False when there is a point without a digit. */
static bool read_decimals(struct wb_slice text, size_t *at, int *ret_ms)
{
	int ms = 0, worth = 100;
	size_t first;

	*ret_ms = 0;
	if (*at >= text.len || text.data[*at] != '.')
		return true;
	for (first = ++*at; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; ++*at) {
		ms += (text.data[*at] - '0') * worth;
		worth /= 10;
	}
	*ret_ms = ms;
	return *at > first;
}

/* "Z" or "+01:00" to the end of the text. */
static bool read_offset(struct wb_slice text, size_t at, int *ret_minutes)
{
	const char *p = text.data + at;
	int hours, minutes;

	*ret_minutes = 0;
	if (at + 1 == text.len)
		return *p == 'Z' || *p == 'z';
	if (at + 6 != text.len || (*p != '+' && *p != '-') || p[3] != ':')
		return false;
	hours = read_digits(p + 1, 2);
	minutes = read_digits(p + 4, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*ret_minutes = (hours * 60 + minutes) * (*p == '-' ? -1 : 1);
	return true;
}

bool wb_clock_parse_rfc3339(struct wb_slice text, int64_t *ret_wall_ms)
{
	enum { DATE_LEN = 19, DAY_LEN = 10 };
	char again[WB_CLOCK_RFC3339_SIZE];
	int64_t wall_ms;
	struct tm tm = { 0 };
	int ms, offset_minutes;
	size_t at = DATE_LEN;

	if (text.len <= DATE_LEN || !read_decimals(text, &at, &ms) || !read_offset(text, at, &offset_minutes))
		return false;
	tm.tm_year = read_digits(text.data, 4) - 1900;
	tm.tm_mon = read_digits(text.data + 5, 2) - 1;
	tm.tm_mday = read_digits(text.data + 8, 2);
	tm.tm_hour = read_digits(text.data + 11, 2);
	tm.tm_min = read_digits(text.data + 14, 2);
	tm.tm_sec = read_digits(text.data + 17, 2);
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mday < 0 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
		return false;
	wall_ms = (int64_t)timegm(&tm) * 1000;
	/* As above; the T may be small, or a space (RFC 3339 section 5.6). */
	wb_clock_rfc3339(wall_ms, again);
	if (memcmp(again, text.data, DAY_LEN) != 0 || !memchr("Tt ", text.data[DAY_LEN], 3) ||
		memcmp(again + DAY_LEN + 1, text.data + DAY_LEN + 1, DATE_LEN - DAY_LEN - 1) != 0)
		return false;
	wall_ms += ms - (int64_t)offset_minutes * 60000;
	if (wall_ms < 0)
		return false;
	*ret_wall_ms = wall_ms;
	return true;
}
