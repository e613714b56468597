#include "model.h"

#include "common/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* More than any world needs that comes to rest. */
#define STEPS_MAX 3000000
#define REST_MS   (4 * 3600 * 1000)

uint64_t model_random(struct model_world *world, uint64_t n)
{
	return wb_prng_next(&world->random) % n;
}

bool model_chance(struct model_world *world, unsigned per_mille)
{
	return per_mille && model_random(world, 1000) < per_mille;
}

bool model_faults(const struct model_world *world)
{
	return world->now_ms < world->plan.faults_end_ms;
}

void model_note(struct model_world *world, const char *what, int64_t a, int64_t b, int64_t c, int64_t d)
{
	world->trace[world->traced++ % WB_ARRAY_LEN(world->trace)] = (struct model_trace){ world->now_ms, what, a, b, c,
		d };
}

void model_fail(struct model_world *world, const char *format, ...)
{
	size_t shown = world->traced < WB_ARRAY_LEN(world->trace) ? world->traced : WB_ARRAY_LEN(world->trace);
	va_list args;

	for (size_t i = world->traced - shown; i < world->traced; i++) {
		const struct model_trace *t = &world->trace[i % WB_ARRAY_LEN(world->trace)];

		(void)fprintf(stderr, "%9lld  %-52s %lld %lld %lld %lld\n", (long long)t->at_ms, t->what,
			(long long)t->a, (long long)t->b, (long long)t->c, (long long)t->d); /* a test's own report */
	}
	(void)fprintf(stderr, "WB_SEED=%llu, at %lld ms: ", (unsigned long long)world->seed, (long long)world->now_ms);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, "\n");
	fail();
	abort();
}

