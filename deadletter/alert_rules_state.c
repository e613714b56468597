/* The state of the rules as JSON, and back. */
#include "common/base/json_scan.h"
#include "common/base/strict.h"
#include "deadletter/alert_rules_internal.h"

#include <stdlib.h>

#define VERSION           1
#define GROUP_NUMBERS     6
#define CONDITION_NUMBERS 6

static void put_numbers(struct wb_buf *b, const int64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		wb_buf_append_char(b, i ? ',' : '[');
		wb_buf_append_i64(b, numbers[i]);
	}
	wb_buf_append_char(b, ']');
}

static void put_condition(struct wb_buf *b, const char *name, const struct wb_alert_condition *c)
{
	const int64_t numbers[CONDITION_NUMBERS] = { c->holds, c->level, c->told_level, c->serial, c->since_ms,
		c->told_ms };

	wb_buf_appendf(b, ",\"%s\":", name);
	put_numbers(b, numbers, CONDITION_NUMBERS);
}

static void put_groups(struct wb_buf *b, const struct wb_alert_rules *r)
{
	wb_buf_append_cstr(b, ",\"groups\":[");
	for (unsigned i = 0; i < r->groups; i++) {
		const struct wb_alert_group_state *g = &r->group[i];
		const int64_t numbers[GROUP_NUMBERS] = { g->lag, g->lag_before, g->committed, g->moved_ms,
			g->oldest_age_ms, g->retention_ms };

		wb_buf_append_cstr(b, i ? ",{\"name\":" : "{\"name\":");
		wb_buf_append_json_string(b, wb_slice_cstr(g->name));
		wb_buf_append_cstr(b, ",\"lag\":");
		put_numbers(b, numbers, GROUP_NUMBERS);
		put_condition(b, "stalled", &g->stalled);
		put_condition(b, "retention", &g->retention);
		wb_buf_append_char(b, '}');
	}
	wb_buf_append_char(b, ']');
}

static void put_positions(struct wb_buf *b, const struct wb_alert_rules *r)
{
	const char *between = "";

	wb_buf_append_cstr(b, ",\"positions\":[");
	for (int32_t i = 0; i < r->partitions; i++) {
		const int64_t numbers[2] = { i, r->positions[i] };

		if (r->positions[i] < 0)
			continue;
		wb_buf_append_cstr(b, between);
		put_numbers(b, numbers, 2);
		between = ",";
	}
	wb_buf_append_char(b, ']');
}

void wb_alert_rules_save(const struct wb_alert_rules *r, struct wb_buf *ret)
{
	const int64_t told[2] = { r->told_ms, r->threshold_ms };
	const int64_t expiring[2] = { (int64_t)r->expiring, r->expires_ms };
	const char *between = "";

	wb_buf_appendf(ret, "{\"version\":%d,\"told\":", VERSION);
	put_numbers(ret, told, 2);
	put_positions(ret, r);
	wb_buf_append_cstr(ret, ",\"window\":[");
	for (unsigned i = 0; i < WB_ALERT_BUCKETS; i++) {
		const int64_t numbers[2] = { r->bucket[i].index, (int64_t)r->bucket[i].letters };

		if (r->bucket[i].letters == 0)
			continue;
		wb_buf_append_cstr(ret, between);
		put_numbers(ret, numbers, 2);
		between = ",";
	}
	wb_buf_append_char(ret, ']');
	put_groups(ret, r);
	put_condition(ret, "expiry", &r->expiry);
	wb_buf_append_cstr(ret, ",\"expiring\":");
	put_numbers(ret, expiring, 2);
	wb_buf_append_cstr(ret, ",\"next\":");
	wb_alert_json(&r->next, ret);
	if (r->is_due) {
		wb_buf_append_cstr(ret, ",\"due\":");
		wb_alert_json(&r->due, ret);
	}
	wb_buf_append_char(ret, '}');
}

/* An array of at least count numbers from INT64_MIN + 1 on; more are ignored. */
static bool get_numbers(struct wb_json_reader *j, int64_t *ret, size_t count)
{
	struct wb_json_value value;
	size_t n = 0;
	int more;

	if (wb_json_reader_enter(j) != '[')
		return false;
	while ((more = wb_json_reader_next(j, NULL)) == 1) {
		if (wb_json_reader_skip(j, &value) != WB_JSON_OK)
			return false;
		if (n < count &&
			(value.type != WB_JSON_NUMBER ||
				wb_strict_int64(value.raw, -1, INT64_MAX, &ret[n], NULL) != WB_OK))
			return false;
		n++;
	}
	return more == 0 && n >= count;
}

static bool get_condition(struct wb_json_reader *j, struct wb_alert_condition *c)
{
	int64_t n[CONDITION_NUMBERS];

	if (!get_numbers(j, n, CONDITION_NUMBERS))
		return false;
	*c = (struct wb_alert_condition){ .holds = n[0] != 0,
		.level = (unsigned)n[1],
		.told_level = (unsigned)n[2],
		.serial = (unsigned)n[3],
		.since_ms = n[4],
		.told_ms = n[5] };
	return true;
}

static bool get_name(struct wb_json_reader *j, char ret[WB_ALERT_GROUP_SIZE])
{
	struct wb_json_value value;
	struct wb_slice text;
	struct wb_buf scratch;
	bool ok;

	wb_buf_init(&scratch, 4 * WB_ALERT_GROUP_SIZE);
	ok = wb_json_reader_skip(j, &value) == WB_JSON_OK && value.type == WB_JSON_STRING &&
		wb_json_string_decode(value.raw, &scratch, &text) == WB_OK;
	if (ok)
		wb_alert_copy_text(ret, WB_ALERT_GROUP_SIZE, text);
	wb_buf_release(&scratch);
	return ok;
}

