/* What the topics say about a write, as the audit has it: of one size, so that any number of them can be sorted on disk.
 *
 * An event is about a range of writes of one owner: sequence numbers of a job, or offsets of an origin, which is a partition
 * of a topic of writes (of those that belong to no job). Pure, thread-safe: types only.
 */
#ifndef WB_DEADLETTER_AUDIT_EVENT_H
#define WB_DEADLETTER_AUDIT_EVENT_H

#include "common/contract/result.h"

#include <stdint.h>

enum wb_audit_kind {
	WB_AUDIT_ACCEPTED, /* the job has last writes; of several records the one with the smallest first counts; place: a
	                    * digest of what else it says */
	WB_AUDIT_LOG, /* the origin's log ends before last; first: 0 */
	WB_AUDIT_WRITTEN, /* outcomes, in the order of enum wb_outcome; the one with the smallest place counts */
	WB_AUDIT_SUPERSEDED,
	WB_AUDIT_DEAD,
	WB_AUDIT_LETTER, /* place: where the letter is */
	WB_AUDIT_PASSED, /* a record in a topic of writes that the group's committed offset has passed; place: where */
	WB_AUDIT_AHEAD, /* one that the group has not finished */
};
_Static_assert(WB_AUDIT_DEAD - WB_AUDIT_WRITTEN == (int)WB_DEAD, "outcomes are in their order");

struct wb_audit_owner {
	uint64_t id[2]; /* a job's 128 bits; of an origin the number of its topic, and the partition */
	bool origin;
};

struct wb_audit_event {
	uint64_t id[2]; /* of the owner */
	uint64_t first, last;
	uint64_t place;
	uint32_t at_s; /* an outcome's time, seconds since 1970 UTC */
	uint16_t topic; /* PASSED, AHEAD: the number of its topic */
	uint8_t kind; /* enum wb_audit_kind */
	uint8_t origin;
};

/* A place in a topic as one number. */
static inline uint64_t wb_audit_place(int32_t partition, int64_t offset)
{
	return (uint64_t)(partition & 0xffff) << 48 | ((uint64_t)offset & ((UINT64_C(1) << 48) - 1));
}
static inline int32_t wb_audit_place_partition(uint64_t place)
{
	return (int32_t)(place >> 48);
}
static inline int64_t wb_audit_place_offset(uint64_t place)
{
	return (int64_t)(place & ((UINT64_C(1) << 48) - 1));
}

/* The order in which they are judged: by owner; what is said about the owner itself, then by the first write. Like strcmp. */
static inline int wb_audit_event_compare(const struct wb_audit_event *a, const struct wb_audit_event *b)
{
	bool told_a = a->kind > WB_AUDIT_LOG, told_b = b->kind > WB_AUDIT_LOG;

	if (a->origin != b->origin)
		return a->origin < b->origin ? -1 : 1;
	if (a->id[0] != b->id[0])
		return a->id[0] < b->id[0] ? -1 : 1;
	if (a->id[1] != b->id[1])
		return a->id[1] < b->id[1] ? -1 : 1;
	if (told_a != told_b)
		return told_a < told_b ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	return 0;
}

#endif
