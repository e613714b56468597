/* Requests about the account, databases, containers and partition key ranges.
 *
 * Each function makes the whole reply. Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_METADATA_H
#define WB_SANDBOX_METADATA_H

#include "sandbox/exchange.h"

/* GET /: where the account can be read and written, and its consistency. */
void wb_account_route(struct wb_exchange *x);
/* /dbs and /dbs/{db} */
void wb_databases_route(struct wb_exchange *x);
/* /dbs/{db}/colls and /dbs/{db}/colls/{coll} */
void wb_containers_route(struct wb_exchange *x);
/* GET /dbs/{db}/colls/{coll}/pkranges */
void wb_pkranges_route(struct wb_exchange *x, struct wb_container *container);

#endif
