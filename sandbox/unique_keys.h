/* Unique keys: sets of paths whose values no two items of one partition key may share.
 *
 * The definition belongs to a container and is read-only once made; the index of the values that are taken belongs to
 * a range's store. A missing value counts as null, so one item of a partition key may go without it, as in the
 * service ("sparse unique keys are not supported", learn.microsoft.com, "Unique keys in Azure Cosmos DB"). Strings are
 * compared with case, numbers by value, arrays and objects by their text. An index grows with the store that it
 * belongs to: an item has at most its own size of values in it for each key.
 * Pure. Not thread-safe: the range's owner holds its lock.
 */
#ifndef WB_SANDBOX_UNIQUE_KEYS_H
#define WB_SANDBOX_UNIQUE_KEYS_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/json_scan.h"

/* The service's limits. */
#define WB_UNIQUE_KEYS_MAX  10
#define WB_UNIQUE_PATHS_MAX 16

struct wb_unique_key {
	struct wb_json_paths path[WB_UNIQUE_PATHS_MAX]; /* one path each */
	unsigned count;
};

struct wb_unique_keys {
	struct wb_unique_key key[WB_UNIQUE_KEYS_MAX];
	unsigned count;
};

/* Adds a path to the last key; with first, to a new one. *k starts zeroed. WB_EINVAL with a sentence. */
enum wb_err wb_unique_keys_add(
	struct wb_unique_keys *k, bool first, struct wb_slice path, struct wb_error *e) WB_MUST_USE;
void wb_unique_keys_release(struct wb_unique_keys *k);

struct wb_unique_entry;

struct wb_unique_index {
	const struct wb_unique_keys *keys; /* NULL: nothing is unique */
	struct wb_unique_entry **buckets;
	size_t bucket_count, count;
	struct wb_buf text;                /* the key that is looked at */
};

/* keys: kept, outlives the index; NULL for none. */
void wb_unique_index_init(struct wb_unique_index *x, const struct wb_unique_keys *keys);
void wb_unique_index_release(struct wb_unique_index *x);

/* An item: its partition key's canonical text, its decoded id, its document. */
struct wb_unique_item {
	struct wb_slice pk, id, body;
};

/* Whether another item has one of its keys. */
bool wb_unique_index_taken(struct wb_unique_index *x, const struct wb_unique_item *item);
/* A key that another item has already stays that item's: so documents that were written without the policy can be
 * kept. */
void wb_unique_index_add(struct wb_unique_index *x, const struct wb_unique_item *item);
/* With the body that it was added with. */
void wb_unique_index_drop(struct wb_unique_index *x, const struct wb_unique_item *item);

#endif
