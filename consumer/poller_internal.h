/* The inside of the poller, shared by its files: poller.c (making, loop, shutdown), poller_group.c (assignments, drain),
 * poller_commit.c, poller_read.c (records become writes), poller_finish.c (writes come back).
 *
 * Not thread-safe: the poller's own thread, but for what says otherwise.
 */
#ifndef WB_CONSUMER_POLLER_INTERNAL_H
#define WB_CONSUMER_POLLER_INTERNAL_H

#include "common/base/handover.h"
#include "common/kafka/client.h"
#include "common/cosmos/document.h"
#include "consumer/decode.h"
#include "consumer/metadata.h"
#include "consumer/offsets.h"
#include "consumer/outage.h"
#include "consumer/poller.h"
#include "consumer/recorder.h"
#include "consumer/worker.h"

#include <stdatomic.h>

/* Charged for a write and its record beside the record's own bytes: the structs of both, and their allocations. */
#define WB_WRITE_OVERHEAD_BYTES 1024

/* A partition while it is ours, and after that until its last write has come back. */
struct wb_partition {
	struct wb_assignment assignment; /* first: writes point to it */
	struct wb_partition *next; /* in poller.gone */
	struct wb_offsets *offsets;
	int64_t start; /* where reading began; -1: at the earliest record */
	int64_t committed; /* what the group was told last; -1: nothing */
	int64_t last; /* delivered last; -1: none */
	size_t out; /* its writes that have not come back */
	bool ours; /* in poller.partitions: its offsets may still be committed */
	bool revoked; /* nothing more of it is read */
	bool paused; /* at its gap limit */
	bool lost; /* the next record has fallen out of retention: it stands still */
};

/* A container that records named, and its writes that wait until it is known. */
struct wb_target {
	struct wb_target *next;
	char *database, *name;
	struct wb_container *container;
	struct wb_list parked;
};

/* What the group has asked for and we have not answered yet: an assignment, or a revocation, which is drained, then ended
 * if that took too long (what is in flight is waited for, nothing more is sent), then committed. */
enum wb_change { WB_CHANGE_NONE, WB_CHANGE_ASSIGN, WB_CHANGE_DRAIN, WB_CHANGE_END, WB_CHANGE_COMMIT };

struct wb_poller_metrics {
	struct wb_counter *records, *bytes, *commits, *commit_failures, *assignments, *handed_back, *redelivered;
	struct wb_gauge *held, *pending, *partitions, *paused;
};

/* Per partition number, kept when the partition comes and goes. */
struct wb_partition_gauges {
	struct wb_gauge *lag, *gap;
};

struct wb_nudge; /* poller_nudge.c */

struct wb_poller {
	struct wb_kafka_context context; /* first: the client's opaque */
	struct wb_poller_settings settings;
	char client_id[128];
	rd_kafka_t *rk;
	rd_kafka_queue_t *group_queue; /* rebalances and errors */
	rd_kafka_queue_t *data_queue; /* records of all partitions */
	rd_kafka_queue_t *commit_queue; /* answers to commits */
	int wake_fd; /* an eventfd: something came */
	struct wb_nudge *nudge; /* NULL where librdkafka needs none */
	int64_t queue_bytes; /* what the data queue holds before librdkafka stops fetching */
	int64_t unnudged_bytes; /* taken from it since the last nudge */
	bool more; /* the data queue may have records without waking again */

	struct wb_metadata *metadata;
	struct wb_outage *outage;
	struct wb_recorder *recorder;
	struct wb_worker **workers;
	struct wb_list *to_worker; /* one for each */
	struct wb_list dead; /* judged here, for the recorder */
	struct wb_handover finished, returned;
	atomic_llong held_bytes;
	int64_t read_limit_bytes;

	struct wb_decode_settings decode;
	struct wb_target *targets;
	struct wb_target *last_target;
	struct wb_header *headers;
	size_t headers_max;
	struct wb_buf scratch;

	struct wb_partition **partitions; /* by number; NULL: not ours */
	struct wb_partition_gauges *gauges;
	int32_t partitions_max;
	struct wb_partition *gone;
	uint32_t next_epoch;

