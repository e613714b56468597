#include "common/kafka/topics.h"

#include "common/base/clock.h"
#include "common/base/compiler.h"
#include "common/base/mem.h"
#include "common/base/strict.h"
#include "common/kafka/client.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	OWN_TOPICS = 3,
	ERROR_SIZE = 512,
	STEP_MS = 1000,
	DESCRIBE_MS = 3000,
	CREATE_MS = 15000,
	POLL_MS = 100,
	/* The largest document (2 MiB) and its key and headers. */
	WRITES_BYTES_MIN = 2 * 1024 * 1024 + 64 * 1024,
	RESULTS_BYTES_MIN = 1000000,
};

struct setting {
	const char *name, *value;
};

/* What a topic is made with (docs/CONTRACT.md). */
static const struct setting writes_settings[] = {
	{ "cleanup.policy", "delete" }, { "max.message.bytes", "3000000" },
	{ "retention.ms", "604800000" }, /* 7 days */
};
/* Results are kept as long as a write can wait, and as long again for those who ask about it later. */
static const struct setting results_settings[] = {
	{ "cleanup.policy", "delete" }, { "max.message.bytes", "1000000" },
	{ "retention.ms", "1209600000" }, /* 14 days */
};
static const struct setting letters_settings[] = {
	{ "cleanup.policy", "delete" },
	{ "max.message.bytes", "4000000" },
	{ "retention.ms", "-1" },
};

/* A topic that is looked at. */
struct topic {
	enum wb_topic_use use;
	const char *name, *key; /* key: the option that names it */
	const struct setting *settings;
	size_t setting_count;
	bool wanted, exists, described;
	bool more; /* of wb_topics_check_more */
	int64_t max_message_bytes, retention_ms;
	char cleanup_policy[64];
};

struct check {
	const struct wb_kafka_options *options;
	struct wb_kafka_context context;
	rd_kafka_t *rk;
	struct wb_log *log;
	struct wb_error *e;
	struct topic *topics; /* topic.writes first, then results, dead letters, more of writes */
	size_t count;
	unsigned uses;
	bool has_controller, created;
};

/* Lists all topics: asking for one by name would create it on clusters that create what they are asked for. */
static enum wb_err list(struct check *c, int64_t timeout_ms)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err;
	int32_t controller;
	int64_t left_ms;

	do {
		left_ms = deadline_ms - wb_clock_mono_ms();
		err = rd_kafka_metadata(c->rk, 1, NULL, &metadata,
			left_ms < 1                 ? 1
				: left_ms > STEP_MS ? STEP_MS
						    : (int)left_ms);
		(void)rd_kafka_poll(c->rk, err ? POLL_MS : 0); /* how many events is of no interest */
	} while (err && wb_clock_mono_ms() < deadline_ms);
	if (err)
		return wb_error_set(c->e, WB_ETIMEDOUT, "no Kafka broker answered at %s: %s",
			c->options->bootstrap_servers, rd_kafka_err2str(err));
	for (size_t i = 0; i < c->count; i++) {
		struct topic *t = &c->topics[i];

		t->exists = false;
		for (int k = 0; t->wanted && k < metadata->topic_cnt; k++) {
			const struct rd_kafka_metadata_topic *m = &metadata->topics[k];

			if (strcmp(m->topic, t->name) == 0)
				t->exists = m->err == RD_KAFKA_RESP_ERR_NO_ERROR || m->partition_cnt > 0;
		}
	}
	controller = rd_kafka_controllerid(c->rk, 0);
	for (int i = 0; i < metadata->broker_cnt; i++)
		c->has_controller = c->has_controller || metadata->brokers[i].id == controller;
	rd_kafka_metadata_destroy(metadata);
	return WB_OK;
}

static rd_kafka_NewTopic_t *new_topic(struct check *c, const struct topic *t, char *error)
{
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
		t->name, (int)c->options->topic_partitions, (int)c->options->topic_replication, error, ERROR_SIZE);

	for (size_t i = 0; topic && i < t->setting_count; i++) {
		/* Only fails for a setting without a name. */
		(void)rd_kafka_NewTopic_set_config(topic, t->settings[i].name, t->settings[i].value);
	}
	return topic;
}

