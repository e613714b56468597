/* The inside of the poller, shared by its files: poller.c (making, loop, shutdown), poller_group.c (assignments, drain),
 * poller_partition.c (topics and partitions), poller_commit.c (commits, and the gate that they open), poller_ask.c
 * (questions to brokers that take time), poller_read.c (records become writes), poller_park.c (writes that wait for
 * their container), poller_share.c (what of cosmos.ru.budget is ours), poller_finish.c (writes come back), poller_watch.c
 * (what others see of it: gauges, snapshots).
 *
 * Not thread-safe: the poller's own thread, but for what says otherwise.
 */
#ifndef WB_CONSUMER_POLLER_INTERNAL_H
#define WB_CONSUMER_POLLER_INTERNAL_H

#include "common/base/handover.h"
#include "common/kafka/client.h"
#include "common/cosmos/document.h"
#include "consumer/decode.h"
#include "consumer/gate.h"
#include "consumer/metadata.h"
#include "consumer/offsets.h"
#include "consumer/outage.h"
#include "consumer/pace.h"
#include "consumer/poller.h"
#include "consumer/recorder.h"
#include "consumer/worker.h"

#include <stdatomic.h>

/* Charged for a write beside its original: its struct, and what is allocated for it. */
#define WB_WRITE_OVERHEAD_BYTES 1024

/* A topic that we read: topic.writes, or one of topic.map. */
struct wb_topic {
	const char *name;
	struct wb_decode_settings decode; /* its container is the default of its records */
	struct wb_partition **partitions; /* by number; NULL: not ours */
	struct wb_partition_metrics *metrics; /* by number */
	int32_t partition_count; /* that it has, whoever owns them; 0: not known yet. Asked for only with a budget */
	int32_t partitions_max;
};

/* A partition while it is ours, and after that until its last write has come back. */
struct wb_partition {
	struct wb_assignment assignment; /* first: writes point to it */
	struct wb_topic *topic;
	struct wb_partition *next; /* in poller.ours or poller.gone */
	struct wb_offsets *offsets;
	int64_t start; /* where reading began, or goes on behind a lost range; -1: at the earliest record */
	int64_t committed; /* what the group was told last; -1: nothing */
	struct wb_write *first, *newest; /* its writes that have not come back, as they were read */
	size_t out; /* how many those are */
	bool ours; /* in poller.ours: its offsets may still be committed */
	bool revoked; /* nothing more of it is read */
	bool paused; /* at its gap limit */
	bool pause_said; /* in the log */
	bool lost; /* the next record has fallen out of retention: it stands still */
	int64_t low; /* where its log begins, while it is lost; -1: not known yet */
	int64_t stands_at; /* the first unfinished offset; -1: everything is finished */
	int64_t stands_since_ms;
	int64_t named_ms; /* when the log named that write last; 0: not yet */
	int64_t asked_end, end_asked_ms; /* where its log ends, as the broker said, and when */
	int64_t end, lag; /* as poller_watch.c last made them out; -1: not known */
};

/* A container that records named, and its writes that wait until it is known. */
struct wb_target {
	struct wb_target *next;
	char *database, *name;
	struct wb_container *container;
	size_t out; /* its writes that were routed and have not come back */
	struct wb_list parked; /* as they were read */
	struct wb_list returned; /* handed back by workers: before the parked ones, once all are there */
};

/* What the group has asked for and we have not answered yet: an assignment, or a revocation, which is drained, then ended
 * if that took too long (what is in flight is waited for, nothing more is sent), then committed. */
enum wb_change { WB_CHANGE_NONE, WB_CHANGE_ASSIGN, WB_CHANGE_DRAIN, WB_CHANGE_END, WB_CHANGE_COMMIT };

struct wb_poller_metrics {
	struct wb_counter *records, *bytes, *commits, *commit_failures, *assignments, *handed_back, *redelivered,
		*absences;
	struct wb_gauge *held, *pending, *partitions, *paused;
};

/* Per partition number, kept when the partition comes and goes. */
struct wb_partition_metrics {
	struct wb_gauge *lag, *gap, *stands_at, *stands_s;
	struct wb_counter *lost;
};

struct wb_asker; /* poller_ask.c */

