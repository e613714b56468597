#include "consumer/options.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/contract/record.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define AT(member)     offsetof(struct wb_consumer_options, member)
#define COSMOS(member) offsetof(struct wb_cosmos_options, member)
/* Our default of kafka.session.timeout.ms (common/kafka/client.c). */
#define SESSION_TIMEOUT_DEFAULT_MS 10000
#define RECORD_MAX_DEFAULT_BYTES   3000000 /* as common/kafka/client.c has it */
#define BUDGET_RECORDS             5
#define REQUEST_TIMEOUT_MAX_MS     30000
#define POLL_INTERVAL_DEFAULT_MS   300000 /* librdkafka's */
#define ANSWER_MARGIN_MS           6000   /* END_MARGIN_MS and FINAL_COMMIT_WAIT_MS of poller_group.c, and a little */

static const struct wb_option group_rows[] = {
	{ .key = "kafka.group.id",
		.type = WB_OPT_STRING,
		.offset = AT(group_id),
		.def = "writebehind",
		.help = "consumer group whose members share the partitions of the writes topics" },
	{ .key = "topic.map",
		.type = WB_OPT_STRING,
		.offset = AT(topic_map_text),
		.help = "more topics to read, each for a container of its own, as TOPIC:CONTAINER separated by commas; "
			"records of topic.writes go to cosmos.container" },
};

static const struct wb_option cosmos_rows[] = {
	{ .key = "cosmos.endpoint",
		.type = WB_OPT_STRING,
		.offset = COSMOS(endpoint),
		.help = "URL of the account, such as https://account.documents.azure.com:443" },
	{ .key = "cosmos.key",
		.type = WB_OPT_STRING,
		.offset = COSMOS(key_text),
		.secret = true,
		.help = "account key, as the portal shows it" },
	{ .key = "cosmos.connection.string",
		.type = WB_OPT_STRING,
		.offset = COSMOS(connection_string),
		.secret = true,
		.help = "AccountEndpoint=…;AccountKey=…; instead of cosmos.endpoint and cosmos.key" },
	{ .key = "cosmos.ca.file",
		.type = WB_OPT_STRING,
		.offset = COSMOS(ca_file),
		.help = "PEM file with the certificate authorities to trust instead of the system's" },
	{ .key = "cosmos.database",
		.type = WB_OPT_STRING,
		.offset = COSMOS(database),
		.required = true,
		.help = "database of writes that name none" },
	{ .key = "cosmos.container",
		.type = WB_OPT_STRING,
		.offset = COSMOS(container),
		.required = true,
		.help = "container of writes that name none" },
	{ .key = "cosmos.containers",
		.type = WB_OPT_STRING,
		.offset = COSMOS(containers),
		.help = "containers that a write may name, separated by commas; cosmos.container alone when not set" },
	{ .key = "cosmos.request.timeout.ms",
		.type = WB_OPT_DURATION,
		.offset = COSMOS(request_timeout_ms),
		.def = "0",
		.min = 0,
		.max = 600000,
		.help = "how long a request may take; below kafka.session.timeout.ms, or 0: four fifths of that, at "
			"most 30s" },
	{ .key = "cosmos.connect.timeout.ms",
		.type = WB_OPT_DURATION,
		.offset = COSMOS(connect_timeout_ms),
		.def = "5s",
		.min = 100,
		.max = 600000,
		.help = "how long a connection may take to come up" },
	{ .key = "cosmos.missing.container",
		.type = WB_OPT_ENUM,
		.offset = COSMOS(missing),
		.def = "wait",
		.choices = "wait|dead-letter",
		.help = "what becomes of writes to a container that does not exist: wait until it does, or dead "
			"letters" },
};

