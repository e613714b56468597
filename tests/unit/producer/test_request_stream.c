#include "producer/request_stream.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define JOB "00112233445566778899aabbccddeeff"

static const struct wb_item_rules plain = { .record_bytes_max = 1200 };

/* A stream that comes in pieces, each in a block of its own behind what was left; what came out of it. */
struct passed {
	struct wb_request_stream stream;
	enum wb_err err;
	char ids[400]; /* each followed by a bar */
	int64_t lines[8];
	size_t count, left;
};

static void take(struct passed *p, struct wb_slice *block, bool last)
{
	struct wb_batch_write write;
	struct wb_slice whole = *block;

	while ((p->err = wb_request_stream_next(&p->stream, block, last, &write)) == WB_OK) {
		strncat(p->ids, write.id.data, write.id.len);
		strcat(p->ids, "|");
		assert_true(p->count < WB_ARRAY_LEN(p->lines));
		p->lines[p->count++] = p->stream.splitter.item_line;
		assert_true(!write.document.data ||
			(write.document.data >= whole.data &&
				write.document.data + write.document.len <= whole.data + whole.len));
	}
}

static void pass(struct passed *p, const char *text, size_t piece, const struct wb_item_rules *rules, enum wb_op op,
	bool publishing)
{
	size_t len = strlen(text), end = 0;

	*p = (struct passed){ .err = WB_ENOTFOUND };
	assert_int_equal(
		wb_request_stream_init(&p->stream, WB_SPLIT_NDJSON, rules, op, wb_slice_cstr(JOB), publishing), WB_OK);
	do {
		size_t begin = end - p->left;
		struct wb_slice block;
		char *memory;

		end = len - end > piece ? end + piece : len;
		memory = wb_xmalloc(end - begin + 1);
		memcpy(memory, text + begin, end - begin);
		block = wb_slice(memory, end - begin);
		take(p, &block, end == len);
		p->left = block.len;
		free(memory);
	} while (p->err == WB_ENOTFOUND && end < len);
	wb_request_stream_release(&p->stream);
}

static void lines_come_out_wherever_pieces_end(void **state)
{
	static const char text[] = "{\"id\":\"a\"}\r\n\n  \n{\"x\":[1,2],\"id\":\"\\u0062\"} \n{\"id\":\"c\"}";

	(void)state;
	for (size_t piece = 1; piece <= sizeof text; piece++) {
		struct passed p;

		pass(&p, text, piece, &plain, WB_OP_UPSERT, true);
		assert_int_equal(p.err, WB_ENOTFOUND);
		assert_string_equal(p.ids, "a|b|c|");
		assert_int_equal(p.lines[0], 1);
		assert_int_equal(p.lines[1], 4);
		assert_int_equal(p.lines[2], 5);
		assert_int_equal(p.left, 0);
	}
}

static void a_piece_may_end_with_the_stream_or_before(void **state)
{
	struct wb_slice block = WB_SLICE_LIT("{\"id\":\"a\"}\n"), nothing = WB_SLICE_LIT("");
	struct wb_request_stream s;
	struct wb_batch_write write;

	(void)state;
	assert_int_equal(
		wb_request_stream_init(&s, WB_SPLIT_NDJSON, &plain, WB_OP_UPSERT, wb_slice(NULL, 0), true), WB_OK);
	assert_int_equal(wb_request_stream_next(&s, &block, false, &write), WB_OK);
	assert_int_equal(wb_request_stream_next(&s, &block, false, &write), WB_ENOTFOUND);
	assert_int_equal(wb_request_stream_next(&s, &nothing, true, &write), WB_ENOTFOUND);
	assert_int_equal(s.count, 1);
	wb_request_stream_release(&s);
}

static void other_operations_stream_too(void **state)
{
	struct passed p;

	(void)state;
	pass(&p, "{\"id\":\"a\",\"partitionKey\":1}\n{\"partitionKey\":[1],\"id\":\"b\",\"ifMatch\":\"e\"}\n", 5,
		&plain, WB_OP_DELETE, true);
	assert_string_equal(p.ids, "a|b|");
	pass(&p, "{\"id\":\"a\",\"partitionKey\":1,\"operations\":[{\"op\":\"remove\",\"path\":\"/x\"}]} \n", 5, &plain,
		WB_OP_PATCH, true);
	assert_int_equal(p.err, WB_ENOTFOUND);
	assert_string_equal(p.ids, "a|");
	pass(&p, "{\"id\":\"a\",\"partitionKey\":1} x\n", 100, &plain, WB_OP_DELETE, true);
	assert_int_equal(p.err, WB_EINVAL);
	assert_int_equal(p.stream.error.reason, WB_REASON_INVALID_JSON);
}

