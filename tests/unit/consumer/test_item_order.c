#include "consumer/item_order.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Only the addresses count. */
static const char containers[2];

static const struct wb_container *container(unsigned i)
{
	return (const struct wb_container *)(const void *)&containers[i];
}

static struct wb_write make(const char *pk_text, const char *id)
{
	return (struct wb_write){
		.container = container(0), .pk_text = wb_slice_cstr(pk_text), .id = wb_slice_cstr(id)
	};
}

static bool enter(struct wb_item_order *o, struct wb_write *w)
{
	wb_item_order_expect(o, w);
	return wb_item_order_enter(o, w);
}

static void the_first_of_an_item_may_go_and_the_others_follow_in_order(void **state)
{
	struct wb_item_order *o = wb_item_order_new(1);
	struct wb_write a = make("[\"p\"]", "x"), b = make("[\"p\"]", "x"), c = make("[\"p\"]", "x");

	(void)state;
	assert_true(enter(o, &a));
	assert_false(enter(o, &b));
	assert_false(enter(o, &c));
	assert_int_equal(wb_item_order_waiting(o), 2);
	assert_int_equal(wb_item_order_items(o), 1);
	assert_ptr_equal(wb_item_order_leave(o, &a), &b);
	assert_ptr_equal(wb_item_order_leave(o, &b), &c);
	assert_int_equal(wb_item_order_waiting(o), 0);
	assert_int_equal(wb_item_order_items(o), 1);
	assert_null(wb_item_order_leave(o, &c));
	assert_int_equal(wb_item_order_items(o), 0);
	wb_item_order_free(&o);
	assert_null(o);
	wb_item_order_free(&o);
}

static void container_key_and_id_make_an_item(void **state)
{
	struct wb_item_order *o = wb_item_order_new(2);
	struct wb_write writes[] = {
		make("[\"p\"]", "x"), make("[\"p\"]", "y"), make("[\"q\"]", "x"),
		make("[\"p\"]", "x"),  /* in the other container, below */
		make("[\"p\"]x", "x"), /* the same bytes as the next, divided otherwise */
		make("[\"p\"]", "xx"), make("[\"p\"]", "x\0"), /* ends before the zero byte; see below */
	};

	(void)state;
	writes[3].container = container(1);
	writes[6].id.len = 2;
	for (size_t i = 0; i < WB_ARRAY_LEN(writes); i++)
		assert_true(enter(o, &writes[i]));
	assert_int_equal(wb_item_order_items(o), WB_ARRAY_LEN(writes));
	for (size_t i = 0; i < WB_ARRAY_LEN(writes); i++)
		assert_null(wb_item_order_leave(o, &writes[i]));
	wb_item_order_free(&o);
}

static void the_hash_depends_on_the_seed(void **state)
{
	struct wb_write w = make("[\"p\"]", "x");
	uint64_t seen[3];

	(void)state;
	for (uint64_t seed = 0; seed < 3; seed++) {
		struct wb_item_order *o = wb_item_order_new(seed / 2);

		assert_true(enter(o, &w));
		seen[seed] = w.item_hash;
		assert_null(wb_item_order_leave(o, &w));
		wb_item_order_free(&o);
	}
	assert_true(seen[0] == seen[1]);
	assert_true(seen[0] != seen[2]);
}

static void bytes_of_an_entered_write_may_move(void **state)
{
	struct wb_item_order *o = wb_item_order_new(3);
	char first[] = "id", second[] = "id";
	struct wb_write a = make("[1]", first), b = make("[1]", "id");

	(void)state;
	assert_true(enter(o, &a));
	a.id.data = second;
	memset(first, 0, sizeof first);
	assert_false(enter(o, &b));
	assert_ptr_equal(wb_item_order_leave(o, &a), &b);
	memset(second, 0, sizeof second);
	assert_null(wb_item_order_leave(o, &b));
	wb_item_order_free(&o);
}

static void a_newer_plain_upsert_takes_the_place_of_a_waiting_one(void **state)
{
	struct wb_item_order *o = wb_item_order_new(7);
	struct wb_write a = make("[1]", "x"), b = make("[1]", "x"), c = make("[1]", "x"), d = make("[1]", "x");

	(void)state;
	assert_true(enter(o, &a));
	assert_null(wb_item_order_replace(o, &a));
	assert_false(enter(o, &b));
	assert_false(enter(o, &c));
	assert_ptr_equal(wb_item_order_replace(o, &a), &b);
	assert_ptr_equal(wb_item_order_replace(o, &b), &c);
	assert_ptr_equal(c.older, &b);
	assert_ptr_equal(b.older, &a);
	assert_int_equal(wb_item_order_waiting(o), 0);
	assert_int_equal(wb_item_order_items(o), 1);
	/* It will not be written: each gets its place back in turn, in log order, with the newer behind it. */
	assert_false(enter(o, &d));
	assert_ptr_equal(wb_item_order_restore(o, &c), &b);
	assert_ptr_equal(wb_item_order_restore(o, &b), &a);
	assert_int_equal(wb_item_order_waiting(o), 3);
	assert_ptr_equal(wb_item_order_leave(o, &a), &b);
	assert_ptr_equal(wb_item_order_leave(o, &b), &c);
	assert_ptr_equal(wb_item_order_leave(o, &c), &d);
	assert_null(wb_item_order_leave(o, &d));
	wb_item_order_free(&o);
}