static const struct wb_option consumer_rows[] = {
	{ .key = "consumer.workers",
		.type = WB_OPT_INT,
		.offset = AT(workers),
		.def = "2",
		.min = 1,
		.max = WB_CONSUMER_WORKERS_MAX,
		.help = "threads that send to Cosmos DB" },
	{ .key = "consumer.max.offset.gap",
		.type = WB_OPT_INT,
		.offset = AT(max_offset_gap),
		.def = "100000",
		.min = 1,
		.max = 100000000,
		.help = "records of a partition from the first unfinished to the last read; at the limit it is paused "
			"alone" },
	{ .key = "consumer.drain.timeout.ms",
		.type = WB_OPT_DURATION,
		.offset = AT(drain_timeout_ms),
		.def = "20s",
		.min = 0,
		.max = 240000,
		.help = "how long a revoked partition may take to finish what was read of it; nothing of it is sent "
			"in the last cosmos.request.timeout.ms of that, so that every request has its end" },
	{ .key = "consumer.tombstones",
		.type = WB_OPT_ENUM,
		.offset = AT(tombstones),
		.def = "dead-letter",
		.choices = "dead-letter|delete",
		.help = "a record without value and wb-op: a dead letter, or a delete of the item that its key names" },
	{ .key = "consumer.on.lost.range",
		.type = WB_OPT_ENUM,
		.offset = AT(on_lost_range),
		.def = "stop",
		.choices = "stop|continue",
		.help = "when records fell out of retention before they were read: the partition stands still, or goes "
			"on behind them; either way the log names what is lost" },
	{ .key = "cosmos.range.concurrency",
		.type = WB_OPT_INT,
		.offset = AT(range_concurrency),
		.def = "64",
		.min = 1,
		.max = 1000,
		.help = "bulk requests in flight at most for one partition key range; how many of them are best is "
			"found by itself, from the time that replies take and from throttling" },
	{ .key = "cosmos.point.concurrency",
		.type = WB_OPT_INT,
		.offset = AT(point_concurrency),
		.def = "32",
		.min = 1,
		.max = 1000,
		.help = "the same for single writes, where the server has no bulk" },
	{ .key = "cosmos.ru.budget",
		.type = WB_OPT_INT,
		.offset = AT(ru_budget),
		.def = "0",
		.min = 0,
		.max = 1000000000,
		.help = "request units a second that the whole group may spend; each process takes the share of the "
			"partitions that it was assigned; 0: no limit" },
	{ .key = "cosmos.bulk.linger.ms",
		.type = WB_OPT_DURATION,
		.offset = AT(bulk_linger_ms),
		.def = "5",
		.min = 0,
		.max = 10000,
		.help = "how long a bulk that is not full waits for more while others of its range are in flight" },
	{ .key = "cosmos.operation.retry.max.ms",
		.type = WB_OPT_DURATION,
		.offset = AT(operation_retry_max_ms),
		.def = "15min",
		.min = 0,
		.max = 7 * 86400000,
		.help = "waiting time after which a write that fails alone, again and again, becomes a dead letter" },
	{ .key = "results.interval.ms",
		.type = WB_OPT_DURATION,
		.offset = AT(results_interval_ms),
		.def = "100",
		.min = 1,
		.max = 60000,
		.help = "how long outcomes are gathered into one record of the results topic" },
	{ .key = "memory.budget.bytes",
		.type = WB_OPT_BYTES,
		.offset = AT(memory_budget_bytes),
		.def = "128MiB",
		.min = 16 << 20,
		.max = INT64_C(1) << 40,
		.help = "memory for records on their way, librdkafka's queue and requests in flight; at the limit "
			"reading stops" },
	{ .key = "shutdown.timeout.ms",
		.type = WB_OPT_DURATION,
		.offset = AT(shutdown_timeout_ms),
		.def = "25s",
		.min = 0,
		.max = 600000,
		.help = "how long SIGTERM waits for writes under way before it hands them back; nothing is sent in the "
			"last cosmos.request.timeout.ms of that" },
	{ .key = "admin.listen",
		.type = WB_OPT_STRING,
		.offset = AT(admin_listen),
		.def = "127.0.0.1:8081",
		.help = "address of /livez, /readyz, /metrics, /version and /v1/state; port 0 picks one" },
};

static const struct wb_flag flags[] = {
	{ .name = "top",
		.type = WB_FLAG_STRING,
		.offset = AT(top),
		.arg = "URL",
		.help = "Show what the consumer at that admin address is doing, live, and write nothing; more URLs may "
			"follow. Once, where standard output is no terminal" },
	{ .name = "json", .type = WB_FLAG_BOOL, .offset = AT(json), .help = "with --top: its state as JSON, once" },
};

