/* What an owner of the consumer's state tells of it when it is asked: copies, so that whoever reads them takes no lock and
 * nobody waits for him. The poller tells of the group, partitions and containers, each worker of its ranges, each of them
 * and the recorder of the writes that they hold; what somebody does not own stays empty.
 *
 * Bounded: lists are cut at their maximum, and the totals say how many there are. Times are durations up to the moment of
 * the answer. Strings that are not copied live as long as the poller.
 * Not thread-safe: it has one owner at a time.
 */
#ifndef WB_CONSUMER_SNAPSHOT_H
#define WB_CONSUMER_SNAPSHOT_H

#include "consumer/write.h"

#define WB_SNAPSHOT_PARTITIONS_MAX 1000
#define WB_SNAPSHOT_CONTAINERS_MAX 256
#define WB_SNAPSHOT_RANGES_MAX     1000 /* of all workers together */
#define WB_SNAPSHOT_HELD_MAX       100 /* of each owner */
#define WB_SNAPSHOT_ID_MAX         128 /* bytes */
#define WB_SNAPSHOT_RANGE_ID_SIZE  64

struct wb_group_snapshot {
	bool assigned; /* told of an assignment, and not lost it since */
	int64_t assigned_ms; /* since the last one; -1: there was none */
	bool joining;
	bool proven; /* the group confirms the membership; while it does not, nothing is sent */
	const char *change; /* what the group asked for and is not answered yet: "none", "assign", "revoke" */
};

struct wb_partition_snapshot {
	const char *topic;
	int32_t partition;
	int64_t position; /* the next offset to be read; -1: where the log begins */
	int64_t committed; /* what the group was told last; -1: nothing */
	int64_t end, lag; /* -1: not known yet */
	size_t pending, gap;
	int64_t stands_at, stands_ms; /* the first unfinished offset, -1: none; for how long it has been that */
	bool paused, revoked, lost;
	int64_t lost_from, lost_to; /* where lost: the range that is not in the log any more; to -1: not known */
};

struct wb_container_snapshot {
	const char *database, *container;
	const char *state; /* "unknown", "known", "missing", "stale" */
	size_t routed, parked; /* writes at workers and behind them; and that wait until the container is known */
};

struct wb_range_snapshot {
	const char *database, *container;
	char id[WB_SNAPSHOT_RANGE_ID_SIZE];
	bool bulk;
	unsigned worker;
	size_t ready, failed_requests; /* writes that may be sent; requests that failed as a whole and go again */
	unsigned in_flight, limit; /* requests */
	int64_t throttled_for_ms; /* from now on */
	int64_t outage_ms, refused_ms; /* for how long; -1: it is not */
	double request_charge;
};

struct wb_held_write {
	const char *topic;
	int32_t partition;
	int64_t offset;
	const char *database, *container; /* NULL: not known yet */
	char id[WB_SNAPSHOT_ID_MAX + 1]; /* UTF-8; "" where it could not be decoded */
	bool id_cut;
	enum wb_write_state state;
	bool alone;
	unsigned attempts;
	int status, substatus; /* of its last failure; 0: none, or no reply */
	int64_t held_ms;
	char traceparent[WB_TRACEPARENT_LEN + 1]; /* "": none */
};

struct wb_snapshot {
	bool has_group;
	struct wb_group_snapshot group;
	struct wb_partition_snapshot *partitions;
	size_t partition_count, partitions_total;
	struct wb_container_snapshot *containers;
	size_t container_count, containers_total;
	struct wb_range_snapshot *ranges;
	size_t range_count, ranges_total;
	struct wb_held_write held[WB_SNAPSHOT_HELD_MAX];
	size_t held_count, held_total;

	/* Sums since the start, of those who count them. */
	double records, bytes; /* poller */
	double written, superseded, dead; /* recorder */
	int64_t held_bytes; /* poller: as charged to the budget */
};

/* Empty. */
struct wb_snapshot *wb_snapshot_new(void);
void wb_snapshot_free(struct wb_snapshot **s);
/* Adds a write to those held; there is room. The caller owns the write, or may read it. */
void wb_snapshot_hold(
	struct wb_snapshot *s, const struct wb_write *w, const char *database, const char *container, int64_t now_ms);

#endif
