#include "consumer/item_order.h"

#include "common/base/mem.h"
#include "common/base/prng.h"

#include <assert.h>
#include <stdlib.h>

#define SLOTS_MIN 64

/* The writes of one item: the head, and behind it the others in log order, linked by wb_write.behind. */
struct item {
	uint64_t hash;
	struct wb_write *head; /* NULL: the slot is free */
	struct wb_write *tail;
};

/* Open addressing with linear probing; at most five eighths of the slots are taken. Removing shifts what follows back,
 * so there are no tombstones and a probe stays short however long the process runs. */
struct wb_item_order {
	struct item *slot;
	size_t slots; /* a power of two */
	size_t items;
	size_t waiting;
	uint64_t key[2];
};

struct wb_item_order *wb_item_order_new(uint64_t seed)
{
	struct wb_item_order *o = wb_xcalloc(1, sizeof *o);
	struct wb_prng random = { .state = seed };

	o->slots = SLOTS_MIN;
	o->slot = wb_xcalloc(o->slots, sizeof *o->slot);
	o->key[0] = wb_prng_next(&random);
	o->key[1] = wb_prng_next(&random);
	return o;
}

void wb_item_order_free(struct wb_item_order **o)
{
	if (!*o)
		return;
	assert((*o)->items == 0);
	free((*o)->slot);
	free(*o);
	*o = NULL;
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012; with one and three rounds as Python and Rust use it for their tables):
 * ids come from strangers, and unlike MurmurHash no two inputs collide under every seed. */
struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

/* The last word is padded with zeros; the lengths were hashed before, so padding makes nothing equal. */
static void sip_slice(struct sip *s, struct wb_slice bytes)
{
	uint64_t word;
	size_t at = 0;

	for (; bytes.len - at >= sizeof word; at += sizeof word) {
		memcpy(&word, bytes.data + at, sizeof word);
		sip_word(s, word);
	}
	if (at < bytes.len) {
		word = 0;
		memcpy(&word, bytes.data + at, bytes.len - at);
		sip_word(s, word);
	}
}