	enum wb_change change;
	rd_kafka_topic_partition_list_t *change_list;
	int64_t change_deadline_ms;
	_Atomic bool joining; /* a JoinGroup is on its way: see poller_commit.c */
	_Atomic bool joined; /* a JoinGroup was sent at least once */
	bool assigned; /* the group told of an assignment at least once */
	bool commit_in_flight;
	bool final_committed; /* the answer to the commit of a revocation came */
	int64_t committed_ms;
	bool closing; /* revocations are answered at once */
	bool draining;
	_Atomic bool fatal;
	struct wb_error fatal_text; /* set before fatal */
	bool closed; /* the group let us go */
	int64_t ticked_ms;
	int64_t gauges_ms;
	int64_t complained_ms;
	struct wb_poller_metrics metrics;
};

static inline struct wb_partition *wb_poller_partition_of(const struct wb_write *w)
{
	return (struct wb_partition *)w->assignment;
}

/* The partition of that number if it is ours, else NULL. */
static inline struct wb_partition *wb_poller_ours(const struct wb_poller *p, int32_t number)
{
	return number >= 0 && number < p->partitions_max ? p->partitions[number] : NULL;
}

/* poller_group.c */
void wb_poller_on_rebalance(
	rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions, void *opaque);
/* Takes a pending assignment or revocation further. */
void wb_poller_serve_change(struct wb_poller *p, int64_t now_ms);
/* Nothing more of any partition is sent from now on. */
void wb_poller_end_all(struct wb_poller *p);
/* A gone partition whose last write has come back is freed. */
void wb_poller_partition_idle(struct wb_poller *p, struct wb_partition *part);
/* The partition is at its gap limit: nothing more of it is read, but of the others. */
void wb_poller_pause(struct wb_poller *p, struct wb_partition *part);
/* Resumes partitions that are below half of their gap limit. */
void wb_poller_resume_due(struct wb_poller *p);
/* Writes of our partitions that have not come back. */
size_t wb_poller_out(const struct wb_poller *p);
void wb_poller_free_partitions(struct wb_poller *p);
void wb_poller_update_gauges(struct wb_poller *p);

/* poller_commit.c */
/* Makes the client tell when it is joining the group, which is no time for commits. */
void wb_poller_watch_joins(struct wb_poller *p, rd_kafka_conf_t *conf);
/* Commits what moved, at most once a second, or sooner where everything is finished. */
void wb_poller_commit_due(struct wb_poller *p, int64_t now_ms);
/* Commits the positions now, at an end; only: of these partitions alone, NULL: of all. The answer, or that there is
 * nothing to commit, sets final_committed. */
void wb_poller_commit_final(struct wb_poller *p, const rd_kafka_topic_partition_list_t *only);
void wb_poller_take_commits(struct wb_poller *p);

/* poller_nudge.c */
struct wb_nudge *wb_nudge_new(rd_kafka_t *rk);
void wb_nudge_free(struct wb_nudge **nudge);
/* Much was taken from the data queue: makes librdkafka look whether it has room again. */
void wb_poller_nudge(struct wb_poller *p);

/* poller_read.c */
/* Reads what the budget allows; true when there was something. */
bool wb_poller_read(struct wb_poller *p);
/* Records or an error from the group's queue. */
void wb_poller_take_message(struct wb_poller *p, rd_kafka_message_t *message);
/* Decodes and routes parked writes of containers that are known by now; true when there were some. */
bool wb_poller_unpark(struct wb_poller *p);
/* Hands back the parked writes of ended assignments. */
void wb_poller_sweep_parked(struct wb_poller *p);
/* Hands what was read to workers and recorder. */
void wb_poller_submit(struct wb_poller *p);
struct wb_target *wb_poller_target(struct wb_poller *p, struct wb_slice database, struct wb_slice name);
void wb_poller_free_targets(struct wb_poller *p);

/* poller_finish.c */
/* Takes writes that came back; true when there were some. */
bool wb_poller_take_back(struct wb_poller *p);
/* For workers and recorder, as their settings say: any thread. */
void wb_poller_detach_message(void *arg, struct wb_write *w);
void wb_poller_release_message(void *arg, struct wb_write *w);
size_t wb_poller_message_headers(void *arg, const struct wb_write *w, struct wb_header *headers, size_t max);
/* Frees a write that is in no list. */
void wb_poller_drop(struct wb_poller *p, struct wb_write *w);

#endif
