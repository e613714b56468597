/* What is known of containers: partition key, ranges, whether the server does bulk; and where the account is written to.
 * One thread reads it from the service; everybody else looks at what was published.
 *
 * A container and its ranges, once known, live until the metadata is freed, so pointers to them stay valid. Loading
 * goes on until it succeeds (an outage lasts as long as it lasts); at most one load per container is under way.
 * An item belongs to the same worker as long as the process lives, whatever becomes of its range: workers own stretches
 * of effective partition keys, as the container's first reading cut them. So a split or merge moves no write from one
 * worker to another, and a range may be sent to by several workers, each with a throttle of its own.
 * A container that was made anew with another partition key becomes a new object under the same name, and the old one is
 * stale. Sets the health condition "containers". Thread-safe: every function but new and free.
 */
#ifndef WB_CONSUMER_METADATA_H
#define WB_CONSUMER_METADATA_H

#include "common/base/health.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/cosmos/partition_key.h"
#include "consumer/account.h"
#include "consumer/options.h"
#include "consumer/range_map.h"

#include <stdatomic.h>
#include <stdbool.h>

struct wb_container; /* opaque but for the functions below */

/* A partition key range of a container: what a bulk is sent to. */
struct wb_range {
	const struct wb_container *container;
	const char *database, *container_name; /* the container's; live as long */
	char id[WB_RANGE_ID_SIZE];
	bool bulk; /* the server does bulk */
	_Atomic bool gone; /* split, merged or made anew: what waits for it is routed again */
	void *owner_state[]; /* one for each worker, its own; nobody else touches it */
};

enum wb_container_state {
	WB_CONTAINER_UNKNOWN, /* not read yet */
	WB_CONTAINER_KNOWN,
	WB_CONTAINER_MISSING, /* the service says that it, or its database, does not exist; asked again and again. Where
	                       * that makes dead letters, it has said so several times over some seconds */
	WB_CONTAINER_STALE, /* it has another partition key now: wb_metadata_container gives the new object; for ever */
};

struct wb_metadata; /* opaque */

struct wb_metadata_settings {
	const struct wb_cosmos_options *options;
	const char *client; /* for the User-Agent */
	unsigned workers;
	/* Runs on the metadata thread each time the state of a container or its ranges changed; for waking poller and
	 * workers. */
	void (*on_change)(void *arg);
	void *arg;
	int64_t probe_again_ms; /* when a strange answer about bulk is doubted; 0: after a minute */
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct wb_log *log;
};

struct wb_metadata *wb_metadata_new(const struct wb_metadata_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Ends the thread; a request under way is dropped. */
void wb_metadata_free(struct wb_metadata **m);
/* Where the workers send to; lives as long as the metadata. */
const struct wb_account *wb_metadata_account(const struct wb_metadata *m);
/* The container of that name, made and its loading started when it is new or stale; never NULL. */
struct wb_container *wb_metadata_container(struct wb_metadata *m, struct wb_slice database, struct wb_slice name);
enum wb_container_state wb_container_state(const struct wb_container *c);
/* Of a container that is known, or was: */
const struct wb_pk_definition *wb_container_definition(const struct wb_container *c);
/* The range that holds epk now; never one that is gone when it is asked, though it may go at any time. */
struct wb_range *wb_container_route(const struct wb_container *c, const struct wb_epk *epk);
/* Index of the worker whose item it is, for the life of the process. */
unsigned wb_container_worker(const struct wb_container *c, const struct wb_epk *epk);
bool wb_container_bulk(const struct wb_container *c);
/* Of any: "dbs/D/colls/C" for signing and item identity; "/dbs/D/colls/C/docs", URL-encoded. */
struct wb_slice wb_container_link(const struct wb_container *c);
const char *wb_container_docs_path(const struct wb_container *c);
/* Asks for definition and ranges to be read again; single flight, at most every 100 ms. A range whose id stays is the
 * same range unless the container was made anew. */
void wb_metadata_refresh(struct wb_metadata *m, const struct wb_container *c);
/* Asks for the account's writable locations to be read again (403/3, 403/1008); single flight, as above. */
void wb_metadata_relocate(struct wb_metadata *m);

#endif
