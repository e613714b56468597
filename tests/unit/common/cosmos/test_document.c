#include "common/cosmos/document.h"

#include "common/base/compiler.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

enum { SCRATCH = WB_DOCUMENT_ID_MAX + WB_JSON_PATHS_MAX * WB_PK_STRING_MAX };

struct fixture {
	struct wb_json_paths paths;
	struct wb_buf scratch;
	struct wb_document document;
	struct wb_error why;
};

static enum wb_reason check(struct fixture *f, struct wb_slice text)
{
	wb_buf_clear(&f->scratch);
	return wb_document_check(text, &f->paths, &f->scratch, &f->document, &f->why);
}

static int setup(void **state)
{
	struct fixture *f = wb_xcalloc(1, sizeof *f);

	wb_buf_init(&f->scratch, SCRATCH);
	assert_non_null(wb_buf_reserve(&f->scratch, SCRATCH));
	assert_int_equal(wb_json_paths_add(&f->paths, LIT("/pk"), NULL), WB_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	wb_json_paths_release(&f->paths);
	wb_buf_release(&f->scratch);
	free(f);
	return 0;
}

static void a_good_document_gives_id_and_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, LIT(" {\"pk\":\"a\\u0062\",\"id\":\"x\\u0079\",\"n\":1}\n")), WB_REASON_NONE);
	assert_true(wb_slice_eq_cstr(f->document.raw, "{\"pk\":\"a\\u0062\",\"id\":\"x\\u0079\",\"n\":1}"));
	assert_true(wb_slice_eq_cstr(f->document.id, "xy"));
	assert_true(wb_slice_eq_cstr(f->document.id_raw, "\"x\\u0079\""));
	assert_int_equal(f->document.pk.count, 1);
	assert_true(wb_slice_eq_cstr(f->document.pk.component[0].string, "ab"));
}

static void an_absent_partition_key_is_a_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, LIT("{\"id\":\"x\"}")), WB_REASON_NONE);
	assert_int_equal(f->document.pk.component[0].type, WB_PK_UNDEFINED);
}

static void without_paths_the_key_is_not_looked_at(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(wb_document_check(LIT("{\"id\":\"x\",\"pk\":{}}"), NULL, &f->scratch, &f->document, &f->why),
		WB_REASON_NONE);
	assert_int_equal(f->document.pk.count, 0);
}

static void each_fault_has_its_reason(void **state)
{
	static const struct {
		const char *text;
		enum wb_reason reason;
	} faults[] = {
		{ "", WB_REASON_INVALID_JSON },
		{ "not json", WB_REASON_INVALID_JSON },
		{ "{\"id\":\"x\"", WB_REASON_INVALID_JSON },
		{ "{\"id\":\"x\"} {}", WB_REASON_INVALID_JSON },
		{ "[{\"id\":\"x\"}]", WB_REASON_NOT_AN_OBJECT },
		{ "null", WB_REASON_NOT_AN_OBJECT },
		{ "{\"id\":\"x\",\"\\u0069d\":\"y\"}", WB_REASON_DUPLICATE_MEMBER },
		{ "{\"id\":\"x\",\"pk\":1,\"pk\":1}", WB_REASON_DUPLICATE_MEMBER },
		{ "{\"pk\":1}", WB_REASON_MISSING_ID },
		{ "{\"id\":null}", WB_REASON_INVALID_ID },
		{ "{\"id\":1}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a/b\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a\\u002fb\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a\\ud800\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"x\",\"pk\":{}}", WB_REASON_INVALID_PARTITION_KEY },
		{ "{\"id\":\"x\",\"pk\":[]}", WB_REASON_INVALID_PARTITION_KEY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(faults); i++) {
		f->why.text[0] = '\0';
		assert_int_equal(check(f, wb_slice_cstr(faults[i].text)), faults[i].reason);
		assert_string_not_equal(f->why.text, "");
	}
}

static void where_the_json_breaks_is_said(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(check(f, LIT("{\"id\":\"x\",}")), WB_REASON_INVALID_JSON);
	assert_non_null(strstr(f->why.text, "byte 10"));
}

static void ids_follow_cosmos_rules(void **state)
{
	char id[WB_DOCUMENT_ID_MAX + 1];
	static const struct wb_slice good[] = { WB_SLICE_LIT("a"), WB_SLICE_LIT(" a b"), WB_SLICE_LIT("\xc3\xa9%&+") };
	static const struct wb_slice bad[] = { WB_SLICE_LIT(""), WB_SLICE_LIT("a "), WB_SLICE_LIT("a/"),
		WB_SLICE_LIT("\\a"), WB_SLICE_LIT("a?b"), WB_SLICE_LIT("a#b"), WB_SLICE_LIT("a\tb"),
		WB_SLICE_LIT("a\0b"), WB_SLICE_LIT("\x7f") };
	struct wb_error why;

	(void)state;
	memset(id, 'i', sizeof id);
	for (size_t i = 0; i < WB_ARRAY_LEN(good); i++)
		assert_int_equal(wb_document_id_check(good[i], &why), WB_REASON_NONE);
	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++)
		assert_int_equal(wb_document_id_check(bad[i], &why), WB_REASON_INVALID_ID);
	assert_int_equal(wb_document_id_check(wb_slice(id, WB_DOCUMENT_ID_MAX), &why), WB_REASON_NONE);
	assert_int_equal(wb_document_id_check(wb_slice(id, WB_DOCUMENT_ID_MAX + 1), &why), WB_REASON_INVALID_ID);
}

