#include "deadletter/cmd_ls.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "deadletter/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define ID_CHARS      32
#define JOB_CHARS     8 /* enough to tell jobs apart; --json has the whole id */
#define CELL_MAX      256
#define COLUMNS       8
#define ROW_BYTES_MAX (32u << 20) /* headers of 4 MB, which any client may write, escaped at their worst */
#define REASONS_MAX   (WB_REASON_SERVER_ERROR + 1)

static const char *const titles[COLUMNS] = { "LETTER", "DIED", "REASON", "STATUS", "ID", "JOB/SEQ", "ORIGIN", "BYTES" };
static const bool right_aligned[COLUMNS] = { [3] = true, [7] = true };

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

static int older_first(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->died_ms != y->died_ms)
		return x->died_ms < y->died_ms ? -1 : 1;
	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Keeps the newest --limit rows. It runs when twice as many have come, so that each row is sorted a few times only. */
static void keep_newest(struct listing *l)
{
	size_t limit = (size_t)l->config->limit, drop = l->count > limit ? l->count - limit : 0;

	if (l->count == 0)
		return;
	qsort(l->rows, l->count, sizeof *l->rows, older_first);
	for (size_t i = 0; i < drop; i++)
		free(l->rows[i].text);
	memmove(l->rows, l->rows + drop, (l->count - drop) * sizeof *l->rows);
	l->count -= drop;
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

static void cells(struct listing *l, const struct wb_letter *letter, struct row *row)
{
	const struct wb_kafka_record *record = letter->record;
	char died[WB_CLOCK_RFC3339_SIZE], number[32], origin[300], job[64] = "-";

	wb_clock_rfc3339(record->timestamp_ms, died);
	died[19] = '\0'; /* seconds are enough for a table */
	died[10] = ' ';
	wb_buf_appendf(&l->scratch, "%d/%" PRId64, (int)record->partition, record->offset);
	end_cell(l, row, 0, 0);
	text_cell(l, row, 1, wb_slice_cstr(died), CELL_MAX);
	text_cell(l, row, 2, wb_slice_cstr(letter->why.reason ? wb_reason_text(letter->why.reason) : "(not ours)"),
		CELL_MAX);
	(void)snprintf(number, sizeof number, "%d", letter->why.status);
	text_cell(l, row, 3, wb_slice_cstr(letter->why.status ? number : "-"), CELL_MAX);
	text_cell(l, row, 4, letter->id.data ? letter->id : wb_slice_cstr("-"), ID_CHARS);
	if (letter->meta.job.data)
		(void)snprintf(job, sizeof job, "%.*s/%" PRIu64,
			(int)(letter->meta.job.len < JOB_CHARS ? letter->meta.job.len : JOB_CHARS),
			letter->meta.job.data, letter->meta.seq);
	text_cell(l, row, 5, wb_slice_cstr(job), CELL_MAX);
	(void)snprintf(origin, sizeof origin, "%.*s/%d@%" PRId64, WB_SLICE_ARGS(letter->why.origin_topic),
		(int)letter->why.origin_partition, letter->why.origin_offset);
	text_cell(l, row, 6, wb_slice_cstr(letter->why.origin_topic.data ? origin : "-"), CELL_MAX);
	(void)snprintf(number, sizeof number, "%zu", record->value.len);
	text_cell(l, row, 7, wb_slice_cstr(number), CELL_MAX);
}

static bool fits(const struct wb_deadletter_config *c, const struct wb_letter *letter)
{
	if (c->reason != WB_REASON_NONE && letter->why.reason != c->reason)
		return false;
	if (c->since_ms && letter->record->timestamp_ms < c->since_ms)
		return false;
	return !c->job || wb_slice_eq_cstr(letter->meta.job, c->job);
}

static bool on_letter(void *arg, const struct wb_letter *letter)
{
	struct listing *l = arg;
	struct row row = { .died_ms = letter->record->timestamp_ms,
		.offset = letter->record->offset,
		.partition = letter->record->partition };

	if (!fits(l->config, letter))
		return true;
	l->found++;
	l->of_reason[letter->why.reason]++;
	wb_buf_clear(&l->scratch);
	if (l->config->json) {
		wb_buf_clear(&l->json);
		wb_letter_json(letter, &l->json);
		wb_buf_append_char(&l->scratch, '{');
		wb_text_json_line(&l->scratch, wb_buf_slice(&l->json));
		wb_buf_append_cstr(&l->scratch, "}\n");
	} else {
		cells(l, letter, &row);
	}
	if (wb_buf_status(&l->scratch) != WB_OK || wb_buf_status(&l->json) != WB_OK)
		return true;
	row.text = wb_xmemdup(l->scratch.data, l->scratch.len);
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->rows = wb_xrealloc(l->rows, l->cap * sizeof *l->rows);
	}
	l->rows[l->count++] = row;
	if (l->count >= 2 * (size_t)l->config->limit)
		keep_newest(l);
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

enum wb_err wb_cmd_ls(const struct wb_deadletter_config *config, struct wb_log *log, FILE *out, uint64_t *ret_found,
	struct wb_error *e)
{
	struct listing l = { .config = config };
	enum wb_err err;

	wb_buf_init(&l.scratch, ROW_BYTES_MAX);
	wb_buf_init(&l.json, ROW_BYTES_MAX);
	err = wb_letters_read(config, config->since_ms, on_letter, &l, log, e);
	if (err == WB_OK) {
		keep_newest(&l);
		if (config->json) {
			for (size_t i = 0; i < l.count; i++)
				(void)fputs(l.rows[i].text, out);
		} else {
			if (l.count)
				print_table(&l, out);
			print_counts(&l, out);
		}
		*ret_found = l.found;
	}
	for (size_t i = 0; i < l.count; i++)
		free(l.rows[i].text);
	free(l.rows);
	wb_buf_release(&l.scratch);
	wb_buf_release(&l.json);
	return err;
}
