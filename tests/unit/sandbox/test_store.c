#include "sandbox/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

struct fixture {
	struct wb_store_budget budget;
	struct wb_store store;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .budget = { .max_bytes = INT64_C(1) << 40 } };
	wb_store_init(&f.store, &f.budget, 3);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	wb_store_release(&f->store);
	assert_int_equal(atomic_load(&f->budget.used_bytes), 0);
	return 0;
}

static struct wb_item_key key_of(const char *id, const char *pk)
{
	struct wb_item_key key = { .id = wb_slice_cstr(id), .pk = wb_slice_cstr(pk) };

	key.hash = wb_store_hash(key.id, key.pk);
	return key;
}

static struct wb_item *put(struct fixture *f, const char *id, const char *pk, const char *body)
{
	struct wb_item_key key = key_of(id, pk);
	struct wb_item *item = NULL;

	assert_int_equal(wb_store_put(&f->store, &key, wb_slice_cstr(body), 7, &item), WB_OK);
	return item;
}

static bool drop(struct fixture *f, const char *id, const char *pk)
{
	struct wb_item_key key = key_of(id, pk);

	return wb_store_remove(&f->store, &key);
}

static const struct wb_item *find(struct fixture *f, const char *id, const char *pk)
{
	struct wb_item_key key = key_of(id, pk);

	return wb_store_find(&f->store, &key);
}

static void an_item_is_its_id_and_its_partition_key(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "[\"p\"]", "1");
	put(f, "a", "[\"q\"]", "22");
	put(f, "ab", "[\"p\"]", "333");
	assert_int_equal(f->store.count, 3);
	assert_true(wb_slice_eq_cstr(wb_item_body(find(f, "a", "[\"p\"]")), "1"));
	assert_true(wb_slice_eq_cstr(wb_item_body(find(f, "a", "[\"q\"]")), "22"));
	assert_true(wb_slice_eq_cstr(wb_item_body(find(f, "ab", "[\"p\"]")), "333"));
	assert_null(find(f, "b", "[\"p\"]"));
	assert_int_equal(f->store.body_bytes, 6);
}

static void the_border_between_id_and_key_matters(void **state)
{
	struct fixture *f = *state;

	put(f, "ab", "c", "1");
	assert_null(find(f, "a", "bc"));
	put(f, "a", "bc", "2");
	assert_int_equal(f->store.count, 2);
}

static void a_replaced_item_keeps_its_number_and_gets_a_new_version(void **state)
{
	struct fixture *f = *state;
	struct wb_item *item = put(f, "a", "k", "short");
	uint64_t number = item->number, version = item->version;

	item = put(f, "a", "k", "a body that is a good deal longer than the first one was, so that it has to move");
	assert_int_equal(item->number, number);
	assert_true(item->version > version);
	assert_int_equal(f->store.count, 1);
	version = item->version;
	item = put(f, "a", "k", "x");
	assert_true(item->version > version);
	assert_true(wb_slice_eq_cstr(wb_item_body(find(f, "a", "k")), "x"));
	assert_int_equal(f->store.body_bytes, 1);
}

static void numbers_of_different_ranges_never_meet(void **state)
{
	struct fixture *f = *state;
	struct wb_item *item = put(f, "a", "k", "1");

	assert_int_equal(item->number >> 40, 3);
	assert_int_equal(wb_store_session_number(&f->store), 1);
}

static void a_removed_item_is_gone_and_can_come_back(void **state)
{
	struct fixture *f = *state;

	put(f, "a", "k", "1");
	assert_true(drop(f, "a", "k"));
	assert_false(drop(f, "a", "k"));
	assert_null(find(f, "a", "k"));
	assert_int_equal(f->store.count, 0);
	put(f, "a", "k", "2");
	assert_true(wb_slice_eq_cstr(wb_item_body(find(f, "a", "k")), "2"));
}

