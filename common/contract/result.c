#include "common/contract/result.h"

#include "common/base/compiler.h"
#include "common/base/crypto.h"
#include "common/base/mem.h"
#include "common/contract/outcome_notes.h"
#include "common/contract/record.h"

#include <stdlib.h>

enum {
	OUTCOMES = 3,
	FRAME_SIZE = 320,   /* the record's own members; the consumer's name is short */
	JOB_SIZE = 128,     /* a job's names, id and charge */
	RANGE_SIZE = 34,    /* two numbers of up to 16 digits and their commas */
	FAILURE_SIZE = 192, /* a failure without its id */
	ID_LEN_MAX = 1023,  /* longer ids, which no item has, are left out */
	FIRST_SLOTS = 64,   /* power of two */
};

static const char *const outcome_texts[OUTCOMES] = {
	[WB_WRITTEN] = "written",
	[WB_SUPERSEDED] = "superseded",
	[WB_DEAD] = "dead",
};

struct failure {
	struct wb_result_failure what;
	char *id; /* owned copy, or NULL */
};

struct job {
	char id[WB_JOB_ID_SIZE];
	struct wb_outcome_notes notes;
	double charge;
	struct failure *failures; /* WB_RESULT_FAILURES_MAX; NULL: none yet */
	size_t failure_count;
};

struct origin {
	char *topic;
	int32_t partition;
	struct wb_outcome_notes notes;
};

struct wb_result_batch {
	struct job **jobs; /* in order of their first outcome */
	size_t job_count, job_cap;
	uint32_t *slots; /* hash table: 1 + index into jobs, 0 is free; at most half full */
	size_t slot_count;
	struct origin *origins;
	size_t origin_count, origin_cap;
	size_t last_job; /* of the outcome before: mostly the next one's, too */
	size_t size;
};

const char *wb_outcome_text(enum wb_outcome outcome)
{
	return outcome_texts[outcome];
}

static const char *const callback_states[] = {
	[WB_CALLBACK_NONE] = "none",
	[WB_CALLBACK_PENDING] = "pending",
	[WB_CALLBACK_RETRYING] = "retrying",
	[WB_CALLBACK_DELIVERED] = "delivered",
	[WB_CALLBACK_FAILED] = "failed",
};

const char *wb_callback_state_text(enum wb_callback_state state)
{
	return callback_states[state];
}

void wb_result_accepted_encode(const struct wb_result_accepted *accepted, struct wb_buf *ret)
{
	wb_buf_append_cstr(ret, "{\"type\":\"accepted\",\"job\":");
	wb_buf_append_json_string(ret, accepted->job);
	wb_buf_append_cstr(ret, ",\"count\":");
	wb_buf_append_u64(ret, accepted->count);
	wb_buf_append_cstr(ret, ",\"at\":");
	wb_buf_append_i64(ret, accepted->at_ms);
	if (accepted->database.data) {
		wb_buf_append_cstr(ret, ",\"database\":");
		wb_buf_append_json_string(ret, accepted->database);
	}
	if (accepted->container.data) {
		wb_buf_append_cstr(ret, ",\"container\":");
		wb_buf_append_json_string(ret, accepted->container);
	}
	if (accepted->has_key) {
		char hex[2 * WB_RESULT_KEY_SIZE + 1];

		wb_hex_encode(accepted->key, WB_RESULT_KEY_SIZE, hex);
		wb_buf_append_cstr(ret, ",\"key\":\"");
		wb_buf_append_cstr(ret, hex);
		wb_buf_append_char(ret, '"');
	}
	if (accepted->callback.data) {
		wb_buf_append_cstr(ret, ",\"callback\":");
		wb_buf_append_json_string(ret, accepted->callback);
	}
	wb_buf_append_char(ret, '}');
}

void wb_result_callback_encode(const struct wb_result_callback *callback, struct wb_buf *ret)
{
	wb_buf_append_cstr(ret, "{\"type\":\"callback\",\"job\":");
	wb_buf_append_json_string(ret, callback->job);
	wb_buf_append_cstr(ret, ",\"at\":");
	wb_buf_append_i64(ret, callback->at_ms);
	wb_buf_appendf(ret, ",\"attempt\":%u,\"status\":%d,\"state\":\"%s\"}", (unsigned)callback->attempt,
		callback->status, callback_states[callback->state]);
}

struct wb_result_batch *wb_result_batch_new(void)
{
	struct wb_result_batch *b = wb_xcalloc(1, sizeof *b);

	b->slot_count = FIRST_SLOTS;
	b->slots = wb_xcalloc(b->slot_count, sizeof *b->slots);
	return b;
}

