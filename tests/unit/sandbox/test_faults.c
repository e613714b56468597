#include "sandbox/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct wb_fault_target target(enum wb_operation operation, bool bulk, const char *range, const char *id)
{
	return (struct wb_fault_target){ .operation = operation,
		.bulk = bulk,
		.range = wb_slice_cstr(range),
		.container = wb_slice_cstr("documents"),
		.id = wb_slice_cstr(id) };
}

static struct wb_faults *with(const char *rules)
{
	struct wb_faults *f = wb_faults_new(1);
	struct wb_error why = { "" };

	if (wb_faults_add(f, wb_slice_cstr(rules), &why))
		fail_msg("%s", why.text);
	return f;
}

static enum wb_fault_action on_operation(struct wb_faults *f, struct wb_fault_target t)
{
	return wb_faults_operation(f, &t).action;
}

static void without_rules_nothing_happens(void **state)
{
	struct wb_faults *f = wb_faults_new(1);
	struct wb_fault_target t = target(WB_OPERATION_UPSERT, true, "0", "x");

	(void)state;
	assert_false(wb_faults_any(f));
	assert_int_equal(wb_faults_request(f, &t, 1).action, WB_FAULT_NONE);
	assert_int_equal(wb_faults_operation(f, &t).action, WB_FAULT_NONE);
	wb_faults_free(&f);
	assert_null(f);
}

static void a_rule_says_what_the_operation_gets(void **state)
{
	struct wb_faults *f = with("[{\"status\":429,\"substatus\":3200,\"retry_after_ms\":50,\"message\":\"slow\"}]");
	struct wb_fault_target t = target(WB_OPERATION_UPSERT, true, "0", "x");
	struct wb_fault fault = wb_faults_operation(f, &t);

	(void)state;
	assert_int_equal(fault.action, WB_FAULT_STATUS);
	assert_int_equal(fault.status, 429);
	assert_int_equal(fault.substatus, 3200);
	assert_int_equal(fault.retry_after_ms, 50);
	assert_string_equal(fault.message, "slow");
	assert_false(fault.applied);
	assert_int_equal(wb_faults_request(f, &t, 1).action, WB_FAULT_NONE);
	wb_faults_free(&f);
}

static void every_condition_must_hold(void **state)
{
	struct wb_faults *f = with("{\"match\":{\"op\":\"upsert\",\"bulk\":true,\"range\":\"1\",\"id_prefix\":\"x-\","
				   "\"container\":\"documents\"},\"status\":503}");

	(void)state;
	assert_int_equal(on_operation(f, target(WB_OPERATION_UPSERT, true, "1", "x-1")), WB_FAULT_STATUS);
	assert_int_equal(on_operation(f, target(WB_OPERATION_DELETE, true, "1", "x-1")), WB_FAULT_NONE);
	assert_int_equal(on_operation(f, target(WB_OPERATION_UPSERT, false, "1", "x-1")), WB_FAULT_NONE);
	assert_int_equal(on_operation(f, target(WB_OPERATION_UPSERT, true, "2", "x-1")), WB_FAULT_NONE);
	assert_int_equal(on_operation(f, target(WB_OPERATION_UPSERT, true, "1", "x")), WB_FAULT_NONE);
	assert_int_equal(on_operation(f, target(WB_OPERATION_UPSERT, true, "1", NULL)), WB_FAULT_NONE);
	wb_faults_free(&f);
}

static void an_id_is_compared_whole(void **state)
{
	struct wb_faults *f = with("{\"match\":{\"id\":\"a\"},\"status\":449}");

	(void)state;
	assert_int_equal(on_operation(f, target(WB_OPERATION_READ, false, "0", "a")), WB_FAULT_STATUS);
	assert_int_equal(on_operation(f, target(WB_OPERATION_READ, false, "0", "ab")), WB_FAULT_NONE);
	wb_faults_free(&f);
}

static void a_client_is_known_by_how_its_name_begins(void **state)
{
	struct wb_faults *f = with("{\"match\":{\"client\":\"writebehind-consumer\"},\"status\":503}");
	struct wb_fault_target t = target(WB_OPERATION_READ, false, "0", "a");

	(void)state;
	assert_int_equal(on_operation(f, t), WB_FAULT_NONE);
	t.client = wb_slice_cstr("writebehind-consumer/1.2 (c1)");
	assert_int_equal(on_operation(f, t), WB_FAULT_STATUS);
	t.client = wb_slice_cstr("azsdk-python-cosmos");
	assert_int_equal(on_operation(f, t), WB_FAULT_NONE);
	wb_faults_free(&f);
}

