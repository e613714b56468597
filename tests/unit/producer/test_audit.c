#include "producer/audit.h"

#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What a log says of one audit, without its time. */
static const char *line_of(const struct wb_audit *audit, char ret[1000])
{
	struct wb_log *log;
	ssize_t n;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	log = wb_log_new("p", fds[1], WB_LOG_INFO, WB_LOG_LOGFMT);
	wb_audit_job(log, audit);
	wb_log_free(&log);
	assert_int_equal(close(fds[1]), 0);
	n = read(fds[0], ret, 999);
	assert_true(n > 0);
	ret[n] = '\0';
	assert_int_equal(close(fds[0]), 0);
	return strstr(ret, "level=");
}

static void a_job_is_one_line_with_who_and_what(void **state)
{
	const struct wb_audit audit = {
		.principal = "billing",
		.peer = wb_slice_cstr("10.1.2.3"),
		.job = wb_slice_cstr("0123456789abcdef0123456789abcdef"),
		.database = wb_slice_cstr("shop"),
		.container = wb_slice_cstr("my reports"),
		.op = "upsert",
		.count = 100,
		.bytes = 102400,
		.status = 202,
		.keyed = true,
	};
	char text[1000];

	(void)state;
	assert_string_equal(line_of(&audit, text),
		"level=info program=p msg=\"job\" principal=billing status=202 op=upsert count=100 bytes=102400 "
		"keyed=true "
		"job=0123456789abcdef0123456789abcdef peer=10.1.2.3 database=shop container=\"my reports\"\n");
}

static void what_is_absent_is_left_out(void **state)
{
	const struct wb_audit audit = { .principal = "anonymous", .op = "delete", .status = 503 };
	char text[1000];

	(void)state;
	assert_string_equal(line_of(&audit, text),
		"level=info program=p msg=\"job\" principal=anonymous status=503 op=delete count=0 bytes=0 "
		"keyed=false\n");
}

static void a_name_cannot_forge_a_line(void **state)
{
	const struct wb_audit audit = {
		.principal = "p", .op = "upsert", .container = wb_slice_cstr("x\nlevel=error")
	};
	char text[1000];

	(void)state;
	assert_non_null(strstr(line_of(&audit, text), "container=\"x\\nlevel=error\"\n"));
}

static void without_a_log_nothing_happens(void **state)
{
	const struct wb_audit audit = { .principal = "p", .op = "upsert" };

	(void)state;
	wb_audit_job(NULL, &audit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_one_line_with_who_and_what),
		cmocka_unit_test(what_is_absent_is_left_out),
		cmocka_unit_test(a_name_cannot_forge_a_line),
		cmocka_unit_test(without_a_log_nothing_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