struct wb_poller {
	struct wb_kafka_context context; /* first: the client's opaque */
	struct wb_poller_settings settings;
	char client_id[128];
	rd_kafka_t *rk;
	rd_kafka_queue_t *group_queue; /* rebalances and errors */
	rd_kafka_queue_t *data_queue; /* records of all partitions */
	rd_kafka_queue_t *commit_queue; /* answers to commits */
	int wake_fd; /* an eventfd: something came */
	struct wb_asker *asker;
	bool looks_by_itself; /* librdkafka looks soon whether its full queue has room: it needs no nudge */
	int64_t queue_bytes; /* what the data queue holds before librdkafka stops fetching */
	int64_t unnudged_bytes; /* taken from it since the last nudge */
	int64_t uncounted_records, uncounted_bytes; /* taken in this turn, for the metrics */
	bool more; /* the data queue may have records without waking again */

	_Atomic bool containers_changed; /* the workers are to be told */
	struct wb_metadata *metadata;
	struct wb_outage *outage;
	struct wb_paces *paces;
	struct wb_ru_budget *budget; /* NULL: cosmos.ru.budget is not set */
	int64_t counts_ask_ms; /* when it is asked how many partitions the topics have */
	int64_t counts_said_ms; /* when the log told last that there was no answer; 0: not yet */
	struct wb_recorder *recorder;
	struct wb_worker **workers;
	struct wb_list *to_worker; /* one for each */
	struct wb_list dead; /* judged here, for the recorder */
	struct wb_handover finished, given_up; /* from the recorder */
	struct wb_handover returned; /* from workers */
	struct wb_originals originals;
	size_t writes_out; /* that have not come back */
	int64_t read_limit_bytes;

	struct wb_write_pool writes;
	struct wb_target *targets;
	struct wb_target *last_target;
	struct wb_header *headers;
	size_t headers_max;
	struct wb_buf scratch;

	struct wb_topic *topics; /* topic.writes first */
	size_t topic_count;
	struct wb_partition *ours, *gone;
	uint32_t next_epoch;

	enum wb_change change;
	rd_kafka_topic_partition_list_t *change_list;
	rd_kafka_topic_partition_list_t *owed; /* told to be ours and not assigned yet; NULL: none */
	int64_t change_deadline_ms;
	uint64_t change_ticket; /* of the question where an assignment begins */
	int64_t change_ask_ms; /* when it is to be asked; INT64_MAX: it was */
	_Atomic bool joining; /* a JoinGroup is on its way: see poller_commit.c */
	_Atomic bool joined; /* a JoinGroup was sent at least once */
	_Atomic int64_t join_ended_ms; /* when the last one had its end: what it brought is told a little later */
	bool cooperative; /* the group's protocol, as it was last told */
	bool assigned; /* the group told of an assignment at least once */
	int64_t forward_until_ms; /* partitions' queues are forwarded again and again until then */
	bool commit_in_flight;
	bool final_committed; /* the answer to the commit of a revocation came */
	int64_t committed_ms;
	struct wb_gate gate;
	uint64_t commit_ticket; /* what the commit in flight proves */
	int64_t commit_sent_ms; /* when that was sent */
	int64_t member_ms; /* until then the group was known to count us in */
	int64_t assigned_ms; /* when it told an assignment last */
	bool membership_told; /* in readyz, that it is not confirmed */
	size_t prove_turn; /* which partitions prove it next */
	int64_t commit_said_ms; /* when the log told of a refused commit last */
	int64_t prove_at_ms; /* the next try to open the gate */
	int64_t turned_boot_ms; /* begin of the last turn, suspended time counted */
	bool gate_said;
	bool closing; /* revocations are answered at once */
	bool draining;
	_Atomic bool fatal;
	struct wb_error fatal_text; /* set before fatal */
	bool leaving, closed; /* we asked the group to let us go; it did */
	int64_t turn_ms; /* monotonic, begin of this turn */
	int64_t ticked_ms;
	int64_t ends_ms; /* when the ends of our partitions were asked for the lag last */
	struct wb_board_place *place;
	int64_t gauges_ms;
	int64_t explained_ms; /* when readyz last told a reason for which partitions may stand still; 0: never */
	int64_t complained_ms;
	struct wb_poller_metrics metrics;
};

static inline struct wb_partition *wb_poller_partition_of(const struct wb_write *w)
{
	return (struct wb_partition *)w->assignment;
}

