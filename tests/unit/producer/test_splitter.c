#include "producer/splitter.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Splits text that comes in pieces of that many bytes, each in a block of memory of its own together with what was left
 * of the one before, so that a sanitizer sees who looks further; items are joined by | into out. */
static enum wb_err split(
	const char *text, size_t piece, enum wb_split_format format, size_t max, char *out, struct wb_error *e)
{
	size_t len = strlen(text), left = 0, end = 0;
	enum wb_err err = WB_ENOTFOUND;
	struct wb_splitter s;
	struct wb_slice item;

	*out = '\0';
	wb_splitter_init(&s, format, max);
	do {
		size_t begin = end - left;
		struct wb_slice block;
		char *memory;

		end = end + piece < len ? end + piece : len;
		memory = wb_xmalloc(end - begin + 1);
		memcpy(memory, text + begin, end - begin);
		block = wb_slice(memory, end - begin);
		while ((err = wb_splitter_next(&s, &block, end == len, &item, e)) == WB_OK) {
			strncat(out, item.data, item.len);
			strcat(out, "|");
		}
		left = block.len;
		free(memory);
	} while (err == WB_ENOTFOUND && end < len);
	if (err == WB_ENOTFOUND)
		assert_int_equal(left, 0);
	return err;
}

static void assert_items(const char *text, enum wb_split_format format, const char *items)
{
	char out[512];
	struct wb_error e;

	for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
		assert_int_equal(split(text, piece, format, 100, out, &e), WB_ENOTFOUND);
		assert_string_equal(out, items);
	}
}

static void assert_refused(const char *text, enum wb_split_format format, size_t max, enum wb_err err, const char *says)
{
	char out[512];
	struct wb_error e;

	for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
		assert_int_equal(split(text, piece, format, max, out, &e), err);
		assert_non_null(strstr(e.text, says));
	}
}

static void lines_are_items_wherever_pieces_end(void **state)
{
	(void)state;
	assert_items("{\"a\":1}\n\n  \r\n{\"b\":2}\r\n{\"c\":3}", WB_SPLIT_NDJSON, "{\"a\":1}|{\"b\":2}|{\"c\":3}|");
	assert_items("[1]\n", WB_SPLIT_NDJSON, "[1]|");
	assert_items("", WB_SPLIT_NDJSON, "");
	assert_items("\n\n", WB_SPLIT_NDJSON, "");
}

static void elements_are_items_wherever_pieces_end(void **state)
{
	(void)state;
	assert_items(" [ {\"a\":[1,{\"x\":\"]},\\\"\"}]} ,\n\"b,]\",3]\n", WB_SPLIT_ARRAY,
		"{\"a\":[1,{\"x\":\"]},\\\"\"}]} |\"b,]\"|3|");
	assert_items("[]", WB_SPLIT_ARRAY, "");
	assert_items("[ ]  ", WB_SPLIT_ARRAY, "");
	assert_items("[\"\\\\\",1]", WB_SPLIT_ARRAY, "\"\\\\\"|1|");
}

static void the_first_byte_tells_an_array(void **state)
{
	(void)state;
	assert_items("\n [{\"a\":1}]", WB_SPLIT_AUTO, "{\"a\":1}|");
	assert_items("\n {\"a\":1}\n{}", WB_SPLIT_AUTO, "{\"a\":1}|{}|");
	assert_items("  \n ", WB_SPLIT_AUTO, "");
}

