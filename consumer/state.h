/* GET /v1/state of the admin port: asks the owners of the consumer's state and answers in their words.
 *
 * A thread of its own waits for them, so a thread that hangs delays neither the probes nor a scrape; who does not answer
 * within a second is named under "unanswered". Requests that come meanwhile share the next answer. Costs nothing while
 * nobody asks. Thread-safe: route's handler; the rest from one thread.
 */
#ifndef WB_CONSUMER_STATE_H
#define WB_CONSUMER_STATE_H

#include "common/base/health.h"
#include "common/base/lifecycle.h"
#include "common/http/server.h"
#include "consumer/board.h"
#include "consumer/options.h"

struct wb_state; /* opaque */

struct wb_state_settings {
	const char *program;
	const struct wb_consumer_options *options;
	struct wb_board *board;
	struct wb_health *health;
	struct wb_lifecycle *lifecycle;
};

struct wb_state *wb_state_new(const struct wb_state_settings *settings);
/* The route that serves it. */
struct wb_http_route wb_state_route(struct wb_state *s);
/* Answers what waits with 503, and whatever comes from now on; before the server and the owners end. */
void wb_state_stop(struct wb_state *s);
/* After the server: nobody asks any more. */
void wb_state_free(struct wb_state **s);

#endif
