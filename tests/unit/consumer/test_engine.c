#include "consumer/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define WRITES_MAX   400
#define REQUESTS_MAX 256

/* One engine with what is around it: what it sends is kept, replies are given by the test. */
struct world {
	struct wb_engine *engine;
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_log *log;
	struct wb_outage *outage;
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

static void on_send(void *arg, struct wb_batch *batch)
{
	struct world *w = arg;

	assert_true(w->flying_count < REQUESTS_MAX);
	w->flying[w->flying_count++] = batch;
	w->sent_count++;
}

static void on_judged(void *arg, struct wb_list *batch)
{
	wb_list_append(&((struct world *)arg)->judged, batch);
}

static void on_handed_back(void *arg, struct wb_list *batch)
{
	wb_list_append(&((struct world *)arg)->handed_back, batch);
}

static void on_detach(void *arg, struct wb_write *write)
{
	(void)arg;
	(void)write;
}

static struct wb_range *on_route(void *arg, const struct wb_container *c, const struct wb_epk *epk)
{
	struct world *w = arg;

	(void)c;
	(void)epk;
	return atomic_load(&w->range->gone) ? w->second : w->range;
}

static bool on_given_up(void *arg, const struct wb_container *c)
{
	(void)c;
	return ((struct world *)arg)->given_up;
}

static void on_refresh(void *arg, const struct wb_container *c)
{
	(void)c;
	((struct world *)arg)->refreshes++;
}

static void on_relocate(void *arg)
{
	((struct world *)arg)->relocations++;
}

static const struct wb_engine_calls calls = { on_send, on_judged, on_handed_back, on_detach, on_route, on_given_up,
	on_refresh, on_relocate };

static struct wb_range *range_new(const char *id, bool bulk)
{
	struct wb_range *r = calloc(1, sizeof *r + sizeof(void *));

	assert_non_null(r);
	r->container = (const void *)&container;
	(void)snprintf(r->id, sizeof r->id, "%s", id);
	r->bulk = bulk;
	return r;
}

static struct world *world_new(bool bulk, int64_t concurrency)
{
	struct world *w = calloc(1, sizeof *w);
	struct wb_engine_settings settings = { .range_concurrency = concurrency,
		.point_concurrency = concurrency,
		.operation_retry_max_ms = 900000,
		.body_max_bytes = 1 << 24,
		.seed = 42,
		.calls = &calls,
		.arg = w };

	assert_non_null(w);
	w->metrics = wb_metrics_new();
	w->health = wb_health_new();
	w->log = wb_log_new("test", 2, WB_LOG_ERROR, WB_LOG_LOGFMT);
	w->outage = wb_outage_new(w->health, w->metrics, w->log);
	settings.metrics = w->metrics;
	settings.outage = w->outage;
	settings.log = w->log;
	w->assignment.topic = w->other.topic = "t";
	w->other.partition = 1;
	w->range = range_new("0", bulk);
	w->second = range_new("1", bulk);
	w->engine = wb_engine_new(&settings);
	w->now_ms = 1000;
	wb_engine_at(w->engine, w->now_ms, w->now_ms);
	return w;
}

static void world_free(struct world *w)
{
	while (w->flying_count > 0)
		wb_engine_cut_off(w->engine, w->flying[--w->flying_count]);
	wb_engine_withdraw(w->engine, true);
	wb_engine_hand_over(w->engine);
	assert_int_equal(wb_engine_held(w->engine), 0);
	wb_engine_free(&w->engine);
	wb_outage_free(&w->outage);
	wb_metrics_free(&w->metrics);
	wb_health_free(&w->health);
	wb_log_free(&w->log);
	for (size_t i = 0; i < w->write_count; i++)
		wb_write_free(&w->writes[i]);
	free(w->range);
	free(w->second);
	free(w);
}

/* A write of that item, whose document is in text; the key is the id's first letter. */
static struct wb_write *add(struct world *w, enum wb_op op, const char *id, const char *document)
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
	write->container = (const void *)&container;
	write->range = w->range;
	write->assignment = &w->assignment;
	write->offset = (int64_t)w->write_count++;
	wb_list_push(&one, &write->link);
	wb_engine_take(w->engine, &one);
	return write;
}

static void pass(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	wb_engine_at(w->engine, w->now_ms, w->now_ms);
}

