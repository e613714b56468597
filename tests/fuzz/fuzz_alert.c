/* The saved state of alerts: whatever stands there, what was taken for a state is the same after it was saved and read
 * again, goes on working, and the alert that is due in it becomes a mail of short ASCII lines and bodies that are JSON.
 */
#include "common/base/json_scan.h"
#include "deadletter/alert_hook.h"
#include "deadletter/alert_rules.h"
#include "deadletter/mail.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 24, LINE_MAX_CHARS = 998 };

static const struct wb_alert_settings settings = {
	.digest_interval_ms = 3600000,
	.threshold = 10,
	.threshold_window_ms = 3600000,
	.recovery_after_ms = 1800000,
	.stalled_after_ms = 300000,
	.expiry_before_ms = 86400000,
	.retention_percent = 50,
	.repeat_interval_ms = 86400000,
};

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_alert: %s\n", what);
	abort();
}

static bool round_trip(struct wb_slice state, struct wb_buf *saved)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	bool good = wb_alert_rules_restore(r, state, NULL) == WB_OK;

	if (good)
		wb_alert_rules_save(r, saved);
	must(wb_buf_status(saved) == WB_OK, "the state is too large");
	wb_alert_rules_free(&r);
	return good;
}

static void look_at_mail(const struct wb_alert *alert)
{
	const struct wb_mail_addresses addresses = { .from = "a@example.org", .to = { "b@example.org" }, .count = 1 };
	const struct wb_mail mail = { .addresses = &addresses, .name = "fuzz" };
	struct wb_buf b;
	size_t column = 0;

	wb_buf_init(&b, BYTES_MAX);
	wb_mail_compose(&mail, alert, &b);
	must(wb_buf_status(&b) == WB_OK, "the mail is too large");
	for (size_t i = 0; i < b.len; i++) {
		unsigned char c = (unsigned char)b.data[i];

		must(c < 0x7f && (c >= 0x20 || c == '\r' || c == '\n'), "a mail that is not ASCII");
		must((c == '\n') == (i > 0 && b.data[i - 1] == '\r'), "a line's end that is not CR LF");
		column = c == '\n' ? 0 : column + 1;
		must(column <= LINE_MAX_CHARS, "a line that is too long");
	}
	wb_buf_release(&b);
}

static void look_at_bodies(const struct wb_alert *alert)
{
	struct wb_json_value value;
	struct wb_json_error e;
	struct wb_buf b;

	wb_buf_init(&b, BYTES_MAX);
	for (unsigned format = WB_ALERT_HOOK_GENERIC; format <= WB_ALERT_HOOK_TEAMS; format++) {
		wb_buf_clear(&b);
		wb_alert_hook_body((enum wb_alert_hook_format)format, "fuzz", alert, &b);
		must(wb_buf_status(&b) == WB_OK, "the body is too large");
		must(wb_json_scan_value(wb_buf_slice(&b), &value, &e) == WB_JSON_OK, "a body that is no JSON");
	}
	wb_buf_release(&b);
}

static void go_on(struct wb_slice state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	const struct wb_alert_letter letter = { .partition = 1, .offset = INT64_MAX - 1, .died_ms = 1764000000000 };
	const struct wb_alert_group_sample sample = { .group = { "g", 1 }, .lag = 3, .committed = 4 };

	must(wb_alert_rules_restore(r, state, NULL) == WB_OK, "a state that was saved cannot be read");
	(void)wb_alert_rules_letter(r, &letter, 1764000000000);
	(void)wb_alert_rules_group(r, &sample, 1764000000000);
	for (unsigned i = 0; i < 8; i++) {
		wb_alert_rules_tick(r, 1764000000000 + i * 600000, true);
		if (wb_alert_rules_due(r)) {
			look_at_mail(wb_alert_rules_due(r));
			look_at_bodies(wb_alert_rules_due(r));
		}
		wb_alert_rules_done(r, 1764000000000 + i * 600000);
	}
	wb_alert_rules_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wb_buf once, twice;

	wb_buf_init(&once, BYTES_MAX);
	wb_buf_init(&twice, BYTES_MAX);
	if (round_trip(wb_slice((const char *)data, size), &once)) {
		must(round_trip(wb_buf_slice(&once), &twice), "a state that was saved cannot be read");
		must(wb_slice_eq(wb_buf_slice(&once), wb_buf_slice(&twice)), "a state changes when it is saved again");
		go_on(wb_buf_slice(&once));
	}
	wb_buf_release(&once);
	wb_buf_release(&twice);
	return 0;
}
