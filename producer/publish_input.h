/* Reads writebehind-publish's input to its end: cuts it into items, judges each and sends it.
 *
 * Memory is bounded whatever the size of the input. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_PUBLISH_INPUT_H
#define WB_PRODUCER_PUBLISH_INPUT_H

#include "common/base/error.h"
#include "producer/request_stream.h"
#include "producer/sender.h"

#include <stdbool.h>

struct wb_publish_input {
	int fd;
	const char *name; /* for messages: "-" is standard input */
	bool unchecked;   /* items go out as they are; the key is the id where it can be read */
	struct wb_request_stream *stream;
	struct wb_sender *sender;
};

/* Sends every item. WB_EINVAL: an item was refused or the input is cut off, WB_EIO: it cannot be read, both with a
 * sentence that names the line; else what wb_sender_send says. *ret_kafka tells the two kinds apart. */
enum wb_err wb_publish_input_run(const struct wb_publish_input *in, bool *ret_kafka, struct wb_error *e) WB_MUST_USE;

#endif
