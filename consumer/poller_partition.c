#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/cosmos/document.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define STUCK_MS 60000
/* Where a group has no offset yet. */
#define EARLIEST (-1)

static void make_topic(struct wb_topic *t, const struct wb_consumer_options *o, const char *name,
	struct wb_slice container, bool allow_list)
{
	t->name = name;
	t->decode = (struct wb_decode_settings){ .database = wb_slice_cstr(o->cosmos.database),
		.container = container,
		.allowed = allow_list ? o->cosmos.allowed : NULL,
		.allowed_count = allow_list ? o->cosmos.allowed_count : 0,
		.document_max_bytes = WB_DOCUMENT_SIZE_MAX,
		.tombstones = o->tombstones == WB_TOMBSTONES_DELETE };
}

/* Without cosmos.containers, a record may name its topic's own container only. */
void wb_poller_make_topics(struct wb_poller *p)
{
	const struct wb_consumer_options *o = p->settings.options;

	p->topic_count = 1 + o->topic_map.count;
	p->topics = wb_xcalloc(p->topic_count, sizeof *p->topics);
	make_topic(&p->topics[0], o, o->kafka.topic_writes, wb_slice_cstr(o->cosmos.container), true);
	for (size_t i = 0; i < o->topic_map.count; i++) {
		const struct wb_topic_entry *entry = &o->topic_map.entries[i];

		make_topic(&p->topics[1 + i], o, entry->topic, entry->container, o->cosmos.containers != NULL);
	}
}

static struct wb_topic *topic_of(const struct wb_poller *p, const char *name)
{
	for (size_t i = 0; i < p->topic_count; i++) {
		if (strcmp(p->topics[i].name, name) == 0)
			return &p->topics[i];
	}
	return NULL;
}

struct wb_partition *wb_poller_ours(const struct wb_poller *p, const char *topic, int32_t number)
{
	const struct wb_topic *t = topic_of(p, topic);

	return t && number >= 0 && number < t->partitions_max ? t->partitions[number] : NULL;
}

struct wb_partition *wb_poller_ours_at(const struct wb_poller *p, const rd_kafka_topic_partition_t *at)
{
	return wb_poller_ours(p, at->topic, at->partition);
}

/* Makes room for that partition number, with its metrics. */
static void make_room(struct wb_poller *p, struct wb_topic *t, int32_t number)
{
	if (number >= t->partitions_max) {
		int32_t max = number + 1;

		t->partitions = wb_xrealloc(t->partitions, (size_t)max * sizeof(struct wb_partition *));
		t->metrics = wb_xrealloc(t->metrics, (size_t)max * sizeof *t->metrics);
		for (int32_t i = t->partitions_max; i < max; i++) {
			t->partitions[i] = NULL;
			t->metrics[i] = (struct wb_partition_metrics){ 0 };
		}
		t->partitions_max = max;
	}
	if (!t->metrics[number].lag)
		wb_poller_make_partition_metrics(p, t, number);
}

void wb_poller_add_partition(struct wb_poller *p, const rd_kafka_topic_partition_t *at)
{
	struct wb_topic *t = topic_of(p, at->topic);
	struct wb_partition *part = wb_xcalloc(1, sizeof *part);

	assert(t); /* we subscribed to no other */
	make_room(p, t, at->partition);
	assert(!t->partitions[at->partition]);
	part->topic = t;
	part->assignment.topic = t->name;
	part->assignment.partition = at->partition;
	part->assignment.epoch = ++p->next_epoch;
	atomic_init(&part->assignment.ended, false);
	atomic_init(&part->assignment.lost, false);
	part->offsets = wb_offsets_new();
	part->start = at->offset >= 0 ? at->offset : EARLIEST;
	part->committed = part->start;
	part->stands_at = part->end = part->lag = -1;
	part->asked_end = -1;
	part->ours = true;
	t->partitions[at->partition] = part;
	part->next = p->ours;
	p->ours = part;
}

static void unlink_from(struct wb_partition **list, const struct wb_partition *part)
{
	for (struct wb_partition **at = list; *at; at = &(*at)->next) {
		if (*at == part) {
			*at = part->next;
			return;
		}
	}
}

void wb_poller_partition_idle(struct wb_poller *p, struct wb_partition *part)
{
	if (part->ours || part->out > 0)
		return;
	unlink_from(&p->gone, part);
	wb_offsets_free(&part->offsets);
	free(part);
}

