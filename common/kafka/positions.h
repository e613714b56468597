/* Where the partitions of a topic begin and end, and up to where a group has finished them.
 *
 * Thread-safe: every function.
 */
#ifndef WB_COMMON_KAFKA_POSITIONS_H
#define WB_COMMON_KAFKA_POSITIONS_H

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/kafka/options.h"

#include <stdint.h>

struct wb_kafka_position {
	int64_t low, high; /* the first offset that is there, and the one behind the last */
	int64_t committed; /* the group's; -1: none */
};

/* Asks the cluster. group NULL: committed is not asked, and is -1. *ret_positions is the caller's, to be freed with free().
 * WB_ENOTFOUND for a topic that does not exist; WB_EINVAL for wrong options; WB_ETIMEDOUT or WB_EIO when the cluster does
 * not tell. */
enum wb_err wb_kafka_positions(const struct wb_kafka_options *options, const char *client_id, const char *topic,
	const char *group, int64_t timeout_ms, struct wb_log *log, struct wb_kafka_position **ret_positions,
	int32_t *ret_count, struct wb_error *e) WB_MUST_USE;

#endif
