#include "deadletter/audit_read.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/contract/dead_letter.h"
#include "common/contract/record.h"
#include "common/kafka/positions.h"
#include "common/kafka/reader.h"
#include "common/kafka/topics.h"

#include <stdlib.h>

#define CLIENT_ID    "writebehind-deadletter"
#define POLL_RECORDS 1000
#define POLL_MS      200
#define PROGRESS_MS  100
#define TOPICS_MAX   1000
/* Clocks of publishers and brokers differ, and a letter is older than the outcome that speaks of it: so with --since more is
 * read of what explains than of what is explained. */
#define SKEW_MS   (5 * 60 * 1000)
#define LETTER_MS (60 * 60 * 1000)

/* Offsets of untracked writes that follow one another are one event. */
struct origin {
	int64_t committed; /* of the group; -1: none */
	int64_t first, next; /* the run that was not added yet; none when both are equal */
	bool passed;
};

struct reading {
	const struct wb_audit_read_settings *settings;
	struct wb_audit_sort *sort;
	struct wb_audit_read *ret;
	struct wb_log *log;
	struct wb_error *e;
	enum wb_err err; /* the first thing that went wrong in a callback */
	uint64_t order; /* of accepted records and outcomes */
	int64_t shown_at_ms;
	int64_t record_ms; /* of the results record at hand */
	uint16_t topic; /* that is read */
	size_t last_topic; /* that was looked up */
	struct wb_kafka_position *positions; /* of the topic that is read */
	struct origin *origins;
	int32_t partitions;
	/* By topic: committed offsets by partition, as they were before the outcomes were read. */
	struct committed {
		int64_t *offsets;
		int32_t count;
	} *committed;
	size_t committed_count;
};

void wb_audit_read_release(struct wb_audit_read *r)
{
	for (size_t i = 0; i < r->topic_count; i++)
		free(r->topics[i]);
	free(r->topics);
	*r = (struct wb_audit_read){ 0 };
}

static void add(struct reading *r, const struct wb_audit_event *event)
{
	if (!r->err)
		r->err = wb_audit_sort_add(r->sort, event, r->e);
}

/* The number of a topic, which is made known; -1 when there are too many. */
static int topic_number(struct reading *r, struct wb_slice name)
{
	struct wb_audit_read *known = r->ret;

	if (r->last_topic < known->topic_count && wb_slice_eq_cstr(name, known->topics[r->last_topic]))
		return (int)r->last_topic;
	for (size_t i = 0; i < known->topic_count; i++) {
		if (wb_slice_eq_cstr(name, known->topics[i])) {
			r->last_topic = i;
			return (int)i;
		}
	}
	if (known->topic_count == TOPICS_MAX || name.len == 0 || memchr(name.data, '\0', name.len))
		return -1;
	if (known->topic_count == known->topic_cap) {
		known->topic_cap = known->topic_cap ? 2 * known->topic_cap : 8;
		known->topics = wb_xrealloc(known->topics, known->topic_cap * sizeof *known->topics);
	}
	known->topics[known->topic_count] = wb_xmemdup(name.data, name.len);
	return (int)known->topic_count++;
}

