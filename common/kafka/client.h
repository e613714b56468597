/* librdkafka clients from our options, with our defaults where librdkafka's own hurt.
 *
 * This header shows librdkafka types: only common/kafka, the consumer's poller and the sandbox's mock include it.
 * Thread-safe: every function.
 */
#ifndef WB_COMMON_KAFKA_CLIENT_H
#define WB_COMMON_KAFKA_CLIENT_H

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/contract/header.h"
#include "common/kafka/options.h"

#include <librdkafka/rdkafka.h>

struct wb_kafka_setting {
	const char *name, *value; /* name NULL ends the list */
};

/* What every client of ours carries as its opaque: rd_kafka_opaque() and the opaque of every callback. Embed it as the
 * first member of the owner, so that the pointer is the owner's too. Outlives the client. */
struct wb_kafka_context {
	struct wb_log *log; /* where librdkafka's own lines go; may be NULL */
};

/* Our defaults, then role (settings of the caller: "enable.idempotence", …), then the user's kafka.*; the result is the
 * caller's (rd_kafka_conf_destroy, or given to rd_kafka_new). NULL with a sentence in e for a setting that does not
 * exist, has a bad value, or would break a promise (acks, idempotence, commits and offset resets are ours to set);
 * values that are secret are not in it. librdkafka's lines go to the log: warn for what it calls a warning or worse,
 * debug for the rest. */
rd_kafka_conf_t *wb_kafka_conf_new(const struct wb_kafka_options *options, const struct wb_kafka_setting *role,
	const char *client_id, struct wb_kafka_context *context, struct wb_error *e) WB_MUST_USE;

/* Fills headers with views of the message's; returns how many there are in all (more than max: the rest was left
 * out). Views are valid until the message is destroyed. */
size_t wb_kafka_message_headers(const rd_kafka_message_t *message, struct wb_header *headers, size_t max);

#endif
