/* librdkafka clients from our options, with our defaults where librdkafka's own hurt.
 *
 * Order of settings, later wins: ours, the role's, the user's kafka.* (unknown names are errors that name the key).
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

/* role: settings of the caller ("enable.auto.commit", …). The result is the caller's (rd_kafka_conf_destroy, or given
 * to rd_kafka_new). NULL with a sentence in e; secrets are not in it. librdkafka's own log lines go to log (its
 * opaque is not touched: pass opaque here). */
rd_kafka_conf_t *wb_kafka_conf_new(const struct wb_kafka_options *options, const struct wb_kafka_setting *role,
				   const char *client_id, struct wb_log *log, void *opaque,
				   struct wb_error *e) WB_MUST_USE;

/* Fills headers with views of the message's; returns how many there are in all (more than max: the rest was left
 * out). Views are valid until the message is destroyed. */
size_t wb_kafka_message_headers(const rd_kafka_message_t *message, struct wb_header *headers, size_t max);

#endif
