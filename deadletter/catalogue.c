#include "deadletter/catalogue.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/kafka/reader.h"
#include "common/kafka/topics.h"
#include "deadletter/catalogue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	POLL_RECORDS = 1000,
	POLL_MS = 200,
	BATCH_RECORDS = 100000, /* a transaction: what is read again after a kill */
	GAP_RECORDS = 5000,     /* between two wanted letters: more is jumped over */
	LOCK_WAIT_MS = 20,
	EXPLAIN_MS = 1000,
};

struct wb_catalogue {
	const struct wb_deadletter_config *config;
	struct wb_log *log;
	struct wb_kafka_reader *readers[WB_INDEX_TOPICS]; /* the states' is NULL where there is no such topic */
	struct wb_index *index;
	struct wb_letter_reader letters;
	char *path;   /* NULL: in memory */
	int lock;     /* -1: none */
	/* While reading into the index. */
	enum wb_index_topic topic;
	struct span {
		int64_t from, check; /* as the index knows it */
		int64_t next, last;  /* as it will */
	} *spans;
	int32_t span_count;
	size_t batch;
	bool anew; /* the topic is another than the one that was read */
	enum wb_err err;
	struct wb_error *e;
};

static const char *topic_name(const struct wb_catalogue *c, enum wb_index_topic topic)
{
	return topic == WB_INDEX_LETTERS ? c->config->kafka.topic_dead_letters : c->config->topic_state;
}

/* The same record has the same number, another at its place another. */
static int64_t fingerprint(const struct wb_kafka_record *record)
{
	struct wb_slice key = record->key.data ? record->key : record->value;

	return (wb_index_hash(key) ^ (int64_t)record->value.len) + record->timestamp_ms;
}

static void keep(struct wb_catalogue *c, const struct wb_kafka_record *record)
{
	if (c->topic == WB_INDEX_LETTERS) {
		struct wb_index_letter row;
		struct wb_letter letter;

		wb_letter_read(&c->letters, record, &letter);
		wb_letter_index(&letter, &row);
		c->err = wb_index_put_letter(c->index, &row, c->e);
	} else if (wb_state_is_letter(record->key)) {
		c->err = wb_index_put_state(c->index, record->key, record->value, c->e);
	}
}

static void on_record(void *arg, const struct wb_kafka_record *record)
{
	struct wb_catalogue *c = arg;
	struct span *span;

	if (c->err != WB_OK || c->anew || record->partition >= c->span_count)
		return;
	span = &c->spans[record->partition];
	if (record->offset < span->from) {
		c->anew = record->offset != span->from - 1 || fingerprint(record) != span->check;
		return;
	}
	keep(c, record);
	span->next = record->offset + 1;
	span->last = fingerprint(record);
	c->batch++;
}

static enum wb_err end_batch(struct wb_catalogue *c, struct wb_error *e)
{
	enum wb_err err = WB_OK;

	for (int32_t i = 0; i < c->span_count && err == WB_OK; i++)
		if (c->spans[i].next > c->spans[i].from)
			err = wb_index_advance(c->index, c->topic, i, c->spans[i].next, c->spans[i].last, e);
	c->batch = 0;
	return err == WB_OK ? wb_index_commit(c->index, e) : err;
}

/* Where each partition is to be read from: one record before what is new, to see that it is still the one that was read. */
static enum wb_err place(struct wb_catalogue *c, struct wb_kafka_reader *reader, struct wb_error *e)
{
	enum wb_err err = WB_OK;

	c->span_count = wb_kafka_reader_partitions(reader);
	c->spans = wb_xrealloc(c->spans, ((size_t)c->span_count + 1) * sizeof *c->spans);
	for (int32_t i = 0; i < c->span_count && err == WB_OK; i++) {
		struct span *s = &c->spans[i];
		int64_t low, end, at;

		wb_kafka_reader_bounds(reader, i, &low, &end, &at);
		err = wb_index_position(c->index, c->topic, i, &s->from, &s->check, e);
		if (err != WB_OK)
			break;
		c->anew = c->anew || s->from > end;
		if (s->from > 0 && low > 0 && c->topic == WB_INDEX_LETTERS)
			err = wb_index_drop_below(c->index, i, low, e);
		if (err == WB_OK && (at < 0 || at != s->from) && end > low)
			err = wb_kafka_reader_seek(reader, i, s->from > low ? s->from - 1 : low, e);
		if (s->from < low)
			s->from = low;
		s->next = s->from;
		s->last = s->check;
	}
	return err;
}