static void serve(struct world *w)
{
	(void)wb_engine_serve(w->engine); /* when to look again is of no interest here */
	wb_engine_hand_over(w->engine);
}

/* The oldest request in flight. */
static struct wb_batch *landing(struct world *w)
{
	struct wb_batch *b = w->flying[0];

	assert_true(w->flying_count > 0);
	memmove(w->flying, w->flying + 1, --w->flying_count * sizeof(struct wb_batch *));
	return b;
}

static void answer(struct world *w, const struct wb_reply *reply)
{
	wb_engine_replied(w->engine, landing(w), reply);
	serve(w);
}

/* A reply to the oldest request: to a bulk, one of these statuses for each operation. */
static void answer_bulk(struct world *w, const int *statuses, size_t count)
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

static void answer_status(struct world *w, int status)
{
	const struct wb_reply reply = {
		.status = status, .retry_after_ms = -1, .activity_id = "a", .error = status ? NULL : "no route to host"
	};

	answer(w, &reply);
}

/* body: the item without its last brace; etag: as in JSON text. */
static void answer_item(struct world *w, const char *etag, const char *body)
{
	char text[256];
	int len = snprintf(text, sizeof text, "%s%s\"_etag\":\"%s\"}", body, strlen(body) > 1 ? "," : "", etag);
	const struct wb_reply reply = { .status = 200, .retry_after_ms = -1, .body = wb_slice(text, (size_t)len) };

	answer(w, &reply);
}

static struct wb_write *only_in_flight(struct world *w)
{
	assert_int_equal(w->flying_count, 1);
	assert_int_equal(w->flying[0]->writes.count, 1);
	return wb_write_of(w->flying[0]->writes.head);
}

static void is(const struct wb_write *write, enum wb_outcome outcome, enum wb_reason reason)
{
	assert_string_equal(wb_write_state_text(write->state), "judged");
	assert_string_equal(wb_outcome_text(write->outcome), wb_outcome_text(outcome));
	assert_string_equal(wb_reason_text(write->reason), wb_reason_text(reason));
}

static void every_operation_of_a_reply_is_judged_alone(void **state)
{
	struct world *w = world_new(true, 1);
	struct wb_write *a = add(w, WB_OP_UPSERT, "a", "{}"), *b = add(w, WB_OP_UPSERT, "b", "{}");
	struct wb_write *c = add(w, WB_OP_UPSERT, "c", "{}");

	(void)state;
	serve(w);
	answer_bulk(w, (int[]){ 201, 400, 429 }, 3);
	is(a, WB_WRITTEN, WB_REASON_NONE);
	assert_int_equal(b->state, WB_WRITE_WAITING);
	pass(w, 5000);
	serve(w);
	assert_ptr_equal(only_in_flight(w), c);
	answer_bulk(w, (int[]){ 200 }, 1);
	is(c, WB_WRITTEN, WB_REASON_NONE);
	assert_ptr_equal(only_in_flight(w), b);
	assert_true(w->flying[0]->point);
	answer_item(w, "e", "{");
	is(b, WB_DEAD, WB_REASON_BAD_REQUEST);
	assert_string_equal(b->failure->item_etag, "e");
	assert_int_equal(b->failure->status, 400);
	world_free(w);
}

static void a_newer_upsert_supersedes_what_still_waits(void **state)
{
	struct world *w = world_new(true, 4);
	struct wb_write *x[4];

	(void)state;
	x[0] = add(w, WB_OP_UPSERT, "x", "{}");
	serve(w);
	for (int i = 1; i < 4; i++)
		x[i] = add(w, WB_OP_UPSERT, "x", "{}");
	serve(w);
	assert_ptr_equal(only_in_flight(w), x[0]);
	answer_bulk(w, (int[]){ 200 }, 1);
	assert_ptr_equal(only_in_flight(w), x[3]);
	assert_int_equal(w->judged.count, 1);
	answer_bulk(w, (int[]){ 200 }, 1);
	is(x[3], WB_WRITTEN, WB_REASON_NONE);
	is(x[1], WB_SUPERSEDED, WB_REASON_NONE);
	is(x[2], WB_SUPERSEDED, WB_REASON_NONE);
	assert_int_equal(x[1]->attempts, 0);
	assert_int_equal(w->sent_count, 2);
	world_free(w);
}

