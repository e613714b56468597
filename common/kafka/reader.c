#include "common/kafka/reader.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/kafka/client.h"

#include <assert.h>
#include <stdlib.h>

enum {
	FIRST_HEADERS = 64,
	REFRESH_MS = 30000,        /* how often new partitions are looked for */
	REFRESH_TIMEOUT_MS = 1000,
	STEP_MS = 1000,            /* one question to the cluster, of several within a deadline */
	WAKE_RECORDS = 8192,       /* taken without a pause between two wakings of the threads that fetch */
	WAKE_TIMEOUT_MS = 100,
};

struct partition {
	int64_t next;      /* the first offset that was not handed out */
	int64_t low, mark; /* the first offset and the end as of the last mark; 0 before */
	bool started;      /* else nothing is read, and nothing waited for */
	bool below_since;  /* no record as young as since_ms was seen yet */
};

struct wb_kafka_reader {
	struct wb_kafka_context context; /* first: the client's opaque */
	rd_kafka_t *rk;
	rd_kafka_t *asker; /* asks everything: behind rk's long fetches a question would wait for each */
	rd_kafka_topic_t *rkt, *asked; /* the topic as rk and as asker have it */
	rd_kafka_queue_t *queue; /* of all partitions */
	char *topic;
	int64_t since_ms;
	bool waits;
	struct partition *partitions;
	int32_t count;
	struct wb_header *headers; /* of the record at hand */
	size_t headers_max;
	int64_t refresh_at_ms;
	bool wakes;                /* librdkafka looks only once a second whether a full queue has room again */
	size_t taken;              /* records since the last waking */
	rd_kafka_resp_err_t fatal; /* an error that does not pass by itself */
};

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct wb_kafka_reader *r = opaque;

	(void)rk;
	(void)reason; /* librdkafka logs it, and goes on trying */
	if (err == RD_KAFKA_RESP_ERR__FATAL)
		r->fatal = err;
}

/* How many partitions the topic has; 0 with an error. */
static int32_t ask_count(struct wb_kafka_reader *r, int timeout_ms, rd_kafka_resp_err_t *ret_err)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t err = rd_kafka_metadata(r->asker, 0, r->asked, &metadata, timeout_ms);
	int32_t count = 0;

	if (!err) {
		err = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
		if (!err)
			count = metadata->topics[0].partition_cnt;
		rd_kafka_metadata_destroy(metadata);
	}
	*ret_err = err;
	return count;
}

/* The first offset at or after a time; -1 when there is none. */
static int64_t offset_at(struct wb_kafka_reader *r, int32_t partition, int64_t time_ms, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t offset = -1;

	rd_kafka_topic_partition_list_add(list, r->topic, partition)->offset = time_ms;
	if (!rd_kafka_offsets_for_times(r->asker, list, timeout_ms) && !list->elems[0].err)
		offset = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return offset;
}

/* Where to begin. A cluster that answers "none" for since_ms but knows a first record has nothing as young: reading
 * starts at the end. One that answers "none" always (librdkafka's mock) is read from the earliest record on, and older
 * ones are not handed out. */
static int64_t offset_to_start(struct wb_kafka_reader *r, int32_t partition, int timeout_ms)
{
	int64_t offset, low, high;

	if (r->since_ms <= 0)
		return RD_KAFKA_OFFSET_BEGINNING;
	offset = offset_at(r, partition, r->since_ms, timeout_ms);
	if (offset >= 0)
		return offset;
	if (offset_at(r, partition, 0, timeout_ms) < 0 ||
		rd_kafka_query_watermark_offsets(r->asker, r->topic, partition, &low, &high, timeout_ms))
		return RD_KAFKA_OFFSET_BEGINNING;
	return high;
}

static bool start_partition(struct wb_kafka_reader *r, int32_t partition, int timeout_ms)
{
	struct partition *p = &r->partitions[partition];
	int64_t offset;

	if (r->waits) {
		*p = (struct partition){ .next = -1 };
		return true;
	}
	offset = offset_to_start(r, partition, timeout_ms);
	*p = (struct partition){ .next = offset >= 0 ? offset : 0, .below_since = r->since_ms > 0, .started = true };
	return rd_kafka_consume_start_queue(r->rkt, partition, offset, r->queue) == 0;
}

/* Starts the partitions that are not read yet. */
static bool start_new(struct wb_kafka_reader *r, int32_t count, int timeout_ms)
{
	if (count <= r->count)
		return true;
	r->partitions = wb_xrealloc(r->partitions, (size_t)count * sizeof *r->partitions);
	while (r->count < count) {
		if (!start_partition(r, r->count, timeout_ms))
			return false;
		r->count++;
	}
	return true;
}

