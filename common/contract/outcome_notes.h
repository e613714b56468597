/* Which numbers, of writes of one job or offsets of one partition, came to which outcome, for a results record.
 *
 * They come interleaved from many partition key ranges, so a sorted set would be moved about for nearly every one of them:
 * they are noted as they come, and sorted once, when the record is written.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_COMMON_CONTRACT_OUTCOME_NOTES_H
#define WB_COMMON_CONTRACT_OUTCOME_NOTES_H

#include "common/contract/result.h"

/* Numbers up to here can be noted: every sequence number, and more offsets than a partition will ever have. */
#define WB_OUTCOME_NUMBER_MAX (UINT64_MAX >> 2)

/* Zeroed memory has no notes. */
struct wb_outcome_notes {
	uint64_t *note; /* number * 4 + outcome */
	size_t count, cap;
};

void wb_outcome_notes_release(struct wb_outcome_notes *n);
void wb_outcome_notes_add(struct wb_outcome_notes *n, enum wb_outcome outcome, uint64_t number);
/* Sorts by number; of one that was noted more than once the first note stays. */
void wb_outcome_notes_sort(struct wb_outcome_notes *n);
/* Of sorted notes: the next range of numbers with that outcome, from *at on, which moves behind it; false: no more. */
bool wb_outcome_notes_next(
	const struct wb_outcome_notes *n, enum wb_outcome outcome, size_t *at, uint64_t *ret_first, uint64_t *ret_last);

#endif
