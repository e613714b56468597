#include "producer/follow.h"

#include "common/base/mem.h"
#include "common/kafka/reader.h"

#include <stdlib.h>
#include <string.h>

#define STEP_RECORDS  1000
#define CLOCK_SKEW_MS (10 * 60 * 1000)

struct wb_follow {
	char job[WB_JOB_ID_SIZE];
	struct wb_kafka_reader *reader;
	struct wb_job_table *table;
};

struct wb_follow *wb_follow_new(const struct wb_kafka_options *kafka, const char *client_id, const char *job,
	int64_t now_wall_ms, int64_t timeout_ms, struct wb_log *log, struct wb_error *e)
{
	struct wb_job_limits limits = { .retention_ms = INT64_MAX / 2, .unaccepted_ms = INT64_MAX / 2, .max = 1 };
	const struct wb_kafka_reader_settings results = {
		.topic = kafka->topic_results,
		.client_id = client_id,
		.since_ms = now_wall_ms - CLOCK_SKEW_MS,
		.timeout_ms = timeout_ms,
	};
	struct wb_follow *f;
	struct wb_kafka_reader *reader = wb_kafka_reader_new(kafka, &results, log, e);

	if (!reader)
		return NULL;
	f = wb_xcalloc(1, sizeof *f);
	f->reader = reader;
	memcpy(f->job, job, WB_JOB_ID_SIZE);
	limits.only = f->job;
	f->table = wb_job_table_new(&limits);
	return f;
}

void wb_follow_free(struct wb_follow **follow)
{
	struct wb_follow *f = *follow;

	*follow = NULL;
	if (!f)
		return;
	wb_kafka_reader_free(&f->reader);
	wb_job_table_free(&f->table);
	free(f);
}

static void on_record(void *arg, const struct wb_kafka_record *record)
{
	struct wb_follow *f = arg;

	/* What is no results record says nothing about this job. */
	(void)!wb_job_table_apply(f->table, record->partition, record->timestamp_ms, record->value, NULL);
}

enum wb_err wb_follow_step(
	struct wb_follow *f, int64_t timeout_ms, struct wb_job_info *ret, bool *ret_ended, struct wb_error *e)
{
	struct wb_job_info info = { 0 };
	enum wb_err err = WB_OK;

	(void)wb_kafka_reader_poll(f->reader, STEP_RECORDS, timeout_ms, on_record, f, &err, e);
	if (err == WB_EFATAL)
		return err;
	*ret_ended = wb_job_table_find(f->table, wb_slice_cstr(f->job), &info) && info.pending == 0;
	*ret = info;
	return WB_OK;
}