static void nothing_but_a_plain_upsert_of_the_same_assignment_is_replaced_or_replaces(void **state)
{
	struct wb_assignment here = { .partition = 1 }, there = { .partition = 2 };
	struct wb_item_order *o = wb_item_order_new(8);

	(void)state;
	for (int which = 0; which < 2; which++) {
		for (int what = 0; what < 9; what++) {
			struct wb_write w[2] = { make("[1]", "x"), make("[1]", "x") };

			w[0].assignment = w[1].assignment = &here;
			switch (what) {
			case 0:
			case 1:
			case 2:
			case 3:
				w[which].op = (enum wb_op[]){ WB_OP_CREATE, WB_OP_REPLACE, WB_OP_DELETE,
					WB_OP_PATCH }[what];
				break;
			case 4:
				w[which].if_match = wb_slice_cstr("etag");
				w[which].conditional = true;
				break;
			case 5:
				w[which].if_none_match = wb_slice_cstr("*");
				w[which].conditional = true;
				break;
			case 6:
				w[which].step = WB_STEP_READ;
				break;
			case 7:
				w[which].assignment = &there;
				break;
			default: /* nothing that hinders */
				break;
			}
			assert_true(enter(o, &w[0]));
			assert_false(enter(o, &w[1]));
			if (what < 8) {
				assert_null(wb_item_order_replace(o, &w[0]));
				assert_ptr_equal(wb_item_order_leave(o, &w[0]), &w[1]);
			} else {
				assert_ptr_equal(wb_item_order_replace(o, &w[0]), &w[1]);
			}
			assert_null(wb_item_order_leave(o, &w[1]));
		}
	}
	wb_item_order_free(&o);
}

static bool odd_offset(void *arg, const struct wb_write *w)
{
	(void)arg;
	return w->offset % 2;
}

static void withdrawal_takes_waiting_writes_and_leaves_heads(void **state)
{
	struct wb_item_order *o = wb_item_order_new(4);
	struct wb_write w[6], late = make("[1]", "x");
	struct wb_list out = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++) {
		w[i] = make("[1]", "x");
		w[i].offset = i + 1;
		assert_int_equal(enter(o, &w[i]), i == 0);
	}
	wb_item_order_withdraw(o, odd_offset, NULL, &out);
	assert_int_equal(out.count, 2);
	assert_ptr_equal(wb_write_of(wb_list_pop(&out)), &w[2]);
	assert_ptr_equal(wb_write_of(wb_list_pop(&out)), &w[4]);
	assert_int_equal(wb_item_order_waiting(o), 3);
	assert_false(enter(o, &late));
	assert_ptr_equal(wb_item_order_leave(o, &w[0]), &w[1]);
	assert_ptr_equal(wb_item_order_leave(o, &w[1]), &w[3]);
	assert_ptr_equal(wb_item_order_leave(o, &w[3]), &w[5]);
	assert_ptr_equal(wb_item_order_leave(o, &w[5]), &late);
	assert_null(wb_item_order_leave(o, &late));
	wb_item_order_free(&o);
}

static void withdrawing_the_last_keeps_the_chain_whole(void **state)
{
	struct wb_item_order *o = wb_item_order_new(5);
	struct wb_write head = make("[1]", "x"), gone = make("[1]", "x"), next = make("[1]", "x");
	struct wb_list out = { 0 };

	(void)state;
	gone.offset = 1;
	assert_true(enter(o, &head));
	assert_false(enter(o, &gone));
	wb_item_order_withdraw(o, odd_offset, NULL, &out);
	assert_int_equal(out.count, 1);
	assert_false(enter(o, &next));
	assert_ptr_equal(wb_item_order_leave(o, &head), &next);
	assert_null(wb_item_order_leave(o, &next));
	wb_item_order_free(&o);
}

/* Many items at once: the table grows, and shrinks again while they leave in another order than they came. */
static void a_hundred_thousand_items_come_and_go(void **state)
{
	enum { ITEMS = 100000 };
	struct wb_item_order *o = wb_item_order_new(6);
	struct wb_write *w = calloc(ITEMS, sizeof *w);
	char(*ids)[16] = calloc(ITEMS, sizeof *ids);

	(void)state;
	assert_non_null(w);
	assert_non_null(ids);
	for (size_t i = 0; i < ITEMS; i++) {
		assert_true(snprintf(ids[i], sizeof ids[i], "id-%zu", i) > 0);
		w[i] = make("[\"p\"]", ids[i]);
		assert_true(enter(o, &w[i]));
	}
	assert_int_equal(wb_item_order_items(o), ITEMS);
	for (size_t i = 0; i < ITEMS; i++)
		assert_null(wb_item_order_leave(o, &w[i * 77773 % ITEMS]));
	assert_int_equal(wb_item_order_items(o), 0);
	wb_item_order_free(&o);
	free(w);
	free(ids);
}

