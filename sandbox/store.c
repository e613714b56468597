#include "sandbox/store.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024
#define ITEM_ALIGN  16
/* What an item costs beside its bytes: its header, its place in both tables, and the allocator's own. */
#define ITEM_COST (sizeof(struct wb_item) + 3 * sizeof(void *) + 16)

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ (h >> 29);
}

static uint64_t hash_bytes(uint64_t h, struct wb_slice s)
{
	uint64_t word;
	size_t i = 0;

	h = mix(h, s.len);
	for (; i + sizeof word <= s.len; i += sizeof word) {
		memcpy(&word, s.data + i, sizeof word);
		h = mix(h, word);
	}
	if (i < s.len) {
		word = 0;
		memcpy(&word, s.data + i, s.len - i);
		h = mix(h, word);
	}
	return h;
}

uint64_t wb_store_hash(struct wb_slice id, struct wb_slice pk)
{
	return mix(hash_bytes(hash_bytes(0, id), pk), 0);
}

void wb_store_init(struct wb_store *s, struct wb_store_budget *budget, uint32_t range_number)
{
	assert(range_number < (1u << 24));
	*s = (struct wb_store){ .budget = budget, .last_number = (uint64_t)range_number << 40 };
	s->bucket_count = BUCKETS_MIN;
	s->buckets = wb_xcalloc(s->bucket_count, sizeof(struct wb_item *));
}

static int64_t item_bytes(uint32_t room)
{
	return (int64_t)(ITEM_COST + room);
}

void wb_store_release(struct wb_store *s)
{
	for (size_t i = 0; i < s->slot_count; i++) {
		if (s->slots[i])
			atomic_fetch_sub(&s->budget->used_bytes, item_bytes(s->slots[i]->room));
		free(s->slots[i]);
	}
	free(s->slots);
	free(s->buckets);
	wb_unique_index_release(&s->unique);
	*s = (struct wb_store){ 0 };
}

void wb_store_set_policies(struct wb_store *s, int32_t default_ttl_s, const struct wb_unique_keys *keys)
{
	assert(s->count == 0);
	s->default_ttl_s = default_ttl_s;
	wb_unique_index_release(&s->unique);
	wb_unique_index_init(&s->unique, keys);
}

static struct wb_unique_item unique_item(const struct wb_item *item)
{
	return (struct wb_unique_item){ wb_item_pk(item), wb_item_id(item), wb_item_body(item) };
}

static void unique_add(struct wb_store *s, const struct wb_item *item)
{
	const struct wb_unique_item unique = unique_item(item);

	if (s->unique.keys)
		wb_unique_index_add(&s->unique, &unique);
}

static void unique_drop(struct wb_store *s, const struct wb_item *item)
{
	const struct wb_unique_item unique = unique_item(item);

	if (s->unique.keys)
		wb_unique_index_drop(&s->unique, &unique);
}

bool wb_store_conflicts(struct wb_store *s, const struct wb_item_key *key, struct wb_slice body)
{
	const struct wb_unique_item unique = { key->pk, key->id, body };

	return s->unique.keys && wb_unique_index_taken(&s->unique, &unique);
}

void wb_store_set_ttl(struct wb_store *s, struct wb_item *item, int32_t ttl_s)
{
	if (ttl_s == WB_STORE_TTL_DEFAULT)
		ttl_s = s->default_ttl_s;
	item->ends_s = 0;
	if (s->default_ttl_s == WB_STORE_TTL_OFF || ttl_s == WB_STORE_TTL_NEVER)
		return;
	item->ends_s = item->written_s < UINT32_MAX - (uint32_t)ttl_s ? item->written_s + (uint32_t)ttl_s : UINT32_MAX;
	if (s->next_end_s == 0 || item->ends_s < s->next_end_s)
		s->next_end_s = item->ends_s;
}

/* The place that points to the item, or to where it would be appended. */
static struct wb_item **find_link(const struct wb_store *s, const struct wb_item_key *key)
{
	struct wb_item **link = &s->buckets[key->hash & (s->bucket_count - 1)];

