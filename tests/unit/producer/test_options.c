#include "producer/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static char *no_environment[] = { NULL };

static void the_defaults_are_as_documented(void **state)
{
	const char *argv[] = { "writebehind-producer", NULL };
	struct wb_producer_config c = { 0 };
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_options_parse(&wb_producer_options, 1, (char **)argv, no_environment, &c, NULL, NULL, &e),
		WB_OPTIONS_RUN);
	assert_string_equal(c.http.listen, "127.0.0.1:8080");
	assert_int_equal(c.http.max_body_bytes, INT64_C(16) << 30);
	assert_int_equal(c.http.validate_max_bytes, 0);
	assert_int_equal(c.http.max_operations, 100000);
	assert_int_equal(c.memory_budget_bytes, 128 << 20);
	assert_int_equal(c.intake.publish_timeout_ms, 20000);
	assert_int_equal(c.jobs.retention_ms, INT64_C(7) * 86400000);
	assert_int_equal(c.jobs.unaccepted_ms, 3600000);
	assert_int_equal(c.jobs.max, 1000000);
	assert_string_equal(c.kafka.topic_writes, "writebehind.writes");
	assert_null(c.intake.partition_key);
	assert_null(c.callback.hosts);
	assert_false(c.callback.allow_private);
	assert_string_equal(c.callback.group_id, "writebehind-callbacks");
	assert_int_equal(c.callback.timeout_ms, 15000);
	assert_int_equal(c.callback.max_in_flight, 64);
	assert_int_equal(wb_producer_config_check(&c, &e), WB_OK);
	assert_int_equal(wb_record_bytes_max(&c.kafka), 3000000);
	wb_options_release(&wb_producer_options, &c);
}

static void what_is_validated_whole_must_fit_into_its_part_of_the_budget(void **state)
{
	struct wb_producer_config c = {
		.http = { .validate_max_bytes = 75 }, .protection = { .auth = WB_AUTH_NONE }, .memory_budget_bytes = 200
	};
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_producer_config_check(&c, &e), WB_OK);
	c.http.validate_max_bytes = 76;
	assert_int_equal(wb_producer_config_check(&c, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, "http.validate.max.bytes"));
	assert_non_null(strstr(e.text, "memory.budget.bytes"));
}

/* The sentence of what speaks against a start with these settings; "" when nothing does. */
static const char *complaint(const char *const *settings, struct wb_error *ret)
{
	const char *argv[16] = { "writebehind-producer" };
	struct wb_producer_config c = { 0 };
	int argc = 1;

	for (; settings[argc - 1]; argc++)
		argv[argc] = settings[argc - 1];
	ret->text[0] = '\0';
	if (wb_options_parse(&wb_producer_options, argc, (char **)argv, no_environment, &c, NULL, NULL, ret) !=
		WB_OPTIONS_RUN)
		return ret->text;
	if (wb_producer_config_check(&c, ret) == WB_OK)
		ret->text[0] = '\0';
	wb_options_release(&wb_producer_options, &c);
	return ret->text;
}
#define COMPLAINT(e, ...) complaint((const char *const[]){ __VA_ARGS__, NULL }, e)

static void without_tokens_it_listens_on_loopback_unless_told_in_words(void **state)
{
	static const char *const loopbacks[] = { "http.listen=127.0.0.1:0", "http.listen=127.8.9.10:0",
		"http.listen=[::1]:0", "http.listen=localhost:0" };
	static const char *const others[] = { "http.listen=0.0.0.0:0", "http.listen=[::]:0", "http.listen=10.1.2.3:0" };
	struct wb_error e;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(loopbacks); i++)
		assert_string_equal(COMPLAINT(&e, "--set", loopbacks[i]), "");
	for (size_t i = 0; i < WB_ARRAY_LEN(others); i++) {
		const char *why = COMPLAINT(&e, "--set", others[i]);

		assert_non_null(strstr(why, others[i]));
		assert_non_null(strstr(why, "set http.tokens.file"));
		assert_non_null(strstr(why, "http.auth=none"));
		assert_string_equal(COMPLAINT(&e, "--set", others[i], "--set", "http.auth=none"), "");
		assert_string_equal(COMPLAINT(&e, "--set", others[i], "--set", "http.tokens.file=/f"), "");
		assert_string_equal(
			COMPLAINT(&e, "--set", others[i], "--set", "http.tokens.file=/f", "--set", "http.auth=tokens"),
			"");
	}
}

