/* The options of writebehind-producer and of writebehind-publish.
 *
 * Not thread-safe; filled once at start, read-only after. See common/base/options.h for sources and rules.
 */
#ifndef WB_PRODUCER_OPTIONS_H
#define WB_PRODUCER_OPTIONS_H

#include "common/base/json_scan.h"
#include "common/base/log_options.h"
#include "common/base/options.h"
#include "common/kafka/options.h"

#include <stdbool.h>
#include <stdint.h>

/* What both programs ask of a document before it is published. */
struct wb_intake_options {
	char *partition_key;        /* cosmos.partition.key: paths with commas between them; NULL: not looked at */
	bool generate_id;           /* documents.generate.id */
	int64_t publish_timeout_ms; /* publish.timeout.ms */
};

struct wb_http_options {
	char *listen;
	int64_t threads, max_connections, idle_timeout_ms, header_timeout_ms;
	int64_t validate_max_bytes; /* 0: a quarter of the budget */
	int64_t max_body_bytes, max_operations, max_requests;
	char *certificate_file, *key_file; /* both or none */
	char *public_url;                  /* NULL: by the request's Host */
};

enum wb_auth_mode { WB_AUTH_AUTO, WB_AUTH_TOKENS, WB_AUTH_NONE };

/* Who may use the service. */
struct wb_protection_options {
	int auth;           /* enum wb_auth_mode */
	char *tokens_file;  /* http.tokens.file; NULL: none */
	bool metrics_open;  /* http.metrics.open */
	char *cors_origins; /* http.cors.origins; NULL: off */
	bool audit;         /* log.audit */
};

struct wb_jobs_options {
	int64_t retention_ms, unaccepted_ms, max, read_timeout_ms;
};

/* Done callbacks of jobs; hosts NULL: there are none. */
struct wb_callback_options {
	char *hosts, *secret, *secret_previous, *ca_file, *group_id;
	bool allow_private;
	int64_t timeout_ms, max_in_flight;
};

struct wb_producer_config {
	struct wb_kafka_options kafka;
	struct wb_intake_options intake;
	struct wb_http_options http;
	struct wb_protection_options protection;
	struct wb_jobs_options jobs;
	struct wb_callback_options callback;
	struct wb_log_options log;
	int64_t linger_ms;
	int64_t memory_budget_bytes;
	int64_t startup_timeout_ms, shutdown_timeout_ms;
	/* flags */
	const char *new_token, *scope, *database, *container, *expires;
};

struct wb_publish_config {
	struct wb_kafka_options kafka;
	struct wb_intake_options intake;
	struct wb_log_options log;
	int64_t linger_ms;
	int64_t memory_budget_bytes;
	int64_t startup_timeout_ms;
	/* flags */
	const char *database, *container, *op, *format;
	bool generate_ids, unchecked, untracked, wait, json, quiet;
};

extern const struct wb_option_table wb_producer_options;
extern const struct wb_option_table wb_publish_options;

/* Checks what no single row can: that a body fits into the memory budget, that callbacks can be signed, and that nobody is
 * let in without a token unless that was said or nobody else can come. WB_EINVAL with a sentence that names the keys. */
enum wb_err wb_producer_config_check(const struct wb_producer_config *c, struct wb_error *e) WB_MUST_USE;

/* Listens where the Azure Functions host wants it: port is FUNCTIONS_CUSTOMHANDLER_PORT's text. WB_EINVAL with a sentence
 * that names it. */
enum wb_err wb_producer_config_functions(
	struct wb_producer_config *c, const char *port, struct wb_error *e) WB_MUST_USE;

/* Splits cosmos.partition.key into paths (to be released). text may be NULL: no paths. WB_EINVAL with a sentence. */
enum wb_err wb_partition_key_paths(const char *text, struct wb_json_paths *ret, struct wb_error *e) WB_MUST_USE;

/* The largest record that the producer may send: kafka.message.max.bytes, or the default of common/kafka. */
size_t wb_record_bytes_max(const struct wb_kafka_options *kafka);

#endif
