#include "consumer/poller_internal.h"

#include "common/base/mem.h"

#include <stdio.h>

/* How often the ends of partitions are asked while reading is held up, and how long an answer is good for. */
#define ENDS_MS      5000
#define ENDS_GOOD_MS 15000

void wb_poller_make_partition_metrics(struct wb_poller *p, struct wb_topic *t, int32_t number)
{
	struct wb_partition_metrics *to = &t->metrics[number];
	struct wb_metrics *m = p->settings.metrics;
	char labels[320];

	(void)snprintf(labels, sizeof labels, "topic=\"%s\",partition=\"%d\"", t->name, (int)number); /* it fits */
	to->lag = wb_metrics_gauge(m, "writebehind_lag_records",
		"Records of a partition from the committed position to its end, while it is ours.", labels);
	to->gap = wb_metrics_gauge(m, "writebehind_offset_gap_records",
		"Records of a partition from the first unfinished to the last read.", labels);
	to->stands_at = wb_metrics_gauge(m, "writebehind_first_unfinished_offset",
		"Offset of the first unfinished write of a partition; -1: there is none.", labels);
	to->stands_s = wb_metrics_gauge(m, "writebehind_first_unfinished_seconds",
		"For how long that write has been the first unfinished one.", labels);
	to->lost = wb_metrics_counter(m, "writebehind_lost_offsets_total",
		"Offsets of a partition that fell out of retention before they were read.", labels);
	wb_gauge_set(to->stands_at, -1);
}

void wb_poller_clear_gauges(struct wb_partition *part)
{
	struct wb_partition_metrics *to = &part->topic->metrics[part->assignment.partition];

	wb_gauge_set(to->lag, 0);
	wb_gauge_set(to->gap, 0);
	wb_gauge_set(to->stands_at, -1);
	wb_gauge_set(to->stands_s, 0);
}

/* What librdkafka knows is as old as its last fetch, and it fetches nothing while its queue is full or the partition is
 * paused: just then the lag grows. So the brokers are asked. */
static bool is_held_up(struct wb_poller *p)
{
	bool held_up = wb_poller_held_bytes(p) >= p->read_limit_bytes;

	for (const struct wb_partition *part = p->ours; part && !held_up; part = part->next)
		held_up = part->paused || part->lost;
	return held_up && p->ours;
}

static void look_at_end(struct wb_poller *p, struct wb_partition *part, int64_t now_ms)
{
	int64_t low, high, end = -1, from = part->committed;

	/* From the last fetch, without asking; -1001 before the first. */
	if (rd_kafka_get_watermark_offsets(p->rk, part->assignment.topic, part->assignment.partition, &low, &high) ==
			0 &&
		high >= 0) {
		end = high;
		from = from >= 0 ? from : low;
	}
	if (part->asked_end > end && now_ms - part->end_asked_ms < ENDS_GOOD_MS)
		end = part->asked_end;
	if (end < 0)
		return;
	part->end = end;
	part->lag = from >= 0 && end > from ? end - from : 0;
}

void wb_poller_update_gauges(struct wb_poller *p, int64_t now_ms)
{
	size_t count = 0, paused = 0;

	if (now_ms - p->ends_ms >= ENDS_MS && is_held_up(p)) {
		p->ends_ms = now_ms;
		wb_poller_ask_ends(p);
	}
	for (struct wb_partition *part = p->ours; part; part = part->next) {
		struct wb_partition_metrics *to = &part->topic->metrics[part->assignment.partition];

		count++;
		paused += part->paused;
		look_at_end(p, part, now_ms);
		wb_gauge_set(to->gap, (double)wb_offsets_gap(part->offsets));
		wb_gauge_set(to->stands_at, (double)part->stands_at);
		wb_gauge_set(to->stands_s, part->stands_at < 0 ? 0 : (double)(now_ms - part->stands_since_ms) / 1000);
		if (part->lag >= 0)
			wb_gauge_set(to->lag, (double)part->lag);
	}
	wb_gauge_set(p->metrics.partitions, (double)count);
	wb_gauge_set(p->metrics.paused, (double)paused);
	wb_gauge_set(p->metrics.pending, (double)wb_poller_out(p));
	wb_gauge_set(p->metrics.held, (double)wb_poller_held_bytes(p));
}