/* Memory of the records on their way. */
static inline int64_t wb_poller_held_bytes(const struct wb_poller *p)
{
	return (int64_t)(p->originals.held_bytes + p->writes_out * WB_WRITE_OVERHEAD_BYTES);
}

/* After a longer absence membership is to be proven: see gate.h. */
static inline int64_t wb_poller_away_max_ms(const struct wb_poller *p)
{
	return p->settings.options->session_timeout_ms / 2;
}

/* poller.c: a fatal error was told, as of a static member whose id another process uses: the run ends. */
void wb_poller_note_fatal(struct wb_poller *p);

/* poller_partition.c */
void wb_poller_make_topics(struct wb_poller *p);
/* That partition if it is ours, else NULL. */
struct wb_partition *wb_poller_ours(const struct wb_poller *p, const char *topic, int32_t number);
struct wb_partition *wb_poller_ours_at(const struct wb_poller *p, const rd_kafka_topic_partition_t *at);
/* It is ours from now on; its offset says where it starts, a negative one: at its earliest record. */
void wb_poller_add_partition(struct wb_poller *p, const rd_kafka_topic_partition_t *at);
/* It is no longer ours; it stays until its last write has come back. */
void wb_poller_remove_partition(struct wb_poller *p, struct wb_partition *part);
/* A gone partition whose last write has come back is freed. */
void wb_poller_partition_idle(struct wb_poller *p, struct wb_partition *part);
void wb_poller_free_partitions(struct wb_poller *p);
/* The partition is at its gap limit: nothing more of it is read, but of the others. */
void wb_poller_pause(struct wb_poller *p, struct wb_partition *part);
/* False when librdkafka did not. */
bool wb_poller_resume(struct wb_poller *p, struct wb_partition *part);
/* Resumes partitions that are below half of their gap limit. */
void wb_poller_resume_due(struct wb_poller *p);
/* The record to read next has fallen out of retention: asks what is lost. */
void wb_poller_lost_range(struct wb_poller *p, struct wb_partition *part);
/* The answer: the log of the partition begins at low_offset, -1: no answer came. */
void wb_poller_take_low(struct wb_poller *p, struct wb_partition *part, int64_t low_offset);
/* Writes of our partitions that have not come back. */
size_t wb_poller_out(const struct wb_poller *p);
/* Names in the log what a partition has stood at for long. */
void wb_poller_name_stuck(struct wb_poller *p, int64_t now_ms);

/* poller_watch.c */
void wb_poller_make_partition_metrics(struct wb_poller *p, struct wb_topic *t, int32_t number);
/* The partition is not ours any more. */
void wb_poller_clear_gauges(struct wb_partition *part);
void wb_poller_update_gauges(struct wb_poller *p, int64_t now_ms);
/* Tells how it stands, when it is asked. */
void wb_poller_answer(struct wb_poller *p);

/* poller_group.c */
void wb_poller_on_rebalance(
	rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions, void *opaque);
/* Takes a pending assignment or revocation further. */
void wb_poller_serve_change(struct wb_poller *p, int64_t now_ms);
void wb_poller_forget_owed(struct wb_poller *p);
/* Where the partitions of an assignment begin: the answer. */
void wb_poller_take_committed(
	struct wb_poller *p, const rd_kafka_topic_partition_list_t *list, rd_kafka_resp_err_t err, uint64_t ticket);
/* Something changed that they look at: an assignment, a container, the gate. */
void wb_poller_wake_workers(struct wb_poller *p);
/* Reads a partition from its next offset on, after librdkafka gave it up. */
void wb_poller_read_anew(struct wb_poller *p, struct wb_partition *part);
void wb_poller_forward_due(struct wb_poller *p, int64_t now_ms);
/* Nothing more of any partition is sent from now on; lost: what is in flight is cut off. */
void wb_poller_end_all(struct wb_poller *p, bool lost);

/* poller_commit.c */
/* Makes the client tell when it is joining the group, which is no time for commits. */
void wb_poller_watch_joins(struct wb_poller *p, rd_kafka_conf_t *conf);
/* Commits what moved, at most once a second, or sooner where everything is finished. */
void wb_poller_commit_due(struct wb_poller *p, int64_t now_ms);
/* Commits the positions now, at an end; only: of these partitions alone, NULL: of all. The answer, or that there is
 * nothing to commit, sets final_committed. */
