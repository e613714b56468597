#include "common/base/mem.h"
#include "producer/job_table_internal.h"

#include <stdlib.h>
#include <string.h>

struct wb_job_table *wb_job_table_new(const struct wb_job_limits *limits)
{
	struct wb_job_table *t = wb_xcalloc(1, sizeof *t);

	t->limits = *limits;
	wb_job_store_init(t);
	return t;
}

void wb_job_table_free(struct wb_job_table **table)
{
	struct wb_job_table *t = *table;

	*table = NULL;
	if (!t)
		return;
	wb_job_store_release(t);
	wb_origins_release(&t->origins);
	wb_interval_set_release(&t->fresh);
	free(t);
}

void wb_job_table_hook(struct wb_job_table *t, const struct wb_job_hooks *hooks)
{
	t->hooks = *hooks;
}

void wb_job_table_expire(struct wb_job_table *t, int64_t now_ms, bool awaited)
{
	wb_job_store_expire_finished(t, now_ms - t->limits.retention_ms);
	for (size_t i = 0; awaited && i < t->partition_count; i++)
		wb_job_store_expire_awaited(t, &t->partitions[i], now_ms - t->limits.unaccepted_ms);
}

/* Questions */

static uint64_t pending_of(const struct job *j)
{
	if (j->state != OPEN)
		return 0;
	return j->extra ? j->extra->pending : wb_job_numbers(j).accepted;
}

static enum wb_job_status status_of(const struct job *j)
{
	struct numbers n = wb_job_numbers(j);
	uint64_t pending = pending_of(j);

	if (pending)
		return pending == n.accepted ? WB_JOB_NOT_STARTED : WB_JOB_RUNNING;
	return n.dead ? WB_JOB_FAILED : WB_JOB_SUCCEEDED;
}

static void describe(const struct wb_job_table *t, const struct job *j, struct wb_job_info *ret)
{
	const struct failures *failures = j->extra ? j->extra->failures : NULL;
	struct numbers n = wb_job_numbers(j);

	*ret = (struct wb_job_info){
		.status = status_of(j),
		.accepted = n.accepted,
		.written = n.written,
		.superseded = n.superseded,
		.dead = n.dead,
		.pending = pending_of(j),
		.request_charge = j->charge,
		.created_ms = (int64_t)j->created_ms,
		.completed_ms = j->state == FINISHED ? (int64_t)j->completed_ms : 0,
		.failures = failures ? failures->list : NULL,
		.failure_count = failures ? failures->count : 0,
		.key = j->has_key ? j->key : NULL,
		.callback = wb_texts_get(&t->texts, j->callback),
		.callback_state = (enum wb_callback_state)j->callback_state,
		.callback_attempts = j->callback_attempts,
		.callback_status = j->callback_status,
		.callback_at_ms = (int64_t)j->callback_ms,
		.partition = j->partition,
		.version = j->version,
	};
	wb_job_id_text(j->id, ret->id);
}

bool wb_job_table_find(struct wb_job_table *t, struct wb_slice id, struct wb_job_info *ret)
{
	uint8_t bytes[WB_JOB_ID_BYTES];
	uint32_t i;

	if (!wb_job_id_read(id, bytes))
		return false;
	i = wb_job_store_find(t, bytes);
	if (i == NONE || wb_job_at(t, i)->state == AWAITED)
		return false;
	describe(t, wb_job_at(t, i), ret);
	return true;
}

bool wb_job_table_forgotten(const struct wb_job_table *t, struct wb_slice id)
{
	uint8_t bytes[WB_JOB_ID_BYTES];

	return wb_job_id_read(id, bytes) && wb_job_names_has(t->names, bytes);
}

bool wb_job_table_find_key(
	const struct wb_job_table *t, const uint8_t key[WB_RESULT_KEY_SIZE], char ret_job[WB_JOB_ID_SIZE])
{
	const uint8_t *id = wb_job_names_by_key(t->names, key);
	uint32_t i = id ? NONE : wb_job_store_find_key(t, key);

	if (i != NONE)
		id = wb_job_at(t, i)->id;
	if (id)
		wb_job_id_text(id, ret_job);
	return id != NULL;
}

void wb_job_table_each_callback(struct wb_job_table *t, int32_t partition, wb_job_info_fn fn, void *arg)
{
	struct wb_job_info info;

	if (partition < 0 || (size_t)partition >= t->partition_count)
		return;
	for (uint32_t i = t->partitions[partition].calling.oldest; i != NONE; i = wb_job_at(t, i)->extra->newer) {
		describe(t, wb_job_at(t, i), &info);
		fn(arg, &info);
	}
}

/* Lists */

