/* Records of the writes topic: whatever headers and value they have, decoding gives a reason with a sentence, or a write
 * whose document lies in the value, whose id is one that Cosmos DB takes, and whose canonical key, read again, is the
 * same text and the same effective key.
 *
 * Input: one byte that says which headers there are, then for each its length and bytes, then the value. */
#include "consumer/decode.h"

#include "common/cosmos/document.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { WB_HEADER_OP, WB_HEADER_ID, WB_HEADER_PARTITION_KEY, WB_HEADER_CONTAINER,
	WB_HEADER_JOB, WB_HEADER_SEQ, WB_HEADER_DATABASE };

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_decode: %s\n", what);
	abort();
}

/* Bit 7 of flags: a second path, so that keys have two components. */
static void definition_init(struct wb_pk_definition *d, uint8_t flags)
{
	*d = (struct wb_pk_definition){ .kind = WB_PK_HASH_V2 };
	must(wb_json_paths_add(&d->paths, wb_slice_cstr("/pk"), NULL) == WB_OK, "no path");
	if (flags & 0x80)
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

static void check_write(
	const struct wb_write *w, struct wb_slice value, const struct wb_pk_definition *d, const struct wb_epk *epk)
{
	must(wb_document_id_check(w->id, NULL) == WB_REASON_NONE, "an id that Cosmos DB refuses");
	check_key(w, d, epk);
	if (w->op == WB_OP_DELETE) {
		must(!w->document.data, "a delete with a document");
		return;
	}
	must(w->document.data >= value.data && w->document.data + w->document.len <= value.data + value.len,
		"a document outside the value");
	must(w->document.data[0] == '{' && w->document.data[w->document.len - 1] == '}', "no object");
}

static size_t read_headers(const uint8_t **at, const uint8_t *end, uint8_t flags, struct wb_header *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < WB_ARRAY_LEN(names); i++) {
		size_t len;

		if (!(flags & 1 << i) || *at == end)
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
	const struct wb_decode_settings settings = { WB_SLICE_LIT("db"), WB_SLICE_LIT("c"), allowed, 2, 4096 };
	struct wb_header headers[WB_ARRAY_LEN(names)];
	struct wb_write *w = wb_write_new();
	const uint8_t *at = data, *end = data + size;
	uint8_t flags = at < end ? *at++ : 0;
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
	w->value = wb_slice((const char *)at, (size_t)(end - at));
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
