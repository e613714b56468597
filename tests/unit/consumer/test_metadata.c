#include "tests/unit/consumer/metadata_fixture.h"

static void a_container_is_read_when_it_is_asked_for(void **state)
{
	struct fixture f;

	(void)state;
	start_known(&f);
	UNTIL(wb_health_ready(f.health));
	assert_ptr_equal(ask_for(&f), f.c);
	assert_int_equal(wb_container_definition(f.c)->kind, WB_PK_HASH_V2);
	assert_int_equal(wb_container_definition(f.c)->paths.count, 1);
	assert_string_equal(route(f.c, 0x30)->id, "0");
	assert_true(route(f.c, 0x30)->bulk);
	assert_true(wb_container_bulk(f.c));
	assert_string_equal(wb_container_docs_path(f.c), "/dbs/d/colls/c/docs");
	assert_true(wb_slice_eq_cstr(wb_container_link(f.c), "dbs/d/colls/c"));
	UNTIL(atomic_load(&f.changes) > 0);
	stop(&f);
}

static void a_split_and_a_merge_are_followed_after_a_refresh(void **state)
{
	struct wb_range *whole, *half;
	struct fixture f;

	(void)state;
	start_known(&f);
	whole = route(f.c, 0x30);
	set_text(&f.s, &f.s.ranges, TWO_RANGES);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(atomic_load(&whole->gone));
	half = route(f.c, 0x30);
	assert_string_equal(half->id, "2");
	assert_string_equal(route(f.c, 0x10)->id, "1");
	assert_false(atomic_load(&half->gone));
	set_text(&f.s, &f.s.ranges, "{\"id\":\"3\",\"minInclusive\":\"\",\"maxExclusive\":\"FF\"}");
	wb_metadata_refresh(f.m, f.c);
	UNTIL(atomic_load(&half->gone));
	assert_string_equal(route(f.c, 0x10)->id, "3");
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_KNOWN);
	assert_int_equal(count_of(&f.s, &f.s.probes), 1); /* whether it does bulk is known */
	UNTIL(atomic_load(&f.changes) >= 3);
	stop(&f);
}

static void made_anew_with_its_key_all_ranges_are_new_and_bulk_is_asked_again(void **state)
{
	struct wb_range *before, *after;
	struct fixture f;

	(void)state;
	start_known(&f);
	before = route(f.c, 0x30);
	set_flag(&f.s, &f.s.bulk, false);
	set_text(&f.s, &f.s.rid, "rid2");
	wb_metadata_refresh(f.m, f.c);
	UNTIL(atomic_load(&before->gone));
	after = route(f.c, 0x30);
	assert_ptr_not_equal(after, before);
	assert_string_equal(after->id, "0");
	assert_false(after->bulk);
	assert_true(before->bulk);
	assert_ptr_equal(ask_for(&f), f.c);
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_KNOWN);
	stop(&f);
}

static void made_anew_with_another_key_it_is_another_object(void **state)
{
	static const char *const keys[] = { "{\"paths\":[\"/other\"],\"kind\":\"Hash\",\"version\":2}",
		"{\"paths\":[\"/pk\"],\"kind\":\"Hash\"}",
		"{\"paths\":[\"/pk\",\"/b\"],\"kind\":\"MultiHash\",\"version\":2}" };
	static const enum wb_pk_kind kinds[] = { WB_PK_HASH_V2, WB_PK_HASH_V1, WB_PK_MULTI_HASH };
	struct fixture f;

	(void)state;
	start_known(&f);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		struct wb_container *old = f.c;

		set_text(&f.s, &f.s.key, keys[i]);
		wb_metadata_refresh(f.m, old);
		UNTIL(wb_container_state(old) == WB_CONTAINER_STALE);
		assert_non_null(route(old, 0x30)); /* for those who still hold it */
		f.c = ask_for(&f);
		assert_ptr_not_equal(f.c, old);
		UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
		assert_int_equal(wb_container_definition(f.c)->kind, kinds[i]);
		assert_int_equal(wb_container_state(old), WB_CONTAINER_STALE);
	}
	UNTIL(wb_health_ready(f.health));
	stop(&f);
}

