#include "consumer/state_json.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* Takes value over. Fails only for what is no UTF-8, which leaves the member out. */
static void set(json_t *to, const char *key, json_t *value)
{
	(void)json_object_set_new(to, key, value);
}

static void append(json_t *to, json_t *value)
{
	(void)json_array_append_new(to, value); /* memory is gone otherwise, and then the answer is short */
}

static json_t *number(int64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *count_of(size_t value)
{
	return json_integer((json_int_t)value);
}

/* null where it is negative: there is none, or nobody knows it. */
static json_t *offset(int64_t value)
{
	return value < 0 ? json_null() : number(value);
}

static json_t *text(const char *value)
{
	return value ? json_string(value) : json_null();
}

static json_t *moment(int64_t wall_ms)
{
	char at[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(wall_ms, at);
	return json_string(at);
}

/* When what has lasted for so long began; null where that is negative. */
static json_t *since(const struct wb_state_facts *f, int64_t lasted_ms)
{
	return lasted_ms < 0 ? json_null() : moment(f->wall_ms - lasted_ms);
}

/* Sums of request units to a hundredth, as they have no more. */
static json_t *units(double value)
{
	return json_real(round(value * 100) / 100);
}

static json_t *group_of(const struct wb_state_facts *f, const struct wb_snapshot *s)
{
	json_t *group = json_object();
	const struct wb_group_snapshot *g = s ? &s->group : NULL;

	set(group, "id", text(f->group_id));
	set(group, "member", g ? json_boolean(g->assigned && g->proven) : json_null());
	set(group, "assignedSince", g ? since(f, g->assigned_ms) : json_null());
	set(group, "joining", g ? json_boolean(g->joining) : json_null());
	set(group, "membershipConfirmed", g ? json_boolean(g->proven) : json_null());
	set(group, "change", text(g ? g->change : NULL));
	return group;
}

static json_t *partition_of(const struct wb_state_facts *f, const struct wb_partition_snapshot *p)
{
	json_t *one = json_object();

	set(one, "topic", text(p->topic));
	set(one, "partition", number(p->partition));
	set(one, "position", offset(p->position));
	set(one, "committed", offset(p->committed));
	set(one, "end", offset(p->end));
	set(one, "lag", offset(p->lag));
	set(one, "pending", count_of(p->pending));
	set(one, "gap", count_of(p->gap));
	set(one, "standsAt", offset(p->stands_at));
	set(one, "standsSince", since(f, p->stands_at < 0 ? -1 : p->stands_ms));
	set(one, "paused", json_boolean(p->paused));
	set(one, "revoked", json_boolean(p->revoked));
	if (p->lost) {
		json_t *lost = json_object();

		set(lost, "from", offset(p->lost_from));
		set(lost, "to", offset(p->lost_to));
		set(one, "lost", lost);
	}
	return one;
}

static json_t *container_of(const struct wb_container_snapshot *c)
{
	json_t *one = json_object();

	set(one, "database", text(c->database));
	set(one, "container", text(c->container));
	set(one, "state", text(c->state));
	set(one, "routed", count_of(c->routed));
	set(one, "parked", count_of(c->parked));
	return one;
}

static void set_range_name(json_t *one, const struct wb_range_snapshot *r)
{
	set(one, "database", text(r->database));
	set(one, "container", text(r->container));
	set(one, "range", text(r->id));
	set(one, "worker", number(r->worker));
}

static json_t *range_of(const struct wb_state_facts *f, const struct wb_range_snapshot *r)
{
	json_t *one = json_object();

	set_range_name(one, r);
	set(one, "bulk", json_boolean(r->bulk));
	set(one, "ready", count_of(r->ready));
	set(one, "failedRequests", count_of(r->failed_requests));
	set(one, "inFlight", number(r->in_flight));
	set(one, "limit", number(r->limit));
	set(one, "throttledForMs", number(r->throttled_for_ms));
	set(one, "outageSince", since(f, r->outage_ms));
	set(one, "refusedSince", since(f, r->refused_ms));
	set(one, "requestCharge", units(r->request_charge));
	return one;
}

static json_t *held_of(const struct wb_state_facts *f, const struct wb_held_write *w)
{
	json_t *one = json_object();

	set(one, "topic", text(w->topic));
	set(one, "partition", number(w->partition));
	set(one, "offset", number(w->offset));
	set(one, "database", text(w->database));
	set(one, "container", text(w->container));
	set(one, "id", w->id[0] ? text(w->id) : json_null());
	if (w->id_cut)
		set(one, "idCut", json_true());
	set(one, "state", text(wb_write_state_text(w->state)));
	set(one, "alone", json_boolean(w->alone));
	set(one, "attempts", number(w->attempts));
	set(one, "status", number(w->status));
	set(one, "substatus", number(w->substatus));
	set(one, "heldSince", since(f, w->held_ms));
	if (w->traceparent[0])
		set(one, "traceparent", text(w->traceparent));
	return one;
}

static int longest_first(const void *a, const void *b)
{
	const struct wb_held_write *x = *(const struct wb_held_write *const *)a;
	const struct wb_held_write *y = *(const struct wb_held_write *const *)b;

	return (x->held_ms < y->held_ms) - (x->held_ms > y->held_ms);
}

/* Those of all owners together that are held longest. */
static json_t *held_array(const struct wb_state_facts *f, const struct wb_board_answer *answers, size_t count)
{
	const struct wb_held_write **all = wb_xcalloc(count * WB_SNAPSHOT_HELD_MAX, sizeof(struct wb_held_write *));
	json_t *array = json_array();
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct wb_snapshot *s = answers[i].snapshot;

		for (size_t j = 0; s && j < s->held_count; j++)
			all[n++] = &s->held[j];
	}
	qsort(all, n, sizeof(struct wb_held_write *), longest_first);
	for (size_t i = 0; i < n && i < WB_SNAPSHOT_HELD_MAX; i++)
		append(array, held_of(f, all[i]));
	free(all);
	return array;
}

static int by_place(const void *a, const void *b)
{
	const struct wb_partition_snapshot *x = a, *y = b;
	int topics = strcmp(x->topic, y->topic);

	return topics ? topics : (x->partition > y->partition) - (x->partition < y->partition);
}

/* What all owners together tell. */
struct lists {
	json_t *partitions, *containers, *ranges, *outages, *unanswered;
	size_t partitions_total, containers_total, ranges_total, held_total;
	double records, bytes, written, superseded, dead;
	int64_t held_bytes; /* -1: not known */
	const struct wb_snapshot *group;
};

static void add_outage(const struct wb_state_facts *f, json_t *outages, const struct wb_range_snapshot *r)
{
	json_t *one;

	if (r->outage_ms < 0)
		return;
	one = json_object();
	set_range_name(one, r);
	set(one, "since", since(f, r->outage_ms));
	append(outages, one);
}

static void add(struct lists *l, const struct wb_state_facts *f, const struct wb_snapshot *s)
{
	if (s->partition_count > 0)
		qsort(s->partitions, s->partition_count, sizeof *s->partitions, by_place);
	for (size_t i = 0; i < s->partition_count; i++)
		append(l->partitions, partition_of(f, &s->partitions[i]));
	for (size_t i = 0; i < s->container_count; i++)
		append(l->containers, container_of(&s->containers[i]));
	for (size_t i = 0; i < s->range_count; i++) {
		append(l->ranges, range_of(f, &s->ranges[i]));
		add_outage(f, l->outages, &s->ranges[i]);
	}
	l->partitions_total += s->partitions_total;
	l->containers_total += s->containers_total;
	l->ranges_total += s->ranges_total;
	l->held_total += s->held_total;
	l->records += s->records;
	l->bytes += s->bytes;
	l->written += s->written;
	l->superseded += s->superseded;
	l->dead += s->dead;
	if (s->has_group) {
		l->group = s;
		l->held_bytes = s->held_bytes;
	}
}

static struct lists gather(const struct wb_state_facts *f, const struct wb_board_answer *answers, size_t count)
{
	struct lists l = { .partitions = json_array(),
		.containers = json_array(),
		.ranges = json_array(),
		.outages = json_array(),
		.unanswered = json_array(),
		.held_bytes = -1 };

	for (size_t i = 0; i < count; i++) {
		if (answers[i].snapshot)
			add(&l, f, answers[i].snapshot);
		else
			append(l.unanswered, text(answers[i].name));
	}
	return l;
}

static json_t *totals_of(const struct lists *l)
{
	json_t *totals = json_object();

	set(totals, "records", number((int64_t)l->records));
	set(totals, "bytes", number((int64_t)l->bytes));
	set(totals, "written", number((int64_t)l->written));
	set(totals, "superseded", number((int64_t)l->superseded));
	set(totals, "dead", number((int64_t)l->dead));
	return totals;
}

static json_t *memory_of(const struct wb_state_facts *f, const struct lists *l)
{
	json_t *memory = json_object();

	set(memory, "heldBytes", offset(l->held_bytes));
	set(memory, "budgetBytes", number(f->memory_budget_bytes));
	return memory;
}

/* What readyz finds wrong. */
static json_t *faults_of(const struct wb_state_facts *f, json_t *outages)
{
	json_t *health = json_loadb(f->health.data, f->health.len, 0, NULL), *conditions, *one, *faults = json_object();
	json_t *wrong = json_array();
	size_t i;

	conditions = health ? json_object_get(health, "conditions") : NULL;
	json_array_foreach(conditions, i, one) {
		if (!json_is_true(json_object_get(one, "ok")))
			(void)json_array_append(wrong, one); /* as append above */
	}
	json_decref(health);
	set(faults, "ready", json_boolean(!f->draining && json_array_size(wrong) == 0));
	set(faults, "draining", json_boolean(f->draining));
	set(faults, "conditions", wrong);
	set(faults, "outages", outages);
	return faults;
}

static int to_buf(const char *data, size_t len, void *arg)
{
	wb_buf_append(arg, data, len);
	return 0;
}

static json_t *object_of(const struct wb_state_facts *f, const struct wb_board_answer *answers, size_t count)
{
	struct lists l = gather(f, answers, count);
	json_t *state = json_object();

	set(state, "program", text(f->program));
	set(state, "version", text(f->version));
	set(state, "now", moment(f->wall_ms));
	set(state, "startedAt", moment(f->started_ms));
	set(state, "uptimeSeconds", number((f->wall_ms - f->started_ms) / 1000));
	set(state, "group", group_of(f, l.group));
	set(state, "totals", totals_of(&l));
	set(state, "memory", memory_of(f, &l));
	set(state, "faults", faults_of(f, l.outages));
	set(state, "unanswered", l.unanswered);
	set(state, "held", held_array(f, answers, count));
	set(state, "heldTotal", count_of(l.held_total));
	set(state, "partitionsTruncated", json_boolean(l.partitions_total > json_array_size(l.partitions)));
	set(state, "partitions", l.partitions);
	set(state, "containersTruncated", json_boolean(l.containers_total > json_array_size(l.containers)));
	set(state, "containers", l.containers);
	set(state, "rangesTruncated", json_boolean(l.ranges_total > json_array_size(l.ranges)));
	set(state, "ranges", l.ranges);
	return state;
}

void wb_state_json(
	const struct wb_state_facts *facts, const struct wb_board_answer *answers, size_t count, struct wb_buf *ret)
{
	json_t *state = object_of(facts, answers, count);

	(void)json_dump_callback(
		state, to_buf, ret, JSON_COMPACT | JSON_REAL_PRECISION(15)); /* the buffer keeps its own failure */
	wb_buf_append_char(ret, '\n');
	json_decref(state);
}
