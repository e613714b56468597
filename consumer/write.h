/* One decoded write on its way from the writes topic into Cosmos DB, and the states that it passes through.
 *
 * A write has one owner at a time; ownership passes only through hand-overs (poller → worker → recorder → poller), so
 * its fields need no lock. Its record, the original, is held until the write comes back: key, value and document point
 * into it.
 *
 *   WAITING ──> IN_FLIGHT ──> JUDGED ──> RECORDED ──> FINISHED
 *      ^            │            ^
 *      └── again ───┘            └── WAITING (superseded, or dead before it was sent: it could not be decoded)
 *   WAITING ──> FINISHED: handed back unsent, because its assignment ended; it has no outcome
 *
 *   WAITING    read, and queued behind its item, its range or a delay           (poller, worker)
 *              or replaced by a newer write of its item, whose `older` it is    (worker)
 *   IN_FLIGHT  in a request that has no reply yet                               (worker)
 *   JUDGED     has an outcome; a dead letter may be on its way to Kafka         (recorder)
 *   RECORDED   its outcome is in a results record; acknowledged when the poller gets it  (recorder)
 *   FINISHED   its outcome is acknowledged: the offset may advance past it      (poller)
 *
 * Not thread-safe beyond that; an assignment's atomics are.
 */
#ifndef WB_CONSUMER_WRITE_H
#define WB_CONSUMER_WRITE_H

#include "common/base/list.h"
#include "common/base/slice.h"
#include "common/contract/record.h"
#include "common/contract/result.h"
#include "consumer/original.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum wb_write_state {
	WB_WRITE_WAITING,
	WB_WRITE_IN_FLIGHT,
	WB_WRITE_JUDGED,
	WB_WRITE_RECORDED,
	WB_WRITE_FINISHED,
};

/* Bytes of a write's strings that need no memory of their own: a UUID as id and a key of some 30 bytes fit. */
#define WB_WRITE_ROOM 112

/* What the next request for a write does. A write that Cosmos DB refused for ever is condemned: the stored item is read
 * once more before it is judged, to compare it and for its etag, and before anything newer of the item is sent. */
enum wb_write_step {
	WB_STEP_SEND, /* the operation itself */
	WB_STEP_READ, /* condemned: reason says what it dies of */
};

/* A partition while it is ours: from assignment to revocation. The poller makes and frees it; it lives until every
 * write of it has come back. */
struct wb_assignment {
	const char *topic; /* outlives it */
	int32_t partition;
	uint32_t epoch; /* differs for each assignment of the partition */
	_Atomic bool ended; /* set by the poller: nothing more of it may be sent */
	_Atomic bool lost; /* somebody else has it already: what is in flight is cut off. Set with ended */
};

struct wb_container; /* consumer/metadata.h: which container it is for; NULL until its target is known */
struct wb_range; /* consumer/metadata.h: where it goes in there; NULL until it is routed */

#define WB_FAILURE_MESSAGE_MAX 511

/* What Cosmos DB said last, kept only for writes that failed by themselves at least once. Owned by the write. No larger
 * than what was said: it is not charged to the memory budget, and all that waits may have one. */
struct wb_write_failure {
	int status, substatus;
	char *session_token; /* of the reply: a reading that sends it sees what the refusal saw; NULL: none. Owned */
	char activity_id[64];
	char item_etag[128]; /* of the stored item at the death: its etag, "absent", or "" when it is not known */
	char message[]; /* WB_FAILURE_MESSAGE_MAX bytes at most */
};

/* What every write needs on its way stands in the first lines of the cache, what only some need last: they are many more
 * than a cache holds. */
#define WB_WRITE_HOT_BYTES 256
struct wb_write {
	struct wb_link link; /* in the one list that it stands in */
	struct wb_write *behind; /* item_order: the next write of the same item */
	struct wb_write *older; /* item_order: the write that this one replaced, which may have replaced an older one */
	struct wb_write *entered_before, *entered_after; /* engine: all that it holds, as they came */
	uint64_t item_hash; /* of container, partition key and id */
	enum wb_write_state state;
	enum wb_write_step step;
	enum wb_op op;
	enum wb_reason reason; /* for WB_DEAD */

	size_t bulk_bytes; /* what it adds to a bulk at most; 0: it is not sent as an operation */
	struct wb_slice document; /* value without surrounding space */
	struct wb_slice pk_text; /* canonical: ["a"]; into storage */
	struct wb_assignment *assignment;
	/* With pk_text and id: which item. Set before item_order sees the write; one object per container's name. */
	const struct wb_container *container;
	struct wb_range *range;

	int64_t offset;
	uint64_t seq;
	struct wb_original *original; /* owned */
	size_t original_bytes; /* as charged */
	struct wb_write_failure *failure;
	double request_charge; /* of all attempts */
	unsigned attempts; /* requests that carried it */
	enum wb_outcome outcome; /* meaningful from JUDGED on */
	bool tracked; /* belongs to a job */
	bool alone; /* a request of it alone failed as a whole: it never travels with others again */
	bool compare; /* condemned: when the stored item is what it wanted, it is written after all */
	bool waits_for_earlier; /* for a unique key that an earlier write may free */
	bool unique_key_retried; /* a conflict over a unique key was tried again after the writes before it */
	bool is_replay; /* of a dead letter: a failed condition then means superseded */
	bool conditional; /* if_match or if_none_match is there */

