/* The databases and containers of the account.
 *
 * A deleted container is found no more, and lives as long as somebody holds it. Thread-safe: every function. The
 * catalog's lock is taken before a container's, never inside it.
 */
#ifndef WB_SANDBOX_CATALOG_H
#define WB_SANDBOX_CATALOG_H

#include "common/base/buf.h"
#include "sandbox/container.h"

#include <stdint.h>

#define WB_DATABASES_MAX  1000
#define WB_CONTAINERS_MAX 1000 /* of a database */

/* What a deleted container leaves behind: a later one of its name has other ids for its ranges. */
struct wb_grave {
	char *name;
	uint32_t next_range;
};

struct wb_database {
	struct wb_database *next;
	uint32_t number;
	char *name;
	char rid[WB_RID_DATABASE_SIZE];
	uint32_t created_s;
	uint64_t version;
	struct wb_container *containers;
	size_t container_count;
	struct wb_grave *graves; /* the latest WB_CONTAINERS_MAX, oldest first */
	size_t grave_count;
};

struct wb_catalog;

/* range_count: of every container made later, 1 to WB_RANGES_MAX. */
struct wb_catalog *wb_catalog_new(unsigned range_count, struct wb_store_budget *budget);
void wb_catalog_free(struct wb_catalog **c);

/* name segments of paths: the name, or the resource id. Bodies are appended to ret as the service writes them. */
struct wb_resource_result wb_catalog_database_create(
	struct wb_catalog *c, struct wb_slice definition, uint32_t now_s, struct wb_buf *ret);
struct wb_resource_result wb_catalog_database_read(struct wb_catalog *c, struct wb_slice name, struct wb_buf *ret);
struct wb_resource_result wb_catalog_database_delete(struct wb_catalog *c, struct wb_slice name);
struct wb_resource_result wb_catalog_database_list(struct wb_catalog *c, size_t *ret_count, struct wb_buf *ret);
struct wb_resource_result wb_catalog_container_create(
	struct wb_catalog *c, struct wb_slice database, struct wb_slice definition, uint32_t now_s, struct wb_buf *ret);
/* now_ms: monotonic; a container that is still missing is not found. */
struct wb_resource_result wb_catalog_container_read(
	struct wb_catalog *c, struct wb_slice database, struct wb_slice name, int64_t now_ms, struct wb_buf *ret);
struct wb_resource_result wb_catalog_container_delete(
	struct wb_catalog *c, struct wb_slice database, struct wb_slice name);
struct wb_resource_result wb_catalog_container_list(
	struct wb_catalog *c, struct wb_slice database, size_t *ret_count, struct wb_buf *ret);

struct wb_recreation {
	struct wb_slice definition; /* {NULL, 0}: the one that it had */
	bool keep_documents;        /* only when the partition key stays */
	int64_t missing_until_ms;   /* monotonic; 0: it is there at once */
};
/* Deletes a container and makes it anew, under another resource id and with other ids of ranges, in one step. */
struct wb_resource_result wb_catalog_container_recreate(struct wb_catalog *c, struct wb_slice database,
	struct wb_slice name, const struct wb_recreation *how, uint32_t now_s, struct wb_buf *ret);

/* The container, held for the caller, or NULL. */
struct wb_container *wb_catalog_hold(struct wb_catalog *c, struct wb_slice database, struct wb_slice name) WB_MUST_USE;
/* Calls fn for every container, which is held meanwhile. */
void wb_catalog_each(struct wb_catalog *c, void (*fn)(void *arg, struct wb_container *container), void *arg);

#endif
