#include "producer/options.h"

#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/http/loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB    INT64_C(1024)
#define MIB    (1024 * KIB)
#define SECOND INT64_C(1000)
#define DAY    (24 * 60 * 60 * SECOND)

/* Kafka's own bound of a record; more than any broker is configured for. */
#define PUBLIC_URL_MAX       400
#define RECORD_BYTES_DEFAULT INT64_C(3000000)

#define ROW(type_, member_, key_, def_, min_, max_, help_) \
	{ .key = (key_),                                   \
		.type = (type_),                           \
		.offset = offsetof(STRUCT, member_),       \
		.def = (def_),                             \
		.min = (min_),                             \
		.max = (max_),                             \
		.help = (help_) }

#define SECRET_ROW(member_, key_, help_) \
	{ .key = (key_), .type = WB_OPT_STRING, .offset = offsetof(STRUCT, member_), .secret = true, .help = (help_) }

#define STRUCT struct wb_intake_options
#define PARTITION_KEY_ROW                                                                                          \
	ROW(WB_OPT_STRING, partition_key, "cosmos.partition.key", NULL, 0, 0,                                      \
		"The container's partition key paths (/tenant or /a,/b): documents are then checked against them " \
		"before they are "                                                                                 \
		"published")
#define GENERATE_ID_ROW                                                                                                \
	ROW(WB_OPT_BOOL, generate_id, "documents.generate.id", "false", 0, 0,                                          \
		"Whether an upsert or create of a document without id gets one, made of its job and its place in it; " \
		"else it is refused")

static const struct wb_option service_intake_rows[] = {
	PARTITION_KEY_ROW,
	GENERATE_ID_ROW,
	ROW(WB_OPT_DURATION, publish_timeout_ms, "publish.timeout.ms", "20s", 100, 3600 * SECOND,
		"How long Kafka may take to acknowledge a job before the request is answered with 503"),
};

static const struct wb_option publish_intake_rows[] = {
	PARTITION_KEY_ROW,
	GENERATE_ID_ROW,
	ROW(WB_OPT_DURATION, publish_timeout_ms, "publish.timeout.ms", "2min", 100, 3600 * SECOND,
		"How long Kafka may take to acknowledge a record before the program gives up"),
};
#undef STRUCT

#define STRUCT struct wb_http_options
static const struct wb_option http_rows[] = {
	ROW(WB_OPT_STRING, listen, "http.listen", "127.0.0.1:8080", 0, 0, "Address and port; port 0 picks a free one"),
	ROW(WB_OPT_INT, threads, "http.threads", "2", 1, 256, "Threads that read requests and check documents"),
	ROW(WB_OPT_INT, max_connections, "http.max.connections", "1000", 1, 100000,
		"Connections at the same time; for one more the slowest or longest idle one is closed"),
	ROW(WB_OPT_DURATION, idle_timeout_ms, "http.idle.timeout.ms", "60s", SECOND, 3600 * SECOND,
		"A connection that says nothing for that long is closed"),
	ROW(WB_OPT_DURATION, header_timeout_ms, "http.header.timeout.ms", "10s", SECOND, 3600 * SECOND,
		"How long a request's headers may take to come"),
	ROW(WB_OPT_BYTES, validate_max_bytes, "http.validate.max.bytes", "0", 0, 2048 * MIB,
		"Up to here a body is validated whole before anything of it is published; above it only NDJSON is "
		"taken, "
		"and published as it comes; 0: a quarter of memory.budget.bytes"),
	ROW(WB_OPT_BYTES, max_body_bytes, "http.max.body.bytes", "16GiB", KIB, 1024 * 1024 * MIB,
		"The largest body of a request; above it 413"),
	ROW(WB_OPT_INT, max_operations, "http.max.operations", "100000", 1, 10000000,
		"The most writes of a request that is validated whole; above it 413"),
	ROW(WB_OPT_INT, max_requests, "http.max.requests", "1000", 1, 100000,
		"Jobs that are being published at the same time; above it 503 with Retry-After"),
	ROW(WB_OPT_STRING, certificate_file, "http.tls.certificate.file", NULL, 0, 0,
		"Certificate chain in PEM: connections are then TLS; read again at SIGHUP"),
	ROW(WB_OPT_STRING, key_file, "http.tls.key.file", NULL, 0, 0, "The private key of that certificate, in PEM"),
	ROW(WB_OPT_STRING, public_url, "http.public.url", NULL, 0, 0,
		"By which URL clients reach the service, for links in answers (https://jobs.example.com); unset: by "
		"the "
		"request's Host"),
};
#undef STRUCT

