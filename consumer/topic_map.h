/* The option topic.map: which topics are read beside topic.writes, and for which container each of them is.
 *
 * Pure. Not thread-safe; filled once at start, read-only after.
 */
#ifndef WB_CONSUMER_TOPIC_MAP_H
#define WB_CONSUMER_TOPIC_MAP_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stddef.h>

struct wb_topic_entry {
	const char *topic;
	struct wb_slice container;
};

struct wb_topic_map {
	char *text; /* owned: what the entries point into */
	struct wb_topic_entry *entries;
	size_t count;
};

/* Reads "orders.writes:orders,users.writes:users" (NULL or empty: no entries); spaces around a name are cut off. WB_EINVAL
 * with a sentence for what is no topic's name (1 to 249 of A-Z a-z 0-9 . _ -), an entry without a container, or a topic
 * that stands there twice. *ret is zeroed or valid before, and is the caller's to release in any case. */
enum wb_err wb_topic_map_parse(struct wb_topic_map *ret, const char *text, struct wb_error *e) WB_MUST_USE;
void wb_topic_map_release(struct wb_topic_map *map);

#endif
