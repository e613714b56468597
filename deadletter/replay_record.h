/* What a letter goes out as when it is replayed: the original's headers without what its writer added, the job of the
 * replay, and the condition that its item is still as it was at the death.
 *
 * A letter's replay is a job of one write. Its id follows from the letter and from how often it was replayed before, so two
 * that replay it at once publish the same job twice, whose first outcome counts. Pure, thread-safe.
 */
#ifndef WB_DEADLETTER_REPLAY_RECORD_H
#define WB_DEADLETTER_REPLAY_RECORD_H

#include "common/base/error.h"
#include "common/contract/letter_dialect.h"
#include "common/contract/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WB_REPLAY_HEADERS_ADDED 5 /* job, seq, replay-of, op, a condition */

struct wb_replay_letter {
	const struct wb_header *headers; /* as they stand in the letter */
	size_t header_count;
	bool has_value; /* else its operation, where none is given, is a delete: a tombstone */
	struct wb_slice item_etag; /* of the newest copy */
};

/* The job of the replay after attempts of them, from 0: 32 hexadecimal digits and a zero. */
void wb_replay_job_id(struct wb_slice identity, int64_t attempts, char ret[WB_JOB_ID_SIZE]);

/* Writes the replay's headers to ret, which has room for header_count + WB_REPLAY_HEADERS_ADDED. Slices point into the
 * letter, identity and job (32 digits). forced: without a condition. Without force, WB_EINVAL with a sentence for a letter
 * that no condition protects: its item's state at the death is not known, or there was no item and the operation needs one. */
enum wb_err wb_replay_headers(const struct wb_replay_letter *letter, struct wb_slice identity, struct wb_slice job,
	bool forced, struct wb_header *ret, size_t *ret_count, struct wb_error *why) WB_MUST_USE;

#endif
