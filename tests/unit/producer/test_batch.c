#include "producer/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static void a_write_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct wb_batch_write) <= 48);
}

static void assert_value(const char *document, bool id_made, const char *value)
{
	const struct wb_batch_write write = {
		.document = wb_slice_cstr(document), .id = LIT("job-7"), .id_made = id_made
	};
	struct wb_buf scratch;
	struct wb_slice got;

	wb_buf_init(&scratch, 100);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(wb_batch_value(&write, &scratch, &got), WB_OK);
		assert_int_equal(got.len, strlen(value));
		assert_memory_equal(got.data, value, got.len);
		assert_int_equal(wb_batch_value_len(&write), got.len);
	}
	wb_buf_release(&scratch);
}

static void a_made_id_is_the_first_member_and_the_rest_stays(void **state)
{
	(void)state;
	assert_value("{\"a\":1.0}", true, "{\"id\":\"job-7\",\"a\":1.0}");
	assert_value("{ \"a\" : 1 }", true, "{\"id\":\"job-7\", \"a\" : 1 }");
	assert_value("{}", true, "{\"id\":\"job-7\"}");
	assert_value("{ \t\r\n}", true, "{\"id\":\"job-7\" \t\r\n}");
}

static void other_values_are_what_came(void **state)
{
	const struct wb_batch_write del = { .op = WB_OP_DELETE, .id = LIT("a") };
	struct wb_slice got;

	(void)state;
	assert_value("{\"id\":\"job-7\"}", false, "{\"id\":\"job-7\"}");
	assert_int_equal(wb_batch_value(&del, NULL, &got), WB_OK);
	assert_non_null(got.data);
	assert_int_equal(got.len, 0);
}

static void a_value_that_does_not_fit_is_an_error(void **state)
{
	const struct wb_batch_write write = { .document = LIT("{\"a\":1}"), .id = LIT("job-7"), .id_made = true };
	struct wb_buf scratch;
	struct wb_slice got;

	(void)state;
	wb_buf_init(&scratch, wb_batch_value_len(&write) - 1);
	assert_int_equal(wb_batch_value(&write, &scratch, &got), WB_ETOOBIG);
	wb_buf_release(&scratch);
}

static void what_passes_is_kept_and_what_stays_is_not_copied(void **state)
{
	static const char body[] = "etag";
	struct wb_batch_more more = { .if_match = WB_SLICE_LIT(body) };
	const struct wb_batch_more *kept;
	struct wb_buf passing;
	struct wb_batch batch;

	(void)state;
	wb_batch_init(&batch, 1);
	wb_buf_init(&passing, 100);
	wb_buf_append_cstr(&passing, "[\"a\"]");
	more.partition_key = wb_buf_slice(&passing);
	more.if_match.data = body;
	for (int i = 0; i < 500; i++) {
		struct wb_slice odd;

		assert_int_equal(wb_batch_keep(&batch, LIT("odd"), &odd), WB_OK);
		assert_int_equal(wb_batch_keep_more(&batch, &more, &passing, &kept), WB_OK);
		assert_int_equal((uintptr_t)kept % sizeof(void *), 0);
	}
	assert_ptr_equal(kept->if_match.data, body);
	assert_null(kept->if_none_match.data);
	memset(passing.data, 'x', passing.len);
	assert_true(wb_slice_eq_cstr(kept->partition_key, "[\"a\"]"));
	assert_true(wb_batch_bytes(&batch) >= 500 * sizeof *kept);
	wb_buf_release(&passing);
	wb_batch_release(&batch);
	assert_int_equal(wb_batch_bytes(&batch), 0);
}

static void it_holds_no_more_than_its_maximum(void **state)
{
	const struct wb_batch_write write = { .document = LIT("{}"), .id = LIT("a") };
	struct wb_batch batch;

	(void)state;
	wb_batch_init(&batch, 17);
	for (int i = 0; i < 17; i++)
		assert_int_equal(wb_batch_add(&batch, &write), WB_OK);
	assert_int_equal(wb_batch_add(&batch, &write), WB_ETOOBIG);
	assert_int_equal(batch.count, 17);
	wb_batch_release(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_is_small),
		cmocka_unit_test(a_made_id_is_the_first_member_and_the_rest_stays),
		cmocka_unit_test(other_values_are_what_came),
		cmocka_unit_test(a_value_that_does_not_fit_is_an_error),
		cmocka_unit_test(what_passes_is_kept_and_what_stays_is_not_copied),
		cmocka_unit_test(it_holds_no_more_than_its_maximum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
