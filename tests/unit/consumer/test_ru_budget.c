/* A budget in virtual time: clients that always have work, a service that charges what a test says at some moment
 * between a request and its reply, and what was charged in any 10 s. */
#include "consumer/ru_budget.h"

#include "common/base/mem.h"
#include "common/base/prng.h"
#include "common/base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define WINDOW_MS     10000
#define CLIENTS_MAX   8
#define REQUESTS_MAX  64
#define OPERATIONS    100
#define SIMULATED_MAX 240000

struct flying {
	bool used;
	struct wb_ru_request request;
	struct wb_ru_operation operations[OPERATIONS];
	double reserved, charged;
	int64_t charged_ms, reply_ms;
};

/* One worker's range: it sends as soon as it may. */
struct client {
	struct wb_ru_budget *budget;
	const void *container;
	unsigned asker;
	size_t operations, bytes; /* of a request */
	unsigned concurrency;
	int64_t latency_ms;
	bool idle;
	int64_t again_ms;
	double got;
	struct flying flying[REQUESTS_MAX];
};

struct sim {
	struct wb_metrics *metrics;
	struct wb_prng random;
	struct client clients[CLIENTS_MAX];
	size_t client_count;
	double unit_price; /* of an operation of 1 KB; random around it */
	int64_t now_ms, begin_ms;
	double *charged; /* by ms from begin_ms */
};

static const char containers[4]; /* only their addresses count */

static struct sim *sim_new(void)
{
	struct sim *s = wb_xcalloc(1, sizeof *s);

	s->metrics = wb_metrics_new();
	s->random.state = 7;
	s->unit_price = 6;
	s->now_ms = s->begin_ms = 123456;
	s->charged = wb_xcalloc(SIMULATED_MAX, sizeof *s->charged);
	return s;
}

static void sim_free(struct sim *s)
{
	wb_metrics_free(&s->metrics);
	free(s->charged);
	free(s);
}

static struct client *client(struct sim *s, struct wb_ru_budget *budget, const void *container)
{
	struct client *c = &s->clients[s->client_count];

	*c = (struct client){ .budget = budget,
		.container = container,
		.asker = (unsigned)s->client_count++,
		.operations = OPERATIONS,
		.bytes = 1024,
		.concurrency = 4,
		.latency_ms = 10 };
	return c;
}

static double unit(struct sim *s)
{
	return (double)(wb_prng_next(&s->random) >> 11) / (double)(UINT64_C(1) << 53);
}

static void land(struct sim *s, struct client *c, struct flying *f)
{
	f->used = false;
	c->got += f->charged;
	wb_ru_budget_settle(c->budget, &f->request, f->reserved, f->charged, s->now_ms);
}

/* How it is charged is not known before its time. */
static void charge(struct sim *s, struct flying *f)
{
	for (size_t i = 0; i < f->request.count; i++) {
		double units = s->unit_price * (double)f->operations[i].bytes / 1024 * (0.5 + unit(s));

		f->operations[i].charged = units;
		f->charged += units;
	}
	s->charged[s->now_ms - s->begin_ms] += f->charged;
}

static bool send(struct sim *s, struct client *c, struct flying *f)
{
	int64_t latency_ms = 1 + (int64_t)((double)c->latency_ms * (0.5 + unit(s)));
	size_t n;

	f->request = (struct wb_ru_request){ .container = c->container,
		.asker = c->asker,
		.operations = f->operations,
		.count = c->operations,
		.behind = 1000 };
	for (size_t i = 0; i < c->operations; i++)
		f->operations[i] = (struct wb_ru_operation){ .bytes = c->bytes };
	n = wb_ru_budget_reserve(c->budget, &f->request, s->now_ms, &f->reserved, &c->again_ms);
	if (n == 0) {
		assert_true(c->again_ms > s->now_ms);
		return false;
	}
	assert_true(n <= c->operations);
	f->request.count = n;
	f->used = true;
	f->charged = 0;
	f->charged_ms = s->now_ms + (int64_t)((double)latency_ms * unit(s));
	f->reply_ms = s->now_ms + latency_ms;
	return true;
}

/* A place for one more request; NULL when its concurrency is reached. */
static struct flying *place(struct client *c)
{
	struct flying *free_one = NULL;
	unsigned in_flight = 0;

	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		if (c->flying[i].used)
			in_flight++;
		else
			free_one = &c->flying[i];
	}
	return in_flight < c->concurrency ? free_one : NULL;
}

