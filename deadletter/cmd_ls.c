#include "deadletter/cmd_ls.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "deadletter/select.h"
#include "deadletter/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define ID_CHARS      32
#define JOB_CHARS     8 /* enough to tell jobs apart; --json has the whole id */
#define CELL_MAX      256
#define COLUMNS       10
#define LIMIT_DEFAULT 50
#define ROW_BYTES_MAX (32u << 20) /* headers of 4 MB, which any client may write, escaped at their worst */
#define REASONS_MAX   (WB_REASON_SERVER_ERROR + 1)

static const char *const titles[COLUMNS] = { "LETTER", "DIED", "REASON", "STATUS", "STATE", "CONTAINER", "ID",
	"JOB/SEQ", "ORIGIN", "BYTES" };
static const bool right_aligned[COLUMNS] = { [3] = true, [9] = true };

/* A letter as it will be printed: cells of the table, or one line of JSON. */
struct row {
	int64_t died_ms, offset;
	int32_t partition;
	char *text;              /* cells one after the other, each with a zero; or the JSON line */
	uint16_t chars[COLUMNS]; /* how wide each cell is on a terminal */
};

struct listing {
	const struct wb_deadletter_config *config;
	struct row *rows;
	size_t count, cap;
	uint64_t found, of_reason[REASONS_MAX];
	struct wb_buf scratch, json;
};

static int newer_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->died_ms != y->died_ms)
		return x->died_ms > y->died_ms ? -1 : 1;
	if (x->partition != y->partition)
		return x->partition > y->partition ? -1 : 1;
	return (x->offset < y->offset) - (x->offset > y->offset);
}

static void end_cell(struct listing *l, struct row *row, unsigned column, size_t start)
{
	row->chars[column] = (uint16_t)(l->scratch.len - start);
	wb_buf_append_char(&l->scratch, '\0');
}

static void text_cell(struct listing *l, struct row *row, unsigned column, struct wb_slice text, size_t max_chars)
{
	row->chars[column] = (uint16_t)wb_text_line(&l->scratch, text, max_chars);
	wb_buf_append_char(&l->scratch, '\0');
}

static void cells(struct listing *l, const struct wb_index_letter *letter, struct row *row)
{
	char died[WB_CLOCK_RFC3339_SIZE], number[32], origin[300], job[64] = "-";
	struct wb_slice none = wb_slice_cstr("-");

	wb_clock_rfc3339(letter->died_ms, died);
	died[19] = '\0'; /* seconds are enough for a table */
	died[10] = ' ';
	wb_buf_appendf(&l->scratch, "%d/%" PRId64, (int)letter->partition, letter->offset);
	end_cell(l, row, 0, 0);
	text_cell(l, row, 1, wb_slice_cstr(died), CELL_MAX);
	text_cell(l, row, 2, wb_slice_cstr(letter->reason ? wb_reason_text(letter->reason) : "(not ours)"), CELL_MAX);
	(void)snprintf(number, sizeof number, "%d", letter->status);
	text_cell(l, row, 3, wb_slice_cstr(letter->status ? number : "-"), CELL_MAX);
	text_cell(l, row, 4, wb_slice_cstr(wb_letter_state_text(letter->state)), CELL_MAX);
	text_cell(l, row, 5, letter->container.data ? letter->container : none, ID_CHARS);
	text_cell(l, row, 6, letter->id.data ? letter->id : none, ID_CHARS);
	if (letter->job.data)
		(void)snprintf(job, sizeof job, "%.*s/%" PRIu64,
			(int)(letter->job.len < JOB_CHARS ? letter->job.len : JOB_CHARS), letter->job.data,
			letter->seq);
	text_cell(l, row, 7, wb_slice_cstr(job), CELL_MAX);
	(void)snprintf(origin, sizeof origin, "%.*s/%d@%" PRId64, WB_SLICE_ARGS(letter->origin_topic),
		(int)letter->origin_partition, letter->origin_offset);
	text_cell(l, row, 8, letter->origin_topic.data ? wb_slice_cstr(origin) : none, CELL_MAX);
	(void)snprintf(number, sizeof number, "%" PRId64, letter->bytes);
	text_cell(l, row, 9, wb_slice_cstr(number), CELL_MAX);
}

static void json_line(struct listing *l, const struct wb_index_letter *row, const struct wb_letter *letter)
{
	char cursor[WB_CURSOR_SIZE];

	wb_cursor_text(row, cursor);
	wb_buf_clear(&l->json);
	wb_letter_json(letter, wb_letter_state_text(row->state), &l->json);
	wb_buf_append_char(&l->scratch, '{');
	wb_text_json_line(&l->scratch, wb_buf_slice(&l->json));
	wb_buf_appendf(&l->scratch, ",\"cursor\":\"%s\"}\n", cursor);
}

static bool on_letter(void *arg, const struct wb_index_letter *letter, const struct wb_letter *record)
{
	struct listing *l = arg;
	struct row row = { .died_ms = letter->died_ms, .offset = letter->offset, .partition = letter->partition };

	wb_buf_clear(&l->scratch);
	if (l->config->json)
		json_line(l, letter, record);
	else
		cells(l, letter, &row);
	if (wb_buf_status(&l->scratch) != WB_OK || wb_buf_status(&l->json) != WB_OK)
		return true;
	row.text = wb_xmemdup(l->scratch.data, l->scratch.len);
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->rows = wb_xrealloc(l->rows, l->cap * sizeof *l->rows);
	}
	l->rows[l->count++] = row;
	return true;
}

