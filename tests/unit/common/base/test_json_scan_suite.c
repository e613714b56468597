/* The scanner and the reader against JSONTestSuite. */
#include "common/base/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum verdict { ACCEPT, REFUSE };

struct suite_case {
	enum verdict verdict;
	const char *name;
	unsigned times;
	struct wb_slice opening, closing;
};

static const struct suite_case cases[] = {
#define CASE(verdict, name, text) { verdict, name, 1, WB_SLICE_LIT(text), WB_SLICE_LIT("") },
#define NESTED(verdict, name, times, opening, closing) \
	{ verdict, name, times, WB_SLICE_LIT(opening), WB_SLICE_LIT(closing) },
#include "tests/unit/common/base/jsontestsuite.inc"
};

/* The text in memory of exactly its size, so that a read past its end is an error. */
static struct wb_slice text_of(const struct suite_case *c)
{
	size_t len = c->times * (c->opening.len + c->closing.len);
	char *text = malloc(len ? len : 1), *at = text;

	assert_non_null(text);
	for (unsigned i = 0; i < c->times; i++, at += c->opening.len)
		memcpy(at, c->opening.data, c->opening.len);
	for (unsigned i = 0; i < c->times; i++, at += c->closing.len)
		memcpy(at, c->closing.data, c->closing.len);
	return wb_slice(text, len);
}

static enum verdict scanned(struct wb_slice text)
{
	struct wb_json_value value;
	struct wb_json_error error;
	enum wb_json_status status = wb_json_scan_value(text, &value, &error);

	if (status != WB_JSON_OK)
		assert_true(error.offset <= text.len);
	return status == WB_JSON_OK ? ACCEPT : REFUSE;
}

static void read_one(struct wb_json_reader *r)
{
	if (!wb_json_reader_enter(r)) {
		(void)!wb_json_reader_skip(r, NULL); /* the status sticks */
		return;
	}
	while (wb_json_reader_next(r, NULL) == 1)
		read_one(r);
}

static enum verdict pulled(struct wb_slice text)
{
	struct wb_json_reader r;

	wb_json_reader_init(&r, text);
	read_one(&r);
	return wb_json_reader_end(&r) == WB_JSON_OK ? ACCEPT : REFUSE;
}

static enum verdict document(struct wb_slice text)
{
	struct wb_json_document document;
	struct wb_json_error error;
	enum wb_json_status status = wb_json_scan_document(text, NULL, &document, &error);

	return status == WB_JSON_INVALID ? REFUSE : ACCEPT;
}

static void every_case_is_judged_as_the_suite_says(void **state)
{
	unsigned kinds[3] = { 0 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		const struct suite_case *c = &cases[i];
		struct wb_slice text = text_of(c);

		kinds[c->name[0] == 'y' ? 0 : c->name[0] == 'n' ? 1 : 2]++;
		if (c->name[0] != 'i')
			assert_int_equal(c->verdict, c->name[0] == 'y' ? ACCEPT : REFUSE);
		if (scanned(text) != c->verdict || pulled(text) != c->verdict || document(text) != c->verdict)
			fail_msg("%s", c->name);
		free((void *)(uintptr_t)text.data);
	}
	assert_int_equal(kinds[0], 95);
	assert_int_equal(kinds[1], 188);
	assert_int_equal(kinds[2], 35);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_judged_as_the_suite_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
