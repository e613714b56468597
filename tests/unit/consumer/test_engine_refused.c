#include "tests/unit/consumer/engine_fixture.h"

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

/* What it wanted may have come about between the reply and the reading. */
static void a_replace_that_misses_its_item_is_compared_with_what_is_stored(void **state)
{
	for (int bulk = 0; bulk < 2; bulk++) {
		struct world *w = world_new(bulk, 1);
		struct wb_write *same = add(w, WB_OP_REPLACE, "a", "{\"id\":\"a\",\"v\":1}");
		struct wb_write *other = add(w, WB_OP_REPLACE, "b", "{\"id\":\"b\",\"v\":1}");
		struct wb_write *absent = add(w, WB_OP_REPLACE, "c", "{\"id\":\"c\",\"v\":1}");

		serve(w);
		if (bulk)
			answer_bulk(w, (int[]){ 404, 404, 404 }, 3);
		while (w->flying_count > 0) {
			const struct wb_write *next = only_in_flight(w);

			if (next->step == WB_STEP_SEND || next == absent)
				answer_status(w, 404);
			else
				answer_item(w, "e", next == same ? "{\"v\":1.0,\"id\":\"a\"" : "{\"v\":2,\"id\":\"b\"");
		}
		is(same, WB_WRITTEN, WB_REASON_NONE);
		is(other, WB_DEAD, WB_REASON_NOT_FOUND);
		assert_string_equal(other->failure->item_etag, "e");
		assert_int_equal(other->failure->status, 404);
		is(absent, WB_DEAD, WB_REASON_NOT_FOUND);
		assert_string_equal(absent->failure->item_etag, "absent");
		world_free(w);
	}
	(void)state;
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
	write->conditional = true;
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
	write->conditional = true;
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
	write->conditional = true;
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

static void a_unique_key_conflict_waits_for_its_own_container_only(void **state)
{
	static const char another;
	struct world *w = world_new(false, 8);
	struct wb_write *taker;
	struct wb_batch *hanging;

	(void)state;
	(void)add_to(w, &another, w->second, &w->other, WB_OP_UPSERT, "k1", "{}");
	serve(w);
	taker = add(w, WB_OP_CREATE, "k2", "{}");
	serve(w);
	hanging = landing(w);
	assert_ptr_equal(only_in_flight(w), taker);
	answer_status(w, 409);
	answer_status(w, 404); /* its item is absent */
	pass(w, 1000);
	serve(w);
	assert_ptr_equal(only_in_flight(w), taker);
	w->flying[w->flying_count++] = hanging;
	world_free(w);
}

static void answer_written(struct world *w)
{
	answer(w, &(struct wb_reply){ .status = 201, .retry_after_ms = -1, .etag = "e" });
}

/* Answers whatever is sent for so long: readings are refused, the first item's operation gets that status, and all others
 * are written. */
static void refuse_readings(struct world *w, int64_t for_ms, int status)
{
	for (int64_t end_ms = w->now_ms + for_ms; w->now_ms < end_ms; pass(w, 500)) {
		serve(w);
		while (w->flying_count > 0) {
			const struct wb_write *write = wb_write_of(w->flying[0]->writes.head);

			if (write->step == WB_STEP_READ)
				answer_status(w, 403);
			else if (write != w->writes[0] || status == 201)
				answer_written(w);
			else
				answer_status(w, status);
		}
	}
}

static void a_reading_that_alone_is_refused_ends_however_little_its_range_is_written_to(void **state)
{
	struct world *w = world_new(false, 2);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	for (int minute = 0; minute < 14; minute++) {
		(void)add(w, WB_OP_UPSERT, "b", "{}");
		refuse_readings(w, 60000, 409);
	}
	assert_int_equal(write->step, WB_STEP_READ);
	assert_int_not_equal(write->state, WB_WRITE_JUDGED);
	for (int minute = 0; minute < 2; minute++) {
		(void)add(w, WB_OP_UPSERT, "b", "{}");
		refuse_readings(w, 60000, 409);
	}
	is(write, WB_DEAD, WB_REASON_CONFLICT);
	assert_string_equal(write->failure->item_etag, "");
	world_free(w);
}

static void a_reading_that_is_refused_where_nothing_else_is_written_asks_by_the_write_itself(void **state)
{
	struct world *w = world_new(false, 2);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	refuse_readings(w, 16 * 60000, 409);
	is(write, WB_DEAD, WB_REASON_CONFLICT);
	assert_string_equal(write->failure->item_etag, "");
	world_free(w);
}

static void a_write_that_only_its_second_asking_lets_through_is_written(void **state)
{
	struct world *w = world_new(false, 2);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	refuse_readings(w, 16 * 60000, 201);
	is(write, WB_WRITTEN, WB_REASON_NONE);
	world_free(w);
}

static void an_account_that_refuses_everything_is_waited_for(void **state)
{
	struct world *w = world_new(false, 2);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{\"v\":1}"), *too_large = add(w, WB_OP_UPSERT, "c", "{}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	answer_status(w, 413);
	(void)add(w, WB_OP_UPSERT, "b", "{}");
	for (int64_t end_ms = w->now_ms + (int64_t)24 * 3600 * 1000; w->now_ms < end_ms; pass(w, 500)) {
		serve(w);
		while (w->flying_count > 0)
			answer_status(w, 403);
	}
	assert_int_equal(w->judged.count, 0);
	for (int i = 0; i < 100 && w->judged.count < 3; i++, pass(w, 500), serve(w)) {
		while (w->flying_count > 0) {
			const struct wb_write *next = wb_write_of(w->flying[0]->writes.head);

			if (next->step == WB_STEP_READ)
				answer_item(w, "e", "{\"v\":1");
			else if (next == write)
				answer_status(w, 409);
			else if (next == too_large)
				answer_status(w, 413);
			else
				answer_written(w);
		}
	}
	is(write, WB_WRITTEN, WB_REASON_NONE);
	is(too_large, WB_DEAD, WB_REASON_TOO_LARGE);
	assert_string_equal(too_large->failure->item_etag, "e");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_create_is_compared_with_what_is_stored),
		cmocka_unit_test(a_replace_that_misses_its_item_is_compared_with_what_is_stored),
		cmocka_unit_test(what_is_not_the_services_word_on_an_item_is_not_believed),
		cmocka_unit_test(a_reading_that_shows_no_item_is_repeated),
		cmocka_unit_test(an_item_that_cannot_be_read_is_unknown),
		cmocka_unit_test(a_reading_that_alone_is_refused_ends_however_little_its_range_is_written_to),
		cmocka_unit_test(a_reading_that_is_refused_where_nothing_else_is_written_asks_by_the_write_itself),
		cmocka_unit_test(a_write_that_only_its_second_asking_lets_through_is_written),
		cmocka_unit_test(an_account_that_refuses_everything_is_waited_for),
		cmocka_unit_test(a_replays_failed_condition_means_superseded),
		cmocka_unit_test(a_replayed_create_that_conflicts_over_a_unique_key_is_not_superseded),
		cmocka_unit_test(a_conditional_delete_whose_item_is_gone_is_done),
		cmocka_unit_test(a_unique_key_conflict_waits_for_its_own_container_only),
		cmocka_unit_test(a_unique_key_conflict_is_tried_once_more_after_the_writes_before_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
