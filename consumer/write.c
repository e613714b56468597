#include "consumer/write.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Some 5 MB: more would be held for nothing, as what is in use is charged to the budget and this is not. */
#define SPARE_MAX 8192

static struct wb_write *begin(struct wb_write *w)
{
	memset(w, 0, offsetof(struct wb_write, room));
	w->state = WB_WRITE_WAITING;
	w->timestamp_ms = -1;
	w->letter_partition = -1;
	w->letter_offset = -1;
	return w;
}

struct wb_write *wb_write_new(void)
{
	return begin(wb_xmalloc(sizeof(struct wb_write)));
}

static void release(struct wb_write *w)
{
	assert(!w->original);
	wb_write_forget_failure(w);
	wb_write_release_storage(w);
}

void wb_write_free(struct wb_write **w)
{
	if (!*w)
		return;
	release(*w);
	free(*w);
	*w = NULL;
}

void wb_write_release_storage(struct wb_write *w)
{
	if (w->storage != w->room)
		free(w->storage);
	w->storage = NULL;
}

char *wb_write_make_storage(struct wb_write *w, size_t size)
{
	wb_write_release_storage(w);
	w->storage = size <= sizeof w->room ? w->room : wb_xmalloc(size);
	return w->storage;
}

void wb_write_let_go_original(struct wb_write *w, struct wb_originals *from)
{
	wb_original_let_go(from, &w->original, w->original_bytes);
	w->key = w->value = w->document = (struct wb_slice){ NULL, 0 };
}

static bool keeps(const struct wb_write_pool *pool)
{
#ifdef WB_ADDRESS_SANITIZER /* set by the build */
	(void)pool;
	return false; /* so that the sanitizer sees a write that is used after its end */
#else
	return pool->spare.count < SPARE_MAX;
#endif
}

struct wb_write *wb_write_pool_take(struct wb_write_pool *pool)
{
	struct wb_write *w = wb_write_of(wb_list_pop(&pool->spare));

	return w ? begin(w) : wb_write_new();
}

void wb_write_pool_expect(const struct wb_write_pool *pool)
{
	if (pool->spare.head)
		wb_prefetch_to_write(pool->spare.head, sizeof(struct wb_write));
}

void wb_write_pool_put(struct wb_write_pool *pool, struct wb_write **w)
{
	if (!*w || !keeps(pool)) {
		wb_write_free(w);
		return;
	}
	release(*w);
	wb_list_push_front(&pool->spare, &(*w)->link); /* the last one used is the one that the cache still holds */
	*w = NULL;
}

void wb_write_pool_release(struct wb_write_pool *pool)
{
	struct wb_write *w;

	while ((w = wb_write_of(wb_list_pop(&pool->spare))))
		wb_write_free(&w);
}

const char *wb_write_state_text(enum wb_write_state state)
{
	switch (state) {
	case WB_WRITE_WAITING:
		return "waiting";
	case WB_WRITE_IN_FLIGHT:
		return "in flight";
	case WB_WRITE_JUDGED:
		return "judged";
	case WB_WRITE_RECORDED:
		return "recorded";
	case WB_WRITE_FINISHED:
		return "finished";
	}
	return "unknown";
}

struct wb_slice wb_write_traceparent(const struct wb_write *w)
{
	struct wb_slice text = wb_slice_cstr(w->traceparent);

	return wb_traceparent_valid(text) ? text : wb_slice(NULL, 0);
}

_Static_assert(offsetof(struct wb_write, link) == 0, "prefetched from its link on");
_Static_assert(
	offsetof(struct wb_write, job) + WB_JOB_ID_LEN == WB_WRITE_HOT_BYTES, "the job is the last of the first lines");

static bool allowed(enum wb_write_state from, enum wb_write_state to)
{
	switch (from) {
	case WB_WRITE_WAITING:
		return to == WB_WRITE_IN_FLIGHT || to == WB_WRITE_JUDGED || to == WB_WRITE_FINISHED;
	case WB_WRITE_IN_FLIGHT:
		return to == WB_WRITE_WAITING || to == WB_WRITE_JUDGED;
	case WB_WRITE_JUDGED:
		return to == WB_WRITE_RECORDED;
	case WB_WRITE_RECORDED:
		return to == WB_WRITE_FINISHED;
	case WB_WRITE_FINISHED:
		return false;
	}
	return false;
}

void wb_write_advance(struct wb_write *w, enum wb_write_state to)
{
	if (!allowed(w->state, to)) {
		(void)fprintf(stderr, "writebehind: bug: a write passed from %s to %s\n", wb_write_state_text(w->state),
			wb_write_state_text(to)); /* the process ends next; nobody is left to hear of a failure */
		abort();
	}
	w->state = to;
}

/* The longest prefix of s that fits into room bytes without cutting a UTF-8 character in two. */
static size_t cut(struct wb_slice s, size_t room)
{
	size_t len = s.len < room ? s.len : room;

	if (len == s.len)
		return len;
	for (size_t back = 0; back < 4 && back <= len; back++) {
		if (((unsigned char)s.data[len - back] & 0xc0) != 0x80)
			return len - back;
	}
	return len;
}

static void copy_cut(char *to, size_t size, struct wb_slice from)
{
	size_t len = cut(from, size - 1);

	if (len)
		memcpy(to, from.data, len);
	to[len] = '\0';
}

void wb_write_note_failure(struct wb_write *w, int status, int substatus, struct wb_slice activity_id,
	struct wb_slice message, int64_t wall_ms)
{
	size_t message_size = cut(message, WB_FAILURE_MESSAGE_MAX) + 1;
	struct wb_write_failure *f = wb_xrealloc(w->failure, sizeof *f + message_size);

	if (!w->failure)
		memset(f, 0, sizeof *f);
	w->failure = f;
	if (!w->first_failure_ms)
		w->first_failure_ms = wall_ms;
	f->status = status;
	f->substatus = substatus;
	copy_cut(f->activity_id, sizeof f->activity_id, activity_id);
	copy_cut(f->message, message_size, message);
}

void wb_write_note_session(struct wb_write *w, const char *token)
{
	free(w->failure->session_token);
	w->failure->session_token = token[0] ? wb_xstrdup(token) : NULL;
}

void wb_write_forget_failure(struct wb_write *w)
{
	if (w->failure)
		free(w->failure->session_token);
	free(w->failure);
	w->failure = NULL;
}
