#include "producer/callback_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct wb_callback_queue *queue_of(size_t waiting, unsigned in_flight)
{
	const struct wb_callback_queue_limits limits = {
		.waiting = waiting,
		.hosts = 40,
		.in_flight = in_flight,
		.per_host = 4,
	};

	return wb_callback_queue_new(&limits);
}

static const char *job(unsigned number)
{
	static char id[WB_JOB_ID_SIZE];

	(void)snprintf(id, sizeof id, "%032x", number);
	return id;
}

static void add(struct wb_callback_queue *q, unsigned number, int32_t partition, int64_t due_ms)
{
	wb_callback_queue_add(q, job(number), partition, 0, due_ms);
}

/* Adds a due callback and puts it in line. */
static void make_ready(struct wb_callback_queue *q, unsigned number, const char *host)
{
	struct wb_callback_item item;

	add(q, number, 0, 0);
	assert_true(wb_callback_queue_take_due(q, 0, &item));
	assert_string_equal(item.job, job(number));
	assert_true(wb_callback_queue_ready(q, item.handle, host));
}

static void in_the_order_of_their_times(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 64);
	struct wb_callback_item item;
	int64_t before = -1;
	unsigned count = 0;

	(void)state;
	assert_int_equal(wb_callback_queue_next_ms(q), INT64_MAX);
	assert_false(wb_callback_queue_take_due(q, INT64_MAX, &item));
	for (unsigned i = 0; i < 500; i++)
		add(q, i, (int32_t)(i % 4), (int64_t)(i * 7919 % 500));
	assert_int_equal(wb_callback_queue_count(q), 500);
	assert_int_equal(wb_callback_queue_next_ms(q), 0);
	assert_true(wb_callback_queue_take_due(q, 0, &item));
	assert_false(wb_callback_queue_take_due(q, 0, &item));
	wb_callback_queue_drop(q, item.handle);
	while (wb_callback_queue_take_due(q, 1000, &item)) {
		unsigned number = (unsigned)strtoul(item.job + 24, NULL, 16);
		int64_t due_ms = number * 7919 % 500;

		assert_true(due_ms >= before);
		assert_int_equal(item.partition, number % 4);
		before = due_ms;
		wb_callback_queue_drop(q, item.handle);
		count++;
	}
	assert_int_equal(count, 499);
	assert_int_equal(wb_callback_queue_count(q), 0);
	wb_callback_queue_free(&q);
	assert_null(q);
}

static void a_job_stands_in_it_once(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 64);
	struct wb_callback_item item;

	(void)state;
	add(q, 1, 0, 5);
	add(q, 1, 0, 3);
	assert_int_equal(wb_callback_queue_count(q), 1);
	assert_true(wb_callback_queue_take_due(q, 10, &item));
	add(q, 1, 0, 3); /* also while it is looked up, */
	assert_true(wb_callback_queue_ready(q, item.handle, "a"));
	add(q, 1, 0, 3); /* in line, */
	assert_true(wb_callback_queue_next(q, &item));
	add(q, 1, 0, 3); /* sent, */
	wb_callback_queue_answered(q, item.handle, true);
	add(q, 1, 0, 3); /* and recorded */
	assert_int_equal(wb_callback_queue_count(q), 1);
	wb_callback_queue_wait(q, item.handle, 3, 50);
	assert_false(wb_callback_queue_take_due(q, 49, &item));
	assert_true(wb_callback_queue_take_due(q, 50, &item));
	assert_int_equal(item.attempts, 3);
	wb_callback_queue_drop(q, item.handle);
	add(q, 1, 0, 3);
	assert_int_equal(wb_callback_queue_count(q), 1);
	wb_callback_queue_add(q, "no job id", 0, 0, 0);
	wb_callback_queue_add(q, "0123456789ABCDEF0123456789abcdef", 0, 0, 0);
	assert_int_equal(wb_callback_queue_count(q), 1);
	wb_callback_queue_free(&q);
}

