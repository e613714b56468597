#include "model.h"

#include <stdio.h>

/* Longer than any backoff and any search for what makes a request fail. */
#define POISON_MS 150000

static bool is_plain_upsert(const struct model_record *r)
{
	return r->op == WB_OP_UPSERT && !r->if_none && r->if_match == MODEL_NONE && r->flaw != MODEL_CONDEMNED;
}

static bool is_unconditional(const struct model_record *r)
{
	return (r->op == WB_OP_UPSERT || r->op == WB_OP_DELETE) && !r->if_none && r->if_match == MODEL_NONE;
}

static bool applied(const struct model_item *item, int record)
{
	for (size_t i = item->changes; i > 0; i--) {
		if (item->journal[i - 1].record == record)
			return true;
	}
	return false;
}

/* The item's etag as the write left it, before anything newer of its life. */
static int etag_at(const struct model_item *item, int record, unsigned life)
{
	size_t i = item->changes;

	while (i > 0 && item->journal[i - 1].life == life && item->journal[i - 1].record > record)
		i--;
	return i > 0 ? item->journal[i - 1].etag : MODEL_NONE;
}

/* Whether from and to are plain upserts of an item, and all between. */
static bool is_run(const struct model_world *world, const struct model_item *item, int from, int to)
{
	for (int i = 0; i < item->record_count; i++) {
		int record = item->records[i];

		if (record >= from && record <= to && !is_plain_upsert(&world->record[record]))
			return false;
	}
	return true;
}

static bool newer_was_applied(const struct model_world *world, const struct model_item *item, int record, unsigned life)
{
	for (size_t i = item->changes; i > 0; i--) {
		const struct model_change *change = &item->journal[i - 1];

		if (change->life == life && change->record > record && is_run(world, item, record, change->record))
			return true;
	}
	return false;
}

/* What a flawed record dies of; NONE: it is sound. */
static enum wb_reason flaw_reason(const struct model_record *r)
{
	switch (r->flaw) {
	case MODEL_BAD:
	case MODEL_BAD_REQUEST:
		return WB_REASON_BAD_REQUEST;
	case MODEL_BIG:
	case MODEL_CONDEMNED:
		return WB_REASON_TOO_LARGE;
	case MODEL_FULL:
		return WB_REASON_PARTITION_FULL;
	case MODEL_UNIQUE:
		return WB_REASON_CONFLICT;
	case MODEL_FAILING:
	case MODEL_CHOKING:
		return WB_REASON_SERVER_ERROR;
	case MODEL_SOUND:
	case MODEL_UNIQUE_ONCE:
		break;
	}
	return WB_REASON_NONE;
}

static bool fails_for_a_while(const struct model_record *r)
{
	return r->flaw == MODEL_FAILING || r->flaw == MODEL_CHOKING;
}

/* Whether the service can have said so of this record, whatever its item was. */
static bool may_die_of(const struct model_record *r, enum wb_reason reason)
{
	if (flaw_reason(r) != WB_REASON_NONE && reason == flaw_reason(r))
		return true;
	switch (reason) {
	case WB_REASON_CONFLICT:
		return r->op == WB_OP_CREATE || r->if_none;
	case WB_REASON_PRECONDITION_FAILED:
		return r->if_match != MODEL_NONE || r->if_none;
	case WB_REASON_NOT_FOUND:
		return r->op == WB_OP_REPLACE || r->op == WB_OP_PATCH;
	default:
		return false;
	}
}

static void check_dead(struct model_world *world, const struct wb_write *w, int record, unsigned life)
{
	const struct model_record *r = &world->record[record];
	int etag = etag_at(&world->item[r->item], record, life);
	char text[24] = "absent";

	MODEL_CHECK(world, may_die_of(r, w->reason), "dead: record %d of %s, status %d/%d", record,
		wb_reason_text(w->reason), w->failure ? w->failure->status : -1,
		w->failure ? w->failure->substatus : -1);
	MODEL_CHECK(world, w->failure, "dead: record %d, and nothing is known of it", record);
	/* Somebody else may have written it since. */
	if (world->owner[r->partition] != model_delivery_of(w)->assignment)
		return;
	if (r->refused_readings && w->failure->item_etag[0] == '\0') {
		world->unknown++;
		return;
	}
	if (etag != MODEL_NONE)
		model_etag_text(etag, text);
	MODEL_CHECK(world, strcmp(w->failure->item_etag, text) == 0, "dead: record %d says item etag '%s', it was '%s'",
		record, w->failure->item_etag, text);
}

