#include "deadletter/audit_report.h"

#include "common/base/mem.h"
#include "deadletter/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define COLUMNS    7 /* a name and the six numbers of the ledger */
#define NAME_CHARS 80
#define LINE_BYTES 1024
#define FIRST_ROOM 16

/* An owner that does not balance. */
struct row {
	struct wb_audit_owner owner;
	bool accepted;
	struct wb_audit_counts counts;
};

struct wb_audit_report {
	size_t limit;
	struct wb_audit_counts jobs, origins; /* sums */
	uint64_t job_count, accepted_count, origin_count;
	uint64_t row_total, fault_total; /* kept or not */
	struct row *rows;
	size_t row_count, row_cap;
	struct wb_audit_fault *faults;
	size_t fault_count, fault_cap;
};

struct wb_audit_report *wb_audit_report_new(size_t limit)
{
	struct wb_audit_report *r = wb_xcalloc(1, sizeof *r);

	r->limit = limit;
	return r;
}

void wb_audit_report_free(struct wb_audit_report **report)
{
	if (!*report)
		return;
	free((*report)->rows);
	free((*report)->faults);
	free(*report);
	*report = NULL;
}

/* Room for one more of limit at most; false where there is none. */
static bool make_room(void **list, size_t count, size_t *cap, size_t size, size_t limit)
{
	if (count >= limit)
		return false;
	if (count == *cap) {
		*cap = *cap ? 2 * *cap : FIRST_ROOM;
		*list = wb_xrealloc(*list, *cap * size);
	}
	return true;
}

static void on_fault(void *arg, const struct wb_audit_fault *fault)
{
	struct wb_audit_report *r = arg;
	void *list = r->faults;

	r->fault_total++;
	if (!make_room(&list, r->fault_count, &r->fault_cap, sizeof *r->faults, r->limit))
		return;
	r->faults = list;
	r->faults[r->fault_count++] = *fault;
}

static void on_owner(void *arg, const struct wb_audit_owner *owner, bool accepted, const struct wb_audit_counts *counts)
{
	struct wb_audit_report *r = arg;
	void *list = r->rows;

	wb_audit_counts_add(owner->origin ? &r->origins : &r->jobs, counts);
	/* An origin of which there is only its log's end has no untracked writes. */
	r->origin_count += owner->origin && (counts->accepted || counts->below);
	r->job_count += !owner->origin;
	r->accepted_count += accepted;
	if (wb_audit_counts_balance(counts))
		return;
	r->row_total++;
	if (!make_room(&list, r->row_count, &r->row_cap, sizeof *r->rows, r->limit))
		return;
	r->rows = list;
	r->rows[r->row_count++] = (struct row){ *owner, accepted, *counts };
}

const struct wb_audit_sink wb_audit_report_sink = { .fault = on_fault, .owner = on_owner };

static struct wb_audit_counts total_of(const struct wb_audit_report *r)
{
	struct wb_audit_counts total = r->jobs;

	wb_audit_counts_add(&total, &r->origins);
	return total;
}

/* Each owner has to balance: what one has too many does not make up for what another lacks. */
bool wb_audit_report_balances(const struct wb_audit_report *r)
{
	return r->row_total == 0;
}

static void owner_name(struct wb_buf *b, const struct wb_audit_read *read, const struct wb_audit_owner *owner)
{
	if (owner->origin) {
		(void)wb_text_line(b, wb_slice_cstr(read->topics[owner->id[0]]), NAME_CHARS);
		wb_buf_appendf(b, "/%" PRIu64, owner->id[1]);
	} else {
		wb_buf_appendf(b, "%016" PRIx64 "%016" PRIx64, owner->id[0], owner->id[1]);
	}
}

static void numbers_of(const struct wb_audit_counts *c, uint64_t ret[COLUMNS - 1])
{
	ret[0] = c->accepted;
	ret[1] = c->unaccepted;
	ret[2] = c->outcomes[WB_WRITTEN];
	ret[3] = c->outcomes[WB_SUPERSEDED];
	ret[4] = c->outcomes[WB_DEAD];
	ret[5] = c->pending;
}

static const char *const titles[COLUMNS - 1] = { "ACCEPTED", "UNACCEPTED", "WRITTEN", "SUPERSEDED", "DEAD", "PENDING" };

