/* What request.c and request_json.c share; no one else includes it. Not thread-safe. */
#ifndef WB_PRODUCER_REQUEST_INTERNAL_H
#define WB_PRODUCER_REQUEST_INTERNAL_H

#include "producer/item.h"
#include "producer/request.h"

struct wb_request_parser {
	const struct wb_request_rules *rules;
	const struct wb_request_defaults *defaults;
	struct wb_batch *batch;
	struct wb_item_judge judge;
	struct wb_request_error *error; /* filled once, by the first refusal */
};

/* Each fills the error and returns false, so that `return wb_request_refuse(…)` reads well. */
bool wb_request_refuse(struct wb_request_error *error, unsigned status, const char *code, int64_t index,
	const char *format, ...) WB_PRINTF(5, 6);
/* A write that is refused for a reason of the vocabulary, whose sentence stands in why. */
bool wb_request_refuse_item(
	struct wb_request_parser *p, int64_t index, enum wb_reason reason, const struct wb_error *why);
/* Adds a judged item to the batch. */
bool wb_request_keep(struct wb_request_parser *p, const struct wb_batch_write *item);

/* The JSON shapes. */
bool wb_request_parse_json(struct wb_request_parser *p, struct wb_slice body);

#endif
