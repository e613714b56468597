#include "consumer/poller_internal.h"

#include "common/base/clock.h"

#define COMMIT_INTERVAL_MS 1000
#define COMMIT_IDLE_MS     100
#define PROVE_AGAIN_MS     250
#define PROVE_PARTITIONS   8
#define SAY_AGAIN_MS       60000
/* Kafka's protocol, api keys. */
#define JOIN_GROUP 11
#define SYNC_GROUP 14
#define NAME       "writebehind"

/* While a JoinGroup is unanswered the broker leaves everything behind it on the same connection unread; a commit that
 * is sent then arrives with the old generation, is refused (ILLEGAL_GENERATION), and librdkafka 2.0.2 takes the whole
 * assignment for lost (#4059). So nothing is committed from a JoinGroup to the SyncGroup that ends it. These two run on
 * librdkafka's threads. */
static rd_kafka_resp_err_t on_request(rd_kafka_t *rk, int fd, const char *broker, int32_t id, int16_t key,
	int16_t version, int32_t correlation, size_t size, void *arg)
{
	struct wb_poller *p = arg;

	(void)rk;
	(void)fd;
	(void)broker;
	(void)id;
	(void)version;
	(void)correlation;
	(void)size;
	if (key == JOIN_GROUP) {
		atomic_store(&p->joining, true);
		atomic_store(&p->joined, true);
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_response(rd_kafka_t *rk, int fd, const char *broker, int32_t id, int16_t key,
	int16_t version, int32_t correlation, size_t size, int64_t rtt, rd_kafka_resp_err_t err, void *arg)
{
	struct wb_poller *p = arg;

	(void)rk;
	(void)fd;
	(void)broker;
	(void)id;
	(void)version;
	(void)correlation;
	(void)size;
	(void)rtt;
	if (key == SYNC_GROUP || (key == JOIN_GROUP && err)) {
		atomic_store(&p->join_ended_ms, wb_clock_mono_ms());
		atomic_store(&p->joining, false);
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(
	rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *arg, char *error, size_t error_size)
{
	rd_kafka_resp_err_t err = rd_kafka_interceptor_add_on_request_sent(rk, NAME, on_request, arg);

	(void)conf;
	(void)error;
	(void)error_size;
	return err ? err : rd_kafka_interceptor_add_on_response_received(rk, NAME, on_response, arg);
}

void wb_poller_watch_joins(struct wb_poller *p, rd_kafka_conf_t *conf)
{
	/* Fails only for a second one of that name. */
	(void)rd_kafka_conf_interceptor_add_on_new(conf, NAME, on_new, p);
}

/* What is committed of a partition, -1: nothing. */
static int64_t position_of(const struct wb_partition *part)
{
	int64_t position = wb_offsets_position(part->offsets);

	return position >= 0 ? position : part->start;
}

enum which { WHICH_MOVED, WHICH_MOVED_AND_IDLE, WHICH_ALL };

/* The positions of our partitions: those that the group does not know yet, or of them those of partitions without
 * unfinished writes, or all. NULL when there are none. only: of these partitions alone. */
static rd_kafka_topic_partition_list_t *positions(
	struct wb_poller *p, const rd_kafka_topic_partition_list_t *only, enum which which)
{
	rd_kafka_topic_partition_list_t *list = NULL;

	for (struct wb_partition *part = p->ours; part; part = part->next) {
		const struct wb_assignment *a = &part->assignment;
		int64_t position = position_of(part);

		if (position < 0 || (which != WHICH_ALL && position <= part->committed))
			continue;
		if (only &&
			!rd_kafka_topic_partition_list_find(
				(rd_kafka_topic_partition_list_t *)only, a->topic, a->partition))
			continue;
		if (which == WHICH_MOVED_AND_IDLE && wb_offsets_pending(part->offsets) > 0)
			continue;
		if (!list)
			list = rd_kafka_topic_partition_list_new(16);
		rd_kafka_topic_partition_list_add(list, a->topic, a->partition)->offset = position;
		part->committed = position;
	}
	return list;
}

static bool is_no_member(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
		err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

static void shut_gate(struct wb_poller *p, const char *why)
{
	if (wb_gate_is_open(&p->gate))
		wb_log_warn(p->settings.log, why);
	wb_gate_shut(&p->gate);
}

/* The group took our positions or not: with that, whether we are still a member. A coordinator says that a rebalance is in
 * progress to members only. */
static void judge_membership(struct wb_poller *p, rd_kafka_resp_err_t err)
{
	int64_t now_ms = wb_clock_mono_ms();
	bool was_open = wb_gate_is_open(&p->gate);

	if (!err || err == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS)
		p->member_ms = p->commit_sent_ms;
	if (!err) {
		wb_gate_prove(&p->gate, p->commit_ticket);
	} else if (is_no_member(err) && p->commit_sent_ms < p->assigned_ms) {
		p->prove_at_ms = now_ms; /* it speaks of an earlier membership */
	} else if (is_no_member(err)) {
		shut_gate(p, "the group does not know this member; nothing is sent until it does");
		p->prove_at_ms = now_ms + p->settings.options->session_timeout_ms; /* unless the group speaks first */
	} else {
		p->prove_at_ms = now_ms + PROVE_AGAIN_MS;
	}
	if (!was_open && wb_gate_is_open(&p->gate)) {
		wb_log_info(p->settings.log, "the group confirms the membership: sending goes on");
		wb_poller_wake_workers(p);
	}
}

/* What failed is committed again with the next. A commit during a rebalance may fail; then records are delivered
 * again, which is harmless. */
static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
	rd_kafka_resp_err_t refused = RD_KAFKA_RESP_ERR_NO_ERROR; /* one partition's */
	struct wb_poller *p = opaque;

	(void)rk;
	p->commit_in_flight = false;
	p->final_committed = true;
	wb_counter_add(p->metrics.commits, 1);
	for (int i = 0; offsets && i < offsets->cnt; i++) {
		struct wb_partition *part = wb_poller_ours_at(p, &offsets->elems[i]);

		if ((err || offsets->elems[i].err) && part)
			part->committed = part->start;
		if (!refused)
			refused = offsets->elems[i].err;
	}
	/* Without an error for all, the group took at least one of them, which it does from members only. */
	judge_membership(p, err);
	if (err || refused) {
		wb_counter_add(p->metrics.commit_failures, 1);
		if (p->commit_said_ms && wb_clock_mono_ms() - p->commit_said_ms < SAY_AGAIN_MS)
			return;
		p->commit_said_ms = wb_clock_mono_ms();
		wb_log_info(p->settings.log, "offsets not committed this time",
			WB_STR("error", rd_kafka_err2name(err ? err : refused)));
	}
}

/* False when there is nothing to commit, or it cannot be done. */
static bool commit(struct wb_poller *p, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_resp_err_t err;

	if (!list)
		return false;
	p->commit_ticket = wb_gate_ticket(&p->gate);
	p->commit_sent_ms = wb_clock_mono_ms();
	err = rd_kafka_commit_queue(p->rk, list, p->commit_queue, on_commit, p);
	if (err) {
		on_commit(p->rk, err, list, p);
	} else {
		p->commit_in_flight = true;
		p->final_committed = false;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return !err;
}

void wb_poller_take_commits(struct wb_poller *p)
{
	/* Returns how many answers there were, which nobody needs. */
	(void)rd_kafka_queue_poll_callback(p->commit_queue, 0);
}

static bool is_idle(const struct wb_poller *p)
{
	for (const struct wb_partition *part = p->ours; part; part = part->next) {
		if (part->out > 0)
			return false;
	}
	return true;
}

/* librdkafka notices that the session is over only while its group is steady, and does not tell of a refused heartbeat
 * while a rebalance goes on: a member that others have replaced would go on writing for as long as it drains. So
 * membership is good for half a session after the group's last word, and for a whole one while it joins, when nothing
 * can be committed and the group waits for its members. */
static bool is_overdue(const struct wb_poller *p, int64_t now_ms)
{
	int64_t limit_ms = atomic_load(&p->joining) ? p->settings.options->session_timeout_ms
						    : wb_poller_away_max_ms(p);

	return now_ms - p->member_ms > limit_ms;
}

/* A few of our partitions, others each time, so that no single topic that is gone keeps the group from confirming us. */
static rd_kafka_topic_partition_list_t *positions_in_turn(struct wb_poller *p)
{
	rd_kafka_topic_partition_list_t *some = rd_kafka_topic_partition_list_new(PROVE_PARTITIONS), *list;
	size_t count = 0, at = 0;

	for (const struct wb_partition *part = p->ours; part; part = part->next)
		count++;
	for (const struct wb_partition *part = p->ours; part; part = part->next, at++) {
		if ((at + count - p->prove_turn % count) % count < PROVE_PARTITIONS)
			rd_kafka_topic_partition_list_add(some, part->assignment.topic, part->assignment.partition);
	}
	p->prove_turn += PROVE_PARTITIONS;
	list = some->cnt > 0 ? positions(p, some, WHICH_ALL) : NULL;
	rd_kafka_topic_partition_list_destroy(some);
	return list;
}

/* Any commit that the group takes proves the membership, so positions are committed as they are: all of them while the gate
 * is shut. As long as there is no position, nothing was read, so there is nothing to send either. */
static void prove(struct wb_poller *p, int64_t now_ms)
{
	bool open = wb_gate_is_open(&p->gate);

	if (now_ms >= p->prove_at_ms && commit(p, open ? positions_in_turn(p) : positions(p, NULL, WHICH_ALL)))
		p->committed_ms = now_ms;
}

void wb_poller_watch_membership(struct wb_poller *p, int64_t now_ms)
{
	bool open = wb_gate_is_open(&p->gate), tell;

	if (open && is_overdue(p, now_ms) && !is_idle(p)) {
		shut_gate(p, "the group does not confirm the membership; nothing is sent until it does");
		open = false;
	}
	if (!open && !p->gate_said)
		wb_counter_add(p->metrics.absences, 1);
	p->gate_said = !open;
	tell = !open && p->ours;
	if (tell != p->membership_told)
		wb_health_set(p->settings.health, "membership", !tell,
			"the group does not confirm that this process is still a member; nothing is sent until it "
			"does");
	p->membership_told = tell;
}

void wb_poller_commit_due(struct wb_poller *p, int64_t now_ms)
{
	bool late = now_ms - p->committed_ms >= COMMIT_INTERVAL_MS;

	wb_poller_watch_membership(p, now_ms);
	if (p->commit_in_flight || p->change == WB_CHANGE_COMMIT || atomic_load(&p->joining))
		return;
	if (!wb_gate_is_open(&p->gate) || now_ms - p->member_ms >= wb_poller_away_max_ms(p) / 2) {
		prove(p, now_ms);
		return;
	}
	if (now_ms - p->committed_ms < COMMIT_IDLE_MS)
		return;
	if (commit(p, positions(p, NULL, late ? WHICH_MOVED : WHICH_MOVED_AND_IDLE)) || late)
		p->committed_ms = now_ms;
}

void wb_poller_commit_final(struct wb_poller *p, const rd_kafka_topic_partition_list_t *only)
{
	if (!commit(p, positions(p, only, WHICH_MOVED)))
		p->final_committed = true;
}

void wb_poller_watch_absence(struct wb_poller *p)
{
	int64_t boot_ms = wb_clock_boot_ms();
	int64_t away_ms = p->turned_boot_ms ? boot_ms - p->turned_boot_ms : 0;

	if (away_ms > wb_poller_away_max_ms(p)) {
		if (wb_gate_is_open(&p->gate))
			wb_log_warn(p->settings.log,
				"the poller was away; nothing is sent until its membership is proven",
				WB_INT("ms", away_ms));
		wb_gate_shut(&p->gate);
	}
	p->turned_boot_ms = boot_ms;
}
