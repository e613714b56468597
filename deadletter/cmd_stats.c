#include "deadletter/cmd_stats.h"

#include "common/base/clock.h"
#include "common/kafka/topics.h"
#include "deadletter/select.h"
#include "deadletter/tally.h"
#include "deadletter/text.h"

#include <inttypes.h>

#define PAGE_MAX   (4u << 20)
#define NAME_CHARS 40
#define TOP_SHOWN  10
#define DAY_MS     (24 * WB_HOUR_MS)

struct stats {
	struct wb_tally tally;
	int64_t retention_ms; /* -1: for ever; 0: not told */
	struct wb_buf page;
};

static bool on_letter(void *arg, const struct wb_index_letter *letter)
{
	wb_tally_add(arg, letter);
	return true;
}

static bool on_selected(void *arg, const struct wb_index_letter *row, const struct wb_letter *letter)
{
	(void)letter;
	wb_tally_add(arg, row);
	return true;
}

static void count_line(struct wb_buf *b, struct wb_slice name, uint64_t count, uint64_t total)
{
	size_t chars;

	wb_buf_append_cstr(b, "  ");
	chars = wb_text_line(b, name, NAME_CHARS);
	wb_text_pad(b, NAME_CHARS - chars);
	wb_buf_appendf(b, "  %9" PRIu64 "  %3.0f%%\n", count, 100.0 * (double)count / (double)total);
}

static void reasons(struct stats *s)
{
	bool shown[WB_REASON_SERVER_ERROR + 1] = { false };

	wb_buf_append_cstr(&s->page, "\nby reason\n");
	for (;;) {
		size_t most = 0;
		uint64_t count = 0;

		for (size_t i = 0; i <= WB_REASON_SERVER_ERROR; i++)
			if (!shown[i] && s->tally.of_reason[i] > count) {
				most = i;
				count = s->tally.of_reason[i];
			}
		if (count == 0)
			return;
		shown[most] = true;
		count_line(&s->page, wb_slice_cstr(most ? wb_reason_text((enum wb_reason)most) : "(not ours)"), count,
			s->tally.total);
	}
}

static void containers(struct stats *s)
{
	const struct wb_tally *t = &s->tally;
	uint64_t rest = t->other_containers;

	wb_buf_append_cstr(&s->page, "\nby container\n");
	for (size_t i = 0; i < t->container_count; i++) {
		const struct wb_tally_container *c = &t->containers[i];

		if (i < TOP_SHOWN)
			count_line(&s->page,
				c->name ? wb_slice(c->name, c->len) : wb_slice_cstr("(the consumers' default)"),
				c->count, t->total);
		else
			rest += c->count;
	}
	if (rest)
		count_line(&s->page, wb_slice_cstr("(others)"), rest, t->total);
}

static void duration(int64_t ms, struct wb_buf *ret)
{
	if (ms >= 2 * DAY_MS)
		wb_buf_appendf(ret, "%" PRId64 " days", ms / DAY_MS);
	else if (ms >= 2 * WB_HOUR_MS)
		wb_buf_appendf(ret, "%" PRId64 " h", ms / WB_HOUR_MS);
	else
		wb_buf_appendf(ret, "%" PRId64 " min", ms / 60000);
}

static void hours(struct stats *s)
{
	const struct wb_tally *t = &s->tally;
	uint64_t highest = 0;

	for (size_t i = 0; i < WB_TALLY_HOURS; i++)
		highest = t->of_hour[i] > highest ? t->of_hour[i] : highest;
	wb_buf_appendf(&s->page, "\nby hour, the last %d, at most %" PRIu64 " an hour\n  |", WB_TALLY_HOURS, highest);
	wb_tally_sparkline(t->of_hour, WB_TALLY_HOURS, &s->page);
	wb_buf_append_cstr(&s->page, "| now\n");
	if (t->earlier)
		wb_buf_appendf(&s->page, "  %" PRIu64 " died earlier\n", t->earlier);
}

static void expiry(struct stats *s)
{
	char died[WB_CLOCK_RFC3339_SIZE];
	int64_t left_ms = s->tally.oldest_ms + s->retention_ms - s->tally.now_ms;

	wb_clock_rfc3339(s->tally.oldest_ms, died);
	wb_buf_appendf(&s->page, "\nthe oldest died %s and expires ", died);
	if (s->retention_ms < 0) {
		wb_buf_append_cstr(&s->page, "never: retention.ms is unlimited\n");
	} else if (s->retention_ms == 0) {
		wb_buf_append_cstr(&s->page, "nobody knows when: the cluster does not tell retention.ms\n");
	} else if (left_ms <= 0) {
		wb_buf_append_cstr(&s->page, "any moment: retention.ms is over\n");
	} else {
		wb_buf_append_cstr(&s->page, "in ");
		duration(left_ms, &s->page);
		wb_buf_append_cstr(&s->page, ", by the topic's retention.ms of ");
		duration(s->retention_ms, &s->page);
		wb_buf_append_char(&s->page, '\n');
	}
}

