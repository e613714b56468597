/* The consumer's options. Filled once at start, read-only after; so thread-safe. */
#ifndef WB_CONSUMER_OPTIONS_H
#define WB_CONSUMER_OPTIONS_H

#include "common/base/log_options.h"
#include "common/base/options.h"
#include "common/base/slice.h"
#include "common/cosmos/sign.h"
#include "common/kafka/options.h"
#include "consumer/topic_map.h"

#define WB_CONSUMER_WORKERS_MAX 256

struct wb_cosmos_options {
	char *endpoint; /* cosmos.endpoint: "https://account.documents.azure.com:443", no slash at its end */
	char *key_text; /* cosmos.key, secret */
	char *connection_string; /* cosmos.connection.string, secret: instead of endpoint and key */
	struct wb_cosmos_key key; /* decoded from either */
	char *ca_file; /* cosmos.ca.file */
	char *database, *container; /* cosmos.database, cosmos.container: the default target */
	char *containers; /* cosmos.containers: comma-separated allow list */
	struct wb_slice *allowed; /* its names, into containers; the configured container when there is no list */
	size_t allowed_count;
	int64_t request_timeout_ms; /* cosmos.request.timeout.ms: below the session timeout */
	int64_t connect_timeout_ms; /* cosmos.connect.timeout.ms */
	int missing; /* cosmos.missing.container, as the table has it */
	bool missing_is_dead; /* writes to a container that does not exist become dead letters instead of waiting */
};

enum wb_tombstones { WB_TOMBSTONES_DEAD_LETTER, WB_TOMBSTONES_DELETE };
enum wb_lost_range { WB_LOST_RANGE_STOP, WB_LOST_RANGE_CONTINUE };

struct wb_consumer_options {
	struct wb_kafka_options kafka;
	char *group_id; /* kafka.group.id */
	int64_t session_timeout_ms; /* kafka.session.timeout.ms, or our default of it */
	char *topic_map_text; /* topic.map */
	struct wb_topic_map topic_map; /* read from it: the topics beside topic.writes */
	int tombstones; /* consumer.tombstones: enum wb_tombstones */
	int on_lost_range; /* consumer.on.lost.range: enum wb_lost_range */
	struct wb_cosmos_options cosmos;
	int64_t workers; /* consumer.workers */
	int64_t max_offset_gap; /* consumer.max.offset.gap: records */
	int64_t range_concurrency; /* cosmos.range.concurrency: bulk requests in flight per range, at most */
	int64_t point_concurrency; /* cosmos.point.concurrency: point writes in flight per range, at most */
	int64_t ru_budget; /* cosmos.ru.budget: request units a second of the whole group; 0: no limit */
	int64_t bulk_linger_ms; /* cosmos.bulk.linger.ms */
	int64_t operation_retry_max_ms; /* cosmos.operation.retry.max.ms */
	int64_t results_interval_ms; /* results.interval.ms */
	int64_t memory_budget_bytes; /* memory.budget.bytes */
	int64_t drain_timeout_ms; /* consumer.drain.timeout.ms: of a revoked partition */
	int64_t shutdown_timeout_ms; /* shutdown.timeout.ms */
	char *admin_listen; /* admin.listen */
	char *top; /* --top: a URL, of argv; the program then shows running consumers instead */
	bool json; /* --json */
	struct wb_log_options log;
};

#define WB_TOP_URLS_MAX 16

extern const struct wb_option_table wb_consumer_option_table;
/* The command line of --top: flags and up to WB_TOP_URLS_MAX - 1 more URLs; no keys, so none has to be set. */
extern const struct wb_option_table wb_top_option_table;

/* What the table cannot check alone: endpoint and key or connection string, URL form, list of containers, time-outs
 * that depend on one another; decodes the key and wipes its texts. WB_EINVAL with a sentence. */
enum wb_err wb_consumer_options_finish(struct wb_consumer_options *o, struct wb_error *e) WB_MUST_USE;
/* Frees everything, secrets wiped. */
void wb_consumer_options_release(struct wb_consumer_options *o);

#endif
