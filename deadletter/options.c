#include "deadletter/options.h"

#include "common/base/clock.h"
#include "common/base/strict.h"
#include "common/contract/record.h"

#define LIMIT_MAX 1000000
#define YEAR_MS   (INT64_C(366) * 24 * 3600 * 1000)

#define MEMBER(m) offsetof(struct wb_deadletter_config, m)

static const struct wb_option rows[] = {
	{ .key = "topic.dead.letters.state",
		.type = WB_OPT_STRING,
		.offset = MEMBER(topic_state),
		.def = "writebehind.dead-letters.state",
		.help = "Topic that says what people did with dead letters; where it is missing, all of them are "
			"open" },
	{ .key = "kafka.group.id",
		.type = WB_OPT_STRING,
		.offset = MEMBER(group),
		.def = "writebehind",
		.help = "audit: the consumers' group, whose committed offsets say which writes are behind it" },
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
	{ .title = "Dead letters", .options = rows, .count = WB_ARRAY_LEN(rows) },
	{ .title = "Alerts", .options = wb_alert_option_rows, .count = WB_ALERT_OPTION_ROWS, .base = MEMBER(alert) },
	{ .title = "Log", .options = wb_log_command_rows, .count = WB_LOG_OPTION_ROWS, .base = MEMBER(log) },
};

static const struct wb_flag flags[] = {
	{ .name = "reason",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(reason_text),
		.arg = "WORD",
		.help = "only letters with this reason (invalid-json, too-large …); none: those of other programs" },
	{ .name = "status",
		.type = WB_FLAG_INT,
		.offset = MEMBER(status),
		.min = 100,
		.max = 599,
		.arg = "N",
		.help = "only letters that Cosmos DB answered with this status" },
	{ .name = "container",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(container),
		.arg = "DATABASE/NAME",
		.help = "only letters of this container, as the write named it; /NAME or NAME where it named no "
			"database" },
	{ .name = "job",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(job),
		.arg = "ID",
		.help = "only letters of this job" },
	{ .name = "key",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(key),
		.arg = "KEY",
		.help = "only letters with this record key, mostly the document's id" },
	{ .name = "since",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(since_text),
		.arg = "WHEN",
		.help = "only letters that died since then (audit: only what is younger): 30min, 2h, 7d ago, or "
			"2026-01-02T03:04:05Z" },
	{ .name = "until",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(until_text),
		.arg = "WHEN",
		.help = "only letters that died until then" },
	{ .name = "state",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(state),
		.arg = "WORD",
		.help = "open (as without it), replayed, discarded, superseded, parked or all" },
	{ .name = "where",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(where),
		.arg = "PATH=VALUE",
		.help = "only letters whose document says so: /customer/country=DE; reads the documents" },
	{ .name = "limit",
		.letter = 'n',
		.type = WB_FLAG_INT,
		.offset = MEMBER(limit),
		.min = 1,
		.max = LIMIT_MAX,
		.arg = "N",
		.help = "at most N letters (ls: 50 as without it; export: all); audit: at most N that do not fit" },
	{ .name = "cursor",
		.type = WB_FLAG_STRING,
		.offset = MEMBER(cursor),
		.arg = "PLACE",
		.help = "go on behind a letter: what ls gave as its last line" },
	{ .name = "json",
		.type = WB_FLAG_BOOL,
		.offset = MEMBER(json),
		.help = "JSON instead of text, one object a line" },
	{ .name = "raw",
		.type = WB_FLAG_BOOL,
		.offset = MEMBER(raw),
		.help = "show: only the original value, byte for byte" },
	{ .name = "no-index",
		.type = WB_FLAG_BOOL,
		.offset = MEMBER(no_index),
		.help = "read the topics from their beginning and keep nothing on disk" },
	{ .name = "print",
		.type = WB_FLAG_BOOL,
		.offset = MEMBER(print),
		.help = "test-alert: writes the alert to standard output instead of sending it" },
};

