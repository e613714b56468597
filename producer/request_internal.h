/* What request.c and request_json.c share; no one else includes it. Not thread-safe. */
#ifndef WB_PRODUCER_REQUEST_INTERNAL_H
#define WB_PRODUCER_REQUEST_INTERNAL_H

#include "producer/item.h"
#include "producer/request.h"

struct wb_request_parser {
	const struct wb_request_rules *rules;
	const struct wb_request_defaults *defaults;
	struct wb_batch *batch;
	struct wb_item_judge judge; /* JSON only */
	struct wb_request_error *error; /* filled once, by the first refusal */
};

/* Adds a judged write to the batch. */
bool wb_request_keep(
	struct wb_request_parser *p, const struct wb_item_judge *judge, const struct wb_batch_write *write);

/* The JSON shapes. */
bool wb_request_parse_json(struct wb_request_parser *p, struct wb_slice body);

#endif
