#include "consumer/outage.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
	struct wb_health *health;
	struct wb_metrics *metrics;
	struct wb_log *log;
	int log_fd;
	struct wb_outage *outage;
};

static void setup(struct fixture *f)
{
	f->health = wb_health_new();
	f->metrics = wb_metrics_new();
	f->log_fd = memfd_create("log", 0);
	assert_true(f->log_fd >= 0);
	f->log = wb_log_new("test", f->log_fd, WB_LOG_INFO, WB_LOG_LOGFMT);
	f->outage = wb_outage_new(f->health, f->metrics, f->log);
}

static void teardown(struct fixture *f)
{
	wb_outage_free(&f->outage);
	wb_log_free(&f->log);
	wb_health_free(&f->health);
	wb_metrics_free(&f->metrics);
	assert_int_equal(close(f->log_fd), 0);
}

/* How many lines of the log hold the text. */
static int said(const struct fixture *f, const char *text)
{
	char log[64 * 1024];
	ssize_t len = pread(f->log_fd, log, sizeof log - 1, 0);
	int count = 0;

	assert_true(len >= 0);
	log[len] = '\0';
	for (const char *at = log; (at = strstr(at, text)); at += strlen(text))
		count++;
	return count;
}

static bool is_shown(const struct fixture *f, const char *text)
{
	struct wb_buf out;
	bool found;

	wb_buf_init(&out, 4096);
	wb_health_render(f->health, &out);
	found = strstr(out.data, text) != NULL;
	wb_buf_release(&out);
	return found;
}

static double seconds(const struct fixture *f)
{
	return wb_counter_value(wb_metrics_counter(f->metrics, "writebehind_cosmos_outage_seconds_total", "", ""));
}

static void it_is_told_at_once_to_readyz_and_once_a_minute_to_the_log(void **state)
{
	struct fixture f;
	bool counted = false;

	(void)state;
	setup(&f);
	assert_true(wb_health_ready(f.health));
	for (int64_t ms = 1000000; ms < 1000000 + 10 * 60000; ms += 250) {
		wb_outage_note(f.outage, &counted, "status 503/0", ms);
		assert_false(wb_health_ready(f.health));
	}
	assert_true(is_shown(&f, "status 503/0"));
	assert_int_equal(said(&f, "does not take requests"), 10);
	wb_outage_note(f.outage, &counted, "connection refused", 1600000);
	assert_true(is_shown(&f, "connection refused"));
	assert_false(is_shown(&f, "status 503/0"));
	wb_outage_over(f.outage, &counted, 1600000);
	assert_true(wb_health_ready(f.health));
	assert_int_equal(said(&f, "takes requests again"), 1);
	assert_true(seconds(&f) == 600);
	teardown(&f);
}

static void ranges_count_once_each_and_the_last_one_ends_it(void **state)
{
	struct fixture f;
	bool one = false, other = false;

	(void)state;
	setup(&f);
	wb_outage_over(f.outage, &one, 1000); /* there was none */
	wb_outage_note(f.outage, &one, "reset", 1000);
	wb_outage_note(f.outage, &one, "reset", 2000);
	wb_outage_note(f.outage, &other, "reset", 2500);
	wb_outage_over(f.outage, &one, 3000);
	assert_false(wb_health_ready(f.health));
	wb_outage_over(f.outage, &one, 3500); /* it was over already */
	assert_false(wb_health_ready(f.health));
	wb_outage_over(f.outage, &other, 4000);
	assert_true(wb_health_ready(f.health));
	assert_true(seconds(&f) == 3);
	teardown(&f);
}

static void blips_are_worth_one_line_a_minute(void **state)
{
	struct fixture f;
	bool counted = false;

	(void)state;
	setup(&f);
	for (int64_t ms = 1000000; ms < 1000000 + 10 * 60000; ms += 500) {
		wb_outage_note(f.outage, &counted, "reset", ms);
		wb_outage_over(f.outage, &counted, ms + 100);
	}
	assert_true(said(&f, "does not take requests") <= 10);
	teardown(&f);
}

static void what_nothing_waits_for_is_forgotten_without_a_word(void **state)
{
	struct fixture f;
	bool counted = false;

	(void)state;
	setup(&f);
	wb_outage_note(f.outage, &counted, "reset", 1000);
	wb_outage_note(f.outage, &counted, "reset", 5000);
	wb_outage_forget(f.outage, &counted, 6000);
	assert_true(wb_health_ready(f.health));
	assert_int_equal(said(&f, "takes requests again"), 0);
	assert_false(counted);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_at_once_to_readyz_and_once_a_minute_to_the_log),
		cmocka_unit_test(ranges_count_once_each_and_the_last_one_ends_it),
		cmocka_unit_test(blips_are_worth_one_line_a_minute),
		cmocka_unit_test(what_nothing_waits_for_is_forgotten_without_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
