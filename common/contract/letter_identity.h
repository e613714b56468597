/* The identity of a dead letter: one text for the write that died, however often it died, was replayed and died again.
 *
 *   wb-replay-of, where it is there      a replay carries the identity of the letter that it repeats
 *   JOB/SEQ                              a tracked write: 32 hexadecimal digits, decimal
 *   ORIGIN-TOPIC/PARTITION/OFFSET        an untracked write, or another's dead letter that says where its record stood
 *   TOPIC/PARTITION/OFFSET               the letter itself, where nothing is known
 *
 * A header that is malformed is as if it were not there; a wb-replay-of is 1 to WB_LETTER_IDENTITY_MAX bytes of UTF-8
 * without control characters that do not begin with "alert:", as keys of the alerts do. So an identity is always such
 * text. Letters of one identity are copies of one letter. Pure, thread-safe.
 */
#ifndef WB_COMMON_CONTRACT_LETTER_IDENTITY_H
#define WB_COMMON_CONTRACT_LETTER_IDENTITY_H

#include "common/contract/letter_dialect.h"
#include "common/contract/record.h"

#define WB_LETTER_IDENTITY_MAX  512
#define WB_LETTER_IDENTITY_SIZE (WB_LETTER_IDENTITY_MAX + 1)

/* Where a record stands; topic: a name that Kafka allows. */
struct wb_record_place {
	struct wb_slice topic;
	int32_t partition;
	int64_t offset;
};

/* Each writes the text with a zero behind it and returns its length, 1 to WB_LETTER_IDENTITY_MAX. */

/* Of the letter that stands at letter; facts: what wb_letter_facts_read made of its headers. */
size_t wb_letter_identity(const struct wb_header *headers, size_t count, const struct wb_letter_facts *facts,
	const struct wb_record_place *letter, char ret[WB_LETTER_IDENTITY_SIZE]);
/* Of a write that is no replay, as results records name it. job is valid (wb_job_id_valid). */
size_t wb_letter_identity_of_job(struct wb_slice job, uint64_t seq, char ret[WB_LETTER_IDENTITY_SIZE]);
size_t wb_letter_identity_of_place(const struct wb_record_place *origin, char ret[WB_LETTER_IDENTITY_SIZE]);

#endif