static void widen(size_t widths[COLUMNS], const char *name, const struct wb_audit_counts *counts)
{
	uint64_t numbers[COLUMNS - 1];
	char text[24];

	numbers_of(counts, numbers);
	if (strlen(name) > widths[0])
		widths[0] = strlen(name);
	for (size_t i = 1; i < COLUMNS; i++) {
		size_t len = (size_t)snprintf(text, sizeof text, "%" PRIu64, numbers[i - 1]);

		if (len > widths[i])
			widths[i] = len;
	}
}

static void print_line(const size_t widths[COLUMNS], const char *name, const struct wb_audit_counts *counts, FILE *out)
{
	uint64_t numbers[COLUMNS - 1];

	numbers_of(counts, numbers);
	(void)fprintf(out, "  %-*s", (int)widths[0], name);
	for (size_t i = 1; i < COLUMNS; i++)
		(void)fprintf(out, "  %*" PRIu64, (int)widths[i], numbers[i - 1]);
	(void)fputc('\n', out);
}

static void print_titles(const size_t widths[COLUMNS], FILE *out)
{
	(void)fprintf(out, "  %-*s", (int)widths[0], "");
	for (size_t i = 1; i < COLUMNS; i++)
		(void)fprintf(out, "  %*s", (int)widths[i], titles[i - 1]);
	(void)fputc('\n', out);
}

static void print_table(const struct wb_audit_report *r, const struct wb_audit_read *read, FILE *out)
{
	size_t widths[COLUMNS] = { 0 };
	char jobs[64], origins[64];
	struct wb_buf name;

	(void)snprintf(jobs, sizeof jobs, "%" PRIu64 " job%s", r->job_count, r->job_count == 1 ? "" : "s");
	(void)snprintf(origins, sizeof origins, "untracked, in %" PRIu64 " partition%s", r->origin_count,
		r->origin_count == 1 ? "" : "s");
	for (size_t i = 1; i < COLUMNS; i++)
		widths[i] = strlen(titles[i - 1]);
	widen(widths, jobs, &r->jobs);
	widen(widths, origins, &r->origins);
	wb_buf_init(&name, LINE_BYTES);
	for (size_t i = 0; i < r->row_count; i++) {
		wb_buf_clear(&name);
		owner_name(&name, read, &r->rows[i].owner);
		widen(widths, name.data, &r->rows[i].counts);
	}
	print_titles(widths, out);
	print_line(widths, jobs, &r->jobs, out);
	print_line(widths, origins, &r->origins, out);
	if (r->row_count)
		(void)fputs("these do not balance:\n", out);
	for (size_t i = 0; i < r->row_count; i++) {
		wb_buf_clear(&name);
		owner_name(&name, read, &r->rows[i].owner);
		print_line(widths, name.data, &r->rows[i].counts, out);
	}
	if (r->row_total > r->row_count)
		(void)fprintf(out, "  … and %" PRIu64 " more\n", r->row_total - r->row_count);
	wb_buf_release(&name);
}

static void fault_line(struct wb_buf *b, const struct wb_audit_read *read, const struct wb_audit_fault *f)
{
	const char *between = f->owner.origin ? "@" : "/";

	wb_buf_appendf(b, "  %-12s  ", wb_audit_fault_text(f->kind));
	owner_name(b, read, &f->owner);
	if (f->kind == WB_AUDIT_TWO_ACCEPTED)
		wb_buf_appendf(b, "  %" PRIu64 " writes, then %" PRIu64, f->first, f->last);
	else if (f->first == f->last)
		wb_buf_appendf(b, "%s%" PRIu64, between, f->first);
	else
		wb_buf_appendf(b, "%s%" PRIu64 "-%" PRIu64, between, f->first, f->last);
	if (f->has_record && !f->owner.origin) {
		wb_buf_append_cstr(b, "  record ");
		(void)wb_text_line(b, wb_slice_cstr(read->topics[f->record_topic]), NAME_CHARS);
		wb_buf_appendf(
			b, "/%d@%" PRId64, (int)wb_audit_place_partition(f->record), wb_audit_place_offset(f->record));
	}
	if (f->has_letter)
		wb_buf_appendf(b, "  letter %d/%" PRId64, (int)wb_audit_place_partition(f->letter),
			wb_audit_place_offset(f->letter));
}