static enum wb_err read_on(struct wb_catalogue *c, struct wb_kafka_reader *reader, struct wb_error *e)
{
	int64_t silent_since = wb_clock_mono_ms();
	enum wb_err err = WB_OK;

	while (err == WB_OK && !c->anew && !wb_kafka_reader_reached(reader, NULL)) {
		if (wb_kafka_reader_poll(reader, POLL_RECORDS, POLL_MS, on_record, c, &err, e) > 0)
			silent_since = wb_clock_mono_ms();
		else if (err == WB_OK && wb_clock_mono_ms() - silent_since > c->config->timeout_ms)
			err = wb_error_set(e, WB_ETIMEDOUT, "nothing came of topic %s for %lld ms, but there is more",
				topic_name(c, c->topic), (long long)c->config->timeout_ms);
		if (err == WB_OK)
			err = c->err;
		if (err == WB_OK && !c->anew && c->batch >= BATCH_RECORDS) {
			err = end_batch(c, e);
			if (err == WB_OK)
				err = wb_index_begin(c->index, e);
		}
	}
	return err;
}

static enum wb_err read_topic(struct wb_catalogue *c, enum wb_index_topic topic, struct wb_error *e)
{
	struct wb_kafka_reader *reader = c->readers[topic];
	enum wb_err err;

	c->topic = topic;
	c->err = WB_OK;
	c->e = e;
	err = wb_kafka_reader_mark(reader, c->config->timeout_ms, e);
	if (err == WB_OK)
		err = wb_index_begin(c->index, e);
	if (err == WB_OK)
		err = place(c, reader, e);
	if (err == WB_OK)
		err = read_on(c, reader, e);
	return err == WB_OK ? end_batch(c, e) : err;
}

/* Both topics. What was read is as it was where one of them turns out to be another. */
static enum wb_err read_all(struct wb_catalogue *c, struct wb_error *e)
{
	enum wb_err err = WB_OK;

	for (unsigned tries = 0; tries < 2; tries++) {
		c->anew = false;
		for (unsigned t = 0; t < WB_INDEX_TOPICS && err == WB_OK && !c->anew; t++)
			if (c->readers[t])
				err = read_topic(c, (enum wb_index_topic)t, e);
		if (err != WB_OK || !c->anew)
			return err != WB_OK ? err : wb_index_finish(c->index, e);
		wb_log_info(c->log, "topic was made anew, the index is made again",
			WB_STR("topic", topic_name(c, c->topic)));
		err = wb_index_reset(c->index, e);
	}
	return err != WB_OK ? err
			    : wb_error_set(e, WB_EIO, "topic %s changes while it is read", topic_name(c, c->topic));
}

static enum wb_err lock(struct wb_catalogue *c, struct wb_error *e)
{
	int64_t since_ms = wb_clock_mono_ms();
	char name[4096];

	if (!c->path)
		return WB_OK;
	(void)snprintf(name, sizeof name, "%s.lock", c->path);
	c->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (c->lock < 0)
		return wb_error_set(e, WB_EIO, "%s: %s; --no-index does without it", name, strerrordesc_np(errno));
	while (flock(c->lock, LOCK_EX | LOCK_NB) != 0) {
		if (wb_clock_mono_ms() - since_ms > c->config->timeout_ms)
			return wb_error_set(e, WB_ETIMEDOUT,
				"another program has been reading into %s for longer than %lld ms; --no-index does "
				"without it",
				c->path, (long long)c->config->timeout_ms);
		(void)usleep(LOCK_WAIT_MS * 1000); /* a signal ends it early, which does no harm */
	}
	return WB_OK;
}

