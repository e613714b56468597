/* What the tests of the engine share: one engine with what is around it. What it sends is kept, and replies are given by
 * the test; time passes when the test says so. */
#ifndef WB_TESTS_UNIT_CONSUMER_ENGINE_FIXTURE_H
#define WB_TESTS_UNIT_CONSUMER_ENGINE_FIXTURE_H

#include "consumer/engine.h"
#include "consumer/ru_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define WRITES_MAX   1000
#define REQUESTS_MAX 256
#define RETRY_MAX_MS 900000

struct world {
	struct wb_engine *engine;
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_log *log;
	struct wb_outage *outage;
	struct wb_paces *paces;
	struct wb_ru_budget *budget;
	struct wb_assignment assignment, other;
	struct wb_range *range, *second;
	struct wb_batch *flying[REQUESTS_MAX];
	size_t flying_count, sent_count, refreshes, relocations;
	struct wb_list judged, handed_back;
	struct wb_write *writes[WRITES_MAX];
	size_t write_count;
	bool given_up;
	int64_t now_ms;
};

static const char container; /* only its address counts */

static inline void on_send(void *arg, struct wb_batch *batch)
{
	struct world *w = arg;

	assert_true(w->flying_count < REQUESTS_MAX);
	w->flying[w->flying_count++] = batch;
	w->sent_count++;
}

static inline void on_judged(void *arg, struct wb_list *batch)
{
	wb_list_append(&((struct world *)arg)->judged, batch);
}

static inline void on_handed_back(void *arg, struct wb_list *batch)
{
	wb_list_append(&((struct world *)arg)->handed_back, batch);
}

static inline struct wb_range *on_route(void *arg, const struct wb_container *c, const struct wb_epk *epk)
{
	struct world *w = arg;

	(void)c;
	(void)epk;
	return atomic_load(&w->range->gone) ? w->second : w->range;
}

static inline bool on_given_up(void *arg, const struct wb_container *c)
{
	(void)c;
	return ((struct world *)arg)->given_up;
}

static inline void on_refresh(void *arg, const struct wb_container *c)
{
	(void)c;
	((struct world *)arg)->refreshes++;
}

static inline void on_relocate(void *arg)
{
	((struct world *)arg)->relocations++;
}

static const struct wb_engine_calls calls = { on_send, on_judged, on_handed_back, on_route, on_given_up, on_refresh,
	on_relocate };

static inline struct wb_range *range_new(const char *id, bool bulk)
{
	struct wb_range *r = calloc(1, sizeof *r + sizeof(void *));

	assert_non_null(r);
	r->container = (const void *)&container;
	(void)snprintf(r->id, sizeof r->id, "%s", id);
	r->bulk = bulk;
	return r;
}

/* Takes the log. units_per_s: of cosmos.ru.budget; 0: there is none. ranges_shown_max: so many have metrics of their own. */
static inline struct world *world_make(
	bool bulk, int64_t concurrency, double units_per_s, size_t ranges_shown_max, struct wb_log *log)
{
	struct world *w = calloc(1, sizeof *w);
	struct wb_engine_settings settings = { .range_concurrency = concurrency,
		.ranges_shown_max = ranges_shown_max,
		.point_concurrency = concurrency,
		.operation_retry_max_ms = RETRY_MAX_MS,
		.body_max_bytes = 1 << 24,
		.requests_max_bytes = 1 << 20,
		.seed = 42,
		.calls = &calls,
		.arg = w };

	assert_non_null(w);
	w->metrics = wb_metrics_new();
	w->health = wb_health_new();
	w->log = log;
	w->outage = wb_outage_new(w->health, w->metrics, w->log);
	settings.metrics = w->metrics;
	settings.outage = w->outage;
	settings.paces = w->paces = wb_paces_new();
	settings.log = w->log;
	w->now_ms = 1000;
	if (units_per_s > 0) {
		settings.budget = w->budget = wb_ru_budget_new(w->metrics);
		wb_ru_budget_share(w->budget, units_per_s, w->now_ms);
	}
	w->assignment.topic = w->other.topic = "t";
	w->other.partition = 1;
	w->range = range_new("0", bulk);
	w->second = range_new("1", bulk);
	w->engine = wb_engine_new(&settings);
	wb_engine_at(w->engine, w->now_ms, w->now_ms);
	return w;
}

static inline struct world *world_new_with_log(bool bulk, int64_t concurrency, struct wb_log *log)
{
	return world_make(bulk, concurrency, 0, 0, log);
}

static inline struct world *world_new_with(bool bulk, int64_t concurrency, double units_per_s, struct wb_log *log)
{
	return world_make(bulk, concurrency, units_per_s, 0, log);
}

static inline struct world *world_new_showing(size_t ranges_shown_max)
{
	return world_make(true, 4, 0, ranges_shown_max, wb_log_new("test", 2, WB_LOG_ERROR, WB_LOG_LOGFMT));
}

static inline struct world *world_new(bool bulk, int64_t concurrency)
{
	return world_new_with_log(bulk, concurrency, wb_log_new("test", 2, WB_LOG_ERROR, WB_LOG_LOGFMT));
}

