/* Reading one container's facts from the service: definition, ranges, and the probe whether it does bulk.
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

struct wb_metadata_source {
	struct wb_transport *transport;
	const atomic_bool *stop;
	const char *link;           /* "dbs/D/colls/C" */
	const char *container_path; /* "/dbs/D/colls/C", URL-encoded */
	const char *docs_path;
	const char *ranges_path;
};

/* WB_EUNSUPPORTED for a kind of partition key that is not handled; WB_EIO with the server's status otherwise. *ret is
 * to be released with wb_json_paths_release(&ret->paths). */
enum wb_err wb_metadata_load_definition(
	const struct wb_metadata_source *s, struct wb_pk_definition *ret, struct wb_error *e) WB_MUST_USE;
enum wb_err wb_metadata_load_ranges(
	const struct wb_metadata_source *s, struct wb_range_map **ret, struct wb_error *e) WB_MUST_USE;
/* Whether a bulk of one Read is answered as a bulk. WB_EIO when that cannot be told yet; WB_EUNSUPPORTED for an error
 * of the server's own, which some servers without bulk give and others in trouble: it may be asked again. */
enum wb_err wb_metadata_probe_bulk(const struct wb_metadata_source *s, const struct wb_pk_definition *definition,
	const struct wb_range_map *ranges, bool *ret, struct wb_error *e) WB_MUST_USE;

#endif
