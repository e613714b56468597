#include "producer/job_names.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_NAMES   1024
#define FIRST_BUCKETS 64
#define BUCKET_LOAD   4 /* names a bucket, at most: they are asked for seldom, and there can be very many of them */
#define NONE          UINT32_MAX
#define NOT_KEYED     (UINT32_MAX - 1)

/* Named by its chunk's number * CHUNK_NAMES + its place there. */
struct name {
	uint8_t id[WB_JOB_ID_BYTES];
	uint8_t key[WB_RESULT_KEY_SIZE];
	uint32_t next_by_id;
	uint32_t next_by_key; /* NOT_KEYED: it has no key */
	uint32_t ended_s;     /* good until 2106 */
};
_Static_assert(sizeof(struct name) == 44, "a name is small");

struct chunk {
	uint32_t next; /* the chunk that was begun after this one */
	struct name names[CHUNK_NAMES];
};

struct index {
	uint32_t *buckets;
	size_t bucket_count, used;
};

struct wb_job_names {
	struct chunk **chunks; /* by number; NULL: the number is free */
	uint32_t chunk_slots, chunk_count;
	uint32_t oldest, newest; /* chunks; NONE: there is no name */
	uint32_t oldest_at;      /* first name that is still there, in the oldest chunk */
	uint32_t newest_at;      /* first place that is free, in the newest chunk */
	struct index by_id, by_key;
};

static struct name *at(const struct wb_job_names *n, uint32_t i)
{
	return &n->chunks[i / CHUNK_NAMES]->names[i % CHUNK_NAMES];
}

static void index_init(struct index *x, size_t buckets)
{
	x->bucket_count = buckets;
	x->buckets = wb_xmalloc(buckets * sizeof *x->buckets);
	memset(x->buckets, 0xff, buckets * sizeof *x->buckets);
}

struct wb_job_names *wb_job_names_new(void)
{
	struct wb_job_names *n = wb_xcalloc(1, sizeof *n);

	n->oldest = n->newest = NONE;
	index_init(&n->by_id, FIRST_BUCKETS);
	index_init(&n->by_key, FIRST_BUCKETS);
	return n;
}

void wb_job_names_free(struct wb_job_names **names)
{
	struct wb_job_names *n = *names;

	*names = NULL;
	if (!n)
		return;
	for (uint32_t i = 0; i < n->chunk_slots; i++)
		free(n->chunks[i]);
	free(n->chunks);
	free(n->by_id.buckets);
	free(n->by_key.buckets);
	free(n);
}

static void link_id(struct wb_job_names *n, uint32_t i)
{
	uint32_t *bucket = &n->by_id.buckets[wb_job_id_bucket(at(n, i)->id, n->by_id.bucket_count)];

	at(n, i)->next_by_id = *bucket;
	*bucket = i;
}

static void link_key(struct wb_job_names *n, uint32_t i)
{
	uint32_t *bucket = &n->by_key.buckets[wb_job_id_bucket(at(n, i)->key, n->by_key.bucket_count)];

	at(n, i)->next_by_key = *bucket;
	*bucket = i;
}

static void grow(struct wb_job_names *n, struct index *x, void (*link)(struct wb_job_names *n, uint32_t i))
{
	free(x->buckets);
	index_init(x, x->bucket_count * 2);
	for (uint32_t c = n->oldest; c != NONE; c = n->chunks[c]->next) {
		uint32_t from = c == n->oldest ? n->oldest_at : 0, to = c == n->newest ? n->newest_at : CHUNK_NAMES;

		for (uint32_t i = c * CHUNK_NAMES + from; i < c * CHUNK_NAMES + to; i++) {
			if (link == link_id || at(n, i)->next_by_key != NOT_KEYED)
				link(n, i);
		}
	}
}

/* A chunk at the end of the queue. */
static void begin_chunk(struct wb_job_names *n)
{
	uint32_t c = 0;

	while (n->chunk_count < n->chunk_slots && n->chunks[c])
		c++;
	if (n->chunk_count == n->chunk_slots) {
		uint32_t slots = n->chunk_slots ? n->chunk_slots * 2 : 8;

		c = n->chunk_slots;
		n->chunks = wb_xrealloc(n->chunks, slots * sizeof *n->chunks);
		memset(n->chunks + n->chunk_slots, 0, (slots - n->chunk_slots) * sizeof *n->chunks);
		n->chunk_slots = slots;
	}
	n->chunks[c] = wb_xmalloc(sizeof **n->chunks);
	n->chunks[c]->next = NONE;
	n->chunk_count++;
	if (n->newest == NONE) {
		n->oldest = c;
		n->oldest_at = 0;
	} else {
		n->chunks[n->newest]->next = c;
	}
	n->newest = c;
	n->newest_at = 0;
}

