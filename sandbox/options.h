/* The options of writebehind-sandbox.
 *
 * Not thread-safe; filled once at start, read-only after. See common/base/options.h for sources and rules.
 */
#ifndef WB_SANDBOX_OPTIONS_H
#define WB_SANDBOX_OPTIONS_H

#include "common/base/log_options.h"
#include "common/base/options.h"

struct wb_sandbox_config {
	int64_t kafka_port, kafka_partitions;
	char *kafka_topics;
	int64_t cosmos_port, cosmos_ranges, cosmos_range_ru, cosmos_threads, cosmos_regions;
	char *cosmos_database, *cosmos_container, *cosmos_partition_key;
	char *emulator_key;
	int64_t store_max_bytes;
	int64_t fault_latency_ms, fault_jitter_ms;
	char *fault_rules;
	struct wb_log_options log;
};

extern const struct wb_option_table wb_sandbox_options;

#endif