static void for_a_person(struct stats *s, const char *what)
{
	wb_buf_appendf(&s->page, "%" PRIu64 " %s letter%s\n", s->tally.total, what, s->tally.total == 1 ? "" : "s");
	if (s->tally.total == 0)
		return;
	reasons(s);
	containers(s);
	hours(s);
	expiry(s);
}

static void as_json(struct stats *s, const char *what)
{
	const struct wb_tally *t = &s->tally;
	const char *between = "";

	wb_buf_appendf(&s->page, "{\"state\":\"%s\",\"total\":%" PRIu64 ",\"reasons\":{", what, t->total);
	for (size_t i = 0; i <= WB_REASON_SERVER_ERROR; i++)
		if (t->of_reason[i]) {
			wb_buf_appendf(&s->page, "%s\"%s\":%" PRIu64, between,
				i ? wb_reason_text((enum wb_reason)i) : "none", t->of_reason[i]);
			between = ",";
		}
	wb_buf_append_cstr(&s->page, "},\"containers\":[");
	for (size_t i = 0; i < t->container_count; i++) {
		wb_buf_append_cstr(&s->page, i ? ",{\"container\":" : "{\"container\":");
		if (t->containers[i].name)
			wb_buf_append_json_string(&s->page, wb_slice(t->containers[i].name, t->containers[i].len));
		else
			wb_buf_append_cstr(&s->page, "null");
		wb_buf_appendf(&s->page, ",\"count\":%" PRIu64 "}", t->containers[i].count);
	}
	wb_buf_append_cstr(&s->page, "],\"hours\":[");
	for (size_t i = 0; i < WB_TALLY_HOURS; i++) {
		char hour[WB_CLOCK_RFC3339_SIZE];

		wb_clock_rfc3339((t->now_ms / WB_HOUR_MS - (int64_t)(WB_TALLY_HOURS - 1 - i)) * WB_HOUR_MS, hour);
		wb_buf_appendf(
			&s->page, "%s{\"hour\":\"%s\",\"count\":%" PRIu64 "}", i ? "," : "", hour, t->of_hour[i]);
	}
	wb_buf_appendf(&s->page, "],\"earlier\":%" PRIu64 ",\"retentionMs\":", t->earlier);
	if (s->retention_ms == 0)
		wb_buf_append_cstr(&s->page, "null");
	else
		wb_buf_append_i64(&s->page, s->retention_ms);
	if (t->total)
		wb_buf_appendf(&s->page, ",\"oldestDiedAtMs\":%" PRId64, t->oldest_ms);
	if (t->total && s->retention_ms > 0)
		wb_buf_appendf(&s->page, ",\"oldestExpiresInMs\":%" PRId64, t->oldest_ms + s->retention_ms - t->now_ms);
	wb_buf_append_cstr(&s->page, "}\n");
}

static enum wb_err count(struct stats *s, const struct wb_deadletter_config *config, struct wb_log *log,
	struct wb_selection *selection, struct wb_error *e)
{
	struct wb_catalogue *catalogue = NULL;
	enum wb_err err = wb_catalogue_open(config, log, &catalogue, e);

	if (err == WB_OK && selection->where.count)
		err = wb_selection_each(selection, catalogue, true, UINT64_MAX, on_selected, &s->tally, e);
	else if (err == WB_OK)
		err = wb_index_tally(wb_catalogue_index(catalogue), &selection->filter, on_letter, &s->tally, e);
	wb_catalogue_free(&catalogue);
	if (err == WB_OK)
		err = wb_topics_letters_retention(&config->kafka, config->timeout_ms, log, &s->retention_ms, e);
	return err;
}

enum wb_err wb_cmd_stats(const struct wb_deadletter_config *config, int64_t now_ms, struct wb_log *log, FILE *out,
	uint64_t *ret_found, struct wb_error *e)
{
	const char *what = !config->state ? "open" : strcmp(config->state, "all") == 0 ? "" : config->state;
	struct stats s = { .retention_ms = 0 };
	struct wb_selection selection;
	enum wb_err err = wb_selection_init(&selection, config, e);

	if (err != WB_OK)
		return err;
	wb_tally_init(&s.tally, now_ms);
	wb_buf_init(&s.page, PAGE_MAX);
	err = count(&s, config, log, &selection, e);
	if (err == WB_OK) {
		wb_tally_sort(&s.tally);
		if (config->json)
			as_json(&s, config->state ? config->state : "open");
		else
			for_a_person(&s, what);
		err = wb_buf_status(&s.page);
	}
	if (err == WB_OK && fwrite(s.page.data, 1, s.page.len, out) != s.page.len)
		err = wb_error_set(e, WB_EIO, "cannot write the output");
	*ret_found = s.tally.total;
	wb_tally_release(&s.tally);
	wb_buf_release(&s.page);
	wb_selection_release(&selection);
	return err;
}