static void tell_group(struct wb_poller *p, struct wb_group_snapshot *to)
{
	*to = (struct wb_group_snapshot){ .assigned = wb_health_ok(p->settings.health, "group"),
		.assigned_ms = p->assigned ? p->turn_ms - p->assigned_ms : -1,
		.joining = atomic_load(&p->joining),
		.proven = wb_gate_is_open(&p->gate),
		.change = p->change == WB_CHANGE_NONE   ? "none"
			: p->change == WB_CHANGE_ASSIGN ? "assign"
							: "revoke" };
}

static void tell_partition(struct wb_poller *p, const struct wb_partition *part, struct wb_partition_snapshot *to)
{
	int64_t next = wb_offsets_next(part->offsets);

	*to = (struct wb_partition_snapshot){ .topic = part->assignment.topic,
		.partition = part->assignment.partition,
		.position = next > part->start ? next : part->start,
		.committed = part->committed,
		.end = part->end,
		.lag = part->lag,
		.pending = part->out,
		.gap = wb_offsets_gap(part->offsets),
		.stands_at = part->stands_at,
		.stands_ms = part->stands_at >= 0 ? p->turn_ms - part->stands_since_ms : 0,
		.paused = part->paused,
		.revoked = part->revoked,
		.lost = part->lost,
		.lost_from = -1,
		.lost_to = -1 };
	if (part->lost) {
		to->lost_from = to->position;
		to->lost_to = part->low > to->position ? part->low - 1 : -1;
	}
}

static void tell_partitions(struct wb_poller *p, struct wb_snapshot *s)
{
	const struct wb_partition *part;

	for (part = p->ours; part; part = part->next)
		s->partitions_total++;
	s->partition_count = s->partitions_total < WB_SNAPSHOT_PARTITIONS_MAX ? s->partitions_total
									      : WB_SNAPSHOT_PARTITIONS_MAX;
	s->partitions = wb_xcalloc(s->partition_count, sizeof *s->partitions);
	part = p->ours;
	for (size_t i = 0; i < s->partition_count; i++, part = part->next)
		tell_partition(p, part, &s->partitions[i]);
}

static const char *state_text(enum wb_container_state state)
{
	switch (state) {
	case WB_CONTAINER_UNKNOWN:
		return "unknown";
	case WB_CONTAINER_KNOWN:
		return "known";
	case WB_CONTAINER_MISSING:
		return "missing";
	case WB_CONTAINER_STALE:
		return "stale";
	}
	return "unknown";
}

static void hold_parked(
	struct wb_poller *p, const struct wb_target *t, const struct wb_list *list, struct wb_snapshot *s)
{
	for (struct wb_link *link = list->head; link && s->held_count < WB_SNAPSHOT_HELD_MAX; link = link->next)
		wb_snapshot_hold(s, wb_write_of(link), t->database, t->name, p->turn_ms);
}

static void tell_containers(struct wb_poller *p, struct wb_snapshot *s)
{
	s->containers = wb_xcalloc(WB_SNAPSHOT_CONTAINERS_MAX, sizeof *s->containers);
	for (const struct wb_target *t = p->targets; t; t = t->next) {
		size_t parked = t->parked.count + t->returned.count;

		s->containers_total++;
		s->held_total += parked;
		hold_parked(p, t, &t->returned, s);
		hold_parked(p, t, &t->parked, s);
		if (s->container_count == WB_SNAPSHOT_CONTAINERS_MAX)
			continue;
		s->containers[s->container_count++] = (struct wb_container_snapshot){ .database = t->database,
			.container = t->name,
			.state = state_text(wb_container_state(t->container)),
			.routed = t->out,
			.parked = parked };
	}
}

void wb_poller_answer(struct wb_poller *p)
{
	struct wb_snapshot *s;

	if (!wb_board_is_asked(p->place))
		return;
	s = wb_snapshot_new();
	s->has_group = true;
	tell_group(p, &s->group);
	tell_partitions(p, s);
	tell_containers(p, s);
	s->records = wb_counter_value(p->metrics.records);
	s->bytes = wb_counter_value(p->metrics.bytes);
	s->held_bytes = wb_poller_held_bytes(p);
	wb_board_answer(p->place, &s);
}
