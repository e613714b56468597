/* The results topic: what was accepted and what became of it (docs/CONTRACT.md). JSON records of three types.
 *
 * accepted, written by a producer as the last record of a job:
 *   {"type":"accepted","job":"…","count":100,"at":1760000000000,"database":"…","container":"…",
 *    "key":"…","callback":"https://…"}
 * outcomes, written by a consumer every 100 ms or so, one record per results partition:
 *   {"type":"outcomes","consumer":"…","at":…,
 *    "jobs":[{"job":"…","written":[0,98],"dead":[99,99],"charge":12.5,
 *             "failures":[{"seq":99,"id":"…","reason":"bad-request","status":400,"deadLetter":{"partition":0,"offset":7}}]}],
 *    "untracked":[{"topic":"…","partition":0,"written":[10,19]}]}
 * where written, superseded and dead are flat lists first,last,first,last… of sequence numbers or offsets.
 * callback, written by whoever called the job's callback, after each attempt:
 *   {"type":"callback","job":"…","at":…,"attempt":1,"status":200,"state":"delivered"}
 * First outcome per write wins, so repeats are harmless; of callback records the last one counts, and none after one
 * that says delivered or failed. A record goes to partition murmur2(job), an untracked one to
 * murmur2("topic/partition"). Unknown members and types are ignored.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_COMMON_CONTRACT_RESULT_H
#define WB_COMMON_CONTRACT_RESULT_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_RESULT_FAILURES_MAX 10   /* kept per job and record, and in a job's view */
#define WB_RESULT_KEY_SIZE     16   /* the first bytes of the SHA-256 over principal and Idempotency-Key */
#define WB_RESULT_CALLBACK_MAX 2048 /* bytes of a callback's URL */

enum wb_outcome { WB_WRITTEN, WB_SUPERSEDED, WB_DEAD };
const char *wb_outcome_text(enum wb_outcome outcome);

/* NONE: the job has no callback; PENDING: it was not called yet. */
enum wb_callback_state {
	WB_CALLBACK_NONE,
	WB_CALLBACK_PENDING,
	WB_CALLBACK_RETRYING,
	WB_CALLBACK_DELIVERED,
	WB_CALLBACK_FAILED
};
/* "none", "pending" …; a literal. */
const char *wb_callback_state_text(enum wb_callback_state state);

struct wb_result_accepted {
	struct wb_slice job;
	uint64_t count;
	int64_t at_ms;
	struct wb_slice database, container; /* absent: the consumers' default */
	bool has_key;
	uint8_t key[WB_RESULT_KEY_SIZE];
	struct wb_slice callback; /* absent: nobody is called; at most WB_RESULT_CALLBACK_MAX bytes */
};

struct wb_result_callback {
	struct wb_slice job;
	int64_t at_ms;
	uint32_t attempt;             /* from 1 */
	int status;                   /* of the answer; 0: there was none */
	enum wb_callback_state state; /* RETRYING, DELIVERED or FAILED */
};

struct wb_result_failure {
	uint64_t seq;
	struct wb_slice id; /* decoded; absent when the document has none */
	enum wb_reason reason;
	int status;               /* Cosmos DB's, 0 when it was never asked */
	int32_t letter_partition; /* coordinates of the dead letter; -1: unknown */
	int64_t letter_offset;
};

/* Appends one accepted record. */
void wb_result_accepted_encode(const struct wb_result_accepted *accepted, struct wb_buf *ret);
/* Appends one callback record. */
void wb_result_callback_encode(const struct wb_result_callback *callback, struct wb_buf *ret);

/* Gathers the outcomes for one results partition and writes them as one record. */
struct wb_result_batch;
struct wb_result_batch *wb_result_batch_new(void);
void wb_result_batch_free(struct wb_result_batch **b);
bool wb_result_batch_empty(const struct wb_result_batch *b);
/* About how many bytes the record would have at most, as each outcome may be a range of its own: flush before it passes the
 * topic's limit. */
size_t wb_result_batch_size(const struct wb_result_batch *b);
void wb_result_batch_add_job(
	struct wb_result_batch *b, struct wb_slice job, uint64_t seq, enum wb_outcome outcome, double charge);
/* failure->seq was added as WB_DEAD before. Beyond WB_RESULT_FAILURES_MAX of a job it is left out. */
void wb_result_batch_add_failure(
	struct wb_result_batch *b, struct wb_slice job, const struct wb_result_failure *failure);
void wb_result_batch_add_untracked(
	struct wb_result_batch *b, struct wb_slice topic, int32_t partition, int64_t offset, enum wb_outcome outcome);
/* Appends the record and empties the batch. */
void wb_result_batch_encode(struct wb_result_batch *b, struct wb_slice consumer, int64_t at_ms, struct wb_buf *ret);

/* Reading: the callbacks run in the order of the record; any may be NULL. Slices are valid during the call. */
struct wb_result_visitor {
	void (*accepted)(void *arg, const struct wb_result_accepted *accepted);
	void (*job_outcome)(
		void *arg, struct wb_slice job, enum wb_outcome outcome, uint64_t first, uint64_t last, int64_t at_ms);
	void (*job_charge)(void *arg, struct wb_slice job, double request_units);
	void (*job_failure)(void *arg, struct wb_slice job, const struct wb_result_failure *failure);
	void (*untracked)(void *arg, struct wb_slice topic, int32_t partition, enum wb_outcome outcome, uint64_t first,
		uint64_t last);
	void (*callback)(void *arg, const struct wb_result_callback *callback);
};
/* Strict JSON; of a member that stands twice the last one counts; a key or callback that is malformed, and text that has
 * no UTF-8 (an escaped lone surrogate), are taken as absent. Allocates only for text with escapes.
 * WB_EINVAL for what is no results record; callbacks may have run for its first parts. */
enum wb_err wb_result_decode(
	struct wb_slice record, const struct wb_result_visitor *visitor, void *arg, struct wb_error *e) WB_MUST_USE;

#endif
