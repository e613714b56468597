/* Records of the results topic as another implementation may write them, and a job table that reads them. */
#ifndef WB_TESTS_UNIT_PRODUCER_JOB_RECORDS_H
#define WB_TESTS_UNIT_PRODUCER_JOB_RECORDS_H

#include "producer/job_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define JOB   "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"
#define HOUR  INT64_C(3600000)

static const struct wb_job_limits limits = { .retention_ms = 10 * HOUR, .unaccepted_ms = HOUR, .max = 1000 };

static inline void apply_at(struct wb_job_table *t, int32_t partition, int64_t at_ms, const char *record)
{
	struct wb_error e = { "" };
	enum wb_err err = wb_job_table_apply(t, partition, at_ms, wb_slice_cstr(record), &e);

	if (err != WB_OK)
		print_message("%s: %s\n", record, e.text);
	assert_int_equal(err, WB_OK);
}

static inline void accept(struct wb_job_table *t, const char *job, unsigned count, int64_t at_ms)
{
	char record[256];

	(void)snprintf(record, sizeof record, "{\"type\":\"accepted\",\"job\":\"%s\",\"count\":%u,\"at\":%lld}", job,
		count, (long long)at_ms);
	apply_at(t, 0, at_ms, record);
}

static inline void outcome(struct wb_job_table *t, const char *job, const char *members, int64_t at_ms)
{
	char record[1024];

	(void)snprintf(record, sizeof record,
		"{\"type\":\"outcomes\",\"consumer\":\"c\",\"at\":%lld,\"jobs\":[{\"job\":\"%s\",%s}]}",
		(long long)at_ms, job, members);
	apply_at(t, 0, at_ms, record);
}

static inline struct wb_job_info find(struct wb_job_table *t, const char *job)
{
	struct wb_job_info info;

	assert_true(wb_job_table_find(t, wb_slice_cstr(job), &info));
	return info;
}

static inline bool known(struct wb_job_table *t, const char *job)
{
	struct wb_job_info info;

	return wb_job_table_find(t, wb_slice_cstr(job), &info);
}

static inline void assert_ledger(const struct wb_job_table *t, uint64_t accepted, uint64_t unaccepted, uint64_t written,
	uint64_t superseded, uint64_t dead, uint64_t pending)
{
	struct wb_job_totals totals = wb_job_table_totals(t);

	assert_int_equal(totals.accepted, accepted);
	assert_int_equal(totals.unaccepted, unaccepted);
	assert_int_equal(totals.written, written);
	assert_int_equal(totals.superseded, superseded);
	assert_int_equal(totals.dead, dead);
	assert_int_equal(totals.pending, pending);
	assert_int_equal(accepted + unaccepted, written + superseded + dead + pending);
}

static inline void name_job(unsigned i, char ret[WB_JOB_ID_SIZE])
{
	(void)snprintf(ret, WB_JOB_ID_SIZE, "%08x%024x", i * 2654435761U, i);
}

#endif