static void refresh(struct wb_kafka_reader *r, int timeout_ms)
{
	rd_kafka_resp_err_t err;
	int32_t count = ask_count(r, timeout_ms, &err);

	/* A cluster that does not answer is asked again later; what is read meanwhile stays right. */
	(void)start_new(r, count, timeout_ms);
	r->refresh_at_ms = wb_clock_mono_ms() + REFRESH_MS;
}

static int within(int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - wb_clock_mono_ms();

	return left_ms < 1 ? 1 : left_ms > STEP_MS ? STEP_MS : (int)left_ms;
}

static enum wb_err await_topic(struct wb_kafka_reader *r, int64_t timeout_ms, struct wb_error *e)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR, unknown = RD_KAFKA_RESP_ERR_NO_ERROR;
	int32_t count;

	while ((count = ask_count(r, within(deadline_ms), &err)) == 0) {
		if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			unknown = err;
		if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
			return wb_error_set(e, WB_EFATAL, "topic %s: %s", r->topic, rd_kafka_err2str(err));
		if (wb_clock_mono_ms() >= deadline_ms)
			break;
		(void)rd_kafka_poll(r->asker, within(deadline_ms) / 10); /* how many events is of no interest */
	}
	if (count == 0 && unknown)
		return wb_error_set(e, WB_ENOTFOUND, "topic %s does not exist", r->topic);
	if (count == 0)
		return wb_error_set(e, WB_ETIMEDOUT, "topic %s: %s", r->topic,
			err ? rd_kafka_err2str(err) : "it has no partitions yet");
	if (!start_new(r, count, within(deadline_ms)))
		return wb_error_set(e, WB_EIO, "topic %s: %s", r->topic, rd_kafka_err2str(rd_kafka_last_error()));
	r->refresh_at_ms = wb_clock_mono_ms() + REFRESH_MS;
	return WB_OK;
}

static rd_kafka_t *client_new(struct wb_kafka_reader *r, const struct wb_kafka_options *options,
	const struct wb_kafka_reader_settings *settings, struct wb_error *e)
{
	/* The end-of-partition events tell where holes end that no record fills: markers of transactions, what was
	 * compacted. 16 MiB of records are fetched ahead; of small ones, which take several times their size in
	 * librdkafka, a quarter of that. */
	static const struct wb_kafka_setting reads[] = {
		{ "enable.partition.eof", "true" },
		{ "auto.offset.reset", "earliest" },
		{ "queued.max.messages.kbytes", "16384" },
		{ NULL, NULL },
	};
	/* Partitions that are started one by one have a queue each. */
	static const struct wb_kafka_setting waits[] = {
		{ "enable.partition.eof", "true" },
		{ "auto.offset.reset", "earliest" },
		{ "queued.max.messages.kbytes", "8192" },
		{ "fetch.message.max.bytes", "262144" },
		{ NULL, NULL },
	};
	static const struct wb_kafka_setting follows[] = {
		{ "enable.partition.eof", "true" },
		{ "auto.offset.reset", "earliest" },
		{ "queued.max.messages.kbytes", "4096" },
		{ "fetch.message.max.bytes", "262144" },
		{ "fetch.min.bytes", "65536" },
		{ "fetch.wait.max.ms", "20" },
		{ NULL, NULL },
	};
	rd_kafka_conf_t *conf = wb_kafka_conf_new(options,
		settings->waits             ? waits
			: settings->follows ? follows
					    : reads,
		settings->client_id, &r->context, e);
	char text[512];
	rd_kafka_t *rk;

	if (!conf)
		return NULL;
	rd_kafka_conf_set_error_cb(conf, on_error);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		(void)wb_error_set(e, WB_EINVAL, "Kafka reader: %s", text);
	}
	return rk;
}

