#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMITTED_WAIT_MS    1000
#define FINAL_COMMIT_WAIT_MS 5000
/* A worker may send once more while it is told to stop. */
#define END_MARGIN_MS 500
/* Where a group has no offset yet. */
#define EARLIEST (-1)

/* Makes room for that partition number, with its gauges. */
static void make_room(struct wb_poller *p, int32_t number)
{
	char labels[64];

	if (number >= p->partitions_max) {
		int32_t max = number + 1;

		p->partitions = wb_xrealloc(p->partitions, (size_t)max * sizeof(struct wb_partition *));
		p->gauges = wb_xrealloc(p->gauges, (size_t)max * sizeof *p->gauges);
		for (int32_t i = p->partitions_max; i < max; i++) {
			p->partitions[i] = NULL;
			p->gauges[i] = (struct wb_partition_gauges){ 0 };
		}
		p->partitions_max = max;
	}
	if (p->gauges[number].lag)
		return;
	(void)snprintf(labels, sizeof labels, "partition=\"%d\"", (int)number); /* it fits */
	p->gauges[number].lag = wb_metrics_gauge(p->settings.metrics, "writebehind_lag_records",
		"Records of a partition from the committed position to its end, while it is ours.", labels);
	p->gauges[number].gap = wb_metrics_gauge(p->settings.metrics, "writebehind_offset_gap_records",
		"Records of a partition from the first unfinished to the last read.", labels);
}

static void add_partition(struct wb_poller *p, const rd_kafka_topic_partition_t *at)
{
	struct wb_partition *part = wb_xcalloc(1, sizeof *part);

	make_room(p, at->partition);
	assert(!p->partitions[at->partition]);
	part->assignment.topic = p->settings.options->kafka.topic_writes;
	part->assignment.partition = at->partition;
	part->assignment.epoch = ++p->next_epoch;
	atomic_init(&part->assignment.ended, false);
	part->offsets = wb_offsets_new();
	part->start = at->offset >= 0 ? at->offset : EARLIEST;
	part->committed = part->start;
	part->last = -1;
	part->ours = true;
	p->partitions[at->partition] = part;
}

static void partition_free(struct wb_partition *part)
{
	wb_offsets_free(&part->offsets);
	free(part);
}

void wb_poller_partition_idle(struct wb_poller *p, struct wb_partition *part)
{
	if (part->ours || part->out > 0)
		return;
	for (struct wb_partition **at = &p->gone; *at; at = &(*at)->next) {
		if (*at == part) {
			*at = part->next;
			partition_free(part);
			return;
		}
	}
}

/* It is no longer ours; it stays until its last write has come back. */
static void remove_partition(struct wb_poller *p, int32_t number)
{
	struct wb_partition *part = wb_poller_ours(p, number);

	if (!part)
		return;
	atomic_store(&part->assignment.ended, true);
	wb_gauge_set(p->gauges[number].lag, 0);
	wb_gauge_set(p->gauges[number].gap, 0);
	p->partitions[number] = NULL;
	part->ours = false;
	part->next = p->gone;
	p->gone = part;
	wb_poller_partition_idle(p, part);
}

void wb_poller_free_partitions(struct wb_poller *p)
{
	for (int32_t i = 0; i < p->partitions_max; i++)
		remove_partition(p, i);
	assert(!p->gone); /* all writes have come back by now */
	free(p->partitions);
	free(p->gauges);
}

static bool cooperative(const struct wb_poller *p)
{
	return strcmp(rd_kafka_rebalance_protocol(p->rk), "COOPERATIVE") == 0;
}

/* A fatal or lost state makes these fail; the group then tells in its own way. */
static void check(struct wb_poller *p, rd_kafka_error_t *error, const char *what)
{
	if (!error)
		return;
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

/* Records of all partitions come through one queue of ours, so that the group's own queue never holds any. */
static void forward(struct wb_poller *p, const rd_kafka_topic_partition_t *at)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(p->rk, at->topic, at->partition);

	if (!queue)
		return; /* its records then come through the group's queue */
	rd_kafka_queue_forward(queue, p->data_queue);
	rd_kafka_queue_destroy(queue);
}

