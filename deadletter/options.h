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
	struct wb_log_options log;
	struct wb_alert_options alert;

	const char *reason_text;   /* --reason */
	const char *job;           /* --job */
	const char *since_text;    /* --since */
	int64_t limit;             /* --limit */
	bool json, raw;            /* --json, --raw */
	bool print;                /* --print */

	enum wb_reason reason;     /* NONE: all */
	int64_t since_ms;          /* wall clock; 0: from the beginning */
};

extern const struct wb_option_table wb_deadletter_option_table;

/* What the table cannot check alone; now_ms is the wall clock. WB_EINVAL with a sentence. */
enum wb_err wb_deadletter_config_finish(struct wb_deadletter_config *c, int64_t now_ms, struct wb_error *e) WB_MUST_USE;

#endif