/* Whether there is an item that the delete should have found; another owner of the partition may have made it since. */
static bool world_has_it(const struct model_world *world, const struct wb_write *w)
{
	const struct model_delivery *d = model_delivery_of(w);
	const struct model_record *r = &world->record[d->record];

	return world->owner[r->partition] == d->assignment &&
		etag_at(&world->item[r->item], d->record, d->assignment->life) != MODEL_NONE;
}

void model_verify_judged(struct model_world *world, const struct wb_write *w)
{
	const struct model_delivery *d = model_delivery_of(w);
	struct model_record *r = &world->record[d->record];
	const struct model_item *item = &world->item[r->item];
	unsigned life = d->assignment->life;

	MODEL_CHECK(world, w->state == WB_WRITE_JUDGED, "judged: record %d is %s", d->record,
		wb_write_state_text(w->state));
	r->seen_judged = true;
	switch (w->outcome) {
	case WB_WRITTEN:
		MODEL_CHECK(world, applied(item, d->record) || (r->op == WB_OP_DELETE && !world_has_it(world, w)),
			"written: record %d never was", d->record);
		return;
	case WB_SUPERSEDED:
		MODEL_CHECK(world,
			(r->replay && !is_plain_upsert(r)) ||
				(is_plain_upsert(r) && newer_was_applied(world, item, d->record, life)),
			"superseded: record %d, and nothing newer was written", d->record);
		return;
	case WB_DEAD:
		check_dead(world, w, d->record, life);
		return;
	}
}

/* An item as the naive model has it. */
struct expected {
	int base, patch, etag;
};

static void expect_outcome(
	struct model_world *world, int record, enum wb_outcome outcome, enum wb_reason reason, enum wb_reason other)
{
	const struct model_record *r = &world->record[record];

	MODEL_CHECK(world, r->outcome == outcome, "outcome: record %d is %s instead of %s", record,
		wb_outcome_text(r->outcome), wb_outcome_text(outcome));
	MODEL_CHECK(world, outcome != WB_DEAD || r->reason == reason || r->reason == other,
		"outcome: record %d is dead of %s instead of %s", record, wb_reason_text(r->reason),
		wb_reason_text(reason));
}

static void condition_failed(struct model_world *world, int record, enum wb_reason reason, enum wb_reason other)
{
	expect_outcome(world, record, world->record[record].replay ? WB_SUPERSEDED : WB_DEAD, reason, other);
}

static void written(struct model_world *world, int record, struct expected *x)
{
	const struct model_record *r = &world->record[record];

	if (r->outcome == WB_SUPERSEDED && is_plain_upsert(r)) {
		const struct model_item *item = &world->item[r->item];
		bool newer = false;

		for (int i = 0; i < item->record_count; i++) {
			int other = item->records[i];

			newer = newer ||
				(other > record && is_run(world, item, record, other) &&
					world->record[other].outcome == WB_WRITTEN);
		}
		MODEL_CHECK(world, newer, "superseded: record %d, and nothing newer was written in the end", record);
	} else {
		expect_outcome(world, record, WB_WRITTEN, WB_REASON_NONE, WB_REASON_NONE);
	}
	if (r->op == WB_OP_DELETE) {
		*x = (struct expected){ MODEL_NONE, MODEL_NONE, MODEL_NONE };
	} else if (r->op == WB_OP_PATCH) {
		x->patch = x->etag = record;
	} else {
		*x = (struct expected){ record, MODEL_NONE, record };
	}
}

