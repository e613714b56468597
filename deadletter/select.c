#include "deadletter/select.h"

#include "common/base/mem.h"
#include "common/base/strict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX (4u << 20)

void wb_cursor_text(const struct wb_index_letter *row, char ret[WB_CURSOR_SIZE])
{
	(void)snprintf(
		ret, WB_CURSOR_SIZE, "%" PRId64 "/%" PRId32 "/%" PRId64, row->died_ms, row->partition, row->offset);
}

static enum wb_err read_cursor(const char *text, struct wb_index_filter *f, struct wb_error *e)
{
	const char *slash = strchr(text, '/');

	if (!slash ||
		wb_strict_int64(wb_slice(text, (size_t)(slash - text)), INT64_MIN, INT64_MAX, &f->before_died_ms,
			NULL) != WB_OK ||
		!wb_state_place_parse(wb_slice_cstr(slash + 1), &f->before_partition, &f->before_offset))
		return wb_error_set(e, WB_EINVAL, "--cursor %s: it is written as ls gives it", text);
	f->has_before = true;
	return WB_OK;
}

static enum wb_err read_states(const char *text, struct wb_index_filter *f, struct wb_error *e)
{
	enum wb_letter_state state = wb_letter_state_parse(wb_slice_cstr(text));

	if (strcmp(text, "all") == 0)
		f->states = (1u << WB_LETTER_OLDER) - 1;
	else if (state != WB_LETTER_OTHER)
		f->states = 1u << state;
	else
		return wb_error_set(e, WB_EINVAL,
			"--state %s: it is one of open, replayed, discarded, superseded, parked, all", text);
	return WB_OK;
}

static enum wb_err read_where(struct wb_selection *s, const char *text, struct wb_error *e)
{
	const char *equals = strchr(text, '=');
	struct wb_error why = { "it has the form PATH=VALUE, such as /customer/country=DE" };

	if (!equals || wb_json_paths_add(&s->where, wb_slice(text, (size_t)(equals - text)), &why) != WB_OK)
		return wb_error_set(e, WB_EINVAL, "--where %s: %s", text, why.text);
	s->where_value = wb_slice_cstr(equals + 1);
	return WB_OK;
}

enum wb_err wb_selection_init(struct wb_selection *s, const struct wb_deadletter_config *c, struct wb_error *e)
{
	struct wb_index_filter *f = &s->filter;
	enum wb_err err = WB_OK;

	*s = (struct wb_selection){ .filter = { .has_reason = c->reason != WB_REASON_NONE || c->not_ours,
					    .reason = c->reason,
					    .status = (int)c->status,
					    .container = wb_slice_cstr(c->container),
					    .job = wb_slice_cstr(c->job),
					    .key = wb_slice_cstr(c->key),
					    .since_ms = c->since_ms,
					    .until_ms = c->until_ms } };
	wb_buf_init(&s->scratch, VALUE_MAX);
	if (c->state)
		err = read_states(c->state, f, e);
	if (err == WB_OK && c->cursor)
		err = read_cursor(c->cursor, f, e);
	if (err == WB_OK && c->where)
		err = read_where(s, c->where, e);
	if (err != WB_OK)
		wb_selection_release(s);
	return err;
}

void wb_selection_release(struct wb_selection *s)
{
	wb_json_paths_release(&s->where);
	wb_buf_release(&s->scratch);
}

/* A string is compared by what it says, a number by its value, anything else as it is written. */
static bool document_fits(struct wb_selection *s, struct wb_slice document)
{
	struct wb_json_document found;
	struct wb_json_value value;
	struct wb_json_error unused;
	struct wb_slice text;

	if (s->where.count == 0)
		return true;
	if (wb_json_scan_document(document, &s->where, &found, &unused) != WB_JSON_OK ||
		found.keys[0].type == WB_JSON_ABSENT)
		return false;
	if (found.keys[0].type == WB_JSON_STRING) {
		wb_buf_clear(&s->scratch);
		return wb_json_string_decode(found.keys[0].raw, &s->scratch, &text) == WB_OK &&
			wb_slice_eq(text, s->where_value);
	}
	if (found.keys[0].type == WB_JSON_NUMBER)
		return wb_json_scan_value(s->where_value, &value, &unused) == WB_JSON_OK &&
			value.type == WB_JSON_NUMBER && wb_json_number(value.raw) == wb_json_number(found.keys[0].raw);
	return wb_slice_eq(found.keys[0].raw, s->where_value);
}

