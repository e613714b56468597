/* The parser of request bodies: whatever the bytes, it answers, and what it takes the consumer takes, too.
 *
 * The first byte chooses format, default operation, whether a partition key is configured and whether ids are made. Of
 * every batch that is taken, the consumer must decode each record, and jansson must read each document as an object whose
 * id is the record's key (jansson keeps no duplicate members, but the parser takes no second id). NDJSON must come out
 * the same, or be refused the same, wherever a stream of it is cut into pieces.
 */
#include "producer/request.h"

#include "common/base/mem.h"
#include "consumer/decode.h"
#include "producer/request_stream.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPERATIONS   50
#define RECORD_BYTES_MAX 3000
#define JOB              "00112233445566778899aabbccddeeff"

/* Bits of the first byte. */
enum { LINES = 1, NAMED = 2, PATH = 4, OTHER = 8, MAKE_IDS = 64, PATH_ID = 128 };

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
static void check_document(struct wb_slice value, struct wb_slice wanted)
{
	json_t *document = json_loadb(value.data, value.len, JSON_ALLOW_NUL, NULL), *id;

	if (!document)
		return;
	must(json_is_object(document), "jansson sees no object");
	id = json_object_get(document, "id");
	must(json_is_string(id), "jansson sees no id");
	must(wb_slice_eq(wanted, wb_slice(json_string_value(id), json_string_length(id))), "jansson sees another id");
	json_decref(document);
}

/* As the consumer gets it. */
static void check_decodes(
	const struct wb_batch_write *write, uint64_t seq, struct wb_slice value, const struct wb_json_paths *paths)
{
	const struct wb_decode_settings settings = { WB_SLICE_LIT("db"), WB_SLICE_LIT("c"), NULL, 0, 2 * 1024 * 1024,
		.tombstones = false };
	const struct wb_pk_definition definition = { WB_PK_HASH_V2, *paths };
	struct wb_record_meta meta = { .job = WB_SLICE_LIT(JOB), .seq = seq, .op = write->op };
	struct wb_header headers[WB_RECORD_HEADERS_MAX];
	struct wb_write *w = wb_write_new();
	struct wb_decode_target target;
	struct wb_error why = { "" };
	struct wb_buf scratch;
	struct wb_epk epk;
	char seq_text[24];
	size_t count;

	if (write->op == WB_OP_DELETE || write->op == WB_OP_PATCH)
		meta.id = write->id;
	if (write->more) {
		meta.partition_key = write->more->partition_key;
		meta.if_match = write->more->if_match;
		meta.if_none_match = write->more->if_none_match;
	}
	count = wb_record_headers(&meta, seq_text, headers);
	wb_buf_init(&scratch, WB_DECODE_SCRATCH_BYTES);
	w->key = write->id;
	w->value = value;
	must(wb_decode_target(&settings, headers, count, w, &meta, &target, &why) == WB_REASON_NONE, why.text);
	must(wb_decode_document(&settings, &meta, &definition, &scratch, w, &epk, &why) == WB_REASON_NONE, why.text);
	must(wb_slice_eq(w->id, write->id), "the consumer sees another id than the key");
	wb_buf_release(&scratch);
	wb_write_free(&w);
}

static void check_write(
	const struct wb_batch_write *write, uint64_t seq, struct wb_slice body, const struct wb_json_paths *paths)
{
	bool named = write->op == WB_OP_DELETE || write->op == WB_OP_PATCH;
	struct wb_buf scratch;
	struct wb_slice value;

	must(write->id.len >= 1 && write->id.len <= 1023, "an id has a wrong length");
	must((write->op == WB_OP_DELETE) == !write->document.data, "a document that should not or should be there");
	must(!write->document.data || within(write->document, body), "a document is no part of the body");
	must(!named || (write->more && write->more->partition_key.data), "an item without a partition key");
	wb_buf_init(&scratch, RECORD_BYTES_MAX);
	must(wb_batch_value(write, &scratch, &value) == WB_OK, "a value that does not fit");
	must(value.len == wb_batch_value_len(write), "a value of another length");
	if (!named)
		check_document(value, write->id);
	if (paths->count)
		check_decodes(write, seq, value, paths);
	wb_buf_release(&scratch);
}

static void check_error(const struct wb_request_error *e)
{
	must(e->status == 400 || e->status == 413, "a wrong status");
	must(e->code && *e->code, "no code");
	must(e->index >= -1, "a wrong index");
	must(e->reason == WB_REASON_NONE || e->index >= 0, "a reason without an index");
	must(memchr(e->detail.text, '\0', sizeof e->detail.text) && e->detail.text[0], "no detail");
}

static bool same(struct wb_slice a, struct wb_slice b)
{
	return !a.data == !b.data && wb_slice_eq(a, b);
}