void wb_job_names_add(struct wb_job_names *n, const uint8_t id[WB_JOB_ID_BYTES], const uint8_t *key, int64_t ended_ms)
{
	int64_t ended_s = ended_ms > 0 ? (ended_ms + 999) / 1000 : 0;
	struct name *name;
	uint32_t i;

	if (n->newest == NONE || n->newest_at == CHUNK_NAMES)
		begin_chunk(n);
	i = n->newest * CHUNK_NAMES + n->newest_at;
	name = at(n, i);
	*name = (struct name){ .next_by_key = NOT_KEYED, .ended_s = ended_s < NONE ? (uint32_t)ended_s : NONE };
	memcpy(name->id, id, WB_JOB_ID_BYTES);
	if (++n->by_id.used > n->by_id.bucket_count * BUCKET_LOAD)
		grow(n, &n->by_id, link_id);
	link_id(n, i);
	if (key) {
		memcpy(name->key, key, WB_RESULT_KEY_SIZE);
		if (++n->by_key.used > n->by_key.bucket_count * BUCKET_LOAD)
			grow(n, &n->by_key, link_key);
		link_key(n, i);
	}
	n->newest_at++;
}

static void unlink_name(struct wb_job_names *n, uint32_t i)
{
	struct name *name = at(n, i);
	uint32_t *link = &n->by_id.buckets[wb_job_id_bucket(name->id, n->by_id.bucket_count)];

	while (*link != i)
		link = &at(n, *link)->next_by_id;
	*link = name->next_by_id;
	n->by_id.used--;
	if (name->next_by_key == NOT_KEYED)
		return;
	link = &n->by_key.buckets[wb_job_id_bucket(name->key, n->by_key.bucket_count)];
	while (*link != i)
		link = &at(n, *link)->next_by_key;
	*link = name->next_by_key;
	n->by_key.used--;
}

static void remove_oldest(struct wb_job_names *n)
{
	uint32_t c = n->oldest;
	bool last_chunk = c == n->newest;

	unlink_name(n, c * CHUNK_NAMES + n->oldest_at);
	n->oldest_at++;
	if (n->oldest_at < (last_chunk ? n->newest_at : CHUNK_NAMES))
		return;
	n->oldest = n->chunks[c]->next;
	n->oldest_at = 0;
	if (last_chunk)
		n->newest = NONE;
	free(n->chunks[c]);
	n->chunks[c] = NULL;
	n->chunk_count--;
}

void wb_job_names_expire(struct wb_job_names *n, int64_t before_ms)
{
	while (n->oldest != NONE && (int64_t)n->chunks[n->oldest]->names[n->oldest_at].ended_s * 1000 < before_ms)
		remove_oldest(n);
}

bool wb_job_names_has(const struct wb_job_names *n, const uint8_t id[WB_JOB_ID_BYTES])
{
	uint32_t i = n->by_id.buckets[wb_job_id_bucket(id, n->by_id.bucket_count)];

	while (i != NONE && memcmp(at(n, i)->id, id, WB_JOB_ID_BYTES) != 0)
		i = at(n, i)->next_by_id;
	return i != NONE;
}

const uint8_t *wb_job_names_by_key(const struct wb_job_names *n, const uint8_t key[WB_RESULT_KEY_SIZE])
{
	const uint8_t *found = NULL;

	/* The newest stands first in its bucket. */
	for (uint32_t i = n->by_key.buckets[wb_job_id_bucket(key, n->by_key.bucket_count)]; i != NONE;
		i = at(n, i)->next_by_key) {
		if (memcmp(at(n, i)->key, key, WB_RESULT_KEY_SIZE) == 0)
			found = at(n, i)->id;
	}
	return found;
}

size_t wb_job_names_count(const struct wb_job_names *n)
{
	return n->by_id.used;
}

size_t wb_job_names_memory_bytes(const struct wb_job_names *n)
{
	return sizeof *n + n->chunk_count * sizeof **n->chunks + n->chunk_slots * sizeof *n->chunks +
		(n->by_id.bucket_count + n->by_key.bucket_count) * sizeof(uint32_t);
}