static void a_document_has_at_most_two_mebibytes(void **state)
{
	static const char head[] = "{\"id\":\"x\",\"s\":\"";
	struct fixture *f = *state;
	size_t len = WB_DOCUMENT_SIZE_MAX;
	char *text = wb_xmalloc(len + 2);

	memset(text, 's', len);
	memcpy(text, head, sizeof head - 1);
	memcpy(text + len - 2, "\"} ", 3);
	assert_int_equal(check(f, wb_slice(text, len)), WB_REASON_NONE);
	/* Space around a document is not part of it. */
	assert_int_equal(check(f, wb_slice(text, len + 1)), WB_REASON_NONE);
	memcpy(text + len - 2, "s\"}", 3);
	assert_int_equal(check(f, wb_slice(text, len + 1)), WB_REASON_TOO_LARGE);
	free(text);
}

static void the_longest_id_and_key_fit_beside_each_other(void **state)
{
	struct fixture *f = *state;
	struct wb_buf text;

	wb_buf_init(&text, 65536);
	wb_buf_append_cstr(&text, "{\"id\":\"");
	for (int i = 0; i < WB_DOCUMENT_ID_MAX; i++)
		wb_buf_append_cstr(&text, "\\u0061");
	wb_buf_append_cstr(&text, "\",\"pk\":\"");
	for (int i = 0; i < WB_PK_STRING_MAX; i++)
		wb_buf_append_cstr(&text, "\\u0062");
	wb_buf_append_cstr(&text, "\"}");
	assert_int_equal(check(f, wb_buf_slice(&text)), WB_REASON_NONE);
	assert_int_equal(f->document.id.len, WB_DOCUMENT_ID_MAX);
	assert_int_equal(f->document.id.data[WB_DOCUMENT_ID_MAX - 1], 'a');
	assert_int_equal(f->document.pk.component[0].string.len, WB_PK_STRING_MAX);
	assert_int_equal(f->document.pk.component[0].string.data[0], 'b');
	wb_buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_good_document_gives_id_and_key, setup, teardown),
		cmocka_unit_test_setup_teardown(an_absent_partition_key_is_a_key, setup, teardown),
		cmocka_unit_test_setup_teardown(without_paths_the_key_is_not_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(each_fault_has_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(where_the_json_breaks_is_said, setup, teardown),
		cmocka_unit_test(ids_follow_cosmos_rules),
		cmocka_unit_test_setup_teardown(a_document_has_at_most_two_mebibytes, setup, teardown),
		cmocka_unit_test_setup_teardown(the_longest_id_and_key_fit_beside_each_other, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