static bool get_group(struct wb_json_reader *j, struct wb_alert_group_state *g)
{
	int64_t n[GROUP_NUMBERS] = { 0 };
	struct wb_slice name;
	bool ok = true;
	int more = 0;

	if (wb_json_reader_enter(j) != '{')
		return false;
	while (ok && (more = wb_json_reader_next(j, &name)) == 1) {
		if (wb_json_name_is(name, "name"))
			ok = get_name(j, g->name);
		else if (wb_json_name_is(name, "lag"))
			ok = get_numbers(j, n, GROUP_NUMBERS);
		else if (wb_json_name_is(name, "stalled"))
			ok = get_condition(j, &g->stalled);
		else if (wb_json_name_is(name, "retention"))
			ok = get_condition(j, &g->retention);
		else
			ok = wb_json_reader_skip(j, NULL) == WB_JSON_OK;
	}
	g->lag = n[0];
	g->lag_before = n[1];
	g->committed = n[2];
	g->moved_ms = n[3];
	g->oldest_age_ms = n[4];
	g->retention_ms = n[5];
	return ok && more == 0;
}

static bool get_groups(struct wb_json_reader *j, struct wb_alert_rules *r)
{
	int more;

	if (wb_json_reader_enter(j) != '[')
		return false;
	while ((more = wb_json_reader_next(j, NULL)) == 1)
		if (r->groups == WB_ALERT_GROUPS_MAX || !get_group(j, &r->group[r->groups++]))
			return false;
	return more == 0;
}

/* Pairs of numbers, each given to fn. */
static bool get_pairs(
	struct wb_json_reader *j, struct wb_alert_rules *r, bool (*fn)(struct wb_alert_rules *r, const int64_t pair[2]))
{
	int64_t pair[2];
	int more;

	if (wb_json_reader_enter(j) != '[')
		return false;
	while ((more = wb_json_reader_next(j, NULL)) == 1)
		if (!get_numbers(j, pair, 2) || !fn(r, pair))
			return false;
	return more == 0;
}

static bool on_position(struct wb_alert_rules *r, const int64_t pair[2])
{
	if (pair[0] < 0 || pair[0] >= WB_ALERT_PARTITIONS_MAX)
		return false;
	wb_alert_rules_set_position(r, (int32_t)pair[0], pair[1]);
	return true;
}

static bool on_bucket(struct wb_alert_rules *r, const int64_t pair[2])
{
	if (pair[0] < 0 || pair[1] < 0)
		return false;
	r->bucket[pair[0] % WB_ALERT_BUCKETS] = (struct wb_alert_bucket){ .index = pair[0],
		.letters = (uint64_t)pair[1] };
	return true;
}

static bool get_member(struct wb_json_reader *j, struct wb_slice name, struct wb_alert_rules *r)
{
	int64_t n[2];
	bool ok;

	if (wb_json_name_is(name, "told")) {
		ok = get_numbers(j, n, 2);
		if (ok) {
			r->told_ms = n[0];
			r->threshold_ms = n[1];
		}
		return ok;
	}
	if (wb_json_name_is(name, "expiring")) {
		ok = get_numbers(j, n, 2);
		if (ok) {
			r->expiring = (uint64_t)n[0];
			r->expires_ms = n[1];
		}
		return ok;
	}
	if (wb_json_name_is(name, "positions"))
		return get_pairs(j, r, on_position);
	if (wb_json_name_is(name, "window"))
		return get_pairs(j, r, on_bucket);
	if (wb_json_name_is(name, "groups"))
		return get_groups(j, r);
	if (wb_json_name_is(name, "expiry"))
		return get_condition(j, &r->expiry);
	if (wb_json_name_is(name, "next"))
		return wb_alert_read(j, &r->next);
	if (wb_json_name_is(name, "due"))
		return r->is_due = wb_alert_read(j, &r->due);
	return wb_json_reader_skip(j, NULL) == WB_JSON_OK;
}

static bool read_state(struct wb_alert_rules *r, struct wb_slice json, int64_t *ret_version)
{
	struct wb_json_reader j;
	struct wb_json_value value;
	struct wb_slice name;
	int more;

	wb_json_reader_init(&j, json);
	if (wb_json_reader_enter(&j) != '{')
		return false;
	while ((more = wb_json_reader_next(&j, &name)) == 1) {
		if (wb_json_name_is(name, "version")) {
			if (wb_json_reader_skip(&j, &value) != WB_JSON_OK || value.type != WB_JSON_NUMBER ||
				wb_strict_int64(value.raw, 0, INT64_MAX, ret_version, NULL) != WB_OK)
				return false;
		} else if (!get_member(&j, name, r)) {
			return false;
		}
	}
	return more == 0 && wb_json_reader_end(&j) == WB_JSON_OK && *ret_version == VERSION;
}

enum wb_err wb_alert_rules_restore(struct wb_alert_rules *r, struct wb_slice json, struct wb_error *e)
{
	struct wb_alert_settings settings = r->settings;
	int64_t version = -1;

	if (read_state(r, json, &version))
		return WB_OK;
	free(r->positions);
	memset(r, 0, sizeof *r);
	r->settings = settings;
	if (version >= 0 && version != VERSION)
		return wb_error_set(e, WB_EINVAL, "the saved state of alerts has version %lld; this program knows %d",
			(long long)version, VERSION);
	return wb_error_set(e, WB_EINVAL, "the saved state of alerts cannot be read");
}
