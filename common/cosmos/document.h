/* What Cosmos DB takes as a document: strict JSON, an object, an id by its rules, a partition key, a size.
 *
 * The one place that judges a document before it is sent, for the producer (400 with the index) and for the consumer
 * (a dead letter) alike. The bytes are never changed. Pure, thread-safe.
 */
#ifndef WB_COMMON_COSMOS_DOCUMENT_H
#define WB_COMMON_COSMOS_DOCUMENT_H

#include "common/base/json_scan.h"
#include "common/contract/reason.h"
#include "common/cosmos/partition_key.h"

#define WB_DOCUMENT_SIZE_MAX (2 * 1024 * 1024) /* an item's limit in Cosmos DB */
#define WB_DOCUMENT_ID_MAX   1023                /* bytes */

struct wb_document {
	struct wb_slice raw;    /* the object without surrounding space */
	struct wb_slice id;     /* decoded; into raw or scratch */
	struct wb_slice id_raw; /* with quotes and escapes, as it stands in the document */
	struct wb_pk pk;        /* empty when no paths were given */
};

/* paths may be NULL: the partition key is not looked at. scratch takes decoded strings; it is cleared by nobody here,
 * and must have room for WB_DOCUMENT_ID_MAX + WB_JSON_PATHS_MAX * WB_PK_STRING_MAX bytes reserved beforehand.
 * NONE, or the reason with a sentence in why (offset in the text where it helps); TOO_LARGE, the last that is looked at,
 * fills *ret too. */
enum wb_reason wb_document_check(struct wb_slice text, const struct wb_json_paths *paths, struct wb_buf *scratch,
	struct wb_document *ret, struct wb_error *why) WB_MUST_USE;
/* The same judgement of a document that a reader has found already. */
enum wb_reason wb_document_judge(const struct wb_json_document *found, unsigned path_count, struct wb_buf *scratch,
	struct wb_document *ret, struct wb_error *why) WB_MUST_USE;
/* The rules of an id alone: 1 to 1023 bytes, none of / \ ? #, no trailing space, no control bytes. */
enum wb_reason wb_document_id_check(struct wb_slice id, struct wb_error *why) WB_MUST_USE;

#endif
