/* A job's id as 16 bytes, as the job view keeps it, and their hash.
 *
 * Pure, thread-safe.
 */
#ifndef WB_PRODUCER_JOB_ID_H
#define WB_PRODUCER_JOB_ID_H

#include "common/base/compiler.h"
#include "common/base/slice.h"
#include "common/contract/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WB_JOB_ID_BYTES (WB_JOB_ID_LEN / 2)

/* False for what is no job id. */
bool wb_job_id_read(struct wb_slice text, uint8_t ret[WB_JOB_ID_BYTES]) WB_MUST_USE;
void wb_job_id_text(const uint8_t id[WB_JOB_ID_BYTES], char ret[WB_JOB_ID_SIZE]);

/* For a table with a power of two of buckets. Ids, and digests of keys, are random; the multiplications are for the ids
 * of those who count instead. */
static inline size_t wb_job_id_bucket(const uint8_t id[WB_JOB_ID_BYTES], size_t buckets)
{
	uint64_t a, b;

	memcpy(&a, id, sizeof a);
	memcpy(&b, id + sizeof a, sizeof b);
	a = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
	return (size_t)(a ^ a >> 32) & (buckets - 1);
}

#endif
