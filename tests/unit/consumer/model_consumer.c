#include "model.h"

#include "common/base/mem.h"
#include "consumer/ru_budget.h"

#include <stdlib.h>

static struct wb_slice store(char **at, const void *bytes, size_t len)
{
	struct wb_slice stored = wb_slice(*at, len);

	memcpy(*at, bytes, len);
	*at += len;
	return stored;
}

static void fill(struct model_world *world, const struct model_record *r, struct wb_write *w)
{
	const struct model_item *item = &world->item[r->item];
	const struct model_key *key = &world->key[item->key];
	size_t size = strlen(r->document);
	char etag[24];
	char *at;

	w->op = r->op;
	w->offset = r->offset;
	if (size)
		w->value = wb_slice(r->document, size);
	w->original = wb_original_new(&world->originals, &w->key, &w->value, NULL, 0, &w->original_bytes);
	w->document = w->value;
	model_etag_text(r->if_match, etag);
	at = w->storage = wb_xmalloc(128 + sizeof key->epk.bytes);
	w->id = store(&at, item->id, strlen(item->id));
	w->pk_text = store(&at, key->text, strlen(key->text));
	w->epk = store(&at, key->epk.bytes, key->epk.len);
	w->conditional = r->if_match != MODEL_NONE || r->if_none;
	if (r->if_match != MODEL_NONE)
		w->if_match = store(&at, etag, strlen(etag));
	if (r->if_none)
		w->if_none_match = store(&at, "*", 1);
	w->is_replay = r->replay;
	if (r->flaw == MODEL_CONDEMNED) {
		w->step = WB_STEP_READ;
		w->reason = WB_REASON_TOO_LARGE;
		wb_write_note_failure(w, 0, 0, wb_slice_cstr(""), wb_slice_cstr("too large"), 1);
	}
}

/* The range as the consumer knows it. */
static struct wb_range *route_of(const struct model_consumer *c, uint64_t place)
{
	for (int i = 0; i < c->world->ranges; i++) {
		if (c->in_view[i] && place >= c->world->range[i].min && place < c->world->range[i].max)
			return c->view[i];
	}
	model_fail(c->world, "route: no range");
}

static struct wb_write *deliver(struct model_world *world, struct model_assignment *a, int record)
{
	struct wb_write *w = wb_write_new();
	struct model_delivery *d = wb_xcalloc(1, sizeof *d);
	const struct model_key *key = &world->key[world->item[world->record[record].item].key];

	*d = (struct model_delivery){ .assignment = a, .record = record };
	fill(world, &world->record[record], w);
	w->owner = d;
	w->assignment = &a->a;
	w->container = a->consumer->container;
	w->range = route_of(a->consumer, key->place);
	a->out++;
	wb_offsets_delivered(a->offsets, w->offset);
	return w;
}

static struct model_engine *engine_of(struct model_consumer *c, const struct model_record *r)
{
	uint64_t place = c->world->key[c->world->item[r->item].key].place;

	return &c->engines[place / ((UINT64_C(1) << 62) / MODEL_ENGINES_MAX + 1)];
}

static void hand_over(struct model_engine *e)
{
	struct model_world *world = e->consumer->world;

	wb_engine_hand_over(e->engine);
	MODEL_CHECK(world, wb_engine_held(e->engine) == e->held, "held: %zu writes instead of %zu",
		wb_engine_held(e->engine), e->held);
}

static void wake(struct model_world *world, void *arg)
{
	struct model_engine *e = arg;

	if (!world->over && e->consumer->alive && world->now_ms >= e->wake_ms)
		model_engine_serve(world, e);
}

static void engine_at(struct model_engine *e)
{
	wb_engine_at(e->engine, e->consumer->world->now_ms, e->consumer->world->now_ms + INT64_C(1760000000000));
}

