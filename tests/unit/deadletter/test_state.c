#include "deadletter/state.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JOB    "0123456789abcdef0123456789abcdef"
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static struct wb_buf scratch;

static bool decode(const char *value, struct wb_state_record *ret)
{
	wb_buf_release(&scratch);
	wb_buf_init(&scratch, 1 << 20);
	return wb_state_decode(wb_slice_cstr(value), &scratch, ret);
}

static void what_is_written_is_read_back(void **state)
{
	const struct wb_state_record written = { .state = WB_LETTER_REPLAYED,
		.at_ms = INT64_C(1760000000000),
		.by = LIT("ann@ops\"1"),
		.attempt = 2,
		.job = LIT(JOB),
		.partition = 3,
		.offset = 17,
		.why = LIT("schema fixed\n") };
	struct wb_state_record read;
	struct wb_buf value;

	(void)state;
	wb_buf_init(&value, 65536);
	wb_state_encode(&written, &value);
	assert_int_equal(wb_buf_status(&value), WB_OK);
	assert_string_equal(value.data,
		"{\"state\":\"replayed\",\"at\":1760000000000,\"by\":\"ann@ops\\\"1\",\"attempt\":2,\"job\":\"" JOB
		"\",\"letter\":\"3/17\",\"why\":\"schema fixed\\n\"}");
	assert_true(decode(value.data, &read));
	assert_int_equal(read.state, WB_LETTER_REPLAYED);
	assert_int_equal(read.at_ms, written.at_ms);
	assert_true(wb_slice_eq(read.by, written.by));
	assert_int_equal(read.attempt, 2);
	assert_true(wb_slice_eq(read.job, written.job));
	assert_int_equal(read.partition, 3);
	assert_int_equal(read.offset, 17);
	assert_true(wb_slice_eq(read.why, written.why));
	wb_buf_release(&value);
}

static void unknown_members_and_states_are_kept_apart(void **state)
{
	struct wb_state_record read;

	(void)state;
	assert_true(decode("{\"x\":{\"state\":1},\"state\":\"forwarded\",\"letter\":\"0/0\",\"more\":[1]}", &read));
	assert_int_equal(read.state, WB_LETTER_OTHER);
	assert_true(wb_slice_eq_cstr(read.word, "forwarded"));
	assert_int_equal(read.at_ms, 0);
	assert_null(read.why.data);
	assert_true(decode("{\"state\":\"older copy\",\"letter\":\"0/0\"}", &read));
	assert_int_equal(read.state, WB_LETTER_OTHER);
}

static void what_is_no_state_is_ignored(void **state)
{
	static const char *const wrong[] = { "", "{}", "[]", "null", "{\"state\":\"replayed\"}", "{\"letter\":\"0/1\"}",
		"{\"state\":1,\"letter\":\"0/1\"}", "{\"state\":\"\",\"letter\":\"0/1\"}",
		"{\"state\":\"replayed\",\"letter\":\"0\"}", "{\"state\":\"replayed\",\"letter\":\"0/-1\"}",
		"{\"state\":\"replayed\",\"letter\":\"/1\"}", "{\"state\":\"replayed\",\"letter\":\"0/1\"",
		"{\"state\":\"replayed\",\"letter\":\"0/1\"}}", "{\"state\":\"\\ud800\",\"letter\":\"0/1\"}" };
	struct wb_state_record read;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(wrong); i++)
		assert_false(decode(wrong[i], &read));
	assert_false(wb_state_decode((struct wb_slice){ NULL, 0 }, &scratch, &read));
}

static void hostile_members_become_absent(void **state)
{
	struct wb_state_record read;

	(void)state;
	assert_true(decode("{\"state\":\"parked\",\"letter\":\"1/2\",\"at\":1e99,\"attempt\":-1,\"job\":\"x\",\"by\":7,"
			   "\"why\":\"\\udc00\"}",
		&read));
	assert_int_equal(read.state, WB_LETTER_PARKED);
	assert_int_equal(read.at_ms, 0);
	assert_int_equal(read.attempt, 0);
	assert_null(read.job.data);
	assert_null(read.by.data);
	assert_null(read.why.data);
}

static void alerts_keys_are_not_letters(void **state)
{
	(void)state;
	assert_true(wb_state_is_letter(LIT(JOB "/1")));
	assert_true(wb_state_is_letter(LIT("alert")));
	assert_false(wb_state_is_letter(LIT("alert:reason/conflict")));
	assert_false(wb_state_is_letter(LIT("")));
	assert_false(wb_state_is_letter((struct wb_slice){ NULL, 0 }));
}

static void a_newer_copy_stands_behind(void **state)
{
	const struct wb_state_record record = {
		.state = WB_LETTER_REPLAYED, .at_ms = 1000, .partition = 1, .offset = 5
	};

	(void)state;
	assert_false(wb_state_is_behind(&record, 1, 5, 2000));
	assert_true(wb_state_is_behind(&record, 1, 6, 500));
	assert_false(wb_state_is_behind(&record, 0, 9, 1000));
	assert_true(wb_state_is_behind(&record, 0, 0, 1001));
}

static void long_texts_are_cut_between_characters(void **state)
{
	static char text[3 * WB_STATE_TEXT_MAX];
	struct wb_state_record record = { .state = WB_LETTER_DISCARDED, .why = { text, sizeof text } }, read;
	struct wb_buf value;

	(void)state;
	for (size_t i = 0; i < sizeof text; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	wb_buf_init(&value, 65536);
	wb_state_encode(&record, &value);
	assert_true(decode(value.data, &read));
	assert_int_equal(read.why.len, WB_STATE_TEXT_MAX / 3 * 3);
	wb_buf_release(&value);
}

static int teardown(void **state)
{
	(void)state;
	wb_buf_release(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(unknown_members_and_states_are_kept_apart),
		cmocka_unit_test(what_is_no_state_is_ignored),
		cmocka_unit_test(hostile_members_become_absent),
		cmocka_unit_test(alerts_keys_are_not_letters),
		cmocka_unit_test(a_newer_copy_stands_behind),
		cmocka_unit_test(long_texts_are_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, teardown);
}