/* Runs one request of the admin interface; the event is the caller's. NULL when nothing came in time. */
static rd_kafka_event_t *await(struct check *c, rd_kafka_queue_t *queue, int64_t timeout_ms)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;
	rd_kafka_event_t *event = NULL;

	while (!event && wb_clock_mono_ms() < deadline_ms) {
		(void)rd_kafka_poll(c->rk, 0); /* log lines; how many is of no interest */
		event = rd_kafka_queue_poll(queue, POLL_MS);
	}
	return event;
}

static rd_kafka_AdminOptions_t *admin_options(struct check *c, rd_kafka_admin_op_t op, int timeout_ms)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(c->rk, op);
	char text[ERROR_SIZE];

	/* Timeouts of that size are allowed for these requests. */
	(void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof text);
	if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS)
		(void)rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, text, sizeof text);
	return options;
}

/* Judges the reply. An instance that started at the same moment may have been faster, which is as good. */
static enum wb_err judge_created(struct check *c, rd_kafka_event_t *event, const struct topic *t)
{
	const rd_kafka_CreateTopics_result_t *result = event ? rd_kafka_event_CreateTopics_result(event) : NULL;
	const rd_kafka_topic_result_t **results;
	rd_kafka_resp_err_t err;
	size_t count = 0;

	if (!result || rd_kafka_event_error(event))
		return wb_error_set(c->e, WB_ETIMEDOUT, "topic %s was not created: %s", t->name,
			event ? rd_kafka_event_error_string(event) : "no answer");
	results = rd_kafka_CreateTopics_result_topics(result, &count);
	err = count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR_UNKNOWN;
	if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return wb_error_set(c->e, WB_EINVAL,
			"topic %s (%s) was not created with %d partitions and %d copies: %s", t->name, t->key,
			(int)c->options->topic_partitions, (int)c->options->topic_replication,
			count == 1 && rd_kafka_topic_result_error_string(results[0])
				? rd_kafka_topic_result_error_string(results[0])
				: rd_kafka_err2str(err));
	if (!err)
		wb_log_info(c->log, "topic created", WB_STR("topic", t->name),
			WB_INT("partitions", c->options->topic_partitions),
			WB_INT("replication", c->options->topic_replication));
	return WB_OK;
}

static enum wb_err create(struct check *c, struct topic *t)
{
	char text[ERROR_SIZE] = "";
	rd_kafka_NewTopic_t *topic = new_topic(c, t, text);
	rd_kafka_AdminOptions_t *options;
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *event;
	enum wb_err err;

	if (!topic)
		return wb_error_set(c->e, WB_EINVAL, "topic %s (%s) cannot be created: %s", t->name, t->key, text);
	options = admin_options(c, RD_KAFKA_ADMIN_OP_CREATETOPICS, CREATE_MS);
	queue = rd_kafka_queue_new(c->rk);
	rd_kafka_CreateTopics(c->rk, &topic, 1, options, queue);
	event = await(c, queue, CREATE_MS + STEP_MS);
	err = judge_created(c, event, t);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_NewTopic_destroy(topic);
	return err;
}

/* Whether a topic is missing, and the first that is. */
static bool missing(struct check *c, struct topic **ret)
{
	for (size_t i = 0; i < c->count; i++) {
		if (c->topics[i].wanted && !c->topics[i].exists) {
			*ret = &c->topics[i];
			return true;
		}
	}
	return false;
}

/* Creates what is missing and waits until the brokers, who hear of it one by one, know it. */
static enum wb_err create_missing(struct check *c)
{
	int64_t deadline_ms = wb_clock_mono_ms() + CREATE_MS;
	struct topic *t = NULL;
	enum wb_err err = WB_OK;

	if (!missing(c, &t))
		return WB_OK;
	if (!c->options->topic_create)
		return wb_error_set(c->e, WB_EINVAL,
			"topic %s (%s) does not exist; create it, or set topic.create=true", t->name, t->key);
	for (size_t i = 0; i < c->count && !err; i++) {
		if (c->topics[i].wanted && !c->topics[i].exists)
			err = create(c, &c->topics[i]);
	}
	c->created = true;
	while (!err && missing(c, &t)) {
		if (wb_clock_mono_ms() >= deadline_ms)
			return wb_error_set(c->e, WB_ETIMEDOUT, "topic %s (%s) was created, but no broker shows it",
				t->name, t->key);
		(void)rd_kafka_poll(c->rk, POLL_MS); /* how many events is of no interest */
		err = list(c, CREATE_MS);
	}
	return err;
}