void model_engine_serve(struct model_world *world, struct model_engine *e)
{
	int64_t next_ms = INT64_MAX;

	engine_at(e);
	if (e->consumer->gate_open) {
		e->serving = true;
		next_ms = wb_engine_serve(e->engine);
		e->serving = false;
	}
	hand_over(e);
	e->spins = next_ms <= world->now_ms && e->spin_ms == world->now_ms ? e->spins + 1 : 0;
	e->spin_ms = world->now_ms;
	MODEL_CHECK(world, e->spins < 100, "serve: it asks to be served again and again");
	if (next_ms == INT64_MAX) {
		e->wake_ms = INT64_MAX;
	} else if (next_ms != e->wake_ms || next_ms <= world->now_ms) {
		e->wake_ms = next_ms;
		model_at(world, next_ms - world->now_ms, e->consumer, wake, e);
	}
}

void model_commit(struct model_world *world, struct model_assignment *a)
{
	int64_t position = wb_offsets_position(a->offsets);

	if (world->owner[a->partition] != a || position <= world->committed[a->partition])
		return;
	for (int i = 0; i < world->log_count[a->partition]; i++) {
		const struct model_record *r = &world->record[world->log[a->partition][i]];

		MODEL_CHECK(world, r->offset >= position || r->ended,
			"offsets: %lld was committed before %lld had ended", (long long)position, (long long)r->offset);
	}
	world->committed[a->partition] = position;
}

static void read_partition(struct model_world *world, struct model_assignment *a, struct wb_list *in)
{
	int most = 1 + (int)model_random(world, 40);

	for (; most > 0 && a->next_record < world->log_count[a->partition]; most--) {
		int record = world->log[a->partition][a->next_record];
		const struct model_record *r = &world->record[record];

		if (r->arrives_ms > world->now_ms || wb_offsets_gap(a->offsets) >= world->plan.gap_max)
			return;
		if (!r->delivered_ms)
			world->record[record].delivered_ms = world->now_ms;
		wb_list_push(&in[engine_of(a->consumer, r)->index], &deliver(world, a, record)->link);
		a->next_record++;
	}
}

static void poll(struct model_world *world, void *arg)
{
	struct model_consumer *c = arg;
	struct wb_list in[MODEL_ENGINES_MAX] = { 0 };

	if (world->over || !c->alive || world->now_ms < c->next_poll_ms)
		return;
	for (struct model_assignment *a = c->assignments; a; a = a->next) {
		/* A process that is not sure of its partitions reads nothing either. */
		if (!a->dropped && !a->draining && c->gate_open)
			read_partition(world, a, in);
		if (!a->dropped && c->gate_open && model_chance(world, 300))
			model_commit(world, a);
	}
	for (int i = 0; i < MODEL_ENGINES_MAX; i++) {
		struct model_engine *e = &c->engines[i];

		if (!in[i].head)
			continue;
		e->held += in[i].count;
		engine_at(e);
		wb_engine_take(e->engine, &in[i]);
		MODEL_CHECK(world, !in[i].head, "take: writes are left");
		model_engine_serve(world, e);
	}
	c->next_poll_ms = world->now_ms + 1 + (int64_t)model_random(world, (uint64_t)world->plan.poll_ms);
	model_at(world, c->next_poll_ms - world->now_ms, c, poll, c);
}

static void judged(void *arg, struct wb_list *batch)
{
	struct model_engine *e = arg;
	struct model_consumer *c = e->consumer;
	struct wb_write *w;

	e->held -= batch->count;
	for (struct wb_link *link = batch->head; link && c->alive; link = link->next) {
		w = wb_write_of(link);
		model_note(c->world, "judged: record, outcome, reason, life", model_delivery_of(w)->record, w->outcome,
			w->reason, model_delivery_of(w)->assignment->life);
		model_verify_judged(c->world, w);
	}
	if (c->alive) {
		model_recorder_take(c, batch);
		return;
	}
	while ((w = wb_write_of(wb_list_pop(batch))))
		model_dispose(c->world, w);
}

