#include "common/kafka/producer.h"

#include "common/base/clock.h"
#include "common/base/compiler.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/kafka/client.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	POLL_MS = 100,            /* how soon the poll thread notices a stop */
	FLUSH_STEP_MS = 20,
	WATCH_MS = 2000,          /* how often reachability is looked at, */
	WATCH_DOWN_MS = 500,      /* and while it is not given */
	WATCH_TIMEOUT_MS = 1000,
	REPLACE_RETRY_MS = 1000,
	USERS_PAUSE_MS = 1,
	QUEUE_RECORDS_MAX = 10000000,
	QUEUE_RECORD_BYTES = 512, /* what librdkafka keeps of a record of a few bytes with two headers */
};

/* A topic as a client knows it: kept, since a record that names its topic by text has it looked up under a lock. */
struct topic_handle {
	char *name;
	rd_kafka_topic_t *topic;
	struct topic_handle *next;
};

/* One librdkafka client. It is destroyed when replaced and no thread uses it any more; this struct stays until the
 * producer is freed, as a thread may be looking at its users. */
struct client {
	rd_kafka_t *rk;
	atomic_uint users;
	_Atomic(struct topic_handle *) topics; /* added to under the producer's lock, read without */
	struct client *older;
};

struct known_topic {
	char *name;
	int32_t partitions;
	struct known_topic *next;
};

struct wb_kafka_producer {
	struct wb_kafka_context context; /* first: the client's opaque */
	rd_kafka_conf_t *conf;           /* copied for every client */
	pthread_t poll_thread, watch_thread;
	atomic_llong in_flight;
	atomic_llong acked;              /* acknowledgements ever, so that the watch need not ask */
	atomic_bool fatal;               /* the client has to be replaced */
	atomic_bool closed;              /* send takes nothing any more */
	atomic_uint flushing;            /* threads that wait in flush */
	atomic_bool stop_poll;

	_Atomic(struct client *) client; /* the newest; changed by the poll thread */

	pthread_mutex_t lock;            /* of everything below */
	pthread_cond_t changed;          /* stop_watch or in_flight */
	struct known_topic *topics;
	bool stop_watch;
	bool up;
	struct wb_error down_text;
	int64_t free_timeout_ms;
};

/* What a record carries through librdkafka. */
struct pending {
	wb_kafka_ack_fn fn;
	void *arg;
};

/* Every record passes here, so without a lock: whoever ends a client puts the next one in its place before it looks at
 * the users, and whoever uses one looks again after it has counted itself. */
static struct client *client_use(struct wb_kafka_producer *p)
{
	struct client *c = atomic_load(&p->client);

	atomic_fetch_add(&c->users, 1);
	while (c != atomic_load(&p->client)) {
		atomic_fetch_sub(&c->users, 1);
		c = atomic_load(&p->client);
		atomic_fetch_add(&c->users, 1);
	}
	return c;
}

static void client_done(struct client *c)
{
	atomic_fetch_sub(&c->users, 1);
}

/* One record less is in flight; a flush may be waiting for that. */
static void landed(struct wb_kafka_producer *p)
{
	if (atomic_fetch_sub(&p->in_flight, 1) == 1 && atomic_load(&p->flushing) > 0) {
		wb_mutex_lock(&p->lock);
		wb_cond_broadcast(&p->changed);
		wb_mutex_unlock(&p->lock);
	}
}

/* Wakes the poll thread. */
static void wake(struct wb_kafka_producer *p)
{
	struct client *c = client_use(p);
	rd_kafka_queue_t *queue = rd_kafka_queue_get_main(c->rk);

	rd_kafka_queue_yield(queue);
	rd_kafka_queue_destroy(queue);
	client_done(c);
}

static void set_up(struct wb_kafka_producer *p, bool up, const char *text)
{
	wb_mutex_lock(&p->lock);
	p->up = up;
	if (!up)
		(void)wb_error_set(&p->down_text, WB_EIO, "%s", text);
	wb_mutex_unlock(&p->lock);
}

static enum wb_err err_of(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		return WB_OK;
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		return WB_ETIMEDOUT;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
		return WB_ETOOBIG;
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR__INVALID_ARG:
		return WB_EINVAL;
	default:
		return WB_EIO;
	}
}

/* librdkafka takes a batch that failed for stored as soon as a later one of its partition is acknowledged. A broker that
 * became the leader between the two never heard of the producer, takes any sequence number, and has only the later one
 * (https://github.com/confluentinc/confluent-kafka-go/issues/921). Such a success has no offset. */