/* A number that is missing or is none stays as it was. */
static void read_number(const char *text, int64_t *ret)
{
	int64_t number;

	if (text && wb_strict_int64(wb_slice_cstr(text), -1, INT64_MAX, &number, NULL) == WB_OK)
		*ret = number;
}

static void read_settings(struct topic *t, const rd_kafka_ConfigResource_t *resource)
{
	size_t count = 0;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

	for (size_t i = 0; i < count; i++) {
		const char *name = rd_kafka_ConfigEntry_name(entries[i]);
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);

		if (!name || !value)
			continue;
		if (strcmp(name, "max.message.bytes") == 0)
			read_number(value, &t->max_message_bytes);
		else if (strcmp(name, "retention.ms") == 0)
			read_number(value, &t->retention_ms);
		else if (strcmp(name, "cleanup.policy") == 0)
			(void)snprintf(t->cleanup_policy, sizeof t->cleanup_policy, "%s", value); /* cut to fit */
	}
	t->described = count > 0;
}

static void read_described(struct check *c, rd_kafka_event_t *event)
{
	const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
	const rd_kafka_ConfigResource_t **resources;
	size_t count = 0;

	if (!result)
		return;
	resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
	for (size_t i = 0; i < count; i++) {
		if (rd_kafka_ConfigResource_error(resources[i]))
			continue;
		for (size_t k = 0; k < c->count; k++) {
			if (c->topics[k].wanted &&
				strcmp(c->topics[k].name, rd_kafka_ConfigResource_name(resources[i])) == 0)
				read_settings(&c->topics[k], resources[i]);
		}
	}
}

/* Asks for the settings of the topics that are not described yet. False when there was no answer. */
static bool describe_once(struct check *c)
{
	rd_kafka_ConfigResource_t **resources = wb_xcalloc(c->count, sizeof(rd_kafka_ConfigResource_t *));
	rd_kafka_AdminOptions_t *options;
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *event;
	size_t count = 0;
	bool answered;

	for (size_t i = 0; i < c->count; i++) {
		if (c->topics[i].wanted && !c->topics[i].described)
			resources[count++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, c->topics[i].name);
	}
	if (count == 0) {
		free(resources);
		return false;
	}
	options = admin_options(c, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, DESCRIBE_MS);
	queue = rd_kafka_queue_new(c->rk);
	rd_kafka_DescribeConfigs(c->rk, resources, count, options, queue);
	event = await(c, queue, DESCRIBE_MS + STEP_MS);
	answered = event && !rd_kafka_event_error(event);
	if (answered)
		read_described(c, event);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy_array(resources, count);
	free(resources);
	return answered;
}

/* Fills what the cluster tells of the topics' settings. A topic that was just created may not be known everywhere. */
static void describe(struct check *c)
{
	int64_t deadline_ms = wb_clock_mono_ms() + DESCRIBE_MS;

	/* Settings are asked of the controller. Where it is no broker (librdkafka's mock) the question only times out. */
	if (!c->has_controller)
		return;
	while (describe_once(c) && c->created && wb_clock_mono_ms() < deadline_ms)
		(void)rd_kafka_poll(c->rk, POLL_MS); /* how many events is of no interest */
}

static enum wb_err judge_bytes(struct check *c, const struct topic *t, int64_t at_least, const char *what)
{
	if (t->max_message_bytes < 0 || t->max_message_bytes >= at_least)
		return WB_OK;
	return wb_error_set(c->e, WB_EINVAL, "topic %s (%s) has max.message.bytes=%lld; it needs at least %lld, %s",
		t->name, t->key, (long long)t->max_message_bytes, (long long)at_least, what);
}

/* What a topic of writes or letters has to take: the largest document, or no more than kafka.message.max.bytes says that
 * there will be, for services that take less (Event Hubs: 1 MB). */
