#include "tests/unit/consumer/engine_fixture.h"

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
		while (w->flying_count > 0) /* at once: what is not answered for a second has others beside it */
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

static void what_hangs_in_an_outage_has_another_request_beside_it_and_is_not_believed_later(void **state)
{
	const struct wb_reply timed_out = { .retry_after_ms = -1, .error = "timed out", .timed_out = true };
	struct world *w = world_new(false, 3);
	struct wb_batch *hanging;

	(void)state;
	for (int i = 0; i < 8; i++)
		(void)add(w, WB_OP_UPSERT, (const char *[]){ "a", "b", "c", "d", "e", "f", "g", "h" }[i], "{}");
	serve(w);
	while (w->flying_count > 0)
		answer_status(w, 503);
	pass(w, 2000);
	serve(w);
	assert_int_equal(w->flying_count, 1);
	pass(w, 500);
	serve(w);
	assert_int_equal(w->flying_count, 1); /* it is slow, perhaps */
	pass(w, 500);
	serve(w);
	assert_int_equal(w->flying_count, 2);
	pass(w, 100000);
	serve(w);
	serve(w);
	assert_int_equal(w->flying_count, 3); /* never more than in good times */
	hanging = landing(w);
	answer(w, &(struct wb_reply){ .status = 201, .retry_after_ms = -1, .etag = "e" });
	assert_true(wb_health_ready(w->health));
	wb_engine_replied(w->engine, hanging, &timed_out);
	assert_true(wb_health_ready(w->health)); /* one that left later was served */
	serve(w);
	assert_int_equal(w->flying_count, 3); /* full speed, as nothing hangs any more */
	assert_int_equal(w->judged.count, 1);
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
	assert_true(batch->body.frames.cap > 0);
	wb_engine_replied(w->engine, landing(w), &(struct wb_reply){ .status = 503, .retry_after_ms = -1 });
	assert_int_equal(batch->body.frames.cap, 0);
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

/* Of which range the requests in flight are. */
static size_t flying_to(const struct world *w, const struct wb_range *range)
{
	size_t count = 0;

	for (size_t i = 0; i < w->flying_count; i++)
		count += w->flying[i]->range == range;
	return count;
}

static void memory_for_requests_is_bounded_and_every_range_gets_its_turn(void **state)
{
	enum { EACH = 60 };
	struct world *w = world_new(false, EACH);
	const struct wb_reply created = { .status = 201, .retry_after_ms = -1, .etag = "e" };
	char id[16];

	(void)state;
	for (int i = 0; i < EACH; i++) {
		(void)snprintf(id, sizeof id, "a%d", i); /* both fit */
		(void)add(w, WB_OP_UPSERT, id, "{}");
		(void)snprintf(id, sizeof id, "b%d", i);
		(void)add_to(w, &container, w->second, &w->assignment, WB_OP_UPSERT, id, "{}");
	}
	serve(w);
	assert_in_range(w->flying_count, 2, EACH - 1); /* 1 MiB, by some 32 KiB each */
	for (int i = 0; i < EACH / 4; i++) /* fewer than one range has left */
		answer(w, &created);
	assert_in_range(flying_to(w, w->range), 1, EACH);
	assert_in_range(flying_to(w, w->second), 1, EACH);
	while (w->flying_count > 0)
		answer(w, &created);
	assert_int_equal(wb_engine_held(w->engine), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_of_a_reply_is_judged_alone),
		cmocka_unit_test(a_newer_upsert_supersedes_what_still_waits),
		cmocka_unit_test(what_it_replaced_is_written_first_when_the_newer_one_dies),
		cmocka_unit_test(a_lost_assignments_writes_are_handed_back_and_others_go_on),
		cmocka_unit_test(what_waits_for_a_range_that_is_gone_is_routed_again_in_order),
		cmocka_unit_test(a_container_that_is_given_up_gets_nothing_more),
		cmocka_unit_test(a_write_that_makes_requests_fail_is_found_and_others_are_written),
		cmocka_unit_test(an_outage_splits_nothing_while_nothing_goes_through),
		cmocka_unit_test(what_hangs_in_an_outage_has_another_request_beside_it_and_is_not_believed_later),
		cmocka_unit_test(an_outage_keeps_neither_bodies_nor_words_for_each_write),
		cmocka_unit_test(a_lone_write_is_sent_soon_after_a_long_outage),
		cmocka_unit_test(the_account_is_looked_up_when_its_region_takes_no_writes),
		cmocka_unit_test(memory_for_requests_is_bounded_and_every_range_gets_its_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