static void batch_clear(struct wb_result_batch *b)
{
	for (size_t i = 0; i < b->job_count; i++) {
		struct job *job = b->jobs[i];

		for (size_t k = 0; k < job->failure_count; k++)
			free(job->failures[k].id);
		free(job->failures);
		wb_outcome_notes_release(&job->notes);
		free(job);
	}
	for (size_t i = 0; i < b->origin_count; i++) {
		free(b->origins[i].topic);
		wb_outcome_notes_release(&b->origins[i].notes);
	}
	memset(b->slots, 0, b->slot_count * sizeof *b->slots);
	b->job_count = b->origin_count = b->size = 0;
}

void wb_result_batch_free(struct wb_result_batch **b)
{
	if (!*b)
		return;
	batch_clear(*b);
	free((*b)->jobs);
	free((*b)->slots);
	free((*b)->origins);
	free(*b);
	*b = NULL;
}

bool wb_result_batch_empty(const struct wb_result_batch *b)
{
	return b->job_count == 0 && b->origin_count == 0;
}

size_t wb_result_batch_size(const struct wb_result_batch *b)
{
	return wb_result_batch_empty(b) ? 0 : FRAME_SIZE + b->size;
}

/* The slot of the job, or the free one where it belongs. */
static size_t slot_of(const struct wb_result_batch *b, struct wb_slice id)
{
	size_t at = wb_murmur2(id) & (b->slot_count - 1);

	while (b->slots[at] && !wb_slice_eq_cstr(id, b->jobs[b->slots[at] - 1]->id))
		at = (at + 1) & (b->slot_count - 1);
	return at;
}

static void slots_grow(struct wb_result_batch *b)
{
	free(b->slots);
	b->slot_count *= 2;
	b->slots = wb_xcalloc(b->slot_count, sizeof *b->slots);
	for (size_t i = 0; i < b->job_count; i++)
		b->slots[slot_of(b, wb_slice_cstr(b->jobs[i]->id))] = (uint32_t)i + 1;
}

static struct job *job_find(const struct wb_result_batch *b, struct wb_slice id)
{
	size_t slot = slot_of(b, id);

	return b->slots[slot] ? b->jobs[b->slots[slot] - 1] : NULL;
}

/* id has WB_JOB_ID_LEN bytes. */
static struct job *job_get(struct wb_result_batch *b, struct wb_slice id)
{
	struct job *job;
	size_t slot;

	if (b->last_job < b->job_count && memcmp(id.data, b->jobs[b->last_job]->id, WB_JOB_ID_LEN) == 0)
		return b->jobs[b->last_job];
	slot = slot_of(b, id);
	if (b->slots[slot]) {
		b->last_job = b->slots[slot] - 1;
		return b->jobs[b->last_job];
	}
	if ((b->job_count + 1) * 2 > b->slot_count)
		slots_grow(b);
	if (b->job_count == b->job_cap) {
		b->job_cap = b->job_cap ? b->job_cap * 2 : FIRST_SLOTS;
		b->jobs = wb_xrealloc(b->jobs, b->job_cap * sizeof *b->jobs);
	}
	job = wb_xcalloc(1, sizeof *job);
	memcpy(job->id, id.data, WB_JOB_ID_LEN);
	b->slots[slot_of(b, id)] = (uint32_t)b->job_count + 1;
	b->last_job = b->job_count;
	b->jobs[b->job_count++] = job;
	b->size += JOB_SIZE;
	return job;
}

/* Each may come to be a range of its own; how many become one is not known before all are there. */
static void add(struct wb_result_batch *b, struct wb_outcome_notes *notes, enum wb_outcome outcome, uint64_t number)
{
	wb_outcome_notes_add(notes, outcome, number);
	b->size += RANGE_SIZE;
}

void wb_result_batch_add_job(
	struct wb_result_batch *b, struct wb_slice job, uint64_t seq, enum wb_outcome outcome, double charge)
{
	struct job *j;

	if (job.len != WB_JOB_ID_LEN)
		return;
	j = job_get(b, job);
	add(b, &j->notes, outcome, seq);
	j->charge += charge;
}

void wb_result_batch_add_failure(
	struct wb_result_batch *b, struct wb_slice job, const struct wb_result_failure *failure)
{
	struct job *j = job.len == WB_JOB_ID_LEN ? job_find(b, job) : NULL;
	struct failure *f;

	if (!j || j->failure_count == WB_RESULT_FAILURES_MAX)
		return;
	for (size_t i = 0; i < j->failure_count; i++) {
		if (j->failures[i].what.seq == failure->seq)
			return;
	}
	if (!j->failures)
		j->failures = wb_xcalloc(WB_RESULT_FAILURES_MAX, sizeof *j->failures);
	f = &j->failures[j->failure_count++];
	f->what = *failure;
	f->id = NULL;
	if (failure->id.data && failure->id.len <= ID_LEN_MAX) {
		f->id = wb_xmemdup(failure->id.data, failure->id.len);
		b->size += 6 * failure->id.len;
	}
	f->what.id = wb_slice(f->id, f->id ? failure->id.len : 0);
	b->size += FAILURE_SIZE;
}