static void handed_back(void *arg, struct wb_list *batch)
{
	struct model_engine *e = arg;
	struct model_world *world = e->consumer->world;
	struct wb_write *w;

	e->held -= batch->count;
	while ((w = wb_write_of(wb_list_pop(batch)))) {
		MODEL_CHECK(world, w->assignment->ended, "handed back: record %d, whose assignment has not ended",
			model_delivery_of(w)->record);
		MODEL_CHECK(world, w->state == WB_WRITE_WAITING, "handed back: record %d is %s",
			model_delivery_of(w)->record, wb_write_state_text(w->state));
		model_note(world, "handed back: record, life", model_delivery_of(w)->record,
			model_delivery_of(w)->assignment->life, 0, 0);
		model_dispose(world, w);
	}
}

static struct wb_range *route(void *arg, const struct wb_container *container, const struct wb_epk *epk)
{
	struct model_engine *e = arg;
	uint64_t place = 0;

	MODEL_CHECK(e->consumer->world, container == e->consumer->container, "route: in another container");
	for (int i = 0; i < 8; i++)
		place = place << 8 | epk->bytes[i];
	return route_of(e->consumer, place);
}

static bool is_given_up(void *arg, const struct wb_container *container)
{
	(void)arg;
	(void)container;
	return false;
}

/* What the metadata has read now. */
static void read_ranges(struct model_world *world, struct model_consumer *c)
{
	for (int i = 0; i < world->ranges; i++) {
		c->in_view[i] = world->range[i].state != MODEL_RANGE_GONE;
		if (c->in_view[i] && !c->view[i]) {
			c->view[i] = wb_xcalloc(1, sizeof *c->view[i] + MODEL_ENGINES_MAX * sizeof(void *));
			c->view[i]->container = c->container;
			c->view[i]->bulk = world->plan.bulk;
			memcpy(c->view[i]->id, world->range[i].id, sizeof world->range[i].id);
			atomic_init(&c->view[i]->gone, false);
		} else if (!c->in_view[i] && c->view[i]) {
			atomic_store(&c->view[i]->gone, true);
		}
	}
}

static void refreshed(struct model_world *world, void *arg)
{
	struct model_consumer *c = arg;

	if (world->over || !c->alive || !c->refreshing)
		return;
	c->refreshing = false;
	read_ranges(world, c);
	for (int i = 0; i < MODEL_ENGINES_MAX; i++)
		model_engine_serve(world, &c->engines[i]);
}

static void refresh(void *arg, const struct wb_container *container)
{
	struct model_engine *e = arg;
	struct model_consumer *c = e->consumer;

	MODEL_CHECK(c->world, container == c->container, "refresh: of another container");
	if (c->refreshing)
		return;
	c->refreshing = true;
	model_at(c->world, 1 + (int64_t)model_random(c->world, (uint64_t)c->world->plan.refresh_ms), c, refreshed, c);
}

static void relocate(void *arg)
{
	(void)arg;
}

static const struct wb_engine_calls calls = { model_cosmos_send, judged, handed_back, route, is_given_up, refresh,
	relocate };

