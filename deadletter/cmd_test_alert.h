/* writebehind-deadletter test-alert: sends an alert now, to see whether it arrives and what it looks like.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_CMD_TEST_ALERT_H
#define WB_DEADLETTER_CMD_TEST_ALERT_H

#include "deadletter/options.h"

#include <stdio.h>

/* file: an alert as wb_alert_json writes it, "-" for standard input; NULL: one that says that it is a test. Prints a line
 * for each channel, or with --print what would be sent. WB_EINVAL with a sentence for options and files that cannot be
 * used, WB_EIO when a channel did not take it. */
enum wb_err wb_cmd_test_alert(
	const struct wb_deadletter_config *config, const char *file, FILE *out, struct wb_error *e) WB_MUST_USE;

#endif