static const struct wb_option_group groups[] = {
	{ "Kafka", wb_kafka_option_rows, WB_KAFKA_OPTION_ROWS, AT(kafka) },
	{ "Consumer group", group_rows, WB_ARRAY_LEN(group_rows), 0 },
	{ "Cosmos DB", cosmos_rows, WB_ARRAY_LEN(cosmos_rows), AT(cosmos) },
	{ "Consumer", consumer_rows, WB_ARRAY_LEN(consumer_rows), 0 },
	{ "Log", wb_log_service_rows, WB_LOG_OPTION_ROWS, AT(log) },
};

const struct wb_option_table wb_consumer_option_table = {
	.program = "writebehind-consumer",
	.summary =
		"carries writes from Kafka into Azure Cosmos DB in bulk; what can never succeed becomes a dead letter",
	.usage = "writebehind-consumer [options], or writebehind-consumer --top URL...",
	.epilogue =
		"Exit codes:\n"
		"  0  stopped by SIGTERM or SIGINT\n"
		"  1  could not go on; the log says why. Worth a restart. With --top: a consumer cannot be reached\n"
		"  2  a bad option: the same again until it is changed, so not worth a restart\n",
	.groups = groups,
	.group_count = WB_ARRAY_LEN(groups),
	.flags = flags,
	.flag_count = WB_ARRAY_LEN(flags),
};

const struct wb_option_table wb_top_option_table = {
	.program = "writebehind-consumer",
	.summary = "shows what running consumers are doing",
	.usage = "writebehind-consumer --top URL...",
	.epilogue = "Example:\n"
		    "  writebehind-consumer --top http://127.0.0.1:8081\n\n"
		    "Exit codes:\n"
		    "  0  shown\n"
		    "  1  a consumer cannot be reached\n"
		    "  2  a bad option\n",
	.flags = flags,
	.flag_count = WB_ARRAY_LEN(flags),
	.max_positionals = WB_TOP_URLS_MAX - 1,
};

/* The value of a part "Name=value" of a connection string, or the absent slice. */
static struct wb_slice connection_part(const char *text, const char *name)
{
	size_t name_len = strlen(name);

	while (*text) {
		size_t len = strcspn(text, ";");

		if (len > name_len && strncmp(text, name, name_len) == 0 && text[name_len] == '=')
			return wb_slice(text + name_len + 1, len - name_len - 1);
		text += len + (text[len] == ';');
	}
	return wb_slice(NULL, 0);
}

static enum wb_err read_account(struct wb_cosmos_options *c, struct wb_error *e)
{
	struct wb_slice key = wb_slice_cstr(c->key_text);

	if (c->connection_string) {
		struct wb_slice endpoint = connection_part(c->connection_string, "AccountEndpoint");

		if (c->endpoint || c->key_text)
			return wb_error_set(e, WB_EINVAL,
				"cosmos.connection.string stands instead of cosmos.endpoint and cosmos.key: set one or "
				"the other");
		key = connection_part(c->connection_string, "AccountKey");
		if (!endpoint.data || !key.data)
			return wb_error_set(
				e, WB_EINVAL, "cosmos.connection.string: expected AccountEndpoint=…;AccountKey=…;");
		c->endpoint = wb_xmemdup(endpoint.data, endpoint.len);
	}
	if (!c->endpoint)
		return wb_error_set(e, WB_EINVAL, "cosmos.endpoint (or cosmos.connection.string) is required");
	if (!key.data)
		return wb_error_set(e, WB_EINVAL, "cosmos.key (or cosmos.connection.string) is required");
	if (wb_cosmos_key_parse(key, &c->key) != WB_OK)
		return wb_error_set(e, WB_EINVAL,
			"cosmos.key (or AccountKey of cosmos.connection.string): not base64 of at most %d bytes",
			WB_COSMOS_KEY_MAX);
	if (c->key_text)
		wb_crypto_wipe(c->key_text, strlen(c->key_text));
	if (c->connection_string)
		wb_crypto_wipe(c->connection_string, strlen(c->connection_string));
	return WB_OK;
}

