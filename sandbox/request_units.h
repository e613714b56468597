/* Request units: what an operation is charged, and how many a range may spend in a second.
 *
 * Charges grow with the size of the document, as the service's do: a read of 1 KB costs 1, a write of 1 KB about 5 to
 * 10 (learn.microsoft.com, "Request Units in Azure Cosmos DB"); the exact figures are ours. A range's units are counted in windows of one second:
 * an operation is let in while there is something left, and what it takes beyond that is owed by the next windows.
 * Pure: time is an argument. Not thread-safe: the range's owner holds its lock.
 */
#ifndef WB_SANDBOX_REQUEST_UNITS_H
#define WB_SANDBOX_REQUEST_UNITS_H

#include "common/base/buf.h"
#include "sandbox/operation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an operation that ended with status costs. bytes: of the document written, read or deleted. */
double wb_request_units_charge(enum wb_operation operation, unsigned status, size_t bytes);

/* Appends 6.29: two decimals, as replies carry it. */
void wb_request_units_append(struct wb_buf *b, double charge);

struct wb_request_units {
	int64_t window_ms; /* when the current window began */
	double used;       /* in it */
};

/* Whether an operation may run at now_ms (monotonic). limit: units per second, 0 for no limit. If not, sets
 * *ret_retry_after_ms (>= 1) to when it may be tried again. */
bool wb_request_units_admit(
	struct wb_request_units *u, double limit, int64_t now_ms, int64_t *ret_retry_after_ms) WB_MUST_USE;
void wb_request_units_spend(struct wb_request_units *u, double charge);

#endif
