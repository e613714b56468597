/* The documents of one partition key range in memory: found by item, listed in the order of their creation.
 *
 * A document's bytes are kept as they came. An item's identity is its decoded id and the canonical text of its
 * partition key. All stores of a process share one budget of bytes. Every new version gets a number from the store's
 * counter, whose upper bits are the range's own, so that numbers of different ranges never meet.
 * Pure. Not thread-safe: whoever owns the range holds its lock; only the budget is shared.
 */
#ifndef WB_SANDBOX_STORE_H
#define WB_SANDBOX_STORE_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wb_store_budget {
	int64_t max_bytes;
	_Atomic int64_t used_bytes;
};

struct wb_item {
	struct wb_item *next; /* in its bucket */
	uint64_t hash;
	uint64_t number;      /* of its creation: its resource id and its place in feeds */
	uint64_t version;     /* of its last write: its etag */
	uint32_t written_s;   /* wall clock, seconds */
	uint32_t slot;
	uint32_t room;        /* bytes behind the header */
	uint32_t body_len;
	uint16_t id_len, pk_len;
	char bytes[];         /* id, partition key text, body */
};

struct wb_item_key {
	uint64_t hash;      /* wb_store_hash of the two */
	struct wb_slice id; /* decoded */
	struct wb_slice pk; /* canonical text */
};

struct wb_store {
	struct wb_store_budget *budget;
	struct wb_item **buckets;
	size_t bucket_count;   /* a power of two */
	struct wb_item **slots; /* ascending by number; NULL where one was removed */
	size_t slot_count, slot_cap;
	size_t count;          /* documents */
	int64_t body_bytes;
	uint64_t last_number;
};

static inline struct wb_slice wb_item_id(const struct wb_item *i)
{
	return wb_slice(i->bytes, i->id_len);
}
static inline struct wb_slice wb_item_pk(const struct wb_item *i)
{
	return wb_slice(i->bytes + i->id_len, i->pk_len);
}
static inline struct wb_slice wb_item_body(const struct wb_item *i)
{
	return wb_slice(i->bytes + i->id_len + i->pk_len, i->body_len);
}

uint64_t wb_store_hash(struct wb_slice id, struct wb_slice pk);

/* How many changes it has seen: the range's progress in session tokens. */
static inline uint64_t wb_store_session_number(const struct wb_store *s)
{
	return s->last_number & ((UINT64_C(1) << 40) - 1);
}

/* range_number < 2^24 distinguishes this store's numbers from every other's of the container. */
void wb_store_init(struct wb_store *s, struct wb_store_budget *budget, uint32_t range_number);
void wb_store_release(struct wb_store *s);

/* The item, valid until the next put or remove, or NULL. */
struct wb_item *wb_store_find(const struct wb_store *s, const struct wb_item_key *key);
/* Creates the item or replaces its body; it gets a new version. WB_EFULL when the budget would be exceeded: then
 * nothing changed. Lengths: id and pk below 2^16, body below 2^31. */
enum wb_err wb_store_put(struct wb_store *s, const struct wb_item_key *key, struct wb_slice body, uint32_t now_s,
	struct wb_item **ret) WB_MUST_USE;
/* false when there is no such item. */
bool wb_store_remove(struct wb_store *s, const struct wb_item_key *key);
/* The item that follows number in the order of creation (0: the first), or NULL. */
const struct wb_item *wb_store_after(const struct wb_store *s, uint64_t number);
/* The one that follows item, or NULL. */
const struct wb_item *wb_store_next(const struct wb_store *s, const struct wb_item *item);

#endif
