#include "deadletter/cmd_audit.h"

#include "deadletter/audit_report.h"

#define LIMIT_DEFAULT 50
/* 24 MiB. More would not be faster: runs of this size are merged in one go up to billions of events. */
#define EVENTS_IN_MEMORY (512u << 10)

static void show_progress(void *arg, const char *topic, int64_t done, int64_t total)
{
	FILE *to = arg;

	(void)fprintf(to, "\r\033[Kreading %s: %lld of %lld", topic, (long long)done, (long long)total);
	(void)fflush(to);
}

static enum wb_err judge(struct wb_audit_sort *sort, const struct wb_audit_scope *scope, struct wb_audit_report *report,
	struct wb_error *e)
{
	struct wb_audit_judge *j = wb_audit_judge_new(scope, &wb_audit_report_sink, report);
	enum wb_err err = wb_audit_sort_end(sort, e);
	struct wb_audit_event event;
	bool more = !err;

	while (!err && more) {
		err = wb_audit_sort_next(sort, &event, &more, e);
		if (!err && more)
			wb_audit_judge_add(j, &event);
	}
	if (!err)
		wb_audit_judge_end(j);
	wb_audit_judge_free(&j);
	return err;
}

enum wb_err wb_cmd_audit(const struct wb_deadletter_config *config, int64_t now_ms, struct wb_log *log, FILE *out,
	FILE *progress, bool *ret_balances, struct wb_error *e)
{
	const struct wb_audit_read_settings settings = {
		.kafka = &config->kafka,
		.group = config->group,
		.since_ms = config->since_ms,
		.now_ms = now_ms,
		.timeout_ms = config->timeout_ms,
		.progress = progress ? show_progress : NULL,
		.progress_arg = progress,
	};
	struct wb_audit_report *report = wb_audit_report_new(config->limit ? (size_t)config->limit : LIMIT_DEFAULT);
	struct wb_audit_sort *sort = wb_audit_sort_new(EVENTS_IN_MEMORY, NULL);
	struct wb_audit_read read = { .topics = NULL };
	enum wb_err err = wb_audit_read(&settings, sort, &read, log, e);

	if (progress)
		(void)fputs("\r\033[K", progress);
	if (!err)
		err = judge(sort, &read.scope, report, e);
	if (!err) {
		*ret_balances = wb_audit_report_balances(report);
		if (config->json)
			wb_audit_report_json(report, &read, config->group, out);
		else
			wb_audit_report_print(report, &read, config->group, out);
	}
	wb_audit_sort_free(&sort);
	wb_audit_report_free(&report);
	wb_audit_read_release(&read);
	return err == WB_ENOTFOUND ? WB_EIO : err;
}
