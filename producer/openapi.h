/* docs/openapi.json as it is served: generated from that file by producer/openapi.sh; a unit test compares the two.
 *
 * Immutable, thread-safe.
 */
#ifndef WB_PRODUCER_OPENAPI_H
#define WB_PRODUCER_OPENAPI_H

#include "common/base/slice.h"

extern const struct wb_slice wb_openapi_json;

#endif
