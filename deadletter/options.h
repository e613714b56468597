/* The options of writebehind-deadletter. Filled once at start, read-only after; so thread-safe. */
#ifndef WB_DEADLETTER_OPTIONS_H
#define WB_DEADLETTER_OPTIONS_H

#include "common/base/log_options.h"
#include "common/base/options.h"
#include "common/contract/reason.h"
#include "common/kafka/options.h"
#include "deadletter/alert_options.h"

#define WB_DEADLETTER_POSITIONALS 2 /* the command and its argument */

struct wb_deadletter_config {
	struct wb_kafka_options kafka;
	int64_t timeout_ms; /* read.timeout.ms */
	char *group;        /* kafka.group.id */
	struct wb_log_options log;
	struct wb_alert_options alert;

	char *topic_state;                      /* topic.dead.letters.state */
	const char *reason_text;                /* --reason */
	const char *container, *job, *key;      /* --container, --job, --key */
	const char *state, *where, *cursor;     /* --state, --where, --cursor */
	const char *since_text, *until_text;    /* --since, --until */
	int64_t status, limit;                  /* --status, --limit */
	bool json, raw, no_index, print;        /* --json, --raw, --no-index, --print */

	enum wb_reason reason;                  /* NONE: all, or others' letters */
	bool not_ours;     /* --reason none: others' letters */
	int64_t since_ms, until_ms;             /* wall clock; 0: from the beginning, to the end */
};

extern const struct wb_option_table wb_deadletter_option_table;

/* What the table cannot check alone; now_ms is the wall clock. WB_EINVAL with a sentence. */
enum wb_err wb_deadletter_config_finish(struct wb_deadletter_config *c, int64_t now_ms, struct wb_error *e) WB_MUST_USE;

#endif
