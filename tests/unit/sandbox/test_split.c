#include "sandbox/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define V1    "{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"]}}"
#define V2    "{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"],\"version\":2}}"
#define MULTI "{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\",\"/b\"],\"kind\":\"MultiHash\"}}"
#define NONE  wb_slice(NULL, 0)

static struct wb_store_budget budget = { .max_bytes = 1 << 30 };
static const struct wb_split_completion at_once;

static struct wb_container *make(const char *definition, unsigned ranges, uint32_t first_range)
{
	const struct wb_container_place place = { .database_name = "db",
		.database_rid = "AAAAAQ==",
		.database_number = 1,
		.number = 2,
		.first_range = first_range };
	struct wb_resource_result result;
	struct wb_container *c = wb_container_new(
		&place, wb_slice_cstr(definition), ranges, &budget, 1700000000, &result);

	assert_non_null(c);
	return c;
}

/* The range of a key's text. */
static struct wb_range *range_of(const struct wb_container *c, const char *pk_text)
{
	struct wb_buf scratch;
	struct wb_pk pk;
	struct wb_epk epk;

	wb_buf_init(&scratch, 16384);
	assert_int_equal(wb_pk_parse(wb_slice_cstr(pk_text), 0, &scratch, &pk, NULL), WB_REASON_NONE);
	wb_pk_hash(c->key.kind, &pk, &epk);
	wb_buf_release(&scratch);
	return wb_container_range_of(c, &epk);
}

static struct wb_item_key key_of(const char *id, const char *pk_text)
{
	struct wb_item_key key = { .id = wb_slice_cstr(id), .pk = wb_slice_cstr(pk_text) };

	key.hash = wb_store_hash(key.id, key.pk);
	return key;
}

static void put(struct wb_container *c, int i, const char *pk_text, uint32_t now_s)
{
	struct wb_item_key key;
	struct wb_item *item;
	char id[32];

	(void)snprintf(id, sizeof id, "i%d", i);
	key = key_of(id, pk_text);
	assert_int_equal(
		wb_store_put(&range_of(c, pk_text)->store, &key, wb_slice_cstr("{\"id\":\"x\"}"), now_s, &item), WB_OK);
}

static const struct wb_item *find(const struct wb_container *c, int i, const char *pk_text)
{
	struct wb_item_key key;
	char id[32];

	(void)snprintf(id, sizeof id, "i%d", i);
	key = key_of(id, pk_text);
	return wb_store_find(&range_of(c, pk_text)->store, &key);
}

static void pk_text_of(const struct wb_container *c, int i, char ret[64])
{
	(void)snprintf(ret, 64, c->key.paths.count == 2 ? "[\"k%d\",{}]" : "[\"k%d\"]", i);
}

enum { ITEMS = 2000 };

struct seen {
	uint64_t number, version;
	uint32_t written_s;
};

static void fill(struct wb_container *c, struct seen *seen)
{
	char pk[64];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < ITEMS; i += 1 + round) {
			pk_text_of(c, i, pk);
			put(c, i, pk, (uint32_t)(1000 + i + round));
		}
	for (int i = 0; i < ITEMS; i++) {
		const struct wb_item *item;

		pk_text_of(c, i, pk);
		item = find(c, i, pk);
		seen[i] = (struct seen){ item->number, item->version, item->written_s };
	}
}

/* Every document is found where its key says, as it was; ranges cover everything; feeds are in order. */
static void assert_whole(const struct wb_container *c, const struct seen *seen)
{
	size_t documents = 0;
	char pk[64];

	assert_string_equal(c->ranges[0]->min_text, "");
	assert_string_equal(c->ranges[c->range_count - 1]->max_text, "FF");
	for (unsigned i = 0; i < c->range_count; i++) {
		const struct wb_store *store = &c->ranges[i]->store;
		const struct wb_item *item = wb_store_after(store, 0);
		uint64_t last = 0;

		if (i)
			assert_string_equal(c->ranges[i]->min_text, c->ranges[i - 1]->max_text);
		for (; item; item = wb_store_next(store, item)) {
			assert_true(item->number > last);
			last = item->number;
			documents++;
		}
	}
	assert_int_equal(documents, ITEMS);
	for (int i = 0; i < ITEMS; i++) {
		const struct wb_item *item;

		pk_text_of(c, i, pk);
		item = find(c, i, pk);
		assert_non_null(item);
		assert_true(item->number == seen[i].number && item->version == seen[i].version);
		assert_int_equal(item->written_s, seen[i].written_s);
	}
}

