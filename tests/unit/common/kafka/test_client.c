#include "common/kafka/client.h"

#include "common/base/compiler.h"

#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

static rd_kafka_conf_t *make(struct wb_option_pair *pair, const struct wb_kafka_setting *role, struct wb_error *e)
{
	static struct wb_kafka_context context;
	const struct wb_kafka_options options = {
		.bootstrap_servers = TEXT("127.0.0.1:1"),
		.properties = { pair, pair ? 1 : 0 },
	};

	return wb_kafka_conf_new(&options, role, "me", &context, e);
}

static void assert_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char got[512];
	size_t size = sizeof got;

	assert_int_equal(rd_kafka_conf_get(conf, name, got, &size), RD_KAFKA_CONF_OK);
	assert_string_equal(got, value);
}

static void our_defaults_are_set(void **state)
{
	rd_kafka_conf_t *conf = make(NULL, NULL, NULL);

	(void)state;
	assert_non_null(conf);
	assert_set(conf, "bootstrap.servers", "127.0.0.1:1");
	assert_set(conf, "client.id", "me");
	assert_set(conf, "heartbeat.interval.ms", "500");
	assert_set(conf, "fetch.wait.max.ms", "100");
	assert_set(conf, "reconnect.backoff.max.ms", "1000");
	assert_set(conf, "message.max.bytes", "3000000");
	assert_set(conf, "partitioner", "murmur2_random");
	assert_set(conf, "partition.assignment.strategy", "cooperative-sticky");
	assert_set(conf, "enable.auto.commit", "false");
	assert_set(conf, "enable.auto.offset.store", "false");
	rd_kafka_conf_destroy(conf);
}

static void the_user_wins_over_role_and_role_over_defaults(void **state)
{
	const struct wb_kafka_setting role[] = { { "linger.ms", "7" }, { "fetch.wait.max.ms", "30" }, { NULL, NULL } };
	struct wb_option_pair pair = { TEXT("linger.ms"), TEXT("9"), false };
	rd_kafka_conf_t *conf = make(&pair, role, NULL);

	(void)state;
	assert_non_null(conf);
	assert_set(conf, "fetch.wait.max.ms", "30");
	assert_set(conf, "linger.ms", "9");
	rd_kafka_conf_destroy(conf);
}

static void an_unknown_property_is_named(void **state)
{
	struct wb_option_pair pair = { TEXT("batch.sise"), TEXT("1"), false };
	struct wb_error e = { "" };

	(void)state;
	assert_null(make(&pair, NULL, &e));
	assert_non_null(strstr(e.text, "kafka.batch.sise"));
}

static void a_bad_value_is_shown_unless_it_is_secret(void **state)
{
	struct wb_option_pair pair = { TEXT("socket.timeout.ms"), TEXT("hush"), false };
	struct wb_error e = { "" };

	(void)state;
	assert_null(make(&pair, NULL, &e));
	assert_non_null(strstr(e.text, "hush"));
	pair.secret = true;
	assert_null(make(&pair, NULL, &e));
	assert_null(strstr(e.text, "hush"));
	assert_non_null(strstr(e.text, "kafka.socket.timeout.ms"));
}

static void what_promises_rest_on_cannot_be_changed(void **state)
{
	static const struct {
		const char *name, *refused, *allowed;
	} cases[] = {
		{ "acks", "1", "all" },
		{ "request.required.acks", "0", "-1" },
		{ "enable.idempotence", "false", "true" },
		{ "enable.auto.commit", "true", "false" },
		{ "enable.auto.offset.store", "true", "false" },
		{ "auto.offset.reset", "latest", NULL },
		{ "transactional.id", "t", NULL },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct wb_option_pair pair = { TEXT(cases[i].name), TEXT(cases[i].refused), false };
		struct wb_error e = { "" };
		rd_kafka_conf_t *conf;

		assert_null(make(&pair, NULL, &e));
		assert_non_null(strstr(e.text, cases[i].name));
		if (!cases[i].allowed)
			continue;
		pair.value = TEXT(cases[i].allowed);
		conf = make(&pair, NULL, &e);
		assert_non_null(conf);
		rd_kafka_conf_destroy(conf);
	}
}

static void librdkafkas_lines_go_to_the_log(void **state)
{
	char text[8192] = "", error[256], *line;
	int fds[2];
	struct wb_kafka_context context;
	const struct wb_kafka_setting role[] = { { "debug", "metadata" }, { NULL, NULL } };
	const struct wb_kafka_options options = { .bootstrap_servers = TEXT("127.0.0.1:1") };
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	ssize_t len;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	context.log = wb_log_new("test", fds[1], WB_LOG_DEBUG, WB_LOG_LOGFMT);
	conf = wb_kafka_conf_new(&options, role, "me", &context, NULL);
	assert_non_null(conf);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
	assert_non_null(rk);
	assert_ptr_equal(rd_kafka_opaque(rk), &context);
	rd_kafka_destroy(rk);
	wb_log_free(&context.log);
	len = read(fds[0], text, sizeof text - 1);
	assert_true(len > 0);
	assert_non_null(strstr(text, "kafka client"));
	assert_non_null(strstr(text, "me#consumer-"));
	/* Producer properties of a shared configuration are no warning for a consumer. */
	line = strstr(text, "partitioner is a producer property");
	assert_non_null(line);
	while (line > text && line[-1] != '\n')
		line--;
	*strchr(line, '\n') = '\0';
	assert_non_null(strstr(line, "level=debug"));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_defaults_are_set),
		cmocka_unit_test(the_user_wins_over_role_and_role_over_defaults),
		cmocka_unit_test(an_unknown_property_is_named),
		cmocka_unit_test(a_bad_value_is_shown_unless_it_is_secret),
		cmocka_unit_test(what_promises_rest_on_cannot_be_changed),
		cmocka_unit_test(librdkafkas_lines_go_to_the_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
