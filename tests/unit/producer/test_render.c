#include "producer/render.h"

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
		"\"completedAt\":\"1970-01-01T00:00:01.500Z\",\"failures\":[{\"seq\":7,\"id\":\"a\\\"b\",\"reason\":"
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
		"\"completedAt\":null}");
	wb_buf_release(&out);
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
		cmocka_unit_test(the_ledger_as_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