static void check_same(const struct wb_batch_write *a, const struct wb_batch_write *b)
{
	static const struct wb_batch_more none;
	const struct wb_batch_more *x = a->more ? a->more : &none, *y = b->more ? b->more : &none;

	must(a->op == b->op && same(a->id, b->id) && same(a->document, b->document) && a->id_made == b->id_made,
		"a stream gives another write");
	must(same(x->partition_key, y->partition_key) && same(x->if_match, y->if_match) &&
			same(x->if_none_match, y->if_none_match),
		"a stream gives another key or condition");
}

/* Reads the body in pieces of that many bytes, each in memory of its own. */
static void check_stream(struct wb_slice body, size_t piece, const struct wb_item_rules *rules,
	const struct wb_request_defaults *defaults, const struct wb_batch *batch, const struct wb_request_error *error)
{
	size_t left = 0, end = 0, count = 0;
	struct wb_request_stream s;
	enum wb_err err;

	must(wb_request_stream_init(&s, WB_SPLIT_NDJSON, rules, defaults->op, defaults->job, false) == WB_OK,
		"no memory");
	do {
		size_t begin = end - left;
		struct wb_batch_write write;
		struct wb_slice block;
		char *memory;

		end = body.len - end > piece ? end + piece : body.len;
		memory = wb_xmalloc(end - begin + 1);
		memcpy(memory, body.data + begin, end - begin);
		block = wb_slice(memory, end - begin);
		while ((err = wb_request_stream_next(&s, &block, end == body.len, &write)) == WB_OK &&
			count < batch->count) {
			check_same(&write, &batch->writes[count++]);
			must(!write.document.data || within(write.document, wb_slice(memory, end - begin)),
				"a document outside the block");
		}
		left = block.len;
		free(memory);
	} while (err == WB_ENOTFOUND && end < body.len);
	must(count == batch->count, "a stream gives fewer writes");
	if (err == WB_OK)
		must(error && strcmp(error->code, "too-many-operations") == 0, "a stream gives more writes");
	else if (err == WB_ENOTFOUND)
		must(!error && left == 0, "a stream takes what is refused whole");
	else
		must(error && strcmp(error->code, s.error.code) == 0 && error->status == s.error.status &&
				error->index == s.error.index && error->reason == s.error.reason &&
				strcmp(error->detail.text, s.error.detail.text) == 0,
			"a stream refuses for another reason");
	wb_request_stream_release(&s);
}

static void check_streams(struct wb_slice body, const struct wb_item_rules *rules,
	const struct wb_request_defaults *defaults, const struct wb_batch *batch, const struct wb_request_error *error)
{
	const size_t pieces[] = { 1, 7, 64, body.len / 2 + 1, body.len + 1 };

	for (size_t i = 0; i < WB_ARRAY_LEN(pieces); i++)
		check_stream(body, pieces[i], rules, defaults, batch, error);
}

static enum wb_op op_of(unsigned how)
{
	if (how & NAMED)
		return how & OTHER ? WB_OP_PATCH : WB_OP_DELETE;
	return how & OTHER ? WB_OP_CREATE : WB_OP_UPSERT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned how = size ? data[0] : 0;
	struct wb_request_rules rules = {
		.item = { .record_bytes_max = RECORD_BYTES_MAX, .generate_id = how & MAKE_IDS },
		.max_operations = MAX_OPERATIONS,
		.callbacks = how & OTHER,
	};
	const struct wb_request_defaults defaults = { .op = op_of(how), .job = WB_SLICE_LIT(JOB) };
	enum wb_body_format format = how & LINES ? WB_BODY_NDJSON : WB_BODY_JSON;
	struct wb_request_error error;
	struct wb_batch batch;
	struct wb_slice body;
	bool good;

	if (size == 0)
		return 0;
	body = wb_slice((const char *)data + 1, size - 1);
	if (how & (PATH | PATH_ID))
		must(wb_json_paths_add(&rules.item.paths, wb_slice_cstr(how & PATH_ID ? "/id" : "/pk"), NULL) == WB_OK,
			"a path");
	wb_batch_init(&batch, rules.max_operations);
	good = wb_request_parse(body, format, &rules, &defaults, &batch, &error);
	if (good) {
		must(batch.count >= 1 && batch.count <= MAX_OPERATIONS, "a wrong number of writes");
		for (size_t i = 0; i < batch.count; i++)
			check_write(&batch.writes[i], i, body, &rules.item.paths);
	} else {
		check_error(&error);
	}
	if (format == WB_BODY_NDJSON)
		check_streams(body, &rules.item, &defaults, &batch, good ? NULL : &error);
	wb_batch_release(&batch);
	wb_json_paths_release(&rules.item.paths);
	return 0;
}
