#include "deadletter/cmd_ls.h"

#include "tests/unit/deadletter/letters.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JOB_A  "0123456789abcdef0123456789abcdef"
#define JOB_B  "fedcba9876543210fedcba9876543210"
#define LIT(s) ((struct wb_slice)WB_SLICE_LIT(s))

static struct letters topic;

static int setup(void **state)
{
	(void)state;
	letters_start(&topic);
	letters_put_dead(&topic, 0, 1, WB_REASON_INVALID_JSON, JOB_A, LIT("not \033]0;json"));
	letters_put_dead(&topic, 1, 3, WB_REASON_CONFLICT, JOB_B, LIT("{\"id\":\"ord\\u0065r\\u001b[2J\"}"));
	topic.seq = "8";
	letters_put_dead(&topic, 0, 2, WB_REASON_INVALID_JSON, JOB_B, LIT("{"));
	letters_put(&topic, 1, 0, NULL, 0, LIT("a stranger's"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	letters_stop(&topic);
	return 0;
}

/* Runs ls with what config is changed to; returns how many were found. */
static uint64_t ls(struct wb_deadletter_config config)
{
	FILE *out = letters_output(&topic);
	struct wb_error e = { "" };
	uint64_t found = 0;

	assert_int_equal(wb_cmd_ls(&config, NULL, out, &found, &e), WB_OK);
	assert_int_equal(fclose(out), 0);
	return found;
}

static void the_newest_stands_first_and_reasons_are_counted(void **state)
{
	const char *first, *second, *third, *fourth;

	(void)state;
	assert_int_equal(ls(topic.config), 4);
	first = strstr(topic.output, "\n1/1 ");
	second = strstr(topic.output, "\n0/0 ");
	third = strstr(topic.output, "\n0/1 ");
	fourth = strstr(topic.output, "\n1/0 ");
	assert_true(fourth && fourth < third && third < second && second < first);
	assert_non_null(strstr(fourth, "2025-10-09 08:56:20"));
	assert_non_null(strstr(fourth, "conflict"));
	assert_non_null(strstr(fourth, "409"));
	assert_non_null(strstr(fourth, "writes/3@42"));
	assert_non_null(strstr(topic.output, "4 letters: not ours 1, invalid-json 2, conflict 1\n"));
}

static void nothing_in_a_letter_reaches_the_terminal_raw(void **state)
{
	struct wb_deadletter_config config = topic.config;

	(void)state;
	for (int json = 0; json <= 1; json++) {
		config.json = json;
		(void)ls(config);
		for (size_t i = 0; i < topic.output_len; i++)
			assert_true(topic.output[i] == '\n' || (unsigned char)topic.output[i] >= 0x20);
	}
	config.json = false;
	(void)ls(config);
	assert_non_null(strstr(topic.output, "order\\x1b[2J"));
}

static void filters_choose(void **state)
{
	struct wb_deadletter_config by_reason = topic.config, by_job = topic.config, by_age = topic.config;

	(void)state;
	by_reason.reason = WB_REASON_INVALID_JSON;
	assert_int_equal(ls(by_reason), 2);
	by_job.job = JOB_B;
	assert_int_equal(ls(by_job), 2);
	assert_null(strstr(topic.output, "0/0 "));
	by_age.since_ms = INT64_C(1760000000000) + 3 * 60000;
	assert_int_equal(ls(by_age), 1);
	assert_non_null(strstr(topic.output, "\n1/0 "));
	by_age.job = JOB_A;
	assert_int_equal(ls(by_age), 0);
	assert_string_equal(topic.output, "0 letters\n");
}

static void the_limit_keeps_the_newest_and_the_counts_of_all(void **state)
{
	struct wb_deadletter_config config = topic.config;

	(void)state;
	config.limit = 1;
	assert_int_equal(ls(config), 4);
	assert_non_null(strstr(topic.output, "\n1/0 "));
	assert_null(strstr(topic.output, "\n0/0 "));
	assert_non_null(strstr(topic.output, "the newest 1 of 4 letters"));
}

static void the_cursor_leads_through_all_of_them(void **state)
{
	static const char *const letters[] = { "\n1/0 ", "\n0/1 ", "\n0/0 ", "\n1/1 " };
	struct wb_deadletter_config config = topic.config;
	char cursor[64] = "";

	(void)state;
	config.limit = 1;
	for (size_t i = 0; i < WB_ARRAY_LEN(letters); i++) {
		const char *at;

		(void)ls(config);
		assert_non_null(strstr(topic.output, letters[i]));
		at = strstr(topic.output, "--cursor ");
		assert_true(at || i + 1 == WB_ARRAY_LEN(letters));
		if (at)
			(void)snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(at + 9, "\n"), at + 9);
		config.cursor = cursor;
	}
}

static void documents_are_asked(void **state)
{
	struct wb_deadletter_config config = topic.config;

	(void)state;
	config.where = "/id=order\033[2J";
	assert_int_equal(ls(config), 1);
	assert_non_null(strstr(topic.output, "\n1/0 "));
	config.where = "/id=other";
	assert_int_equal(ls(config), 0);
}

static void json_is_one_object_a_line(void **state)
{
	struct wb_deadletter_config config = topic.config;
	json_t *object;
	char *line;

	(void)state;
	config.json = true;
	config.reason = WB_REASON_CONFLICT;
	assert_int_equal(ls(config), 1);
	line = strchr(topic.output, '\n');
	assert_non_null(line);
	assert_string_equal(line, "\n");
	object = json_loads(topic.output, 0, NULL);
	assert_non_null(object);
	assert_string_equal(json_string_value(json_object_get(object, "letter")), "1/0");
	assert_string_equal(json_string_value(json_object_get(object, "reason")), "conflict");
	assert_string_equal(json_string_value(json_object_get(object, "id")), "order\033[2J");
	assert_string_equal(json_string_value(json_object_get(object, "jobId")), JOB_B);
	assert_int_equal(json_integer_value(json_object_get(object, "seq")), 7);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "origin"), "offset")), 42);
	json_decref(object);
}

