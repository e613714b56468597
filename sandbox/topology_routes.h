/* Changes of the account's shape on request: splits, merges, containers made anew, fail-over.
 *
 *   POST /_sandbox/split     {"database":"D","container":"C","range":"0","at":"1A…","completing_ms":500,"substatus":1007}
 *   POST /_sandbox/merge     {"database":"D","container":"C","ranges":["1","2"],"completing_ms":500,"substatus":1007}
 *   POST /_sandbox/recreate  {"database":"D","container":"C","definition":{…},"keep_documents":false,"missing_ms":0}
 *   GET, POST /_sandbox/failover  {"to":1,"substatus":3}
 *
 * Replies say what came of it. A member that is not known is refused. Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_TOPOLOGY_ROUTES_H
#define WB_SANDBOX_TOPOLOGY_ROUTES_H

#include "sandbox/exchange.h"

/* false: it is none of these, and nothing was done. */
bool wb_topology_route(struct wb_exchange *x, struct wb_slice what);

#endif
