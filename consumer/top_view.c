#include "consumer/top_view.h"

#include "common/base/mem.h"
#include "consumer/top_table.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HELD_SECONDS_MIN 1 /* what is held for less is just on its way */
#define BAR              20
#define TEXT_MAX         (32 * 1024 * 1024)

/* What rates are made of. */
struct sample {
	int64_t at_ms; /* 0: none */
	double records, bytes, outcomes, dead;
};

struct consumer {
	const char *url;
	json_t *state; /* NULL: none yet */
	char why[200]; /* why there is none now; "" when there is */
	struct sample now, before;
};

struct wb_top_view {
	struct consumer *consumers;
	size_t count;
};

struct wb_top_view *wb_top_view_new(const char *const *urls, size_t count)
{
	struct wb_top_view *v = wb_xcalloc(1, sizeof *v);

	v->consumers = wb_xcalloc(count, sizeof *v->consumers);
	v->count = count;
	for (size_t i = 0; i < count; i++)
		v->consumers[i].url = urls[i];
	return v;
}

void wb_top_view_free(struct wb_top_view **v)
{
	if (!*v)
		return;
	for (size_t i = 0; i < (*v)->count; i++)
		json_decref((*v)->consumers[i].state);
	free((*v)->consumers);
	free(*v);
	*v = NULL;
}

/* Of a member that is missing or of another kind: nothing. */
static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static double number_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static bool is_null(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return !value || json_is_null(value);
}

static struct sample sample_of(const json_t *state, int64_t now_ms)
{
	const json_t *totals = json_object_get(state, "totals");
	double dead = number_of(totals, "dead");

	return (struct sample){ .at_ms = now_ms,
		.records = number_of(totals, "records"),
		.bytes = number_of(totals, "bytes"),
		.outcomes = number_of(totals, "written") + number_of(totals, "superseded") + dead,
		.dead = dead };
}

enum wb_err wb_top_view_take(struct wb_top_view *v, size_t i, struct wb_slice json, int64_t now_ms, struct wb_error *e)
{
	struct consumer *c = &v->consumers[i];
	json_t *state = json_loadb(json.data, json.len, 0, NULL);

	if (!json_is_array(json_object_get(state, "partitions")) || !json_is_object(json_object_get(state, "faults"))) {
		json_decref(state);
		wb_top_view_fail(v, i, "the answer is no consumer's state");
		return wb_error_set(e, WB_EINVAL, "%s", c->why);
	}
	json_decref(c->state);
	c->state = state;
	c->why[0] = '\0';
	c->before = c->now;
	c->now = sample_of(state, now_ms);
	return WB_OK;
}

void wb_top_view_fail(struct wb_top_view *v, size_t i, const char *why)
{
	struct consumer *c = &v->consumers[i];

	(void)snprintf(c->why, sizeof c->why, "%s", why); /* cutting is meant */
	json_decref(c->state);
	c->state = NULL;
	c->before = c->now = (struct sample){ 0 };
}

/* Seconds since the epoch of "2026-01-02T03:04:05.678Z"; 0 for anything else. */
static int64_t seconds_of(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : 0;
}

/* From a moment in the state to the state's own time. */
static int64_t seconds_since(const json_t *state, const json_t *object, const char *key)
{
	int64_t since = seconds_of(text_of(object, key));

	return since ? seconds_of(text_of(state, "now")) - since : 0;
}

static void append_text(struct wb_buf *to, const char *text)
{
	wb_top_append_safe(to, wb_slice_cstr(text));
}

/* "12,345 label/s", or a dash before there are two states of one life. */
static void append_rate(struct wb_buf *to, const struct consumer *c, double now, double before, const char *label)
{
	double seconds = (double)(c->now.at_ms - c->before.at_ms) / 1000;

	if (c->before.at_ms && seconds > 0 && now >= before)
		wb_top_append_number(to, (now - before) / seconds);
	else
		wb_buf_append_char(to, '-');
	wb_buf_appendf(to, " %s/s", label);
}

static double sum_of(const json_t *state, const char *list, const char *key)
{
	const json_t *one;
	double sum = 0;
	size_t i;

	json_array_foreach(json_object_get(state, list), i, one)
		sum += number_of(one, key);
	return sum;
}

