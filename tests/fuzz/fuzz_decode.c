/* Records of the writes topic: whatever key, headers and value they have, decoding gives a reason with a sentence, or a
 * write whose document lies in the value, whose id is one that Cosmos DB takes, whose canonical key, read again, is the same
 * text and the same effective key, whose condition is one that the service heeds, and which goes into a bulk as one JSON
 * object of the size that was announced.
 *
 * Input: two bytes that say which headers there are and what else holds, then for each header its length and bytes, then
 * the value. */
#include "consumer/decode.h"

#include "common/base/mem.h"
#include "common/cosmos/document.h"
#include "consumer/bulk.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { WB_HEADER_OP, WB_HEADER_ID, WB_HEADER_PARTITION_KEY, WB_HEADER_CONTAINER,
	WB_HEADER_JOB, WB_HEADER_SEQ, WB_HEADER_DATABASE, WB_HEADER_IF_MATCH, WB_HEADER_IF_NONE_MATCH,
	WB_HEADER_REPLAY_OF };

/* Bits of the input above those of the headers. */
enum {
	TWO_PATHS = 1 << 10,
	PATH_ID = 1 << 11,
	TOMBSTONES = 1 << 12,
	NO_VALUE = 1 << 13,
	VALUE_IS_KEY = 1 << 14,
	OTHER_KIND = 1 << 15
};

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_decode: %s\n", what);
	abort();
}

static void definition_init(struct wb_pk_definition *d, unsigned flags)
{
	enum wb_pk_kind other = flags & TWO_PATHS ? WB_PK_MULTI_HASH : WB_PK_HASH_V1;

	*d = (struct wb_pk_definition){ .kind = flags & OTHER_KIND ? other : WB_PK_HASH_V2 };
	must(wb_json_paths_add(&d->paths, wb_slice_cstr(flags & PATH_ID ? "/id" : "/pk"), NULL) == WB_OK, "no path");
	if (flags & TWO_PATHS)
		must(wb_json_paths_add(&d->paths, wb_slice_cstr("/a/b"), NULL) == WB_OK, "no second path");
}

static void check_key(const struct wb_write *w, const struct wb_pk_definition *d, const struct wb_epk *epk)
{
	struct wb_buf scratch, text;
	struct wb_epk again;
	struct wb_pk pk;

	wb_buf_init(&scratch, WB_DECODE_SCRATCH_BYTES);
	wb_buf_init(&text, WB_DECODE_SCRATCH_BYTES);
	must(wb_buf_reserve(&scratch, WB_DECODE_SCRATCH_BYTES / 2) != NULL, "no scratch");
	must(wb_pk_parse(w->pk_text, d->paths.count, &scratch, &pk, NULL) == WB_REASON_NONE, "no canonical key");
	wb_pk_text(&pk, &text);
	must(wb_slice_eq(wb_buf_slice(&text), w->pk_text), "the canonical key changed");
	wb_pk_hash(d->kind, &pk, &again);
	must(wb_epk_compare(&again, epk) == 0, "the effective key changed");
	wb_buf_release(&scratch);
	wb_buf_release(&text);
}

static void check_conditions(const struct wb_write *w)
{
	must(!w->if_match.data || !w->if_none_match.data, "two conditions");
	must(!w->if_match.data || w->op != WB_OP_CREATE, "a create with an etag");
	must(!w->if_none_match.data || w->op == WB_OP_UPSERT ||
			(w->op == WB_OP_CREATE && wb_slice_eq_cstr(w->if_none_match, "*")),
		"a condition that the service ignores");
}

static void check_bulk(struct wb_write *w)
{
	struct wb_list writes = { 0 };
	struct wb_json_value whole;
	struct wb_json_error where;
	struct wb_bulk_body body;
	char *text;

	wb_list_push(&writes, &w->link);
	wb_bulk_init(&body, 1 << 20);
	wb_bulk_write(&body, &writes);
	must(wb_buf_status(&body.frames) == WB_OK && body.bytes <= wb_bulk_operation_size(w), "larger than announced");
	text = wb_xmalloc(body.bytes + 1);
	must(wb_bulk_read(&body, text, body.bytes + 1) == body.bytes, "not as large as announced");
	must(wb_json_scan_value(wb_slice(text, body.bytes), &whole, &where) == WB_JSON_OK, "a bulk that is no JSON");
	free(text);
	wb_bulk_release(&body);
}

static void check_write(
	struct wb_write *w, struct wb_slice value, const struct wb_pk_definition *d, const struct wb_epk *epk)
{
	struct wb_slice document = w->document;

	must(wb_document_id_check(w->id, NULL) == WB_REASON_NONE, "an id that Cosmos DB refuses");
	must(wb_slice_eq(w->epk, wb_slice((const char *)epk->bytes, epk->len)), "another effective key");
	check_key(w, d, epk);
	check_conditions(w);
	check_bulk(w);
	if (w->op == WB_OP_DELETE) {
		must(!document.data, "a delete with a document");
		return;
	}
	must(document.data >= value.data && document.data + document.len <= value.data + value.len,
		"a document outside the value");
	must((document.data[0] == '{' && document.data[document.len - 1] == '}') ||
			(w->op == WB_OP_PATCH && document.data[0] == '[' && document.data[document.len - 1] == ']'),
		"no object");
}

static size_t read_headers(const uint8_t **at, const uint8_t *end, unsigned flags, struct wb_header *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < WB_ARRAY_LEN(names); i++) {
		size_t len;

		if (!(flags & 1U << i) || *at == end)
			continue;
		len = *(*at)++;
		if (len > (size_t)(end - *at))
			len = (size_t)(end - *at);
		ret[count++] = (struct wb_header){
			.name = wb_slice_cstr(names[i]),
			.value = wb_slice((const char *)*at, len),
		};
		*at += len;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wb_slice allowed[] = { WB_SLICE_LIT("c"), WB_SLICE_LIT("d") };
	unsigned flags = size < 2 ? 0 : data[0] | (unsigned)data[1] << 8;
	const struct wb_decode_settings settings = { WB_SLICE_LIT("db"), WB_SLICE_LIT("c"), allowed, 2, 4096,
		.tombstones = flags & TOMBSTONES };
	struct wb_header headers[WB_ARRAY_LEN(names)];
	struct wb_write *w = wb_write_new();
	const uint8_t *at = size < 2 ? data : data + 2, *end = data + size;
	size_t count = read_headers(&at, end, flags, headers);
	struct wb_pk_definition definition;
	struct wb_decode_target target;
	struct wb_record_meta meta;
	struct wb_error why = { "" };
	enum wb_reason reason;
	struct wb_buf scratch;
	struct wb_epk epk;

	definition_init(&definition, flags);
	wb_buf_init(&scratch, WB_DECODE_SCRATCH_BYTES);
	if (!(flags & NO_VALUE))
		w->value = wb_slice((const char *)at, (size_t)(end - at));
	if (flags & VALUE_IS_KEY)
		w->key = wb_slice((const char *)at, (size_t)(end - at));
	reason = wb_decode_target(&settings, headers, count, w, &meta, &target, &why);
	if (!reason)
		reason = wb_decode_document(&settings, &meta, &definition, &scratch, w, &epk, &why);
	if (reason)
		must(why.text[0] != '\0', "refused without a sentence");
	else
		check_write(w, w->value, &definition, &epk);
	wb_buf_release(&scratch);
	wb_json_paths_release(&definition.paths);
	wb_write_free(&w);
	return 0;
}
