/* What alert_rules.c and alert_rules_state.c share: everything that is saved and restored. Not thread-safe: as
 * alert_rules.h. */
#ifndef WB_DEADLETTER_ALERT_RULES_INTERNAL_H
#define WB_DEADLETTER_ALERT_RULES_INTERNAL_H

#include "deadletter/alert_rules.h"

#define WB_ALERT_BUCKETS 60 /* of the threshold's window */

/* Something that lasts: told when it begins, when it gets worse, again and again, and when it is over. */
struct wb_alert_condition {
	bool holds;
	unsigned level, told_level, serial;
	int64_t since_ms, told_ms;
};

struct wb_alert_group_state {
	char name[WB_ALERT_GROUP_SIZE];
	int64_t lag, lag_before, committed, moved_ms, oldest_age_ms, retention_ms;
	struct wb_alert_condition stalled, retention;
};

struct wb_alert_bucket {
	int64_t index; /* time / bucket */
	uint64_t letters;
};

struct wb_alert_rules {
	struct wb_alert_settings settings;
	/* The next alert about letters: its counts grow, its incident is "" while none is open. */
	struct wb_alert next;
	struct wb_alert due;
	bool is_due;
	int64_t told_ms;      /* when letters were told last */
	int64_t threshold_ms; /* when the threshold was told last; 0: never */
	int64_t *positions;   /* -1: none */
	int32_t partitions;
	struct wb_alert_bucket bucket[WB_ALERT_BUCKETS]; /* at its index modulo the number of buckets */
	struct wb_alert_group_state group[WB_ALERT_GROUPS_MAX];
	unsigned groups;
	struct wb_alert_condition expiry;
	uint64_t expiring;
	int64_t expires_ms;
};

#endif
