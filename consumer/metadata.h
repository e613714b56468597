/* What is known of containers: partition key, ranges, whether the server does bulk. One thread reads it from the
 * service; everybody else looks at what was published.
 *
 * A container and its ranges, once known, live until the metadata is freed, so pointers to them stay valid. Loading
 * goes on until it succeeds (an outage lasts as long as it lasts); at most one load per container is under way.
 * Sets the health condition "containers". Thread-safe: every function but new and free.
 */
#ifndef WB_CONSUMER_METADATA_H
#define WB_CONSUMER_METADATA_H

#include "common/base/health.h"
#include "common/base/log.h"
#include "common/cosmos/partition_key.h"
#include "consumer/options.h"
#include "consumer/range_map.h"

#include <stdbool.h>

struct wb_container; /* opaque but for the functions below */

/* A partition key range of a container: what a worker sends a bulk to. */
struct wb_range {
	const struct wb_container *container;
	char id[WB_RANGE_ID_SIZE];
	unsigned worker;   /* index of the worker that owns it */
	void *owner_state; /* the owning worker's own; nobody else touches it */
};

struct wb_metadata; /* opaque */

/* on_ready runs on the metadata thread each time a container became known; for waking the poller. */
struct wb_metadata *wb_metadata_new(const struct wb_cosmos_options *options, unsigned workers,
	void (*on_ready)(void *arg), void *arg, struct wb_health *health, struct wb_log *log,
	struct wb_error *e) WB_MUST_USE;
/* Ends the thread; a request under way is dropped. */
void wb_metadata_free(struct wb_metadata **m);
/* The container of that name, made and its loading started when it is new; never NULL. */
struct wb_container *wb_metadata_container(struct wb_metadata *m, struct wb_slice database, struct wb_slice name);
/* Whether its definition and ranges are known. */
bool wb_container_known(const struct wb_container *c);
/* Of a known container: */
const struct wb_pk_definition *wb_container_definition(const struct wb_container *c);
struct wb_range *wb_container_route(struct wb_container *c, const struct wb_epk *epk);
bool wb_container_bulk(const struct wb_container *c);
/* Of any: "dbs/D/colls/C" for signing and item identity; "/dbs/D/colls/C/docs", URL-encoded. */
struct wb_slice wb_container_link(const struct wb_container *c);
const char *wb_container_docs_path(const struct wb_container *c);
/* Asks for the ranges to be read again; single flight. A range whose id stays is the same range; a new one belongs to
 * the worker of the range that held its lower bound before. */
void wb_metadata_refresh(struct wb_metadata *m, const struct wb_container *c);

#endif
