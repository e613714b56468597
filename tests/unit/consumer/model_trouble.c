#include "model.h"

#include "common/base/mem.h"

static struct model_consumer *any_consumer(struct model_world *world)
{
	return &world->consumer[model_random(world, (uint64_t)world->consumers)];
}

static void assign_soon(struct model_world *world, int partition, int64_t within_ms)
{
	model_at(world, (int64_t)model_random(world, (uint64_t)within_ms), NULL, model_assign,
		&world->log_count[partition]);
}

/* Nothing of a revoked assignment may stay behind for longer than a request lasts. */
static void drain_overdue(struct model_world *world, void *arg)
{
	struct model_assignment *a = world->over ? NULL : world->owner[(int *)arg - world->log_count];

	if (!a || !a->draining || a->consumer->freezes != a->freezes || world->now_ms < a->deadline_ms)
		return;
	model_fail(world, "revoked: partition %d is not drained, %zu writes are left", a->partition, a->out);
}

static void revoke(struct model_world *world)
{
	int partition = (int)model_random(world, (uint64_t)world->partitions);
	struct model_assignment *a = world->owner[partition];

	if (!a || a->draining || a->consumer->frozen || !a->consumer->gate_open)
		return;
	a->draining = true;
	a->freezes = a->consumer->freezes;
	a->deadline_ms = world->now_ms + MODEL_REQUEST_TIMEOUT_MS + 3 * world->plan.latency_ms +
		3 * world->plan.record_ms;
	model_assignment_end(world, a, false);
	if (!a->dropped && a->out == 0)
		model_assignment_drained(world, a);
	if (!a->dropped)
		model_at(world, a->deadline_ms - world->now_ms, NULL, drain_overdue, &world->log_count[partition]);
}

/* Somebody else has the partition already, though this consumer was never away. */
static void lose(struct model_world *world)
{
	int partition = (int)model_random(world, (uint64_t)world->partitions);
	struct model_assignment *a = world->owner[partition];

	if (!a || a->consumer->frozen || !a->consumer->gate_open)
		return;
	a->dropped = true;
	world->owner[partition] = NULL;
	model_assignment_end(world, a, true);
	/* What it had in flight has been cut off by then. */
	model_at(world, 100 + (int64_t)model_random(world, 1000), NULL, model_assign, &world->log_count[partition]);
}

static void restart(struct model_world *world, void *arg)
{
	struct model_consumer *c = arg;

	if (!world->over && !c->alive)
		model_consumer_start(world, c);
}

static void kill_one(struct model_world *world)
{
	struct model_consumer *c = any_consumer(world);
	bool had[MODEL_PARTITIONS_MAX];

	if (!c->alive)
		return;
	model_note(world, "killed: consumer", c->index, 0, 0, 0);
	for (int i = 0; i < world->partitions; i++)
		had[i] = world->owner[i] && world->owner[i]->consumer == c;
	model_consumer_stop(world, c);
	for (int i = 0; i < world->partitions; i++) {
		if (had[i])
			assign_soon(world, i, model_chance(world, 500) ? 100 : MODEL_SESSION_TIMEOUT_MS);
	}
	model_at(world, 1 + (int64_t)model_random(world, 5000), NULL, restart, c);
}

/* The group has given up on it: others have its partitions, and it has not heard of it yet. */
static void session_expired(struct model_world *world, void *arg)
{
	struct model_consumer *c = arg;

	if (world->over || !c->alive || !c->frozen || world->now_ms - c->frozen_since_ms < MODEL_SESSION_TIMEOUT_MS)
		return;
	for (int i = 0; i < world->partitions; i++) {
		if (world->owner[i] && world->owner[i]->consumer == c) {
			world->owner[i] = NULL;
			assign_soon(world, i, 1000);
		}
	}
}

/* It has asked the group: what it lost is known, and it may send again. */
static void membership_known(struct model_world *world, void *arg)
{
	struct model_consumer *c = arg;

	if (world->over || !c->alive || c->gate_open)
		return;
	for (struct model_assignment *a = c->assignments; a; a = a->next) {
		if (!a->dropped && world->owner[a->partition] != a) {
			a->dropped = true;
			model_assignment_end(world, a, true);
		}
	}
	c->gate_open = true;
	for (int i = 0; i < MODEL_ENGINES_MAX; i++)
		model_engine_serve(world, &c->engines[i]);
}

static void thaw(struct model_world *world, void *arg)
{
	struct model_consumer *c = arg;

	if (world->over || !c->alive || !c->frozen || world->now_ms < c->frozen_until_ms)
		return;
	c->frozen = false;
	model_note(world, "thawed: consumer", c->index, 0, 0, 0);
	if (world->now_ms - c->frozen_since_ms > MODEL_SESSION_TIMEOUT_MS / 2) {
		c->gate_open = false;
		model_at(world, (int64_t)model_random(world, 500), c, membership_known, c);
	}
}

static void freeze(struct model_world *world)
{
	struct model_consumer *c = any_consumer(world);
	int64_t for_ms = 1 +
		(int64_t)model_random(world, model_chance(world, 500) ? MODEL_SESSION_TIMEOUT_MS / 2 : 25000);

	if (!c->alive || c->frozen || !c->gate_open)
		return;
	model_note(world, "frozen: consumer, for", c->index, for_ms, 0, 0);
	c->frozen = true;
	c->freezes++;
	c->frozen_since_ms = world->now_ms;
	c->frozen_until_ms = world->now_ms + for_ms;
	if (for_ms > MODEL_SESSION_TIMEOUT_MS)
		model_at(world, MODEL_SESSION_TIMEOUT_MS, NULL, session_expired, c);
	model_at(world, for_ms, NULL, thaw, c);
}

static void trouble(struct model_world *world, void *arg)
{
	if (world->over || !model_faults(world))
		return;
	if (model_chance(world, world->plan.revocations))
		revoke(world);
	if (model_chance(world, world->plan.losses))
		lose(world);
	if (model_chance(world, world->plan.kills))
		kill_one(world);
	if (model_chance(world, world->plan.freezes))
		freeze(world);
	model_at(world, 1 + (int64_t)model_random(world, (uint64_t)world->plan.arrivals_ms / 4), NULL, trouble, arg);
}

void model_trouble_start(struct model_world *world)
{
	static const unsigned rates[] = { 0, 0, 200, 700 };

	world->plan.revocations = rates[model_random(world, WB_ARRAY_LEN(rates))];
	world->plan.losses = rates[model_random(world, WB_ARRAY_LEN(rates))] / 2;
	world->plan.kills = rates[model_random(world, WB_ARRAY_LEN(rates))] / 2;
	world->plan.freezes = rates[model_random(world, WB_ARRAY_LEN(rates))] / 2;
	model_at(world, (int64_t)model_random(world, (uint64_t)world->plan.arrivals_ms), NULL, trouble, NULL);
}