static bool before(const struct model_event *a, const struct model_event *b)
{
	return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

static void push(struct model_world *world, struct model_event event)
{
	size_t i = world->event_count++;

	if (world->event_count > world->event_capacity) {
		world->event_capacity = world->event_capacity ? 2 * world->event_capacity : 256;
		world->events = wb_xrealloc(world->events, world->event_capacity * sizeof *world->events);
	}
	for (; i > 0 && before(&event, &world->events[(i - 1) / 2]); i = (i - 1) / 2)
		world->events[i] = world->events[(i - 1) / 2];
	world->events[i] = event;
}

static struct model_event pop(struct model_world *world)
{
	struct model_event first = world->events[0], last = world->events[--world->event_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < world->event_count) {
		if (child + 1 < world->event_count && before(&world->events[child + 1], &world->events[child]))
			child++;
		if (!before(&world->events[child], &last))
			break;
		world->events[i] = world->events[child];
		i = child;
	}
	world->events[i] = last;
	return first;
}

void model_at(struct model_world *world, int64_t in_ms, struct model_consumer *consumer, model_event_fn fn, void *arg)
{
	push(world,
		(struct model_event){
			world->now_ms + (in_ms > 0 ? in_ms : 0), world->event_order++, fn, arg, consumer });
}

static unsigned some(struct model_world *world, const unsigned *choices, size_t count)
{
	return choices[model_random(world, count)];
}

static void make_plan(struct model_world *world)
{
	static const unsigned rates[] = { 0, 10, 50, 200, 400 };
	static const unsigned latencies[] = { 1, 10, 100, 400 };
	static const unsigned arrivals[] = { 200, 2000, 20000 };
	struct model_plan *p = &world->plan;

	*p = (struct model_plan){
		.request_fault = some(world, rates, WB_ARRAY_LEN(rates)),
		.operation_fault = some(world, rates, WB_ARRAY_LEN(rates)),
		.request_kinds = (unsigned)wb_prng_next(&world->random),
		.operation_kinds = (unsigned)wb_prng_next(&world->random),
		.latency_ms = some(world, latencies, WB_ARRAY_LEN(latencies)) + 1,
		.refresh_ms = 1 + (int64_t)model_random(world, 500),
		.record_ms = 1 + (int64_t)model_random(world, 300),
		.arrivals_ms = some(world, arrivals, WB_ARRAY_LEN(arrivals)),
		.retry_max_ms = 900000,
		.faults_max = UINT32_MAX,
		.bulk = !model_chance(world, 250),
		.plain_only = model_chance(world, 350),
		.concurrency = 1 + (int64_t)model_random(world, 4),
		.linger_ms = (int64_t)model_random(world, 4) * 3,
		.gap_max = 10 + model_random(world, 200),
	};
	if (model_chance(world, 150)) {
		/* Patience is short enough, and the world long enough, for what fails alone to die of it. */
		p->retry_max_ms = 100000;
		p->faults_max = 7;
		p->arrivals_ms = 300000;
		p->no_reading = model_chance(world, 400);
	}
	p->poll_ms = 1 + p->arrivals_ms / (5 + (int64_t)model_random(world, 2) * 395);
	p->faults_end_ms = MODEL_EPOCH_MS + p->arrivals_ms * (2 + (int64_t)model_random(world, 4)) / 2;
}

void model_world_init(struct model_world *world, uint64_t seed)
{
	int items;

	*world = (struct model_world){ .seed = seed, .random.state = seed, .now_ms = MODEL_EPOCH_MS };
	wb_originals_init(&world->originals, 1 << 20);
	(void)wb_prng_next(&world->random);
	make_plan(world);
	world->partitions = 2 + (int)model_random(world, 2);
	world->keys = 2 + (int)model_random(world, MODEL_KEYS_MAX - 1);
	/* Few, so that writes meet; or some more, so that they travel together. */
	items = model_chance(world, 700) ? 12 : MODEL_ITEMS_MAX;
	world->items = world->keys + (int)model_random(world, (uint64_t)(items - world->keys + 1));
	world->records = 60 + (int)model_random(world, MODEL_RECORDS_MAX - 60);
	world->consumers = 1 + (int)model_random(world, MODEL_CONSUMERS_MAX);
	model_log_make(world);
	model_cosmos_start(world);
	for (int i = 0; i < world->consumers; i++) {
		world->consumer[i].index = (unsigned)i;
		model_consumer_start(world, &world->consumer[i]);
	}
	for (int i = 0; i < world->partitions; i++)
		model_at(world, (int64_t)model_random(world, 100), NULL, model_assign, &world->log_count[i]);
	model_trouble_start(world);
	if (!world->plan.outages && !world->plan.kills && !world->plan.freezes)
		model_at(world, world->plan.faults_end_ms - world->now_ms - 1, NULL, model_verify_poison, NULL);
}

void model_world_run(struct model_world *world)
{
	while (!model_at_rest(world)) {
		struct model_event event;

		MODEL_CHECK(world, world->event_count > 0, "rest: nothing happens any more, and not all has ended");
		MODEL_CHECK(world, ++world->steps < STEPS_MAX, "rest: too much happens");
		MODEL_CHECK(world, world->now_ms < world->plan.faults_end_ms + REST_MS, "rest: a write waits for ever");
		event = pop(world);
		world->now_ms = event.at_ms;
		if (event.consumer && event.consumer->frozen)
			model_at(world,
				event.consumer->frozen_until_ms - world->now_ms + (int64_t)model_random(world, 600),
				event.consumer, event.fn, event.arg);
		else
			event.fn(world, event.arg);
	}
	model_verify_rest(world);
}

void model_world_release(struct model_world *world)
{
	for (int i = 0; i < world->consumers; i++)
		model_consumer_stop(world, &world->consumer[i]);
	world->over = true;
	while (world->event_count > 0) {
		struct model_event event = pop(world);

		event.fn(world, event.arg);
	}
	for (int i = 0; i < world->items; i++)
		free(world->item[i].journal);
	free(world->events);
	wb_originals_release(&world->originals);
}