static bool only_inferred(const rd_kafka_message_t *message)
{
	return message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset < 0;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct wb_kafka_producer *p = opaque;
	struct pending *pending = message->_private;
	struct wb_kafka_ack ack = {
		.err = err_of(message->err),
		.partition = message->partition,
		.offset = message->offset,
		.text = rd_kafka_err2str(message->err),
	};

	(void)rk;
	if (only_inferred(message)) {
		ack.err = WB_EIO;
		ack.text =
			"the broker did not confirm the record itself, only a later one; it may or may not be stored";
	}
	if (ack.err == WB_OK)
		atomic_fetch_add(&p->acked, 1);
	pending->fn(pending->arg, &ack);
	free(pending);
	landed(p);
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct wb_kafka_producer *p = opaque;

	(void)rk;
	if (err == RD_KAFKA_RESP_ERR__FATAL)
		atomic_store(&p->fatal, true);
	else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || err == RD_KAFKA_RESP_ERR__AUTHENTICATION)
		set_up(p, false, reason);
}

static struct client *client_new(struct wb_kafka_producer *p, struct wb_error *e)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(p->conf);
	struct client *c;
	char text[512];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);

	if (!rk) {
		rd_kafka_conf_destroy(conf);
		(void)wb_error_set(e, WB_EINVAL, "Kafka producer: %s", text);
		return NULL;
	}
	c = wb_xcalloc(1, sizeof *c);
	c->rk = rk;
	return c;
}

/* Fails what the client still has, and destroys it. On the poll thread. */
static void client_end(struct client *c)
{
	const struct timespec pause = { .tv_nsec = USERS_PAUSE_MS * 1000 * 1000 };

	while (atomic_load(&c->users) > 0)
		(void)nanosleep(&pause, NULL); /* woken early is fine */
	while (rd_kafka_outq_len(c->rk) > 0) {
		/* Repeated, as a batch may move from the queue into a request between two looks. */
		(void)rd_kafka_purge(
			c->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT); /* only says bad flags */
		(void)rd_kafka_poll(c->rk, FLUSH_STEP_MS); /* how many events is of no interest */
	}
	for (struct topic_handle *t = atomic_load(&c->topics), *next; t; t = next) {
		next = t->next;
		rd_kafka_topic_destroy(t->topic);
		free(t->name);
		free(t);
	}
	atomic_store(&c->topics, NULL);
	rd_kafka_destroy(c->rk);
	c->rk = NULL;
}

/* librdkafka 2.0.2 raises fatal errors of the idempotent producer without need (fixed in 2.3.0, #4438), and a client
 * that had one sends nothing more: another takes its place. */