static void hosts_take_turns(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 6);
	struct wb_callback_item item[6];
	static const unsigned order[] = { 0, 10, 20, 1, 11, 21 };

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		make_ready(q, i, "a");
	for (unsigned i = 10; i < 15; i++)
		make_ready(q, i, "b");
	for (unsigned i = 20; i < 25; i++)
		make_ready(q, i, "c");
	for (unsigned i = 0; i < 6; i++) {
		assert_true(wb_callback_queue_next(q, &item[i]));
		assert_string_equal(item[i].job, job(order[i]));
	}
	assert_int_equal(wb_callback_queue_in_flight(q, -1), 6);
	assert_int_equal(wb_callback_queue_in_flight(q, 0), 6);
	assert_int_equal(wb_callback_queue_in_flight(q, 1), 0);
	assert_false(wb_callback_queue_next(q, &item[0])); /* all places are taken */
	/* Answered is not enough: its outcome is to be recorded first. */
	wb_callback_queue_answered(q, item[5].handle, true);
	assert_false(wb_callback_queue_next(q, &item[0]));
	wb_callback_queue_drop(q, item[5].handle);
	assert_true(wb_callback_queue_next(q, &item[5]));
	assert_string_equal(item[5].job, job(2));
	wb_callback_queue_free(&q);
}

static void a_host_has_four_places(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 64);
	struct wb_callback_item item[5], other;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		make_ready(q, i, "a");
	for (unsigned i = 0; i < 4; i++)
		assert_true(wb_callback_queue_next(q, &item[i]));
	assert_false(wb_callback_queue_next(q, &item[4]));
	make_ready(q, 100, "b");
	assert_true(wb_callback_queue_next(q, &other));
	assert_string_equal(other.job, job(100));
	wb_callback_queue_answered(q, item[0].handle, true);
	assert_true(wb_callback_queue_next(q, &item[4]));
	assert_string_equal(item[4].job, job(4));
	wb_callback_queue_free(&q);
}

/* 30 hosts that do not answer have no more than half of the places, one each, and a good one is not held. */
static void suspects_have_half_of_the_places(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 16);
	struct wb_callback_item item[64];
	unsigned count = 0, number = 0;
	char host[16];

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(host, sizeof host, "dead-%u", i);
		make_ready(q, number++, host);
		assert_true(wb_callback_queue_next(q, &item[0]));
		wb_callback_queue_answered(q, item[0].handle, false);
		wb_callback_queue_drop(q, item[0].handle);
	}
	for (unsigned i = 0; i < 60; i++) {
		(void)snprintf(host, sizeof host, "dead-%u", i % 30);
		make_ready(q, number++, host);
	}
	while (wb_callback_queue_next(q, &item[count]))
		count++;
	assert_int_equal(count, 8);
	for (unsigned i = 0; i < 10; i++)
		make_ready(q, number++, "good");
	while (wb_callback_queue_next(q, &item[count]))
		count++;
	assert_int_equal(count, 8 + 4);
	/* A place that a suspect leaves goes to the next of them. */
	wb_callback_queue_answered(q, item[0].handle, false);
	wb_callback_queue_drop(q, item[0].handle);
	assert_true(wb_callback_queue_next(q, &item[0]));
	/* One that answers has its four places again. */
	wb_callback_queue_answered(q, item[1].handle, true);
	wb_callback_queue_drop(q, item[1].handle);
	assert_true(wb_callback_queue_next(q, &item[1]));
	wb_callback_queue_free(&q);
}

static void suspects_and_others_alternate(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 4);
	struct wb_callback_item item;
	unsigned suspects = 0;

	(void)state;
	make_ready(q, 1000, "dead");
	assert_true(wb_callback_queue_next(q, &item));
	wb_callback_queue_answered(q, item.handle, false);
	wb_callback_queue_drop(q, item.handle);
	for (unsigned i = 0; i < 10; i++)
		make_ready(q, 100 + i, "dead");
	for (unsigned i = 0; i < 10; i++)
		make_ready(q, i, "good");
	for (unsigned i = 0; i < 10; i++) {
		bool dead;

		assert_true(wb_callback_queue_next(q, &item));
		dead = strtoul(item.job + 24, NULL, 16) >= 100;
		suspects += dead;
		wb_callback_queue_answered(q, item.handle, !dead);
		wb_callback_queue_drop(q, item.handle);
	}
	assert_int_equal(suspects, 5);
	wb_callback_queue_free(&q);
}