static void what_it_replaced_is_written_first_when_the_newer_one_dies(void **state)
{
	struct world *w = world_new(true, 1);
	struct wb_write *blocker = add(w, WB_OP_UPSERT, "b", "{}"), *old, *poison, *next;

	(void)state;
	serve(w);
	old = add(w, WB_OP_UPSERT, "x", "{\"v\":1}");
	poison = add(w, WB_OP_UPSERT, "x", "{\"v\":2}");
	answer_bulk(w, (int[]){ 200 }, 1);
	is(blocker, WB_WRITTEN, WB_REASON_NONE);
	assert_ptr_equal(only_in_flight(w), poison);
	next = add(w, WB_OP_UPSERT, "x", "{\"v\":3}");
	answer_bulk(w, (int[]){ 413 }, 1);
	assert_ptr_equal(only_in_flight(w), old);
	assert_false(w->flying[0]->point);
	assert_int_equal(w->judged.count, 1);
	answer_bulk(w, (int[]){ 200 }, 1);
	is(old, WB_WRITTEN, WB_REASON_NONE);
	assert_ptr_equal(only_in_flight(w), poison);
	assert_int_equal(poison->step, WB_STEP_READ);
	answer_item(w, "of v 1", "{\"v\":1");
	is(poison, WB_DEAD, WB_REASON_TOO_LARGE);
	assert_string_equal(poison->failure->item_etag, "of v 1");
	assert_ptr_equal(only_in_flight(w), next);
	world_free(w);
}

static void a_refused_create_is_compared_with_what_is_stored(void **state)
{
	struct world *w = world_new(true, 1);
	struct wb_write *same = add(w, WB_OP_CREATE, "a", "{\"id\":\"a\",\"v\":1.0}");
	struct wb_write *other = add(w, WB_OP_CREATE, "b", "{\"id\":\"b\",\"v\":1}");

	(void)state;
	serve(w);
	answer_bulk(w, (int[]){ 409, 409 }, 2);
	while (w->flying_count > 0) {
		bool is_same = only_in_flight(w) == same;

		answer_item(w, "e", is_same ? "{\"v\":1,\"id\":\"a\",\"_ts\":5" : "{\"v\":2,\"id\":\"b\",\"_ts\":5");
	}
	is(same, WB_WRITTEN, WB_REASON_NONE);
	is(other, WB_DEAD, WB_REASON_CONFLICT);
	assert_string_equal(other->failure->item_etag, "e");
	world_free(w);
}

static void what_is_not_the_services_word_on_an_item_is_not_believed(void **state)
{
	static const struct wb_reply strange[] = {
		{ .status = 200, .retry_after_ms = -1 },
		{ .status = 200, .retry_after_ms = -1, .etag = "e", .body = { "<html>", 6 } },
		{ .status = 404, .retry_after_ms = -1, .body = { "<html>", 6 } },
	};
	struct world *w = world_new(false, 2);
	struct wb_write *upsert = add(w, WB_OP_UPSERT, "a", "{}"), *gone = add(w, WB_OP_DELETE, "b", "");

	(void)state;
	serve(w);
	for (size_t i = 0; i < 2 * WB_ARRAY_LEN(strange); i++) {
		answer(w, &strange[i / 2]);
		assert_int_equal(w->judged.count, 0);
		pass(w, 20000);
		serve(w);
	}
	for (int i = 0; i < 2; i++) {
		bool deletes = wb_write_of(w->flying[0]->writes.head) == gone;
		struct wb_reply reply = { .status = deletes ? 204 : 201, .retry_after_ms = -1, .etag = "e" };

		answer(w, &reply);
	}
	is(upsert, WB_WRITTEN, WB_REASON_NONE);
	is(gone, WB_WRITTEN, WB_REASON_NONE);
	world_free(w);
}

static void a_reading_that_shows_no_item_is_repeated(void **state)
{
	static const char *const garbage[] = { "", "<html>", "{\"id\":\"a\",\"v\":1}", "{\"_etag\":\"e\"", "[]" };
	struct world *w = world_new(false, 1);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{\"v\":1}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	for (size_t i = 0; i < WB_ARRAY_LEN(garbage); i++) {
		const struct wb_reply reply = {
			.status = 200, .retry_after_ms = -1, .body = wb_slice_cstr(garbage[i])
		};

		answer(w, &reply);
		assert_int_equal(w->judged.count, 0);
		pass(w, 20000);
		serve(w);
	}
	answer_item(w, "e", "{\"v\":1");
	is(write, WB_WRITTEN, WB_REASON_NONE);
	world_free(w);
}

