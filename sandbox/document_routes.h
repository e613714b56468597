/* Requests about documents: one document at a time, and bulk bodies.
 *
 * Each function makes the whole reply. Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_DOCUMENT_ROUTES_H
#define WB_SANDBOX_DOCUMENT_ROUTES_H

#include "sandbox/exchange.h"

/* POST, GET, PUT, PATCH or DELETE of one document. */
void wb_document_route(struct wb_exchange *x, struct wb_container *container, enum wb_operation operation);
/* POST of an array of operations. */
void wb_bulk_route(struct wb_exchange *x, struct wb_container *container);

/* Asks for faults of a request that concerns these targets, runs it (or not) and spoils its reply. */
void wb_with_faults(struct wb_exchange *x, const struct wb_fault_target *targets, size_t count,
	void (*run)(struct wb_exchange *x, void *arg), void *arg);

#endif