/* Walks as a feed does: every page begins behind the last number seen. */
static size_t walk(struct fixture *f, size_t page)
{
	uint64_t after = 0;
	size_t seen = 0;

	for (;;) {
		const struct wb_item *item = wb_store_after(&f->store, after);

		if (!item)
			return seen;
		for (size_t i = 0; item && i < page; i++) {
			assert_true(item->number > after);
			after = item->number;
			seen++;
			item = wb_store_next(&f->store, item);
		}
	}
}

static void a_walk_sees_every_item_once_in_the_order_of_creation(void **state)
{
	struct fixture *f = *state;
	char id[32];

	for (int i = 0; i < 5000; i++) {
		(void)snprintf(id, sizeof id, "item-%d", i);
		put(f, id, "k", "body");
	}
	put(f, "item-17", "k", "replaced: stays where it was");
	assert_int_equal(walk(f, 100), 5000);
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(id, sizeof id, "item-%d", i);
		if (i % 3)
			assert_true(drop(f, id, "k"));
	}
	assert_int_equal(f->store.count, 1667);
	assert_int_equal(walk(f, 7), 1667);
	for (int i = 0; i < 5000; i += 3) {
		(void)snprintf(id, sizeof id, "item-%d", i);
		assert_non_null(find(f, id, "k"));
	}
}

static void a_walk_goes_on_behind_an_item_that_was_removed_meanwhile(void **state)
{
	struct fixture *f = *state;
	uint64_t second;

	put(f, "1", "k", "x");
	second = put(f, "2", "k", "x")->number;
	put(f, "3", "k", "x");
	assert_true(drop(f, "2", "k"));
	assert_true(wb_slice_eq_cstr(wb_item_id(wb_store_after(&f->store, second)), "3"));
	assert_true(drop(f, "3", "k"));
	assert_null(wb_store_after(&f->store, second));
}

static void a_full_budget_refuses_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct wb_item_key key = key_of("b", "k");
	char large[4096];
	struct wb_item *item = NULL;

	memset(large, 'x', sizeof large);
	put(f, "a", "k", "1");
	f->budget.max_bytes = atomic_load(&f->budget.used_bytes) + 1000;
	assert_int_equal(wb_store_put(&f->store, &key, wb_slice(large, sizeof large), 7, &item), WB_EFULL);
	assert_null(item);
	assert_null(find(f, "b", "k"));
	key = key_of("a", "k");
	assert_int_equal(wb_store_put(&f->store, &key, wb_slice(large, sizeof large), 7, &item), WB_EFULL);
	assert_true(wb_slice_eq_cstr(wb_item_body(find(f, "a", "k")), "1"));
	put(f, "a", "k", "2");
}

static void an_item_ends_at_its_second(void **state)
{
	struct fixture *f = *state;

	wb_store_set_policies(&f->store, 10, NULL);
	put(f, "default", "k", "x");
	wb_store_set_ttl(&f->store, put(f, "never", "k", "x"), WB_STORE_TTL_NEVER);
	wb_store_set_ttl(&f->store, put(f, "long", "k", "x"), 100);
	wb_store_expire(&f->store, 16); /* written at 7 */
	assert_int_equal(f->store.count, 3);
	wb_store_expire(&f->store, 17);
	assert_null(find(f, "default", "k"));
	assert_int_equal(f->store.count, 2);
	wb_store_expire(&f->store, 107);
	assert_int_equal(f->store.count, 1);
	assert_non_null(find(f, "never", "k"));
	wb_store_expire(&f->store, UINT32_MAX);
	assert_int_equal(f->store.count, 1);
}

static void without_a_policy_nothing_ends(void **state)
{
	struct fixture *f = *state;

	wb_store_set_ttl(&f->store, put(f, "a", "k", "x"), 1);
	wb_store_expire(&f->store, UINT32_MAX);
	assert_non_null(find(f, "a", "k"));
}

