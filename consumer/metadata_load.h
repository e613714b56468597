/* Reading from the service: a container's definition, its ranges, the probe whether it does bulk; and where the account is
 * written to.
 *
 * Private to metadata. Each call blocks until it has its answer or *stop is set (then WB_ECLOSED).
 * Not thread-safe: the metadata thread's own.
 */
#ifndef WB_CONSUMER_METADATA_LOAD_H
#define WB_CONSUMER_METADATA_LOAD_H

#include "common/cosmos/partition_key.h"
#include "consumer/range_map.h"
#include "consumer/transport.h"

#include <stdatomic.h>

#define WB_RID_SIZE 64

struct wb_metadata_source {
	struct wb_transport *transport;
	const atomic_bool *stop;
	const char *link; /* "dbs/D/colls/C" */
	const char *container_path; /* "/dbs/D/colls/C", URL-encoded */
	const char *docs_path;
	const char *ranges_path;
	/* What the calls met: */
	bool no_reply; /* the last request got none */
	bool moved; /* some request was told that the account is written to elsewhere (403 with 3 or 1008) */
};

/* What the service says of a container. Zeroed it is empty. */
struct wb_container_description {
	struct wb_pk_definition definition; /* owned: wb_json_paths_release(&definition.paths) */
	char rid[WB_RID_SIZE]; /* "_rid", another one for each container of that name; "": not given */
};

/* WB_ENOTFOUND when Cosmos DB says that there is no such container or database, also from wb_metadata_load_ranges; WB_EUNSUPPORTED for a kind of partition key that is
 * not handled; WB_EIO with the server's status otherwise. */
enum wb_err wb_metadata_load_definition(
	struct wb_metadata_source *s, struct wb_container_description *ret, struct wb_error *e) WB_MUST_USE;
enum wb_err wb_metadata_load_ranges(
	struct wb_metadata_source *s, struct wb_range_map **ret, struct wb_error *e) WB_MUST_USE;
/* Whether a bulk of one Read is answered as a bulk. Not when the array itself is refused (400, 415, 501). WB_EIO when
 * that cannot be told yet; WB_EUNSUPPORTED for what servers without bulk may say, and others in trouble (5xx, an
 * unknown 4xx, 2xx with another body): it may be asked again. */
enum wb_err wb_metadata_probe_bulk(struct wb_metadata_source *s, const struct wb_pk_definition *definition,
	const struct wb_range_map *ranges, bool *ret, struct wb_error *e) WB_MUST_USE;
/* Asks that endpoint where the account is written to: its first writable location. ret begins empty. Of s only transport
 * and stop matter. Source: Microsoft's SDKs (GET /, "writableLocations"). */
enum wb_err wb_metadata_load_account(
	struct wb_metadata_source *s, const char *endpoint, struct wb_buf *ret, struct wb_error *e) WB_MUST_USE;

#endif