void model_consumer_start(struct model_world *world, struct model_consumer *c)
{
	c->world = world;
	c->alive = c->gate_open = true;
	c->frozen = c->refreshing = false;
	c->container = wb_xmalloc(1);
	c->metrics = wb_metrics_new();
	c->health = wb_health_new();
	c->outage = wb_outage_new(c->health, c->metrics, NULL);
	c->paces = wb_paces_new();
	if (world->seed % 3 == 0) {
		c->budget = wb_ru_budget_new(c->metrics);
		wb_ru_budget_share(c->budget, world->seed % 2 ? 1000 : 20000, world->now_ms);
	}
	read_ranges(world, c);
	for (unsigned i = 0; i < MODEL_ENGINES_MAX; i++) {
		struct model_engine *e = &c->engines[i];

		*e = (struct model_engine){ .consumer = c, .index = i, .wake_ms = INT64_MAX };
		e->engine = wb_engine_new(&(struct wb_engine_settings){ .worker = i,
			.range_concurrency = world->plan.concurrency,
			.point_concurrency = 2 * world->plan.concurrency,
			.bulk_linger_ms = world->plan.linger_ms,
			.operation_retry_max_ms = world->plan.retry_max_ms,
			.body_max_bytes = 4 * 1024 * 1024,
			.requests_max_bytes = 4 * 1024 * 1024,
			.seed = wb_prng_next(&world->random),
			.calls = &calls,
			.arg = e,
			.outage = c->outage,
			.paces = c->paces,
			.budget = c->budget,
			.metrics = c->metrics });
		engine_at(e);
	}
	c->next_poll_ms = world->now_ms;
	model_at(world, 0, c, poll, c);
}

static void unlink_request(struct model_request *request)
{
	struct model_request **at = &request->engine->requests;
	struct model_consumer *c = request->engine->consumer;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	for (int i = 0; i < request->count; i++)
		c->world->item[c->world->record[request->record[i]].item].flying[c->index]--;
}

void model_replied(struct model_world *world, struct model_request *request)
{
	struct model_engine *e = request->engine;

	unlink_request(request);
	engine_at(e);
	wb_engine_replied(e->engine, request->batch, &request->reply);
	model_engine_serve(world, e);
}

/* Ends requests as a closed connection does: those that carry what is lost, or all. */
static void cut(struct model_world *world, struct model_engine *e, bool all)
{
	struct model_request *next;

	engine_at(e);
	for (struct model_request *request = e->requests; request; request = next) {
		struct wb_batch *batch = request->batch;
		bool lost = false;

		next = request->next;
		for (struct wb_link *link = batch->writes.head; link; link = link->next)
			lost = lost || wb_write_of(link)->assignment->lost;
		MODEL_CHECK(world, wb_batch_is_lost(batch) == lost, "lost: a batch is %s, and said not to be",
			lost ? "lost" : "not lost");
		if (!lost && !all)
			continue;
		unlink_request(request);
		model_cosmos_cut(world, request);
		wb_engine_cut_off(e->engine, batch);
	}
}

/* Those in flight, with what they replaced. */
static size_t in_flight_of(const struct model_engine *e, unsigned life)
{
	size_t count = 0;

	for (const struct model_request *request = e->requests; request; request = request->next) {
		for (const struct wb_link *link = request->batch->writes.head; link; link = link->next) {
			const struct wb_write *w = WB_CONTAINER_OF(link, struct wb_write, link);

			for (; w; w = w->older)
				count += model_delivery_of(w)->assignment->life == life;
		}
	}
	return count;
}

/* The workers have heard that the assignment has ended. */
static void withdraw(struct model_world *world, struct model_assignment *a)
{
	struct model_consumer *c = a->consumer;
	size_t flying = 0, recording;

	a->unheard = false;
	for (int i = 0; i < MODEL_ENGINES_MAX; i++) {
		struct model_engine *e = &c->engines[i];

		if (a->a.lost)
			cut(world, e, false);
		engine_at(e);
		wb_engine_withdraw(e->engine, false);
		hand_over(e);
		flying += in_flight_of(e, a->life);
	}
	recording = model_recorder_count(c, a);
	MODEL_CHECK(world, a->out == flying + recording, "ended: %zu writes of life %u are kept, %zu in flight",
		a->out - recording, a->life, flying);
	MODEL_CHECK(
		world, !a->a.lost || flying == 0, "lost: %zu writes of life %u are still in flight", flying, a->life);
	for (int i = 0; i < MODEL_ENGINES_MAX; i++)
		model_engine_serve(world, &c->engines[i]);
}