struct wb_kafka_reader *wb_kafka_reader_new(const struct wb_kafka_options *options,
	const struct wb_kafka_reader_settings *settings, struct wb_log *log, struct wb_error *e)
{
	struct wb_kafka_reader *r = wb_xcalloc(1, sizeof *r);
	const char *topic = settings->topic;

	r->context.log = log;
	r->topic = wb_xstrdup(topic);
	r->since_ms = settings->waits ? 0 : settings->since_ms;
	r->waits = settings->waits;
	r->wakes = rd_kafka_version() < 0x02020000;
	r->headers_max = FIRST_HEADERS;
	r->headers = wb_xcalloc(r->headers_max, sizeof *r->headers);
	r->rk = client_new(r, options, settings, e);
	r->asker = r->rk ? client_new(r, options, settings, e) : NULL;
	if (!r->asker) {
		wb_kafka_reader_free(&r);
		return NULL;
	}
	r->queue = rd_kafka_queue_new(r->rk);
	r->rkt = rd_kafka_topic_new(r->rk, topic, NULL);
	r->asked = rd_kafka_topic_new(r->asker, topic, NULL);
	if (!r->rkt || !r->asked)
		(void)wb_error_set(e, WB_EINVAL, "topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
	if (!r->rkt || !r->asked || await_topic(r, settings->timeout_ms, e))
		wb_kafka_reader_free(&r);
	return r;
}

void wb_kafka_reader_free(struct wb_kafka_reader **reader)
{
	struct wb_kafka_reader *r = *reader;

	if (!r)
		return;
	for (int32_t i = 0; i < r->count; i++)
		if (r->partitions[i].started)
			(void)rd_kafka_consume_stop(r->rkt, i); /* only fails for a partition that is not read */
	if (r->rkt)
		rd_kafka_topic_destroy(r->rkt);
	if (r->asked)
		rd_kafka_topic_destroy(r->asked);
	if (r->queue)
		rd_kafka_queue_destroy(r->queue);
	if (r->rk)
		rd_kafka_destroy(r->rk);
	if (r->asker)
		rd_kafka_destroy(r->asker);
	free(r->partitions);
	free(r->headers);
	free(r->topic);
	free(r);
	*reader = NULL;
}

/* Fills r->headers; returns how many there are. All of them: ours stand behind the original's. */
static size_t read_headers(struct wb_kafka_reader *r, const rd_kafka_message_t *m)
{
	size_t count = wb_kafka_message_headers(m, r->headers, r->headers_max);

	if (count <= r->headers_max)
		return count;
	r->headers_max = count;
	r->headers = wb_xrealloc(r->headers, count * sizeof *r->headers);
	return wb_kafka_message_headers(m, r->headers, count);
}

static void hand_on(struct wb_kafka_reader *r, const rd_kafka_message_t *m, wb_kafka_record_fn fn, void *arg)
{
	size_t count = read_headers(r, m);
	rd_kafka_timestamp_type_t type;
	const struct wb_kafka_record record = {
		.topic = r->topic,
		.partition = m->partition,
		.key = wb_slice(m->key, m->key ? m->key_len : 0),
		.value = wb_slice(m->payload, m->payload ? m->len : 0),
		.headers = r->headers,
		.header_count = count,
		.timestamp_ms = rd_kafka_message_timestamp(m, &type),
		.offset = m->offset,
	};

	fn(arg, &record);
}

/* Whether a record was handed on. */
static bool take(struct wb_kafka_reader *r, const rd_kafka_message_t *m, wb_kafka_record_fn fn, void *arg)
{
	struct partition *p;

	if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
			r->fatal = m->err;
		return false; /* the others are repeated by librdkafka until they pass */
	}
	if (m->partition < 0 || m->partition >= r->count || !r->partitions[m->partition].started)
		return false;
	p = &r->partitions[m->partition];
	if (m->err) {
		if (m->offset > p->next)
			p->next = m->offset;
		return false;
	}
	p->next = m->offset + 1;
	if (p->below_since) {
		rd_kafka_timestamp_type_t type;

		if (rd_kafka_message_timestamp(m, &type) < r->since_ms)
			return false;
		p->below_since = false;
	}
	hand_on(r, m, fn, arg);
	return true;
}

/* Any request to a broker wakes the thread that fetches from it, which then sees that the queue has room again. */
static void wake_fetchers(struct wb_kafka_reader *r)
{
	rd_kafka_topic_partition_list_t *list;

	if (!r->wakes || r->taken < WAKE_RECORDS)
		return;
	r->taken = 0;
	list = rd_kafka_topic_partition_list_new(r->count);
	for (int32_t i = 0; i < r->count; i++)
		rd_kafka_topic_partition_list_add(list, r->topic, i)->offset = RD_KAFKA_OFFSET_END;
	(void)rd_kafka_offsets_for_times(r->rk, list, WAKE_TIMEOUT_MS); /* asked, but not for the answer */
	rd_kafka_topic_partition_list_destroy(list);
}

