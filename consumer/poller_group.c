#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define FORWARD_AGAIN_MS     5000
#define ASK_AGAIN_MS         100
#define FINAL_COMMIT_WAIT_MS 5000
/* A worker may send once more while it is told to stop. */
#define END_MARGIN_MS 500

/* librdkafka answers NULL once its group ended, which it may do while a last revocation is still on its way to us. */
static bool cooperative(struct wb_poller *p)
{
	const char *protocol = rd_kafka_rebalance_protocol(p->rk);

	if (protocol)
		p->cooperative = strcmp(protocol, "COOPERATIVE") == 0;
	return p->cooperative;
}

/* A fatal or lost state makes these fail, and the end of the group does; the group then tells in its own way. */
static void check(struct wb_poller *p, rd_kafka_error_t *error, const char *what)
{
	if (!error)
		return;
	if (!p->closing || rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__DESTROY)
		wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("doing", what),
			WB_STR("text", rd_kafka_error_string(error)));
	rd_kafka_error_destroy(error);
}

static void change_done(struct wb_poller *p)
{
	if (p->change_list)
		rd_kafka_topic_partition_list_destroy(p->change_list);
	p->change_list = NULL;
	p->change = WB_CHANGE_NONE;
	wb_recorder_hurry(p->recorder, p->draining);
}

/* Which partitions, for people: "orders/0 orders/3 …" as far as they fit. */
static void name_all(const rd_kafka_topic_partition_list_t *list, char *ret, size_t size)
{
	size_t len = 0;

	ret[0] = '\0';
	for (int i = 0; i < list->cnt; i++) {
		int more = snprintf(ret + len, size - len, "%s%s/%d", i ? " " : "", list->elems[i].topic,
			(int)list->elems[i].partition);

		if (more < 0 || len + (size_t)more + sizeof " …" > size) {
			memcpy(ret + len, " …", sizeof " …"); /* there was room left for it */
			return;
		}
		len += (size_t)more;
	}
}

static void log_change(const struct wb_poller *p, const char *event, const rd_kafka_topic_partition_list_t *list)
{
	char names[1000];

	name_all(list, names, sizeof names);
	wb_log_info(p->settings.log, event, WB_INT("count", list->cnt), WB_STR("partitions", names));
}

/* Records of all partitions come through one queue of ours, so that the group's own queue never holds any. */
static void forward(struct wb_poller *p, const char *topic, int32_t number)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(p->rk, topic, number);

	if (!queue)
		return; /* its records then come through the group's queue */
	rd_kafka_queue_forward(queue, p->data_queue);
	rd_kafka_queue_destroy(queue);
}

static void assign(struct wb_poller *p)
{
	rd_kafka_topic_partition_list_t *list = p->change_list;

	for (int i = 0; i < list->cnt; i++) {
		wb_poller_add_partition(p, &list->elems[i]);
		forward(p, list->elems[i].topic, list->elems[i].partition);
		if (list->elems[i].offset < 0)
			list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
	}
	if (cooperative(p)) {
		check(p, rd_kafka_incremental_assign(p->rk, list), "assigning");
	} else if (rd_kafka_assign(p->rk, list)) {
		wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("doing", "assigning"));
	}
	wb_poller_ask_share(p);
	wb_poller_update_share(p);
	if (list->cnt > 0)
		log_change(p, "partitions assigned", list);
	wb_counter_add(p->metrics.assignments, 1);
	wb_health_set(p->settings.health, "group", true, "");
	p->more = true;
	change_done(p);
}

/* Where to start is asked explicitly: a partition without a committed offset starts at its earliest record, but one
 * whose offset has fallen out of retention must not. */
static void serve_assign(struct wb_poller *p, int64_t now_ms)
{
	if (p->change_list->cnt == 0) {
		assign(p);
	} else if (p->closing) {
		/* It is given back at once; nothing of it is read or committed. */
		for (int i = 0; i < p->change_list->cnt; i++)
			p->change_list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
		assign(p);
	} else if (now_ms >= p->change_ask_ms) {
		p->change_ask_ms = INT64_MAX;
		wb_poller_ask_committed(p, p->change_list, p->change_ticket);
	}
}

void wb_poller_take_committed(
	struct wb_poller *p, const rd_kafka_topic_partition_list_t *list, rd_kafka_resp_err_t err, uint64_t ticket)
{
	if (p->change != WB_CHANGE_ASSIGN || ticket != p->change_ticket)
		return;
	for (int i = 0; i < list->cnt && !err; i++) {
		p->change_list->elems[i].offset = list->elems[i].offset;
		err = list->elems[i].err;
	}
	if (!err) {
		assign(p);
		return;
	}
	wb_health_set(p->settings.health, "group", false, rd_kafka_err2str(err));
	p->change_ask_ms = wb_clock_mono_ms() + ASK_AGAIN_MS;
}

void wb_poller_wake_workers(struct wb_poller *p)
{
	for (int64_t i = 0; i < p->settings.options->workers; i++)
		wb_worker_wake(p->workers[i]);
}