#define STRUCT struct wb_protection_options
static const struct wb_option protection_rows[] = {
	{ .key = "http.auth",
		.type = WB_OPT_ENUM,
		.offset = offsetof(STRUCT, auth),
		.def = "auto",
		.choices = "auto|tokens|none",
		.help = "Who is let in: holders of a token, or everyone; auto is tokens where http.tokens.file is set, "
			"and "
			"otherwise everyone on this machine, for which http.listen must be a loopback address" },
	ROW(WB_OPT_STRING, tokens_file, "http.tokens.file", NULL, 0, 0,
		"The tokens that are let in, as JSON (docs/SECURITY.md); --new-token makes one, SIGHUP has it read "
		"again"),
	ROW(WB_OPT_BOOL, metrics_open, "http.metrics.open", "false", 0, 0,
		"Whether /metrics needs no token; else it needs one with the scope read, where tokens are asked for"),
	ROW(WB_OPT_STRING, cors_origins, "http.cors.origins", NULL, 0, 0,
		"Origins of web pages whose scripts may use the service, with commas between them, or * for all"),
	ROW(WB_OPT_BOOL, audit, "log.audit", "true", 0, 0,
		"Whether a line of the log, at info, tells of every job who sent it, how many writes, and the answer"),
};
#undef STRUCT

#define STRUCT struct wb_jobs_options
static const struct wb_option jobs_rows[] = {
	ROW(WB_OPT_DURATION, retention_ms, "jobs.retention.ms", "7d", SECOND, 3650 * DAY,
		"How long a finished job can be asked for, and its idempotency key is known"),
	ROW(WB_OPT_DURATION, unaccepted_ms, "jobs.unaccepted.ms", "1h", SECOND, 3650 * DAY,
		"How long the outcomes of a job wait, from the last one on, for its accepted record before they "
		"count as unaccepted for good"),
	ROW(WB_OPT_INT, max, "jobs.max", "1000000", 1, 1000000000,
		"Finished jobs whose details are kept, of older ones only id and idempotency key; with as many "
		"unfinished ones, new jobs are answered with 503"),
	ROW(WB_OPT_DURATION, read_timeout_ms, "jobs.read.timeout.ms", "5s", 100, 600 * SECOND,
		"How long a question about a job may wait until the results topic is read to its end; then 503"),
};
#undef STRUCT

#define STRUCT struct wb_callback_options
static const struct wb_option callback_rows[] = {
	ROW(WB_OPT_STRING, hosts, "callback.hosts", NULL, 0, 0,
		"Hosts that jobs may name in their callback, with commas between them: example.com, *.example.com for "
		"all below it, example.com:8443 for another port than 443; unset, jobs with a callback are refused"),
	SECRET_ROW(secret, "callback.secret",
		"Secret that signs callbacks, as Standard Webhooks has it: whsec_ and the base64 of 24 to 64 random "
		"bytes; needed with callback.hosts"),
	SECRET_ROW(secret_previous, "callback.secret.previous",
		"The secret before a change: callbacks are signed with both until receivers know the new one"),
	ROW(WB_OPT_BOOL, allow_private, "callback.allow.private", "false", 0, 0,
		"Also call hosts whose address is loopback, private, link-local or special in another way"),
	ROW(WB_OPT_STRING, ca_file, "callback.ca.file", NULL, 0, 0,
		"PEM file with the authorities that receivers' certificates are checked against instead of "
		"the system's"),
	ROW(WB_OPT_STRING, group_id, "callback.group.id", "writebehind-callbacks", 0, 0,
		"Consumer group on the results topic, by which instances share the callbacks"),
	ROW(WB_OPT_DURATION, timeout_ms, "callback.timeout.ms", "15s", 100, 600 * SECOND,
		"How long an attempt may take; of it at most 5s for the connection"),
	ROW(WB_OPT_INT, max_in_flight, "callback.max.in.flight", "64", 2, 10000,
		"Attempts at the same time; at most 4 of them to one host"),
};
#undef STRUCT

