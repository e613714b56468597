#include "examples/report/report.h"

#include <ctype.h>
#include <stdio.h>

#define ID_SIZE    64
#define SUMMARY_ID "summary"

/* Partition keys spread a registry over its codes' first letters, so that no single key takes all the writes. */
static void names_of(const struct registry_entry *entry, char id[ID_SIZE], char pk[ID_SIZE])
{
	(void)snprintf(id, ID_SIZE, "iso-%s:%s", entry->registry, entry->code);
	(void)snprintf(pk, ID_SIZE, "%s:%c", entry->registry, tolower((unsigned char)entry->code[0]));
}

static const char *change_of(
	const struct registry_entry *entry, const json_t *previous_document, struct report_summary *summary)
{
	if (!previous_document) {
		summary->added++;
		return "added";
	}
	if (!json_equal(json_object_get(previous_document, "entry"), entry->entry)) {
		summary->changed++;
		return "changed";
	}
	summary->unchanged++;
	return "unchanged";
}

static int append_json(const char *data, size_t len, void *arg)
{
	struct wb_buf *body = arg;

	wb_buf_append(body, data, len);
	return wb_buf_status(body) == WB_OK ? 0 : -1;
}

/* Takes the document's reference. */
static enum wb_err append_document(struct wb_buf *body, json_t *document, struct wb_error *e)
{
	int failed = !document || json_dump_callback(document, append_json, body, JSON_COMPACT) != 0;

	json_decref(document);
	return failed ? wb_error_set(e, WB_ETOOBIG, "the report does not fit into one batch") : WB_OK;
}

static enum wb_err append_entry(const struct registry_entry *entry, const json_t *previous, struct wb_buf *body,
	struct report_summary *summary, struct wb_error *e)
{
	char id[ID_SIZE], pk[ID_SIZE];
	const char *change;

	names_of(entry, id, pk);
	change = change_of(entry, json_object_get(previous, id), summary);
	return append_document(body,
		json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:O}", "id", id, "pk", pk, "registry", entry->registry, "code",
			entry->code, "change", change, "run", (json_int_t)summary->run, "entry", entry->entry),
		e);
}

/* Other documents may live in the container; the report's have a registry. */
static size_t count_entries(json_t *previous)
{
	size_t count = 0;
	const char *id;
	json_t *document;

	json_object_foreach(previous, id, document)
		count += json_object_get(document, "registry") != NULL;
	return count;
}

enum wb_err report_build(const struct registry_list *input, json_t *previous, struct wb_buf *body,
	struct report_summary *ret, struct wb_error *e)
{
	const json_t *last = json_object_get(previous, SUMMARY_ID);
	size_t before = count_entries(previous);
	struct report_summary s = { .run = 1 + (size_t)json_integer_value(json_object_get(last, "run")) };
	enum wb_err err = WB_OK;

	wb_buf_append_cstr(body, "{\"documents\":[");
	for (size_t i = 0; i < input->count && err == WB_OK; i++) {
		err = append_entry(&input->entries[i], previous, body, &s, e);
		wb_buf_append_char(body, ',');
	}
	if (err != WB_OK)
		return err;
	s.removed = before - s.changed - s.unchanged;
	err = append_document(body,
		json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "id", SUMMARY_ID, "pk", SUMMARY_ID, "run",
			(json_int_t)s.run, "entries", (json_int_t)input->count, "added", (json_int_t)s.added, "changed",
			(json_int_t)s.changed, "unchanged", (json_int_t)s.unchanged, "removed", (json_int_t)s.removed),
		e);
	wb_buf_append_cstr(body, "]}");
	if (err == WB_OK && wb_buf_status(body) != WB_OK)
		err = wb_error_set(e, wb_buf_status(body), "the report does not fit into one batch");
	if (err == WB_OK)
		*ret = s;
	return err;
}