static void an_array_must_be_whole_and_alone(void **state)
{
	(void)state;
	assert_refused("[{\"a\":1}", WB_SPLIT_ARRAY, 100, WB_EINVAL, "ends before");
	assert_refused("[{\"a\":1", WB_SPLIT_ARRAY, 100, WB_EINVAL, "ends before");
	assert_refused("", WB_SPLIT_ARRAY, 100, WB_EINVAL, "ends before");
	assert_refused("[1]\n2", WB_SPLIT_ARRAY, 100, WB_EINVAL, "line 2: something stands behind");
	assert_refused("{}", WB_SPLIT_ARRAY, 100, WB_EINVAL, "does not begin");
	assert_refused("[,1]", WB_SPLIT_ARRAY, 100, WB_EINVAL, "an element is missing");
	assert_refused("[1,,2]", WB_SPLIT_ARRAY, 100, WB_EINVAL, "an element is missing");
	assert_refused("[1,]", WB_SPLIT_ARRAY, 100, WB_EINVAL, "an element is missing");
	assert_refused("[1}", WB_SPLIT_ARRAY, 100, WB_EINVAL, "without {");
	assert_refused("[1,", WB_SPLIT_AUTO, 100, WB_EINVAL, "ends before");
}

static void an_item_has_a_maximum(void **state)
{
	(void)state;
	assert_refused("{}\n{\"a\":\"12345\"}\n", WB_SPLIT_NDJSON, 8, WB_ETOOBIG, "line 2");
	assert_refused("[1,\n\n\"1234567890\"]", WB_SPLIT_ARRAY, 8, WB_ETOOBIG, "line 3");
	assert_items("{\"a\":\"12345\"}\n", WB_SPLIT_NDJSON, "{\"a\":\"12345\"}|");
}

static void items_know_the_line_where_they_begin(void **state)
{
	static const char text[] = "[\n1,\n\n{\n\"a\":\n2},3]";
	struct wb_slice input = { text, sizeof text - 1 }, item;
	const int64_t lines[] = { 2, 4, 6 };
	struct wb_splitter s;

	(void)state;
	wb_splitter_init(&s, WB_SPLIT_AUTO, 100);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(wb_splitter_next(&s, &input, true, &item, NULL), WB_OK);
		assert_int_equal(s.item_line, lines[i]);
	}
}

static void an_item_is_not_copied(void **state)
{
	static const char text[] = "{\"a\":1}\n{\"b\":2}\n";
	struct wb_slice input = { text, sizeof text - 1 }, item;
	struct wb_splitter s;

	(void)state;
	wb_splitter_init(&s, WB_SPLIT_NDJSON, 100);
	assert_int_equal(wb_splitter_next(&s, &input, true, &item, NULL), WB_OK);
	assert_ptr_equal(item.data, text);
	assert_int_equal(wb_splitter_next(&s, &input, true, &item, NULL), WB_OK);
	assert_ptr_equal(item.data, text + 8);
}

static void what_is_left_is_at_most_the_maximum(void **state)
{
	static const char text[] = "{\"a\":1}\n{\"b\":";
	struct wb_slice block = { text, sizeof text - 1 }, item;
	struct wb_splitter s;
	struct wb_error e;

	(void)state;
	wb_splitter_init(&s, WB_SPLIT_NDJSON, 10);
	assert_int_equal(wb_splitter_next(&s, &block, false, &item, &e), WB_OK);
	assert_int_equal(wb_splitter_next(&s, &block, false, &item, &e), WB_ENOTFOUND);
	assert_int_equal(block.len, 5);
	assert_ptr_equal(block.data, text + 8);
	block = (struct wb_slice)WB_SLICE_LIT("{\"b\":12345");
	assert_int_equal(wb_splitter_next(&s, &block, false, &item, &e), WB_ENOTFOUND);
	block = (struct wb_slice)WB_SLICE_LIT("{\"b\":123456");
	assert_int_equal(wb_splitter_next(&s, &block, false, &item, &e), WB_ETOOBIG);
	assert_non_null(strstr(e.text, "line 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_items_wherever_pieces_end),
		cmocka_unit_test(elements_are_items_wherever_pieces_end),
		cmocka_unit_test(the_first_byte_tells_an_array),
		cmocka_unit_test(an_array_must_be_whole_and_alone),
		cmocka_unit_test(an_item_has_a_maximum),
		cmocka_unit_test(items_know_the_line_where_they_begin),
		cmocka_unit_test(an_item_is_not_copied),
		cmocka_unit_test(what_is_left_is_at_most_the_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
