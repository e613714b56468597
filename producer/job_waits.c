#include "producer/job_waits.h"

#include "common/base/mem.h"

#include <stdlib.h>

#define BUCKETS 4096

struct bucket {
	struct wb_list waits;
	bool noted;
};

struct wb_job_waits {
	struct bucket buckets[BUCKETS];
	uint16_t noted[BUCKETS]; /* numbers of the buckets that are */
	size_t noted_count, count;
	int64_t first_deadline_ms; /* none is earlier */
};

struct wb_job_waits *wb_job_waits_new(void)
{
	struct wb_job_waits *w = wb_xcalloc(1, sizeof *w);

	w->first_deadline_ms = INT64_MAX;
	return w;
}

void wb_job_waits_free(struct wb_job_waits **w)
{
	free(*w);
	*w = NULL;
}

void wb_job_waits_add(struct wb_job_waits *w, struct wb_job_wait *wait)
{
	wb_list_push(&w->buckets[wb_job_id_bucket(wait->id, BUCKETS)].waits, &wait->link);
	w->count++;
	if (wait->deadline_ms < w->first_deadline_ms)
		w->first_deadline_ms = wait->deadline_ms;
}

void wb_job_waits_note(struct wb_job_waits *w, const uint8_t id[WB_JOB_ID_BYTES])
{
	size_t i = wb_job_id_bucket(id, BUCKETS);
	struct bucket *b = &w->buckets[i];

	if (!b->waits.head || b->noted)
		return;
	b->noted = true;
	w->noted[w->noted_count++] = (uint16_t)i;
}

/* Moves what is over from the bucket to ret; the order of the rest stays. */
static void take(struct wb_job_waits *w, struct bucket *b, bool (*over)(void *arg, const struct wb_job_wait *wait),
	void *arg, enum wb_err err, struct wb_list *ret)
{
	struct wb_list all = { 0 };
	struct wb_link *link;

	wb_list_append(&all, &b->waits);
	while ((link = wb_list_pop(&all)) != NULL) {
		struct wb_job_wait *wait = WB_CONTAINER_OF(link, struct wb_job_wait, link);

		if (!over(arg, wait)) {
			wb_list_push(&b->waits, link);
			continue;
		}
		wait->err = err;
		wb_list_push(ret, link);
		w->count--;
	}
}

void wb_job_waits_take_noted(
	struct wb_job_waits *w, bool (*over)(void *arg, const struct wb_job_wait *wait), void *arg, struct wb_list *ret)
{
	for (size_t i = 0; i < w->noted_count; i++) {
		struct bucket *b = &w->buckets[w->noted[i]];

		b->noted = false;
		take(w, b, over, arg, WB_OK, ret);
	}
	w->noted_count = 0;
}

struct lateness {
	int64_t now_ms, next_ms;
};

static bool is_late(void *arg, const struct wb_job_wait *wait)
{
	struct lateness *l = arg;

	if (wait->deadline_ms <= l->now_ms)
		return true;
	if (wait->deadline_ms < l->next_ms)
		l->next_ms = wait->deadline_ms;
	return false;
}

void wb_job_waits_take_late(struct wb_job_waits *w, int64_t now_ms, struct wb_list *ret)
{
	struct lateness l = { .now_ms = now_ms, .next_ms = INT64_MAX };

	if (now_ms < w->first_deadline_ms)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		if (w->buckets[i].waits.head)
			take(w, &w->buckets[i], is_late, &l, WB_ETIMEDOUT, ret);
	}
	w->first_deadline_ms = l.next_ms;
}

static bool is_any(void *arg, const struct wb_job_wait *wait)
{
	(void)arg;
	(void)wait;
	return true;
}

void wb_job_waits_take_all(struct wb_job_waits *w, enum wb_err err, struct wb_list *ret)
{
	for (size_t i = 0; i < BUCKETS; i++)
		take(w, &w->buckets[i], is_any, NULL, err, ret);
}

size_t wb_job_waits_count(const struct wb_job_waits *w)
{
	return w->count;
}
