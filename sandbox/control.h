/* The sandbox's own routes under /_sandbox, unsigned, for tests and demonstrations:
 *
 *   GET /_sandbox/stats                                  what was done, per container, and what Kafka lost
 *   GET, POST, DELETE /_sandbox/faults                   fault rules (faults.h): list, add, clear
 *   GET /_sandbox/documents?database=D&container=C       every document as a line of JSON
 *   GET, POST, DELETE /_sandbox/journal                  every write that took effect (journal.h)
 *   GET, POST /_sandbox/bulk                             {"enabled":false} turns bulk requests off
 *   GET, POST /_sandbox/throughput                       {"range_ru":1000} request units per second and range
 *   POST /_sandbox/split, merge, recreate, failover      changes under the clients' feet (topology_routes.h)
 *
 * Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_CONTROL_H
#define WB_SANDBOX_CONTROL_H

#include "sandbox/exchange.h"

struct wb_control {
	/* Appends further members of the statistics object, each with a comma before it; may be NULL. */
	void (*more_stats)(void *arg, struct wb_buf *ret);
	void *arg;
};

/* x->segments[0] is "_sandbox". */
void wb_control_route(struct wb_exchange *x, const struct wb_control *control);

#endif