static uint64_t from_hex(const char *digits)
{
	uint64_t n = 0;

	for (size_t i = 0; i < 16; i++)
		n = n << 4 | (uint64_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
	return n;
}

/* job: a valid id. */
static void set_job(struct wb_audit_event *event, struct wb_slice job)
{
	event->id[0] = from_hex(job.data);
	event->id[1] = from_hex(job.data + 16);
}

static bool set_origin(struct reading *r, struct wb_audit_event *event, struct wb_slice topic, int32_t partition)
{
	int number = topic_number(r, topic);

	if (number < 0 || partition < 0)
		return false;
	event->origin = 1;
	event->id[0] = (uint64_t)number;
	event->id[1] = (uint64_t)partition;
	return true;
}

/* FNV-1a, with each text's length, so that what is moved from one to the next shows. */
static uint64_t digest_add(uint64_t digest, struct wb_slice text)
{
	digest = (digest ^ text.len) * UINT64_C(1099511628211);
	for (size_t i = 0; i < text.len; i++)
		digest = (digest ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
	return digest;
}

static void on_accepted(void *arg, const struct wb_result_accepted *accepted)
{
	struct reading *r = arg;
	struct wb_audit_event event = { .kind = WB_AUDIT_ACCEPTED, .first = r->order++, .last = accepted->count };
	uint64_t digest = UINT64_C(14695981039346656037);

	digest = digest_add(digest, accepted->database);
	digest = digest_add(digest, accepted->container);
	digest = digest_add(digest, accepted->callback);
	event.place = digest_add(
		digest, wb_slice((const char *)accepted->key, accepted->has_key ? WB_RESULT_KEY_SIZE : 0));
	set_job(&event, accepted->job);
	add(r, &event);
}

static void add_outcome(struct reading *r, struct wb_audit_event *event, enum wb_outcome outcome, uint64_t first,
	uint64_t last, int64_t at_ms)
{
	event->kind = (uint8_t)(WB_AUDIT_WRITTEN + (int)outcome);
	event->first = first;
	event->last = last;
	event->place = r->order++;
	event->at_s = (uint32_t)(at_ms / 1000);
	add(r, event);
}

static void on_job_outcome(
	void *arg, struct wb_slice job, enum wb_outcome outcome, uint64_t first, uint64_t last, int64_t at_ms)
{
	struct wb_audit_event event = { 0 };

	set_job(&event, job);
	add_outcome(arg, &event, outcome, first, last, at_ms);
}

static void on_untracked(
	void *arg, struct wb_slice topic, int32_t partition, enum wb_outcome outcome, uint64_t first, uint64_t last)
{
	struct reading *r = arg;
	struct wb_audit_event event = { 0 };

	if (set_origin(r, &event, topic, partition))
		add_outcome(r, &event, outcome, first, last, r->record_ms);
	else
		r->ret->unreadable++;
}

static void on_result(void *arg, const struct wb_kafka_record *record)
{
	static const struct wb_result_visitor visitor = {
		.accepted = on_accepted,
		.job_outcome = on_job_outcome,
		.untracked = on_untracked,
	};
	struct reading *r = arg;
	struct wb_error unused;

	r->ret->records++;
	r->record_ms = record->timestamp_ms;
	if (wb_result_decode(record->value, &visitor, r, &unused) != WB_OK)
		r->ret->unreadable++;
}

/* Of a log that has lost letters: from the oldest that is there on, all are. */
static void note_begin(struct reading *r, const struct wb_kafka_record *record)
{
	struct wb_kafka_position *p = record->partition < r->partitions ? &r->positions[record->partition] : NULL;
	int64_t sure_s = (record->timestamp_ms + LETTER_MS) / 1000;

	if (!p || p->low == 0)
		return;
	if ((r->settings->since_ms == 0 || record->offset <= p->low) && sure_s > r->ret->scope.letters_sure_from)
		r->ret->scope.letters_sure_from = (uint32_t)sure_s;
	p->low = 0;
}

static void on_letter(void *arg, const struct wb_kafka_record *record)
{
	struct reading *r = arg;
	struct wb_audit_event event = { .kind = WB_AUDIT_LETTER,
		.place = wb_audit_place(record->partition, record->offset) };
	bool ours = wb_header_find(record->headers, record->header_count, "wb-error-reason") != NULL;
	struct wb_dead_letter why;
	struct wb_slice job;

	r->ret->records++;
	note_begin(r, record);
	if (ours && wb_record_job(record->headers, record->header_count, &job, &event.first)) {
		set_job(&event, job);
	} else if (ours && wb_dead_letter_parse(record->headers, record->header_count, &why) &&
		set_origin(r, &event, why.origin_topic, why.origin_partition)) {
		event.first = (uint64_t)why.origin_offset;
	} else {
		r->ret->foreign_letters++;
		return;
	}
	event.last = event.first;
	add(r, &event);
}

static void add_run(struct reading *r, int32_t partition)
{
	struct origin *o = &r->origins[partition];
	struct wb_audit_event event = { .kind = o->passed ? WB_AUDIT_PASSED : WB_AUDIT_AHEAD,
		.id = { r->topic, (uint64_t)partition },
		.origin = 1,
		.first = (uint64_t)o->first,
		.last = (uint64_t)o->next - 1,
		.topic = r->topic };

	if (o->next > o->first)
		add(r, &event);
	o->first = o->next = 0;
}

static void on_write(void *arg, const struct wb_kafka_record *record)
{
	struct reading *r = arg;
	struct wb_slice job;
	struct origin *o;
	uint64_t seq;
	bool passed;

	r->ret->records++;
	if (record->partition >= r->partitions)
		return; /* of a partition that came after the ends were asked for */
	o = &r->origins[record->partition];
	passed = record->offset < o->committed;
	if (wb_record_job(record->headers, record->header_count, &job, &seq)) {
		struct wb_audit_event event = { .kind = passed ? WB_AUDIT_PASSED : WB_AUDIT_AHEAD,
			.first = seq,
			.last = seq,
			.topic = r->topic,
			.place = wb_audit_place(record->partition, record->offset) };

		set_job(&event, job);
		add(r, &event);
		return;
	}
	if (o->next != record->offset || o->passed != passed) {
		add_run(r, record->partition);
		o->first = record->offset;
		o->passed = passed;
	}
	o->next = record->offset + 1;
}

static void show(struct reading *r, const char *topic, int64_t remaining, int64_t *total)
{
	int64_t now_ms = wb_clock_mono_ms();

	if (!r->settings->progress || now_ms - r->shown_at_ms < PROGRESS_MS)
		return;
	if (remaining > *total)
		*total = remaining;
	r->shown_at_ms = now_ms;
	r->settings->progress(r->settings->progress_arg, topic, *total - remaining, *total);
}

/* Reads up to the end as it is now. */
static enum wb_err read_to_end(
	struct reading *r, struct wb_kafka_reader *reader, const char *topic, wb_kafka_record_fn fn)
{
	int64_t timeout_ms = r->settings->timeout_ms, silent_since = wb_clock_mono_ms(), remaining = 0, total = 0;
	enum wb_err err = wb_kafka_reader_mark(reader, timeout_ms, r->e);

	while (!err && !r->err && !wb_kafka_reader_reached(reader, &remaining)) {
		show(r, topic, remaining, &total);
		if (wb_kafka_reader_poll(reader, POLL_RECORDS, POLL_MS, fn, r, &err, r->e) > 0)
			silent_since = wb_clock_mono_ms();
		else if (!err && wb_clock_mono_ms() - silent_since > timeout_ms)
			err = wb_error_set(r->e, WB_ETIMEDOUT,
				"topic %s: no records came for %lld ms, but there are more", topic,
				(long long)timeout_ms);
	}
	return err ? err : r->err;
}

static enum wb_err open_reader(
	struct reading *r, const char *topic, int64_t margin_ms, struct wb_kafka_reader **ret_reader)
{
	int64_t since_ms = r->settings->since_ms;
	const struct wb_kafka_reader_settings settings = {
		.topic = topic,
		.client_id = CLIENT_ID,
		.since_ms = since_ms > margin_ms ? since_ms - margin_ms
			: since_ms               ? 1
						 : 0,
		.timeout_ms = r->settings->timeout_ms,
	};

	*ret_reader = wb_kafka_reader_new(r->settings->kafka, &settings, r->log, r->e);
	return *ret_reader ? WB_OK : WB_EIO;
}

static enum wb_err ask_positions(struct reading *r, const char *topic, const char *group)
{
	free(r->positions);
	r->positions = NULL;
	r->partitions = 0;
	return wb_kafka_positions(r->settings->kafka, CLIENT_ID, topic, group, r->settings->timeout_ms, r->log,
		&r->positions, &r->partitions, r->e);
}

static bool begins_late(const struct reading *r)
{
	for (int32_t i = 0; i < r->partitions; i++) {
		if (r->positions[i].low > 0)
			return true;
	}
	return false;
}

/* Of all topics that are known and were not asked for yet. One that is gone has no committed offsets. */
static enum wb_err ask_committed(struct reading *r)
{
	enum wb_err err = WB_OK;

	r->committed = wb_xcalloc(r->ret->topic_count, sizeof *r->committed);
	for (size_t t = 0; t < r->ret->topic_count && !err; t++) {
		struct committed *c = &r->committed[t];

		r->committed_count = t + 1;
		err = ask_positions(r, r->ret->topics[t], r->settings->group);
		if (err == WB_ENOTFOUND && t > 0) {
			err = WB_OK;
			continue;
		}
		c->count = r->partitions;
		c->offsets = wb_xcalloc((size_t)r->partitions + 1, sizeof *c->offsets);
		for (int32_t i = 0; i < r->partitions; i++) {
			c->offsets[i] = r->positions[i].committed;
			r->ret->group_known = r->ret->group_known || c->offsets[i] >= 0;
		}
	}
	return err;
}

/* The results are read, which says what topics of writes there are; then the group is asked, and what came meanwhile is
 * read: so every write that the group has passed has its outcome in what was read. */
static enum wb_err read_results(struct reading *r)
{
	const char *topic = r->settings->kafka->topic_results;
	struct wb_kafka_reader *reader = NULL;
	enum wb_err err = ask_positions(r, topic, NULL);

	if (err)
		return err;
	r->ret->scope.results_cut = r->settings->since_ms > 0 || begins_late(r);
	err = open_reader(r, topic, SKEW_MS, &reader);
	if (!err)
		err = read_to_end(r, reader, topic, on_result);
	if (!err)
		err = ask_committed(r);
	if (!err)
		err = read_to_end(r, reader, topic, on_result);
	wb_kafka_reader_free(&reader);
	return err;
}

static enum wb_err read_letters(struct reading *r)
{
	const char *topic = r->settings->kafka->topic_dead_letters;
	struct wb_kafka_reader *reader = NULL;
	enum wb_err err = ask_positions(r, topic, NULL);

	if (err)
		return err;
	if (r->settings->since_ms > 0)
		r->ret->scope.letters_sure_from = (uint32_t)(r->settings->since_ms / 1000);
	err = open_reader(r, topic, LETTER_MS, &reader);
	if (!err)
		err = read_to_end(r, reader, topic, on_letter);
	/* A log that has lost letters and of which none came tells nothing of what died before now. */
	if (begins_late(r) && r->settings->since_ms == 0)
		r->ret->scope.letters_sure_from = (uint32_t)(r->settings->now_ms / 1000);
	wb_kafka_reader_free(&reader);
	return err;
}

static void begin_topic(struct reading *r, size_t number)
{
	const struct committed *known = number < r->committed_count ? &r->committed[number] : NULL;

	r->topic = (uint16_t)number;
	free(r->origins);
	r->origins = wb_xcalloc((size_t)r->partitions + 1, sizeof *r->origins);
	for (int32_t i = 0; i < r->partitions; i++)
		r->origins[i].committed = known && i < known->count ? known->offsets[i] : -1;
}

/* The ends as they are when everything was read: outcomes and letters speak of what is below them. */
static void end_topic(struct reading *r)
{
	for (int32_t i = 0; i < r->partitions; i++) {
		const struct wb_audit_event end = { .kind = WB_AUDIT_LOG,
			.id = { r->topic, (uint64_t)i },
			.origin = 1,
			.last = (uint64_t)r->positions[i].high };

		add_run(r, i);
		add(r, &end);
	}
}

static enum wb_err read_writes(struct reading *r, size_t number)
{
	const char *topic = r->ret->topics[number];
	struct wb_kafka_reader *reader = NULL;
	enum wb_err err = ask_positions(r, topic, NULL);

	if (err == WB_ENOTFOUND && number > 0)
		return WB_OK; /* what outcomes say of it is told apart */
	if (err)
		return err;
	begin_topic(r, number);
	err = open_reader(r, topic, 0, &reader);
	if (!err)
		err = read_to_end(r, reader, topic, on_write);
	if (!err)
		end_topic(r);
	wb_kafka_reader_free(&reader);
	return err ? err : r->err;
}

enum wb_err wb_audit_read(const struct wb_audit_read_settings *settings, struct wb_audit_sort *sort,
	struct wb_audit_read *ret, struct wb_log *log, struct wb_error *e)
{
	struct reading r = { .settings = settings, .sort = sort, .ret = ret, .log = log, .e = e };
	/* No topic in particular: whether the options are right and brokers answer. */
	enum wb_err err = wb_topics_check(settings->kafka, 0, settings->timeout_ms, log, e);

	*ret = (struct wb_audit_read){ 0 };
	if (!err && topic_number(&r, wb_slice_cstr(settings->kafka->topic_writes)) < 0)
		err = wb_error_set(e, WB_EINVAL, "topic.writes is empty");
	if (!err)
		err = read_results(&r);
	if (!err)
		err = read_letters(&r);
	for (size_t t = 0; t < ret->topic_count && !err; t++)
		err = read_writes(&r, t);
	for (size_t t = 0; t < r.committed_count; t++)
		free(r.committed[t].offsets);
	free(r.committed);
	free(r.origins);
	free(r.positions);
	return err;
}