/* Whether a lost range stops one of ours, which readyz tells. */
static void update_retention(struct wb_poller *p)
{
	for (const struct wb_partition *part = p->ours; part; part = part->next) {
		if (part->lost)
			return;
	}
	wb_health_set(p->settings.health, "retention", true, "");
}

void wb_poller_remove_partition(struct wb_poller *p, struct wb_partition *part)
{
	atomic_store(&part->assignment.ended, true);
	wb_poller_clear_gauges(part);
	part->topic->partitions[part->assignment.partition] = NULL;
	unlink_from(&p->ours, part);
	part->ours = false;
	part->next = p->gone;
	p->gone = part;
	if (part->lost)
		update_retention(p);
	wb_poller_partition_idle(p, part);
}

void wb_poller_free_partitions(struct wb_poller *p)
{
	while (p->ours)
		wb_poller_remove_partition(p, p->ours);
	assert(!p->gone); /* all writes have come back by now */
	for (size_t i = 0; i < p->topic_count; i++) {
		free(p->topics[i].partitions);
		free(p->topics[i].metrics);
	}
	free(p->topics);
	p->topics = NULL;
	p->topic_count = 0;
}

static rd_kafka_topic_partition_list_t *list_of_one(const struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, part->assignment.topic, part->assignment.partition);
	return list;
}

static void look_where_it_stands(struct wb_partition *part, int64_t now_ms)
{
	int64_t first = part->first ? part->first->offset : -1;

	if (first != part->stands_at) {
		part->stands_at = first;
		part->stands_since_ms = now_ms;
	}
}

/* Says which write a partition waits for; only what never changes of it is read, since it may be somebody else's. */
static void name_first(struct wb_poller *p, struct wb_partition *part, const char *event, int64_t now_ms)
{
	const struct wb_write *w = part->first;
	struct wb_slice trace = w ? wb_write_traceparent(w) : wb_slice(NULL, 0);

	part->named_ms = now_ms;
	wb_log_warn(p->settings.log, event, WB_STR("topic", part->assignment.topic),
		WB_INT("partition", part->assignment.partition), WB_INT("unfinished_offset", w ? w->offset : -1),
		WB_SLICE("id", w ? w->id : wb_slice(NULL, 0)),
		WB_SLICE("partition_key", w ? w->pk_text : wb_slice(NULL, 0)),
		WB_INT("seconds", part->stands_at >= 0 ? (now_ms - part->stands_since_ms) / 1000 : 0),
		WB_INT("gap", wb_offsets_gap(part->offsets)), WB_SLICE(trace.data ? "traceparent" : NULL, trace));
}

/* librdkafka 2.0.2 throws away what it has fetched of a paused partition, and delivers again what it had when a
 * partition is resumed that was not paused (#4636): so each is paused and resumed in turn, never twice. */