static void print_row(
	FILE *out, const char *const text[COLUMNS], const size_t chars[COLUMNS], const size_t widths[COLUMNS])
{
	for (unsigned i = 0; i < COLUMNS; i++) {
		int pad = (int)(widths[i] - chars[i]);

		if (right_aligned[i])
			(void)fprintf(out, "%*s%s", pad, "", text[i]);
		else
			(void)fprintf(out, i + 1 < COLUMNS ? "%s%*s" : "%s", text[i], pad, "");
		(void)fputs(i + 1 < COLUMNS ? "  " : "\n", out);
	}
}

static void print_table(const struct listing *l, FILE *out)
{
	size_t widths[COLUMNS], chars[COLUMNS];

	for (unsigned i = 0; i < COLUMNS; i++) {
		widths[i] = chars[i] = strlen(titles[i]);
		for (size_t r = 0; r < l->count; r++)
			if (l->rows[r].chars[i] > widths[i])
				widths[i] = l->rows[r].chars[i];
	}
	print_row(out, titles, chars, widths);
	for (size_t r = 0; r < l->count; r++) {
		const char *text[COLUMNS], *at = l->rows[r].text;

		for (unsigned i = 0; i < COLUMNS; i++) {
			text[i] = at;
			chars[i] = l->rows[r].chars[i];
			at += strlen(at) + 1;
		}
		print_row(out, text, chars, widths);
	}
}

static void print_counts(const struct listing *l, FILE *out)
{
	const char *between = ": ";

	if (l->found > l->count)
		(void)fprintf(out, "the newest %zu of ", l->count);
	(void)fprintf(out, "%" PRIu64 " letter%s", l->found, l->found == 1 ? "" : "s");
	for (unsigned i = 0; i < REASONS_MAX; i++) {
		if (l->of_reason[i] == 0)
			continue;
		(void)fprintf(out, "%s%s %" PRIu64, between, i ? wb_reason_text((enum wb_reason)i) : "not ours",
			l->of_reason[i]);
		between = ", ";
	}
	(void)fputc('\n', out);
}

/* What is behind the last line, where there may be more. */
static void print_cursor(const struct listing *l, uint64_t limit, FILE *out)
{
	const struct row *last = l->count ? &l->rows[l->count - 1] : NULL;
	char cursor[WB_CURSOR_SIZE];

	if (!last || l->count < limit)
		return;
	wb_cursor_text(
		&(struct wb_index_letter){
			.died_ms = last->died_ms, .partition = last->partition, .offset = last->offset },
		cursor);
	(void)fprintf(out, "older ones: --cursor %s\n", cursor);
}

static void print_all(const struct listing *l, uint64_t limit, bool counted, FILE *out)
{
	if (l->config->json) {
		for (size_t i = 0; i < l->count; i++)
			(void)fputs(l->rows[i].text, out);
		return;
	}
	if (l->count)
		print_table(l, out);
	if (counted)
		print_counts(l, out);
	else
		(void)fprintf(out, "%zu letter%s\n", l->count, l->count == 1 ? "" : "s");
	if (l->found > l->count || !counted)
		print_cursor(l, limit, out);
}

/* Documents are not in the index, so that nobody knows how many fit --where. */
static enum wb_err list(
	struct listing *l, struct wb_selection *s, struct wb_catalogue *catalogue, uint64_t limit, struct wb_error *e)
{
	struct wb_index_filter all = s->filter;
	enum wb_err err = wb_selection_each(s, catalogue, l->config->json, limit, on_letter, l, e);

	if (l->count)
		qsort(l->rows, l->count, sizeof *l->rows, newer_first);
	l->found = l->count;
	if (err != WB_OK || s->where.count > 0 || l->config->json)
		return err;
	err = wb_index_count(wb_catalogue_index(catalogue), &all, l->of_reason, e);
	l->found = 0;
	for (unsigned i = 0; i < REASONS_MAX; i++)
		l->found += l->of_reason[i];
	return err;
}

enum wb_err wb_cmd_ls(const struct wb_deadletter_config *config, struct wb_log *log, FILE *out, uint64_t *ret_found,
	struct wb_error *e)
{
	uint64_t limit = config->limit ? (uint64_t)config->limit : LIMIT_DEFAULT;
	struct listing l = { .config = config };
	struct wb_catalogue *catalogue = NULL;
	struct wb_selection selection;
	enum wb_err err = wb_selection_init(&selection, config, e);

	if (err != WB_OK)
		return err;
	wb_buf_init(&l.scratch, ROW_BYTES_MAX);
	wb_buf_init(&l.json, ROW_BYTES_MAX);
	err = wb_catalogue_open(config, log, &catalogue, e);
	if (err == WB_OK)
		err = list(&l, &selection, catalogue, limit, e);
	if (err == WB_OK) {
		print_all(&l, limit, selection.where.count == 0, out);
		*ret_found = l.found;
	}
	for (size_t i = 0; i < l.count; i++)
		free(l.rows[i].text);
	free(l.rows);
	wb_buf_release(&l.scratch);
	wb_buf_release(&l.json);
	wb_selection_release(&selection);
	wb_catalogue_free(&catalogue);
	return err;
}
