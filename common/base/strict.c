#include "common/base/strict.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Ascending; the text of a value takes the last unit that divides it. */
static const struct unit byte_units[] = {
	{ "B", 1 },
	{ "KB", 1000 },
	{ "KiB", 1024 },
	{ "MB", 1000000 },
	{ "MiB", 1024 * 1024 },
	{ "GB", 1000000000 },
	{ "GiB", 1024 * 1024 * 1024 },
	{ NULL, 0 },
};
static const struct unit duration_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "min", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
	{ NULL, 0 },
};

static const struct unit *units_of(enum wb_strict_kind kind)
{
	return kind == WB_STRICT_BYTES ? byte_units : kind == WB_STRICT_DURATION ? duration_units : NULL;
}

void wb_strict_value_text(enum wb_strict_kind kind, int64_t value, char ret[WB_STRICT_VALUE_SIZE])
{
	const struct unit *units = units_of(kind), *best = units;

	if (!units || value == 0) {
		(void)snprintf(ret, WB_STRICT_VALUE_SIZE, "%" PRId64, value); /* 20 characters at most */
		return;
	}
	for (const struct unit *u = units; u->name; u++) {
		if (value % u->factor == 0)
			best = u;
	}
	(void)snprintf(ret, WB_STRICT_VALUE_SIZE, "%" PRId64 "%s", value / best->factor, best->name); /* fits too */
}

void wb_strict_range_text(enum wb_strict_kind kind, int64_t min, int64_t max, char ret[WB_STRICT_RANGE_SIZE])
{
	char low[WB_STRICT_VALUE_SIZE], high[WB_STRICT_VALUE_SIZE];

	wb_strict_value_text(kind, min, low);
	wb_strict_value_text(kind, max, high);
	/* Each of the texts fits: two values and a few letters. */
	if (min == INT64_MIN && max == INT64_MAX)
		(void)snprintf(ret, WB_STRICT_RANGE_SIZE, "any");
	else if (max == INT64_MAX)
		(void)snprintf(ret, WB_STRICT_RANGE_SIZE, "%s or more", low);
	else if (min == INT64_MIN)
		(void)snprintf(ret, WB_STRICT_RANGE_SIZE, "%s or less", high);
	else
		(void)snprintf(ret, WB_STRICT_RANGE_SIZE, "%s to %s", low, high);
}

static enum wb_err refuse(enum wb_strict_kind kind, const char *what, int64_t min, int64_t max, struct wb_error *e)
{
	char range[WB_STRICT_RANGE_SIZE];

	wb_strict_range_text(kind, min, max, range);
	return wb_error_set(e, WB_EINVAL, "%s; allowed are %s", what, range);
}

/* Reads the digits at the front of *s and cuts them off. WB_ETOOBIG when they are more than an int64_t holds. */
static enum wb_err take_digits(struct wb_slice *s, bool negative, int64_t *ret)
{
	int64_t value = 0;
	bool overflow = false;
	size_t n = 0;

	for (; n < s->len && s->data[n] >= '0' && s->data[n] <= '9'; n++) {
		int digit = s->data[n] - '0';

		overflow = overflow || __builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, negative ? -digit : digit, &value);
	}
	if (n == 0)
		return WB_EINVAL;
	*s = wb_slice(s->data + n, s->len - n);
	if (overflow)
		return WB_ETOOBIG;
	*ret = value;
	return WB_OK;
}

/* The factor of the unit that is all of s; the first unit where s is empty; 0 where it is none. */
static int64_t unit_factor(const struct unit *units, struct wb_slice s)
{
	for (const struct unit *u = units; u->name; u++) {
		if (s.len == 0 || wb_slice_eq_cstr(s, u->name))
			return u->factor;
	}
	return 0;
}

static enum wb_err read_value(
	enum wb_strict_kind kind, struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e)
{
	static const char *const not_one[] = {
		[WB_STRICT_NUMBER] = "not a whole number",
		[WB_STRICT_BYTES] = "not a size",
		[WB_STRICT_DURATION] = "not a duration",
	};
	bool negative = kind == WB_STRICT_NUMBER && s.len > 0 && s.data[0] == '-';
	int64_t value = 0, factor = 1;
	enum wb_err err;

	if (negative)
		s = wb_slice(s.data + 1, s.len - 1);
	err = take_digits(&s, negative, &value);
	if (kind != WB_STRICT_NUMBER)
		factor = unit_factor(units_of(kind), s);
	else if (s.len > 0)
		factor = 0;
	if (err == WB_EINVAL || factor == 0)
		return refuse(kind, not_one[kind], min, max, e);
	if (err || __builtin_mul_overflow(value, factor, &value) || value < min || value > max)
		return refuse(kind, "out of range", min, max, e);
	*ret = value;
	return WB_OK;
}

enum wb_err wb_strict_int64(struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e)
{
	return read_value(WB_STRICT_NUMBER, s, min, max, ret, e);
}

enum wb_err wb_strict_bytes(struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e)
{
	return read_value(WB_STRICT_BYTES, s, min, max, ret, e);
}

enum wb_err wb_strict_duration_ms(struct wb_slice s, int64_t min, int64_t max, int64_t *ret, struct wb_error *e)
{
	return read_value(WB_STRICT_DURATION, s, min, max, ret, e);
}

enum wb_err wb_strict_bool(struct wb_slice s, bool *ret, struct wb_error *e)
{
	bool yes = wb_slice_eq_cstr(s, "true");

	if (!yes && !wb_slice_eq_cstr(s, "false"))
		return wb_error_set(e, WB_EINVAL, "not a truth value; allowed are true and false");
	*ret = yes;
	return WB_OK;
}