static void withdraw_all(struct model_world *world, void *arg)
{
	struct model_consumer *c = arg;

	if (world->over || !c->alive)
		return;
	for (struct model_assignment *a = c->assignments; a; a = a->next) {
		if (a->unheard)
			withdraw(world, a);
	}
}

void model_assignment_end(struct model_world *world, struct model_assignment *a, bool lost)
{
	model_note(world, lost ? "lost: partition, life" : "revoked: partition, life", a->partition, a->life, 0, 0);
	if (lost)
		atomic_store(&a->a.lost, true);
	atomic_store(&a->a.ended, true);
	a->unheard = true;
	/* Workers are threads of their own, which may go on for a moment. */
	if (model_chance(world, 500))
		model_at(world, (int64_t)model_random(world, 50), a->consumer, withdraw_all, a->consumer);
	else
		withdraw(world, a);
}

void model_assignment_drained(struct model_world *world, struct model_assignment *a)
{
	model_commit(world, a);
	a->dropped = true;
	if (world->owner[a->partition] != a)
		return; /* the group had lost patience before */
	world->owner[a->partition] = NULL;
	model_at(world, (int64_t)model_random(world, 200), NULL, model_assign, &world->log_count[a->partition]);
}

void model_assign(struct model_world *world, void *arg)
{
	int partition = (int)((int *)arg - world->log_count);
	struct model_consumer *c = &world->consumer[model_random(world, (uint64_t)world->consumers)];
	struct model_assignment *a;

	if (world->over || world->owner[partition])
		return;
	if (!c->alive || c->frozen || !c->gate_open) {
		model_at(world, 50, NULL, model_assign, arg);
		return;
	}
	a = wb_xcalloc(1, sizeof *a);
	a->a.topic = "writes";
	a->a.partition = partition;
	a->a.epoch = a->life = ++world->lives;
	a->consumer = c;
	a->partition = partition;
	a->offsets = wb_offsets_new();
	a->next = c->assignments;
	c->assignments = a;
	world->owner[partition] = a;
	while (a->next_record < world->log_count[partition] &&
		world->record[world->log[partition][a->next_record]].offset < world->committed[partition])
		a->next_record++;
	model_note(world, "assigned: partition, life, consumer, committed", partition, a->life, c->index,
		world->committed[partition]);
}

static void free_assignments(struct model_world *world, struct model_consumer *c)
{
	while (c->assignments) {
		struct model_assignment *a = c->assignments;

		MODEL_CHECK(world, a->out == 0, "stopped: %zu writes of life %u are left", a->out, a->life);
		c->assignments = a->next;
		if (world->owner[a->partition] == a)
			world->owner[a->partition] = NULL;
		wb_offsets_free(&a->offsets);
		free(a);
	}
}

void model_consumer_stop(struct model_world *world, struct model_consumer *c)
{
	if (!c->alive)
		return;
	c->alive = c->gate_open = c->frozen = false;
	c->incarnation++;
	for (struct model_assignment *a = c->assignments; a; a = a->next) {
		a->dropped = true;
		atomic_store(&a->a.ended, true);
	}
	for (int i = 0; i < MODEL_ENGINES_MAX; i++) {
		struct model_engine *e = &c->engines[i];

		cut(world, e, true);
		wb_engine_withdraw(e->engine, true);
		hand_over(e);
		MODEL_CHECK(world, e->held == 0, "stopped: %zu writes are left", e->held);
		wb_engine_free(&e->engine);
	}
	model_recorder_drop(world, c);
	free_assignments(world, c);
	for (int i = 0; i < MODEL_RANGES_MAX; i++) {
		free(c->view[i]);
		c->view[i] = NULL;
	}
	wb_outage_free(&c->outage);
	wb_paces_free(&c->paces);
	wb_ru_budget_free(&c->budget);
	wb_health_free(&c->health);
	wb_metrics_free(&c->metrics);
	free(c->container);
}