static void a_redirect_says_where_to(void **state)
{
	struct wb_faults *f = with("{\"status\":307,\"location\":\"http://127.0.0.1:1/x\"}");
	struct wb_fault_target t = target(WB_OPERATION_UPSERT, true, "0", "a");
	struct wb_fault fault = wb_faults_request(f, &t, 1);

	(void)state;
	assert_int_equal(fault.action, WB_FAULT_STATUS);
	assert_int_equal(fault.status, 307);
	assert_string_equal(fault.location, "http://127.0.0.1:1/x");
	wb_faults_free(&f);
}

static void skip_and_count_bound_a_rule(void **state)
{
	struct wb_faults *f = with("{\"skip\":2,\"count\":3,\"status\":500}");
	struct wb_fault_target t = target(WB_OPERATION_UPSERT, true, "0", "x");
	char pattern[9] = { 0 };

	(void)state;
	for (int i = 0; i < 8; i++)
		pattern[i] = on_operation(f, t) == WB_FAULT_STATUS ? 'F' : '.';
	assert_string_equal(pattern, "..FFF...");
	wb_faults_free(&f);
}

static void a_probability_is_kept_to(void **state)
{
	struct wb_faults *f = with("{\"probability\":0.1,\"status\":500}");
	struct wb_fault_target t = target(WB_OPERATION_UPSERT, true, "0", "x");
	int fired = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		fired += on_operation(f, t) == WB_FAULT_STATUS;
	assert_in_range(fired, 9500, 10500);
	wb_faults_free(&f);
	f = with("{\"probability\":0,\"status\":500}");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(on_operation(f, t), WB_FAULT_NONE);
	wb_faults_free(&f);
}

static void a_request_fails_for_any_of_its_operations(void **state)
{
	struct wb_faults *f = with("{\"match\":{\"id\":\"bad\"},\"scope\":\"request\",\"status\":400}");
	struct wb_fault_target targets[] = { target(WB_OPERATION_UPSERT, true, "0", "good"),
		target(WB_OPERATION_UPSERT, true, "0", "bad") };

	(void)state;
	assert_int_equal(wb_faults_request(f, targets, 1).action, WB_FAULT_NONE);
	assert_int_equal(wb_faults_request(f, targets, 2).action, WB_FAULT_STATUS);
	assert_int_equal(wb_faults_operation(f, &targets[1]).action, WB_FAULT_NONE);
	wb_faults_free(&f);
}

static void actions_concern_the_whole_request(void **state)
{
	static const struct {
		const char *rule;
		enum wb_fault_action action;
		bool applied;
	} cases[] = {
		{ "{\"action\":\"reset-before\"}", WB_FAULT_RESET_BEFORE, false },
		{ "{\"action\":\"reset-after\"}", WB_FAULT_RESET_AFTER, false },
		{ "{\"action\":\"hang\"}", WB_FAULT_HANG, false },
		{ "{\"action\":\"hang\",\"applied\":true}", WB_FAULT_HANG, true },
		{ "{\"action\":\"truncate\"}", WB_FAULT_TRUNCATE, false },
		{ "{\"action\":\"garbage\"}", WB_FAULT_GARBAGE, false },
		{ "{\"action\":\"garbage\",\"status\":207}", WB_FAULT_GARBAGE, false },
		{ "{\"action\":\"short-array\"}", WB_FAULT_SHORT_ARRAY, false },
		{ "{\"action\":\"long-array\"}", WB_FAULT_LONG_ARRAY, false },
	};
	struct wb_fault_target t = target(WB_OPERATION_CREATE, false, "0", "x");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct wb_faults *f = with(cases[i].rule);
		struct wb_fault fault = wb_faults_request(f, &t, 1);

		assert_int_equal(fault.action, cases[i].action);
		assert_int_equal(fault.applied, cases[i].applied);
		assert_int_equal(wb_faults_operation(f, &t).action, WB_FAULT_NONE);
		wb_faults_free(&f);
	}
}