static void by_a_policy_of_never_only_what_says_so_ends(void **state)
{
	struct fixture *f = *state;

	wb_store_set_policies(&f->store, WB_STORE_TTL_NEVER, NULL);
	put(f, "a", "k", "x");
	wb_store_set_ttl(&f->store, put(f, "b", "k", "x"), 5);
	wb_store_expire(&f->store, 12);
	assert_non_null(find(f, "a", "k"));
	assert_null(find(f, "b", "k"));
	wb_store_set_ttl(&f->store, put(f, "c", "k", "x"), 5);
	put(f, "c", "k", "y"); /* written anew without */
	wb_store_expire(&f->store, 1000);
	assert_non_null(find(f, "c", "k"));
}

static bool is_odd(void *arg, const struct wb_item *item)
{
	size_t *seen = arg;

	(*seen)++;
	return item->number % 2 == 1;
}

static bool taken(struct fixture *f, struct wb_store *s, const char *id, const char *body)
{
	struct wb_item_key key = key_of(id, "k");

	(void)f;
	return wb_store_conflicts(s, &key, wb_slice_cstr(body));
}

static void moved_items_stay_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct wb_unique_keys keys = { 0 };
	struct wb_store odd, both;
	const struct wb_item *item;
	char id[32], body[64];
	uint64_t before = 0;
	size_t seen = 0;

	assert_int_equal(wb_unique_keys_add(&keys, true, wb_slice_cstr("/n"), NULL), WB_OK);
	wb_store_set_policies(&f->store, 10, &keys);
	wb_store_init(&odd, &f->budget, 4);
	wb_store_set_policies(&odd, 10, &keys);
	wb_store_init(&both, &f->budget, 5);
	wb_store_set_policies(&both, 10, &keys);
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(id, sizeof id, "%d", i);
		(void)snprintf(body, sizeof body, "{\"n\":%d}", i);
		put(f, id, "k", body);
	}
	item = find(f, "7", "k");
	before = item->version;
	wb_store_move(&f->store, &odd, is_odd, &seen);
	assert_int_equal(seen, 3000);
	assert_int_equal(f->store.count, 1500);
	assert_int_equal(odd.count, 1500);
	assert_true(taken(f, &f->store, "new", "{\"n\":7}") != taken(f, &odd, "new", "{\"n\":7}"));
	wb_store_move(&odd, &both, NULL, NULL);
	wb_store_move(&f->store, &both, NULL, NULL);
	assert_int_equal(both.count, 3000);
	assert_int_equal(f->store.count + odd.count, 0);
	assert_int_equal(f->store.body_bytes + odd.body_bytes, 0);
	item = wb_store_find(
		&both, &(struct wb_item_key){ key_of("7", "k").hash, wb_slice_cstr("7"), wb_slice_cstr("k") });
	assert_non_null(item);
	assert_int_equal(item->version, before);
	before = 0;
	for (item = wb_store_after(&both, 0); item; item = wb_store_next(&both, item)) {
		assert_true(item->number > before);
		before = item->number;
	}
	assert_true(taken(f, &both, "new", "{\"n\":2999}"));
	wb_store_expire(&both, 17);
	assert_int_equal(both.count, 0);
	assert_false(taken(f, &both, "new", "{\"n\":2999}"));
	wb_store_release(&odd);
	wb_store_release(&both);
	wb_store_release(&f->store);
	wb_store_init(&f->store, &f->budget, 3);
	wb_unique_keys_release(&keys);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_item_is_its_id_and_its_partition_key),
		T(the_border_between_id_and_key_matters),
		T(a_replaced_item_keeps_its_number_and_gets_a_new_version),
		T(numbers_of_different_ranges_never_meet),
		T(a_removed_item_is_gone_and_can_come_back),
		T(a_walk_sees_every_item_once_in_the_order_of_creation),
		T(a_walk_goes_on_behind_an_item_that_was_removed_meanwhile),
		T(a_full_budget_refuses_and_changes_nothing),
		T(an_item_ends_at_its_second),
		T(without_a_policy_nothing_ends),
		T(by_a_policy_of_never_only_what_says_so_ends),
		T(moved_items_stay_as_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
