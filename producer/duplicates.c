#include "producer/duplicates.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024 /* as many as requests that are in flight at most by default */

struct wb_duplicates {
	pthread_mutex_t lock;
	struct wb_duplicate *buckets[BUCKETS];
};

struct wb_duplicates *wb_duplicates_new(void)
{
	struct wb_duplicates *d = wb_xcalloc(1, sizeof *d);

	wb_mutex_init(&d->lock);
	return d;
}

void wb_duplicates_free(struct wb_duplicates **duplicates)
{
	struct wb_duplicates *d = *duplicates;

	*duplicates = NULL;
	if (!d)
		return;
	wb_mutex_release(&d->lock);
	free(d);
}

/* The key is a digest, so its first bytes spread well. */
static struct wb_duplicate **bucket_of(struct wb_duplicates *d, const struct wb_duplicate *one)
{
	uint32_t hash;

	memcpy(&hash, one->key, sizeof hash);
	return &d->buckets[hash % BUCKETS];
}

enum wb_claim wb_duplicates_claim(struct wb_duplicates *d, struct wb_duplicate *one)
{
	struct wb_duplicate **bucket = bucket_of(d, one), *first;
	enum wb_claim claim = WB_CLAIM_FIRST;

	wb_mutex_lock(&d->lock);
	first = *bucket;
	while (first && memcmp(first->key, one->key, sizeof one->key) != 0)
		first = first->next_in_bucket;
	if (!first) {
		one->repeats = (struct wb_list){ 0 };
		one->next_in_bucket = *bucket;
		*bucket = one;
	} else if (strcmp(first->job, one->job) == 0) {
		wb_list_push(&first->repeats, &one->link);
		claim = WB_CLAIM_REPEAT;
	} else {
		claim = WB_CLAIM_OTHER;
	}
	wb_mutex_unlock(&d->lock);
	return claim;
}

struct wb_list wb_duplicates_end(struct wb_duplicates *d, struct wb_duplicate *first)
{
	struct wb_duplicate **link = bucket_of(d, first);
	struct wb_list repeats;

	wb_mutex_lock(&d->lock);
	while (*link != first)
		link = &(*link)->next_in_bucket;
	*link = first->next_in_bucket;
	repeats = first->repeats;
	first->repeats = (struct wb_list){ 0 };
	wb_mutex_unlock(&d->lock);
	return repeats;
}

void wb_duplicates_leave(struct wb_duplicates *d, struct wb_duplicate *one)
{
	struct wb_list others = { 0 };
	struct wb_duplicate *first;
	struct wb_link *link;

	wb_mutex_lock(&d->lock);
	first = *bucket_of(d, one);
	while (first && memcmp(first->key, one->key, sizeof one->key) != 0)
		first = first->next_in_bucket;
	while (first && (link = wb_list_pop(&first->repeats)) != NULL) {
		if (link != &one->link)
			wb_list_push(&others, link);
	}
	if (first)
		first->repeats = others;
	wb_mutex_unlock(&d->lock);
}
