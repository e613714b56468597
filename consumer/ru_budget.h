/* cosmos.ru.budget: which request may go out when, so that what Cosmos DB charges this process stays within its share.
 *
 * The share is told in request units a second and may change at any time. A request is admitted with what it is expected to
 * cost; its reply tells what it did cost. Two rules admit it:
 *
 *   bucket  Units come in at the share's rate, and 150 ms of them are kept at most. A request takes its expected cost, and
 *           its reply corrects that: what was charged beyond it is a debt, which is paid before anything else goes out.
 *   window  What replies of the last 10 s charged, and ten times what is expected of the requests in flight, stays below
 *           1.045 times what the share gave in these 10 s.
 *
 * So over any 10 s the charges stay below 1.05 times what the share gave, also when all charges suddenly rise tenfold:
 * each charge falls between its request's sending and its reply, and when the last request of those 10 s was sent, every
 * other one was in flight or had its reply in the window. Where one operation costs more than a fifth of a second's
 * share, the margin for a rise is less than tenfold; one that costs more than some 7 s of it goes when nothing was
 * charged for 10 s. docs/adr/0012-ru-budget.md tells why.
 *
 * Containers that wait have equal parts, whatever they send (start-time fair queueing: the container that got least goes
 * first); what one does not ask for is the others'. Of one container those who ask are served in turn.
 *
 * What an operation costs is learned for each container and kind, by count and by bytes; before the first reply of its kind
 * one operation at a time goes out.
 * Touches no clock or socket: time is an argument, and may be a little behind that of another thread. Thread-safe: every
 * function but new and free; a lock is held for some microseconds a request.
 */
#ifndef WB_CONSUMER_RU_BUDGET_H
#define WB_CONSUMER_RU_BUDGET_H

#include "common/base/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_ru_budget; /* opaque */

/* Kinds of operations whose costs are learned apart: 0 to below. The caller says which is which. */
#define WB_RU_KINDS 6

/* One operation of a request. */
struct wb_ru_operation {
	unsigned kind;
	size_t bytes;   /* 0: its size is not known */
	double charged; /* for settle: what its reply said; negative: nothing that tells what such an operation costs */
};

/* Who asks for what. */
struct wb_ru_request {
	const void *container; /* whose turn it is goes by it; only its address counts */
	unsigned asker; /* who waits in line: the worker's index */
	const struct wb_ru_operation *operations;
	size_t count; /* > 0 */
	bool whole; /* all operations or none; else as many as there is room for, from the first on */
	size_t behind; /* how many more operations the asker would ask for next: a turn in line is for some of them, too */
};

/* A budget whose share is 0 until it is told: nothing may go out. */
struct wb_ru_budget *wb_ru_budget_new(struct wb_metrics *metrics);
void wb_ru_budget_free(struct wb_ru_budget **b);
/* The share is that many request units a second from now on (0: nothing). What comes with it comes at its rate: there is
 * no credit for having it. now_ms: monotonic, as everywhere here. */
void wb_ru_budget_share(struct wb_ru_budget *b, double units_per_s, int64_t now_ms);
/* Admits the first operations of the request, as many as are returned, and reserves *ret_units for them. 0: none may go
 * now; its place in line is kept when the same asker asks again soon after *ret_again_ms, which is later than now. */
size_t wb_ru_budget_reserve(struct wb_ru_budget *b, const struct wb_ru_request *request, int64_t now_ms,
	double *ret_units, int64_t *ret_again_ms);
/* The admitted operations have their end: reserved of their request was really charged units; both not negative. */
void wb_ru_budget_settle(
	struct wb_ru_budget *b, const struct wb_ru_request *request, double reserved, double charged, int64_t now_ms);

#endif
