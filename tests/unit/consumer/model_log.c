#include "model.h"

#include "common/base/mem.h"

#include <stdio.h>

static void make_keys(struct model_world *world)
{
	for (int i = 0; i < world->keys; i++) {
		struct model_key *k = &world->key[i];

		(void)snprintf(k->text, sizeof k->text, "[\"p%d\"]", i); /* it fits */
		k->epk.len = 16;
		for (int j = 0; j < 16; j++)
			k->epk.bytes[j] = (uint8_t)model_random(world, 256);
		k->epk.bytes[0] &= 0x3f;
		k->place = 0;
		for (int j = 0; j < 8; j++)
			k->place = k->place << 8 | k->epk.bytes[j];
	}
}

static void make_items(struct model_world *world)
{
	for (int i = 0; i < world->items; i++) {
		struct model_item *item = &world->item[i];

		item->key = i % world->keys;
		/* One id under several partition keys makes several items. */
		(void)snprintf(item->id, sizeof item->id, "i%d", i / world->keys); /* it fits */
		item->partition = (int)model_random(world, (uint64_t)world->partitions);
		item->base = item->patch = item->etag = MODEL_NONE;
		item->sent_offset = -1;
	}
}

static enum model_flaw choose_flaw(struct model_world *world, unsigned per_mille)
{
	static const enum model_flaw flaws[] = { MODEL_BAD, MODEL_BAD_REQUEST, MODEL_BIG, MODEL_CONDEMNED, MODEL_FULL,
		MODEL_UNIQUE, MODEL_UNIQUE_ONCE, MODEL_FAILING, MODEL_CHOKING };

	return model_chance(world, per_mille) ? flaws[model_random(world, WB_ARRAY_LEN(flaws))] : MODEL_SOUND;
}

static void choose_operation(struct model_world *world, struct model_record *r, const struct model_item *item)
{
	uint64_t dice = model_random(world, 100);

	r->op = WB_OP_UPSERT;
	r->if_match = MODEL_NONE;
	if (world->plan.plain_only) {
		r->op = dice < 15 ? WB_OP_DELETE : WB_OP_UPSERT;
		return;
	}
	if (dice < 8)
		r->op = WB_OP_CREATE;
	else if (dice < 16)
		r->op = WB_OP_REPLACE;
	else if (dice < 26)
		r->op = WB_OP_DELETE;
	else if (dice < 34)
		r->op = WB_OP_PATCH;
	else if (dice < 38)
		r->if_none = true;
	if (r->op != WB_OP_CREATE && !r->if_none && item->record_count > 0 && model_chance(world, 150)) {
		int back = (int)model_random(world, 3);

		r->if_match = back < item->record_count ? item->records[item->record_count - 1 - back] : MODEL_NONE;
	}
	if (r->op == WB_OP_UPSERT)
		r->replay = model_chance(world, r->if_none || r->if_match != MODEL_NONE ? 500 : 30);
}

static void make_record(struct model_world *world, int index, int64_t *offset, unsigned flaws, int hot)
{
	struct model_record *r = &world->record[index];
	/* A few items get most of the writes, so that writes wait behind one another. */
	int i = model_chance(world, 600) ? (int)model_random(world, (uint64_t)hot)
					 : (int)model_random(world, (uint64_t)world->items);
	struct model_item *item = &world->item[i];

	r->item = i;
	r->partition = item->partition;
	offset[r->partition] += 1 + (model_chance(world, 50) ? (int64_t)model_random(world, 4) : 0);
	r->offset = offset[r->partition];
	choose_operation(world, r, item);
	r->flaw = r->op == WB_OP_DELETE || r->op == WB_OP_PATCH ? MODEL_SOUND : choose_flaw(world, flaws);
	if ((r->flaw == MODEL_UNIQUE || r->flaw == MODEL_UNIQUE_ONCE) &&
		(r->op != WB_OP_UPSERT || r->if_none || r->if_match != MODEL_NONE))
		r->flaw = MODEL_SOUND;
	if (r->op == WB_OP_PATCH)
		(void)snprintf(r->document, sizeof r->document,
			"{\"operations\":[{\"op\":\"set\",\"path\":\"/n\",\"value\":%d}]}", index); /* it fits */
	else if (r->op != WB_OP_DELETE)
		(void)snprintf(r->document, sizeof r->document, "{\"id\":\"%s\",\"pk\":\"p%d\",\"v\":%d,\"n\":-1}",
			item->id, item->key, index); /* it fits */
	item->records[item->record_count++] = index;
	world->log[r->partition][world->log_count[r->partition]++] = index;
}

void model_log_make(struct model_world *world)
{
	static const unsigned flaws[] = { 0, 0, 20, 60, 150 };
	int64_t offset[MODEL_PARTITIONS_MAX] = { 0 };
	unsigned flaw = flaws[model_random(world, WB_ARRAY_LEN(flaws))];
	int hot = 1 + (int)model_random(world, (uint64_t)world->items);
	bool bursts = model_chance(world, 500);
	int64_t at_ms = MODEL_EPOCH_MS;

	make_keys(world);
	make_items(world);
	for (int i = 0; i < world->partitions; i++) {
		offset[i] = (int64_t)model_random(world, 1000);
		world->committed[i] = -1;
	}
	for (int i = 0; i < world->records; i++) {
		int64_t mean_ms = world->plan.arrivals_ms / world->records;

		make_record(world, i, offset, flaw, hot);
		if (!bursts || model_chance(world, 100))
			at_ms += (int64_t)model_random(world, (uint64_t)(bursts ? 20 : 2) * (uint64_t)mean_ms + 1);
		world->record[i].arrives_ms = at_ms;
	}
}