static void a_cluster_that_cannot_be_read_is_told(void **state)
{
	struct wb_deadletter_config config = topic.config;
	char nowhere[] = "127.0.0.1:1";
	FILE *out = letters_output(&topic);
	struct wb_error e = { "" };
	uint64_t found = 0;

	(void)state;
	config.kafka.bootstrap_servers = nowhere;
	config.timeout_ms = 200;
	assert_int_not_equal(wb_cmd_ls(&config, NULL, out, &found, &e), WB_OK);
	assert_string_not_equal(e.text, "");
	assert_int_equal(fclose(out), 0);
	assert_int_equal(topic.output_len, 0);
}

/* Whatever stands in a letter's headers, it is listed. */
static void a_letter_with_large_headers_is_listed_too(void **state)
{
	static char message[2000000];
	const struct wb_header headers[] = {
		{ LIT("wb-error-reason"), LIT("conflict") },
		{ LIT("wb-error-message"), wb_slice(message, sizeof message) },
	};
	struct letters own;
	struct wb_deadletter_config config;
	struct wb_error e = { "" };
	uint64_t found = 0;
	FILE *out;

	(void)state;
	memset(message, 1, sizeof message);
	letters_start(&own);
	letters_put(&own, 0, 1, headers, WB_ARRAY_LEN(headers), LIT("{}"));
	letters_put(&own, 0, 2, NULL, 0, (struct wb_slice){ NULL, 0 });
	config = own.config;
	config.json = true;
	out = letters_output(&own);
	assert_int_equal(wb_cmd_ls(&config, NULL, out, &found, &e), WB_OK);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(found, 2);
	assert_memory_equal(own.output, "{\"letter\":\"0/1\"", 15);
	assert_non_null(strstr(own.output, "\n{\"letter\":\"0/0\""));
	letters_stop(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_stands_first_and_reasons_are_counted),
		cmocka_unit_test(nothing_in_a_letter_reaches_the_terminal_raw),
		cmocka_unit_test(filters_choose),
		cmocka_unit_test(the_limit_keeps_the_newest_and_the_counts_of_all),
		cmocka_unit_test(the_cursor_leads_through_all_of_them),
		cmocka_unit_test(documents_are_asked),
		cmocka_unit_test(json_is_one_object_a_line),
		cmocka_unit_test(a_cluster_that_cannot_be_read_is_told),
		cmocka_unit_test(a_letter_with_large_headers_is_listed_too),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