/* Rows of one chunk with texts of their own, as the index's are gone when Kafka is asked. */
struct chunk {
	struct wb_selection *selection;
	struct wb_index_letter rows[WB_SELECT_CHUNK];
	struct wb_letter_place places[WB_SELECT_CHUNK];
	bool fits[WB_SELECT_CHUNK]; /* its document does */
	size_t count, room;
	uint64_t left;
	wb_selected_fn fn;
	void *arg;
	bool stopped;
};

static bool on_row(void *arg, const struct wb_index_letter *row)
{
	struct chunk *c = arg;

	c->rows[c->count] = *row;
	c->places[c->count++] = (struct wb_letter_place){ row->partition, row->offset };
	return c->count < c->room;
}

static bool on_candidate(void *arg, size_t at, const struct wb_letter *letter)
{
	struct chunk *c = arg;

	c->fits[at] = document_fits(c->selection, letter->record->value);
	return true;
}

/* Leaves the newest rows whose documents fit, at most as many as are wanted. Letters are fetched partition by partition:
 * whoever stopped at the first that fit would not have the newest. */
static enum wb_err keep_fitting(struct chunk *c, struct wb_catalogue *catalogue, struct wb_error *e)
{
	size_t kept = 0;
	enum wb_err err;

	memset(c->fits, 0, sizeof c->fits);
	err = wb_catalogue_fetch(catalogue, c->places, c->count, on_candidate, c, e);
	for (size_t i = 0; i < c->count && kept < c->left; i++) {
		if (!c->fits[i])
			continue;
		c->rows[kept] = c->rows[i];
		c->places[kept++] = c->places[i];
	}
	c->count = kept;
	return err;
}

static bool on_letter(void *arg, size_t at, const struct wb_letter *letter)
{
	struct chunk *c = arg;
	struct wb_index_letter row;

	wb_letter_index(letter, &row);
	row.state = c->rows[at].state;
	c->left--;
	c->stopped = !c->fn(c->arg, &row, letter) || c->left == 0;
	return !c->stopped;
}

static bool on_plain_row(void *arg, const struct wb_index_letter *row)
{
	struct chunk *c = arg;

	c->left--;
	return c->fn(c->arg, row, NULL) && c->left > 0;
}

enum wb_err wb_selection_each(struct wb_selection *s, struct wb_catalogue *catalogue, bool records, uint64_t max,
	wb_selected_fn fn, void *arg, struct wb_error *e)
{
	struct chunk *c = wb_xcalloc(1, sizeof *c);
	struct wb_index_filter filter = s->filter;
	enum wb_err err = WB_OK;

	c->selection = s;
	c->left = max;
	c->fn = fn;
	c->arg = arg;
	if (!records && s->where.count == 0) {
		if (max > 0)
			err = wb_index_each(wb_catalogue_index(catalogue), &filter, on_plain_row, c, e);
		free(c);
		return err;
	}
	while (err == WB_OK && c->left > 0 && !c->stopped) {
		const struct wb_index_letter *last;
		bool more;

		c->count = 0;
		c->room = s->where.count == 0 && c->left < WB_SELECT_CHUNK ? (size_t)c->left : WB_SELECT_CHUNK;
		err = wb_index_each(wb_catalogue_index(catalogue), &filter, on_row, c, e);
		if (err != WB_OK || c->count == 0)
			break;
		more = c->count == c->room;
		last = &c->rows[c->count - 1];
		filter.has_before = true;
		filter.before_died_ms = last->died_ms;
		filter.before_partition = last->partition;
		filter.before_offset = last->offset;
		if (s->where.count)
			err = keep_fitting(c, catalogue, e);
		if (err == WB_OK && c->count > 0)
			err = wb_catalogue_fetch(catalogue, c->places, c->count, on_letter, c, e);
		if (!more)
			break;
	}
	free(c);
	return err;
}