static void step(struct sim *s, struct client *c)
{
	struct flying *f;

	for (size_t i = 0; i < REQUESTS_MAX; i++) {
		f = &c->flying[i];
		if (f->used && f->charged_ms == s->now_ms)
			charge(s, f);
		if (f->used && f->reply_ms == s->now_ms)
			land(s, c, f);
	}
	while (!c->idle && c->again_ms <= s->now_ms && (f = place(c)) && send(s, c, f)) {
		if (f->charged_ms == s->now_ms)
			charge(s, f);
	}
}

static void run(struct sim *s, int64_t ms)
{
	for (int64_t end_ms = s->now_ms + ms; s->now_ms < end_ms; s->now_ms++) {
		assert_true(s->now_ms - s->begin_ms < SIMULATED_MAX);
		for (size_t i = 0; i < s->client_count; i++)
			step(s, &s->clients[i]);
	}
}

static double charged_between(const struct sim *s, int64_t from_ms, int64_t to_ms)
{
	double units = 0;

	for (int64_t t = from_ms; t < to_ms; t++)
		units += s->charged[t - s->begin_ms];
	return units;
}

/* What the dearest 10 s were charged. */
static double worst(const struct sim *s)
{
	int64_t elapsed_ms = s->now_ms - s->begin_ms;
	double units = 0, most = 0;

	for (int64_t t = 0; t < elapsed_ms; t++) {
		units += s->charged[t];
		if (t >= WINDOW_MS)
			units -= s->charged[t - WINDOW_MS];
		most = units > most ? units : most;
	}
	return most;
}

static void is_within(const struct sim *s, double budget)
{
	if (worst(s) > 1.05 * 10 * budget)
		fail_msg("%.0f units in 10 s of a budget of %.0f a second", worst(s), budget);
}

/* Since from_ms at least that part of the budget was used. */
static void is_used(const struct sim *s, int64_t from_ms, double budget, double part)
{
	double units = charged_between(s, from_ms, s->now_ms);
	double seconds = (double)(s->now_ms - from_ms) / 1000;

	if (units < part * budget * seconds)
		fail_msg("%.0f units in %.0f s of a budget of %.0f a second", units, seconds, budget);
}

static struct wb_ru_budget *budget_of(struct sim *s, double units_per_s)
{
	struct wb_ru_budget *b = wb_ru_budget_new(s->metrics);

	wb_ru_budget_share(b, units_per_s, s->now_ms);
	return b;
}

static void any_ten_seconds_stay_within_and_it_is_used(void **state)
{
	static const double budgets[] = { 60, 400, 5000, 100000 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(budgets); i++) {
		struct sim *s = sim_new();
		struct wb_ru_budget *b = budget_of(s, budgets[i]);

		for (int k = 0; k < 4; k++)
			client(s, b, &containers[0])->concurrency = 16;
		run(s, 60000);
		is_within(s, budgets[i]);
		is_used(s, s->begin_ms + 15000, budgets[i], i == 0 ? 0.85 : 0.95); /* an operation is a tenth of 60 */
		wb_ru_budget_free(&b);
		sim_free(s);
	}
}

static void slow_replies_stay_within(void **state)
{
	static const struct {
		int64_t latency_ms;
		double used;
	} cases[] = { { 50, 0.9 }, { 100, 0.8 }, { 500, 0.5 }, { 3000, 0.15 } };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		struct sim *s = sim_new();
		struct wb_ru_budget *b = budget_of(s, 5000);

		for (int k = 0; k < 4; k++) {
			client(s, b, &containers[0])->latency_ms = cases[i].latency_ms;
			s->clients[k].concurrency = 32;
		}
		run(s, 60000);
		is_within(s, 5000);
		is_used(s, s->begin_ms + 20000, 5000, cases[i].used);
		wb_ru_budget_free(&b);
		sim_free(s);
	}
}

/* Nothing is known at the start, and operations cost a fiftieth to twenty times what one would think. */
static void a_cold_start_stays_within_whatever_operations_cost(void **state)
{
	static const double prices[] = { 0.2, 6, 60, 200 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(prices); i++) {
		struct sim *s = sim_new();
		struct wb_ru_budget *b = budget_of(s, 2000);

		s->unit_price = prices[i];
		for (int k = 0; k < 4; k++)
			client(s, b, &containers[0])->concurrency = 16;
		run(s, 40000);
		is_within(s, 2000);
		is_used(s, s->begin_ms + 15000, 2000, 0.75);
		wb_ru_budget_free(&b);
		sim_free(s);
	}
}