size_t wb_kafka_reader_poll(struct wb_kafka_reader *r, size_t max, int64_t timeout_ms, wb_kafka_record_fn fn, void *arg,
	enum wb_err *ret_err, struct wb_error *e)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;
	size_t handed = 0;

	if (wb_clock_mono_ms() >= r->refresh_at_ms)
		refresh(r, REFRESH_TIMEOUT_MS);
	(void)rd_kafka_poll(r->rk, 0); /* errors and log lines; how many is of no interest */
	(void)rd_kafka_poll(r->asker, 0);
	while (handed < max && !r->fatal) {
		int64_t left_ms = handed ? 0 : deadline_ms - wb_clock_mono_ms();
		rd_kafka_message_t *m = rd_kafka_consume_queue(r->queue, left_ms > 0 ? (int)left_ms : 0);

		if (!m)
			break;
		handed += take(r, m, fn, arg);
		rd_kafka_message_destroy(m);
	}
	r->taken = handed == max ? r->taken + handed : 0;
	wake_fetchers(r);
	if (r->fatal) {
		*ret_err = WB_EFATAL;
		(void)wb_error_set(e, WB_EFATAL, "topic %s: %s", r->topic, rd_kafka_err2str(r->fatal));
	}
	return handed;
}

enum wb_err wb_kafka_reader_mark(struct wb_kafka_reader *r, int64_t timeout_ms, struct wb_error *e)
{
	int64_t deadline_ms = wb_clock_mono_ms() + timeout_ms;
	rd_kafka_resp_err_t err;
	int32_t count = ask_count(r, (int)timeout_ms, &err);

	if (!err && !start_new(r, count, within(deadline_ms)))
		err = rd_kafka_last_error();
	for (int32_t i = 0; i < r->count && !err; i++) {
		int64_t low, high, left_ms = deadline_ms - wb_clock_mono_ms();

		err = rd_kafka_query_watermark_offsets(
			r->asker, r->topic, i, &low, &high, left_ms > 0 ? (int)left_ms : 1);
		if (!err) {
			r->partitions[i].low = low;
			r->partitions[i].mark = high;
			/* What retention has removed is not waited for. */
			if (r->partitions[i].started && low > r->partitions[i].next)
				r->partitions[i].next = low;
		}
	}
	if (err)
		return wb_error_set(e, err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? WB_ENOTFOUND : WB_ETIMEDOUT,
			"topic %s: %s", r->topic, rd_kafka_err2str(err));
	return WB_OK;
}

bool wb_kafka_reader_reached(struct wb_kafka_reader *r, int64_t *remaining)
{
	int64_t left = 0;

	for (int32_t i = 0; i < r->count; i++) {
		const struct partition *p = &r->partitions[i];

		if (p->started && p->mark > p->next)
			left += p->mark - p->next;
	}
	if (remaining)
		*remaining = left;
	return left == 0;
}

int32_t wb_kafka_reader_partitions(const struct wb_kafka_reader *r)
{
	return r->count;
}

void wb_kafka_reader_bounds(
	const struct wb_kafka_reader *r, int32_t partition, int64_t *ret_low, int64_t *ret_end, int64_t *ret_next)
{
	const struct partition *p = &r->partitions[partition];

	*ret_low = p->low;
	*ret_end = p->mark;
	*ret_next = p->next;
}

enum wb_err wb_kafka_reader_seek(struct wb_kafka_reader *r, int32_t partition, int64_t offset, struct wb_error *e)
{
	struct partition *p = &r->partitions[partition];

	/* What was fetched ahead is of an older version of the partition to librdkafka, and is let go. */
	if (p->started)
		(void)rd_kafka_consume_stop(r->rkt, partition); /* only fails for a partition that is not read */
	p->started = false;
	p->next = -1;
	if (offset < 0)
		return WB_OK;
	if (rd_kafka_consume_start_queue(r->rkt, partition, offset, r->queue))
		return wb_error_set(e, WB_EIO, "topic %s: %s", r->topic, rd_kafka_err2str(rd_kafka_last_error()));
	p->started = true;
	p->next = offset;
	return WB_OK;
}

bool wb_kafka_reader_knows(struct wb_kafka_reader *r, const char *topic, int64_t timeout_ms)
{
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_topic_t *asked = rd_kafka_topic_new(r->asker, topic, NULL);
	bool known = false;

	if (!asked)
		return false;
	if (!rd_kafka_metadata(r->asker, 0, asked, &metadata, (int)timeout_ms)) {
		known = metadata->topic_cnt == 1 && !metadata->topics[0].err && metadata->topics[0].partition_cnt > 0;
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_topic_destroy(asked);
	return known;
}

void wb_kafka_reader_cluster(struct wb_kafka_reader *r, int64_t timeout_ms, struct wb_buf *ret)
{
	char *id = rd_kafka_clusterid(r->asker, (int)timeout_ms);

	if (id)
		wb_buf_append_cstr(ret, id);
	rd_kafka_mem_free(r->asker, id);
}
