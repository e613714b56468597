/* The value of a patch: Cosmos DB's partial document update, judged before it is published and before it is sent.
 *
 * {"operations":[1 to 10 of them],"condition":"from c where …"} with condition optional, or the array of operations
 * alone. Each is an object with "op" (add, set, replace, remove, incr, move) and "path", both strings; what else it must
 * have is the service's to judge. Forms and limits: azure-sdk-for-js, utils/patch.ts; "Partial document update in Azure
 * Cosmos DB", limits. Pure, thread-safe.
 */
#ifndef WB_COMMON_COSMOS_PATCH_H
#define WB_COMMON_COSMOS_PATCH_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/reason.h"

#define WB_PATCH_OPERATIONS_MAX 10

/* *ret: the value without surrounding space. NONE, or INVALID_JSON, NOT_AN_OBJECT, BAD_REQUEST with a sentence in why. */
enum wb_reason wb_patch_check(struct wb_slice value, struct wb_slice *ret, struct wb_error *why) WB_MUST_USE;

#endif
