/* The inside of job_table.h, shared by its files: job_table.c answers, job_apply.c reads records, job_store.c keeps the
 * jobs and knows which lists and indexes each one stands in. Not thread-safe: one owner. */
#ifndef WB_PRODUCER_JOB_TABLE_INTERNAL_H
#define WB_PRODUCER_JOB_TABLE_INTERNAL_H

#include "common/base/interval_set.h"
#include "producer/job_names.h"
#include "producer/job_order.h"
#include "producer/job_table.h"
#include "producer/origins.h"
#include "producer/texts.h"

#define CHUNK_JOBS  1024
#define NONE        UINT32_MAX
#define TIME_MS_MAX ((INT64_C(1) << 48) - 1)

enum job_state { FREE, AWAITED, OPEN, FINISHED };

struct numbers {
	uint64_t accepted, written, superseded, dead;
};

struct failures {
	uint32_t count, cap;
	size_t bytes;
	struct wb_result_failure list[]; /* ids are owned */
};

/* What few jobs have: those under way, those with failures, and enormous ones. */
struct job_extra {
	struct wb_interval_set seen; /* sequence numbers with an outcome; empty once FINISHED */
	uint64_t pending; /* while OPEN */
	struct numbers numbers; /* of an enormous job */
	struct failures *failures;
	uint32_t older, newer; /* among the partition's awaited jobs, or its finished ones to be called back */
};

/* Kept small: a million finished ones is the default limit. Jobs name one another by their number in the slab. Where a
 * job stands: all but free ones by id; accepted ones in the order of creation, and by key; AWAITED ones in their
 * partition's list; FINISHED ones in the table's queue, or, while their callback is to be made, in their partition's
 * list. */
struct job {
	uint8_t id[WB_JOB_ID_BYTES];
	uint8_t key[WB_RESULT_KEY_SIZE];
	double charge;
	struct job_extra *extra; /* NULL: none; an OPEN job has no outcome then */
	uint64_t created_ms : 48; /* while AWAITED: of the last outcome */
	uint64_t callback_status : 10;
	uint64_t state : 2;
	uint64_t callback_state : 3;
	uint64_t has_key : 1;
	uint64_t completed_ms : 48;
	uint64_t callback_attempts : 16;
	uint64_t callback_ms : 48;
	uint64_t enormous : 1; /* its numbers are in extra */
	uint64_t weight : 15; /* of what it owns out of line, while it stands in the queue of finished ones */
	uint32_t accepted, written, superseded, dead;
	uint32_t next_by_id, next_by_key; /* next_by_id also chains free ones */
	uint32_t next_finished;
	int32_t partition;
	uint32_t version;
	uint32_t callback; /* its number in the texts; 0: none */
};
_Static_assert(sizeof(struct job) == 112, "with 4 bytes in the order and 2 to 4 in each of two indexes: 128 at most");

struct job_list {
	uint32_t oldest, newest;
};

struct partition {
	struct job_list awaited, calling;
	int64_t clock_ms; /* newest record */
};

struct job_index {
	uint32_t *buckets;
	size_t bucket_count, used;
};

struct wb_job_table {
	struct wb_job_limits limits;
	struct wb_job_hooks hooks;
	struct job **chunks;
	size_t chunk_count;
	uint32_t used, free_list;
	struct job_index by_id, by_key;
	struct wb_job_order *order;
	struct wb_job_names *names; /* of forgotten jobs */
	struct wb_texts texts; /* callbacks */
	struct partition *partitions;
	size_t partition_count;
	struct job_list finished; /* oldest end first, chained by next_finished */
	size_t weight, weight_max; /* of the finished jobs */
	size_t extra_bytes;
	struct wb_origins origins;
	struct wb_job_totals totals;
	struct wb_job_counts counts;
	uint64_t dropped_callbacks;
	uint32_t version; /* the last that a job got */

	/* While a record is applied. */
	int32_t record_partition;
	int64_t record_ms;
	uint32_t fresh_job;
	struct wb_interval_set fresh; /* writes of fresh_job that this record brought to death */
};

static inline struct job *wb_job_at(const struct wb_job_table *t, uint32_t i)
{
	return &t->chunks[i / CHUNK_JOBS][i % CHUNK_JOBS];
}

static inline uint64_t wb_job_time(int64_t ms)
{
	return ms < 0 ? 0 : ms > TIME_MS_MAX ? (uint64_t)TIME_MS_MAX : (uint64_t)ms;
}

static inline bool wb_job_callback_due(const struct job *j)
{
	return j->callback_state == WB_CALLBACK_PENDING || j->callback_state == WB_CALLBACK_RETRYING;
}

/* job_store.c */

void wb_job_store_init(struct wb_job_table *t);
void wb_job_store_release(struct wb_job_table *t);
/* Of that id, or NONE. */
uint32_t wb_job_store_find(const struct wb_job_table *t, const uint8_t id[WB_JOB_ID_BYTES]);
/* Of that key, the one that was created first, or NONE. */
uint32_t wb_job_store_find_key(const struct wb_job_table *t, const uint8_t key[WB_RESULT_KEY_SIZE]);
/* A new job, AWAITED, of the record's partition and time. */
uint32_t wb_job_store_add(struct wb_job_table *t, const uint8_t id[WB_JOB_ID_BYTES]);
struct partition *wb_job_store_partition(struct wb_job_table *t, int32_t partition);
struct job_extra *wb_job_store_extra(struct wb_job_table *t, uint32_t i);
struct numbers wb_job_numbers(const struct job *j);
void wb_job_store_set_numbers(struct wb_job_table *t, uint32_t i, struct numbers n);
/* An AWAITED job is the youngest of its list again. */
void wb_job_store_await_again(struct wb_job_table *t, uint32_t i);
/* AWAITED becomes OPEN. Numbers, what is pending, creation, key and callback are set before. */
void wb_job_store_accept(struct wb_job_table *t, uint32_t i);
/* OPEN becomes FINISHED, and others may be forgotten, or it itself. */
void wb_job_store_finish(struct wb_job_table *t, uint32_t i);
/* The callback of a FINISHED job is over. */
void wb_job_store_called(struct wb_job_table *t, uint32_t i);
/* Adds sequence numbers with an outcome; returns how many had none before. */
uint64_t wb_job_store_see(struct wb_job_table *t, uint32_t i, uint64_t first, uint64_t last);
/* Adds a failure if there is room. */
void wb_job_store_add_failure(struct wb_job_table *t, uint32_t i, const struct wb_result_failure *failure);
void wb_job_store_expire_awaited(struct wb_job_table *t, struct partition *p, int64_t before_ms);
void wb_job_store_expire_finished(struct wb_job_table *t, int64_t before_ms);
/* Takes a whole job away. */
void wb_job_store_remove(struct wb_job_table *t, uint32_t i);

#endif
