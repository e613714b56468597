/* Lists of documents: the read feed, and the one query that means the same.
 *
 * A page ends after x-ms-max-item-count documents or at a size; the continuation names the range and the last
 * document's number, so pages stay right while documents come and go. `SELECT * FROM c` in any spelling of its names
 * is answered as a feed, a request for a query plan with the plan of such a query; other queries get 400.
 * Thread-safe as far as exchanges are their own.
 */
#ifndef WB_SANDBOX_FEED_H
#define WB_SANDBOX_FEED_H

#include "sandbox/exchange.h"

/* GET of a container's documents. */
void wb_feed_route(struct wb_exchange *x, struct wb_container *container);
/* POST of a query to them. */
void wb_query_route(struct wb_exchange *x, struct wb_container *container);
/* Whether the text selects everything from one alias. Pure. */
bool wb_query_selects_all(struct wb_slice text);

/* Streams every document as a line {"id":…,"pk":[…],"document":{…}}: for wb_web_reply's producer. */
struct wb_document_stream;
/* Takes over the caller's hold on the container. */
struct wb_document_stream *wb_document_stream_new(struct wb_container *container);
bool wb_document_stream_next(void *stream, struct wb_buf *buf);
void wb_document_stream_free(void *stream);

#endif