static void append_memory(struct wb_buf *to, const json_t *state)
{
	const json_t *memory = json_object_get(state, "memory");
	double held = number_of(memory, "heldBytes"), budget = number_of(memory, "budgetBytes");
	double full = budget > 0 ? held / budget * BAR : 0;

	wb_buf_append_cstr(to, "memory [");
	for (int i = 0; i < BAR; i++)
		wb_buf_append_char(to, i < full ? '#' : '-');
	wb_buf_append_cstr(to, "] ");
	wb_top_append_bytes(to, held);
	wb_buf_append_cstr(to, " of ");
	wb_top_append_bytes(to, budget);
}

static void append_membership(struct wb_buf *to, const json_t *state)
{
	const json_t *group = json_object_get(state, "group");

	wb_buf_append_cstr(to, "group ");
	append_text(to, text_of(group, "id"));
	wb_buf_append_cstr(to, is_true(group, "member") ? ", member" : ", no member");
	if (is_true(group, "joining"))
		wb_buf_append_cstr(to, ", joining");
	if (strcmp(text_of(group, "change"), "none") != 0 && text_of(group, "change")[0]) {
		wb_buf_append_cstr(to, ", answering ");
		append_text(to, text_of(group, "change"));
	}
	wb_buf_appendf(to, ", %zu partitions", json_array_size(json_object_get(state, "partitions")));
}

/* Three lines about each consumer. */
static void render_head(const struct wb_top_view *v, size_t i, struct wb_buf *ret)
{
	const struct consumer *c = &v->consumers[i];

	if (v->count > 1)
		wb_buf_appendf(ret, "#%zu ", i + 1);
	append_text(ret, c->url);
	if (!c->state) {
		wb_buf_append_cstr(ret, "  UNREACHABLE: ");
		append_text(ret, c->why[0] ? c->why : "not asked yet");
		wb_buf_append_char(ret, '\n');
		return;
	}
	wb_buf_append_cstr(ret, is_true(json_object_get(c->state, "faults"), "ready") ? "  ready  " : "  NOT READY  ");
	append_membership(ret, c->state);
	wb_buf_append_cstr(ret, ", up ");
	wb_top_append_duration(ret, (int64_t)number_of(c->state, "uptimeSeconds"));
	wb_buf_append_cstr(ret, ", ");
	append_text(ret, text_of(c->state, "version"));
	wb_buf_append_cstr(ret, "\n  ");
	append_rate(ret, c, c->now.outcomes, c->before.outcomes, "docs");
	wb_buf_append_cstr(ret, "  ");
	append_rate(ret, c, c->now.bytes / 1024, c->before.bytes / 1024, "KiB");
	wb_buf_append_cstr(ret, "  lag ");
	wb_top_append_number(ret, sum_of(c->state, "partitions", "lag"));
	wb_buf_append_cstr(ret, "  pending ");
	wb_top_append_number(ret, sum_of(c->state, "partitions", "pending"));
	wb_buf_append_cstr(ret, "  dead ");
	wb_top_append_number(ret, c->now.dead);
	wb_buf_append_cstr(ret, "\n  ");
	append_memory(ret, c->state);
	wb_buf_append_char(ret, '\n');
}

/* Which consumer a row is about, where there are several: "#2". */
static void add_consumer(const struct wb_top_view *v, struct wb_top_table *t, size_t i)
{
	char number[24];

	(void)snprintf(number, sizeof number, "#%zu", i + 1); /* it fits */
	wb_top_table_text(t, v->count > 1 ? number : "");
}

static void add_duration(struct wb_top_table *t, struct wb_buf *cell, int64_t seconds)
{
	wb_top_append_duration(cell, seconds);
	wb_top_table_cell(t, cell);
}

/* "db/orders", or "" */
static void add_container(struct wb_top_table *t, struct wb_buf *cell, const json_t *one)
{
	append_text(cell, text_of(one, "database"));
	if (text_of(one, "container")[0])
		wb_buf_append_char(cell, '/');
	append_text(cell, text_of(one, "container"));
	wb_top_table_cell(t, cell);
}

static const struct wb_top_column fault_columns[] = { { "", false }, { "FAULT", false }, { "FOR", true },
	{ "WHY", false } };

