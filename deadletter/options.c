#include "deadletter/options.h"

#include "common/base/strict.h"
#include "common/contract/record.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     1000000
#define YEAR_MS       (INT64_C(366) * 24 * 3600 * 1000)

#define MEMBER(m) offsetof(struct wb_deadletter_config, m)

static const struct wb_option rows[] = {
	{ .key = "read.timeout.ms",
		.type = WB_OPT_DURATION,
		.offset = MEMBER(timeout_ms),
		.def = "30s",
		.min = 1000,
		.max = 3600000,
		.help = "how long Kafka may be silent before the program gives up" },
};

static const struct wb_option_group groups[] = {
	{ .title = "Kafka", .options = wb_kafka_option_rows, .count = WB_KAFKA_OPTION_ROWS, .base = MEMBER(kafka) },
	{ .title = "Process", .options = rows, .count = WB_ARRAY_LEN(rows) },
	{ .title = "Alerts", .options = wb_alert_option_rows, .count = WB_ALERT_OPTION_ROWS, .base = MEMBER(alert) },
	{ .title = "Log", .options = wb_log_command_rows, .count = WB_LOG_OPTION_ROWS, .base = MEMBER(log) },
};

static const struct wb_flag flags[] = {
	{ .name = "reason",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(reason_text),
		.arg = "WORD",
		.help = "ls: only letters with this reason (invalid-json, missing-id, too-large, …)" },
	{ .name = "job",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(job),
		.arg = "ID",
		.help = "ls: only letters of this job" },
	{ .name = "since",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(since_text),
		.arg = "AGE",
		.help = "ls: only letters that are at most that old (30min, 2h, 7d)" },
	{ .name = "limit",
		.letter = 'n',
		.type = WB_FLAG_INT,
		.offset = MEMBER(limit),
		.min = 1,
		.max = LIMIT_MAX,
		.arg = "N",
		.help = "ls: the newest N letters (default 50)" },
	{ .name = "json", .type = WB_FLAG_BOOL, .offset = MEMBER(json), .help = "one JSON object a letter" },
	{ .name = "raw",
		.type = WB_FLAG_BOOL,
		.offset = MEMBER(raw),
		.help = "show: only the original value, byte for byte" },
	{ .name = "print",
		.type = WB_FLAG_BOOL,
		.offset = MEMBER(print),
		.help = "test-alert: writes the alert to standard output instead of sending it" },
};

const struct wb_option_table wb_deadletter_option_table = {
	.program = "writebehind-deadletter",
	.summary = "lists and shows writes that could never succeed, and why",
	.usage = "writebehind-deadletter [options] ls | show PARTITION/OFFSET | test-alert [FILE|-]",
	.epilogue =
		"Commands:\n"
		"  ls                      a table of letters, the newest last, and how many there are of each reason\n"
		"  show PARTITION/OFFSET   one letter: why, where from, its headers, its key and the document\n"
		"  test-alert [FILE|-]     sends an alert (one that says it is a test, or one as JSON) and says what "
		"became "
		"of it\n"
		"\n"
		"Examples:\n"
		"  writebehind-deadletter ls --since 2h --reason too-large\n"
		"  writebehind-deadletter show 3/17\n"
		"  writebehind-deadletter show --raw 3/17 > document.json\n"
		"  writebehind-deadletter ls --json --limit 1000000 | jq -r .reason | sort | uniq -c\n"
		"\n"
		"Exit codes:\n"
		"  0  found\n"
		"  1  no such letter\n"
		"  2  a bad option\n"
		"  3  Kafka could not be read, or an alert was not taken\n",
	.groups = groups,
	.group_count = WB_ARRAY_LEN(groups),
	.flags = flags,
	.flag_count = WB_ARRAY_LEN(flags),
	.max_positionals = WB_DEADLETTER_POSITIONALS,
};

enum wb_err wb_deadletter_config_finish(struct wb_deadletter_config *c, int64_t now_ms, struct wb_error *e)
{
	int64_t age_ms;

	if (c->limit == 0)
		c->limit = LIMIT_DEFAULT;
	if (c->reason_text) {
		c->reason = wb_reason_parse(wb_slice_cstr(c->reason_text));
		if (c->reason == WB_REASON_NONE)
			return wb_error_set(e, WB_EINVAL, "--reason %s: no such reason; docs/CONTRACT.md lists them",
				c->reason_text);
	}
	if (c->job && !wb_job_id_valid(wb_slice_cstr(c->job)))
		return wb_error_set(e, WB_EINVAL, "--job %s: a job id is 32 hexadecimal digits", c->job);
	if (c->since_text) {
		struct wb_error why;

		if (wb_strict_duration_ms(wb_slice_cstr(c->since_text), 1, 100 * YEAR_MS, &age_ms, &why) != WB_OK)
			return wb_error_set(e, WB_EINVAL, "--since %s: %s", c->since_text, why.text);
		c->since_ms = now_ms > age_ms ? now_ms - age_ms : 0;
	}
	return WB_OK;
}
