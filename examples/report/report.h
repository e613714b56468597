/* The report itself: one document an entry, marked added, changed or unchanged since the previous report, and a
 * summary. Pure: the input and the previous documents are arguments. Thread-safe.
 */
#ifndef WB_EXAMPLES_REPORT_REPORT_H
#define WB_EXAMPLES_REPORT_REPORT_H

#include "common/base/buf.h"
#include "examples/report/registries.h"

struct report_summary {
	size_t run; /* 1 for the first report */
	size_t added, changed, unchanged, removed;
};

/* Appends the batch {"documents":[…]} to body. previous: a JSON object from id to the document of the last report. */
enum wb_err report_build(const struct registry_list *input, json_t *previous, struct wb_buf *body,
	struct report_summary *ret, struct wb_error *e) WB_MUST_USE;

#endif
