/* The Cosmos DB emulator: a small HTTP server that answers as the service's gateway does, from memory.
 *
 * Covers what docs/SANDBOX.md lists; what it does not know it refuses with 400 or 405, never with success.
 * Thread-safe: new and free from one thread.
 */
#ifndef WB_SANDBOX_EMULATOR_H
#define WB_SANDBOX_EMULATOR_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdint.h>

struct wb_emulator_settings {
	const char *host;
	uint16_t port;          /* 0 picks one; further locations take those that follow, or picked ones */
	const char *key;        /* base64 master key */
	unsigned ranges;        /* of every container made */
	unsigned threads;       /* of every location */
	unsigned locations;     /* 1 to WB_LOCATIONS_MAX; all have the same data; 0 is 1 */
	int64_t range_limit;    /* request units per second and range; 0: none */
	int64_t store_max_bytes;
	int64_t latency_ms, jitter_ms;
	const char *fault_rules; /* JSON as faults.h says, or NULL */
	/* Appends further members to the statistics object, each with a comma before it; may be NULL. */
	void (*more_stats)(void *arg, struct wb_buf *ret);
	void *more_stats_arg;
};

struct wb_emulator;

/* Listens and serves. NULL with a sentence in e. */
struct wb_emulator *wb_emulator_new(const struct wb_emulator_settings *settings, struct wb_error *e) WB_MUST_USE;
/* Of the location, from 0. */
uint16_t wb_emulator_port(const struct wb_emulator *e, unsigned location);
/* Creates a database and a container in it, partitioned by one path, or by up to three with commas between them: a
 * hierarchical key. */
enum wb_err wb_emulator_create(struct wb_emulator *emulator, const char *database, const char *container,
	const char *key_paths, struct wb_error *e) WB_MUST_USE;
void wb_emulator_free(struct wb_emulator **e);

#endif