void wb_result_batch_add_untracked(
	struct wb_result_batch *b, struct wb_slice topic, int32_t partition, int64_t offset, enum wb_outcome outcome)
{
	struct origin *o = NULL;

	for (size_t i = 0; i < b->origin_count && !o; i++) {
		if (b->origins[i].partition == partition && wb_slice_eq_cstr(topic, b->origins[i].topic))
			o = &b->origins[i];
	}
	if (!o) {
		if (b->origin_count == b->origin_cap) {
			b->origin_cap = b->origin_cap ? b->origin_cap * 2 : 16;
			b->origins = wb_xrealloc(b->origins, b->origin_cap * sizeof *b->origins);
		}
		o = &b->origins[b->origin_count++];
		*o = (struct origin){ .topic = wb_xmemdup(topic.data, topic.len), .partition = partition };
		b->size += JOB_SIZE + topic.len;
	}
	add(b, &o->notes, outcome, (uint64_t)offset);
}

static void encode_outcomes(struct wb_outcome_notes *notes, struct wb_buf *ret)
{
	wb_outcome_notes_sort(notes);
	for (int i = 0; i < OUTCOMES; i++) {
		size_t at = 0;
		uint64_t first, last;
		bool any = false;

		while (wb_outcome_notes_next(notes, (enum wb_outcome)i, &at, &first, &last)) {
			if (any)
				wb_buf_append_char(ret, ',');
			else
				wb_buf_appendf(ret, ",\"%s\":[", outcome_texts[i]);
			any = true;
			wb_buf_append_u64(ret, first);
			wb_buf_append_char(ret, ',');
			wb_buf_append_u64(ret, last);
		}
		if (any)
			wb_buf_append_char(ret, ']');
	}
}

static void encode_failure(const struct wb_result_failure *f, struct wb_buf *ret)
{
	wb_buf_append_cstr(ret, "{\"seq\":");
	wb_buf_append_u64(ret, f->seq);
	if (f->id.data) {
		wb_buf_append_cstr(ret, ",\"id\":");
		wb_buf_append_json_string(ret, f->id);
	}
	wb_buf_appendf(ret, ",\"reason\":\"%s\"", wb_reason_text(f->reason));
	if (f->status)
		wb_buf_appendf(ret, ",\"status\":%d", f->status);
	if (f->letter_partition >= 0)
		wb_buf_appendf(ret, ",\"deadLetter\":{\"partition\":%d,\"offset\":%lld}", (int)f->letter_partition,
			(long long)f->letter_offset);
	wb_buf_append_char(ret, '}');
}

static void encode_job(struct job *job, struct wb_buf *ret)
{
	wb_buf_appendf(ret, "{\"job\":\"%s\"", job->id);
	encode_outcomes(&job->notes, ret);
	wb_buf_appendf(ret, ",\"charge\":%.2f", job->charge);
	for (size_t i = 0; i < job->failure_count; i++) {
		wb_buf_append_cstr(ret, i ? "," : ",\"failures\":[");
		encode_failure(&job->failures[i].what, ret);
	}
	wb_buf_append_cstr(ret, job->failure_count ? "]}" : "}");
}

void wb_result_batch_encode(struct wb_result_batch *b, struct wb_slice consumer, int64_t at_ms, struct wb_buf *ret)
{
	wb_buf_append_cstr(ret, "{\"type\":\"outcomes\",\"consumer\":");
	wb_buf_append_json_string(ret, consumer);
	wb_buf_append_cstr(ret, ",\"at\":");
	wb_buf_append_i64(ret, at_ms);
	for (size_t i = 0; i < b->job_count; i++) {
		wb_buf_append_cstr(ret, i ? "," : ",\"jobs\":[");
		encode_job(b->jobs[i], ret);
	}
	if (b->job_count)
		wb_buf_append_char(ret, ']');
	for (size_t i = 0; i < b->origin_count; i++) {
		wb_buf_append_cstr(ret, i ? ",{\"topic\":" : ",\"untracked\":[{\"topic\":");
		wb_buf_append_json_string(ret, wb_slice_cstr(b->origins[i].topic));
		wb_buf_appendf(ret, ",\"partition\":%d", (int)b->origins[i].partition);
		encode_outcomes(&b->origins[i].notes, ret);
		wb_buf_append_char(ret, '}');
	}
	wb_buf_append_cstr(ret, b->origin_count ? "]}" : "}");
	batch_clear(b);
}
