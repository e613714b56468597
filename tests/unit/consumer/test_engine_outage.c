/* What is an outage and what is not, what is kept in one, and when one is over. */
#include "tests/unit/consumer/engine_fixture.h"

static size_t dead(const struct world *w)
{
	size_t count = 0;

	for (size_t i = 0; i < w->write_count; i++)
		count += w->writes[i]->state == WB_WRITE_JUDGED && w->writes[i]->outcome == WB_DEAD;
	return count;
}

/* Something between us and Cosmos DB refuses everything in its own words, which have no activity id. */
static void a_proxy_that_refuses_everything_kills_nothing(void **state)
{
	static const int statuses[] = { 400, 405, 409, 412, 413, 415, 418, 424, 449, 451 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(statuses); i++) {
		for (int bulk = 0; bulk < 2; bulk++) {
			const struct wb_reply html = { .status = statuses[i],
				.retry_after_ms = -1,
				.body = wb_slice_cstr("<html>sent to an HTTPS port</html>") };
			struct world *w = world_new(bulk, 4);

			add_many(w, 'a', 8);
			for (int second = 0; second < 3600; second++) {
				serve(w);
				while (w->flying_count > 0)
					answer(w, &html);
				pass(w, 1000);
			}
			if (dead(w) > 0)
				fail_msg("%zu died of %d", dead(w), statuses[i]);
			assert_false(wb_health_ready(w->health));
			world_free(w);
		}
	}
}

static void a_reading_that_a_proxy_refuses_is_repeated(void **state)
{
	const struct wb_reply html = { .status = 400, .retry_after_ms = -1, .body = wb_slice_cstr("<html>") };
	struct world *w = world_new(false, 1);
	struct wb_write *write = add(w, WB_OP_CREATE, "a", "{\"v\":1}");

	(void)state;
	serve(w);
	answer_status(w, 409);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(only_in_flight(w)->step, WB_STEP_READ);
		answer(w, &html);
		assert_int_equal(w->judged.count, 0);
		pass(w, 20000);
		serve(w);
	}
	answer_item(w, "e", "{\"v\":1");
	is(write, WB_WRITTEN, WB_REASON_NONE);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proxy_that_refuses_everything_kills_nothing),
		cmocka_unit_test(a_reading_that_a_proxy_refuses_is_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
