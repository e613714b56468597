#include "producer/render.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_job_as_json(void **state)
{
	const struct wb_result_failure failures[] = {
		{ .seq = 7,
			.id = WB_SLICE_LIT("a\"b"),
			.reason = WB_REASON_CONFLICT,
			.status = 409,
			.letter_partition = 3,
			.letter_offset = 12 },
		{ .seq = 8, .reason = WB_REASON_INVALID_JSON, .letter_partition = -1 },
	};
	const struct wb_job_info info = { .id = "00112233445566778899aabbccddeeff",
		.status = WB_JOB_FAILED,
		.accepted = 10,
		.written = 7,
		.superseded = 1,
		.dead = 2,
		.request_charge = 12.25,
		.created_ms = 0,
		.completed_ms = 1500,
		.failures = failures,
		.failure_count = 2 };
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 10000);
	wb_render_job(&info, true, &out);
	assert_string_equal(out.data,
		"{\"jobId\":\"00112233445566778899aabbccddeeff\",\"status\":\"Failed\",\"accepted\":10,\"written\":7,"
		"\"superseded\":1,\"dead\":2,\"pending\":0,\"requestCharge\":12.25,\"createdAt\":\"1970-01-01T00:00:00."
		"000Z\","
		"\"completedAt\":\"1970-01-01T00:00:01.500Z\",\"callback\":null,\"failures\":[{\"seq\":7,\"id\":"
		"\"a\\\"b\",\"reason\":"
		"\"conflict\","
		"\"status\":409,\"deadLetter\":{\"partition\":3,\"offset\":12}},{\"seq\":8,\"id\":null,"
		"\"reason\":\"invalid-json\",\"status\":null,\"deadLetter\":null}]}");
	wb_buf_release(&out);
}

static void a_job_in_a_list_has_no_failures(void **state)
{
	const struct wb_job_info info = { .id = "00112233445566778899aabbccddeeff", .accepted = 1, .pending = 1 };
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 10000);
	wb_render_job(&info, false, &out);
	assert_string_equal(out.data,
		"{\"jobId\":\"00112233445566778899aabbccddeeff\",\"status\":\"NotStarted\",\"accepted\":1,\"written\":"
		"0,"
		"\"superseded\":0,\"dead\":0,\"pending\":1,\"requestCharge\":0,\"createdAt\":\"1970-01-01T00:00:00."
		"000Z\","
		"\"completedAt\":null,\"callback\":null}");
	wb_buf_release(&out);
}

static void a_callback_as_json(void **state)
{
	struct wb_job_info info = { .id = "00112233445566778899aabbccddeeff",
		.accepted = 1,
		.callback = WB_SLICE_LIT("https://a.example/\"x"),
		.callback_state = WB_CALLBACK_PENDING };
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 10000);
	wb_render_job(&info, false, &out);
	assert_non_null(strstr(out.data,
		",\"callback\":{\"url\":\"https://a.example/\\\"x\",\"state\":\"pending\",\"attempts\":0,"
		"\"lastStatus\":null,\"lastAttemptAt\":null}}"));
	wb_buf_clear(&out);
	info.callback = wb_slice_cstr("https://a.example/b?token=secret?");
	wb_render_job(&info, false, &out);
	assert_non_null(strstr(out.data, "{\"url\":\"https://a.example/b\","));
	assert_null(strstr(out.data, "secret"));
	wb_buf_clear(&out);
	info.callback_state = WB_CALLBACK_RETRYING;
	info.callback_attempts = 2;
	info.callback_status = 503;
	info.callback_at_ms = 1500;
	wb_render_job(&info, false, &out);
	assert_non_null(strstr(out.data,
		"\"state\":\"retrying\",\"attempts\":2,\"lastStatus\":503,"
		"\"lastAttemptAt\":\"1970-01-01T00:00:01.500Z\"}}"));
	wb_buf_release(&out);
}

static void a_tag_tells_representations_apart(void **state)
{
	char one[WB_ETAG_SIZE], two[WB_ETAG_SIZE], again[WB_ETAG_SIZE];

	(void)state;
	wb_render_etag(wb_slice_cstr("{\"written\":1}"), one);
	wb_render_etag(wb_slice_cstr("{\"written\":2}"), two);
	wb_render_etag(wb_slice_cstr("{\"written\":1}"), again);
	assert_int_equal(strlen(one), WB_ETAG_SIZE - 1);
	assert_int_equal(one[0], '"');
	assert_int_equal(one[WB_ETAG_SIZE - 2], '"');
	assert_string_equal(one, again);
	assert_string_not_equal(one, two);
}

static void a_condition_is_a_list_of_tags_or_a_star(void **state)
{
	static const char *const named[] = { "\"ab\"", " \"ab\"", "W/\"ab\"", "\"x\", \"ab\"",
		"\"x\",W/\"y\" , W/\"ab\"", "*", " *", "\"a,b\",\"ab\"" };
	static const char *const others[] = { "", "\"abc\"", "ab", "\"x\"", "\"x,\"ab", "W/", ",", "\"", "W/\"",
		"\"x\",," };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(named); i++)
		assert_true(wb_etag_matches(wb_slice_cstr(named[i]), "\"ab\""));
	for (size_t i = 0; i < WB_ARRAY_LEN(others); i++)
		assert_false(wb_etag_matches(wb_slice_cstr(others[i]), "\"ab\""));
	assert_false(wb_etag_matches((struct wb_slice){ NULL, 0 }, "\"ab\""));
}

static void the_ledger_as_json(void **state)
{
	const struct wb_job_totals totals = { 10, 1, 7, 1, 2, 1 };
	struct wb_buf out;

	(void)state;
	wb_buf_init(&out, 10000);
	wb_render_ledger(&totals, &out);
	assert_string_equal(
		out.data, "{\"accepted\":10,\"unaccepted\":1,\"written\":7,\"superseded\":1,\"dead\":2,\"pending\":1}");
	wb_buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_as_json),
		cmocka_unit_test(a_job_in_a_list_has_no_failures),
		cmocka_unit_test(a_callback_as_json),
		cmocka_unit_test(a_tag_tells_representations_apart),
		cmocka_unit_test(a_condition_is_a_list_of_tags_or_a_star),
		cmocka_unit_test(the_ledger_as_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
