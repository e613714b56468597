#include "deadletter/cmd_export.h"

#include "common/base/clock.h"
#include "deadletter/select.h"
#include "deadletter/text.h"

#include <inttypes.h>
#include <unistd.h>

#define LINE_MAX_BYTES (256u * 1024 * 1024) /* a 4 MB letter, escaped at its worst, and more */
#define WATCH_US       500000
#define WATCH_MAX      1000000 /* letters of one look */

struct printing {
	const struct wb_deadletter_config *config;
	FILE *out;
	struct wb_buf json, line;
	uint64_t count;
	enum wb_err err;
};

static void start(struct printing *p, const struct wb_deadletter_config *config, FILE *out)
{
	*p = (struct printing){ .config = config, .out = out };
	wb_buf_init(&p->json, LINE_MAX_BYTES);
	wb_buf_init(&p->line, LINE_MAX_BYTES);
}

static void stop_printing(struct printing *p)
{
	wb_buf_release(&p->json);
	wb_buf_release(&p->line);
}

static bool print(struct printing *p)
{
	p->err = wb_buf_status(&p->line);
	if (p->err == WB_OK && fwrite(p->line.data, 1, p->line.len, p->out) != p->line.len)
		p->err = WB_EIO;
	p->count++;
	return p->err == WB_OK;
}

static void json_line(struct printing *p, const struct wb_index_letter *row, const struct wb_letter *letter, bool whole)
{
	wb_buf_clear(&p->json);
	wb_buf_clear(&p->line);
	wb_buf_append_char(&p->json, '{');
	wb_letter_json(letter, wb_letter_state_text(row->state), &p->json);
	if (whole)
		wb_letter_json_record(letter, &p->json);
	wb_buf_append_cstr(&p->json, "}\n");
	wb_text_json_line(&p->line, wb_buf_slice(&p->json));
	if (wb_buf_status(&p->json) != WB_OK)
		p->line.err = wb_buf_status(&p->json);
}

static bool on_exported(void *arg, const struct wb_index_letter *row, const struct wb_letter *letter)
{
	struct printing *p = arg;

	json_line(p, row, letter, true);
	return print(p);
}

enum wb_err wb_cmd_export(const struct wb_deadletter_config *config, struct wb_log *log, FILE *out, uint64_t *ret_found,
	struct wb_error *e)
{
	struct wb_catalogue *catalogue = NULL;
	struct wb_selection selection;
	struct printing p;
	enum wb_err err = wb_selection_init(&selection, config, e);

	if (err != WB_OK)
		return err;
	start(&p, config, out);
	err = wb_catalogue_open(config, log, &catalogue, e);
	if (err == WB_OK)
		err = wb_selection_each(&selection, catalogue, true,
			config->limit ? (uint64_t)config->limit : UINT64_MAX, on_exported, &p, e);
	if (err == WB_OK && p.err != WB_OK)
		err = wb_error_set(e, p.err, "cannot write the output");
	*ret_found = p.count;
	stop_printing(&p);
	wb_selection_release(&selection);
	wb_catalogue_free(&catalogue);
	return err;
}

static bool on_watched(void *arg, const struct wb_index_letter *row, const struct wb_letter *letter)
{
	struct printing *p = arg;
	char died[WB_CLOCK_RFC3339_SIZE];

	if (p->config->json) {
		json_line(p, row, letter, false);
		return print(p);
	}
	wb_buf_clear(&p->line);
	wb_clock_rfc3339(row->died_ms, died);
	died[19] = '\0';
	died[10] = ' ';
	wb_buf_appendf(&p->line, "%s  %d/%" PRId64 "  %s", died, (int)row->partition, row->offset,
		row->reason ? wb_reason_text(row->reason) : "(not ours)");
	if (row->status)
		wb_buf_appendf(&p->line, " %d", row->status);
	wb_buf_append_cstr(&p->line, "  ");
	if (row->container.data) {
		(void)wb_text_line(&p->line, row->container, 64);
		wb_buf_append_cstr(&p->line, "  ");
	}
	if (row->id.data)
		(void)wb_text_line(&p->line, row->id, 64);
	wb_buf_append_cstr(&p->line, ": ");
	(void)wb_text_line(&p->line, letter->facts.why.message, 120);
	wb_buf_append_char(&p->line, '\n');
	return print(p);
}

enum wb_err wb_cmd_watch(const struct wb_deadletter_config *config, struct wb_log *log, FILE *out,
	const volatile sig_atomic_t *stop, struct wb_error *e)
{
	struct wb_catalogue *catalogue = NULL;
	struct wb_selection selection;
	struct printing p;
	enum wb_err err = wb_selection_init(&selection, config, e);

	if (err != WB_OK)
		return err;
	start(&p, config, out);
	err = wb_catalogue_open(config, log, &catalogue, e);
	if (err == WB_OK && !config->since_ms)
		selection.filter.after = wb_index_last(wb_catalogue_index(catalogue));
	while (err == WB_OK && !*stop) {
		int64_t last = wb_index_last(wb_catalogue_index(catalogue));

		/* Everything that was there is gone from the topic: what is there now is new. */
		if (last < selection.filter.after)
			selection.filter.after = 0;
		err = wb_selection_each(&selection, catalogue, true, WATCH_MAX, on_watched, &p, e);
		if (err == WB_OK && (p.err != WB_OK || fflush(out) != 0))
			err = wb_error_set(e, WB_EIO, "cannot write the output");
		selection.filter.after = last;
		if (err == WB_OK && !*stop) {
			(void)usleep(WATCH_US); /* Ctrl-C ends it early, as it should */
			err = wb_catalogue_update(catalogue, e);
		}
	}
	stop_printing(&p);
	wb_selection_release(&selection);
	wb_catalogue_free(&catalogue);
	return err;
}
