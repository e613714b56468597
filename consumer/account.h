/* Where the account is written to: the configured endpoint, until a fail-over moved it.
 *
 * Endpoints that were ever known are kept until the end, so readers need no lock. Thread-safe: every function but init
 * and release.
 */
#ifndef WB_CONSUMER_ACCOUNT_H
#define WB_CONSUMER_ACCOUNT_H

#include "common/base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>

#define WB_ACCOUNT_ENDPOINTS_MAX 64

struct wb_account {
	char *endpoints[WB_ACCOUNT_ENDPOINTS_MAX]; /* [0]: the configured one. Owned */
	_Atomic unsigned count;
	_Atomic unsigned current;
};

void wb_account_init(struct wb_account *a, const char *configured);
void wb_account_release(struct wb_account *a);
/* "https://host:443", without a slash at its end; stays valid until release. */
const char *wb_account_endpoint(const struct wb_account *a);
/* Writes go to that endpoint from now on; true when that is a change. One thread only. False, and nothing changes, when
 * it is no endpoint of the configured one's scheme, or too many are known. */
bool wb_account_move(struct wb_account *a, struct wb_slice endpoint);

#endif
