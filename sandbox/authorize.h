/* Master-key signatures of requests, verified as the service does.
 *
 * The signed text names the resource by its path, or, when it is addressed by resource ids, by the last of them in
 * lower case. A wrong signature is 401; a right one whose date is more than 15 minutes off is 403.
 * Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_AUTHORIZE_H
#define WB_SANDBOX_AUTHORIZE_H

#include "common/cosmos/sign.h"
#include "sandbox/exchange.h"

/* false: the request is refused and the reply is made. now_ms: wall clock. */
bool wb_authorize(struct wb_exchange *x, const struct wb_cosmos_key *key, int64_t now_ms);

#endif