static void documents_survive_splits_and_merges_of_every_kind(void **state)
{
	static const char *const kinds[] = { V1, V2, MULTI };
	static struct seen seen[ITEMS];

	(void)state;
	for (size_t k = 0; k < WB_ARRAY_LEN(kinds); k++) {
		struct wb_container *c = make(kinds[k], 2, 0);
		struct wb_split_result r;
		struct wb_error why;
		int64_t used = atomic_load(&budget.used_bytes), full;

		fill(c, seen);
		full = atomic_load(&budget.used_bytes);
		for (int i = 0; i < 6; i++) {
			size_t before = c->ranges[0]->store.count, left;

			for (unsigned j = 1; j < c->range_count; j++)
				if (c->ranges[j]->store.count > before)
					before = c->ranges[j]->store.count;
			assert_int_equal(wb_container_split(c, NONE, NONE, &at_once, &r, &why), WB_OK);
			left = wb_container_range_by_id(c, wb_slice_cstr(r.came[0]))->store.count;
			/* The largest was taken, and cut in halves. */
			assert_in_range(left, before * 4 / 10, before * 6 / 10);
			assert_whole(c, seen);
		}
		assert_int_equal(c->range_count, 8);
		while (c->range_count > 1) {
			unsigned i = c->range_count / 2 - 1;

			assert_int_equal(wb_container_merge(c, wb_slice_cstr(c->ranges[i + 1]->id),
						 wb_slice_cstr(c->ranges[i]->id), &at_once, &r, &why),
				WB_OK);
			assert_whole(c, seen);
		}
		assert_true(atomic_load(&budget.used_bytes) == full);
		wb_container_release(&c);
		assert_true(atomic_load(&budget.used_bytes) == used);
	}
}

static void children_know_their_parents_and_ids_are_new(void **state)
{
	struct wb_container *c = make(V2, 3, 0);
	struct wb_split_result r;
	struct wb_error why;
	struct wb_range *merged;
	uint64_t version = c->ranges_version;

	(void)state;
	assert_int_equal(wb_container_split(c, wb_slice_cstr("1"), NONE, &at_once, &r, &why), WB_OK);
	assert_string_equal(r.gone[0], "1");
	assert_string_equal(r.came[0], "3");
	assert_string_equal(r.came[1], "4");
	assert_ptr_equal(wb_container_range_by_id(c, wb_slice_cstr("3")), c->ranges[1]);
	assert_ptr_equal(wb_container_range_by_id(c, wb_slice_cstr("4")), c->ranges[2]);
	assert_null(wb_container_range_by_id(c, wb_slice_cstr("1")));
	assert_non_null(wb_container_retired_by_id(c, wb_slice_cstr("1")));
	assert_true(c->ranges_version > version);
	assert_int_equal(c->ranges[1]->ancestor_count, 1);
	assert_int_equal(c->ranges[1]->ancestors[0], 1);
	assert_int_equal(wb_container_merge(c, wb_slice_cstr("4"), wb_slice_cstr("2"), &at_once, &r, &why), WB_OK);
	merged = wb_container_range_by_id(c, wb_slice_cstr(r.came[0]));
	assert_string_equal(merged->id, "5");
	/* All that it comes from: whoever missed the split still learns that 1 is gone. */
	assert_int_equal(merged->ancestor_count, 3);
	assert_int_equal(merged->ancestors[0], 1);
	assert_int_equal(merged->ancestors[1], 2);
	assert_int_equal(merged->ancestors[2], 4);
	wb_container_release(&c);
}

static unsigned count_since(const struct wb_container *c, uint64_t since)
{
	struct wb_buf b;
	unsigned count;

	wb_buf_init(&b, 1 << 20);
	count = wb_container_render_ranges(c, since, &b);
	wb_buf_release(&b);
	return count;
}

