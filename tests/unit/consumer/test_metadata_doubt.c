#include "tests/unit/consumer/metadata_fixture.h"

/* Letters cannot be taken back: a service that is being set up, or moved, may say so for a moment. */
static void where_writes_would_die_a_container_is_missing_only_when_that_stays_so(void **state)
{
	unsigned before, changes;
	struct fixture f;

	(void)state;
	start(&f);
	f.options.missing_is_dead = true;
	f.c = ask_for(&f);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	UNTIL(wb_health_ready(f.health));
	changes = atomic_load(&f.changes);
	before = count_of(&f.s, &f.s.containers);
	wb_mutex_lock(&f.s.lock);
	f.s.absent = 2;
	wb_mutex_unlock(&f.s.lock);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(count_of(&f.s, &f.s.containers) >= before + 3);
	UNTIL(wb_health_ready(f.health));
	assert_int_equal(atomic_load(&f.changes), changes); /* nobody was told that it is missing */
	before = count_of(&f.s, &f.s.containers);
	set_text(&f.s, &f.s.rid, NULL);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(health_says(&f, "asked again before they become dead letters"));
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_MISSING);
	assert_true(count_of(&f.s, &f.s.containers) >= before + 3);
	UNTIL(health_says(&f, "its writes become dead letters"));
	stop(&f);
}

static void only_the_services_own_word_makes_a_container_missing(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_flag(&f.s, &f.s.strange, true);
	f.c = ask_for(&f);
	UNTIL(count_of(&f.s, &f.s.containers) >= 3);
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_UNKNOWN);
	UNTIL(health_says(&f, "not by Cosmos DB"));
	set_flag(&f.s, &f.s.strange, false);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	stop(&f);
}

static void a_server_that_refuses_the_array_does_no_bulk(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_flag(&f.s, &f.s.bulk, false);
	f.c = ask_for(&f);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_false(route(f.c, 0x30)->bulk);
	assert_int_equal(count_of(&f.s, &f.s.probes), 1);
	stop(&f);
}

static void a_redirected_probe_tells_nothing_of_bulk(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_text(&f.s, &f.s.probe_status, "302 Found\r\nLocation: /login\r\n");
	set_text(&f.s, &f.s.probe_body, "");
	set_flag(&f.s, &f.s.bulk, false);
	f.c = ask_for(&f);
	UNTIL(count_of(&f.s, &f.s.probes) >= 4);
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_UNKNOWN);
	set_flag(&f.s, &f.s.bulk, true);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_true(route(f.c, 0x30)->bulk);
	stop(&f);
}

/* What no server is known to say of bulk makes points of it for the time being, and is asked again. */
static void bulk_that_was_refused_strangely_is_asked_for_again(void **state)
{
	static const char *const statuses[] = { "200 OK\r\n", "405 Method Not Allowed\r\n",
		"500 Internal Server Error\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		struct wb_range *before;
		struct fixture f;

		start(&f);
		set_text(&f.s, &f.s.probe_status, statuses[i]);
		set_text(&f.s, &f.s.probe_body, "<html>");
		set_flag(&f.s, &f.s.bulk, false);
		f.c = ask_for(&f);
		UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
		before = route(f.c, 0x30);
		assert_false(before->bulk);
		/* Three, and perhaps the first of those that are asked again. */
		assert_in_range(count_of(&f.s, &f.s.probes), 3, 4);
		UNTIL(count_of(&f.s, &f.s.probes) >= 5); /* doubted in vain: that stands in nobody's way */
		assert_false(atomic_load(&before->gone));
		assert_true(wb_health_ready(f.health));
		set_flag(&f.s, &f.s.bulk, true);
		UNTIL(atomic_load(&before->gone)); /* nobody has to ask for it */
		assert_true(route(f.c, 0x30)->bulk);
		assert_true(wb_container_bulk(f.c));
		stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_writes_would_die_a_container_is_missing_only_when_that_stays_so),
		cmocka_unit_test(only_the_services_own_word_makes_a_container_missing),
		cmocka_unit_test(a_server_that_refuses_the_array_does_no_bulk),
		cmocka_unit_test(a_redirected_probe_tells_nothing_of_bulk),
		cmocka_unit_test(bulk_that_was_refused_strangely_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