void wb_poller_commit_final(struct wb_poller *p, const rd_kafka_topic_partition_list_t *only);
void wb_poller_take_commits(struct wb_poller *p);
/* Before anything more is handed on: shuts the gate when the group's last word is too old. */
void wb_poller_watch_membership(struct wb_poller *p, int64_t now_ms);
/* A turn begins: shuts the gate when this thread was away for long. */
void wb_poller_watch_absence(struct wb_poller *p);

/* poller_ask.c */
struct wb_asker *wb_asker_new(rd_kafka_t *rk, void (*wake)(void *arg), void *arg);
/* Waits for the answer to a question that is being asked, which is a matter of some 100 ms. */
void wb_asker_free(struct wb_asker **a);
/* Much was taken from the data queue: makes librdkafka look whether it has room again. */
void wb_poller_nudge(struct wb_poller *p);
/* Asks where the logs of our partitions end, for their lag. */
void wb_poller_ask_ends(struct wb_poller *p);
/* Asks what the group has committed; the answer comes by wb_poller_take_committed with the same ticket. */
void wb_poller_ask_committed(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list, uint64_t ticket);
/* Asks where the log of a partition begins; the answer comes by wb_poller_take_low. */
void wb_poller_ask_low(struct wb_poller *p, const struct wb_partition *part);
/* Asks how many partitions topics have; takes the list over. The answers come by wb_poller_take_counts as the offsets of the
 * same list, -1 for none. */
void wb_poller_ask_counts(struct wb_poller *p, rd_kafka_topic_partition_list_t *list);
/* Takes answers. */
void wb_poller_take_answers(struct wb_poller *p);

/* poller_share.c; without a budget all of it does nothing. */
/* What is ours has changed: before partitions are given back, and after they were given to us. */
void wb_poller_update_share(struct wb_poller *p);
/* The topics may have other partitions than before: they are asked for with the next turn. */
void wb_poller_ask_share(struct wb_poller *p);
void wb_poller_share_due(struct wb_poller *p, int64_t now_ms);
void wb_poller_take_counts(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list);

/* poller_read.c */
/* Reads what the budget allows; true when there was something. */
bool wb_poller_read(struct wb_poller *p);
/* Records or an error from the group's queue. */
void wb_poller_take_message(struct wb_poller *p, rd_kafka_message_t *message);
/* Hands what was read to workers and recorder. */
void wb_poller_submit(struct wb_poller *p);
/* It can never be a write, or not be sent: dead. why may be empty. */
void wb_poller_bury(struct wb_poller *p, struct wb_write *w, enum wb_reason reason, const struct wb_error *why);
/* Finds its container and hands it on: to a worker, to the recorder, or it parks. */
void wb_poller_decode(struct wb_poller *p, struct wb_write *w);

/* poller_park.c */
struct wb_target *wb_poller_target(struct wb_poller *p, struct wb_slice database, struct wb_slice name);
void wb_poller_free_targets(struct wb_poller *p);
/* What becomes of a write of that target that was read now: it waits for its container, or for earlier writes. */
enum wb_way { WB_WAY_SEND, WB_WAY_PARK, WB_WAY_BURY };
enum wb_way wb_poller_way(const struct wb_poller *p, const struct wb_target *t);
void wb_poller_park(struct wb_target *t, struct wb_write *w);
/* It goes to a worker; or it has come back from one. */
void wb_poller_enter_target(struct wb_target *t, struct wb_write *w);
struct wb_target *wb_poller_leave_target(struct wb_poller *p, struct wb_write *w);
/* Its container is missing and cosmos.missing.container=dead-letter: it is dead, and its item absent. */
void wb_poller_bury_missing(struct wb_poller *p, struct wb_write *w);
/* A write that a worker handed back. */
void wb_poller_take_handed_back(struct wb_poller *p, struct wb_write *w);
/* Decodes and routes parked writes of containers that are known by now; true when there were some. */
bool wb_poller_unpark(struct wb_poller *p);
/* Hands back the parked writes of ended assignments; all: every one. */
void wb_poller_sweep_parked(struct wb_poller *p, bool all);

/* poller_finish.c */
/* Takes writes that came back; true when there were some. */
bool wb_poller_take_back(struct wb_poller *p);
/* Frees a write that is in no list. */
void wb_poller_drop(struct wb_poller *p, struct wb_write *w);

#endif