static void add_faults(const struct wb_top_view *v, size_t i, struct wb_top_table *t, struct wb_buf *cell)
{
	const json_t *state = v->consumers[i].state, *faults = json_object_get(state, "faults"), *one;
	size_t n;

	json_array_foreach(json_object_get(faults, "conditions"), n, one) {
		add_consumer(v, t, i);
		wb_top_table_text(t, text_of(one, "name"));
		add_duration(t, cell, seconds_since(state, one, "since"));
		wb_top_table_text(t, text_of(one, "why"));
	}
	json_array_foreach(json_object_get(faults, "outages"), n, one) {
		add_consumer(v, t, i);
		wb_top_table_text(t, "outage");
		add_duration(t, cell, seconds_since(state, one, "since"));
		wb_buf_append_cstr(cell, "range ");
		append_text(cell, text_of(one, "range"));
		wb_buf_append_cstr(cell, " of ");
		add_container(t, cell, one);
	}
	json_array_foreach(json_object_get(state, "unanswered"), n, one) {
		add_consumer(v, t, i);
		wb_top_table_text(t, "unanswered");
		wb_top_table_text(t, "");
		wb_buf_append_cstr(cell, "thread ");
		append_text(cell, json_string_value(one) ? json_string_value(one) : "");
		wb_buf_append_cstr(cell, " does not say how it stands");
		wb_top_table_cell(t, cell);
	}
}

static const struct wb_top_column held_columns[] = { { "", false }, { "HELD", true }, { "WRITE", false },
	{ "STATE", false }, { "TRIES", true }, { "STATUS", true }, { "CONTAINER", false }, { "ID", false } };

static void add_held(const struct wb_top_view *v, size_t i, struct wb_top_table *t, struct wb_buf *cell)
{
	const json_t *state = v->consumers[i].state, *one;
	size_t n;

	json_array_foreach(json_object_get(state, "held"), n, one) {
		int64_t seconds = seconds_since(state, one, "heldSince");

		if (seconds < HELD_SECONDS_MIN)
			continue;
		add_consumer(v, t, i);
		add_duration(t, cell, seconds);
		append_text(cell, text_of(one, "topic"));
		wb_buf_appendf(cell, "/%.0f@%.0f", number_of(one, "partition"), number_of(one, "offset"));
		wb_top_table_cell(t, cell);
		append_text(cell, text_of(one, "state"));
		wb_buf_append_cstr(cell, is_true(one, "alone") ? ", alone" : "");
		wb_top_table_cell(t, cell);
		wb_top_table_number(t, number_of(one, "attempts"));
		if (number_of(one, "status") > 0)
			wb_buf_appendf(cell, "%.0f/%.0f", number_of(one, "status"), number_of(one, "substatus"));
		wb_top_table_cell(t, cell);
		add_container(t, cell, one);
		append_text(cell, text_of(one, "id"));
		wb_buf_append_cstr(cell, is_true(one, "idCut") ? "..." : "");
		wb_top_table_cell(t, cell);
	}
}

static const struct wb_top_column range_columns[] = { { "", false }, { "CONTAINER", false }, { "RANGE", true },
	{ "WORKER", true }, { "READY", true }, { "IN FLIGHT", true }, { "THROTTLED", true }, { "REQUEST UNITS", true },
	{ "", false } };

static void add_ranges(const struct wb_top_view *v, size_t i, struct wb_top_table *t, struct wb_buf *cell)
{
	const json_t *one;
	size_t n;

	json_array_foreach(json_object_get(v->consumers[i].state, "ranges"), n, one) {
		add_consumer(v, t, i);
		add_container(t, cell, one);
		wb_top_table_text(t, text_of(one, "range"));
		wb_top_table_number(t, number_of(one, "worker"));
		wb_top_table_number(t, number_of(one, "ready"));
		wb_buf_appendf(cell, "%.0f of %.0f", number_of(one, "inFlight"), number_of(one, "limit"));
		wb_top_table_cell(t, cell);
		if (number_of(one, "throttledForMs") > 0)
			wb_buf_appendf(cell, "%.0f ms", number_of(one, "throttledForMs"));
		wb_top_table_cell(t, cell);
		wb_top_table_number(t, number_of(one, "requestCharge"));
		wb_top_table_text(t,
			!is_null(one, "outageSince")            ? "OUTAGE"
				: !is_null(one, "refusedSince") ? "REFUSES"
								: "");
	}
}

static const struct wb_top_column partition_columns[] = { { "", false }, { "PARTITION", false }, { "LAG", true },
	{ "PENDING", true }, { "GAP", true }, { "POSITION", true }, { "COMMITTED", true }, { "STANDS AT", true },
	{ "FOR", true }, { "", false } };

static void add_offset(struct wb_top_table *t, const json_t *one, const char *key)
{
	if (is_null(one, key))
		wb_top_table_text(t, "-");
	else
		wb_top_table_number(t, number_of(one, key));
}

