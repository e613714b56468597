/* What a container's definition says of time to live and unique keys.
 *
 * Read once when the container is made, read-only after. Thread-safe then.
 */
#ifndef WB_SANDBOX_POLICIES_H
#define WB_SANDBOX_POLICIES_H

#include "sandbox/unique_keys.h"

#include <jansson.h>
#include <stdint.h>

struct wb_policies {
	int32_t default_ttl_s; /* as in store.h */
	struct wb_unique_keys unique;
};

/* "defaultTtl": -1 or seconds from 1 on; "uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/a"]}]}. Absent members and
 * null say nothing. WB_EINVAL with a sentence; *ret may be released in any case. */
enum wb_err wb_policies_read(const json_t *definition, struct wb_policies *ret, struct wb_error *e) WB_MUST_USE;
void wb_policies_release(struct wb_policies *p);

#endif