/* scheme://host[:port], perhaps with slashes at the end, which are cut off. */
static enum wb_err check_endpoint(char *endpoint, struct wb_error *e)
{
	size_t scheme = strncmp(endpoint, "https://", 8) == 0 ? 8 : strncmp(endpoint, "http://", 7) == 0 ? 7 : 0;
	size_t len = strlen(endpoint);

	while (scheme && len > scheme && endpoint[len - 1] == '/')
		endpoint[--len] = '\0';
	if (!scheme || len == scheme || strcspn(endpoint + scheme, "/?#@ \t\r\n") != len - scheme)
		return wb_error_set(e, WB_EINVAL,
			"cosmos.endpoint: expected https://host[:port] or http://host[:port] without a path");
	return WB_OK;
}

/* Names of databases and containers become parts of paths. */
static bool name_ok(struct wb_slice name)
{
	if (name.len == 0 || name.len > WB_NAME_LEN_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];

		if (c < 0x20 || c == 0x7f || strchr("/\\?#", c))
			return false;
	}
	return true;
}

static struct wb_slice trimmed(struct wb_slice s)
{
	while (s.len && isspace((unsigned char)*s.data))
		s = wb_slice(s.data + 1, s.len - 1);
	while (s.len && isspace((unsigned char)s.data[s.len - 1]))
		s.len--;
	return s;
}

static enum wb_err read_containers(struct wb_cosmos_options *c, struct wb_error *e)
{
	const char *list = c->containers ? c->containers : c->container;
	size_t max = 1;

	if (!name_ok(wb_slice_cstr(c->database)) || !name_ok(wb_slice_cstr(c->container)))
		return wb_error_set(e, WB_EINVAL,
			"cosmos.database and cosmos.container: 1 to %d bytes without / \\ ? # and control characters",
			WB_NAME_LEN_MAX);
	for (const char *p = list; *p; p++)
		max += *p == ',';
	c->allowed = wb_xcalloc(max, sizeof *c->allowed);
	while (*list) {
		size_t len = strcspn(list, ",");
		struct wb_slice name = trimmed(wb_slice(list, len));

		if (!name_ok(name))
			return wb_error_set(e, WB_EINVAL, "cosmos.containers: \"%.*s\" is no container's name",
				WB_SLICE_ARGS(name));
		c->allowed[c->allowed_count++] = name;
		list += len + (list[len] == ',');
	}
	return WB_OK;
}

/* A number that librdkafka is given through kafka.*; *ret stays as it is when there is none. */
static enum wb_err read_kafka_number(
	const struct wb_consumer_options *o, const char *name, int64_t max, int64_t *ret, struct wb_error *e)
{
	for (size_t i = 0; i < o->kafka.properties.count; i++) {
		const struct wb_option_pair *pair = &o->kafka.properties.pairs[i];

		if (strcmp(pair->key, name) == 0 &&
			wb_strict_int64(wb_slice_cstr(pair->value), 1, max, ret, NULL) != WB_OK)
			return wb_error_set(e, WB_EINVAL, "kafka.%s: expected 1 to %lld", name, (long long)max);
	}
	return WB_OK;
}

/* A revocation is answered when the drain's deadline is over, the requests under way have their end and the positions are
 * committed; a member that takes longer is put out of the group, in the middle of it. */
static enum wb_err check_poll_interval(const struct wb_consumer_options *o, struct wb_error *e)
{
	int64_t interval_ms = POLL_INTERVAL_DEFAULT_MS;
	int64_t request_ms = o->cosmos.request_timeout_ms;
	int64_t needed_ms = (o->drain_timeout_ms > request_ms ? o->drain_timeout_ms : request_ms) + ANSWER_MARGIN_MS;
	enum wb_err err = read_kafka_number(o, "max.poll.interval.ms", 86400000, &interval_ms, e);

