/* The kinds of requests and operations that the emulator tells apart, and their names in faults and statistics.
 *
 * Depends on nothing. Pure.
 */
#ifndef WB_SANDBOX_OPERATION_H
#define WB_SANDBOX_OPERATION_H

/* symbol, name; those up to PATCH act on one document and may stand in a bulk body */
#define WB_OPERATION_LIST(X)                 \
	X(WB_OPERATION_CREATE, "create")     \
	X(WB_OPERATION_UPSERT, "upsert")     \
	X(WB_OPERATION_REPLACE, "replace")   \
	X(WB_OPERATION_DELETE, "delete")     \
	X(WB_OPERATION_READ, "read")         \
	X(WB_OPERATION_PATCH, "patch")       \
	X(WB_OPERATION_FEED, "feed")         \
	X(WB_OPERATION_QUERY, "query")       \
	X(WB_OPERATION_PKRANGES, "pkranges") \
	X(WB_OPERATION_METADATA, "metadata")

enum wb_operation {
#define X(symbol, name) symbol,
	WB_OPERATION_LIST(X)
#undef X
		WB_OPERATION_COUNT
};

#define WB_OPERATION_DOCUMENT_COUNT (WB_OPERATION_PATCH + 1)

#endif