/* A host that does not answer and has everything that there is room for: others have room nevertheless. */
static void the_longest_line_gives_way(void **state)
{
	struct wb_callback_queue *q = queue_of(100, 8);
	struct wb_callback_item item;
	unsigned sent = 0;

	(void)state;
	for (unsigned i = 0; i < 90; i++)
		make_ready(q, i, "dead");
	for (unsigned i = 90; i < 100; i++)
		make_ready(q, i, "good");
	assert_int_equal(wb_callback_queue_count(q), 100);
	make_ready(q, 100, "good");
	assert_int_equal(wb_callback_queue_count(q), 56);
	assert_false(wb_callback_queue_left_out(q, 0));
	while (wb_callback_queue_next(q, &item)) {
		assert_string_equal(item.job, job(sent % 2 ? 90 + sent / 2 : sent / 2));
		sent++;
		wb_callback_queue_answered(q, item.handle, true);
		wb_callback_queue_drop(q, item.handle);
		if (sent == 6)
			break;
	}
	assert_int_equal(wb_callback_queue_count(q), 50);
	assert_true(wb_callback_queue_left_out(q, 0));
	assert_false(wb_callback_queue_left_out(q, 0));
	for (unsigned i = 100; i < 150; i++)
		add(q, i, 0, 0);
	while (wb_callback_queue_next(q, &item)) {
		wb_callback_queue_answered(q, item.handle, true);
		wb_callback_queue_drop(q, item.handle);
		sent++;
	}
	assert_int_equal(sent, 45 + 11);
	wb_callback_queue_free(&q);
}

static void hosts_are_bounded(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 64);
	struct wb_callback_item item, first;
	char host[16];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(host, sizeof host, "h%u", i);
		make_ready(q, i, host);
	}
	assert_true(wb_callback_queue_next(q, &first));
	add(q, 40, 0, 0);
	assert_true(wb_callback_queue_take_due(q, 0, &item));
	assert_false(wb_callback_queue_ready(q, item.handle, "h40"));
	/* The first host has nothing any more: it makes room. */
	wb_callback_queue_answered(q, first.handle, true);
	assert_true(wb_callback_queue_ready(q, item.handle, "h40"));
	wb_callback_queue_drop(q, first.handle);
	wb_callback_queue_free(&q);
}

static void a_partition_that_goes_is_forgotten(void **state)
{
	struct wb_callback_queue *q = queue_of(1000, 3);
	struct wb_callback_item item, sent[3];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add(q, i, (int32_t)(i % 2), i);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(wb_callback_queue_take_due(q, 100, &item));
		assert_true(wb_callback_queue_ready(q, item.handle, i < 10 ? "a" : "b"));
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(wb_callback_queue_next(q, &sent[i]));
	assert_string_equal(sent[0].job, job(0));
	assert_string_equal(sent[2].job, job(1));
	wb_callback_queue_forget(q, 0);
	assert_int_equal(wb_callback_queue_count(q), 50 + 2);
	assert_int_equal(wb_callback_queue_in_flight(q, 0), 2);
	for (unsigned i = 0; i < 3; i++) {
		wb_callback_queue_answered(q, sent[i].handle, true);
		wb_callback_queue_drop(q, sent[i].handle);
	}
	for (unsigned left = 0; left < 49; left++) {
		while (!wb_callback_queue_next(q, &item)) {
			assert_true(wb_callback_queue_take_due(q, 100, &item));
			assert_true(wb_callback_queue_ready(q, item.handle, "a"));
		}
		assert_int_equal(item.partition, 1);
		wb_callback_queue_answered(q, item.handle, true);
		wb_callback_queue_drop(q, item.handle);
	}
	assert_int_equal(wb_callback_queue_count(q), 0);
	wb_callback_queue_free(&q);
}

static void what_is_latest_is_left_out(void **state)
{
	struct wb_callback_queue *q = queue_of(100, 64);
	struct wb_callback_item item;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add(q, i, 0, 1000 + (int64_t)i);
	assert_false(wb_callback_queue_left_out(q, 0));
	add(q, 200, 0, 5); /* soon, so there is room for it */
	assert_int_equal(wb_callback_queue_count(q), 51);
	add(q, 201, 0, 1050); /* not before what was left out */
	assert_int_equal(wb_callback_queue_count(q), 51);
	assert_false(wb_callback_queue_left_out(q, 0));
	assert_true(wb_callback_queue_take_due(q, 5, &item));
	assert_string_equal(item.job, job(200));
	wb_callback_queue_wait(q, item.handle, 1, 2000); /* left out, too */
	assert_int_equal(wb_callback_queue_count(q), 50);
	assert_true(wb_callback_queue_left_out(q, 0)); /* half of it is empty */
	assert_false(wb_callback_queue_left_out(q, 0)); /* said once */
	add(q, 201, 0, 1050);
	assert_int_equal(wb_callback_queue_count(q), 51);
	for (unsigned i = 0; i < 50; i++) {
		assert_true(wb_callback_queue_take_due(q, 1049, &item));
		assert_string_equal(item.job, job(i));
		wb_callback_queue_drop(q, item.handle);
	}
	assert_false(wb_callback_queue_take_due(q, 1049, &item));
	wb_callback_queue_free(&q);
}