static void the_feed_tells_what_is_new_since_an_etag(void **state)
{
	struct wb_container *c = make(V2, 4, 0), *other = make(V2, 4, 9);
	char first[WB_ETAG_SIZE], second[WB_ETAG_SIZE];
	struct wb_split_result r;
	struct wb_error why;

	(void)state;
	wb_container_ranges_etag(c, first);
	assert_int_equal(count_since(c, 0), 4);
	assert_int_equal(wb_container_split(c, wb_slice_cstr("2"), NONE, &at_once, &r, &why), WB_OK);
	wb_container_ranges_etag(c, second);
	assert_string_not_equal(first, second);
	assert_int_equal(count_since(c, wb_container_ranges_since(c, wb_slice_cstr(first))), 2);
	assert_int_equal(wb_container_merge(c, wb_slice_cstr("0"), wb_slice_cstr("1"), &at_once, &r, &why), WB_OK);
	assert_int_equal(count_since(c, wb_container_ranges_since(c, wb_slice_cstr(first))), 3);
	assert_int_equal(count_since(c, wb_container_ranges_since(c, wb_slice_cstr(second))), 1);
	assert_int_equal(count_since(c, 0), 4);
	/* What is no etag of this container's feed asks for everything. */
	assert_int_equal(wb_container_ranges_since(c, wb_slice_cstr("\"7\"")), 0);
	assert_int_equal(wb_container_ranges_since(c, wb_slice_cstr("x")), 0);
	assert_int_equal(wb_container_ranges_since(c, wb_slice_cstr("")), 0);
	wb_container_release(&other);
	wb_container_release(&c);
}

static void the_border_can_be_chosen(void **state)
{
	static const char at[] = "15000000000000000000000000000000";
	struct wb_container *c = make(V2, 2, 0);
	struct wb_split_result r;
	struct wb_error why;

	(void)state;
	assert_int_equal(wb_container_split(c, wb_slice_cstr("0"), wb_slice_cstr(at), &at_once, &r, &why), WB_OK);
	assert_string_equal(r.border, at);
	assert_string_equal(c->ranges[0]->max_text, at);
	/* An empty range is cut in the middle. */
	assert_int_equal(wb_container_split(c, wb_slice_cstr("1"), NONE, &at_once, &r, &why), WB_OK);
	assert_string_equal(r.border, "30000000000000000000000000000000");
	wb_container_release(&c);
}

static void what_cannot_be_done_is_refused_and_changes_nothing(void **state)
{
	struct wb_container *c = make(V2, 4, 0);
	struct wb_split_result r;
	struct wb_error why;
	uint64_t version = c->ranges_version;

	(void)state;
	assert_int_equal(wb_container_split(c, wb_slice_cstr("9"), NONE, &at_once, &r, &why), WB_EINVAL);
	assert_int_equal(wb_container_split(c, wb_slice_cstr("0"), wb_slice_cstr("3F"), &at_once, &r, &why), WB_EINVAL);
	assert_int_equal(wb_container_split(c, wb_slice_cstr("0"), wb_slice_cstr(""), &at_once, &r, &why), WB_EINVAL);
	assert_int_equal(wb_container_split(c, wb_slice_cstr("0"), wb_slice_cstr("xy"), &at_once, &r, &why), WB_EINVAL);
	assert_int_equal(wb_container_merge(c, wb_slice_cstr("0"), wb_slice_cstr("2"), &at_once, &r, &why), WB_EINVAL);
	assert_int_equal(wb_container_merge(c, wb_slice_cstr("1"), wb_slice_cstr("1"), &at_once, &r, &why), WB_EINVAL);
	assert_int_equal(wb_container_merge(c, wb_slice_cstr("0"), wb_slice_cstr("9"), &at_once, &r, &why), WB_EINVAL);
	assert_true(c->ranges_version == version);
	assert_int_equal(c->range_count, 4);
	wb_container_release(&c);
	c = make(V2, WB_RANGES_MAX, 0);
	assert_int_equal(wb_container_split(c, NONE, NONE, &at_once, &r, &why), WB_EFULL);
	wb_container_release(&c);
}