/* lost first: whoever sees that it ended sees why. */
static void end(struct wb_partition *part, bool lost)
{
	part->revoked = true;
	if (lost)
		atomic_store(&part->assignment.lost, true);
	atomic_store(&part->assignment.ended, true);
}

static void end_partitions(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list, bool lost)
{
	for (int i = 0; i < list->cnt; i++) {
		struct wb_partition *part = wb_poller_ours_at(p, &list->elems[i]);

		if (part)
			end(part, lost);
	}
	wb_poller_wake_workers(p);
	wb_poller_sweep_parked(p, false);
}

void wb_poller_end_all(struct wb_poller *p, bool lost)
{
	for (struct wb_partition *part = p->ours; part; part = part->next)
		end(part, lost);
	wb_poller_wake_workers(p);
	wb_poller_sweep_parked(p, false);
}

static void unassign(struct wb_poller *p, bool lost)
{
	rd_kafka_topic_partition_list_t *list = p->change_list;

	end_partitions(p, list, lost);
	for (int i = 0; i < list->cnt; i++) {
		struct wb_partition *part = wb_poller_ours_at(p, &list->elems[i]);

		if (!part)
			continue;
		/* librdkafka keeps a partition paused when it goes, and it would still be so when it comes back. */
		if (part->paused)
			(void)wb_poller_resume(p, part);
		wb_poller_remove_partition(p, part);
	}
	wb_poller_update_share(p);
	if (cooperative(p)) {
		check(p, rd_kafka_incremental_unassign(p->rk, list), "unassigning");
	} else if (rd_kafka_assign(p->rk, NULL)) {
		wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("doing", "unassigning"));
	}
	if (lost)
		wb_health_set(p->settings.health, "group", false, "the group took the partitions away; joining again");
	log_change(p, "partitions given back", list);
	wb_counter_add(p->metrics.assignments, 1);
	change_done(p);
}

/* After an offset that could not be found librdkafka fetches a partition no more, and cannot seek it either: it has to be
 * assigned again. Its old fetch ends a little later, on another thread, and takes the way of its queue with it, so that
 * is set again for a while; nothing is lost by doing it twice. */
void wb_poller_read_anew(struct wb_poller *p, struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	bool alone = cooperative(p);

	for (struct wb_partition *one = p->ours; one; one = one->next) {
		const struct wb_assignment *a = &one->assignment;
		int64_t next = wb_offsets_next(one->offsets) > one->start ? wb_offsets_next(one->offsets) : one->start;

		if (!alone || one == part)
			rd_kafka_topic_partition_list_add(list, a->topic, a->partition)->offset = next >= 0
				? next
				: RD_KAFKA_OFFSET_BEGINNING;
	}
	if (alone) {
		check(p, rd_kafka_incremental_unassign(p->rk, list), "unassigning");
		check(p, rd_kafka_incremental_assign(p->rk, list), "assigning");
	} else if (rd_kafka_assign(p->rk, list)) {
		wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("doing", "assigning"));
	}
	rd_kafka_topic_partition_list_destroy(list);
	p->forward_until_ms = wb_clock_mono_ms() + FORWARD_AGAIN_MS;
}

void wb_poller_forward_due(struct wb_poller *p, int64_t now_ms)
{
	if (now_ms >= p->forward_until_ms)
		return;
	for (const struct wb_partition *part = p->ours; part; part = part->next)
		forward(p, part->assignment.topic, part->assignment.partition);
	p->more = true;
}

static bool names(const rd_kafka_topic_partition_list_t *list, const rd_kafka_topic_partition_t *at)
{
	return rd_kafka_topic_partition_list_find(
		(rd_kafka_topic_partition_list_t *)list, at->topic, at->partition); /* it only looks */
}

/* An assignment that we have not answered yet is overtaken: a change of a topic's metadata makes librdkafka join again at
 * any time, and then it tells of what changed since only. So what was told is owed: it is assigned with the next
 * assignment, or when nothing else is asked for. An eager group tells everything anew. */
static void owe_unanswered(struct wb_poller *p)
{
	for (int i = 0; i < p->change_list->cnt && cooperative(p); i++) {
		const rd_kafka_topic_partition_t *at = &p->change_list->elems[i];

		if (!p->owed)
			p->owed = rd_kafka_topic_partition_list_new(8);
		rd_kafka_topic_partition_list_add(p->owed, at->topic, at->partition);
	}
	change_done(p);
}

/* What is revoked before it was assigned is assigned first, since librdkafka gives up nothing else. */
static void assign_owed(struct wb_poller *p, const rd_kafka_topic_partition_list_t *revoked)
{
	for (int i = 0; p->owed && i < revoked->cnt; i++) {
		const rd_kafka_topic_partition_t *at = &revoked->elems[i];
		rd_kafka_topic_partition_list_t *one;

		if (!rd_kafka_topic_partition_list_del(p->owed, at->topic, at->partition))
			continue;
		one = rd_kafka_topic_partition_list_new(1);
		rd_kafka_topic_partition_list_add(one, at->topic, at->partition)->offset = RD_KAFKA_OFFSET_INVALID;
		check(p, rd_kafka_incremental_assign(p->rk, one), "assigning");
		rd_kafka_topic_partition_list_destroy(one);
	}
}