static void assign(struct wb_poller *p)
{
	rd_kafka_topic_partition_list_t *list = p->change_list;

	for (int i = 0; i < list->cnt; i++) {
		add_partition(p, &list->elems[i]);
		forward(p, &list->elems[i]);
		if (list->elems[i].offset < 0)
			list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
	}
	if (cooperative(p)) {
		check(p, rd_kafka_incremental_assign(p->rk, list), "assigning");
	} else if (rd_kafka_assign(p->rk, list)) {
		wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("doing", "assigning"));
	}
	if (list->cnt > 0)
		wb_log_info(p->settings.log, "partitions assigned", WB_INT("count", list->cnt));
	wb_counter_add(p->metrics.assignments, 1);
	wb_health_set(p->settings.health, "group", true, "");
	p->more = true;
	change_done(p);
}

/* Where to start is asked explicitly: a partition without a committed offset starts at its earliest record, but one
 * whose offset has fallen out of retention must not. */
static void try_assign(struct wb_poller *p)
{
	rd_kafka_topic_partition_list_t *list = p->change_list;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (list->cnt > 0)
		err = rd_kafka_committed(p->rk, list, COMMITTED_WAIT_MS);
	for (int i = 0; i < list->cnt && !err; i++)
		err = list->elems[i].err;
	if (!err)
		assign(p);
	else
		wb_health_set(p->settings.health, "group", false, rd_kafka_err2str(err)); /* and again next round */
}

static void end_partitions(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list)
{
	for (int i = 0; i < list->cnt; i++) {
		struct wb_partition *part = wb_poller_ours(p, list->elems[i].partition);

		if (part) {
			part->revoked = true;
			atomic_store(&part->assignment.ended, true);
		}
	}
	for (int64_t i = 0; i < p->settings.options->workers; i++)
		wb_worker_wake(p->workers[i]);
	wb_poller_sweep_parked(p);
}

void wb_poller_end_all(struct wb_poller *p)
{
	for (int32_t i = 0; i < p->partitions_max; i++) {
		if (p->partitions[i])
			atomic_store(&p->partitions[i]->assignment.ended, true);
	}
	for (int64_t i = 0; i < p->settings.options->workers; i++)
		wb_worker_wake(p->workers[i]);
	wb_poller_sweep_parked(p);
}

static rd_kafka_topic_partition_list_t *list_of_one(const struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, part->assignment.topic, part->assignment.partition);
	return list;
}

static bool resume(struct wb_poller *p, struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list = list_of_one(part);

	if (rd_kafka_resume_partitions(p->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR && !list->elems[0].err)
		part->paused = false;
	rd_kafka_topic_partition_list_destroy(list);
	return !part->paused;
}

static void unassign(struct wb_poller *p)
{
	rd_kafka_topic_partition_list_t *list = p->change_list;

	end_partitions(p, list);
	for (int i = 0; i < list->cnt; i++) {
		struct wb_partition *part = wb_poller_ours(p, list->elems[i].partition);

		/* librdkafka keeps a partition paused when it goes, and it would still be so when it comes back. */
		if (part && part->paused)
			(void)resume(p, part);
		remove_partition(p, list->elems[i].partition);
	}
	if (cooperative(p)) {
		check(p, rd_kafka_incremental_unassign(p->rk, list), "unassigning");
	} else if (rd_kafka_assign(p->rk, NULL)) {
		wb_log_warn(p->settings.log, "Kafka consumer error", WB_STR("doing", "unassigning"));
	}
	wb_log_info(p->settings.log, "partitions given back", WB_INT("count", list->cnt));
	wb_counter_add(p->metrics.assignments, 1);
	change_done(p);
}

static void begin_revoke(struct wb_poller *p, rd_kafka_topic_partition_list_t *list)
{
	p->change_list = rd_kafka_topic_partition_list_copy(list);
	if (p->closing || rd_kafka_assignment_lost(p->rk)) {
		if (!p->closing)
			wb_log_warn(p->settings.log, "partitions lost to others; their unfinished writes are theirs",
				WB_INT("count", list->cnt));
		unassign(p);
		return;
	}
	for (int i = 0; i < list->cnt; i++) {
		struct wb_partition *part = wb_poller_ours(p, list->elems[i].partition);

		if (part)
			part->revoked = true;
	}
	p->change = WB_CHANGE_DRAIN;
	p->change_deadline_ms = wb_clock_mono_ms() + p->settings.options->drain_timeout_ms;
	wb_recorder_hurry(p->recorder, true);
}

void wb_poller_on_rebalance(
	rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	struct wb_poller *p = opaque;

	(void)rk;
	/* The group waits for our answer to one change before it tells of the next, unless it lost patience with us. */
	if (p->change == WB_CHANGE_ASSIGN)
		change_done(p);
	else if (p->change != WB_CHANGE_NONE)
		unassign(p);
	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		p->assigned = true;
		p->change_list = rd_kafka_topic_partition_list_copy(partitions);
		p->change = WB_CHANGE_ASSIGN;
		try_assign(p);
	} else {
		begin_revoke(p, partitions);
	}
}