static void an_item_that_cannot_be_read_is_unknown(void **state)
{
	struct world *w = world_new(false, 1);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	answer_status(w, 400);
	is(write, WB_DEAD, WB_REASON_CONFLICT);
	assert_string_equal(write->failure->item_etag, "");
	world_free(w);
}

static void a_replays_failed_condition_means_superseded(void **state)
{
	struct world *w = world_new(false, 1);
	struct wb_write *write = add(w, WB_OP_UPSERT, "a", "{\"v\":1}");

	(void)state;
	write->is_replay = true;
	write->if_match = wb_slice_cstr("\"old\"");
	serve(w);
	answer_status(w, 412);
	answer_item(w, "new", "{\"v\":2");
	is(write, WB_SUPERSEDED, WB_REASON_PRECONDITION_FAILED);
	world_free(w);
}

/* A create's conflict shows that its item exists only when it does. */
static void a_replayed_create_that_conflicts_over_a_unique_key_is_not_superseded(void **state)
{
	struct world *w = world_new(false, 1);
	struct wb_write *write = add(w, WB_OP_UPSERT, "a", "{\"v\":1}");

	(void)state;
	write->is_replay = true;
	write->if_none_match = wb_slice_cstr("*");
	serve(w);
	answer_status(w, 409);
	answer_status(w, 404);
	pass(w, 1000);
	serve(w);
	assert_int_equal(only_in_flight(w)->step, WB_STEP_SEND);
	answer_status(w, 409);
	answer_status(w, 404);
	is(write, WB_DEAD, WB_REASON_CONFLICT);
	assert_string_equal(write->failure->item_etag, "absent");
	world_free(w);
}

static void a_conditional_delete_whose_item_is_gone_is_done(void **state)
{
	struct world *w = world_new(false, 1);
	struct wb_write *write = add(w, WB_OP_DELETE, "a", "");

	(void)state;
	write->if_match = wb_slice_cstr("\"old\"");
	serve(w);
	answer_status(w, 412);
	answer_status(w, 404);
	is(write, WB_WRITTEN, WB_REASON_NONE);
	world_free(w);
}

static void a_unique_key_conflict_is_tried_once_more_after_the_writes_before_it(void **state)
{
	struct world *w = world_new(false, 8);
	struct wb_write *before = add(w, WB_OP_DELETE, "k1", ""), *elsewhere = add(w, WB_OP_UPSERT, "z", "{}");
	struct wb_write *taker = add(w, WB_OP_UPSERT, "k2", "{\"v\":1}");
	struct wb_batch *blocked, *unrelated;

	(void)state;
	serve(w);
	blocked = landing(w);
	unrelated = landing(w);
	answer_status(w, 409); /* taker */
	answer_status(w, 404); /* its item is absent */
	assert_int_equal(taker->state, WB_WRITE_WAITING);
	pass(w, 60000);
	serve(w);
	assert_int_equal(w->flying_count, 0); /* the write before it is still in flight */
	wb_engine_replied(w->engine, blocked, &(struct wb_reply){ .status = 204, .retry_after_ms = -1 });
	pass(w, 1000);
	serve(w);
	is(before, WB_WRITTEN, WB_REASON_NONE);
	assert_ptr_equal(only_in_flight(w), taker); /* though what is of another partition key still is in flight */
	answer_status(w, 409);
	answer_status(w, 404);
	is(taker, WB_DEAD, WB_REASON_CONFLICT);
	assert_string_equal(taker->failure->item_etag, "absent");
	assert_int_equal(elsewhere->state, WB_WRITE_IN_FLIGHT);
	w->flying[w->flying_count++] = unrelated;
	world_free(w);
}

static void a_lost_assignments_writes_are_handed_back_and_others_go_on(void **state)
{
	struct world *w = world_new(true, 1);
	struct wb_write *lost = add(w, WB_OP_UPSERT, "a", "{}"), *ours = add(w, WB_OP_UPSERT, "b", "{}"), *behind;

	(void)state;
	ours->assignment = &w->other;
	serve(w);
	behind = add(w, WB_OP_UPSERT, "a", "{}");
	atomic_store(&w->assignment.ended, true);
	atomic_store(&w->assignment.lost, true);
	assert_true(wb_batch_is_lost(w->flying[0]));
	wb_engine_cut_off(w->engine, landing(w));
	wb_engine_withdraw(w->engine, false);
	serve(w);
	assert_int_equal(w->handed_back.count, 2);
	assert_int_equal(lost->state, WB_WRITE_WAITING);
	assert_int_equal(behind->state, WB_WRITE_WAITING);
	assert_ptr_equal(only_in_flight(w), ours);
	world_free(w);
}