/* The naive model: for each item its writes in order, oldest first. */
enum { MODEL_ITEMS = 24, MODEL_WRITES = 64 };
struct model {
	struct wb_write *of_item[MODEL_ITEMS][MODEL_WRITES];
	size_t count[MODEL_ITEMS];
};

static void model_remove(struct model *m, size_t item, size_t at)
{
	m->count[item]--;
	for (size_t i = at; i < m->count[item]; i++)
		m->of_item[item][i] = m->of_item[item][i + 1];
}

static size_t model_item_of(const struct wb_write *w)
{
	return (size_t)(w->id.data[0] - 'a');
}

static void model_enter(struct model *m, struct wb_item_order *o, size_t item, struct wb_write *w, int64_t offset)
{
	static const char names[] = "abcdefghijklmnopqrstuvwxyz";

	*w = make(item % 2 ? "[1]" : "[2]", "");
	w->container = container(item % 3 == 0);
	w->id = wb_slice(&names[item], 1);
	w->offset = offset;
	assert_int_equal(enter(o, w), m->count[item] == 0);
	m->of_item[item][m->count[item]++] = w;
}

static void model_withdraw(struct model *m, struct wb_item_order *o)
{
	struct wb_list out = { 0 };
	struct wb_write *w;

	wb_item_order_withdraw(o, odd_offset, NULL, &out);
	while ((w = wb_write_of(wb_list_pop(&out)))) {
		size_t item = model_item_of(w), at = 1;

		/* Each must be its item's first withdrawable one: log order is kept. */
		while (at < m->count[item] && !odd_offset(NULL, m->of_item[item][at]))
			at++;
		assert_true(at < m->count[item]);
		assert_ptr_equal(m->of_item[item][at], w);
		model_remove(m, item, at);
	}
	for (size_t item = 0; item < MODEL_ITEMS; item++) {
		for (size_t i = 1; i < m->count[item]; i++)
			assert_false(odd_offset(NULL, m->of_item[item][i]));
	}
}

static void check_counts(const struct model *m, const struct wb_item_order *o)
{
	size_t items = 0, waiting = 0;

	for (size_t i = 0; i < MODEL_ITEMS; i++) {
		items += m->count[i] > 0;
		waiting += m->count[i] > 0 ? m->count[i] - 1 : 0;
	}
	assert_int_equal(wb_item_order_items(o), items);
	assert_int_equal(wb_item_order_waiting(o), waiting);
}

static void one_random_sequence(uint64_t seed, struct wb_write *pool, size_t steps)
{
	struct wb_item_order *o = wb_item_order_new(seed);
	struct wb_prng random = { .state = seed };
	struct model m = { .count = { 0 } };

	for (size_t step = 0; step < steps; step++) {
		size_t item = wb_prng_next(&random) % MODEL_ITEMS;
		unsigned what = (unsigned)(wb_prng_next(&random) % 16);

		if (what < 9 && m.count[item] < MODEL_WRITES) {
			model_enter(&m, o, item, &pool[step], (int64_t)step);
		} else if (what < 15 && m.count[item] > 0) {
			struct wb_write *next = wb_item_order_leave(o, m.of_item[item][0]);

			model_remove(&m, item, 0);
			assert_ptr_equal(next, m.count[item] ? m.of_item[item][0] : NULL);
		} else if (what == 15) {
			model_withdraw(&m, o);
		}
		check_counts(&m, o);
	}
	for (size_t item = 0; item < MODEL_ITEMS; item++) {
		while (m.count[item] > 0) {
			struct wb_write *next = wb_item_order_leave(o, m.of_item[item][0]);

			model_remove(&m, item, 0);
			assert_ptr_equal(next, m.count[item] ? m.of_item[item][0] : NULL);
		}
	}
	wb_item_order_free(&o);
}

static void random_sequences_agree_with_the_naive_model(void **state)
{
	enum { STEPS = 500, SEEDS = 2000 };
	struct wb_write *pool = calloc(STEPS, sizeof *pool);

	(void)state;
	assert_non_null(pool);
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		one_random_sequence(seed, pool, STEPS);
	free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_an_item_may_go_and_the_others_follow_in_order),
		cmocka_unit_test(container_key_and_id_make_an_item),
		cmocka_unit_test(the_hash_depends_on_the_seed),
		cmocka_unit_test(bytes_of_an_entered_write_may_move),
		cmocka_unit_test(a_newer_plain_upsert_takes_the_place_of_a_waiting_one),
		cmocka_unit_test(nothing_but_a_plain_upsert_of_the_same_assignment_is_replaced_or_replaces),
		cmocka_unit_test(withdrawal_takes_waiting_writes_and_leaves_heads),
		cmocka_unit_test(withdrawing_the_last_keeps_the_chain_whole),
		cmocka_unit_test(a_hundred_thousand_items_come_and_go),
		cmocka_unit_test(random_sequences_agree_with_the_naive_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