	for (; *link; link = &(*link)->next)
		if ((*link)->hash == key->hash && wb_slice_eq(wb_item_id(*link), key->id) &&
			wb_slice_eq(wb_item_pk(*link), key->pk))
			break;
	return link;
}

struct wb_item *wb_store_find(const struct wb_store *s, const struct wb_item_key *key)
{
	return *find_link(s, key);
}

static void grow_buckets(struct wb_store *s)
{
	size_t count = s->bucket_count * 2;
	struct wb_item **buckets = wb_xcalloc(count, sizeof(struct wb_item *));

	for (size_t i = 0; i < s->slot_count; i++) {
		struct wb_item *item = s->slots[i];

		if (!item)
			continue;
		item->next = buckets[item->hash & (count - 1)];
		buckets[item->hash & (count - 1)] = item;
	}
	free(s->buckets);
	s->buckets = buckets;
	s->bucket_count = count;
}

static bool reserve(struct wb_store_budget *b, int64_t bytes)
{
	if (atomic_fetch_add(&b->used_bytes, bytes) + bytes <= b->max_bytes || bytes <= 0)
		return true;
	atomic_fetch_sub(&b->used_bytes, bytes);
	return false;
}

static void set_bytes(struct wb_item *item, const struct wb_item_key *key, struct wb_slice body)
{
	memcpy(item->bytes, key->id.data, key->id.len);
	memcpy(item->bytes + key->id.len, key->pk.data, key->pk.len);
	memcpy(item->bytes + key->id.len + key->pk.len, body.data, body.len);
	item->id_len = (uint16_t)key->id.len;
	item->pk_len = (uint16_t)key->pk.len;
	item->body_len = (uint32_t)body.len;
}

static void append_slot(struct wb_store *s, struct wb_item *item)
{
	if (s->slot_count == s->slot_cap) {
		s->slot_cap = s->slot_cap ? s->slot_cap * 2 : BUCKETS_MIN;
		s->slots = wb_xrealloc(s->slots, s->slot_cap * sizeof(struct wb_item *));
	}
	assert(s->slot_count < UINT32_MAX);
	item->slot = (uint32_t)s->slot_count;
	s->slots[s->slot_count++] = item;
}

enum wb_err wb_store_put(
	struct wb_store *s, const struct wb_item_key *key, struct wb_slice body, uint32_t now_s, struct wb_item **ret)
{
	struct wb_item **link = find_link(s, key), *item = *link;
	uint32_t room = (uint32_t)((key->id.len + key->pk.len + body.len + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1));
	bool is_new = !item;
	int64_t before = is_new ? 0 : item_bytes(item->room);

	assert(key->id.len <= UINT16_MAX && key->pk.len <= UINT16_MAX && body.len <= INT32_MAX);
	if (!is_new)
		unique_drop(s, item);
	if (is_new || room > item->room || room < item->room / 2) {
		if (!reserve(s->budget, item_bytes(room) - before)) {
			if (!is_new)
				unique_add(s, item);
			return WB_EFULL;
		}
		item = wb_xrealloc(item, sizeof *item + room);
		item->room = room;
		*link = item;
	}
	if (is_new) {
		item->next = NULL;
		item->hash = key->hash;
		item->number = s->last_number + 1;
		append_slot(s, item);
		s->count++;
	} else {
		s->slots[item->slot] = item;
		s->body_bytes -= item->body_len;
	}
	set_bytes(item, key, body);
	s->body_bytes += item->body_len;
	item->version = ++s->last_number;
	item->written_s = now_s;
	unique_add(s, item);
	wb_store_set_ttl(s, item, WB_STORE_TTL_DEFAULT);
	if (is_new && s->count > s->bucket_count)
		grow_buckets(s);
	*ret = item;
	return WB_OK;
}

/* Closes the holes when most slots are holes, so that the list stays as long as the store is large. */
static void close_holes(struct wb_store *s)
{
	size_t to = 0;

	if (s->slot_count < BUCKETS_MIN || s->count * 2 > s->slot_count)
		return;
	for (size_t from = 0; from < s->slot_count; from++) {
		if (!s->slots[from])
			continue;
		s->slots[to] = s->slots[from];
		s->slots[to]->slot = (uint32_t)to;
		to++;
	}
	s->slot_count = to;
}

