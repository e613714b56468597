#include "common/kafka/client.h"

#include "common/base/compiler.h"

#include <assert.h>
#include <string.h>
#include <syslog.h>

/* Where librdkafka's defaults cost seconds or lose records. Figures: with heartbeats of 3 s a second group member
 * waits 4.7 s for its share, with 500 ms some 1.3 s; an idle fetch of 500 ms delays the first record by 600 ms; without
 * nagle.disable an acknowledgement takes 1.35 ms instead of 0.15 ms. 3 MB hold the largest document and its headers. */
static const struct wb_kafka_setting defaults[] = {
	{ "heartbeat.interval.ms", "500" },
	{ "session.timeout.ms", "10000" },
	{ "partition.assignment.strategy", "cooperative-sticky" },
	{ "fetch.wait.max.ms", "100" },
	{ "reconnect.backoff.ms", "50" },
	{ "reconnect.backoff.max.ms", "1000" },
	{ "message.max.bytes", "3000000" },
	{ "partitioner", "murmur2_random" },
	{ "socket.nagle.disable", "true" },
	{ "socket.keepalive.enable", "true" },
	{ "enable.auto.commit", "false" },
	{ "enable.auto.offset.store", "false" },
	{ "allow.auto.create.topics", "false" },
	{ "log.connection.close", "false" }, /* brokers close idle connections as a matter of course */
	{ NULL, NULL },
};

/* Settings that later versions of librdkafka know. A full queue stops fetching for up to a second before 2.2. */
static const struct wb_kafka_setting later_defaults[] = {
	{ "fetch.queue.backoff.ms", "20" },
};

/* Settings that promises rest on, under all their names. value: the one that is allowed, NULL for none. */
static const struct {
	const char *name, *value, *other, *why;
} guarded[] = {
	{ "acks", "all", "-1", "accepted means that all in-sync replicas hold a record" },
	{ "request.required.acks", "all", "-1", "accepted means that all in-sync replicas hold a record" },
	{ "enable.idempotence", "true", "true", "without it retries reorder and repeat records" },
	{ "enable.auto.commit", "false", "false", "offsets advance only past finished writes" },
	{ "auto.commit.enable", "false", "false", "offsets advance only past finished writes" },
	{ "enable.auto.offset.store", "false", "false", "offsets advance only past finished writes" },
	{ "auto.offset.reset", NULL, NULL, "where reading starts decides whether a write is lost" },
	{ "transactional.id", NULL, NULL, "records are produced outside of transactions" },
};

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const struct wb_kafka_context *context = rd_kafka_opaque(rk);
	enum wb_log_level to = level <= LOG_WARNING ? WB_LOG_WARN : WB_LOG_DEBUG;

	/* One set of kafka.* serves producers and consumers, so each is told of the other's properties. And every client
	 * of a cluster that creates topics unasked (old ones, librdkafka's mock) is warned of that, which nobody who runs
	 * a program can do anything about; what is missing is said by the check of the topics. */
	if ((strcmp(facility, "CONFWARN") == 0 && strstr(text, "will be ignored by this")) ||
		strcmp(facility, "AUTOCREATE") == 0)
		to = WB_LOG_DEBUG;
	if (context && context->log)
		wb_log_event(context->log, to, "kafka client", WB_STR("client", rd_kafka_name(rk)),
			WB_STR("facility", facility), WB_STR("text", text), WB_LOG_END);
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, bool secret, struct wb_error *e)
{
	char text[512] = "";

	if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
		return true;
	if (secret)
		(void)wb_error_set(e, WB_EINVAL, "kafka.%s: the value (not shown) is not allowed", name);
	else
		(void)wb_error_set(e, WB_EINVAL, "kafka.%s=%s: %s", name, value, text);
	return false;
}

static bool allowed(const struct wb_option_pair *pair, struct wb_error *e)
{
	for (size_t i = 0; i < WB_ARRAY_LEN(guarded); i++) {
		if (strcmp(pair->key, guarded[i].name) != 0)
			continue;
		if (guarded[i].value &&
			(strcmp(pair->value, guarded[i].value) == 0 || strcmp(pair->value, guarded[i].other) == 0))
			return true;
		(void)wb_error_set(e, WB_EINVAL, "kafka.%s %s%s: %s", pair->key,
			guarded[i].value ? "can only be " : "cannot be set", guarded[i].value ? guarded[i].value : "",
			guarded[i].why);
		return false;
	}
	return true;
}

static bool set_all(rd_kafka_conf_t *conf, const struct wb_kafka_setting *settings, struct wb_error *e)
{
	for (; settings && settings->name; settings++) {
		if (!set(conf, settings->name, settings->value, false, e))
			return false;
	}
	return true;
}

static bool set_users(rd_kafka_conf_t *conf, const struct wb_option_map *properties, struct wb_error *e)
{
	for (size_t i = 0; i < properties->count; i++) {
		const struct wb_option_pair *pair = &properties->pairs[i];

		if (!allowed(pair, e) || !set(conf, pair->key, pair->value, pair->secret, e))
			return false;
	}
	return true;
}

rd_kafka_conf_t *wb_kafka_conf_new(const struct wb_kafka_options *options, const struct wb_kafka_setting *role,
	const char *client_id, struct wb_kafka_context *context, struct wb_error *e)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	for (size_t i = 0; i < WB_ARRAY_LEN(later_defaults); i++) {
		/* Not known: not set. */
		(void)rd_kafka_conf_set(conf, later_defaults[i].name, later_defaults[i].value, NULL, 0);
	}
	rd_kafka_conf_set_opaque(conf, context);
	rd_kafka_conf_set_log_cb(conf, on_log);
	if (set_all(conf, defaults, e) && set(conf, "bootstrap.servers", options->bootstrap_servers, false, e) &&
		set(conf, "client.id", client_id, false, e) && set_all(conf, role, e) &&
		set_users(conf, &options->properties, e))
		return conf;
	rd_kafka_conf_destroy(conf);
	return NULL;
}

size_t wb_kafka_message_headers(const rd_kafka_message_t *message, struct wb_header *headers, size_t max)
{
	rd_kafka_headers_t *all;
	const char *name;
	const void *value;
	size_t len, count = 0;

	if (rd_kafka_message_headers(message, &all))
		return 0;
	for (; !rd_kafka_header_get_all(all, count, &name, &value, &len); count++) {
		if (count < max)
			headers[count] = (struct wb_header){ wb_slice_cstr(name), wb_slice(value, value ? len : 0) };
	}
	return count;
}
