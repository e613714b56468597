#include "deadletter/alert_hook.h"

#include "common/base/json_scan.h"
#include "tests/unit/deadletter/alerts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void compose(enum wb_alert_hook_format format, const struct wb_alert *alert, struct wb_buf *ret)
{
	struct wb_json_value value;
	struct wb_json_error e;

	wb_buf_clear(ret);
	wb_alert_hook_body(format, "prod <!here> \xe2\x80\xae", alert, ret);
	assert_int_equal(wb_buf_status(ret), WB_OK);
	assert_int_equal(wb_json_scan_value(wb_buf_slice(ret), &value, &e), WB_JSON_OK);
	assert_int_equal(value.type, WB_JSON_OBJECT);
}

static void bodies_are_json_and_hold_nothing_hostile(void **state)
{
	struct wb_buf b, again;

	(void)state;
	wb_buf_init(&b, WB_ALERT_HOOK_BYTES_MAX);
	wb_buf_init(&again, WB_ALERT_HOOK_BYTES_MAX);
	for (unsigned format = WB_ALERT_HOOK_GENERIC; format <= WB_ALERT_HOOK_TEAMS; format++) {
#define X(symbol, word, over) symbol,
		static const enum wb_alert_kind kinds[] = { WB_ALERT_KIND_LIST(X) };
#undef X
		for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
			struct wb_alert alert = hostile_alert();

			alert.kind = kinds[i];
			(void)snprintf(alert.group, sizeof alert.group, "%s", HOSTILE);
			compose(format, &alert, &b);
			assert_null(strpbrk(b.data, "\r\n\x1b"));
			assert_null(strstr(b.data, "\xe2\x80\xae"));
			assert_null(memchr(b.data, '\xff', b.len));
			compose(format, &alert, &again);
			assert_string_equal(b.data, again.data);
		}
	}
	wb_buf_release(&b);
	wb_buf_release(&again);
}

static void slack_reads_no_markup(void **state)
{
	struct wb_alert alert = hostile_alert();
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, WB_ALERT_HOOK_BYTES_MAX);
	compose(WB_ALERT_HOOK_SLACK, &alert, &b);
	assert_null(strpbrk(b.data, "<>"));
	assert_null(strstr(b.data, "\"type\":\"mrkdwn\""));
	assert_non_null(strstr(b.data, "[prod &lt;!here&gt; \\\\u{202e}] Dead letters: missing-id (3)"));
	assert_non_null(strstr(b.data, "writebehind-deadletter show 3/17"));
	wb_buf_release(&b);
}

static void teams_takes_28_kb_and_reads_no_markdown(void **state)
{
	struct wb_alert alert = hostile_alert();
	struct wb_buf b;

	(void)state;
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++)
		alert.reason[i] = alert.reason[WB_REASON_MISSING_ID];
	wb_buf_init(&b, WB_ALERT_HOOK_BYTES_MAX);
	compose(WB_ALERT_HOOK_TEAMS, &alert, &b);
	assert_in_range(b.len, 1000, 28000);
	assert_null(strstr(b.data, "\"TextBlock\""));
	wb_buf_release(&b);
}

static void the_generic_body_has_the_alert_which_can_be_read_back(void **state)
{
	struct wb_alert alert = hostile_alert();
	static struct wb_alert read;
	struct wb_json_reader r;
	struct wb_buf b, a;

	(void)state;
	wb_buf_init(&b, WB_ALERT_HOOK_BYTES_MAX);
	wb_buf_init(&a, WB_ALERT_HOOK_BYTES_MAX);
	compose(WB_ALERT_HOOK_GENERIC, &alert, &b);
	assert_memory_equal(
		b.data, "{\"type\":\"alert.first\",\"timestamp\":\"2025-11-24T16:00:00.000Z\",\"data\":{", 69);
	wb_alert_json(&alert, &a);
	wb_json_reader_init(&r, wb_buf_slice(&a));
	assert_true(wb_alert_read(&r, &read));
	assert_int_equal(read.reason[WB_REASON_MISSING_ID].all, 3);
	assert_string_equal(read.id, alert.id);
	assert_int_equal(read.reason[WB_REASON_MISSING_ID].example[0].offset, 17);
	wb_buf_release(&b);
	wb_buf_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_json_and_hold_nothing_hostile),
		cmocka_unit_test(slack_reads_no_markup),
		cmocka_unit_test(teams_takes_28_kb_and_reads_no_markdown),
		cmocka_unit_test(the_generic_body_has_the_alert_which_can_be_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
