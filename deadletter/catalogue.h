/* The index kept up with both topics, and the letters' records by their offsets: what every command reads by.
 *
 * One program at a time reads into a file, under a lock that ends with its process; others wait for it, for read.timeout.ms
 * at most. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_CATALOGUE_H
#define WB_DEADLETTER_CATALOGUE_H

#include "common/base/log.h"
#include "deadletter/index.h"
#include "deadletter/letter.h"
#include "deadletter/options.h"

struct wb_catalogue; /* opaque */

/* Opens the index and reads both topics up to their present ends. WB_EINVAL for wrong kafka.* options, WB_ENOTFOUND,
 * WB_EIO or WB_ETIMEDOUT when Kafka or the index cannot be read. log may be NULL. */
enum wb_err wb_catalogue_open(const struct wb_deadletter_config *config, struct wb_log *log, struct wb_catalogue **ret,
	struct wb_error *e) WB_MUST_USE;
void wb_catalogue_free(struct wb_catalogue **catalogue);
struct wb_index *wb_catalogue_index(struct wb_catalogue *catalogue);
/* Reads what has come since. */
enum wb_err wb_catalogue_update(struct wb_catalogue *catalogue, struct wb_error *e) WB_MUST_USE;

struct wb_letter_place {
	int32_t partition;
	int64_t offset;
};

/* Slices are valid during the call; at: the index of the place. False ends the reading. */
typedef bool (*wb_letter_fn)(void *arg, size_t at, const struct wb_letter *letter);

/* Reads these letters, in an order that suits Kafka. What retention has removed meanwhile is left out. */
enum wb_err wb_catalogue_fetch(struct wb_catalogue *catalogue, const struct wb_letter_place *places, size_t count,
	wb_letter_fn fn, void *arg, struct wb_error *e) WB_MUST_USE;

#endif