static void ids_are_made_of_the_number_of_the_write_not_the_line(void **state)
{
	static const struct wb_item_rules rules = { .record_bytes_max = 2000, .generate_id = true };
	struct passed p;

	(void)state;
	pass(&p, "{}\n\n{\"id\":\"own\"}\n{}\n", 3, &rules, WB_OP_UPSERT, true);
	assert_string_equal(p.ids, JOB "-0|own|" JOB "-2|");
}

struct refusal {
	const char *text;
	unsigned status;
	const char *code;
	int64_t index;
	enum wb_reason reason;
	const char *says;
	const char *ids; /* that came before */
};

static void the_first_bad_line_ends_the_stream(void **state)
{
	static const struct refusal rows[] = {
		{ "", 400, "empty-batch", -1, WB_REASON_NONE, "nothing", "" },
		{ "\n \n", 400, "empty-batch", -1, WB_REASON_NONE, "nothing", "" },
		{ "{\"id\":\"a\"}\n\nnonsense\n{\"id\":\"b\"}", 400, "invalid-document", 3, WB_REASON_INVALID_JSON,
			"at byte 1 of the line; earlier lines may be written", "a|" },
		{ "{\"id\":\"a\"}\n{\"id\":\"b\",\"id\":\"b\"}", 400, "invalid-document", 2, WB_REASON_DUPLICATE_MEMBER,
			"twice at byte 10 of the line", "a|" },
		{ "[1]", 400, "invalid-document", 1, WB_REASON_NOT_AN_OBJECT, "object", "" },
		{ "{\"id\":\"a\"", 400, "invalid-document", 1, WB_REASON_INVALID_JSON, "byte 9", "" },
		{ "{\"id\":\n\"a\"}", 400, "invalid-document", 1, WB_REASON_INVALID_JSON, "byte 6", "" },
		{ "{}", 400, "invalid-document", 1, WB_REASON_MISSING_ID, "no id", "" },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		for (size_t piece = 1; piece <= strlen(rows[i].text) + 1; piece++) {
			struct wb_slice rest = WB_SLICE_LIT("{\"id\":\"z\"}\n");
			struct wb_request_error *e;
			struct wb_batch_write write;
			struct passed p;

			pass(&p, rows[i].text, piece, &plain, WB_OP_UPSERT, true);
			e = &p.stream.error;
			assert_int_equal(p.err, WB_EINVAL);
			assert_string_equal(p.ids, rows[i].ids);
			assert_string_equal(e->code, rows[i].code);
			assert_int_equal(e->status, rows[i].status);
			assert_int_equal(e->index, rows[i].index);
			assert_int_equal(e->reason, rows[i].reason);
			if (!strstr(e->detail.text, rows[i].says))
				fail_msg("%s: %s", rows[i].text, e->detail.text);
			assert_int_equal(wb_request_stream_next(&p.stream, &rest, true, &write), WB_EINVAL);
		}
	}
}

static void only_a_stream_that_is_published_speaks_of_earlier_writes(void **state)
{
	struct passed p;

	(void)state;
	pass(&p, "{\"id\":\"a\"}\n{}", 100, &plain, WB_OP_UPSERT, false);
	assert_string_equal(p.stream.error.detail.text, "the document has no id");
	pass(&p, "{\"id\":\"a\"}\n{}", 100, &plain, WB_OP_UPSERT, true);
	assert_string_equal(p.stream.error.detail.text,
		"the document has no id; earlier lines may be written, though no job was accepted");
	pass(&p, "{}", 100, &plain, WB_OP_UPSERT, true);
	assert_string_equal(p.stream.error.detail.text, "the document has no id");
}

/* Whether its end has come or not, and however small the pieces. */
static void a_line_has_a_maximum(void **state)
{
	char text[2000] = "{\"id\":\"a\"}\n{\"id\":\"b\",\"x\":\"";

	(void)state;
	memset(text + strlen(text), 'x', 1300);
	for (size_t piece = 1; piece <= sizeof text; piece += 37) {
		struct passed p;

		pass(&p, text, piece, &plain, WB_OP_UPSERT, true);
		assert_int_equal(p.err, WB_EINVAL);
		assert_string_equal(p.ids, "a|");
		assert_int_equal(p.stream.error.status, 413);
		assert_string_equal(p.stream.error.code, "document-too-large");
		assert_int_equal(p.stream.error.index, 2);
		assert_true(p.left <= 1200 + piece);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_out_wherever_pieces_end),
		cmocka_unit_test(a_piece_may_end_with_the_stream_or_before),
		cmocka_unit_test(other_operations_stream_too),
		cmocka_unit_test(ids_are_made_of_the_number_of_the_write_not_the_line),
		cmocka_unit_test(the_first_bad_line_ends_the_stream),
		cmocka_unit_test(only_a_stream_that_is_published_speaks_of_earlier_writes),
		cmocka_unit_test(a_line_has_a_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
