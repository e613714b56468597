#include "common/base/properties.h"

#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Writes the pairs as "line[key]=[value]" so that a case is one text. */
static enum wb_err note(void *arg, const char *key, const char *value, size_t line, struct wb_error *e)
{
	(void)e;
	wb_buf_appendf(arg, "%zu[%s]=[%s]", line, key, value);
	return WB_OK;
}

static void assert_pairs(const char *text, const char *expected)
{
	struct wb_error e = { "" };
	struct wb_buf pairs;

	wb_buf_init(&pairs, 10000);
	assert_int_equal(wb_properties_read(wb_slice_cstr(text), note, &pairs, &e), WB_OK);
	assert_string_equal(wb_buf_slice(&pairs).data, expected);
	wb_buf_release(&pairs);
}

static void the_three_separators(void **state)
{
	(void)state;
	assert_pairs("a=1\nb:2\nc 3\n", "1[a]=[1]2[b]=[2]3[c]=[3]");
	assert_pairs("a = 1\nb : 2\nc\t3\nd  =4", "1[a]=[1]2[b]=[2]3[c]=[3]4[d]=[4]");
	assert_pairs("a==1\nb=:2\nc:=3", "1[a]=[=1]2[b]=[:2]3[c]=[=3]");
}

static void keys_without_value_and_values_with_spaces(void **state)
{
	(void)state;
	assert_pairs("a\nb=\nc =  ", "1[a]=[]2[b]=[]3[c]=[]");
	assert_pairs("a=x y z ", "1[a]=[x y z ]");
	assert_pairs("=v", "1[]=[v]");
}

static void comments_and_empty_lines(void **state)
{
	(void)state;
	assert_pairs("# a=1\n! b=2\n\n   \n \t# c=3 \\\nd=4 # not a comment\n", "6[d]=[4 # not a comment]");
	assert_pairs("", "");
	assert_pairs("#", "");
}

static void every_line_end(void **state)
{
	(void)state;
	assert_pairs("a=1\r\nb=2\rc=3\n\rd=4", "1[a]=[1]2[b]=[2]3[c]=[3]5[d]=[4]");
}

static void lines_go_on_after_a_backslash(void **state)
{
	(void)state;
	assert_pairs("a=one,\\\n   two,\\\r\n\tthree\nb=4", "1[a]=[one,two,three]4[b]=[4]");
	assert_pairs("a=one\\\\\nb=2", "1[a]=[one\\]2[b]=[2]");
	assert_pairs("a=one\\\n# two", "1[a]=[one# two]");
	assert_pairs("lo\\\n  ng=1", "1[long]=[1]");
	assert_pairs("a=1\\", "1[a]=[1]");
}

static void escapes(void **state)
{
	(void)state;
	assert_pairs("a=\\t\\n\\r\\f\\q\\\\\\=", "1[a]=[\t\n\r\fq\\=]");
	assert_pairs("a\\=b\\:c\\ d=1", "1[a=b:c d]=[1]");
	assert_pairs("\\#a=1", "1[#a]=[1]");
	assert_pairs("a=\\ \\ x", "1[a]=[  x]");
	assert_pairs("a=\\u0041\\u00e9\\u20AC\\ud83d\\ude00", "1[a]=[A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80]");
}

static void utf8_is_taken_as_it_is_with_or_without_a_mark(void **state)
{
	(void)state;
	assert_pairs("\xEF\xBB\xBF"
		     "a=\xC3\xA9",
		"1[a]=[\xC3\xA9]");
}

static void assert_refused(struct wb_slice text, const char *sentence)
{
	struct wb_error e = { "" };
	struct wb_buf pairs;

	wb_buf_init(&pairs, 10000);
	assert_int_equal(wb_properties_read(text, note, &pairs, &e), WB_EINVAL);
	assert_string_equal(e.text, sentence);
	wb_buf_release(&pairs);
}

static void what_has_no_meaning_is_refused_with_its_line(void **state)
{
	(void)state;
	assert_refused(wb_slice_cstr("a=1\nb=\\u12G4"), "line 2: \\u needs four hexadecimal digits");
	assert_refused(wb_slice_cstr("a=\\u12"), "line 1: \\u needs four hexadecimal digits");
	assert_refused(wb_slice_cstr("a=\\\n\\ud800"), "line 2: a \\u escape that is no character");
	assert_refused(wb_slice_cstr("a=\\ud800\\u0041"), "line 1: a \\u escape that is no character");
	assert_refused(wb_slice_cstr("a=\\udc00"), "line 1: a \\u escape that is no character");
	assert_refused(wb_slice_cstr("a=\\u0000"), "line 1: a \\u escape that is no character");
	assert_refused(wb_slice("a=\0", 3), "line 1: a zero byte");
}

static enum wb_err refuse_b(void *arg, const char *key, const char *value, size_t line, struct wb_error *e)
{
	(void)value;
	(void)line;
	++*(int *)arg;
	return key[0] == 'b' ? wb_error_set(e, WB_EUNSUPPORTED, "no %s", key) : WB_OK;
}

static void the_reader_can_end_it(void **state)
{
	struct wb_error e;
	int calls = 0;

	(void)state;
	assert_int_equal(wb_properties_read(wb_slice_cstr("a=1\nb=2\nc=3"), refuse_b, &calls, &e), WB_EUNSUPPORTED);
	assert_string_equal(e.text, "no b");
	assert_int_equal(calls, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_separators),
		cmocka_unit_test(keys_without_value_and_values_with_spaces),
		cmocka_unit_test(comments_and_empty_lines),
		cmocka_unit_test(every_line_end),
		cmocka_unit_test(lines_go_on_after_a_backslash),
		cmocka_unit_test(escapes),
		cmocka_unit_test(utf8_is_taken_as_it_is_with_or_without_a_mark),
		cmocka_unit_test(what_has_no_meaning_is_refused_with_its_line),
		cmocka_unit_test(the_reader_can_end_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
