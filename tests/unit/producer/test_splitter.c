#include "producer/splitter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Splits text given in pieces of that many bytes; items are joined by | into out. */
static enum wb_err split(
	const char *text, size_t piece, enum wb_split_format format, size_t max, char *out, struct wb_error *e)
{
	size_t len = strlen(text);
	struct wb_splitter s;
	struct wb_slice item;
	enum wb_err err = WB_ENOTFOUND;

	*out = '\0';
	wb_splitter_init(&s, format, max);
	for (size_t at = 0; at < len && err == WB_ENOTFOUND; at += piece) {
		struct wb_slice input = { text + at, len - at < piece ? len - at : piece };

		while ((err = wb_splitter_next(&s, &input, &item, e)) == WB_OK) {
			strncat(out, item.data, item.len);
			strcat(out, "|");
		}
	}
	if (err == WB_ENOTFOUND && (err = wb_splitter_end(&s, &item, e)) == WB_OK) {
		strncat(out, item.data, item.len);
		strcat(out, "|");
		err = WB_ENOTFOUND;
	}
	wb_splitter_release(&s);
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
		assert_int_equal(wb_splitter_next(&s, &input, &item, NULL), WB_OK);
		assert_int_equal(s.item_line, lines[i]);
	}
	wb_splitter_release(&s);
}

static void an_item_in_one_piece_is_not_copied(void **state)
{
	static const char text[] = "{\"a\":1}\n{\"b\":2}\n";
	struct wb_slice input = { text, sizeof text - 1 }, item;
	struct wb_splitter s;

	(void)state;
	wb_splitter_init(&s, WB_SPLIT_NDJSON, 100);
	assert_int_equal(wb_splitter_next(&s, &input, &item, NULL), WB_OK);
	assert_ptr_equal(item.data, text);
	assert_int_equal(wb_splitter_next(&s, &input, &item, NULL), WB_OK);
	assert_ptr_equal(item.data, text + 8);
	wb_splitter_release(&s);
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
		cmocka_unit_test(an_item_in_one_piece_is_not_copied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
