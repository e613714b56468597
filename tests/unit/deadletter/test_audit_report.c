#include "deadletter/audit_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static char name_of_topic[] = "t\x1b[2J\"";
static char *topics[] = { name_of_topic };
static const struct wb_audit_read read_so = { .topics = topics, .topic_count = 1, .unreadable = 2 };

static const struct wb_audit_owner job = { .id = { 0x0123456789abcdef, 0xfedcba9876543210 } };
static const struct wb_audit_owner origin = { .id = { 0, 3 }, .origin = true };

static void tell(struct wb_audit_report *r, const struct wb_audit_owner *owner, struct wb_audit_counts counts)
{
	wb_audit_report_sink.owner(r, owner, !owner->origin, &counts);
}

typedef void (*print_fn)(
	const struct wb_audit_report *r, const struct wb_audit_read *read, const char *group, FILE *out);

static char *printed(const struct wb_audit_report *r, print_fn print)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(r, &read_so, "a group", out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static struct wb_audit_report *damaged(size_t limit)
{
	struct wb_audit_report *r = wb_audit_report_new(limit);
	const struct wb_audit_fault lost = { .kind = WB_AUDIT_LOST,
		.owner = job,
		.first = 7,
		.last = 7,
		.has_record = true,
		.record = wb_audit_place(2, 1234567890123) };
	const struct wb_audit_fault stray = { .kind = WB_AUDIT_STRAY_LETTER,
		.owner = origin,
		.first = 5,
		.last = 9,
		.has_letter = true,
		.letter = wb_audit_place(1, 44) };

	wb_audit_report_sink.fault(r, &lost);
	tell(r, &job,
		(struct wb_audit_counts){
			.accepted = 100, .outcomes = { 98, 0, 1 }, .faults = { [WB_AUDIT_LOST] = 1 } });
	wb_audit_report_sink.fault(r, &stray);
	tell(r, &origin,
		(struct wb_audit_counts){
			.accepted = 10, .outcomes = { 10 }, .repeats = 3, .faults = { [WB_AUDIT_STRAY_LETTER] = 5 } });
	return r;
}

static void the_last_line_is_the_ledger(void **state)
{
	struct wb_audit_report *r = wb_audit_report_new(5);
	char *text;

	(void)state;
	tell(r, &job, (struct wb_audit_counts){ .accepted = 41394, .outcomes = { 41390, 0, 4 } });
	assert_true(wb_audit_report_balances(r));
	text = printed(r, wb_audit_report_print);
	assert_non_null(strstr(text, "\nledger: accepted 41394 = written 41390 + superseded 0 + dead 4 + pending 0\n"));
	free(text);
	tell(r, &origin, (struct wb_audit_counts){ .unaccepted = 2, .pending = 2 });
	text = printed(r, wb_audit_report_print);
	assert_non_null(strstr(text,
		"ledger: accepted 41394 + unaccepted 2 = written 41390 + superseded 0 + dead 4 + "
		"pending 2\n"));
	free(text);
	wb_audit_report_free(&r);
	assert_null(r);
}

static void what_does_not_fit_is_named(void **state)
{
	struct wb_audit_report *r = damaged(5);
	char *text = printed(r, wb_audit_report_print);

	(void)state;
	assert_false(wb_audit_report_balances(r));
	assert_non_null(strstr(text, "0123456789abcdeffedcba9876543210/7  record t"));
	assert_non_null(strstr(text, "/2@1234567890123\n"));
	assert_non_null(strstr(text, "/3@5-9  letter 1/44\n"));
	assert_non_null(strstr(text, "stray-letter: 5, has a letter, but ended otherwise\n"));
	assert_non_null(strstr(text, "3 repeated outcomes"));
	assert_non_null(strstr(text, "accepted 110 ≠ written 108"));
	assert_null(strchr(text, '\x1b'));
	free(text);
	wb_audit_report_free(&r);
}

/* One that has too many does not make up for one that has too few. */
static void each_owner_has_to_balance(void **state)
{
	struct wb_audit_report *r = wb_audit_report_new(5);
	char *text;

	(void)state;
	tell(r, &job, (struct wb_audit_counts){ .accepted = 2, .pending = 1 });
	tell(r, &origin, (struct wb_audit_counts){ .accepted = 2, .pending = 3 });
	assert_false(wb_audit_report_balances(r));
	text = printed(r, wb_audit_report_print);
	assert_non_null(strstr(text, "pending 4: it does not balance\n"));
	free(text);
	wb_audit_report_free(&r);
}

static void at_most_limit_are_kept_and_all_counted(void **state)
{
	struct wb_audit_report *r = damaged(1);
	char *text = printed(r, wb_audit_report_print), *json = printed(r, wb_audit_report_json);
	json_error_t why;
	json_t *object = json_loads(json, 0, &why);

	(void)state;
	assert_non_null(strstr(text, "and 1 more\n"));
	assert_non_null(object);
	assert_false(json_is_true(json_object_get(object, "balances")));
	assert_int_equal(json_array_size(json_object_get(object, "misfits")), 1);
	assert_int_equal(json_integer_value(json_object_get(object, "misfitsCount")), 2);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "faults"), "stray-letter")), 5);
	assert_int_equal(json_integer_value(json_object_get(object, "accepted")), 110);
	assert_int_equal(json_integer_value(json_object_get(object, "unreadable")), 2);
	json_decref(object);
	free(text);
	free(json);
	wb_audit_report_free(&r);
}

static void json_has_any_topic_name(void **state)
{
	struct wb_audit_report *r = damaged(5);
	char *json = printed(r, wb_audit_report_json);
	json_error_t why;
	json_t *object = json_loads(json, 0, &why), *stray;

	(void)state;
	assert_non_null(object);
	stray = json_array_get(json_object_get(object, "misfits"), 1);
	assert_string_equal(json_string_value(json_object_get(stray, "topic")), name_of_topic);
	assert_string_equal(json_string_value(json_object_get(stray, "letter")), "1/44");
	assert_int_equal(json_integer_value(json_object_get(stray, "last")), 9);
	json_decref(object);
	free(json);
	wb_audit_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_line_is_the_ledger),
		cmocka_unit_test(what_does_not_fit_is_named),
		cmocka_unit_test(each_owner_has_to_balance),
		cmocka_unit_test(at_most_limit_are_kept_and_all_counted),
		cmocka_unit_test(json_has_any_topic_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
