/* The documents of one partition key range in memory: found by item, listed in the order of their creation.
 *
 * A document's bytes are kept as they came. An item's identity is its decoded id and the canonical text of its
 * partition key. All stores of a process share one budget of bytes. Items may end by themselves, at a second of the
 * wall clock, and have unique keys; a store whose container knows neither pays for neither. Every new version gets a number from the store's
 * counter, whose upper bits are the range's own, so that numbers of different ranges never meet.
 * Pure. Not thread-safe: whoever owns the range holds its lock; only the budget is shared.
 */
#ifndef WB_SANDBOX_STORE_H
#define WB_SANDBOX_STORE_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "sandbox/unique_keys.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WB_STORE_TTL_OFF     0    /* of a store: nothing ends by itself, whatever documents say */
#define WB_STORE_TTL_NEVER   (-1) /* of a store: what says nothing itself never ends; of an item: it never ends */
#define WB_STORE_TTL_DEFAULT 0    /* of an item: as the store says */

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
	uint32_t ends_s;      /* gone from this second on; 0: never */
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
	int32_t default_ttl_s; /* OFF, NEVER, or seconds */
	uint32_t next_end_s;   /* no item ends before this second; 0: none ends */
	struct wb_unique_index unique;
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
/* What its container says of time to live and unique keys, for an empty store. keys: kept, may be NULL. */
void wb_store_set_policies(struct wb_store *s, int32_t default_ttl_s, const struct wb_unique_keys *keys);

/* The item, valid until the next put or remove, or NULL. */
struct wb_item *wb_store_find(const struct wb_store *s, const struct wb_item_key *key);
/* Creates the item or replaces its body; it gets a new version. WB_EFULL when the budget would be exceeded: then
 * nothing changed. Lengths: id and pk below 2^16, body below 2^31. */
enum wb_err wb_store_put(struct wb_store *s, const struct wb_item_key *key, struct wb_slice body, uint32_t now_s,
	struct wb_item **ret) WB_MUST_USE;
/* Whether another item of the same partition key has a unique key of this body: ask before put, which must not break
 * it. */
bool wb_store_conflicts(struct wb_store *s, const struct wb_item_key *key, struct wb_slice body);
/* For an item just written: NEVER, DEFAULT (as after put), or seconds from its writing on. */
void wb_store_set_ttl(struct wb_store *s, struct wb_item *item, int32_t ttl_s);
/* false when there is no such item. */
bool wb_store_remove(struct wb_store *s, const struct wb_item_key *key);
/* Removes what has ended by now: to be called before anything that looks. Cheap when nothing has. */
void wb_store_expire(struct wb_store *s, uint32_t now_s);
/* Moves the items that are wanted (NULL: all) to another store of the same budget, as they are: with number, version,
 * time and end (none in a store where nothing ends). For splits and merges; `to` may hold items already, but none of the moved. */
void wb_store_move(
	struct wb_store *from, struct wb_store *to, bool (*wanted)(void *arg, const struct wb_item *item), void *arg);
/* The item that follows number in the order of creation (0: the first), or NULL. */
const struct wb_item *wb_store_after(const struct wb_store *s, uint64_t number);
/* The one that follows item, or NULL. */
const struct wb_item *wb_store_next(const struct wb_store *s, const struct wb_item *item);

#endif
