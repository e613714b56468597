/* What is known of every job, built from the records of the results topic in the order of each partition.
 *
 * First outcome per write wins: a later one for the same (job, seq) or the same offset of an untracked write is a
 * repeat and changes nothing. A job is shown once its accepted record was read; outcomes of a job without one wait for
 * it, and count as unaccepted. Unfinished jobs are never forgotten; finished ones go after retention_ms, or when there
 * are more than max of them, the ones that finished first.
 * Totals cover everything that was applied, forgotten jobs included, and always balance:
 * accepted + unaccepted = written + superseded + dead + pending.
 * Pure: time is an argument (wall clock, as in the records). Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_JOB_TABLE_H
#define WB_PRODUCER_JOB_TABLE_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/record.h"
#include "common/contract/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_job_table; /* opaque */

struct wb_job_limits {
	int64_t retention_ms;  /* of finished jobs, from their end */
	int64_t unaccepted_ms; /* how long after the last of its outcomes a job waits for its accepted record */
	size_t max;            /* finished jobs; and jobs whose accepted record is awaited */
	const char *only;      /* NULL, or the one job id that is looked at */
};

enum wb_job_status { WB_JOB_NOT_STARTED, WB_JOB_RUNNING, WB_JOB_SUCCEEDED, WB_JOB_FAILED };
#define WB_JOB_STATUSES 4

/* A job as it stands. failures and their ids are valid until the table is used again. */
struct wb_job_info {
	char id[WB_JOB_ID_SIZE];
	enum wb_job_status status;
	uint64_t accepted, written, superseded, dead, pending;
	double request_charge;
	int64_t created_ms, completed_ms; /* completed_ms 0: not yet */
	const struct wb_result_failure *failures;
	size_t failure_count;
};

/* Of writes, over everything that was applied. */
struct wb_job_totals {
	uint64_t accepted, unaccepted, written, superseded, dead, pending;
};

/* Of jobs, as they are now. */
struct wb_job_counts {
	size_t unfinished, finished, awaited; /* awaited: outcomes without an accepted record */
};

struct wb_job_table *wb_job_table_new(const struct wb_job_limits *limits);
void wb_job_table_free(struct wb_job_table **t);

/* Applies one record of a partition. at_ms: the record's timestamp. WB_EINVAL for what is no results record (its
 * readable first parts may have been applied). */
enum wb_err wb_job_table_apply(struct wb_job_table *t, int32_t partition, int64_t at_ms, struct wb_slice record,
	struct wb_error *e) WB_MUST_USE;
/* Forgets what is too old at now_ms. awaited: outcomes without accepted record too, which is right only when the topic
 * was read to its end. */
void wb_job_table_expire(struct wb_job_table *t, int64_t now_ms, bool awaited);

/* False for an id that is not known or not accepted. */
bool wb_job_table_find(struct wb_job_table *t, struct wb_slice id, struct wb_job_info *ret) WB_MUST_USE;
/* Calls fn for up to limit jobs, newest first; statuses: a bit for each wb_job_status that is wanted. */
void wb_job_table_list(struct wb_job_table *t, unsigned statuses, size_t limit,
	void (*fn)(void *arg, const struct wb_job_info *info), void *arg);
struct wb_job_totals wb_job_table_totals(const struct wb_job_table *t);
struct wb_job_counts wb_job_table_counts(const struct wb_job_table *t);
/* "NotStarted" …; a literal. */
const char *wb_job_status_text(enum wb_job_status status);
/* Case matters. */
bool wb_job_status_parse(struct wb_slice text, enum wb_job_status *ret) WB_MUST_USE;

#endif