/* A record's outcome follows from its item's state, and the state from it. */
static void follow(struct model_world *world, int record, struct expected *x)
{
	const struct model_record *r = &world->record[record];
	const struct model_item *item = &world->item[r->item];
	bool exists = x->base != MODEL_NONE;

	if (is_plain_upsert(r) && r->outcome == WB_SUPERSEDED) {
		written(world, record, x); /* whatever it would have met */
	} else if (flaw_reason(r) != WB_REASON_NONE && !(fails_for_a_while(r) && r->reason != flaw_reason(r))) {
		expect_outcome(world, record, WB_DEAD, flaw_reason(r), flaw_reason(r));
	} else if (!exists && (r->op == WB_OP_REPLACE || r->op == WB_OP_PATCH)) {
		if (r->if_match != MODEL_NONE)
			condition_failed(world, record, WB_REASON_NOT_FOUND, WB_REASON_NOT_FOUND);
		else
			expect_outcome(world, record, WB_DEAD, WB_REASON_NOT_FOUND, WB_REASON_NOT_FOUND);
	} else if (r->if_match != MODEL_NONE && (exists ? x->etag != r->if_match : r->op != WB_OP_DELETE)) {
		condition_failed(world, record, WB_REASON_PRECONDITION_FAILED, WB_REASON_PRECONDITION_FAILED);
	} else if (exists && (r->op == WB_OP_CREATE || r->if_none)) {
		condition_failed(world, record, WB_REASON_CONFLICT,
			r->if_none ? WB_REASON_PRECONDITION_FAILED : WB_REASON_CONFLICT);
	} else if (r->op == WB_OP_PATCH && r->if_match != MODEL_NONE && r->outcome == WB_DEAD &&
		applied(item, record)) {
		/* Its reply was lost, and nobody can tell from the item that it was applied. */
		x->patch = x->etag = record;
	} else {
		written(world, record, x);
	}
}

static void check_state(struct model_world *world, int i, const struct expected *x)
{
	const struct model_item *item = &world->item[i];

	MODEL_CHECK(world, item->base == x->base && item->patch == x->patch && item->etag == x->etag,
		"item %d: record %d with patch %d and etag %d instead of %d, %d, %d", i, item->base, item->patch,
		item->etag, x->base, x->patch, x->etag);
}

/* Of an item whose writes were repeated by a later life, only what no condition had a say in is certain. */
static void check_repeated(struct model_world *world, int i)
{
	const struct model_item *item = &world->item[i];
	struct expected x = { MODEL_NONE, MODEL_NONE, MODEL_NONE };

	for (int j = item->record_count - 1; j >= 0; j--) {
		int record = item->records[j];
		const struct model_record *r = &world->record[record];

		if (flaw_reason(r) != WB_REASON_NONE && !fails_for_a_while(r))
			continue;
		if (!is_unconditional(r) || fails_for_a_while(r))
			return;
		if (r->op == WB_OP_UPSERT)
			x = (struct expected){ record, MODEL_NONE, record };
		break;
	}
	check_state(world, i, &x);
}

/* It stands behind what is flawed, or is what that has replaced. */
static bool shares_the_item(const struct model_world *world, int record)
{
	const struct model_item *item = &world->item[world->record[record].item];

	for (int i = 0; i < item->record_count; i++) {
		const struct model_record *other = &world->record[item->records[i]];

		if (other->flaw != MODEL_SOUND && !other->seen_judged)
			return true;
	}
	return false;
}

void model_verify_poison(struct model_world *world, void *arg)
{
	(void)arg;
	for (int i = 0; i < world->records && !world->over; i++) {
		const struct model_record *r = &world->record[i];

		MODEL_CHECK(world,
			r->seen_judged || r->flaw != MODEL_SOUND || r->delivered_ms == 0 ||
				world->now_ms - r->delivered_ms < POISON_MS || shares_the_item(world, i),
			"poison: record %d has waited since %lld", i, (long long)r->delivered_ms);
	}
}

void model_verify_rest(struct model_world *world)
{
	for (int i = 0; i < world->items; i++) {
		struct expected x = { MODEL_NONE, MODEL_NONE, MODEL_NONE };

		if (world->item[i].replayed) {
			check_repeated(world, i);
			continue;
		}
		for (int j = 0; j < world->item[i].record_count; j++)
			follow(world, world->item[i].records[j], &x);
		check_state(world, i, &x);
	}
}

bool model_at_rest(const struct model_world *world)
{
	for (int i = 0; i < world->records; i++) {
		const struct model_record *r = &world->record[i];

		if (!r->ended || world->committed[r->partition] <= r->offset)
			return false;
	}
	for (int i = 0; i < world->consumers; i++) {
		for (int j = 0; j < MODEL_ENGINES_MAX; j++) {
			if (world->consumer[i].alive && world->consumer[i].engines[j].held > 0)
				return false;
		}
	}
	return true;
}