const struct wb_option_table wb_deadletter_option_table = {
	.program = "writebehind-deadletter",
	.summary = "lists, shows and counts writes that could never succeed, and why; proves that none is missing",
	.usage = "writebehind-deadletter [options] ls | show LETTER | stats | export | watch | audit | test-alert "
		 "[FILE|-]",
	.epilogue =
		"Commands:\n"
		"  ls            a table of letters, the newest first\n"
		"  show LETTER   one letter: why, what usually mends it, where from, its headers, the document, "
		"its history\n"
		"  stats         how many by reason, container and hour, and when the oldest expires\n"
		"  export        all of them with key, value and headers, one JSON object a line\n"
		"  watch         a line for each letter as it comes, until Ctrl-C\n"
		"  audit         whether every write is accounted for, from the topics alone: accepted + unaccepted\n"
		"                = written + superseded + dead + pending, for every job and every partition of "
		"untracked\n"
		"                writes, and a letter for each that is dead; names what does not fit\n"
		"  test-alert [FILE|-]   sends an alert (one that says it is a test, or one as JSON) and says what "
		"became of it\n"
		"\n"
		"LETTER is PARTITION/OFFSET as ls shows it, or an identity: JOB/SEQ, or TOPIC/PARTITION/OFFSET of "
		"the write.\n"
		"Filters go with every command but show, test-alert and audit (which takes --since); without --state, "
		"letters are those that are open.\n"
		"What was read is kept in ~/.cache/writebehind (XDG_CACHE_HOME), without documents; it may be "
		"deleted at any time.\n"
		"\n"
		"Examples:\n"
		"  writebehind-deadletter ls --since 2h --reason too-large\n"
		"  writebehind-deadletter show 3/17\n"
		"  writebehind-deadletter show --raw 3/17 > document.json\n"
		"  writebehind-deadletter ls --where /customer/country=DE\n"
		"  writebehind-deadletter export --container shop/orders > letters.ndjson\n"
		"  writebehind-deadletter audit --since 1d\n"
		"\n"
		"Exit codes:\n"
		"  0  found; audit: the ledger balances\n"
		"  1  no such letter; audit: it does not balance\n"
		"  2  a bad option\n"
		"  3  Kafka or the index could not be read, or an alert was not taken\n",
	.groups = groups,
	.group_count = WB_ARRAY_LEN(groups),
	.flags = flags,
	.flag_count = WB_ARRAY_LEN(flags),
	.max_positionals = WB_DEADLETTER_POSITIONALS,
};

/* A time, or how long ago. */
static enum wb_err read_when(const char *flag, const char *text, int64_t now_ms, int64_t *ret_ms, struct wb_error *e)
{
	struct wb_error why;
	int64_t age_ms;

	if (!text || wb_clock_parse_rfc3339(wb_slice_cstr(text), ret_ms))
		return WB_OK;
	if (wb_strict_duration_ms(wb_slice_cstr(text), 1, 100 * YEAR_MS, &age_ms, &why) != WB_OK)
		return wb_error_set(
			e, WB_EINVAL, "%s %s: %s; or a time such as 2026-01-02T03:04:05Z", flag, text, why.text);
	*ret_ms = now_ms > age_ms ? now_ms - age_ms : 1;
	return WB_OK;
}

enum wb_err wb_deadletter_config_finish(struct wb_deadletter_config *c, int64_t now_ms, struct wb_error *e)
{
	enum wb_err err;

	if (c->reason_text) {
		c->reason = wb_reason_parse(wb_slice_cstr(c->reason_text));
		c->not_ours = strcmp(c->reason_text, "none") == 0;
		if (c->reason == WB_REASON_NONE && !c->not_ours)
			return wb_error_set(e, WB_EINVAL, "--reason %s: no such reason; docs/CONTRACT.md lists them",
				c->reason_text);
	}
	if (c->job && !wb_job_id_valid(wb_slice_cstr(c->job)))
		return wb_error_set(e, WB_EINVAL, "--job %s: a job id is 32 hexadecimal digits", c->job);
	err = read_when("--since", c->since_text, now_ms, &c->since_ms, e);
	return err == WB_OK ? read_when("--until", c->until_text, now_ms, &c->until_ms, e) : err;
}
