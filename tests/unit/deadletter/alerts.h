/* An alert whose every text is as hostile as a letter can make it, for tests of those who show alerts. */
#ifndef WB_TESTS_DEADLETTER_ALERTS_H
#define WB_TESTS_DEADLETTER_ALERTS_H

#include "deadletter/alert.h"

#include <stdio.h>
#include <string.h>

#define HOSTILE                                                                                                     \
	"\r\n.\r\nBcc: eve@example.org\r\n\r\n<script>alert('x')</script> \x1b[2J \xe2\x80\xaeznar \xff ${x} `id` " \
	"caf\xc3\xa9"

static inline struct wb_alert hostile_alert(void)
{
	static struct wb_alert alert;
	struct wb_alert_count *count = &alert.reason[WB_REASON_MISSING_ID];

	memset(&alert, 0, sizeof alert);
	(void)snprintf(alert.id, sizeof alert.id, "letters-1764000000000-0.1");
	(void)snprintf(alert.incident, sizeof alert.incident, "letters-1764000000000-0");
	alert.serial = 1;
	alert.kind = WB_ALERT_FIRST;
	alert.at_ms = alert.since_ms = alert.first_ms = alert.last_ms = 1764000000000;
	alert.fresh = alert.all = 3;
	count->fresh = count->all = 3;
	count->examples = 1;
	count->example[0] = (struct wb_alert_example){ .partition = 3, .offset = 17, .died_ms = 1764000000000 };
	(void)snprintf(count->example[0].identity, sizeof count->example[0].identity, "%s", HOSTILE);
	(void)snprintf(count->example[0].container, sizeof count->example[0].container, "%s", HOSTILE);
	(void)snprintf(count->example[0].id, sizeof count->example[0].id, "%s", HOSTILE);
	(void)snprintf(count->example[0].message, sizeof count->example[0].message, "%s", HOSTILE);
	return alert;
}

#endif