static void a_tenfold_rise_stays_within(void **state)
{
	static const int64_t latencies_ms[] = { 5, 50, 200 };

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(latencies_ms); i++) {
		struct sim *s = sim_new();
		struct wb_ru_budget *b = budget_of(s, 5000);

		for (int k = 0; k < 4; k++) {
			client(s, b, &containers[0])->latency_ms = latencies_ms[i];
			s->clients[k].concurrency = 32;
		}
		for (int k = 0; k < 4; k++) {
			s->unit_price = 6;
			run(s, 23000 + 17 * k);
			s->unit_price = 60;
			run(s, 20000);
		}
		is_within(s, 5000);
		wb_ru_budget_free(&b);
		sim_free(s);
	}
}

static void larger_documents_are_expected_to_cost_more(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 20000);
	struct client *c = client(s, b, &containers[0]);
	struct flying *f = &c->flying[0];

	(void)state;
	run(s, 20000);
	c->idle = true;
	run(s, 2000);
	c->operations = 1;
	c->bytes = 10 * 1024;
	assert_true(send(s, c, f));
	assert_true(f->reserved > 50 && f->reserved < 120);
	f->charged = f->reserved;
	f->operations[0].charged = f->reserved;
	land(s, c, f);
	wb_ru_budget_free(&b);
	sim_free(s);
}

static void one_operation_may_cost_more_than_a_second(void **state)
{
	static const double budgets[] = { 50, 5 }; /* 2 s, and 20 s */

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(budgets); i++) {
		struct sim *s = sim_new();
		struct wb_ru_budget *b = budget_of(s, budgets[i]);

		s->unit_price = 100;
		client(s, b, &containers[0]);
		(void)client(s, b, &containers[0]);
		run(s, 200000);
		is_used(s, s->begin_ms, budgets[i], 0.5);
		if (budgets[i] * 10 > 150)
			is_within(s, budgets[i]);
		else
			assert_true(worst(s) < 300); /* never two of them */
		wb_ru_budget_free(&b);
		sim_free(s);
	}
}

/* Processes of one group, whose shares move among them; what comes with a share comes at its rate. */
static void shares_that_move_stay_within_together(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b[3] = { budget_of(s, 4000), budget_of(s, 0), budget_of(s, 0) };
	int64_t settled_ms;

	(void)state;
	for (int k = 0; k < 3; k++) {
		client(s, b[k], &containers[0])->concurrency = 16;
		s->clients[k].asker = 0;
	}
	for (int round = 0; round < 30; round++) {
		int to = (int)(unit(s) * 4);

		run(s, 200 + (int64_t)(unit(s) * 6000));
		for (int k = 0; k < 3; k++)
			wb_ru_budget_share(b[k], to == 3 ? 4000 / 3.0 : to == k ? 4000 : 0, s->now_ms);
	}
	is_within(s, 4000);
	for (int k = 0; k < 3; k++)
		wb_ru_budget_share(b[k], 4000 / 3.0, s->now_ms);
	run(s, 10000);
	settled_ms = s->now_ms;
	run(s, 20000);
	is_within(s, 4000);
	is_used(s, settled_ms, 4000, 0.9);
	for (int k = 0; k < 3; k++)
		wb_ru_budget_free(&b[k]);
	sim_free(s);
}

static void a_new_share_has_no_credit(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 0);
	int64_t begin_ms;

	(void)state;
	client(s, b, &containers[0])->concurrency = 16;
	run(s, 30000);
	assert_true(charged_between(s, s->begin_ms, s->now_ms) <= 0);
	begin_ms = s->now_ms;
	wb_ru_budget_share(b, 1000, s->now_ms);
	for (int ms = 100; ms <= 3000; ms += 100) {
		run(s, 100);
		assert_true(charged_between(s, begin_ms, s->now_ms) <= 1.05 * ms);
	}
	wb_ru_budget_free(&b);
	sim_free(s);
}

/* As after a suspension: what was not used is gone. */
static void a_leap_of_time_is_no_credit(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 1000);
	int64_t begin_ms;

	(void)state;
	client(s, b, &containers[0])->concurrency = 16;
	run(s, 20000);
	s->clients[0].idle = true;
	run(s, 1000);
	s->now_ms += 100000;
	s->clients[0].idle = false;
	begin_ms = s->now_ms;
	run(s, 1000);
	assert_true(charged_between(s, begin_ms, s->now_ms) <= 1300);
	wb_ru_budget_free(&b);
	sim_free(s);
}