static enum wb_err judge_document_bytes(struct check *c, const struct topic *t)
{
	int64_t given = wb_kafka_message_max_bytes(c->options);

	if (given > 0 && given < WRITES_BYTES_MIN)
		return judge_bytes(c, t, given, "which kafka.message.max.bytes allows");
	return judge_bytes(c, t, WRITES_BYTES_MIN, "so that a document of 2 MiB and its headers fit");
}

/* Such a service may have one size for all topics. */
static bool tell_of_no_more_bytes(struct check *c, const struct topic *letters, const struct topic *writes)
{
	int64_t given = wb_kafka_message_max_bytes(c->options);

	if (given < 0 || given >= WRITES_BYTES_MIN || letters->max_message_bytes < writes->max_message_bytes)
		return false;
	wb_log_warn(c->log,
		"a dead letter may be as large as a write, no larger: of the largest the headers are trimmed",
		WB_STR("topic", letters->name), WB_INT("max_message_bytes", letters->max_message_bytes));
	return true;
}

/* Whatever is read as a write has to fit as a letter. */
static enum wb_err judge_letters(struct check *c, const struct topic *letters)
{
	for (size_t i = 0; i < c->count && letters->max_message_bytes >= 0; i++) {
		const struct topic *writes = &c->topics[i];

		if (writes->use == WB_TOPIC_WRITES && writes->described &&
			letters->max_message_bytes <= writes->max_message_bytes &&
			!tell_of_no_more_bytes(c, letters, writes))
			return wb_error_set(c->e, WB_EINVAL,
				"topic %s (%s) has max.message.bytes=%lld; it needs more than the %lld of topic %s, "
				"so that a dead letter and its headers fit",
				letters->name, letters->key, (long long)letters->max_message_bytes,
				(long long)writes->max_message_bytes, writes->name);
	}
	return judge_document_bytes(c, letters);
}

static enum wb_err judge_retention(struct check *c, const struct topic *results, const struct topic *writes)
{
	if (!writes->described || results->retention_ms < 0 ||
		(writes->retention_ms >= 0 && results->retention_ms >= writes->retention_ms))
		return WB_OK;
	if (writes->retention_ms < 0)
		return wb_error_set(c->e, WB_EINVAL,
			"topic %s (%s) has retention.ms=%lld; it needs -1 (unlimited), as topic %s has, since a job "
			"is known for as long as its writes may wait",
			results->name, results->key, (long long)results->retention_ms, writes->name);
	return wb_error_set(c->e, WB_EINVAL,
		"topic %s (%s) has retention.ms=%lld; it needs at least the %lld of topic %s, since a job is "
		"known for as long as its writes may wait",
		results->name, results->key, (long long)results->retention_ms, (long long)writes->retention_ms,
		writes->name);
}

static enum wb_err judge_cleanup(struct check *c, const struct topic *t)
{
	if (!t->cleanup_policy[0] || strcmp(t->cleanup_policy, "delete") == 0)
		return WB_OK;
	if (t->use != WB_TOPIC_WRITES || !(c->uses & WB_TOPIC_READS))
		return wb_error_set(c->e, WB_EINVAL,
			"topic %s (%s) has cleanup.policy=%s; it needs delete, since compaction removes records",
			t->name, t->key, t->cleanup_policy);
	wb_log_warn(c->log, "the topic is compacted: of the writes with one key only the last is certain to be read",
		WB_STR("topic", t->name), WB_STR("cleanup_policy", t->cleanup_policy));
	return WB_OK;
}

static enum wb_err judge(struct check *c, const struct topic *t, const struct topic *writes)
{
	enum wb_err err;

	if (!t->described) {
		wb_log_warn(c->log, "topic exists, its settings could not be read", WB_STR("topic", t->name));
		return WB_OK;
	}
	err = judge_cleanup(c, t);
	if (err || t->more)
		return err;
	switch (t->use) {
	case WB_TOPIC_WRITES:
		return judge_document_bytes(c, t);
	case WB_TOPIC_RESULTS:
		err = judge_bytes(c, t, RESULTS_BYTES_MIN, "so that a record of results fits");
		return err ? err : judge_retention(c, t, writes);
	case WB_TOPIC_DEAD_LETTERS:
	case WB_TOPIC_READS:
		break;
	}
	return judge_letters(c, t);
}

