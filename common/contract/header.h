/* A Kafka record's header as everybody but the Kafka client sees it: a name and bytes.
 *
 * Names may repeat and order matters; values may be absent (NULL, not empty). Owns nothing. Pure.
 */
#ifndef WB_COMMON_CONTRACT_HEADER_H
#define WB_COMMON_CONTRACT_HEADER_H

#include "common/base/slice.h"

struct wb_header {
	struct wb_slice name;
	struct wb_slice value; /* data NULL: the header has no value */
};

/* The last header of that name (a later one overrides, as Kafka's lastHeader does), or NULL. */
const struct wb_header *wb_header_find(const struct wb_header *headers, size_t count, const char *name);

#endif