static void a_key_that_is_not_handled_is_told(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_text(&f.s, &f.s.key, "{\"paths\":[\"/pk\"],\"kind\":\"Range\"}");
	f.c = ask_for(&f);
	UNTIL(health_says(&f, "kind Range version 1"));
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_UNKNOWN);
	set_text(&f.s, &f.s.key, HASH_V2);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	stop(&f);
}

static void what_does_not_exist_is_missing_until_it_does(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_text(&f.s, &f.s.rid, NULL);
	f.c = ask_for(&f);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_MISSING);
	UNTIL(health_says(&f, "container c of database d does not exist since 20"));
	assert_true(health_says(&f, "its writes wait"));
	assert_false(wb_health_ready(f.health));
	set_text(&f.s, &f.s.rid, "rid1");
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN); /* nobody has to ask for it */
	UNTIL(wb_health_ready(f.health));
	stop(&f);
}

static void what_was_known_can_go_missing_and_come_back(void **state)
{
	struct wb_range *before;
	struct fixture f;

	(void)state;
	start_known(&f);
	before = route(f.c, 0x30);
	set_text(&f.s, &f.s.rid, NULL);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_MISSING);
	assert_ptr_equal(route(f.c, 0x30), before); /* it was known: its functions go on */
	set_text(&f.s, &f.s.rid, "rid2");
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_true(atomic_load(&before->gone)); /* before anybody is told */
	assert_ptr_not_equal(route(f.c, 0x30), before);
	stop(&f);
}

static void *ask_often(void *arg)
{
	struct fixture *f = arg;

	for (unsigned i = 0; i < 1000; i++)
		wb_metadata_refresh(f->m, f->c);
	return NULL;
}

static void a_storm_is_one_reading_at_a_time(void **state)
{
	struct wb_range *whole;
	pthread_t threads[4];
	unsigned before;
	struct fixture f;

	(void)state;
	start_known(&f);
	whole = route(f.c, 0x30);
	before = count_of(&f.s, &f.s.containers);
	set_flag(&f.s, &f.s.hold, true);
	set_text(&f.s, &f.s.ranges, TWO_RANGES);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(count_of(&f.s, &f.s.containers) == before + 1);
	for (unsigned i = 0; i < 4; i++)
		threads[i] = wb_thread_start("storm", ask_often, &f);
	for (unsigned i = 0; i < 4; i++)
		wb_thread_join(threads[i]);
	set_flag(&f.s, &f.s.hold, false);
	UNTIL(atomic_load(&whole->gone));
	/* What was asked for during the reading is answered by one more. */
	UNTIL(count_of(&f.s, &f.s.containers) == before + 2);
	(void)poll(NULL, 0, 300);
	assert_int_equal(count_of(&f.s, &f.s.containers), before + 2);
	stop(&f);
}

static bool is_at(struct fixture *f, const char *endpoint)
{
	return strcmp(wb_account_endpoint(wb_metadata_account(f->m)), endpoint) == 0;
}

static void a_fail_over_is_followed_there_and_back(void **state)
{
	struct service other;
	char place[64], slashed[80], home[80];
	struct fixture f;

	(void)state;
	start_known(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	(void)snprintf(slashed, sizeof slashed, "%s/", place);
	(void)snprintf(home, sizeof home, "%s/", f.endpoint);
	set_text(&f.s, &f.s.place, slashed);
	assert_true(is_at(&f, f.endpoint)); /* what an account advertises counts only once writes are refused */
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, place));
	wb_metadata_refresh(f.m, f.c);
	UNTIL(count_of(&other, &other.containers) > 0);
	set_text(&f.s, &f.s.place, home);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, f.endpoint));
	stop(&f);
	service_stop(&other);
}

static void a_dead_place_is_left_when_the_account_says_so(void **state)
{
	struct service other;
	char place[64], home[80];
	struct fixture f;

	(void)state;
	start_known(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	(void)snprintf(home, sizeof home, "%s/", f.endpoint);
	set_text(&f.s, &f.s.place, place);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, place));
	set_flag(&other, &other.away, true);
	set_text(&f.s, &f.s.place, home);
	wb_metadata_refresh(f.m, f.c); /* nobody there says 403; it gets no answer at all */
	UNTIL(is_at(&f, f.endpoint));
	stop(&f);
	service_stop(&other);
}

