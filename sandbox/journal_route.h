/* The journal over HTTP: POST {"enabled":true} turns it on, GET ?after=N streams its lines, DELETE clears it.
 *
 * Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_JOURNAL_ROUTE_H
#define WB_SANDBOX_JOURNAL_ROUTE_H

#include "sandbox/exchange.h"

void wb_journal_route(struct wb_exchange *x);

#endif