static enum wb_err check(struct check *c, int64_t timeout_ms)
{
	enum wb_err err = list(c, timeout_ms);

	if (!err)
		err = create_missing(c);
	if (err)
		return err;
	describe(c);
	for (size_t i = 0; i < c->count && !err; i++) {
		if (c->topics[i].wanted)
			err = judge(c, &c->topics[i], &c->topics[0]);
	}
	return err;
}

static void fill_topics(struct check *c)
{
	const struct topic own[OWN_TOPICS] = {
		{ .use = WB_TOPIC_WRITES,
			.name = c->options->topic_writes,
			.key = "topic.writes",
			.settings = writes_settings,
			.setting_count = WB_ARRAY_LEN(writes_settings) },
		{ .use = WB_TOPIC_RESULTS,
			.name = c->options->topic_results,
			.key = "topic.results",
			.settings = results_settings,
			.setting_count = WB_ARRAY_LEN(results_settings) },
		{ .use = WB_TOPIC_DEAD_LETTERS,
			.name = c->options->topic_dead_letters,
			.key = "topic.dead.letters",
			.settings = letters_settings,
			.setting_count = WB_ARRAY_LEN(letters_settings) },
	};

	for (size_t i = 0; i < c->count; i++) {
		c->topics[i] = own[i < OWN_TOPICS ? i : 0];
		c->topics[i].wanted = (c->uses & c->topics[i].use) != 0;
		c->topics[i].max_message_bytes = c->topics[i].retention_ms = -1;
	}
}

static enum wb_err open_check(struct check *c)
{
	rd_kafka_conf_t *conf = wb_kafka_conf_new(c->options, NULL, "writebehind-topics", &c->context, c->e);
	char text[ERROR_SIZE];

	if (!conf)
		return WB_EINVAL;
	c->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (!c->rk) {
		rd_kafka_conf_destroy(conf);
		return wb_error_set(c->e, WB_EINVAL, "Kafka: %s", text);
	}
	return WB_OK;
}

enum wb_err wb_topics_check_more(const struct wb_kafka_options *options, unsigned uses, const char *key,
	const char *const *more, size_t count, int64_t timeout_ms, struct wb_log *log, struct wb_error *e)
{
	struct check c = { .options = options,
		.context = { .log = log },
		.log = log,
		.e = e,
		.count = OWN_TOPICS + count,
		.uses = uses };
	enum wb_err err = open_check(&c);

	if (err != WB_OK)
		return err;
	c.topics = wb_xcalloc(c.count, sizeof *c.topics);
	fill_topics(&c);
	for (size_t i = OWN_TOPICS; i < c.count; i++) {
		c.topics[i].name = more[i - OWN_TOPICS];
		c.topics[i].key = key;
		c.topics[i].more = c.topics[i].wanted = true;
	}
	err = check(&c, timeout_ms);
	free(c.topics);
	rd_kafka_destroy(c.rk);
	return err;
}

enum wb_err wb_topics_check(const struct wb_kafka_options *options, unsigned uses, int64_t timeout_ms,
	struct wb_log *log, struct wb_error *e)
{
	return wb_topics_check_more(options, uses, NULL, NULL, 0, timeout_ms, log, e);
}

enum wb_err wb_topics_letters_retention(const struct wb_kafka_options *options, int64_t timeout_ms, struct wb_log *log,
	int64_t *ret_ms, struct wb_error *e)
{
	struct check c = { .options = options,
		.context = { .log = log },
		.log = log,
		.e = e,
		.count = OWN_TOPICS,
		.uses = WB_TOPIC_DEAD_LETTERS };
	enum wb_err err = open_check(&c);

	if (err != WB_OK)
		return err;
	c.topics = wb_xcalloc(c.count, sizeof *c.topics);
	fill_topics(&c);
	err = list(&c, timeout_ms);
	if (err == WB_OK) {
		describe(&c);
		*ret_ms = c.topics[OWN_TOPICS - 1].described ? c.topics[OWN_TOPICS - 1].retention_ms : 0;
	}
	free(c.topics);
	rd_kafka_destroy(c.rk);
	return err;
}
