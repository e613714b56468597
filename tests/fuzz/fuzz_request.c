/* The parser of request bodies: whatever the bytes, it answers, and what it takes it could have published.
 *
 * The first byte chooses format, default operation and whether a partition key is configured. For every batch that is
 * taken, jansson must read each document as an object whose id is the record's key (jansson keeps no duplicate
 * members, but the parser takes no second id).
 */
#include "producer/request.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPERATIONS 50

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "fuzz_request: %s\n", what);
	abort();
}

static bool within(struct wb_slice part, struct wb_slice whole)
{
	return part.data >= whole.data && part.data + part.len <= whole.data + whole.len;
}

/* jansson refuses some valid texts (huge numbers, lone surrogates, \u0000 in names, deep nesting): those are let pass. */
static void check_upsert(const struct wb_batch_write *write, struct wb_slice body)
{
	json_t *document, *id;

	must(within(write->document, body), "a document is no part of the body");
	must(write->document.len >= 2 && write->document.data[0] == '{', "a document is no object");
	must(write->id.len >= 1 && write->id.len <= 1023, "an id has a wrong length");
	document = json_loadb(write->document.data, write->document.len, JSON_ALLOW_NUL, NULL);
	if (!document)
		return;
	must(json_is_object(document), "jansson sees no object");
	id = json_object_get(document, "id");
	must(json_is_string(id), "jansson sees no id");
	must(wb_slice_eq(write->id, wb_slice(json_string_value(id), json_string_length(id))),
		"jansson sees another id");
	json_decref(document);
}

static void check_delete(const struct wb_batch_write *write)
{
	json_t *key;

	must(!write->document.data, "a delete has a document");
	must(write->id.len >= 1 && write->id.len <= 1023, "an id has a wrong length");
	key = json_loadb(write->partition_key.data, write->partition_key.len, JSON_ALLOW_NUL, NULL);
	must(json_is_array(key) && json_array_size(key) >= 1 && json_array_size(key) <= 3,
		"a partition key is no array");
	json_decref(key);
}

static void check_error(const struct wb_request_error *e)
{
	must(e->status == 400 || e->status == 413, "a wrong status");
	must(e->code && *e->code, "no code");
	must(e->index >= -1, "a wrong index");
	must(e->reason == WB_REASON_NONE || e->index >= 0, "a reason without an index");
	must(memchr(e->detail.text, '\0', sizeof e->detail.text) && e->detail.text[0], "no detail");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wb_request_rules rules = { .max_operations = MAX_OPERATIONS, .record_bytes_max = 3000 };
	struct wb_request_defaults defaults = { .op = WB_OP_UPSERT };
	struct wb_request_error error;
	struct wb_batch batch;
	struct wb_slice body;
	unsigned how = size ? data[0] : 0;

	if (size == 0)
		return 0;
	body = wb_slice((const char *)data + 1, size - 1);
	if (how & 2)
		defaults.op = WB_OP_DELETE;
	if (how & 4)
		must(wb_json_paths_add(&rules.paths, wb_slice_cstr("/pk"), NULL) == WB_OK, "a path");
	wb_batch_init(&batch, rules.max_operations);
	if (wb_request_parse(body, how & 1 ? WB_BODY_NDJSON : WB_BODY_JSON, &rules, &defaults, &batch, &error)) {
		must(batch.count >= 1 && batch.count <= MAX_OPERATIONS, "a wrong number of writes");
		for (size_t i = 0; i < batch.count; i++) {
			if (batch.writes[i].op == WB_OP_DELETE)
				check_delete(&batch.writes[i]);
			else
				check_upsert(&batch.writes[i], body);
		}
	} else {
		check_error(&error);
	}
	wb_batch_release(&batch);
	wb_json_paths_release(&rules.paths);
	return 0;
}
