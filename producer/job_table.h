/* What is known of every job, built from the records of the results topic in the order of each partition.
 *
 * First outcome per write wins: a later one for the same (job, seq) or the same offset of an untracked write is a
 * repeat and changes nothing. A job is shown once its accepted record was read; outcomes of a job without one wait for
 * it, and count as unaccepted. Unfinished jobs are never forgotten. Of finished ones `max` are kept for retention_ms:
 * beyond that, those that finished first lose their details, and only their id and key are known for the rest of
 * retention_ms. A finished job whose callback is still to be made keeps its details until it was; there are `max` of
 * those at most, too.
 * Totals cover everything that was applied, forgotten jobs included, and always balance:
 * accepted + unaccepted = written + superseded + dead + pending.
 * A finished job takes at most 128 bytes, its part of the indexes included, and what its failures and its callback's
 * URL need (a URL that jobs share is there once); all of those of finished jobs together take at most 64 bytes a job of
 * `max`, or 16 MiB if that is more: beyond it, jobs are forgotten as above. A forgotten job takes 48 bytes.
 * Pure: time is an argument (wall clock, as in the records). Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_JOB_TABLE_H
#define WB_PRODUCER_JOB_TABLE_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/record.h"
#include "common/contract/result.h"
#include "producer/job_id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_job_table; /* opaque */

struct wb_job_limits {
	int64_t retention_ms;  /* of finished jobs, from their end */
	int64_t unaccepted_ms; /* how long after the last of its outcomes a job waits for its accepted record */
	size_t max;            /* finished jobs; jobs to be called back; and jobs whose accepted record is awaited */
	const char *only;      /* NULL, or the one job id that is looked at */
};

enum wb_job_status { WB_JOB_NOT_STARTED, WB_JOB_RUNNING, WB_JOB_SUCCEEDED, WB_JOB_FAILED };
#define WB_JOB_STATUSES 4

/* A job as it stands. What it points to is valid until the table is used again. */
struct wb_job_info {
	char id[WB_JOB_ID_SIZE];
	enum wb_job_status status;
	uint64_t accepted, written, superseded, dead, pending;
	double request_charge;
	int64_t created_ms, completed_ms; /* completed_ms 0: not yet */
	const struct wb_result_failure *failures;
	size_t failure_count;
	const uint8_t *key;       /* WB_RESULT_KEY_SIZE bytes; NULL: it has none */
	struct wb_slice callback; /* absent: it has none */
	enum wb_callback_state callback_state;
	uint32_t callback_attempts; /* 65535 may be more */
	int callback_status;        /* of the last attempt's answer; 0: there was none */
	int64_t callback_at_ms;     /* of the last attempt; 0: there was none */
	int32_t partition;          /* of the results topic */
	uint32_t version;           /* not 0; another one whenever anything above has changed */
};

/* Of writes, over everything that was applied. */
struct wb_job_totals {
	uint64_t accepted, unaccepted, written, superseded, dead, pending;
};

/* Of jobs, as they are now. */
struct wb_job_counts {
	size_t unfinished;
	size_t finished;  /* with their details, those to be called back not counted */
	size_t calling;   /* finished, and their callback is still to be made */
	size_t forgotten; /* finished, and only id and key are known */
	size_t awaited;   /* outcomes without an accepted record */
};

struct wb_job_table *wb_job_table_new(const struct wb_job_limits *limits);
void wb_job_table_free(struct wb_job_table **t);

/* Called while records are applied; the table must not be used in them. Either may be NULL. */
struct wb_job_hooks {
	void *arg;
	/* Something that is shown of the job has changed. */
	void (*changed)(void *arg, const uint8_t id[WB_JOB_ID_BYTES]);
	/* A job with a callback has ended; the rest of its record may still add charge and failures. */
	void (*ended)(void *arg, const uint8_t id[WB_JOB_ID_BYTES]);
};
void wb_job_table_hook(struct wb_job_table *t, const struct wb_job_hooks *hooks);

/* Applies one record of a partition. at_ms: the record's timestamp. WB_EINVAL for what is no results record (its
 * readable first parts may have been applied). */
enum wb_err wb_job_table_apply(struct wb_job_table *t, int32_t partition, int64_t at_ms, struct wb_slice record,
	struct wb_error *e) WB_MUST_USE;
/* Forgets what is too old at now_ms. awaited: outcomes without accepted record too, which is right only when the topic
 * was read to its end. */
void wb_job_table_expire(struct wb_job_table *t, int64_t now_ms, bool awaited);

typedef void (*wb_job_info_fn)(void *arg, const struct wb_job_info *info);

/* False for an id that is not known, not accepted, or whose details were forgotten. */
bool wb_job_table_find(struct wb_job_table *t, struct wb_slice id, struct wb_job_info *ret) WB_MUST_USE;
/* Whether it was an accepted job whose details were forgotten. */
bool wb_job_table_forgotten(const struct wb_job_table *t, struct wb_slice id) WB_MUST_USE;
/* The job with that key, also when its details were forgotten; of several, which only producers that do not look here
 * first can make, the one that was created first. */
bool wb_job_table_find_key(
	const struct wb_job_table *t, const uint8_t key[WB_RESULT_KEY_SIZE], char ret_job[WB_JOB_ID_SIZE]) WB_MUST_USE;
/* Calls fn for the partition's finished jobs whose callback is still to be made. */
void wb_job_table_each_callback(struct wb_job_table *t, int32_t partition, wb_job_info_fn fn, void *arg);

/* Where a list goes on: behind a job, whether or not that is still there. */
struct wb_job_cursor {
	bool set; /* false: at the newest job */
	int64_t created_ms;
	uint8_t id[WB_JOB_ID_BYTES];
};
#define WB_JOB_CURSOR_LEN  48
#define WB_JOB_CURSOR_SIZE (WB_JOB_CURSOR_LEN + 1)
/* As text: hexadecimal digits in lower case. */
void wb_job_cursor_text(const struct wb_job_cursor *cursor, char ret[WB_JOB_CURSOR_SIZE]);
bool wb_job_cursor_read(struct wb_slice text, struct wb_job_cursor *ret) WB_MUST_USE;

struct wb_job_filter {
	unsigned statuses; /* a bit for each wb_job_status that is wanted */
	int64_t since_ms;  /* created at this time or later */
	size_t limit;      /* of jobs that fn gets */
};
#define WB_JOB_LIST_LOOKS 10000 /* jobs that one call looks at, at most */
/* Calls fn for jobs from new to old (by creation, then id), from the cursor on, which moves with it; returns how many it
 * called fn for. *ret_more: whether there are older jobs that the filter's time lets through; they may be of other
 * statuses. */
size_t wb_job_table_list(struct wb_job_table *t, const struct wb_job_filter *filter, struct wb_job_cursor *cursor,
	wb_job_info_fn fn, void *arg, bool *ret_more);
struct wb_job_totals wb_job_table_totals(const struct wb_job_table *t);
struct wb_job_counts wb_job_table_counts(const struct wb_job_table *t);
/* Jobs that lost their details although their callback was still to be made, so that it never is. */
uint64_t wb_job_table_dropped_callbacks(const struct wb_job_table *t);
/* Of everything that the table holds; what the allocator adds to the smaller parts is estimated. */
size_t wb_job_table_memory_bytes(const struct wb_job_table *t);
/* "NotStarted" …; a literal. */
const char *wb_job_status_text(enum wb_job_status status);
/* Case matters. */
bool wb_job_status_parse(struct wb_slice text, enum wb_job_status *ret) WB_MUST_USE;

#endif