#define STRUCT struct wb_producer_config
static const struct wb_option service_process_rows[] = {
	ROW(WB_OPT_DURATION, linger_ms, "publish.linger.ms", "0", 0, 10 * SECOND,
		"How long a record waits for others that travel with it; those of a stream at least 5 ms"),
	ROW(WB_OPT_BYTES, memory_budget_bytes, "memory.budget.bytes", "128MiB", 8 * MIB, 1024 * 1024 * MIB,
		"Memory for bodies, their records and the queue to Kafka; at the mark requests are answered with 503"),
	ROW(WB_OPT_DURATION, startup_timeout_ms, "startup.timeout.ms", "30s", SECOND, 3600 * SECOND,
		"How long Kafka may take to answer at the start"),
	ROW(WB_OPT_DURATION, shutdown_timeout_ms, "shutdown.timeout.ms", "25s", 0, 3600 * SECOND,
		"How long requests in flight may take to end after SIGTERM"),
};
#undef STRUCT

#define STRUCT struct wb_publish_config
static const struct wb_option publish_process_rows[] = {
	ROW(WB_OPT_DURATION, linger_ms, "publish.linger.ms", "5", 0, 10 * SECOND,
		"How long a record waits for others that travel with it"),
	ROW(WB_OPT_BYTES, memory_budget_bytes, "memory.budget.bytes", "128MiB", 8 * MIB, 1024 * 1024 * MIB,
		"Memory for the input that is being read and the queue to Kafka"),
	ROW(WB_OPT_DURATION, startup_timeout_ms, "startup.timeout.ms", "30s", SECOND, 3600 * SECOND,
		"How long Kafka may take to answer at the start"),
};
#undef STRUCT

#define FLAG(type_, member_, name_, letter_, arg_, help_) \
	{ .name = (name_),                                \
		.letter = (letter_),                      \
		.type = (type_),                          \
		.offset = offsetof(STRUCT, member_),      \
		.arg = (arg_),                            \
		.help = (help_) }
#define STRUCT struct wb_producer_config
static const struct wb_flag service_flags[] = {
	FLAG(WB_FLAG_STRING, new_token, "new-token", 0, "NAME",
		"Print a new token and its entry for http.tokens.file, and end"),
	FLAG(WB_FLAG_STRING, scope, "scope", 0, "LIST", "With --new-token: what it may do (default publish,read)"),
	FLAG(WB_FLAG_STRING, database, "database", 0, "LIST", "With --new-token: databases it is for (default *, all)"),
	FLAG(WB_FLAG_STRING, container, "container", 0, "LIST",
		"With --new-token: containers it is for (default *, all)"),
	FLAG(WB_FLAG_STRING, expires, "expires", 0, "TIME",
		"With --new-token: until when it holds, like 2027-01-01T00:00:00Z (default: for good)"),
};
#undef STRUCT

#define STRUCT struct wb_publish_config
static const struct wb_flag publish_flags[] = {
	FLAG(WB_FLAG_STRING, database, "database", 0, "NAME", "Target database (default: the consumers')"),
	FLAG(WB_FLAG_STRING, container, "container", 0, "NAME", "Target container (default: the consumers')"),
	FLAG(WB_FLAG_STRING, op, "op", 0, "OP",
		"What is done: upsert (default), create or replace; delete, whose items are "
		"{\"id\":…,\"partitionKey\":[…]}; or patch, whose items have \"operations\":[…], too"),
	FLAG(WB_FLAG_STRING, format, "format", 0, "FORMAT",
		"How items stand in the input: ndjson, array, or auto (default; an array begins with [)"),
	FLAG(WB_FLAG_BOOL, generate_ids, "generate-ids", 0, NULL,
		"Documents without id get one, new with every run (documents.generate.id=true)"),
	FLAG(WB_FLAG_BOOL, unchecked, "unchecked", 0, NULL, "Publish items as they are; the consumer judges them"),
	FLAG(WB_FLAG_BOOL, untracked, "untracked", 0, NULL, "Publish without a job: nobody can ask what became of it"),
	FLAG(WB_FLAG_BOOL, wait, "wait", 'w', NULL, "Wait for the job's end; exit 0 only if it Succeeded"),
	FLAG(WB_FLAG_BOOL, json, "json", 0, NULL, "Print the result as one JSON object"),
	FLAG(WB_FLAG_BOOL, quiet, "quiet", 'q', NULL, "No progress on the terminal"),
};
#undef STRUCT

