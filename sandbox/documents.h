/* One operation on one document, judged and carried out as the service would, and how a document is shown.
 *
 * Conditions, conflicts, the rules of ids and partition keys, charges and throttling all live here, for point
 * requests and for operations of a bulk body alike. Time is an argument.
 * Thread-safe: takes the lock of the range that it works on.
 */
#ifndef WB_SANDBOX_DOCUMENTS_H
#define WB_SANDBOX_DOCUMENTS_H

#include "common/base/buf.h"
#include "common/cosmos/document.h"
#include "sandbox/container.h"
#include "sandbox/journal.h"
#include "sandbox/patch.h"

#include <stdbool.h>

/* Substatus codes of the service (Documents.SubStatusCodes in the .NET SDK). */
#define WB_SUBSTATUS_PARTITION_KEY_MISMATCH 1001
#define WB_SUBSTATUS_RANGE_GONE             1002
#define WB_SUBSTATUS_OWNER_MISSING          1003
#define WB_SUBSTATUS_THROTTLED              3200
#define WB_SUBSTATUS_REPLY_TOO_LARGE        3402

struct wb_document_now {
	uint32_t wall_s;
	int64_t mono_ms;
	int64_t wall_ms; /* for the journal */
};

/* One operation. An expired item is none. If-Match concerns an item that is there: an upsert of an absent one creates
 * all the same, as in the service (Azure/azure-cosmos-dotnet-v3 issue 1698; remarks on IfMatchEtag in azure-cosmos for
 * Java). For create, upsert and replace `found` is what the scanner found in the body; for the others NULL. */
struct wb_document_request {
	enum wb_operation operation;
	struct wb_slice id;               /* decoded; not used by create and upsert */
	const struct wb_pk *stated;       /* the partition key that the request names */
	const struct wb_json_document *found;
	const struct wb_patch *patch;     /* of a patch; else NULL */
	struct wb_slice if_match, if_none_match; /* {NULL, 0}: no condition */
	const struct wb_range *only;      /* of a bulk request: its key must fall into it; else NULL */
	struct wb_journal *journal;       /* hears of the write when it took effect; NULL when it is off */
	struct wb_slice client;           /* who asks, for the journal; {NULL, 0} when unknown */
};

struct wb_document_result {
	unsigned status, substatus;
	double charge;
	int64_t retry_after_ms; /* -1: none */
	char etag[WB_ETAG_SIZE]; /* "" when there is none */
	const struct wb_range *range;    /* NULL when it was refused before one was known */
	uint64_t session_number;         /* of that range */
	struct wb_error why;             /* for statuses from 400 */
};

/* Room for one operation's decoded strings: cleared before each. */
void wb_document_scratch_init(struct wb_buf *scratch);
enum wb_err wb_document_scratch_clear(struct wb_buf *scratch) WB_MUST_USE;

/* range_limit: request units per second and range, 0 for none. body: gets the document after the operation (for
 * delete nothing); NULL when nobody wants it. scratch: as above; slices of the request may lie in it. */
void wb_document_apply(struct wb_container *container, const struct wb_document_request *request, double range_limit,
	struct wb_document_now now, struct wb_buf *scratch, struct wb_buf *body, struct wb_document_result *ret);

/* Counts an operation that failed on purpose, as if range had judged it. */
void wb_document_count_fault(struct wb_range *range, enum wb_operation operation, unsigned status);

/* Appends the document with its system properties, those in its body (a client that writes back what it read sends
 * them) left out. The range's lock must be held. */
void wb_document_render(const struct wb_container *container, const struct wb_item *item, struct wb_buf *ret);

#endif