static void unlock(struct wb_catalogue *c)
{
	if (c->lock >= 0)
		(void)close(c->lock); /* and so is the lock; nothing was written */
	c->lock = -1;
}

/* Why there is no reader: wrong options and a cluster that does not answer have sentences and codes of their own. */
static enum wb_err explain(struct wb_catalogue *c, struct wb_error *e)
{
	struct wb_error why;
	enum wb_err err = wb_topics_check(&c->config->kafka, 0, EXPLAIN_MS, c->log, &why);

	return err == WB_OK ? WB_EIO : wb_error_set(e, err, "%s", why.text);
}

static enum wb_err open_readers(struct wb_catalogue *c, struct wb_error *e)
{
	for (unsigned t = 0; t < WB_INDEX_TOPICS; t++) {
		const struct wb_kafka_reader_settings settings = { .topic = topic_name(c, (enum wb_index_topic)t),
			.client_id = "writebehind-deadletter",
			.timeout_ms = c->config->timeout_ms,
			.waits = true };

		if (t == WB_INDEX_STATES &&
			(!settings.topic ||
				!wb_kafka_reader_knows(
					c->readers[WB_INDEX_LETTERS], settings.topic, c->config->timeout_ms)))
			return WB_OK;
		c->readers[t] = wb_kafka_reader_new(&c->config->kafka, &settings, c->log, e);
		if (!c->readers[t])
			return explain(c, e);
	}
	return WB_OK;
}

static enum wb_err open_index(struct wb_catalogue *c, const char *source, struct wb_error *e)
{
	enum wb_err err = wb_index_open(c->path, source, &c->index, e);

	if (err == WB_OK)
		err = read_all(c, e);
	/* A damaged file shows only when it is read: it is made again once. */
	if (err != WB_OK && c->index && wb_index_is_damaged(c->index)) {
		wb_log_warn(c->log, "the index is damaged and made again", WB_STR("file", c->path));
		wb_index_free(&c->index);
		err = wb_index_open(c->path, source, &c->index, e);
		if (err == WB_OK)
			err = read_all(c, e);
	}
	return err;
}

enum wb_err wb_catalogue_open(
	const struct wb_deadletter_config *config, struct wb_log *log, struct wb_catalogue **ret, struct wb_error *e)
{
	struct wb_catalogue *c = wb_xcalloc(1, sizeof *c);
	struct wb_buf source;
	enum wb_err err;

	*c = (struct wb_catalogue){ .config = config, .log = log, .lock = -1 };
	wb_letter_reader_init(&c->letters);
	wb_buf_init(&source, 2000);
	err = open_readers(c, e);
	if (err == WB_OK) {
		wb_kafka_reader_cluster(c->readers[WB_INDEX_LETTERS], config->timeout_ms, &source);
		wb_buf_appendf(&source, "\n%s\n%s", config->kafka.topic_dead_letters,
			config->topic_state ? config->topic_state : "");
		err = wb_buf_status(&source);
	}
	if (err == WB_OK)
		err = wb_catalogue_file(config, wb_buf_slice(&source), &c->path, e);
	if (err == WB_OK)
		err = lock(c, e);
	if (err == WB_OK)
		err = open_index(c, source.data, e);
	unlock(c);
	wb_buf_release(&source);
	if (err == WB_OK)
		*ret = c;
	else
		wb_catalogue_free(&c);
	return err;
}

void wb_catalogue_free(struct wb_catalogue **catalogue)
{
	struct wb_catalogue *c = *catalogue;

	if (!c)
		return;
	wb_index_free(&c->index);
	for (unsigned t = 0; t < WB_INDEX_TOPICS; t++)
		wb_kafka_reader_free(&c->readers[t]);
	wb_letter_reader_release(&c->letters);
	free(c->spans);
	free(c->path);
	free(c);
	*catalogue = NULL;
}

struct wb_index *wb_catalogue_index(struct wb_catalogue *catalogue)
{
	return catalogue->index;
}

enum wb_err wb_catalogue_update(struct wb_catalogue *catalogue, struct wb_error *e)
{
	enum wb_err err = lock(catalogue, e);

