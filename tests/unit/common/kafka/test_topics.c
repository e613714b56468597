#include "common/kafka/topics.h"

#include "tests/unit/common/kafka/mock.h"

#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Settings and creation need brokers that the mock is not: tests/system has them. */

enum { WAIT_MS = 20000 };

static void a_missing_topic_is_named_with_its_option(void **state)
{
	struct wb_error e = { "" };
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	assert_int_equal(wb_topics_check(&m.options, WB_TOPIC_WRITES | WB_TOPIC_RESULTS, WAIT_MS, NULL, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, "topic results (topic.results) does not exist"));
	/* Looking did not make it, though this cluster makes whatever is asked for by name. */
	assert_int_equal(wb_topics_check(&m.options, WB_TOPIC_RESULTS, WAIT_MS, NULL, &e), WB_EINVAL);
	mock_stop(&m);
}

static void only_topics_that_are_used_are_looked_at(void **state)
{
	struct wb_error e = { "" };
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	mock_topic(&m, "letters", 1);
	assert_int_equal(wb_topics_check(&m.options, WB_TOPIC_DEAD_LETTERS, WAIT_MS, NULL, &e), WB_OK);
	mock_stop(&m);
}

static void a_cluster_without_settings_is_a_warning(void **state)
{
	struct wb_error e = { "" };
	char text[4096] = "";
	struct wb_log *log;
	struct mock m;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	log = wb_log_new("test", fds[1], WB_LOG_WARN, WB_LOG_LOGFMT);
	mock_start(&m, 1);
	mock_topic(&m, "writes", 1);
	assert_int_equal(wb_topics_check(&m.options, WB_TOPIC_WRITES, WAIT_MS, log, &e), WB_OK);
	assert_true(read(fds[0], text, sizeof text - 1) > 0);
	assert_non_null(strstr(text, "could not be read"));
	assert_non_null(strstr(text, "topic=writes"));
	mock_stop(&m);
	wb_log_free(&log);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void a_silent_cluster_is_a_timeout(void **state)
{
	struct wb_error e = { "" };
	struct mock m;

	(void)state;
	mock_start(&m, 1);
	rd_kafka_mock_broker_set_down(m.cluster, 1);
	assert_int_equal(wb_topics_check(&m.options, WB_TOPIC_WRITES, 300, NULL, &e), WB_ETIMEDOUT);
	assert_non_null(strstr(e.text, m.options.bootstrap_servers));
	mock_stop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_topic_is_named_with_its_option),
		cmocka_unit_test(only_topics_that_are_used_are_looked_at),
		cmocka_unit_test(a_cluster_without_settings_is_a_warning),
		cmocka_unit_test(a_silent_cluster_is_a_timeout),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