/* Takes an item out of both tables and the index; its memory and its share of the budget stay. */
static void take_out(struct wb_store *s, struct wb_item *item)
{
	struct wb_item **link = &s->buckets[item->hash & (s->bucket_count - 1)];

	while (*link != item)
		link = &(*link)->next;
	*link = item->next;
	s->slots[item->slot] = NULL;
	s->count--;
	s->body_bytes -= item->body_len;
	unique_drop(s, item);
}

static void remove_item(struct wb_store *s, struct wb_item *item)
{
	take_out(s, item);
	s->last_number++;
	atomic_fetch_sub(&s->budget->used_bytes, item_bytes(item->room));
	free(item);
}

bool wb_store_remove(struct wb_store *s, const struct wb_item_key *key)
{
	struct wb_item *item = *find_link(s, key);

	if (!item)
		return false;
	remove_item(s, item);
	close_holes(s);
	return true;
}

void wb_store_expire(struct wb_store *s, uint32_t now_s)
{
	if (s->next_end_s == 0 || now_s < s->next_end_s)
		return;
	s->next_end_s = 0;
	for (size_t i = 0; i < s->slot_count; i++) {
		struct wb_item *item = s->slots[i];

		if (!item || item->ends_s == 0)
			continue;
		if (item->ends_s <= now_s)
			remove_item(s, item);
		else if (s->next_end_s == 0 || item->ends_s < s->next_end_s)
			s->next_end_s = item->ends_s;
	}
	close_holes(s);
}

static int compare_numbers(const void *a, const void *b)
{
	const struct wb_item *const *x = a, *const *y = b;

	return (*x)->number<(*y)->number ? -1 : (*x)->number>(*y)->number;
}

/* Brings the slots into the order of their numbers, without holes. */
static void sort_slots(struct wb_store *s)
{
	size_t to = 0;

	for (size_t from = 0; from < s->slot_count; from++)
		if (s->slots[from])
			s->slots[to++] = s->slots[from];
	s->slot_count = to;
	if (to > 1)
		qsort(s->slots, to, sizeof(struct wb_item *), compare_numbers);
	for (size_t i = 0; i < to; i++)
		s->slots[i]->slot = (uint32_t)i;
}

void wb_store_move(
	struct wb_store *from, struct wb_store *to, bool (*wanted)(void *arg, const struct wb_item *item), void *arg)
{
	for (size_t i = 0; i < from->slot_count; i++) {
		struct wb_item *item = from->slots[i], **link;

		if (!item || (wanted && !wanted(arg, item)))
			continue;
		take_out(from, item);
		link = &to->buckets[item->hash & (to->bucket_count - 1)];
		item->next = *link;
		*link = item;
		append_slot(to, item);
		to->count++;
		to->body_bytes += item->body_len;
		unique_add(to, item);
		if (to->default_ttl_s == WB_STORE_TTL_OFF)
			item->ends_s = 0;
		if (item->ends_s && (to->next_end_s == 0 || item->ends_s < to->next_end_s))
			to->next_end_s = item->ends_s;
		if (to->count > to->bucket_count)
			grow_buckets(to);
	}
	close_holes(from);
	sort_slots(to);
}

static const struct wb_item *first_from(const struct wb_store *s, size_t slot)
{
	while (slot < s->slot_count && !s->slots[slot])
		slot++;
	return slot < s->slot_count ? s->slots[slot] : NULL;
}

/* A hole has no number: the search takes that of the next item to the right. */
const struct wb_item *wb_store_after(const struct wb_store *s, uint64_t number)
{
	size_t low = 0, high = s->slot_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2, at = middle;

		while (at < high && !s->slots[at])
			at++;
		if (at < high && s->slots[at]->number <= number)
			low = at + 1;
		else
			high = middle;
	}
	return first_from(s, low);
}

const struct wb_item *wb_store_next(const struct wb_store *s, const struct wb_item *item)
{
	return first_from(s, item->slot + (size_t)1);
}