	if (err == WB_OK)
		err = read_all(catalogue, e);
	unlock(catalogue);
	return err;
}

/* Letters by their places, of one partition after the other. */
struct fetch {
	struct wb_catalogue *catalogue;
	const struct wb_letter_place *places;
	size_t *order; /* places by partition and offset */
	size_t at, end; /* those of the partition at hand that are still wanted */
	wb_letter_fn fn;
	void *arg;
	bool stopped;
};

static int by_place(const void *a, const void *b, void *arg)
{
	const struct wb_letter_place *places = arg;
	const struct wb_letter_place *x = &places[*(const size_t *)a], *y = &places[*(const size_t *)b];

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static void on_fetched(void *arg, const struct wb_kafka_record *record)
{
	struct fetch *f = arg;
	struct wb_letter letter;

	while (f->at < f->end && f->places[f->order[f->at]].offset < record->offset)
		f->at++;
	if (f->stopped || f->at == f->end || f->places[f->order[f->at]].offset != record->offset ||
		f->places[f->order[f->at]].partition != record->partition)
		return;
	wb_letter_read(&f->catalogue->letters, record, &letter);
	f->stopped = !f->fn(f->arg, f->order[f->at++], &letter);
}

static enum wb_err fetch_partition(struct fetch *f, int32_t partition, struct wb_error *e)
{
	struct wb_catalogue *c = f->catalogue;
	struct wb_kafka_reader *reader = c->readers[WB_INDEX_LETTERS];
	int64_t silent_since = wb_clock_mono_ms(), low, end, next;
	enum wb_err err = WB_OK;

	if (partition >= wb_kafka_reader_partitions(reader))
		return WB_OK;
	wb_kafka_reader_bounds(reader, partition, &low, &end, &next);
	next = -1;
	while (err == WB_OK && f->at < f->end && !f->stopped) {
		int64_t wanted = f->places[f->order[f->at]].offset;

		if (wanted >= end || (next >= 0 && next >= end))
			break;
		if (next < 0 || wanted > next + GAP_RECORDS)
			err = wb_kafka_reader_seek(reader, partition, wanted > low ? wanted : low, e);
		if (err == WB_OK && wb_kafka_reader_poll(reader, POLL_RECORDS, POLL_MS, on_fetched, f, &err, e) > 0)
			silent_since = wb_clock_mono_ms();
		else if (err == WB_OK && wb_clock_mono_ms() - silent_since > c->config->timeout_ms)
			err = wb_error_set(e, WB_ETIMEDOUT, "no letters came for %lld ms, but there are more",
				(long long)c->config->timeout_ms);
		wb_kafka_reader_bounds(reader, partition, &low, &end, &next);
	}
	/* Reading on begins with a seek: nothing else may come from there meanwhile. */
	return err == WB_OK ? wb_kafka_reader_seek(reader, partition, -1, e) : err;
}

enum wb_err wb_catalogue_fetch(struct wb_catalogue *catalogue, const struct wb_letter_place *places, size_t count,
	wb_letter_fn fn, void *arg, struct wb_error *e)
{
	struct fetch f = { .catalogue = catalogue, .places = places, .fn = fn, .arg = arg };
	struct wb_kafka_reader *reader = catalogue->readers[WB_INDEX_LETTERS];
	enum wb_err err = WB_OK;

	f.order = wb_xcalloc(count + 1, sizeof *f.order);
	for (size_t i = 0; i < count; i++)
		f.order[i] = i;
	qsort_r(f.order, count, sizeof *f.order, by_place, (void *)(uintptr_t)places);
	for (int32_t i = 0; i < wb_kafka_reader_partitions(reader) && err == WB_OK; i++)
		err = wb_kafka_reader_seek(reader, i, -1, e);
	for (size_t from = 0; from < count && err == WB_OK && !f.stopped; from = f.end) {
		int32_t partition = places[f.order[from]].partition;

		f.at = f.end = from;
		while (f.end < count && places[f.order[f.end]].partition == partition)
			f.end++;
		err = fetch_partition(&f, partition, e);
	}
	free(f.order);
	return err;
}