/* 1 client of the first container, 6 of the second. */
static void containers_have_equal_parts_whatever_they_send(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 5000);
	double first, others = 0;

	(void)state;
	client(s, b, &containers[0])->operations = 10;
	for (int k = 0; k < 6; k++)
		client(s, b, &containers[1])->bytes = 4096;
	run(s, 40000);
	first = s->clients[0].got;
	for (int k = 1; k < 7; k++) {
		others += s->clients[k].got;
		assert_true(s->clients[k].got > 0.1 * first); /* in turn */
	}
	if (first < 0.9 * others || first > 1.1 * others)
		fail_msg("%.0f and %.0f", first, others);
	is_used(s, s->begin_ms + 10000, 5000, 0.85);
	wb_ru_budget_free(&b);
	sim_free(s);
}

static void what_one_container_does_not_need_is_the_others(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 5000);
	struct client *slow = client(s, b, &containers[0]), *busy = client(s, b, &containers[1]);
	double before;

	(void)state;
	slow->concurrency = 1;
	slow->operations = 1;
	slow->latency_ms = 100; /* 60 units a second */
	run(s, 20000);
	before = busy->got;
	run(s, 20000);
	assert_true(busy->got - before > 0.9 * 5000 * 20);
	assert_true(slow->got > 40 * 40);
	slow->idle = true;
	run(s, 1000);
	before = busy->got;
	run(s, 20000);
	assert_true(busy->got - before > 0.9 * 5000 * 20);
	/* It comes back with no more than its part. */
	slow->idle = false;
	slow->operations = OPERATIONS;
	slow->concurrency = 16;
	slow->latency_ms = 10;
	before = busy->got;
	run(s, 10000);
	assert_true(busy->got - before > 0.4 * 5000 * 10);
	is_within(s, 5000);
	wb_ru_budget_free(&b);
	sim_free(s);
}

static void one_worker_with_all_the_work_has_all_of_it(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 5000);

	(void)state;
	for (int k = 0; k < 8; k++)
		client(s, b, &containers[0])->idle = k > 0;
	run(s, 40000);
	is_used(s, s->begin_ms + 10000, 5000, 0.95);
	wb_ru_budget_free(&b);
	sim_free(s);
}

/* Where the server has no bulk, an operation is a request. */
static void single_operations_of_many_workers_use_it(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 20000);

	(void)state;
	for (int k = 0; k < 8; k++) {
		struct client *c = client(s, b, &containers[k % 2]);

		c->operations = 1;
		c->concurrency = 32;
	}
	run(s, 30000);
	is_within(s, 20000);
	is_used(s, s->begin_ms + 10000, 20000, 0.9);
	wb_ru_budget_free(&b);
	sim_free(s);
}

/* A large one is not starved by the small ones of others. */
static void a_large_operation_has_its_turn(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 1000);
	struct client *large;

	(void)state;
	for (int k = 0; k < 3; k++)
		client(s, b, &containers[0])->operations = 1;
	large = client(s, b, &containers[0]);
	large->operations = 1;
	large->bytes = 100 * 1024; /* 600 units */
	run(s, 60000);
	assert_true(large->got > 3000);
	is_within(s, 1000);
	wb_ru_budget_free(&b);
	sim_free(s);
}

/* Replies without a word are settled with what was expected; the first of a kind goes alone meanwhile. */
static void the_first_of_a_kind_goes_alone(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 10000);
	struct wb_ru_operation operations[3] = { { .kind = 1 }, { .kind = 1 }, { .kind = 2 } };
	struct wb_ru_request r = { &containers[0], 0, operations, 3, false, 0 }, other = r;
	int64_t again_ms = 0;
	double units = 0;

	(void)state;
	s->now_ms += 2000;
	assert_int_equal(wb_ru_budget_reserve(b, &r, s->now_ms, &units, &again_ms), 1);
	assert_true(units >= 10);
	assert_int_equal(wb_ru_budget_reserve(b, &r, s->now_ms, &units, &again_ms), 0);
	other.container = &containers[1]; /* another container does not wait for it */
	assert_int_equal(wb_ru_budget_reserve(b, &other, s->now_ms, &units, &again_ms), 1);
	operations[0].charged = 8;
	r.count = 1;
	wb_ru_budget_settle(b, &r, 10, 8, s->now_ms);
	r.count = 3;
	s->now_ms += 1000;
	assert_int_equal(wb_ru_budget_reserve(b, &r, s->now_ms, &units, &again_ms), 2); /* the third is of a new kind */
	assert_true(units > 15 && units < 17);
	wb_ru_budget_free(&b);
	sim_free(s);
}