static void print_faults(const struct wb_audit_report *r, const struct wb_audit_read *read, FILE *out)
{
	struct wb_audit_counts total = total_of(r);
	struct wb_buf line;

	if (r->fault_total == 0)
		return;
	(void)fputs("these writes do not fit:\n", out);
	wb_buf_init(&line, LINE_BYTES);
	for (size_t i = 0; i < r->fault_count; i++) {
		wb_buf_clear(&line);
		fault_line(&line, read, &r->faults[i]);
		(void)fprintf(out, "%s\n", line.data);
	}
	wb_buf_release(&line);
	if (r->fault_total > r->fault_count)
		(void)fprintf(out, "  … and %" PRIu64 " more\n", r->fault_total - r->fault_count);
	for (int k = 0; k < WB_AUDIT_FAULT_KINDS; k++) {
		if (total.faults[k])
			(void)fprintf(out, "%s: %" PRIu64 ", %s\n", wb_audit_fault_text((enum wb_audit_fault_kind)k),
				total.faults[k], wb_audit_fault_meaning((enum wb_audit_fault_kind)k));
	}
}

static void note(FILE *out, uint64_t n, const char *text)
{
	if (n)
		(void)fprintf(out, "%" PRIu64 " %s\n", n, text);
}

/* What is counted on neither side. */
static void print_notes(const struct wb_audit_report *r, const struct wb_audit_read *read, const char *group, FILE *out)
{
	struct wb_audit_counts total = total_of(r);

	note(out, total.repeats, "repeated outcomes, of writes that came more than once: the first one counts");
	note(out, total.letter_repeats, "repeated letters, of writes that came more than once");
	note(out, total.below,
		"writes are not judged: their records, outcomes or accepted record may stand below where the reading "
		"began");
	note(out, total.letters_below,
		"dead writes are not asked for their letter: it may stand below where the reading began");
	note(out, read->foreign_letters, "letters say neither job nor origin: another program's");
	note(out, read->unreadable, "entries of the results topic cannot be read");
	if (!read->group_known)
		(void)fprintf(out,
			"the group %s has no committed offset: a write without an outcome counts as pending\n", group);
}

static bool sides_are_equal(const struct wb_audit_counts *c)
{
	return c->accepted + c->unaccepted ==
		c->outcomes[WB_WRITTEN] + c->outcomes[WB_SUPERSEDED] + c->outcomes[WB_DEAD] + c->pending;
}

void wb_audit_report_print(
	const struct wb_audit_report *r, const struct wb_audit_read *read, const char *group, FILE *out)
{
	struct wb_audit_counts total = total_of(r);

	print_table(r, read, out);
	print_faults(r, read, out);
	print_notes(r, read, group, out);
	(void)fprintf(out, "ledger: accepted %" PRIu64, total.accepted);
	if (total.unaccepted)
		(void)fprintf(out, " + unaccepted %" PRIu64, total.unaccepted);
	(void)fprintf(out,
		" %s written %" PRIu64 " + superseded %" PRIu64 " + dead %" PRIu64 " + pending %" PRIu64 "%s\n",
		sides_are_equal(&total) ? "=" : "≠", total.outcomes[WB_WRITTEN], total.outcomes[WB_SUPERSEDED],
		total.outcomes[WB_DEAD], total.pending, wb_audit_report_balances(r) ? "" : ": it does not balance");
}

static void json_counts(struct wb_buf *b, const struct wb_audit_counts *c)
{
	wb_buf_appendf(b,
		"\"accepted\":%" PRIu64 ",\"unaccepted\":%" PRIu64 ",\"written\":%" PRIu64 ",\"superseded\":%" PRIu64
		",\"dead\":%" PRIu64 ",\"pending\":%" PRIu64,
		c->accepted, c->unaccepted, c->outcomes[WB_WRITTEN], c->outcomes[WB_SUPERSEDED], c->outcomes[WB_DEAD],
		c->pending);
	wb_buf_appendf(b,
		",\"repeats\":%" PRIu64 ",\"letterRepeats\":%" PRIu64 ",\"notJudged\":%" PRIu64
		",\"lettersNotJudged\":%" PRIu64 ",\"faults\":{",
		c->repeats, c->letter_repeats, c->below, c->letters_below);
	for (int k = 0; k < WB_AUDIT_FAULT_KINDS; k++)
		wb_buf_appendf(b, "%s\"%s\":%" PRIu64, k ? "," : "", wb_audit_fault_text((enum wb_audit_fault_kind)k),
			c->faults[k]);
	wb_buf_append_char(b, '}');
}