static inline void world_free(struct world *w)
{
	while (w->flying_count > 0)
		wb_engine_cut_off(w->engine, w->flying[--w->flying_count]);
	wb_engine_withdraw(w->engine, true);
	wb_engine_hand_over(w->engine);
	assert_int_equal(wb_engine_held(w->engine), 0);
	wb_engine_free(&w->engine);
	wb_outage_free(&w->outage);
	wb_paces_free(&w->paces);
	wb_ru_budget_free(&w->budget);
	wb_metrics_free(&w->metrics);
	wb_health_free(&w->health);
	wb_log_free(&w->log);
	for (size_t i = 0; i < w->write_count; i++)
		wb_write_free(&w->writes[i]);
	free(w->range);
	free(w->second);
	free(w);
}

/* A write of an item of that container; the key is the id's first letter. */
static inline struct wb_write *add_to(struct world *w, const void *of, struct wb_range *range,
	struct wb_assignment *assignment, enum wb_op op, const char *id, const char *document)
{
	struct wb_write *write = wb_write_new();
	struct wb_list one = { 0 };
	size_t len = strlen(id);

	assert_true(w->write_count < WRITES_MAX);
	w->writes[w->write_count] = write;
	write->storage = calloc(1, len + 16);
	assert_non_null(write->storage);
	memcpy(write->storage, id, len);
	(void)snprintf(write->storage + len, 16, "[\"%c\"]", id[0]);
	write->id = wb_slice(write->storage, len);
	write->pk_text = wb_slice_cstr(write->storage + len);
	write->epk = wb_slice(write->storage, 1);
	write->op = op;
	write->document = wb_slice_cstr(document);
	write->container = of;
	write->range = range;
	write->assignment = assignment;
	write->offset = (int64_t)w->write_count++;
	wb_list_push(&one, &write->link);
	wb_engine_take(w->engine, &one);
	return write;
}

static inline struct wb_write *add(struct world *w, enum wb_op op, const char *id, const char *document)
{
	return add_to(w, &container, w->range, &w->assignment, op, id, document);
}

/* Upserts of so many items, whose ids begin with that letter. */
static inline void add_many(struct world *w, char letter, int count)
{
	char id[16];

	for (int i = 0; i < count; i++) {
		(void)snprintf(id, sizeof id, "%c%d", letter, i); /* it fits */
		(void)add(w, WB_OP_UPSERT, id, "{}");
	}
}

static inline void pass(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	wb_engine_at(w->engine, w->now_ms, w->now_ms);
}

static inline void serve(struct world *w)
{
	(void)wb_engine_serve(w->engine); /* when to look again is of no interest here */
	wb_engine_hand_over(w->engine);
}

/* The oldest request in flight. */
static inline struct wb_batch *landing(struct world *w)
{
	struct wb_batch *b = w->flying[0];

	assert_true(w->flying_count > 0);
	memmove(w->flying, w->flying + 1, --w->flying_count * sizeof(struct wb_batch *));
	return b;
}

static inline void answer(struct world *w, const struct wb_reply *reply)
{
	wb_engine_replied(w->engine, landing(w), reply);
	serve(w);
}

/* A reply to the oldest request: to a bulk, one of these statuses for each operation. */
static inline void answer_bulk(struct world *w, const int *statuses, size_t count)
{
	char body[8192] = "[";
	struct wb_reply reply = { .status = 207, .retry_after_ms = -1 };
	size_t len = 1;

	assert_int_equal(w->flying[0]->writes.count, count);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(body + len, sizeof body - len, "%s{\"statusCode\":%d,\"requestCharge\":1}",
			i ? "," : "", statuses[i]);
	body[len++] = ']';
	reply.body = wb_slice(body, len);
	answer(w, &reply);
}

static inline void answer_status(struct world *w, int status)
{
	const struct wb_reply reply = {
		.status = status, .retry_after_ms = -1, .activity_id = "a", .error = status ? NULL : "no route to host"
	};

	answer(w, &reply);
}

/* body: the item without its last brace; etag: as in JSON text. */
static inline void answer_item(struct world *w, const char *etag, const char *body)
{
	char text[256];
	int len = snprintf(text, sizeof text, "%s%s\"_etag\":\"%s\"}", body, strlen(body) > 1 ? "," : "", etag);
	const struct wb_reply reply = { .status = 200, .retry_after_ms = -1, .body = wb_slice(text, (size_t)len) };

	answer(w, &reply);
}

static inline struct wb_write *only_in_flight(struct world *w)
{
	assert_int_equal(w->flying_count, 1);
	assert_int_equal(w->flying[0]->writes.count, 1);
	return wb_write_of(w->flying[0]->writes.head);
}

static inline void is(const struct wb_write *write, enum wb_outcome outcome, enum wb_reason reason)
{
	assert_string_equal(wb_write_state_text(write->state), "judged");
	assert_string_equal(wb_outcome_text(write->outcome), wb_outcome_text(outcome));
	assert_string_equal(wb_reason_text(write->reason), wb_reason_text(reason));
}

#endif