static void what_is_due_again_comes_in_time(void **state)
{
	struct wb_callback_queue *q = queue_of(10, 64);

	(void)state;
	for (unsigned i = 0; i < 11; i++)
		add(q, i, 0, 100 + (int64_t)i);
	/* 5 were left out, from 105 on; the eleventh came after that. */
	assert_int_equal(wb_callback_queue_count(q), 5);
	for (unsigned i = 20; i < 25; i++)
		add(q, i, 0, 50);
	assert_int_equal(wb_callback_queue_count(q), 10);
	assert_false(wb_callback_queue_left_out(q, 104));
	assert_true(wb_callback_queue_left_out(q, 105));
	wb_callback_queue_free(&q);
}

/* What is due by now may be more than there is room for; a job that ends then is not left out. */
static void what_is_due_first_has_room_in_any_case(void **state)
{
	struct wb_callback_queue *q = queue_of(10, 64);
	struct wb_callback_item item;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add(q, i, 0, 1000);
	assert_int_equal(wb_callback_queue_count(q), 5);
	for (unsigned i = 200; i < 207; i++)
		add(q, i, 0, 0);
	for (unsigned i = 0; i < 7; i++) {
		assert_true(wb_callback_queue_take_due(q, 1000, &item));
		assert_in_range(strtoul(item.job + 24, NULL, 16), 200, 206);
	}
	assert_true(wb_callback_queue_left_out(q, 1000));
	wb_callback_queue_free(&q);
}

/* Against a plain model, as the index and the heap move under every step. */
static void many_steps_at_random(void **state)
{
	enum { JOBS = 200 };
	struct wb_callback_queue *q = queue_of(JOBS, 64);
	int64_t due[JOBS];
	uint32_t seed = 1;
	size_t count = 0;

	(void)state;
	for (unsigned i = 0; i < JOBS; i++)
		due[i] = -1;
	for (int64_t now_ms = 0; now_ms < 20000; now_ms++) {
		struct wb_callback_item item;
		unsigned number;

		seed = seed * 1664525u + 1013904223u;
		number = seed >> 8 & 0xff;
		if (number < JOBS && due[number] < 0) {
			due[number] = now_ms + (seed >> 20);
			add(q, number, 0, due[number]);
			count++;
		}
		if (wb_callback_queue_take_due(q, now_ms, &item)) {
			unsigned found = (unsigned)strtoul(item.job + 24, NULL, 16);

			assert_in_range(due[found], 0, now_ms);
			for (unsigned i = 0; i < JOBS; i++)
				assert_true(due[i] < 0 || due[i] >= due[found]);
			if (seed & 1) {
				due[found] = now_ms + (seed >> 21);
				wb_callback_queue_wait(q, item.handle, 1, due[found]);
			} else {
				due[found] = -1;
				wb_callback_queue_drop(q, item.handle);
				count--;
			}
		}
		assert_int_equal(wb_callback_queue_count(q), count);
	}
	wb_callback_queue_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_order_of_their_times),
		cmocka_unit_test(a_job_stands_in_it_once),
		cmocka_unit_test(hosts_take_turns),
		cmocka_unit_test(a_host_has_four_places),
		cmocka_unit_test(suspects_have_half_of_the_places),
		cmocka_unit_test(suspects_and_others_alternate),
		cmocka_unit_test(the_longest_line_gives_way),
		cmocka_unit_test(hosts_are_bounded),
		cmocka_unit_test(a_partition_that_goes_is_forgotten),
		cmocka_unit_test(what_is_latest_is_left_out),
		cmocka_unit_test(what_is_due_again_comes_in_time),
		cmocka_unit_test(what_is_due_first_has_room_in_any_case),
		cmocka_unit_test(many_steps_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
