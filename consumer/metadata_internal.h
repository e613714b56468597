/* A container as the metadata's own files see it: what was published of it, and how the next reading is published.
 *
 * Readers take no lock: they count themselves in, look at the newest reading, and count themselves out. A reading that
 * another one replaced is freed by the metadata thread once it has seen a moment without readers, since whoever comes
 * later sees the newer one. Ranges, the definition and the stretches live as long as the container.
 * The metadata thread alone publishes; the functions of metadata.h read from any thread.
 */
#ifndef WB_CONSUMER_METADATA_INTERNAL_H
#define WB_CONSUMER_METADATA_INTERNAL_H

#include "common/base/backoff.h"
#include "consumer/metadata.h"
#include "consumer/metadata_load.h"

/* One reading of the ranges. */
struct wb_routes {
	struct wb_range_map *map;
	struct wb_range **ranges; /* as the map's entries; owned by the container */
	struct wb_routes *older; /* of those that nobody can find any more: the next to be freed */
};

struct wb_container {
	struct wb_container *next;
	char *database, *name;
	char *link, *container_path, *docs_path, *ranges_path;

	_Atomic enum wb_container_state state;
	_Atomic bool bulk;
	/* Set once, before the container is known for the first time: */
	struct wb_pk_definition definition;
	struct wb_range_map *stretches; /* the first reading */
	unsigned first_worker; /* whose the first stretch is; the others follow in turn */
	unsigned workers;

	_Atomic(struct wb_routes *) routes;
	_Atomic unsigned readers; /* who may be looking at a reading */

	_Atomic bool wanted; /* a reading is asked for and not begun */
	/* The metadata thread's own. */
	struct wb_routes *retired;
	struct wb_range **every; /* all ranges that ever were, gone ones too; owned */
	size_t every_count, every_room;
	char rid[WB_RID_SIZE]; /* "_rid" of the newest reading; "" when the server gives none */
	struct wb_backoff backoff;
	int64_t due_ms;
	unsigned probes;
	int64_t probe_again_ms; /* that the server does no bulk is a guess: asked again then; 0: it is certain */
	unsigned denials;       /* readings in a row that said that there is no such container */
	int64_t denied_ms;      /* monotonic, the first of those */
	int64_t problem_ms, complained_ms; /* wall clock since when; monotonic, of the last line in the log */
	char problem[384], complaint[384]; /* what stands against it, "" when nothing; what the log said last */
};

/* UNKNOWN, and wanted. */
struct wb_container *wb_container_new(struct wb_slice database, struct wb_slice name);
/* Nobody may look at it any more. */
void wb_container_free(struct wb_container *c);
/* What the first reading settles for ever; takes the definition over. The first stretch is that worker's. */
void wb_container_settle(struct wb_container *c, struct wb_pk_definition *definition, const struct wb_range_map *map,
	unsigned first_worker, unsigned workers);
/* The newest reading; takes map over. Ranges that are not in it any more are gone; anew: so are all others, though new
 * ones may bear their ids. True when anything changed. */
bool wb_container_publish(struct wb_container *c, struct wb_range_map *map, bool anew);
/* Frees readings that nobody can be looking at. */
void wb_container_reclaim(struct wb_container *c);
bool wb_pk_definition_eq(const struct wb_pk_definition *a, const struct wb_pk_definition *b);

#endif