#define GROUP(title_, rows_, base_) \
	{ .title = (title_), .options = (rows_), .count = WB_ARRAY_LEN(rows_), .base = (base_) }
#define KAFKA_GROUP(base_) \
	{ .title = "Kafka", .options = wb_kafka_option_rows, .count = WB_KAFKA_OPTION_ROWS, .base = (base_) }
#define SERVICE(member) offsetof(struct wb_producer_config, member)
#define PUBLISH(member) offsetof(struct wb_publish_config, member)

static const struct wb_option_group service_groups[] = {
	KAFKA_GROUP(SERVICE(kafka)),
	GROUP("HTTP", http_rows, SERVICE(http)),
	GROUP("Protection", protection_rows, SERVICE(protection)),
	GROUP("Intake", service_intake_rows, SERVICE(intake)),
	GROUP("Jobs", jobs_rows, SERVICE(jobs)),
	GROUP("Callbacks", callback_rows, SERVICE(callback)),
	GROUP("Process", service_process_rows, 0),
	GROUP("Log", wb_log_service_rows, SERVICE(log)),
};

const struct wb_option_table wb_producer_options = {
	.program = "writebehind-producer",
	.summary = "takes batches of writes over HTTP, publishes them to Kafka and tells what became of them",
	.usage = "writebehind-producer [options], or writebehind-producer --new-token NAME [options]",
	.epilogue = "Routes and error codes: docs/HTTP.md, and /openapi.json of the running service.\n"
		    "Tokens, CORS and the audit lines: docs/SECURITY.md. SIGHUP reads http.tokens.file again.\n"
		    "\n"
		    "Examples:\n"
		    "  writebehind-producer --new-token billing --scope publish --container invoices\n"
		    "\n"
		    "Exit codes:\n"
		    "  0  stopped by SIGTERM or SIGINT; with --new-token: it was printed\n"
		    "  1  could not start or could not go on; the log says why\n"
		    "  2  a bad option\n",
	.groups = service_groups,
	.group_count = WB_ARRAY_LEN(service_groups),
	.flags = service_flags,
	.flag_count = WB_ARRAY_LEN(service_flags),
};

static const struct wb_option_group publish_groups[] = {
	KAFKA_GROUP(PUBLISH(kafka)),
	GROUP("Intake", publish_intake_rows, PUBLISH(intake)),
	GROUP("Process", publish_process_rows, 0),
	GROUP("Log", wb_log_command_rows, PUBLISH(log)),
};

const struct wb_option_table wb_publish_options = {
	.program = "writebehind-publish",
	.summary = "publishes the documents of a file, one a line or a JSON array, as one job",
	.usage = "writebehind-publish [options] FILE|-",
	.epilogue = "The job's id is printed on standard output once Kafka holds all of the job.\n"
		    "The input is judged as it is read: a bad item ends the program without a job;\n"
		    "earlier items may be written then.\n"
		    "\n"
		    "Examples:\n"
		    "  writebehind-publish --set kafka.bootstrap.servers=localhost:9092 --wait documents.ndjson\n"
		    "  jq -c '.[]' report.json | writebehind-publish --container reports -\n"
		    "\n"
		    "Exit codes:\n"
		    "  0  accepted; with --wait: the job Succeeded\n"
		    "  1  an item was refused or the input could not be read; with --wait: the job Failed\n"
		    "  2  a bad option\n"
		    "  3  Kafka did not take it, or could not be read while waiting\n",
	.groups = publish_groups,
	.group_count = WB_ARRAY_LEN(publish_groups),
	.flags = publish_flags,
	.flag_count = WB_ARRAY_LEN(publish_flags),
	.max_positionals = 1,
};

static enum wb_err check_auth(const struct wb_producer_config *c, struct wb_error *e)
{
	const struct wb_protection_options *p = &c->protection;
	bool loopback = false;
	enum wb_err err;

