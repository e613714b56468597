/* A container: its definition, and its partition key ranges with their documents.
 *
 * The definition is kept as the client gave it, with what the service adds. A container lives as long as somebody
 * holds it; when it was deleted its flag says so. Ranges stand in the order of their keys and cover all keys without
 * gaps; each has a lock for its documents. Which ranges there are is guarded by `structure`: a request holds it for
 * reading as long as it works with ranges, splits and merges (split.h) hold it for writing. No id is given twice; ranges
 * that are gone are remembered, and what they counted. Thread-safe: functions that take no ranges; those that do need
 * the structure held, and a range's own lock guards what is said below.
 */
#ifndef WB_SANDBOX_CONTAINER_H
#define WB_SANDBOX_CONTAINER_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/thread.h"
#include "common/cosmos/partition_key.h"
#include "sandbox/policies.h"
#include "sandbox/request_units.h"
#include "sandbox/resource_id.h"
#include "sandbox/store.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WB_RANGES_MAX       256  /* at a time */
#define WB_RANGES_EVER_MAX  4096
#define WB_RANGE_NUMBER_MAX ((1u << 24) - WB_RANGES_EVER_MAX) /* of a container's first range */
#define WB_STATUS_KINDS     32

/* How often each status was given, by operation. The last place counts all that found none of their own. */
struct wb_status_counts {
	uint16_t status[WB_STATUS_KINDS];
	uint64_t count[WB_OPERATION_DOCUMENT_COUNT][WB_STATUS_KINDS];
};

struct wb_range {
	char id[12];
	uint32_t number;        /* the same */
	uint32_t *ancestors;    /* numbers of the ranges that it comes from, ascending, its parents among them */
	unsigned ancestor_count;
	uint64_t born;          /* the container's ranges_version that it came with */
	int64_t completing_until_ms; /* monotonic; until then its split or merge goes on: 410 with the substatus */
	unsigned completing_substatus;
	struct wb_epk min, max; /* [min, max) */
	char min_text[2 * WB_EPK_SIZE_MAX + 1], max_text[2 * WB_EPK_SIZE_MAX + 1];
	pthread_mutex_t lock;   /* guards what follows */
	struct wb_store store;
	struct wb_request_units units;
	struct wb_status_counts counts;
	double charged;
};

struct wb_container {
	struct wb_container *next;
	_Atomic unsigned holders;
	_Atomic bool deleted;
	uint32_t database_number, number;
	char *name, *database_name;
	char rid[WB_RID_CONTAINER_SIZE];
	char self[64];
	uint32_t created_s;
	uint64_t version;
	json_t *definition;            /* read-only after it was made */
	struct wb_pk_definition key;
	struct wb_policies policies;   /* read-only after it was made */
	int64_t missing_until_ms;      /* monotonic; read-only after it was made: until then it seems not to exist */
	struct wb_store_budget *budget;
	pthread_rwlock_t structure;    /* guards the ranges */
	struct wb_range **ranges;      /* owned, ascending; room for WB_RANGES_MAX */
	unsigned range_count;
	struct wb_range **retired;     /* owned; split or merged, without documents */
	unsigned retired_count;
	uint32_t first_range;          /* lower numbers were ranges of an earlier container of the same name */
	uint32_t next_range;
	uint64_t ranges_version;       /* the etag of the feed of ranges */
	int64_t completing_until_ms;   /* the latest of all ranges */
	_Atomic uint64_t requests, bulk_requests, request_bytes, gone_requests;
};

/* How a request about a database or container ended: an HTTP status (200, 201, 204, 400, 404, 409, …), why when it is an error. */
struct wb_resource_result {
	unsigned status;
	char etag[WB_ETAG_SIZE];
	struct wb_error why;
};

/* Where a container belongs. */
struct wb_container_place {
	const char *database_name, *database_rid; /* copied */
	uint32_t database_number, number;
	uint32_t first_range; /* number of its first range, below WB_RANGE_NUMBER_MAX */
	int64_t missing_until_ms;
};

/* Checks a definition and makes a container of it, held once; NULL with *ret saying why. */
struct wb_container *wb_container_new(const struct wb_container_place *place, struct wb_slice definition,
	unsigned range_count, struct wb_store_budget *budget, uint32_t now_s,
	struct wb_resource_result *ret) WB_MUST_USE;
void wb_container_hold(struct wb_container *c);
/* Lets go; sets *c to NULL. The last one frees it. */
void wb_container_release(struct wb_container **c);

/* The structure's lock. Nobody takes it twice, and none of the catalog's is taken inside it. */
static inline void wb_container_enter(struct wb_container *c)
{
	wb_rwlock_read(&c->structure);
}
static inline void wb_container_leave(struct wb_container *c)
{
	wb_rwlock_unlock(&c->structure);
}

/* An empty range; ancestors are the caller's to fill in. The structure's lock is held for writing, or nobody else knows
 * the container. */
struct wb_range *wb_range_new(struct wb_container *c, const struct wb_epk *min, const struct wb_epk *max);

/* The range that a key falls into: there always is one. */
struct wb_range *wb_container_range_of(const struct wb_container *c, const struct wb_epk *epk);
/* By its id, which the Java client writes with the container's resource id and a comma before it; or NULL. */
struct wb_range *wb_container_range_by_id(const struct wb_container *c, struct wb_slice id);
/* The same among those that are gone. */
struct wb_range *wb_container_retired_by_id(const struct wb_container *c, struct wb_slice id);
bool wb_range_contains(const struct wb_range *r, const struct wb_epk *epk);
/* Its lock must be held. */
void wb_range_count(struct wb_range *r, enum wb_operation operation, unsigned status, double charge);

/* Appends the container as the service shows it. */
void wb_container_render(const struct wb_container *c, struct wb_buf *ret);
/* Appends the feed of partition key ranges: those that came after the version `since` of an etag, 0 for all. Returns how
 * many. */
unsigned wb_container_render_ranges(const struct wb_container *c, uint64_t since, struct wb_buf *ret);
/* The version that an etag of this feed names, or 0 when it is none of this container's. */
uint64_t wb_container_ranges_since(const struct wb_container *c, struct wb_slice etag);
void wb_container_ranges_etag(const struct wb_container *c, char ret[WB_ETAG_SIZE]);

/* Whether a resource's name is allowed: 1 to 255 bytes, none of / \ ? #, no space at the end. */
bool wb_resource_name_valid(struct wb_slice name);

#endif