static void add_partitions(const struct wb_top_view *v, size_t i, struct wb_top_table *t, struct wb_buf *cell)
{
	const json_t *state = v->consumers[i].state, *one;
	size_t n;

	json_array_foreach(json_object_get(state, "partitions"), n, one) {
		add_consumer(v, t, i);
		append_text(cell, text_of(one, "topic"));
		wb_buf_appendf(cell, "/%.0f", number_of(one, "partition"));
		wb_top_table_cell(t, cell);
		add_offset(t, one, "lag");
		wb_top_table_number(t, number_of(one, "pending"));
		wb_top_table_number(t, number_of(one, "gap"));
		add_offset(t, one, "position");
		add_offset(t, one, "committed");
		add_offset(t, one, "standsAt");
		if (!is_null(one, "standsSince"))
			wb_top_append_duration(cell, seconds_since(state, one, "standsSince"));
		wb_top_table_cell(t, cell);
		wb_top_table_text(t,
			!is_null(one, "lost")             ? "RECORDS LOST"
				: is_true(one, "paused")  ? "paused"
				: is_true(one, "revoked") ? "goes"
							  : "");
	}
}

static const struct section {
	const char *title;
	const struct wb_top_column *columns;
	size_t column_count;
	void (*add)(const struct wb_top_view *v, size_t i, struct wb_top_table *t, struct wb_buf *cell);
} sections[] = {
	{ "FAULTS", fault_columns, WB_ARRAY_LEN(fault_columns), add_faults },
	{ "HELD for long", held_columns, WB_ARRAY_LEN(held_columns), add_held },
	{ "RANGES", range_columns, WB_ARRAY_LEN(range_columns), add_ranges },
	{ "PARTITIONS", partition_columns, WB_ARRAY_LEN(partition_columns), add_partitions },
};

/* Blank line, title, heads. */
#define SECTION_LINES 3

static size_t lines_of(const struct wb_buf *b)
{
	size_t lines = 0;

	for (size_t i = 0; i < b->len; i++)
		lines += b->data[i] == '\n';
	return lines;
}

/* left: lines of the window; SIZE_MAX: there is no window. */
static void render_section(
	const struct wb_top_view *v, const struct section *s, size_t width, size_t left, struct wb_buf *ret)
{
	struct wb_top_table table;
	struct wb_buf cell;
	size_t rows, room = left > SECTION_LINES ? left - SECTION_LINES : 0;

	wb_buf_init(&cell, 64 * 1024);
	wb_top_table_init(&table, s->columns, s->column_count);
	for (size_t i = 0; i < v->count; i++) {
		if (v->consumers[i].state)
			s->add(v, i, &table, &cell);
	}
	rows = wb_top_table_rows(&table);
	if (rows > 0 && room > 0) {
		wb_buf_appendf(ret, "\n%s", s->title);
		if (rows > room)
			wb_buf_appendf(ret, " (the first %zu of %zu)", room, rows);
		wb_buf_append_char(ret, '\n');
		wb_top_table_render(&table, room, width, ret);
	}
	wb_top_table_release(&table);
	wb_buf_release(&cell);
}

/* Lines that are too wide are cut, and what is below the window left out. */
static void fit(const struct wb_buf *text, size_t width, size_t height, struct wb_buf *ret)
{
	size_t lines = 0, column = 0;

	for (size_t i = 0; i < text->len && (height == 0 || lines < height); i++) {
		char c = text->data[i];

		if (c == '\n' || column < width)
			wb_buf_append_char(ret, c);
		column = c == '\n' ? 0 : column + 1;
		lines += c == '\n';
	}
}

void wb_top_view_render(const struct wb_top_view *v, size_t width, size_t height, struct wb_buf *ret)
{
	struct wb_buf text;

	wb_buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < v->count; i++)
		render_head(v, i, &text);
	for (size_t i = 0; i < WB_ARRAY_LEN(sections); i++) {
		size_t used = lines_of(&text);
		size_t left = height == 0 ? SIZE_MAX : height > used ? height - used : 0;

		/* Whatever is wrong is shown; a long table leaves their share to those below it. */
		if (height > 0 && i > 0 && left / (WB_ARRAY_LEN(sections) - i) > SECTION_LINES)
			left /= WB_ARRAY_LEN(sections) - i;
		render_section(v, &sections[i], width, left, &text);
	}
	fit(&text, width, height, ret);
	wb_buf_release(&text);
}