static unsigned nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* 16 digits of the time, 32 of the id. */
void wb_job_cursor_text(const struct wb_job_cursor *cursor, char ret[WB_JOB_CURSOR_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < WB_JOB_CURSOR_LEN - WB_JOB_ID_LEN; i++)
		ret[i] = digits[(uint64_t)cursor->created_ms >> (60 - 4 * i) & 15];
	wb_job_id_text(cursor->id, ret + WB_JOB_CURSOR_LEN - WB_JOB_ID_LEN);
}

bool wb_job_cursor_read(struct wb_slice text, struct wb_job_cursor *ret)
{
	struct wb_job_cursor cursor = { .set = true };
	uint64_t created_ms = 0;

	/* Both halves of it have the form of an id's digits. */
	if (text.len != WB_JOB_CURSOR_LEN || !wb_job_id_valid(wb_slice(text.data, WB_JOB_ID_LEN)) ||
		!wb_job_id_read(wb_slice(text.data + text.len - WB_JOB_ID_LEN, WB_JOB_ID_LEN), cursor.id))
		return false;
	for (unsigned i = 0; i < WB_JOB_CURSOR_LEN - WB_JOB_ID_LEN; i++)
		created_ms = created_ms << 4 | nibble(text.data[i]);
	if (created_ms > (uint64_t)TIME_MS_MAX)
		return false;
	cursor.created_ms = (int64_t)created_ms;
	*ret = cursor;
	return true;
}

static void move_cursor(struct wb_job_cursor *cursor, const struct job *j)
{
	cursor->set = true;
	cursor->created_ms = (int64_t)j->created_ms;
	memcpy(cursor->id, j->id, WB_JOB_ID_BYTES);
}

size_t wb_job_table_list(struct wb_job_table *t, const struct wb_job_filter *filter, struct wb_job_cursor *cursor,
	wb_job_info_fn fn, void *arg, bool *ret_more)
{
	const struct wb_job_place from = { cursor->created_ms, cursor->id };
	struct wb_job_walk walk = wb_job_order_walk(t->order, cursor->set ? &from : NULL);
	struct wb_job_info info;
	struct job last = { .created_ms = 0 };
	size_t given = 0;
	uint32_t i;

	*ret_more = false;
	for (size_t looks = 0; wb_job_walk_next(&walk, &i); looks++) {
		const struct job *j = wb_job_at(t, i);

		if ((int64_t)j->created_ms < filter->since_ms)
			break;
		if (given == filter->limit || looks == WB_JOB_LIST_LOOKS) {
			*ret_more = true;
			break;
		}
		last = *j;
		if (filter->statuses >> status_of(j) & 1) {
			describe(t, j, &info);
			fn(arg, &info);
			given++;
		}
	}
	if (last.state != FREE)
		move_cursor(cursor, &last);
	return given;
}

/* Figures */

struct wb_job_totals wb_job_table_totals(const struct wb_job_table *t)
{
	return t->totals;
}

struct wb_job_counts wb_job_table_counts(const struct wb_job_table *t)
{
	return t->counts;
}

uint64_t wb_job_table_dropped_callbacks(const struct wb_job_table *t)
{
	return t->dropped_callbacks;
}

size_t wb_job_table_memory_bytes(const struct wb_job_table *t)
{
	size_t bytes = sizeof *t + t->chunk_count * (CHUNK_JOBS * sizeof(struct job) + sizeof *t->chunks) +
		(t->by_id.bucket_count + t->by_key.bucket_count) * sizeof(uint32_t) +
		t->partition_count * sizeof *t->partitions + t->extra_bytes;

	for (size_t i = 0; i < t->origins.count; i++)
		bytes += sizeof *t->origins.list + t->origins.list[i].seen.cap * sizeof(struct wb_interval);
	return bytes + wb_job_order_memory_bytes(t->order) + wb_job_names_memory_bytes(t->names) +
		wb_texts_memory_bytes(&t->texts);
}

static const char *const status_words[WB_JOB_STATUSES] = {
	[WB_JOB_NOT_STARTED] = "NotStarted",
	[WB_JOB_RUNNING] = "Running",
	[WB_JOB_SUCCEEDED] = "Succeeded",
	[WB_JOB_FAILED] = "Failed",
};

const char *wb_job_status_text(enum wb_job_status status)
{
	return status_words[status];
}

bool wb_job_status_parse(struct wb_slice text, enum wb_job_status *ret)
{
	for (unsigned i = 0; i < WB_JOB_STATUSES; i++) {
		if (wb_slice_eq_cstr(text, status_words[i])) {
			*ret = (enum wb_job_status)i;
			return true;
		}
	}
	return false;
}