static void a_whole_request_is_not_parted(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 1000);
	struct wb_ru_operation operations[OPERATIONS] = { { .bytes = 1024 } };
	struct wb_ru_request r = { &containers[0], 0, operations, 1, false, 0 };
	int64_t again_ms = 0;
	double units = 0;
	size_t n;

	(void)state;
	s->now_ms += 5000;
	assert_int_equal(wb_ru_budget_reserve(b, &r, s->now_ms, &units, &again_ms), 1);
	operations[0].charged = 10;
	wb_ru_budget_settle(b, &r, units, 10, s->now_ms);
	r.count = OPERATIONS;
	r.whole = true;
	for (int k = 0; (n = wb_ru_budget_reserve(b, &r, s->now_ms, &units, &again_ms)) == 0; k++) {
		assert_true(k < 1000);
		s->now_ms = again_ms;
	}
	assert_int_equal(n, OPERATIONS);
	wb_ru_budget_free(&b);
	sim_free(s);
}

#define THREADS 2
#define TURNS   20000

struct worker {
	struct wb_ru_budget *budget;
	unsigned asker;
	_Atomic int64_t *now_ms;
	double got;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < TURNS; i++) {
		struct wb_ru_operation operations[10] = { { .charged = -1 } };
		struct wb_ru_request r = { &containers[w->asker % 2], w->asker, operations, 10, false, 100 };
		int64_t now_ms = atomic_fetch_add(w->now_ms, 1), again_ms;
		double units;

		r.count = wb_ru_budget_reserve(w->budget, &r, now_ms, &units, &again_ms);
		if (r.count == 0)
			continue;
		for (size_t k = 0; k < r.count; k++)
			operations[k].charged = 5;
		w->got += 5.0 * (double)r.count;
		wb_ru_budget_settle(w->budget, &r, units, 5.0 * (double)r.count, now_ms + 1);
	}
	return NULL;
}

static void two_threads_share_one(void **state)
{
	struct sim *s = sim_new();
	struct wb_ru_budget *b = budget_of(s, 2000);
	_Atomic int64_t now_ms = s->now_ms;
	struct worker workers[THREADS] = { { b, 0, &now_ms, 0 }, { b, 1, &now_ms, 0 } };
	pthread_t threads[THREADS];
	double seconds = THREADS * TURNS / 1000.0;

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		threads[i] = wb_thread_start("test", work, &workers[i]);
	for (int i = 0; i < 100; i++)
		wb_ru_budget_share(b, 2000, atomic_load(&now_ms));
	for (size_t i = 0; i < THREADS; i++)
		wb_thread_join(threads[i]);
	assert_true(workers[0].got + workers[1].got <= 1.05 * 2000 * seconds);
	wb_ru_budget_free(&b);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_ten_seconds_stay_within_and_it_is_used),
		cmocka_unit_test(slow_replies_stay_within),
		cmocka_unit_test(a_cold_start_stays_within_whatever_operations_cost),
		cmocka_unit_test(a_tenfold_rise_stays_within),
		cmocka_unit_test(larger_documents_are_expected_to_cost_more),
		cmocka_unit_test(one_operation_may_cost_more_than_a_second),
		cmocka_unit_test(shares_that_move_stay_within_together),
		cmocka_unit_test(a_new_share_has_no_credit),
		cmocka_unit_test(a_leap_of_time_is_no_credit),
		cmocka_unit_test(containers_have_equal_parts_whatever_they_send),
		cmocka_unit_test(what_one_container_does_not_need_is_the_others),
		cmocka_unit_test(one_worker_with_all_the_work_has_all_of_it),
		cmocka_unit_test(single_operations_of_many_workers_use_it),
		cmocka_unit_test(a_large_operation_has_its_turn),
		cmocka_unit_test(the_first_of_a_kind_goes_alone),
		cmocka_unit_test(a_whole_request_is_not_parted),
		cmocka_unit_test(two_threads_share_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
