#include "common/base/handover.h"

#include "common/base/compiler.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct item {
	struct wb_link link;
	int sender, number;
};

static void count_wake(void *arg)
{
	++*(int *)arg;
}

static void order_is_kept_and_ownership_moves(void **state)
{
	struct item items[5] = { 0 };
	struct wb_list batch = { 0 }, out = { 0 };
	struct wb_handover h;

	(void)state;
	wb_handover_init(&h, NULL, NULL);
	for (int i = 0; i < 4; i++) {
		items[i].number = i;
		wb_list_push(&batch, &items[i].link);
	}
	wb_handover_put(&h, &batch);
	assert_null(batch.head);
	assert_int_equal(batch.count, 0);
	items[4].number = 4;
	wb_handover_put_one(&h, &items[4].link);
	wb_handover_take(&h, &out);
	assert_int_equal(out.count, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(WB_CONTAINER_OF(wb_list_pop(&out), struct item, link)->number, i);
	wb_handover_release(&h);
}

static void only_the_first_of_an_empty_list_wakes(void **state)
{
	struct item items[3] = { 0 };
	struct wb_list out = { 0 }, nothing = { 0 };
	struct wb_handover h;
	int woken = 0;

	(void)state;
	wb_handover_init(&h, count_wake, &woken);
	wb_handover_put(&h, &nothing);
	assert_int_equal(woken, 0);
	wb_handover_put_one(&h, &items[0].link);
	wb_handover_put_one(&h, &items[1].link);
	assert_int_equal(woken, 1);
	wb_handover_take(&h, &out);
	wb_handover_put_one(&h, &items[2].link);
	assert_int_equal(woken, 2);
	wb_handover_take(&h, &out);
	assert_int_equal(out.count, 3);
	wb_handover_release(&h);
}

static void waiting_ends_without_anything_too(void **state)
{
	struct wb_list out = { 0 };
	struct wb_handover h;

	(void)state;
	wb_handover_init(&h, NULL, NULL);
	wb_handover_wait(&h, &out, 0);
	wb_handover_wait(&h, &out, 1);
	assert_int_equal(out.count, 0);
	wb_handover_release(&h);
}

enum { SENDERS = 3, EACH = 2000 };

struct sender {
	struct wb_handover *h;
	int number;
	struct item items[EACH];
};

static void *send_all(void *arg)
{
	struct sender *s = arg;

	for (int i = 0; i < EACH; i++) {
		s->items[i] = (struct item){ .sender = s->number, .number = i };
		wb_handover_put_one(s->h, &s->items[i].link);
	}
	return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
	struct sender *senders = calloc(SENDERS, sizeof *senders);
	int received = 0, next[SENDERS] = { 0 };
	struct wb_list out = { 0 };
	pthread_t threads[SENDERS];
	struct wb_handover h;
	struct wb_link *link;

	(void)state;
	assert_non_null(senders);
	wb_handover_init(&h, NULL, NULL);
	for (int i = 0; i < SENDERS; i++) {
		senders[i].h = &h;
		senders[i].number = i;
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	}
	while (received < SENDERS * EACH) {
		wb_handover_wait(&h, &out, 1000);
		while ((link = wb_list_pop(&out))) {
			struct item *item = WB_CONTAINER_OF(link, struct item, link);

			assert_int_equal(item->number, next[item->sender]++);
			received++;
		}
	}
	for (int i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	wb_handover_release(&h);
	free(senders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_kept_and_ownership_moves),
		cmocka_unit_test(only_the_first_of_an_empty_list_wakes),
		cmocka_unit_test(waiting_ends_without_anything_too),
		cmocka_unit_test(nothing_is_lost_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