	if (err != WB_OK || interval_ms >= needed_ms)
		return err;
	return wb_error_set(e, WB_EINVAL,
		"kafka.max.poll.interval.ms (%lld) must be at least %lld: consumer.drain.timeout.ms or "
		"cosmos.request.timeout.ms, whichever is longer, and %d",
		(long long)interval_ms, (long long)needed_ms, ANSWER_MARGIN_MS);
}

/* A request must have its end before the group may give the partition to somebody else. */
static enum wb_err check_timeouts(struct wb_consumer_options *o, struct wb_error *e)
{
	int64_t session_ms = SESSION_TIMEOUT_DEFAULT_MS;
	enum wb_err err = read_kafka_number(o, "session.timeout.ms", 3600000, &session_ms, e);

	if (err != WB_OK)
		return err;
	if (o->cosmos.request_timeout_ms == 0) {
		o->cosmos.request_timeout_ms = session_ms * 4 / 5 < REQUEST_TIMEOUT_MAX_MS ? session_ms * 4 / 5
											   : REQUEST_TIMEOUT_MAX_MS;
	}
	if (o->cosmos.request_timeout_ms >= session_ms)
		return wb_error_set(e, WB_EINVAL,
			"cosmos.request.timeout.ms (%lld) must be below kafka.session.timeout.ms (%lld)",
			(long long)o->cosmos.request_timeout_ms, (long long)session_ms);
	o->session_timeout_ms = session_ms;
	return check_poll_interval(o, e);
}

/* The largest record has to fit beside what belongs to it: its fetch, librdkafka's queue, its request and a copy. */
static enum wb_err check_budget(struct wb_consumer_options *o, struct wb_error *e)
{
	int64_t record = RECORD_MAX_DEFAULT_BYTES, needed;
	enum wb_err err = read_kafka_number(o, "message.max.bytes", INT32_MAX, &record, e);

	needed = record * BUDGET_RECORDS;
	if (err != WB_OK || o->memory_budget_bytes >= needed)
		return err;
	return wb_error_set(e, WB_EINVAL,
		"memory.budget.bytes (%lld) is too small for records of up to %lld bytes (kafka.message.max.bytes): at "
		"least %lld",
		(long long)o->memory_budget_bytes, (long long)record, (long long)needed);
}

static enum wb_err read_topics(struct wb_consumer_options *o, struct wb_error *e)
{
	enum wb_err err = wb_topic_map_parse(&o->topic_map, o->topic_map_text, e);

	for (size_t i = 0; i < o->topic_map.count && err == WB_OK; i++) {
		const struct wb_topic_entry *entry = &o->topic_map.entries[i];

		if (!name_ok(entry->container))
			return wb_error_set(e, WB_EINVAL, "topic.map: \"%.*s\" is no container's name",
				WB_SLICE_ARGS(entry->container));
		if (strcmp(entry->topic, o->kafka.topic_writes) == 0 ||
			strcmp(entry->topic, o->kafka.topic_results) == 0 ||
			strcmp(entry->topic, o->kafka.topic_dead_letters) == 0)
			return wb_error_set(e, WB_EINVAL,
				"topic.map: topic %s is topic.writes, topic.results or topic.dead.letters already",
				entry->topic);
	}
	return err;
}

enum wb_err wb_consumer_options_finish(struct wb_consumer_options *o, struct wb_error *e)
{
	enum wb_err err = read_account(&o->cosmos, e);

	o->cosmos.missing_is_dead = o->cosmos.missing == 1;
	if (err == WB_OK)
		err = check_endpoint(o->cosmos.endpoint, e);
	if (err == WB_OK)
		err = read_containers(&o->cosmos, e);
	if (err == WB_OK)
		err = check_timeouts(o, e);
	if (err == WB_OK)
		err = check_budget(o, e);
	if (err == WB_OK)
		err = read_topics(o, e);
	return err;
}

void wb_consumer_options_release(struct wb_consumer_options *o)
{
	wb_cosmos_key_wipe(&o->cosmos.key);
	free(o->cosmos.allowed);
	o->cosmos.allowed = NULL;
	wb_topic_map_release(&o->topic_map);
	wb_options_release(&wb_consumer_option_table, o);
}