static void a_narrow_range_of_version_1_cannot_be_split(void **state)
{
	/* Between two neighbouring hashes there is no third. */
	struct wb_container *c = make(V1, 1, 0);
	struct wb_split_result r;
	struct wb_error why;
	struct wb_epk a, b;
	char a_text[2 * WB_EPK_SIZE_MAX + 1], b_text[2 * WB_EPK_SIZE_MAX + 1];

	(void)state;
	wb_pk_border(WB_PK_HASH_V1, UINT64_C(1000) << 30, &a);
	wb_pk_border(WB_PK_HASH_V1, UINT64_C(1001) << 30, &b);
	wb_epk_text(&a, a_text);
	wb_epk_text(&b, b_text);
	assert_int_equal(wb_container_split(c, NONE, wb_slice_cstr(a_text), &at_once, &r, &why), WB_OK);
	assert_int_equal(wb_container_split(c, wb_slice_cstr("2"), wb_slice_cstr(b_text), &at_once, &r, &why), WB_OK);
	assert_int_equal(wb_container_split(c, wb_slice_cstr("3"), NONE, &at_once, &r, &why), WB_EINVAL);
	wb_container_release(&c);
}

static void one_key_has_its_documents_on_one_side(void **state)
{
	struct wb_container *c = make(V2, 1, 0);
	struct wb_split_result r;
	struct wb_error why;

	(void)state;
	for (int i = 0; i < 100; i++)
		put(c, i, "[\"same\"]", 1000);
	assert_int_equal(wb_container_split(c, NONE, NONE, &at_once, &r, &why), WB_OK);
	assert_int_equal(c->ranges[0]->store.count + c->ranges[1]->store.count, 100);
	assert_true(c->ranges[0]->store.count == 0 || c->ranges[1]->store.count == 0);
	wb_container_release(&c);
}

static void policies_hold_in_the_children(void **state)
{
	struct wb_container *c = make(
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"],\"version\":2},\"defaultTtl\":60,"
		"\"uniqueKeyPolicy\":{\"uniqueKeys\":[{\"paths\":[\"/u\"]}]}}",
		1, 0);
	const struct wb_slice body = wb_slice_cstr("{\"id\":\"a\",\"u\":1}");
	const struct wb_item_key a = key_of("a", "[\"p\"]"), b = key_of("b", "[\"p\"]");
	struct wb_split_result r;
	struct wb_error why;
	struct wb_store *store;
	struct wb_item *item;

	(void)state;
	assert_int_equal(wb_store_put(&c->ranges[0]->store, &a, body, 1000, &item), WB_OK);
	assert_int_equal(wb_container_split(c, NONE, NONE, &at_once, &r, &why), WB_OK);
	store = &range_of(c, "[\"p\"]")->store;
	assert_true(wb_store_conflicts(store, &b, body));
	assert_false(wb_store_conflicts(store, &a, body));
	wb_store_expire(store, 1059);
	assert_non_null(wb_store_find(store, &a));
	wb_store_expire(store, 1060);
	assert_null(wb_store_find(store, &a));
	assert_false(wb_store_conflicts(store, &b, body));
	wb_container_release(&c);
}

static void documents_move_to_a_container_made_anew(void **state)
{
	static struct seen seen[ITEMS];
	struct wb_container *from = make(V2, 3, 0), *to;
	struct wb_split_result r;
	struct wb_error why;

	(void)state;
	fill(from, seen);
	assert_int_equal(wb_container_split(from, NONE, NONE, &at_once, &r, &why), WB_OK);
	to = make(V2, 3, from->next_range);
	wb_container_move_documents(from, to);
	assert_whole(to, seen);
	wb_container_release(&from);
	assert_whole(to, seen);
	wb_container_release(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_survive_splits_and_merges_of_every_kind),
		cmocka_unit_test(children_know_their_parents_and_ids_are_new),
		cmocka_unit_test(the_feed_tells_what_is_new_since_an_etag),
		cmocka_unit_test(the_border_can_be_chosen),
		cmocka_unit_test(what_cannot_be_done_is_refused_and_changes_nothing),
		cmocka_unit_test(a_narrow_range_of_version_1_cannot_be_split),
		cmocka_unit_test(one_key_has_its_documents_on_one_side),
		cmocka_unit_test(policies_hold_in_the_children),
		cmocka_unit_test(documents_move_to_a_container_made_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