	if (p->auth == WB_AUTH_TOKENS && !p->tokens_file)
		return wb_error_set(e, WB_EINVAL,
			"http.auth=tokens needs http.tokens.file; writebehind-producer --new-token NAME makes a token "
			"and "
			"its entry there");
	if (p->auth == WB_AUTH_NONE && p->tokens_file)
		return wb_error_set(e, WB_EINVAL,
			"http.auth=none and http.tokens.file contradict each other; leave one of them out");
	if (p->auth == WB_AUTH_NONE || p->tokens_file)
		return WB_OK;
	err = wb_listen_is_loopback(c->http.listen, &loopback, e);
	if (err == WB_OK && !loopback)
		return wb_error_set(e, WB_EINVAL,
			"http.listen=%.100s can be reached from other machines, and nobody would be asked for a token: "
			"set "
			"http.tokens.file (writebehind-producer --new-token NAME makes a token), or http.auth=none if "
			"everyone may publish, or listen on 127.0.0.1",
			c->http.listen);
	return err;
}

static enum wb_err check_flags(const struct wb_producer_config *c, struct wb_error *e)
{
	const char *alone = c->scope ? "scope"
		: c->database        ? "database"
		: c->container       ? "container"
		: c->expires         ? "expires"
				     : NULL;

	return alone ? wb_error_set(e, WB_EINVAL, "--%s goes with --new-token", alone) : WB_OK;
}

/* A path is appended to it, so it ends before one, or behind a prefix of one. */
static enum wb_err check_public_url(const char *url, struct wb_error *e)
{
	size_t scheme = !url ? 0 : strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;

	if (!url)
		return WB_OK;
	if (scheme == 0 || strlen(url) > PUBLIC_URL_MAX || strcspn(url + scheme, "/?#") == 0 ||
		strpbrk(url, "?# \"\\") || url[strlen(url) - 1] == '/')
		return wb_error_set(e, WB_EINVAL,
			"http.public.url is \"%s\": an http or https URL of at most %d bytes is allowed, without query "
			"and "
			"without a slash at the end",
			url, PUBLIC_URL_MAX);
	return WB_OK;
}

enum wb_err wb_producer_config_check(const struct wb_producer_config *c, struct wb_error *e)
{
	if (c->http.validate_max_bytes > c->memory_budget_bytes / 8 * 3)
		return wb_error_set(e, WB_EINVAL,
			"http.validate.max.bytes is %lld: at most three eighths of memory.budget.bytes (%lld) are "
			"allowed, which all bodies share",
			(long long)c->http.validate_max_bytes, (long long)c->memory_budget_bytes);
	if (!c->http.certificate_file != !c->http.key_file)
		return wb_error_set(e, WB_EINVAL,
			"http.tls.certificate.file and http.tls.key.file are needed together, or none of them");
	if (check_public_url(c->http.public_url, e) != WB_OK)
		return WB_EINVAL;
	if (c->callback.hosts && !c->callback.secret)
		return wb_error_set(e, WB_EINVAL,
			"callback.secret (or callback.secret.file) is needed with callback.hosts: "
			"callbacks are signed");
	if (check_flags(c, e) != WB_OK)
		return WB_EINVAL;
	return check_auth(c, e);
}

enum wb_err wb_producer_config_functions(struct wb_producer_config *c, const char *port, struct wb_error *e)
{
	char listen[32];
	int64_t number;

	if (wb_strict_int64(wb_slice_cstr(port), 1, 65535, &number, NULL) != WB_OK)
		return wb_error_set(e, WB_EINVAL,
			"FUNCTIONS_CUSTOMHANDLER_PORT is \"%s\": a port from 1 to 65535 is allowed", port);
	(void)snprintf(listen, sizeof listen, "127.0.0.1:%d", (int)number); /* fits */
	free(c->http.listen);
	c->http.listen = wb_xstrdup(listen);
	return WB_OK;
}

enum wb_err wb_partition_key_paths(const char *text, struct wb_json_paths *ret, struct wb_error *e)
{
	struct wb_json_paths paths = { 0 };
	struct wb_error why;

	while (text && *text) {
		size_t len = strcspn(text, ",");

		if (wb_json_paths_add(&paths, wb_slice(text, len), &why) != WB_OK) {
			wb_json_paths_release(&paths);
			return wb_error_set(e, WB_EINVAL, "cosmos.partition.key: %s", why.text);
		}
		text += len + (text[len] == ',');
	}
	*ret = paths;
	return WB_OK;
}

size_t wb_record_bytes_max(const struct wb_kafka_options *kafka)
{
	int64_t given = wb_kafka_message_max_bytes(kafka);

	return (size_t)(given > 0 ? given : RECORD_BYTES_DEFAULT);
}