static uint64_t hash_of(const struct wb_item_order *o, const struct wb_write *w)
{
	struct sip s = {
		.v0 = o->key[0] ^ UINT64_C(0x736f6d6570736575),
		.v1 = o->key[1] ^ UINT64_C(0x646f72616e646f6d),
		.v2 = o->key[0] ^ UINT64_C(0x6c7967656e657261),
		.v3 = o->key[1] ^ UINT64_C(0x7465646279746573),
	};

	sip_word(&s, (uint64_t)(uintptr_t)w->container);
	sip_word(&s, (uint64_t)w->pk_text.len << 32 | (w->id.len & UINT32_MAX));
	sip_slice(&s, w->pk_text);
	sip_slice(&s, w->id);
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static bool same_item(const struct wb_write *a, const struct wb_write *b)
{
	if (a == b)
		return true;
	return a->item_hash == b->item_hash && a->container == b->container && wb_slice_eq(a->id, b->id) &&
		wb_slice_eq(a->pk_text, b->pk_text);
}

/* The slot of the write's item, or the free one where it belongs. */
static struct item *find(const struct wb_item_order *o, const struct wb_write *w)
{
	size_t i = w->item_hash & (o->slots - 1);

	while (o->slot[i].head && !(o->slot[i].hash == w->item_hash && same_item(o->slot[i].head, w)))
		i = (i + 1) & (o->slots - 1);
	return &o->slot[i];
}

static void resize(struct wb_item_order *o, size_t slots)
{
	struct item *old = o->slot;
	size_t old_slots = o->slots;

	o->slot = wb_xcalloc(slots, sizeof *o->slot);
	o->slots = slots;
	for (size_t i = 0; i < old_slots; i++) {
		size_t to = old[i].hash & (slots - 1);

		if (!old[i].head)
			continue;
		while (o->slot[to].head)
			to = (to + 1) & (slots - 1);
		o->slot[to] = old[i];
	}
	free(old);
}

void wb_item_order_expect_leave(const struct wb_item_order *o, const struct wb_write *w)
{
	__builtin_prefetch(&o->slot[w->item_hash & (o->slots - 1)]);
}

void wb_item_order_expect(const struct wb_item_order *o, struct wb_write *w)
{
	w->item_hash = hash_of(o, w);
	wb_item_order_expect_leave(o, w);
}

bool wb_item_order_enter(struct wb_item_order *o, struct wb_write *w)
{
	struct item *item;

	assert(w->container && w->state == WB_WRITE_WAITING);
	w->behind = NULL;
	item = find(o, w);
	if (item->head) {
		item->tail->behind = w;
		item->tail = w;
		o->waiting++;
		return false;
	}
	*item = (struct item){ .hash = w->item_hash, .head = w, .tail = w };
	o->items++;
	if (o->items > o->slots / 8 * 5)
		resize(o, o->slots * 2);
	return true;
}

/* Empties a slot and moves back what was pushed past it, so that every item is still found from its own place. */
static void vacate(struct wb_item_order *o, size_t hole)
{
	size_t mask = o->slots - 1;

	for (size_t i = (hole + 1) & mask; o->slot[i].head; i = (i + 1) & mask) {
		size_t home = o->slot[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			o->slot[hole] = o->slot[i];
			hole = i;
		}
	}
	o->slot[hole] = (struct item){ 0 };
	o->items--;
	if (o->slots > SLOTS_MIN && o->items < o->slots / 16)
		resize(o, o->slots / 2);
}

struct wb_write *wb_item_order_leave(struct wb_item_order *o, struct wb_write *head)
{
	struct item *item = find(o, head);
	struct wb_write *next = head->behind;

	assert(item->head == head);
	head->behind = NULL;
	if (!next) {
		vacate(o, (size_t)(item - o->slot));
		return NULL;
	}
	item->head = next;
	o->waiting--;
	return next;
}

static bool may_replace(const struct wb_write *newer, const struct wb_write *older)
{
	return newer->assignment == older->assignment && wb_write_is_plain_upsert(newer) &&
		wb_write_is_plain_upsert(older);
}

struct wb_write *wb_item_order_replace(struct wb_item_order *o, struct wb_write *head)
{
	struct wb_write *newer = head->behind;
	struct item *item;

	if (!newer || !may_replace(newer, head))
		return NULL;
	item = find(o, head);
	assert(item->head == head && head->state == WB_WRITE_WAITING);
	item->head = newer;
	head->behind = NULL;
	newer->older = head;
	o->waiting--;
	return newer;
}

struct wb_write *wb_item_order_restore(struct wb_item_order *o, struct wb_write *head)
{
	struct item *item = find(o, head);
	struct wb_write *older = head->older;

	assert(item->head == head && older);
	head->older = NULL;
	older->behind = head;
	item->head = older;
	o->waiting++;
	return older;
}

static void withdraw_of_item(struct wb_item_order *o, struct item *item,
	bool (*pick)(void *arg, const struct wb_write *w), void *arg, struct wb_list *ret)
{
	struct wb_write *before = item->head;

	while (before->behind) {
		struct wb_write *w = before->behind;

		if (!pick(arg, w)) {
			before = w;
			continue;
		}
		before->behind = w->behind;
		w->behind = NULL;
		wb_list_push(ret, &w->link);
		o->waiting--;
	}
	item->tail = before;
}

void wb_item_order_withdraw(
	struct wb_item_order *o, bool (*pick)(void *arg, const struct wb_write *w), void *arg, struct wb_list *ret)
{
	for (size_t i = 0; i < o->slots && o->waiting > 0; i++) {
		if (o->slot[i].head)
			withdraw_of_item(o, &o->slot[i], pick, arg, ret);
	}
}

size_t wb_item_order_waiting(const struct wb_item_order *o)
{
	return o->waiting;
}

size_t wb_item_order_items(const struct wb_item_order *o)
{
	return o->items;
}
