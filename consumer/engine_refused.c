#include "common/base/mem.h"
#include "consumer/compare.h"
#include "consumer/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* How often it is looked whether writes that wait for a unique key may go. */
#define CONFLICTS_LOOK_MS 20
/* A look passes by all that is held: with many it is taken so much less often that it costs a few per cent at most. */
#define HELD_PER_LOOK_MS 256

void wb_engine_condemn(struct wb_engine *e, struct wb_write *write, const struct wb_verdict *verdict)
{
	wb_write_advance(write, WB_WRITE_WAITING);
	write->step = WB_STEP_READ;
	write->reason = verdict->reason;
	write->compare = verdict->kind == WB_VERDICT_COMPARE;
	write->bulk_bytes = 0;
	write->retries = 0;
	write->retry_wait_ms = 0;
	if (wb_engine_is_withdrawn(e, write)) {
		wb_engine_hand_back(e, write);
		return;
	}
	/* What it replaced was to be covered by it and is not, so that takes effect first, then the item is read. */
	wb_engine_ready(e, write->older ? wb_item_order_restore(e->order, write) : write, true);
}

/* A conflict that is not over the id is over a unique key, which an earlier write of the partition key may free. */
static bool may_be_freed(const struct wb_write *write, bool found)
{
	if (write->reason != WB_REASON_CONFLICT || write->unique_key_retried)
		return false;
	return !wb_write_is_create(write) || !found;
}

/* What a replay wanted only if its item had not changed since the death, and it has: somebody wrote or deleted it since. */
static bool was_overtaken(const struct wb_write *write, bool found)
{
	return write->is_replay &&
		(write->reason == WB_REASON_PRECONDITION_FAILED ||
			(write->reason == WB_REASON_NOT_FOUND && write->if_match.data && !found) ||
			(write->reason == WB_REASON_CONFLICT && wb_write_is_create(write) && found));
}

static void finish(struct wb_engine *e, struct wb_write *write, bool known, bool found, const char *etag)
{
	if (known && may_be_freed(write, found)) {
		write->step = WB_STEP_SEND;
		write->bulk_bytes = wb_bulk_operation_size(write);
		write->unique_key_retried = write->waits_for_earlier = true;
		wb_write_advance(write, WB_WRITE_WAITING);
		if (wb_engine_is_withdrawn(e, write))
			wb_engine_hand_back(e, write);
		else
			wb_list_push(&e->conflicts, &write->link);
		return;
	}
	if (write->failure)
		(void)snprintf(write->failure->item_etag, sizeof write->failure->item_etag, "%s",
			etag); /* as long as a reply's at most */
	wb_engine_judge(e, write, known && was_overtaken(write, found) ? WB_SUPERSEDED : WB_DEAD, write->reason);
}

void wb_engine_item_read(struct wb_engine *e, struct wb_write *write, struct wb_slice item, const char *etag)
{
	if (write->compare && write->op != WB_OP_DELETE && wb_compare_documents(write->document, item))
		wb_engine_judge(e, write, WB_WRITTEN, WB_REASON_NONE);
	else
		finish(e, write, true, true, etag);
}

void wb_engine_item_absent(struct wb_engine *e, struct wb_write *write)
{
	/* A create that conflicts while its item is absent met a unique key, not its condition. */
	if (wb_write_is_create(write) && write->reason == WB_REASON_PRECONDITION_FAILED)
		write->reason = WB_REASON_CONFLICT;
	if (write->compare && write->op == WB_OP_DELETE)
		wb_engine_judge(e, write, WB_WRITTEN, WB_REASON_NONE);
	else
		finish(e, write, true, false, "absent");
}

void wb_engine_item_unknown(struct wb_engine *e, struct wb_write *write)
{
	finish(e, write, false, false, "");
}

/* The partition keys of those that wait for one: open addressing, at most half full. */
struct key {
	const struct wb_write *write; /* one of those that wait, for its key; NULL: free */
	bool seen; /* a write of the key was passed by */
};

struct keys {
	struct key *slot;
	size_t mask;
};

static uint32_t key_hash(const struct wb_write *write)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < write->epk.len; i++)
		hash = (hash ^ (uint8_t)write->epk.data[i]) * 16777619u;
	return hash;
}

/* Its key, or the free slot where that would be. */
static struct key *find_key(const struct keys *keys, const struct wb_write *write)
{
	size_t i = key_hash(write) & keys->mask;

	while (keys->slot[i].write &&
		(keys->slot[i].write->container != write->container ||
			!wb_slice_eq(keys->slot[i].write->epk, write->epk)))
		i = (i + 1) & keys->mask;
	return &keys->slot[i];
}

static struct keys keys_of(const struct wb_list *conflicts)
{
	struct keys keys;
	size_t size = 16;

	while (size < 2 * conflicts->count)
		size *= 2;
	keys = (struct keys){ wb_xcalloc(size, sizeof *keys.slot), size - 1 };
	for (struct wb_link *link = conflicts->head; link; link = link->next)
		find_key(&keys, wb_write_of(link))->write = wb_write_of(link);
	return keys;
}

void wb_engine_serve_conflicts(struct wb_engine *e)
{
	struct wb_list all = e->conflicts;
	struct wb_write *write;
	struct keys keys;
	int64_t pause_ms = CONFLICTS_LOOK_MS + (int64_t)(e->held / HELD_PER_LOOK_MS);

	if (!all.head || e->now_ms - e->conflicts_looked_ms < pause_ms)
		return;
	e->conflicts_looked_ms = e->now_ms;
	keys = keys_of(&all);
	for (write = e->oldest; write; write = write->entered_after) {
		struct key *key = find_key(&keys, write);

		if (!key->write || key->seen)
			continue;
		key->seen = true;
		write->waits_for_earlier = false;
	}
	free(keys.slot);
	e->conflicts = (struct wb_list){ 0 };
	while ((write = wb_write_of(wb_list_pop(&all)))) {
		if (write->waits_for_earlier)
			wb_list_push(&e->conflicts, &write->link);
		else
			wb_engine_ready(e, write, false);
	}
}