static void replace_client(struct wb_kafka_producer *p)
{
	struct wb_error e = { "" };
	struct client *fresh, *old = atomic_load(&p->client);
	char text[256];

	(void)rd_kafka_fatal_error(old->rk, text, sizeof text); /* that there is one is known */
	fresh = client_new(p, &e);
	if (!fresh) {
		wb_log_warn(p->context.log, "kafka producer not replaced", WB_STR("error", e.text));
		(void)rd_kafka_poll(old->rk, REPLACE_RETRY_MS); /* how many events is of no interest */
		return;
	}
	atomic_store(&p->fatal, false);
	fresh->older = old;
	atomic_store(&p->client, fresh);
	wb_log_warn(p->context.log, "kafka producer replaced after a fatal error", WB_STR("error", text));
	client_end(old);
	/* The old one may have told its error once more while it ended. */
	atomic_store(&p->fatal, rd_kafka_fatal_error(fresh->rk, text, sizeof text) != RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void *poll_run(void *arg)
{
	struct wb_kafka_producer *p = arg;

	while (!atomic_load(&p->stop_poll)) {
		rd_kafka_t *rk = atomic_load(&p->client)->rk;

		if (atomic_load(&p->fatal))
			replace_client(p);
		/* Results are counts and timeouts, which the loop does not need. */
		else if (atomic_load(&p->flushing) > 0)
			(void)rd_kafka_flush(rk, FLUSH_STEP_MS);
		else
			(void)rd_kafka_poll(rk, POLL_MS);
	}
	if (!atomic_load(&p->fatal)) /* what is left is failed next */
		(void)rd_kafka_flush(atomic_load(&p->client)->rk, (int)p->free_timeout_ms);
	atomic_store(&p->closed, true);
	client_end(atomic_load(&p->client));
	return NULL;
}

/* Asks for metadata, which also makes the connections. All topics the first time: a producer that knows a topic's
 * leaders needs no second for its first record (librdkafka #5032). */
static void look(struct wb_kafka_producer *p, bool first)
{
	struct client *c = client_use(p);
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err = rd_kafka_metadata(c->rk, first, NULL, &metadata, WATCH_TIMEOUT_MS);

	if (err)
		set_up(p, false, rd_kafka_err2str(err));
	else
		set_up(p, true, "");
	if (metadata)
		rd_kafka_metadata_destroy(metadata);
	client_done(c);
}

static void *watch_run(void *arg)
{
	struct wb_kafka_producer *p = arg;
	bool first = true, stop = false;
	int64_t acked = -1;

	while (!stop) {
		int64_t now_acked = atomic_load(&p->acked), deadline_ms;

		if (now_acked == acked || first)
			look(p, first);
		else
			set_up(p, true, "");
		acked = now_acked;
		wb_mutex_lock(&p->lock);
		if (p->up)
			first = false;
		deadline_ms = wb_clock_mono_ms() + (p->up ? WATCH_MS : WATCH_DOWN_MS);
		while (!p->stop_watch && wb_cond_wait_until(&p->changed, &p->lock, deadline_ms))
			;
		stop = p->stop_watch;
		wb_mutex_unlock(&p->lock);
	}
	return NULL;
}

static int64_t number_of(const rd_kafka_conf_t *conf, const char *name)
{
	char text[64] = "";
	size_t size = sizeof text;

	if (rd_kafka_conf_get(conf, name, text, &size) != RD_KAFKA_CONF_OK)
		return 0;
	return strtoll(text, NULL, 10);
}

static bool set_number(rd_kafka_conf_t *conf, const char *name, int64_t value, struct wb_error *e)
{
	char text[24], error[256];

	(void)snprintf(text, sizeof text, "%lld", (long long)value); /* 20 digits fit */
	if (rd_kafka_conf_set(conf, name, text, error, sizeof error) == RD_KAFKA_CONF_OK)
		return true;
	(void)wb_error_set(e, WB_EINVAL, "kafka.%s: %s", name, error);
	return false;
}

/* What the caller cannot do without, even against the user's word: the limit is raised to what has to be sent, and the
 * queue to hold a record of that size, which would be "full" for ever otherwise. */
static bool set_needs(rd_kafka_conf_t *conf, const struct wb_kafka_producer_settings *settings, struct wb_error *e)
{
	int64_t at_least = settings->message_max_bytes, kbytes;

	if (number_of(conf, "message.max.bytes") < at_least && !set_number(conf, "message.max.bytes", at_least, e))
		return false;
	kbytes = (number_of(conf, "message.max.bytes") + 1023) / 1024;
	if (at_least > 0 && number_of(conf, "queue.buffering.max.kbytes") < kbytes &&
		!set_number(conf, "queue.buffering.max.kbytes", kbytes, e))
		return false;
	return !settings->alone || set_number(conf, "batch.num.messages", 1, e);
}

/* librdkafka counts keys and values towards queue_bytes, not what it adds to each record. */
static int64_t records_max(int64_t queue_bytes)
{
	int64_t records = queue_bytes / QUEUE_RECORD_BYTES;

	return records < 1 ? 1 : records > QUEUE_RECORDS_MAX ? QUEUE_RECORDS_MAX : records;
}

static rd_kafka_conf_t *conf_new(struct wb_kafka_producer *p, const struct wb_kafka_options *options,
	const struct wb_kafka_producer_settings *settings, struct wb_error *e)
{
	char linger[24], timeout[24], kbytes[24], records[24];
	const struct wb_kafka_setting role[] = {
		{ "enable.idempotence", "true" },
		{ "acks", "all" },
		{ "linger.ms", linger },
		{ "message.timeout.ms", timeout },
		{ "queue.buffering.max.kbytes", kbytes },
		{ "queue.buffering.max.messages", records },
		{ settings->compression ? "compression.type" : NULL, settings->compression },
		{ NULL, NULL },
	};

	/* 20 digits fit into each. */
	(void)snprintf(linger, sizeof linger, "%lld", (long long)settings->linger_ms);
	(void)snprintf(timeout, sizeof timeout, "%lld", (long long)settings->delivery_timeout_ms);
	(void)snprintf(kbytes, sizeof kbytes, "%lld", (long long)((settings->queue_bytes + 1023) / 1024));
	(void)snprintf(records, sizeof records, "%lld", (long long)records_max(settings->queue_bytes));
	return wb_kafka_conf_new(options, role, settings->client_id, &p->context, e);
}

struct wb_kafka_producer *wb_kafka_producer_new(const struct wb_kafka_options *options,
	const struct wb_kafka_producer_settings *settings, struct wb_log *log, struct wb_error *e)
{
	struct wb_kafka_producer *p = wb_xcalloc(1, sizeof *p);
	struct client *first = NULL;

	p->context.log = log;
	p->conf = conf_new(p, options, settings, e);
	if (p->conf) {
		rd_kafka_conf_set_dr_msg_cb(p->conf, on_delivery);
		rd_kafka_conf_set_error_cb(p->conf, on_error);
	}
	if (p->conf && set_needs(p->conf, settings, e))
		first = client_new(p, e);
	if (!first) {
		if (p->conf)
			rd_kafka_conf_destroy(p->conf);
		free(p);
		return NULL;
	}
	atomic_init(&p->client, first);
	wb_mutex_init(&p->lock);
	wb_cond_init(&p->changed);
	(void)wb_error_set(&p->down_text, WB_EIO, "no broker has answered yet");
	p->poll_thread = wb_thread_start("kafka-produce", poll_run, p);
	p->watch_thread = wb_thread_start("kafka-watch", watch_run, p);
	return p;
}

void wb_kafka_producer_free(struct wb_kafka_producer **producer, int64_t timeout_ms)
{
	struct wb_kafka_producer *p = *producer;
	rd_kafka_queue_t *queue;
	struct client *last;

	if (!p)
		return;
	wb_mutex_lock(&p->lock);
	p->stop_watch = true;
	p->free_timeout_ms = timeout_ms;
	wb_cond_broadcast(&p->changed);
	wb_mutex_unlock(&p->lock);
	wb_thread_join(p->watch_thread);
	/* Held before it is told to stop, since it ends its client by then. */
	last = client_use(p);
	queue = rd_kafka_queue_get_main(last->rk);
	atomic_store(&p->stop_poll, true);
	rd_kafka_queue_yield(queue);
	rd_kafka_queue_destroy(queue);
	client_done(last);
	wb_thread_join(p->poll_thread);
	while (p->topics) {
		struct known_topic *t = p->topics;

		p->topics = t->next;
		free(t->name);
		free(t);
	}
	for (struct client *c = atomic_load(&p->client), *older; c; c = older) {
		older = c->older;
		free(c);
	}
	rd_kafka_conf_destroy(p->conf);
	wb_cond_release(&p->changed);
	wb_mutex_release(&p->lock);
	free(p);
	*producer = NULL;
}

/* NULL when there are none. */
static rd_kafka_headers_t *headers_of(const struct wb_kafka_record *record)
{
	rd_kafka_headers_t *all;

	if (record->header_count == 0)
		return NULL;
	all = rd_kafka_headers_new(record->header_count);
	for (size_t i = 0; i < record->header_count; i++) {
		const struct wb_header *h = &record->headers[i];

		/* Can only fail for read-only headers. */
		(void)rd_kafka_header_add(
			all, h->name.data, (ssize_t)h->name.len, h->value.data, (ssize_t)h->value.len);
	}
	return all;
}

/* NULL, with librdkafka's last error set, for a topic that cannot be. */
static rd_kafka_topic_t *topic_of(struct wb_kafka_producer *p, struct client *c, const char *name)
{
	struct topic_handle *t = atomic_load(&c->topics);

	while (t && strcmp(t->name, name) != 0)
		t = t->next;
	if (t)
		return t->topic;
	t = wb_xcalloc(1, sizeof *t);
	t->topic = rd_kafka_topic_new(c->rk, name, NULL);
	if (!t->topic) {
		free(t);
		return NULL;
	}
	t->name = wb_xstrdup(name);
	wb_mutex_lock(&p->lock); /* two handles of one topic do no harm */
	t->next = atomic_load(&c->topics);
	atomic_store(&c->topics, t);
	wb_mutex_unlock(&p->lock);
	return t->topic;
}

static rd_kafka_resp_err_t produce(struct wb_kafka_producer *p, struct client *c, const struct wb_kafka_record *record,
	rd_kafka_headers_t *headers, struct pending *pending)
{
	/* librdkafka takes the pointers as not const, but does not write there. */
	void *key = (void *)(uintptr_t)record->key.data, *value = (void *)(uintptr_t)record->value.data;
	rd_kafka_topic_t *topic = topic_of(p, c, record->topic);

	if (!topic)
		return rd_kafka_last_error();
	return rd_kafka_producev(c->rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
		RD_KAFKA_V_MSGFLAGS(record->value_stays ? 0 : RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_KEY(key, record->key.len), RD_KAFKA_V_VALUE(value, record->value.len),
		RD_KAFKA_V_TIMESTAMP(record->timestamp_ms > 0 ? record->timestamp_ms : 0), RD_KAFKA_V_OPAQUE(pending),
		RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
}

enum wb_err wb_kafka_producer_send(
	struct wb_kafka_producer *p, const struct wb_kafka_record *record, wb_kafka_ack_fn fn, void *arg)
{
	struct pending *pending;
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t err;
	struct client *c;

	if (atomic_load(&p->closed))
		return WB_ECLOSED;
	pending = wb_xmalloc(sizeof *pending);
	*pending = (struct pending){ fn, arg };
	headers = headers_of(record);
	/* Counted before, since the callback may come before produce returns. */
	atomic_fetch_add(&p->in_flight, 1);
	c = client_use(p);
	err = produce(p, c, record, headers, pending);
	if (err == RD_KAFKA_RESP_ERR__FATAL) /* while the client is held: its successor is not meant */
		atomic_store(&p->fatal, true);
	client_done(c);
	if (!err)
		return WB_OK;
	landed(p);
	free(pending);
	if (headers)
		rd_kafka_headers_destroy(headers);
	/* After a fatal error the next client takes it. */
	return err == RD_KAFKA_RESP_ERR__QUEUE_FULL || err == RD_KAFKA_RESP_ERR__FATAL ? WB_EFULL : err_of(err);
}

enum wb_err wb_kafka_producer_flush(struct wb_kafka_producer *p, int64_t timeout_ms)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;
	bool waiting = true, done;

	atomic_fetch_add(&p->flushing, 1);
	wake(p);
	wb_mutex_lock(&p->lock);
	while (atomic_load(&p->in_flight) > 0 && waiting)
		waiting = wb_cond_wait_until(&p->changed, &p->lock, deadline_ms);
	done = atomic_load(&p->in_flight) == 0;
	wb_mutex_unlock(&p->lock);
	atomic_fetch_sub(&p->flushing, 1);
	return done ? WB_OK : WB_ETIMEDOUT;
}

int64_t wb_kafka_producer_in_flight(struct wb_kafka_producer *p)
{
	return atomic_load(&p->in_flight);
}

static int32_t partitions_known(struct wb_kafka_producer *p, const char *topic)
{
	int32_t count = 0;

	wb_mutex_lock(&p->lock);
	for (const struct known_topic *t = p->topics; t && !count; t = t->next) {
		if (strcmp(t->name, topic) == 0)
			count = t->partitions;
	}
	wb_mutex_unlock(&p->lock);
	return count;
}

static void partitions_remember(struct wb_kafka_producer *p, const char *topic, int32_t count)
{
	struct known_topic *t = wb_xcalloc(1, sizeof *t);

	t->name = wb_xstrdup(topic);
	t->partitions = count;
	wb_mutex_lock(&p->lock);
	t->next = p->topics;
	p->topics = t;
	wb_mutex_unlock(&p->lock);
}

static enum wb_err partitions_ask(
	rd_kafka_t *rk, const char *topic, int64_t timeout_ms, int32_t *ret_count, struct wb_error *e)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err;

	if (!rkt)
		return wb_error_set(e, WB_EINVAL, "topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
	err = rd_kafka_metadata(rk, 0, rkt, &metadata, (int)timeout_ms);
	rd_kafka_topic_destroy(rkt);
	if (err)
		return wb_error_set(e, WB_ETIMEDOUT, "topic %s: %s", topic, rd_kafka_err2str(err));
	err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (!err)
		*ret_count = metadata->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return wb_error_set(e, WB_ENOTFOUND, "topic %s does not exist", topic);
	return err ? wb_error_set(e, WB_EIO, "topic %s: %s", topic, rd_kafka_err2str(err)) : WB_OK;
}

enum wb_err wb_kafka_producer_partitions(
	struct wb_kafka_producer *p, const char *topic, int64_t timeout_ms, int32_t *ret_count, struct wb_error *e)
{
	int32_t count = partitions_known(p, topic);
	enum wb_err err = WB_OK;

	if (count == 0) {
		struct client *c = client_use(p);

		err = partitions_ask(c->rk, topic, timeout_ms, &count, e);
		client_done(c);
		if (!err && count == 0)
			return wb_error_set(e, WB_ENOTFOUND, "topic %s has no partitions", topic);
		if (!err)
			partitions_remember(p, topic, count);
	}
	if (!err)
		*ret_count = count;
	return err;
}

bool wb_kafka_producer_up(struct wb_kafka_producer *p, struct wb_error *e)
{
	bool up;

	wb_mutex_lock(&p->lock);
	up = p->up;
	if (!up)
		(void)wb_error_set(e, WB_EIO, "%s", p->down_text.text);
	wb_mutex_unlock(&p->lock);
	return up;
}
