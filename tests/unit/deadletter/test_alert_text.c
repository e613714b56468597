#include "deadletter/alert_text.h"

#include "tests/unit/deadletter/alerts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void titled(const struct wb_alert *alert, const char *expected)
{
	struct wb_buf b;

	wb_buf_init(&b, 4096);
	wb_alert_title(alert, &b);
	assert_string_equal(b.data, expected);
	wb_buf_release(&b);
}

static void titles(void **state)
{
	struct wb_alert a = hostile_alert();

	(void)state;
	titled(&a, "Dead letters: missing-id (3)");
	for (unsigned i = WB_REASON_INVALID_JSON; i <= WB_REASON_INVALID_ID; i++)
		a.reason[i].fresh = a.reason[i].all = 2;
	titled(&a, "Dead letters: invalid-json (2), not-an-object (2), duplicate-member (2) and 2 more reasons");
	a.kind = WB_ALERT_DIGEST;
	titled(&a, "3 more dead letters, 3 since 2025-11-24 16:00:00 UTC");
	a.kind = WB_ALERT_RECOVERED;
	a.at_ms += 1800000;
	titled(&a, "No new dead letters for 30 min, 3 in all");
	a.kind = WB_ALERT_THRESHOLD;
	a.in_window = 1000;
	a.window_ms = 3600000;
	titled(&a, "1000 dead letters within 1 h");
	a.kind = WB_ALERT_STALLED;
	a.lag = 12;
	(void)snprintf(a.group, sizeof a.group, "w\nx");
	titled(&a, "Consumer group w\\nx stands still, 12 records wait");
	a.kind = WB_ALERT_RETENTION;
	a.oldest_age_ms = 84 * 3600000LL;
	a.retention_ms = 7 * 24 * 3600000LL;
	titled(&a, "Consumer group w\\nx is 3 d 12 h behind, Kafka keeps records for 7 d");
	a.kind = WB_ALERT_EXPIRY;
	a.expiring = 1;
	a.expires_ms = a.since_ms;
	titled(&a, "1 open dead letter ends soon, the first at 2025-11-24 16:00:00 UTC");
}

static void commands_can_be_pasted(void **state)
{
	static const char *const expected[] = { "writebehind-deadletter ls", "writebehind-deadletter show 3/17",
		"writebehind-deadletter export --reason missing-id > letters.ndjson" };
	struct wb_alert a = hostile_alert();
	struct wb_buf b;

	(void)state;
	wb_buf_init(&b, 4096);
	for (unsigned i = 0; i < 3; i++) {
		wb_buf_clear(&b);
		assert_true(wb_alert_command(&a, i, &b));
		assert_string_equal(b.data, expected[i]);
	}
	assert_false(wb_alert_command(&a, 3, &b));
	a.kind = WB_ALERT_STALLED;
	(void)snprintf(a.group, sizeof a.group, "it's $(x)\n");
	wb_buf_clear(&b);
	assert_true(wb_alert_command(&a, 0, &b));
	assert_non_null(strstr(b.data, " --group 'it'\\''s $(x)\\n'"));
	wb_buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(titles),
		cmocka_unit_test(commands_can_be_pasted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
