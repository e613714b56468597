/* Whether a request reaches what it names: the container that its client knows, a range that is still there.
 *
 * 410/1002 for ranges that were split or merged, or never were; 410/1007 or 1008 while a split or merge goes on;
 * 410/1000 for ids of an earlier container of this name; 400/1024 for another resource id in
 * x-ms-cosmos-intended-collection-rid. 403/3 for writes to a location that is not the writable one, 403/1008 for one
 * that was removed. Sources: substatus codes of the .NET and Python SDKs.
 * Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_ROUTING_H
#define WB_SANDBOX_ROUTING_H

#include "sandbox/exchange.h"

/* false: the reply is made. The container is entered. */
bool wb_routing_admit(struct wb_exchange *x, struct wb_container *c);
/* The same for the location that the request came to. writes: whether it would change something. */
bool wb_routing_location(struct wb_exchange *x, bool writes);

#endif
