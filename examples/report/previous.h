/* The database side of the report: the documents of the previous report, by the container's read feed.
 *
 * Reads range by range (the form of the read feed that works on accounts of every size), page by page. Thread-safe.
 */
#ifndef WB_EXAMPLES_REPORT_PREVIOUS_H
#define WB_EXAMPLES_REPORT_PREVIOUS_H

#include "common/base/error.h"
#include "common/cosmos/sign.h"

#include <jansson.h>

struct previous_source {
	const char *endpoint; /* "https://account.documents.azure.com" */
	const char *database, *container;
	struct wb_cosmos_key key;
};

/* ret: a JSON object from id to document, the caller's (json_decref). */
enum wb_err previous_read(const struct previous_source *source, json_t **ret, struct wb_error *e) WB_MUST_USE;

#endif