static bool drained(const struct wb_poller *p)
{
	for (int i = 0; i < p->change_list->cnt; i++) {
		const struct wb_partition *part = wb_poller_ours(p, p->change_list->elems[i].partition);

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
			end_partitions(p, p->change_list);
			/* A request under way could take effect after the next owner's writes: it has its end first. */
			p->change = WB_CHANGE_END;
			p->change_deadline_ms = now_ms + p->settings.options->cosmos.request_timeout_ms + END_MARGIN_MS;
			return;
		}
	}
	if (p->commit_in_flight)
		return; /* its answer first, so that ours is not mistaken for it */
	p->change = WB_CHANGE_COMMIT;
	p->change_deadline_ms = now_ms + FINAL_COMMIT_WAIT_MS;
	wb_poller_commit_final(p, p->change_list);
}

void wb_poller_serve_change(struct wb_poller *p, int64_t now_ms)
{
	if (p->change == WB_CHANGE_NONE)
		return;
	if (p->change == WB_CHANGE_ASSIGN) {
		try_assign(p);
		return;
	}
	if (rd_kafka_assignment_lost(p->rk)) {
		wb_log_warn(p->settings.log, "partitions lost while they were being given back");
		unassign(p);
	} else if (p->change == WB_CHANGE_DRAIN || p->change == WB_CHANGE_END) {
		serve_drain(p, now_ms);
	} else if (p->final_committed || now_ms >= p->change_deadline_ms) {
		unassign(p);
	}
}

/* librdkafka 2.0.2 throws away what it has fetched of a paused partition, and delivers again what it had when a
 * partition is resumed that was not paused (#4636): so each is paused and resumed in turn, never twice. */
void wb_poller_pause(struct wb_poller *p, struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list;

	if (part->paused || part->revoked)
		return;
	list = list_of_one(part);
	if (rd_kafka_pause_partitions(p->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR && !list->elems[0].err) {
		part->paused = true;
		wb_log_warn(p->settings.log, "partition paused: too many records wait behind an unfinished one",
			WB_STR("topic", part->assignment.topic), WB_INT("partition", part->assignment.partition),
			WB_INT("unfinished_offset", wb_offsets_position(part->offsets)),
			WB_INT("gap", wb_offsets_gap(part->offsets)));
	}
	rd_kafka_topic_partition_list_destroy(list);
}

void wb_poller_resume_due(struct wb_poller *p)
{
	size_t limit = (size_t)p->settings.options->max_offset_gap;

	for (int32_t i = 0; i < p->partitions_max; i++) {
		struct wb_partition *part = p->partitions[i];

		if (!part || !part->paused || part->revoked || wb_offsets_gap(part->offsets) > limit / 2)
			continue;
		if (resume(p, part))
			wb_log_info(p->settings.log, "partition resumed", WB_STR("topic", part->assignment.topic),
				WB_INT("partition", i));
	}
}

size_t wb_poller_out(const struct wb_poller *p)
{
	size_t out = 0;

	for (int32_t i = 0; i < p->partitions_max; i++)
		out += p->partitions[i] ? p->partitions[i]->out : 0;
	return out;
}

void wb_poller_update_gauges(struct wb_poller *p)
{
	size_t count = 0, paused = 0;

	for (int32_t i = 0; i < p->partitions_max; i++) {
		struct wb_partition *part = p->partitions[i];
		int64_t low, high;

		if (!part)
			continue;
		count++;
		paused += part->paused;
		wb_gauge_set(p->gauges[i].gap, (double)wb_offsets_gap(part->offsets));
		/* From the last fetch, without asking; -1001 before the first. */
		if (rd_kafka_get_watermark_offsets(p->rk, part->assignment.topic, i, &low, &high) || high < 0)
			continue;
		if (part->committed >= 0)
			low = part->committed;
		wb_gauge_set(p->gauges[i].lag, high > low ? (double)(high - low) : 0);
	}
	wb_gauge_set(p->metrics.partitions, (double)count);
	wb_gauge_set(p->metrics.paused, (double)paused);
	wb_gauge_set(p->metrics.pending, (double)wb_poller_out(p));
	wb_gauge_set(p->metrics.held, (double)atomic_load(&p->held_bytes));
}
