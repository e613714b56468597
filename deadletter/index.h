/* The index: facts of every letter and state record in SQLite, so that lists and counts need not read the topics again.
 *
 * A cache that may be thrown away at any time. It holds no documents. It knows up to which offset of each partition of
 * both topics it has read; that and what was read change in one transaction, so a program that is killed leaves it as it was
 * some moments ago. What a letter's state is (state.h) is settled when letters and states come in, not when they are asked
 * for. A file of another version or of other topics is emptied at the opening; one that turns out to be damaged is removed
 * by wb_index_free. Several programs may read one file while one of them writes.
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_INDEX_H
#define WB_DEADLETTER_INDEX_H

#include "common/base/error.h"
#include "common/contract/letter_identity.h"
#include "deadletter/state.h"

struct wb_index; /* opaque */

enum wb_index_topic { WB_INDEX_LETTERS, WB_INDEX_STATES, WB_INDEX_TOPICS };

#define WB_INDEX_TEXT_MAX 1024 /* bytes of a key or id that are kept: longer ones are not found by --key */

/* Slices are valid during the call. */
struct wb_index_letter {
	int64_t died_ms, offset;
	int32_t partition;
	enum wb_letter_state state; /* OLDER: there is a newer copy; not read by wb_index_put_letter */
	struct wb_slice identity;
	enum wb_reason reason; /* NONE: not ours */
	int status;
	struct wb_slice container; /* "database/container" as far as the write named them; absent: the default */
	struct wb_slice job; /* absent: untracked */
	uint64_t seq;
	struct wb_slice origin_topic; /* absent: unknown */
	int32_t origin_partition;
	int64_t origin_offset;
	struct wb_slice key, id; /* absent: none, or too long */
	int64_t bytes; /* of the value */
};

/* What to look for. Zero: everything that is open. */
struct wb_index_filter {
	unsigned states; /* 1u << WB_LETTER_…, or-ed; 0: open ones */
	bool has_reason;
	enum wb_reason reason;
	int status; /* 0: any */
	struct wb_slice container, job, key; /* absent: any */
	int64_t since_ms, until_ms; /* 0: any; both included */
	int64_t after; /* only what came into the index behind this place (wb_index_last) */
	bool has_before; /* only letters behind this one in the order of the list: the cursor */
	int64_t before_died_ms, before_offset;
	int32_t before_partition;
};

/* The file is made where it is missing, with its folder; path NULL: in memory, of no use to others. source: names the
 * cluster and the two topics. WB_EIO with a sentence. */
enum wb_err wb_index_open(const char *path, const char *source, struct wb_index **ret, struct wb_error *e) WB_MUST_USE;
/* Takes NULL. Removes the file if it was found to be damaged. */
void wb_index_free(struct wb_index **index);
/* Whether an error came of a damaged file: opening it again makes a new one. */
bool wb_index_is_damaged(const struct wb_index *index);

/* FNV-1a: tells identities apart but for one pair in billions; those are told apart by their texts. */
int64_t wb_index_hash(struct wb_slice identity);

/* Up to where a partition was read; 0 and no check when nothing was. check: what wb_index_advance was told. */
enum wb_err wb_index_position(struct wb_index *index, enum wb_index_topic topic, int32_t partition, int64_t *ret_next,
	int64_t *ret_check, struct wb_error *e) WB_MUST_USE;

/* Between begin and commit. An error of any of these makes the transaction void: free the index. */
enum wb_err wb_index_begin(struct wb_index *index, struct wb_error *e) WB_MUST_USE;
enum wb_err wb_index_put_letter(
	struct wb_index *index, const struct wb_index_letter *letter, struct wb_error *e) WB_MUST_USE;
/* value absent: the record is deleted. Values that are no state records are passed over. */
enum wb_err wb_index_put_state(
	struct wb_index *index, struct wb_slice identity, struct wb_slice value, struct wb_error *e) WB_MUST_USE;
/* check tells the last record apart from another at its place: if the topic was made anew, they differ. */
enum wb_err wb_index_advance(struct wb_index *index, enum wb_index_topic topic, int32_t partition, int64_t next,
	int64_t check, struct wb_error *e) WB_MUST_USE;
/* Forgets letters that are no longer in the topic. */
enum wb_err wb_index_drop_below(struct wb_index *index, int32_t partition, int64_t low, struct wb_error *e) WB_MUST_USE;
enum wb_err wb_index_commit(struct wb_index *index, struct wb_error *e) WB_MUST_USE;
/* After the first reading of everything: makes what questions need. Until then none may be asked. Quick when there is
 * nothing to do. */
enum wb_err wb_index_finish(struct wb_index *index, struct wb_error *e) WB_MUST_USE;
/* Forgets everything. */
enum wb_err wb_index_reset(struct wb_index *index, struct wb_error *e) WB_MUST_USE;

/* False ends the questioning. */
typedef bool (*wb_index_fn)(void *arg, const struct wb_index_letter *letter);

/* The newest first: by time of death, then partition, then offset. */
enum wb_err wb_index_each(struct wb_index *index, const struct wb_index_filter *filter, wb_index_fn fn, void *arg,
	struct wb_error *e) WB_MUST_USE;
/* In no order, with died_ms, state, reason and container only. */
enum wb_err wb_index_tally(struct wb_index *index, const struct wb_index_filter *filter, wb_index_fn fn, void *arg,
	struct wb_error *e) WB_MUST_USE;
/* How many letters of each reason. */
enum wb_err wb_index_count(struct wb_index *index, const struct wb_index_filter *filter,
	uint64_t ret_of_reason[WB_REASON_SERVER_ERROR + 1], struct wb_error *e) WB_MUST_USE;
/* The place of the letter that came last; 0 when there is none. */
int64_t wb_index_last(struct wb_index *index);
/* All copies of a letter, the oldest first. */
enum wb_err wb_index_copies(
	struct wb_index *index, struct wb_slice identity, wb_index_fn fn, void *arg, struct wb_error *e) WB_MUST_USE;
/* The letter's state record; *ret_found false when there is none. Its texts are valid until the next call for the index. */
enum wb_err wb_index_state(struct wb_index *index, struct wb_slice identity, struct wb_state_record *ret,
	bool *ret_found, struct wb_error *e) WB_MUST_USE;

#endif