static void delays_add_up_and_the_first_fault_wins(void **state)
{
	struct wb_faults *f = with("[{\"latency_ms\":10},{\"scope\":\"request\",\"status\":503,\"latency_ms\":5},"
				   "{\"action\":\"hang\"},{\"latency_ms\":100,\"jitter_ms\":7}]");
	struct wb_fault_target t = target(WB_OPERATION_CREATE, false, "0", "x");

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct wb_fault fault = wb_faults_request(f, &t, 1);

		assert_int_equal(fault.action, WB_FAULT_STATUS);
		assert_int_equal(fault.status, 503);
		assert_in_range(fault.delay_us, 115000, 122000);
	}
	wb_faults_free(&f);
}

static void bad_rules_are_refused_whole(void **state)
{
	static const char *const bad[] = {
		"",
		"[",
		"7",
		"[7]",
		"{}",
		"{\"status\":\"429\"}",
		"{\"status\":99}",
		"{\"status\":429,\"probability\":1.5}",
		"{\"status\":429,\"count\":0}",
		"{\"status\":429,\"scope\":\"reply\"}",
		"{\"status\":429,\"action\":\"hang\"}",
		"{\"status\":429,\"latency_ms\":5}",
		"{\"action\":\"explode\"}",
		"{\"status\":429,\"location\":\"http://a/\"}",
		"{\"action\":\"hang\",\"location\":\"http://a/\"}",
		"{\"status\":307,\"location\":\"http://a/\\r\\nX: y\"}",
		"{\"status\":429,\"match\":{\"client\":7}}",
		"{\"status\":429,\"stauts\":1}",
		"{\"status\":429,\"match\":{\"operation\":\"upsert\"}}",
		"{\"status\":429,\"match\":{\"op\":\"upsrt\"}}",
		"{\"status\":429,\"match\":[]}",
		"[{\"status\":429},{\"status\":1}]",
	};
	struct wb_faults *f = wb_faults_new(1);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct wb_error why = { "" };

		assert_int_equal(wb_faults_add(f, wb_slice_cstr(bad[i]), &why), WB_EINVAL);
		assert_true(why.text[0] != '\0');
		assert_false(wb_faults_any(f));
	}
	wb_faults_free(&f);
}

static void there_is_a_most_of_rules(void **state)
{
	struct wb_faults *f = wb_faults_new(1);
	struct wb_error why;

	(void)state;
	for (int i = 0; i < WB_FAULT_RULES_MAX; i++)
		assert_int_equal(wb_faults_add(f, wb_slice_cstr("{\"status\":429}"), &why), WB_OK);
	assert_int_equal(wb_faults_add(f, wb_slice_cstr("{\"status\":429}"), &why), WB_EINVAL);
	wb_faults_clear(f);
	assert_false(wb_faults_any(f));
	assert_int_equal(wb_faults_add(f, wb_slice_cstr("{\"status\":429}"), &why), WB_OK);
	wb_faults_free(&f);
}

static void the_list_shows_what_has_fired(void **state)
{
	struct wb_faults *f = with("[{\"status\":429,\"count\":2}]");
	struct wb_fault_target t = target(WB_OPERATION_CREATE, false, "0", "x");
	struct wb_buf b;

	(void)state;
	for (int i = 0; i < 5; i++)
		(void)wb_faults_operation(f, &t);
	wb_buf_init(&b, 1000);
	wb_faults_render(f, &b);
	assert_string_equal(b.data, "[{\"fired\":2,\"rule\":{\"status\":429,\"count\":2}}]");
	wb_buf_release(&b);
	wb_faults_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_nothing_happens),
		cmocka_unit_test(a_rule_says_what_the_operation_gets),
		cmocka_unit_test(every_condition_must_hold),
		cmocka_unit_test(an_id_is_compared_whole),
		cmocka_unit_test(a_client_is_known_by_how_its_name_begins),
		cmocka_unit_test(a_redirect_says_where_to),
		cmocka_unit_test(skip_and_count_bound_a_rule),
		cmocka_unit_test(a_probability_is_kept_to),
		cmocka_unit_test(a_request_fails_for_any_of_its_operations),
		cmocka_unit_test(actions_concern_the_whole_request),
		cmocka_unit_test(delays_add_up_and_the_first_fault_wins),
		cmocka_unit_test(bad_rules_are_refused_whole),
		cmocka_unit_test(there_is_a_most_of_rules),
		cmocka_unit_test(the_list_shows_what_has_fired),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