static void what_waits_for_a_range_that_is_gone_is_routed_again_in_order(void **state)
{
	struct world *w = world_new(true, 1);
	struct wb_write *first = add(w, WB_OP_UPSERT, "x", "{}"), *again, *later;

	(void)state;
	serve(w);
	again = add(w, WB_OP_DELETE, "x", "");
	later = add(w, WB_OP_UPSERT, "y", "{}");
	answer_status(w, 410);
	assert_int_equal(w->refreshes, 1);
	assert_int_equal(first->state, WB_WRITE_WAITING);
	atomic_store(&w->range->gone, true);
	serve(w);
	assert_ptr_equal(w->flying[0]->range, w->second);
	assert_int_equal(w->flying[0]->writes.count, 2);
	assert_int_equal(first->state, WB_WRITE_IN_FLIGHT);
	assert_int_equal(later->state, WB_WRITE_IN_FLIGHT);
	answer_bulk(w, (int[]){ 200, 200 }, 2);
	assert_ptr_equal(only_in_flight(w), again);
	assert_null(w->range->owner_state[0]); /* forgotten */
	world_free(w);
}

static void a_container_that_is_given_up_gets_nothing_more(void **state)
{
	struct world *w = world_new(true, 1);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "x", "{}");
	serve(w);
	(void)add(w, WB_OP_UPSERT, "x", "{}");
	(void)add(w, WB_OP_UPSERT, "y", "{}");
	w->given_up = true;
	wb_engine_withdraw(w->engine, false);
	wb_engine_hand_over(w->engine);
	assert_int_equal(w->handed_back.count, 2);
	answer_status(w, 404);
	pass(w, 10000);
	serve(w);
	assert_int_equal(w->handed_back.count, 3);
	assert_int_equal(wb_engine_held(w->engine), 0);
	world_free(w);
}

/* Ten writes in a bulk of which "p" makes every request fail that carries it. */
static void answer_as_if_p_were_poison(struct world *w)
{
	int fine[100];
	bool poison = false;

	for (size_t i = 0; i < WB_ARRAY_LEN(fine); i++)
		fine[i] = 200;
	for (struct wb_link *l = w->flying[0]->writes.head; l; l = l->next)
		poison = poison || wb_slice_eq_cstr(wb_write_of(l)->id, "p");
	if (!poison)
		answer_bulk(w, fine, w->flying[0]->writes.count);
	else if (w->flying[0]->point)
		answer_item(w, "e", "{");
	else
		answer_status(w, 503);
}

static void a_write_that_makes_requests_fail_is_found_and_others_are_written(void **state)
{
	static const char *const ids[] = { "a", "b", "c", "d", "p", "f", "g", "h", "i", "j" };
	struct world *w = world_new(true, 2);
	size_t written = 0;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(ids); i++)
		(void)add(w, WB_OP_UPSERT, ids[i], "{}");
	for (int i = 0; i < 200 && w->judged.count < 9; i++) {
		serve(w);
		if (w->flying_count > 0)
			answer_as_if_p_were_poison(w);
		pass(w, 2000);
	}
	for (size_t i = 0; i < w->write_count; i++)
		written += w->writes[i]->state == WB_WRITE_JUDGED && w->writes[i]->outcome == WB_WRITTEN;
	assert_int_equal(written, 9);
	assert_true(w->sent_count < 40);
	world_free(w);
}

static void an_outage_splits_nothing_while_nothing_goes_through(void **state)
{
	struct world *w = world_new(true, 4);
	size_t largest = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		char id[16];

		(void)snprintf(id, sizeof id, "i%d", i);
		(void)add(w, WB_OP_UPSERT, id, "{}");
	}
	serve(w);
	for (int i = 0; i < 500; i++) {
		if (w->flying_count > 0)
			answer_status(w, 503);
		pass(w, 2000);
		serve(w);
	}
	while (w->flying_count < 3) { /* it is back: one reply opens the range again */
		int fine[100];

		for (size_t i = 0; i < WB_ARRAY_LEN(fine); i++)
			fine[i] = 200;
		answer_bulk(w, fine, w->flying[0]->writes.count);
		if (w->judged.count > 0)
			break;
	}
	assert_int_equal(w->judged.count, 100);
	for (size_t i = 0; i < w->flying_count; i++)
		largest = w->flying[i]->writes.count > largest ? w->flying[i]->writes.count : largest;
	assert_int_equal(largest, 100);
	world_free(w);
}

