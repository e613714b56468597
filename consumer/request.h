/* How a batch goes over the wire: a bulk of its range, a point write, or the reading of one item.
 *
 * Paths, header lines and verbs are those of Microsoft's SDKs (docs/CONTRACT.md, sources). Not thread-safe: the
 * transport's owner.
 */
#ifndef WB_CONSUMER_REQUEST_H
#define WB_CONSUMER_REQUEST_H

#include "consumer/engine.h"
#include "consumer/transport.h"

/* Sends the batch; fn runs with the batch as its argument when the reply is there. A bulk's body is batch->body; a point
 * write's is made here from the write, by its step, operation and conditions, and needs no memory that outlives the call
 * but the write's document. */
void wb_request_send(struct wb_transport *t, struct wb_batch *batch, wb_reply_fn fn);

#endif