void wb_poller_pause(struct wb_poller *p, struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list;
	int64_t now_ms = wb_clock_mono_ms();

	if (part->paused || part->revoked)
		return;
	list = list_of_one(part);
	if (rd_kafka_pause_partitions(p->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR && !list->elems[0].err) {
		part->paused = true;
		look_where_it_stands(part, now_ms);
		part->pause_said = !part->named_ms || now_ms - part->named_ms >= STUCK_MS;
		if (part->pause_said)
			name_first(p, part, "partition paused: too many records wait behind an unfinished one", now_ms);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

bool wb_poller_resume(struct wb_poller *p, struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list = list_of_one(part);

	if (rd_kafka_resume_partitions(p->rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR && !list->elems[0].err)
		part->paused = false;
	rd_kafka_topic_partition_list_destroy(list);
	return !part->paused;
}

/* Where reading would go on. */
static int64_t next_offset(const struct wb_partition *part)
{
	int64_t next = wb_offsets_next(part->offsets);

	return next > part->start ? next : part->start;
}

void wb_poller_lost_range(struct wb_poller *p, struct wb_partition *part)
{
	char why[200];

	if (part->lost)
		return;
	part->lost = true;
	part->low = -1;
	(void)snprintf(why, sizeof why, "%s/%d: records from offset %lld on are lost", part->assignment.topic,
		(int)part->assignment.partition, (long long)next_offset(part)); /* cut */
	wb_health_set(p->settings.health, "retention", false, why);
	wb_poller_ask_low(p, part);
}

/* Reading goes on where the log begins now, with consumer.on.lost.range=continue. Where that is before what was read (the
 * topic was made anew, or an unclean election cut it), offsets begin anew too, once all writes have come back. */
static void go_on(struct wb_poller *p, struct wb_partition *part)
{
	bool back = part->low < next_offset(part);

	if (p->settings.options->on_lost_range != WB_LOST_RANGE_CONTINUE || (back && part->out > 0))
		return;
	if (p->change != WB_CHANGE_NONE || atomic_load(&p->joining))
		return; /* the group is changing assignments itself; later */
	if (back) {
		wb_offsets_free(&part->offsets);
		part->offsets = wb_offsets_new();
		part->committed = EARLIEST;
	}
	part->start = part->low;
	wb_offsets_skipped(part->offsets, part->low);
	part->lost = false;
	wb_poller_read_anew(p, part);
	update_retention(p);
}

/* Says what the partition lacks: a range that fell out of retention, or all from its position on, where the log now begins
 * before that. */
static void tell_lost(struct wb_poller *p, const struct wb_partition *part, int64_t next)
{
	const struct wb_assignment *a = &part->assignment;
	bool goes_on = p->settings.options->on_lost_range == WB_LOST_RANGE_CONTINUE;
	char why[300];

	if (part->low > next) {
		(void)snprintf(why, sizeof why, "%s/%d: records from offset %lld to %lld are lost", a->topic,
			(int)a->partition, (long long)next, (long long)(part->low - 1)); /* cut */
		wb_log_error(p->settings.log,
			goes_on ? "records fell out of retention before they were read; the partition goes on behind "
				  "them"
				: "records fell out of retention before they were read; the partition stands still",
			WB_STR("topic", a->topic), WB_INT("partition", a->partition), WB_INT("first_lost_offset", next),
			WB_INT("last_lost_offset", part->low - 1));
		wb_counter_add(part->topic->metrics[a->partition].lost, (double)(part->low - next));
	} else {
		(void)snprintf(why, sizeof why,
			"%s/%d: offset %lld, to be read next, is not in the log, which begins at %lld", a->topic,
			(int)a->partition, (long long)next, (long long)part->low); /* cut */
		wb_log_error(p->settings.log,
			goes_on ? "the topic was made anew or its log cut; the partition is read from its begin on"
				: "the topic was made anew or its log cut; the partition stands still",
			WB_STR("topic", a->topic), WB_INT("partition", a->partition), WB_INT("next_offset", next),
			WB_INT("log_begins_at", part->low));
	}
	wb_health_set(p->settings.health, "retention", false, why);
}

void wb_poller_take_low(struct wb_poller *p, struct wb_partition *part, int64_t low_offset)
{
	if (!part->lost || part->revoked)
		return;
	if (low_offset < 0) {
		wb_poller_ask_low(p, part);
		return;
	}
	part->low = low_offset;
	tell_lost(p, part, next_offset(part));
	go_on(p, part);
}

void wb_poller_resume_due(struct wb_poller *p)
{
	size_t limit = (size_t)p->settings.options->max_offset_gap;

	for (struct wb_partition *part = p->ours; part; part = part->next) {
		if (part->lost && part->low >= 0 && !part->revoked)
			go_on(p, part);
		if (!part->paused || part->revoked || wb_offsets_gap(part->offsets) > limit / 2)
			continue;
		if (wb_poller_resume(p, part) && part->pause_said)
			wb_log_info(p->settings.log, "partition resumed", WB_STR("topic", part->assignment.topic),
				WB_INT("partition", part->assignment.partition));
	}
}

size_t wb_poller_out(const struct wb_poller *p)
{
	size_t out = 0;

	for (const struct wb_partition *part = p->ours; part; part = part->next)
		out += part->out;
	return out;
}

/* What the log and readyz tell already, once for all, is not told again for each partition that stands for it. */
static bool is_explained(const struct wb_poller *p)
{
	static const char *const causes[] = { "cosmos", "containers", "kafka", "letters", "results" };

	for (size_t i = 0; i < WB_ARRAY_LEN(causes); i++) {
		if (!wb_health_ok(p->settings.health, causes[i]))
			return true;
	}
	return false;
}

void wb_poller_name_stuck(struct wb_poller *p, int64_t now_ms)
{
	if (is_explained(p))
		p->explained_ms = now_ms;
	for (struct wb_partition *part = p->ours; part; part = part->next) {
		look_where_it_stands(part, now_ms);
		if (part->stands_at >= 0 && now_ms - part->stands_since_ms >= STUCK_MS &&
			(!p->explained_ms || now_ms - p->explained_ms >= STUCK_MS) &&
			(!part->named_ms || now_ms - part->named_ms >= STUCK_MS))
			name_first(p, part, "partition stands still behind an unfinished write", now_ms);
	}
}
