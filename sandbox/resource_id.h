/* Cosmos DB resource ids ("_rid") and etags, built as the official clients take them apart.
 *
 * A database's id is 4 bytes, a container's 8 (the fifth with its top bit set), a document's or a partition key
 * range's 16, in base64 with '-' for '/'. Source: ResourceId in the .NET and Java SDKs. Pure, thread-safe.
 */
#ifndef WB_SANDBOX_RESOURCE_ID_H
#define WB_SANDBOX_RESOURCE_ID_H

#include <stdint.h>

#define WB_RID_DATABASE_SIZE  9  /* 8 characters and a zero */
#define WB_RID_CONTAINER_SIZE 13
#define WB_RID_CHILD_SIZE     25
#define WB_ETAG_SIZE          39 /* with its quotes and a zero */

enum wb_rid_child { WB_RID_DOCUMENT = 0, WB_RID_PARTITION_KEY_RANGE = 5 };

void wb_rid_database(uint32_t database, char ret[WB_RID_DATABASE_SIZE]);
void wb_rid_container(uint32_t database, uint32_t container, char ret[WB_RID_CONTAINER_SIZE]);
/* number < 2^60 */
void wb_rid_child(
	uint32_t database, uint32_t container, enum wb_rid_child kind, uint64_t number, char ret[WB_RID_CHILD_SIZE]);
/* "\"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\"" of a version and when it was written. */
void wb_etag_text(uint64_t version, uint32_t written_s, char ret[WB_ETAG_SIZE]);

#endif