/* What waits in an outage holds no more memory than what waits otherwise. */
static void an_outage_keeps_neither_bodies_nor_words_for_each_write(void **state)
{
	struct world *w = world_new(true, 1);
	struct wb_write *a = add(w, WB_OP_UPSERT, "a", "{}"), *b = add(w, WB_OP_UPSERT, "b", "{}");
	struct wb_batch *batch;

	(void)state;
	serve(w);
	batch = w->flying[0];
	assert_true(batch->body.cap > 0);
	wb_engine_replied(w->engine, landing(w), &(struct wb_reply){ .status = 503, .retry_after_ms = -1 });
	assert_int_equal(batch->body.cap, 0);
	assert_null(a->failure);
	assert_null(b->failure);
	assert_int_equal(a->first_failure_ms, w->now_ms);
	pass(w, 5000);
	serve(w);
	answer_bulk(w, (int[]){ 200, 400 }, 2);
	assert_int_equal(b->failure->status, 400);
	assert_int_equal(b->first_failure_ms, w->now_ms - 5000);
	world_free(w);
}

/* Its own backoff is for what fails while others do not. */
static void a_lone_write_is_sent_soon_after_a_long_outage(void **state)
{
	struct world *w = world_new(true, 1);

	(void)state;
	(void)add(w, WB_OP_UPSERT, "a", "{}");
	serve(w);
	for (int i = 0; i < 100; i++) {
		int64_t until_ms = w->now_ms + 2000;

		if (w->flying_count > 0)
			answer_status(w, 503);
		while (w->flying_count == 0 && w->now_ms <= until_ms) {
			pass(w, 10);
			serve(w);
		}
		assert_int_equal(w->flying_count, 1);
	}
	world_free(w);
}

static void the_account_is_looked_up_when_its_region_takes_no_writes(void **state)
{
	struct world *w = world_new(true, 1);
	const struct wb_reply moved = { .status = 403, .substatus = 3, .retry_after_ms = -1 };

	(void)state;
	(void)add(w, WB_OP_UPSERT, "x", "{}");
	serve(w);
	answer(w, &moved);
	assert_int_equal(w->relocations, 1);
	assert_int_equal(w->refreshes, 0);
	pass(w, 10000);
	serve(w);
	assert_int_equal(w->flying_count, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_of_a_reply_is_judged_alone),
		cmocka_unit_test(a_newer_upsert_supersedes_what_still_waits),
		cmocka_unit_test(what_it_replaced_is_written_first_when_the_newer_one_dies),
		cmocka_unit_test(a_refused_create_is_compared_with_what_is_stored),
		cmocka_unit_test(what_is_not_the_services_word_on_an_item_is_not_believed),
		cmocka_unit_test(a_reading_that_shows_no_item_is_repeated),
		cmocka_unit_test(an_item_that_cannot_be_read_is_unknown),
		cmocka_unit_test(a_replays_failed_condition_means_superseded),
		cmocka_unit_test(a_replayed_create_that_conflicts_over_a_unique_key_is_not_superseded),
		cmocka_unit_test(a_conditional_delete_whose_item_is_gone_is_done),
		cmocka_unit_test(a_unique_key_conflict_is_tried_once_more_after_the_writes_before_it),
		cmocka_unit_test(a_lost_assignments_writes_are_handed_back_and_others_go_on),
		cmocka_unit_test(what_waits_for_a_range_that_is_gone_is_routed_again_in_order),
		cmocka_unit_test(a_container_that_is_given_up_gets_nothing_more),
		cmocka_unit_test(a_write_that_makes_requests_fail_is_found_and_others_are_written),
		cmocka_unit_test(an_outage_splits_nothing_while_nothing_goes_through),
		cmocka_unit_test(an_outage_keeps_neither_bodies_nor_words_for_each_write),
		cmocka_unit_test(a_lone_write_is_sent_soon_after_a_long_outage),
		cmocka_unit_test(the_account_is_looked_up_when_its_region_takes_no_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