static void begin_assign(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list)
{
	p->change_list = list ? rd_kafka_topic_partition_list_copy(list) : rd_kafka_topic_partition_list_new(8);
	for (int i = 0; p->owed && i < p->owed->cnt; i++) {
		const rd_kafka_topic_partition_t *at = &p->owed->elems[i];

		if (!names(p->change_list, at))
			rd_kafka_topic_partition_list_add(p->change_list, at->topic, at->partition);
	}
	wb_poller_forget_owed(p);
	p->change = WB_CHANGE_ASSIGN;
	p->change_ticket++;
	p->change_ask_ms = 0;
	serve_assign(p, wb_clock_mono_ms());
}

void wb_poller_forget_owed(struct wb_poller *p)
{
	if (p->owed)
		rd_kafka_topic_partition_list_destroy(p->owed);
	p->owed = NULL;
}

static void begin_revoke(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list, bool lost)
{
	int64_t room_ms = p->settings.options->cosmos.request_timeout_ms;
	int64_t drain_ms = p->settings.options->drain_timeout_ms;

	p->change_list = rd_kafka_topic_partition_list_copy(list);
	if (p->closing || lost) {
		if (lost)
			wb_log_warn(p->settings.log, "partitions lost to others; their unfinished writes are theirs",
				WB_INT("count", list->cnt));
		unassign(p, lost);
		return;
	}
	for (int i = 0; i < list->cnt; i++) {
		struct wb_partition *part = wb_poller_ours_at(p, &list->elems[i]);

		if (part)
			part->revoked = true;
	}
	p->change = WB_CHANGE_DRAIN;
	p->change_deadline_ms = wb_clock_mono_ms() + (drain_ms > room_ms ? drain_ms - room_ms : 0);
	wb_recorder_hurry(p->recorder, true);
}

void wb_poller_on_rebalance(
	rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	struct wb_poller *p = opaque;

	/* Looked at first, as any assigning clears it. */
	bool lost = rd_kafka_assignment_lost(rk);

	p->prove_at_ms = 0; /* the group spoke: see poller_commit.c */
	/* The group waits for our answer to one change before it tells of the next, unless it lost patience with us, or
	 * librdkafka joined anew: it does not claim what is being given back then, so others may have it already. */
	if (p->change == WB_CHANGE_ASSIGN)
		owe_unanswered(p);
	else if (p->change != WB_CHANGE_NONE)
		unassign(p, true);
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		p->assigned = true;
		p->assigned_ms = p->member_ms = wb_clock_mono_ms(); /* told to members only */
		begin_assign(p, partitions);
	} else {
		assign_owed(p, partitions);
		begin_revoke(p, partitions, lost);
	}
}

static bool drained(const struct wb_poller *p)
{
	for (int i = 0; i < p->change_list->cnt; i++) {
		const struct wb_partition *part = wb_poller_ours_at(p, &p->change_list->elems[i]);

		if (part && part->out > 0)
			return false;
	}
	return true;
}

static void serve_drain(struct wb_poller *p, int64_t now_ms)
{
	if (!drained(p)) {
		if (now_ms < p->change_deadline_ms)
			return;
		if (p->change == WB_CHANGE_DRAIN) {
			wb_log_warn(
				p->settings.log, "revoked partitions did not drain in time; the rest is handed back");
			end_partitions(p, p->change_list, false);
			/* A request under way could take effect after the next owner's writes: it has its end first. */
			p->change = WB_CHANGE_END;
			p->change_deadline_ms = now_ms + p->settings.options->cosmos.request_timeout_ms + END_MARGIN_MS;
			return;
		}
	}
	/* Its answer first, so that ours is not mistaken for it; but the group does not wait for ever. */
	if (p->commit_in_flight && now_ms < p->change_deadline_ms + FINAL_COMMIT_WAIT_MS)
		return;
	p->change = WB_CHANGE_COMMIT;
	p->change_deadline_ms = now_ms + FINAL_COMMIT_WAIT_MS;
	wb_poller_commit_final(p, p->change_list);
}

void wb_poller_serve_change(struct wb_poller *p, int64_t now_ms)
{
	if (p->change == WB_CHANGE_NONE) {
		if (p->owed && !atomic_load(&p->joining) && !p->closing)
			begin_assign(p, NULL);
		return;
	}
	if (p->change == WB_CHANGE_ASSIGN) {
		serve_assign(p, now_ms);
		return;
	}
	if (rd_kafka_assignment_lost(p->rk)) {
		wb_log_warn(p->settings.log, "partitions lost while they were being given back");
		unassign(p, true);
	} else if (p->change == WB_CHANGE_DRAIN || p->change == WB_CHANGE_END) {
		serve_drain(p, now_ms);
	} else if (p->final_committed || now_ms >= p->change_deadline_ms) {
		unassign(p, false);
	}
}
