/* Why a request is refused: what its answer says, and the one way to say it.
 *
 * Pure, thread-safe.
 */
#ifndef WB_PRODUCER_REQUEST_ERROR_H
#define WB_PRODUCER_REQUEST_ERROR_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "common/contract/reason.h"

#include <stdbool.h>
#include <stdint.h>

/* The words are public (docs/HTTP.md). */
struct wb_request_error {
	unsigned status;       /* 400, 413 or 503 */
	const char *code;      /* a literal */
	int64_t index; /* of the write, from 0, or the line of NDJSON, from 1; -1: of the request as a whole */
	enum wb_reason reason; /* with code invalid-document or document-too-large, else NONE */
	struct wb_error detail;
};

/* Each fills the error and returns false, so that `return wb_request_refuse(…)` reads well. */
bool wb_request_refuse(struct wb_request_error *error, unsigned status, const char *code, int64_t index,
	const char *format, ...) WB_PRINTF(5, 6);
/* A write that is refused for a reason of the vocabulary, whose sentence stands in why. */
bool wb_request_refuse_item(
	struct wb_request_error *error, int64_t index, enum wb_reason reason, const struct wb_error *why);
/* A member of an object that is not known there, or stands twice; name is raw, known what may stand there. */
bool wb_request_refuse_unknown(struct wb_request_error *error, int64_t index, struct wb_slice name, const char *known);
bool wb_request_refuse_twice(struct wb_request_error *error, int64_t index, struct wb_slice name);
bool wb_request_refuse_memory(struct wb_request_error *error);

#endif