static void json_owner(struct wb_buf *b, const struct wb_audit_read *read, const struct wb_audit_owner *owner)
{
	if (owner->origin) {
		wb_buf_append_cstr(b, "\"topic\":");
		wb_buf_append_json_string(b, wb_slice_cstr(read->topics[owner->id[0]]));
		wb_buf_appendf(b, ",\"partition\":%" PRIu64, owner->id[1]);
	} else {
		wb_buf_appendf(b, "\"job\":\"%016" PRIx64 "%016" PRIx64 "\"", owner->id[0], owner->id[1]);
	}
}

static void json_fault(struct wb_buf *b, const struct wb_audit_read *read, const struct wb_audit_fault *f)
{
	wb_buf_appendf(b, "{\"fault\":\"%s\",", wb_audit_fault_text(f->kind));
	json_owner(b, read, &f->owner);
	if (f->kind == WB_AUDIT_TWO_ACCEPTED)
		wb_buf_appendf(b, ",\"counts\":[%" PRIu64 ",%" PRIu64 "]", f->first, f->last);
	else
		wb_buf_appendf(b, ",\"first\":%" PRIu64 ",\"last\":%" PRIu64, f->first, f->last);
	if (f->has_record) {
		wb_buf_append_cstr(b, ",\"record\":{\"topic\":");
		wb_buf_append_json_string(b, wb_slice_cstr(read->topics[f->record_topic]));
		wb_buf_appendf(b, ",\"partition\":%d,\"offset\":%" PRId64 "}", (int)wb_audit_place_partition(f->record),
			wb_audit_place_offset(f->record));
	}
	if (f->has_letter)
		wb_buf_appendf(b, ",\"letter\":\"%d/%" PRId64 "\"", (int)wb_audit_place_partition(f->letter),
			wb_audit_place_offset(f->letter));
	wb_buf_append_char(b, '}');
}

/* Appends what b holds and empties it. */
static void put(struct wb_buf *b, struct wb_buf *safe, FILE *out)
{
	wb_buf_clear(safe);
	wb_text_json_line(safe, wb_buf_slice(b));
	(void)fwrite(safe->data ? safe->data : "", 1, safe->len, out);
	wb_buf_clear(b);
}

static void json_lists(const struct wb_audit_report *r, const struct wb_audit_read *read, struct wb_buf *b,
	struct wb_buf *safe, FILE *out)
{
	wb_buf_append_cstr(b, ",\"unbalanced\":[");
	for (size_t i = 0; i < r->row_count; i++) {
		wb_buf_append_cstr(b, i ? ",{" : "{");
		json_owner(b, read, &r->rows[i].owner);
		wb_buf_append_char(b, ',');
		json_counts(b, &r->rows[i].counts);
		wb_buf_append_char(b, '}');
		put(b, safe, out);
	}
	wb_buf_appendf(b, "],\"unbalancedCount\":%" PRIu64 ",\"misfits\":[", r->row_total);
	for (size_t i = 0; i < r->fault_count; i++) {
		wb_buf_append_cstr(b, i ? "," : "");
		json_fault(b, read, &r->faults[i]);
		put(b, safe, out);
	}
	wb_buf_appendf(b, "],\"misfitsCount\":%" PRIu64 "}\n", r->fault_total);
	put(b, safe, out);
}

void wb_audit_report_json(
	const struct wb_audit_report *r, const struct wb_audit_read *read, const char *group, FILE *out)
{
	struct wb_audit_counts total = total_of(r);
	struct wb_buf b, safe;

	wb_buf_init(&b, 64 * LINE_BYTES);
	wb_buf_init(&safe, 64 * LINE_BYTES);
	wb_buf_appendf(&b, "{\"balances\":%s,", wb_audit_report_balances(r) ? "true" : "false");
	json_counts(&b, &total);
	wb_buf_appendf(
		&b, ",\"jobs\":{\"count\":%" PRIu64 ",\"acceptedCount\":%" PRIu64 ",", r->job_count, r->accepted_count);
	json_counts(&b, &r->jobs);
	wb_buf_appendf(&b, "},\"untracked\":{\"partitions\":%" PRIu64 ",", r->origin_count);
	json_counts(&b, &r->origins);
	wb_buf_appendf(&b,
		"},\"records\":%" PRIu64 ",\"unreadable\":%" PRIu64 ",\"foreignLetters\":%" PRIu64 ",\"group\":",
		read->records, read->unreadable, read->foreign_letters);
	wb_buf_append_json_string(&b, wb_slice_cstr(group));
	wb_buf_appendf(&b, ",\"groupKnown\":%s", read->group_known ? "true" : "false");
	json_lists(r, read, &b, &safe, out);
	wb_buf_release(&b);
	wb_buf_release(&safe);
}