static void when_home_is_dead_the_place_we_are_at_is_asked(void **state)
{
	struct service other;
	char place[64], home[80];
	struct fixture f;

	(void)state;
	start_known(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	(void)snprintf(home, sizeof home, "%s/", f.endpoint);
	set_text(&f.s, &f.s.place, place);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, place));
	set_flag(&f.s, &f.s.away, true);
	set_text(&other, &other.place, home);
	wb_metadata_relocate(f.m);
	UNTIL(is_at(&f, f.endpoint));
	stop(&f);
	service_stop(&other);
}

static void a_useless_place_moves_nothing(void **state)
{
	struct fixture f;

	(void)state;
	start_known(&f);
	set_text(&f.s, &f.s.place, "ftp://nowhere/");
	wb_metadata_relocate(f.m);
	UNTIL(count_of(&f.s, &f.s.accounts) == 1);
	set_text(&f.s, &f.s.place, "");
	wb_metadata_relocate(f.m);
	UNTIL(count_of(&f.s, &f.s.accounts) == 2);
	assert_true(is_at(&f, f.endpoint));
	stop(&f);
}

/* No write is sent before the container is known, so nobody else would hear of the fail-over. */
static void a_fail_over_before_the_first_write_is_followed(void **state)
{
	struct service other;
	char place[64];
	struct fixture f;

	(void)state;
	start(&f);
	service_start(&other);
	(void)snprintf(place, sizeof place, "http://127.0.0.1:%u", other.port);
	set_text(&f.s, &f.s.place, place);
	set_flag(&f.s, &f.s.moved_away, true);
	f.c = ask_for(&f);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_true(is_at(&f, place));
	stop(&f);
	service_stop(&other);
}

static void a_service_that_is_away_is_waited_for(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	set_flag(&f.s, &f.s.away, true);
	f.c = ask_for(&f);
	UNTIL(count_of(&f.s, &f.s.containers) >= 2);
	assert_int_equal(wb_container_state(f.c), WB_CONTAINER_UNKNOWN);
	UNTIL(health_says(&f, "dbs/d/colls/c: "));
	set_flag(&f.s, &f.s.away, false);
	UNTIL(wb_container_state(f.c) == WB_CONTAINER_KNOWN);
	assert_true(is_at(&f, f.endpoint));
	assert_int_equal(count_of(&f.s, &f.s.accounts), 0);
	stop(&f);
}

static void the_end_does_not_wait_for_an_answer(void **state)
{
	struct fixture f;

	(void)state;
	start_known(&f);
	set_flag(&f.s, &f.s.hold, true);
	wb_metadata_refresh(f.m, f.c);
	UNTIL(count_of(&f.s, &f.s.containers) == 2);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_read_when_it_is_asked_for),
		cmocka_unit_test(a_split_and_a_merge_are_followed_after_a_refresh),
		cmocka_unit_test(made_anew_with_its_key_all_ranges_are_new_and_bulk_is_asked_again),
		cmocka_unit_test(made_anew_with_another_key_it_is_another_object),
		cmocka_unit_test(a_key_that_is_not_handled_is_told),
		cmocka_unit_test(what_does_not_exist_is_missing_until_it_does),
		cmocka_unit_test(what_was_known_can_go_missing_and_come_back),
		cmocka_unit_test(a_storm_is_one_reading_at_a_time),
		cmocka_unit_test(a_fail_over_is_followed_there_and_back),
		cmocka_unit_test(a_dead_place_is_left_when_the_account_says_so),
		cmocka_unit_test(when_home_is_dead_the_place_we_are_at_is_asked),
		cmocka_unit_test(a_useless_place_moves_nothing),
		cmocka_unit_test(a_fail_over_before_the_first_write_is_followed),
		cmocka_unit_test(a_service_that_is_away_is_waited_for),
		cmocka_unit_test(the_end_does_not_wait_for_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