static void auth_and_the_tokens_file_must_agree(void **state)
{
	struct wb_error e;

	(void)state;
	assert_string_equal(COMPLAINT(&e, "--set", "http.auth=tokens"),
		"http.auth=tokens needs http.tokens.file; writebehind-producer --new-token NAME makes a token and its "
		"entry there");
	assert_string_equal(COMPLAINT(&e, "--set", "http.auth=none", "--set", "http.tokens.file=/f"),
		"http.auth=none and http.tokens.file contradict each other; leave one of them out");
	assert_string_equal(COMPLAINT(&e, "--set", "http.auth=no"),
		"http.auth=no (from --set): unknown choice; allowed are auto, tokens and none");
	assert_string_equal(COMPLAINT(&e, "--scope", "read"), "--scope goes with --new-token");
}

static void tls_needs_both_files_and_a_public_url_is_one(void **state)
{
	struct wb_error e;

	(void)state;
	assert_string_equal(COMPLAINT(&e, "--set", "http.tls.key.file=/k"),
		"http.tls.certificate.file and http.tls.key.file are needed together, or none of them");
	assert_string_equal(COMPLAINT(&e, "--set", "http.public.url=https://jobs.example.com/wb"), "");
	assert_non_null(strstr(COMPLAINT(&e, "--set", "http.public.url=https://jobs.example.com/"), "http.public.url"));
	assert_non_null(strstr(COMPLAINT(&e, "--set", "http.public.url=jobs.example.com"), "http.public.url"));
}

static void callbacks_need_a_secret(void **state)
{
	char hosts[] = "example.com", secret[] = "whsec_x", listen[] = "127.0.0.1:0";
	struct wb_producer_config c = {
		.memory_budget_bytes = 200, .http = { .listen = listen }, .callback = { .hosts = hosts }
	};
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_producer_config_check(&c, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, "callback.secret"));
	c.callback.secret = secret;
	assert_int_equal(wb_producer_config_check(&c, &e), WB_OK);
}

static void the_largest_record_is_what_the_client_may_send(void **state)
{
	const char *argv[] = { "writebehind-producer", "--set", "kafka.message.max.bytes=1000000", NULL };
	struct wb_producer_config c = { 0 };
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_options_parse(&wb_producer_options, 3, (char **)argv, no_environment, &c, NULL, NULL, &e),
		WB_OPTIONS_RUN);
	assert_int_equal(wb_record_bytes_max(&c.kafka), 1000000);
	wb_options_release(&wb_producer_options, &c);
}

static void partition_key_paths_stand_with_commas(void **state)
{
	struct wb_json_paths paths = { 0 };
	struct wb_error e;

	(void)state;
	assert_int_equal(wb_partition_key_paths(NULL, &paths, &e), WB_OK);
	assert_int_equal(paths.count, 0);
	assert_int_equal(wb_partition_key_paths("/a,/b/c", &paths, &e), WB_OK);
	assert_int_equal(paths.count, 2);
	assert_int_equal(paths.path[1].count, 2);
	wb_json_paths_release(&paths);
	assert_int_equal(wb_partition_key_paths("/a,b", &paths, &e), WB_EINVAL);
	assert_non_null(strstr(e.text, "cosmos.partition.key"));
	assert_int_equal(wb_partition_key_paths("/a,/b,/c,/d", &paths, &e), WB_EINVAL);
}

static void publish_has_flags_and_one_file(void **state)
{
	const char *argv[] = { "writebehind-publish", "--wait", "--container", "c", "-", NULL };
	struct wb_publish_config c = { 0 };
	const char *file = NULL;
	struct wb_error e;
	size_t count = 0;

	(void)state;
	assert_int_equal(wb_options_parse(&wb_publish_options, 5, (char **)argv, no_environment, &c, &file, &count, &e),
		WB_OPTIONS_RUN);
	assert_int_equal(count, 1);
	assert_string_equal(file, "-");
	assert_true(c.wait);
	assert_false(c.unchecked);
	assert_string_equal(c.container, "c");
	assert_int_equal(c.intake.publish_timeout_ms, 120000);
	wb_options_release(&wb_publish_options, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_as_documented),
		cmocka_unit_test(what_is_validated_whole_must_fit_into_its_part_of_the_budget),
		cmocka_unit_test(without_tokens_it_listens_on_loopback_unless_told_in_words),
		cmocka_unit_test(auth_and_the_tokens_file_must_agree),
		cmocka_unit_test(tls_needs_both_files_and_a_public_url_is_one),
		cmocka_unit_test(callbacks_need_a_secret),
		cmocka_unit_test(the_largest_record_is_what_the_client_may_send),
		cmocka_unit_test(partition_key_paths_stand_with_commas),
		cmocka_unit_test(publish_has_flags_and_one_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