	struct wb_write *read_before, *read_after; /* poller: all of the partition that have not come back */
	char *storage; /* decoded id, canonical key, effective key, conditions; in room, or owned where that is too small */
	int64_t timestamp_ms; /* of the record; -1: none */
	char job[WB_JOB_ID_SIZE];

	struct wb_slice id; /* decoded; into storage */
	int64_t retry_wait_ms; /* spent in backoffs of its own while its range served others */
	struct wb_slice key, value; /* into original; data NULL: none */
	struct wb_slice epk; /* effective partition key, bytes; into storage */
	struct wb_slice if_match, if_none_match; /* conditions; data NULL: none; into storage */
	int64_t first_failure_ms; /* wall clock; 0: none yet */
	int64_t not_before_ms; /* monotonic: a retry waits until then */
	int64_t failed_ms; /* monotonic, of the last failure */
	int64_t refused_since_ms; /* monotonic: 401 or 403 has kept its item from being read since; 0: it has not */
	int64_t letter_offset;
	int32_t letter_partition; /* where its dead letter is; -1: not there yet */
	unsigned retries; /* failures of its own, for its backoff */
	unsigned letter_step; /* recorder: how its letter is sent, from whole and with others to alone and trimmed */
	unsigned
		letter_refusals; /* how often Kafka refused its letter at its last step, or for another reason than size */
	int64_t read_ms; /* monotonic: when it was read */
	char traceparent[WB_TRACEPARENT_LEN + 1]; /* as the record has it, if it is that long; "": it has none */
	void *owner; /* for callbacks that are given the write alone: who has it */
	char room[WB_WRITE_ROOM]; /* last, as it needs no clearing */
};

/* A new WAITING write without timestamp or letter (-1); everything else zero. The caller owns it. */
struct wb_write *wb_write_new(void);
/* Frees the write with its storage and failure; its original must have been let go before. Sets *w to NULL. */
void wb_write_free(struct wb_write **w);
/* Makes that much storage, in place of what there was: slices into it are no longer good. */
char *wb_write_make_storage(struct wb_write *w, size_t size);
void wb_write_release_storage(struct wb_write *w);
/* Its original is needed no more. */
void wb_write_let_go_original(struct wb_write *w, struct wb_originals *from);

/* Writes at rest, whose memory the next ones get: one that passes through the consumer costs no allocation. Not
 * thread-safe. */
struct wb_write_pool {
	struct wb_list spare;
};

/* As wb_write_new. */
struct wb_write *wb_write_pool_take(struct wb_write_pool *pool);
/* One will be taken soon. */
void wb_write_pool_expect(const struct wb_write_pool *pool);
/* As wb_write_free; keeps the memory while there is not too much of it. */
void wb_write_pool_put(struct wb_write_pool *pool, struct wb_write **w);
void wb_write_pool_release(struct wb_write_pool *pool);
/* "waiting" …; a literal. */
const char *wb_write_state_text(enum wb_write_state state);
/* Passes to the next state; a transition that the picture does not show is a bug and aborts. */
void wb_write_advance(struct wb_write *w, enum wb_write_state to);
/* Notes a failure: kept for the dead letter and the log. wall_ms: now. Text is cut to fit. */
void wb_write_note_failure(struct wb_write *w, int status, int substatus, struct wb_slice activity_id,
	struct wb_slice message, int64_t wall_ms);
/* Keeps the session token with the failure, in place of the last; "": none. */
void wb_write_note_session(struct wb_write *w, const char *token);
void wb_write_forget_failure(struct wb_write *w);

/* For a log line about the write; absent when its record has none, or none that is valid. */
struct wb_slice wb_write_traceparent(const struct wb_write *w);
/* Ends a list of log fields: the write's traceparent, or nothing. */
#define WB_TRACEPARENT(w) WB_SLICE(wb_write_traceparent(w).data ? "traceparent" : NULL, wb_write_traceparent(w))

/* An upsert without conditions: only such may take the place of another such, as only the last one's effect is seen. */
static inline bool wb_write_is_plain_upsert(const struct wb_write *w)
{
	return w->op == WB_OP_UPSERT && w->step == WB_STEP_SEND && !w->conditional;
}

/* If-None-Match: * makes an upsert a create whose conflict is a failed condition. */
static inline bool wb_write_is_create(const struct wb_write *w)
{
	return w->op == WB_OP_CREATE ||
		(w->op == WB_OP_UPSERT && w->conditional && wb_slice_eq_cstr(w->if_none_match, "*"));
}

/* It is the next to be worked on, and another thread had it last. */
static inline void wb_write_prefetch(const struct wb_link *link)
{
	if (link)
		wb_prefetch(link, WB_WRITE_HOT_BYTES);
}

static inline struct wb_write *wb_write_of(struct wb_link *link)
{
	return link ? WB_CONTAINER_OF(link, struct wb_write, link) : NULL;
}

#endif
