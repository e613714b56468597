#include "sandbox/split.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>

#define SAMPLES_MAX 4096
#define END         (UINT64_C(1) << 62) /* of positions */

/* An item's key is canonical text that was made here: it can be read. scratch has room for its strings. */
static void item_epk(
	const struct wb_container *c, const struct wb_item *item, struct wb_buf *scratch, struct wb_epk *ret)
{
	struct wb_pk pk;

	wb_buf_clear(scratch);
	if (wb_pk_parse(wb_item_pk(item), c->key.paths.count, scratch, &pk, NULL))
		abort();
	wb_pk_hash(c->key.kind, &pk, ret);
}

static void scratch_init(struct wb_buf *scratch)
{
	wb_buf_init(scratch, WB_JSON_PATHS_MAX * WB_PK_STRING_MAX + 1);
	if (!wb_buf_reserve(scratch, scratch->max - 1))
		abort();
}

static bool lies_inside(const struct wb_range *r, const struct wb_epk *epk)
{
	return wb_epk_compare(epk, &r->min) > 0 && wb_epk_compare(epk, &r->max) < 0;
}

/* The smallest position whose border is not below epk. */
static uint64_t position_of(enum wb_pk_kind kind, const struct wb_epk *epk)
{
	uint64_t low = 0, high = END;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct wb_epk border;

		wb_pk_border(kind, middle, &border);
		if (wb_epk_compare(&border, epk) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool middle_of_range(const struct wb_container *c, const struct wb_range *r, struct wb_epk *ret)
{
	uint64_t low = position_of(c->key.kind, &r->min), high = position_of(c->key.kind, &r->max);

	wb_pk_border(c->key.kind, low + (high - low) / 2, ret);
	return lies_inside(r, ret);
}

static int compare_epks(const void *a, const void *b)
{
	return wb_epk_compare(a, b);
}

/* A border of version 1 is the hash alone, the number that the key begins with: its bytes say whether more follow. */
static void cut_to_hash(struct wb_epk *epk)
{
	uint8_t len = 2;

	while (len < epk->len && epk->bytes[len] & 1)
		len++;
	epk->len = len + 1;
}

/* Half of the documents lie on each side, as far as their keys allow it. */
static bool middle_of_documents(const struct wb_container *c, const struct wb_range *r, struct wb_epk *ret)
{
	size_t step = r->store.slot_count / SAMPLES_MAX + 1, count = 0;
	struct wb_epk *epks = wb_xcalloc(SAMPLES_MAX + 1, sizeof *epks);
	struct wb_buf scratch;
	bool found = false;

	scratch_init(&scratch);
	for (size_t i = 0; i < r->store.slot_count; i += step)
		if (r->store.slots[i])
			item_epk(c, r->store.slots[i], &scratch, &epks[count++]);
	qsort(epks, count, sizeof *epks, compare_epks);
	if (count > 1 && wb_epk_compare(&epks[0], &epks[count - 1]) != 0) {
		size_t middle = count / 2;

		/* The first key stays on the left side. */
		while (middle < count - 1 && wb_epk_compare(&epks[middle], &epks[0]) == 0)
			middle++;
		*ret = epks[middle];
		if (c->key.kind == WB_PK_HASH_V1)
			cut_to_hash(ret);
		found = lies_inside(r, ret);
	}
	wb_buf_release(&scratch);
	free(epks);
	return found;
}

static enum wb_err choose_border(const struct wb_container *c, const struct wb_range *r, struct wb_slice at,
	struct wb_epk *ret, struct wb_error *e)
{
	if (at.data) {
		if (wb_epk_parse(at, ret))
			return wb_error_set(e, WB_EINVAL, "\"at\" is no effective partition key in hex");
		if (!lies_inside(r, ret))
			return wb_error_set(e, WB_EINVAL, "\"at\" does not lie inside range %s", r->id);
		return WB_OK;
	}
	if (middle_of_documents(c, r, ret) || middle_of_range(c, r, ret))
		return WB_OK;
	return wb_error_set(e, WB_EINVAL, "range %s is too narrow to be split", r->id);
}

static struct wb_range *largest(const struct wb_container *c)
{
	struct wb_range *r = c->ranges[0];

	for (unsigned i = 1; i < c->range_count; i++)
		if (c->ranges[i]->store.count > r->store.count)
			r = c->ranges[i];
	return r;
}

static unsigned index_of(const struct wb_container *c, const struct wb_range *r)
{
	unsigned i = 0;

	while (c->ranges[i] != r)
		i++;
	return i;
}

/* The part of a store that a range takes. */
struct part {
	const struct wb_container *container;
	const struct wb_range *range;
	struct wb_buf scratch;
};

static bool is_in_part(void *arg, const struct wb_item *item)
{
	struct part *part = arg;
	struct wb_epk epk;

	item_epk(part->container, item, &part->scratch, &epk);
	return wb_range_contains(part->range, &epk);
}

/* Moves the documents whose keys fall into `to`, which goes on counting changes where `from` is. */
static void move_part(const struct wb_container *c, struct wb_range *from, struct wb_range *to)
{
	struct part part = { .container = c, .range = to };
	uint64_t reached = wb_store_session_number(&from->store), own = wb_store_session_number(&to->store);

	scratch_init(&part.scratch);
	wb_store_move(&from->store, &to->store, is_in_part, &part);
	wb_buf_release(&part.scratch);
	if (reached > own)
		to->store.last_number += reached - own;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The parents and all that they come from. */
static void set_ancestors(struct wb_range *r, struct wb_range *const *parents, unsigned count)
{
	unsigned n = 0, room = 0;

	for (unsigned i = 0; i < count; i++)
		room += parents[i]->ancestor_count + 1;
	r->ancestors = wb_xcalloc(room, sizeof *r->ancestors);
	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = 0; j < parents[i]->ancestor_count; j++)
			r->ancestors[n++] = parents[i]->ancestors[j];
		r->ancestors[n++] = parents[i]->number;
	}
	qsort(r->ancestors, n, sizeof *r->ancestors, compare_numbers);
	for (unsigned i = 0; i < n; i++)
		if (i == 0 || r->ancestors[i] != r->ancestors[r->ancestor_count - 1])
			r->ancestors[r->ancestor_count++] = r->ancestors[i];
}

static void set_completion(struct wb_container *c, struct wb_range *r, const struct wb_split_completion *completion)
{
	r->completing_until_ms = completion->until_ms;
	r->completing_substatus = completion->substatus;
	if (completion->until_ms > c->completing_until_ms)
		c->completing_until_ms = completion->until_ms;
}

/* Puts `came` into the place of `gone`, neighbours from index on, with all their documents. */
static void replace(struct wb_container *c, unsigned index, unsigned gone_count, struct wb_range **came,
	unsigned came_count, const struct wb_split_completion *completion)
{
	struct wb_range *gone[2] = { c->ranges[index], c->ranges[index + gone_count - 1] };

	c->retired = wb_xrealloc(c->retired, (c->retired_count + gone_count) * sizeof(struct wb_range *));
	for (unsigned i = 0; i < came_count; i++) {
		set_ancestors(came[i], gone, gone_count);
		set_completion(c, came[i], completion);
		for (unsigned j = 0; j < gone_count; j++)
			move_part(c, gone[j], came[i]);
	}
	for (unsigned j = 0; j < gone_count; j++) {
		set_completion(c, gone[j], completion);
		wb_store_release(&gone[j]->store);
		c->retired[c->retired_count++] = gone[j];
	}
	memmove(&c->ranges[index + came_count], &c->ranges[index + gone_count],
		(c->range_count - index - gone_count) * sizeof(struct wb_range *));
	memcpy(&c->ranges[index], came, came_count * sizeof(struct wb_range *));
	c->range_count = c->range_count + came_count - gone_count;
}

static enum wb_err check_room(const struct wb_container *c, unsigned more, struct wb_error *e)
{
	if (atomic_load(&c->deleted))
		return wb_error_set(e, WB_EINVAL, "the container was deleted");
	if (c->next_range - c->first_range + more > WB_RANGES_EVER_MAX)
		return wb_error_set(e, WB_EFULL, "the container has had %d ranges", WB_RANGES_EVER_MAX);
	if (more > 1 && c->range_count == WB_RANGES_MAX)
		return wb_error_set(e, WB_EFULL, "the container has %d ranges", WB_RANGES_MAX);
	return WB_OK;
}

static enum wb_err split_locked(struct wb_container *c, struct wb_slice range, struct wb_slice at,
	const struct wb_split_completion *completion, struct wb_split_result *ret, struct wb_error *e)
{
	struct wb_range *r = range.data ? wb_container_range_by_id(c, range) : largest(c), *came[2];
	struct wb_epk border;
	enum wb_err err;

	if (!r)
		return wb_error_set(e, WB_EINVAL, "there is no such range");
	err = check_room(c, 2, e);
	if (!err)
		err = choose_border(c, r, at, &border, e);
	if (err)
		return err;
	c->ranges_version++;
	came[0] = wb_range_new(c, &r->min, &border);
	came[1] = wb_range_new(c, &border, &r->max);
	replace(c, index_of(c, r), 1, came, 2, completion);
	*ret = (struct wb_split_result){ 0 };
	memcpy(ret->gone[0], r->id, sizeof r->id);
	memcpy(ret->came[0], came[0]->id, sizeof r->id);
	memcpy(ret->came[1], came[1]->id, sizeof r->id);
	memcpy(ret->border, came[1]->min_text, sizeof ret->border);
	return WB_OK;
}

enum wb_err wb_container_split(struct wb_container *c, struct wb_slice range, struct wb_slice at,
	const struct wb_split_completion *completion, struct wb_split_result *ret, struct wb_error *e)
{
	enum wb_err err;

	wb_rwlock_write(&c->structure);
	err = split_locked(c, range, at, completion, ret, e);
	wb_rwlock_unlock(&c->structure);
	return err;
}

static enum wb_err merge_locked(struct wb_container *c, struct wb_slice a, struct wb_slice b,
	const struct wb_split_completion *completion, struct wb_split_result *ret, struct wb_error *e)
{
	struct wb_range *low = wb_container_range_by_id(c, a), *high = wb_container_range_by_id(c, b), *came;
	enum wb_err err;

	if (!low || !high)
		return wb_error_set(e, WB_EINVAL, "there is no such range");
	if (wb_epk_compare(&low->min, &high->min) > 0) {
		struct wb_range *swap = low;

		low = high;
		high = swap;
	}
	if (low == high || wb_epk_compare(&low->max, &high->min) != 0)
		return wb_error_set(e, WB_EINVAL, "ranges %s and %s are no neighbours", low->id, high->id);
	err = check_room(c, 1, e);
	if (err)
		return err;
	c->ranges_version++;
	came = wb_range_new(c, &low->min, &high->max);
	replace(c, index_of(c, low), 2, &came, 1, completion);
	*ret = (struct wb_split_result){ 0 };
	memcpy(ret->gone[0], low->id, sizeof low->id);
	memcpy(ret->gone[1], high->id, sizeof low->id);
	memcpy(ret->came[0], came->id, sizeof low->id);
	return WB_OK;
}

enum wb_err wb_container_merge(struct wb_container *c, struct wb_slice a, struct wb_slice b,
	const struct wb_split_completion *completion, struct wb_split_result *ret, struct wb_error *e)
{
	enum wb_err err;

	wb_rwlock_write(&c->structure);
	err = merge_locked(c, a, b, completion, ret, e);
	wb_rwlock_unlock(&c->structure);
	return err;
}

void wb_container_move_documents(struct wb_container *from, struct wb_container *to)
{
	assert(to->first_range >= from->next_range && to->key.kind == from->key.kind);
	for (unsigned i = 0; i < from->range_count; i++)
		for (unsigned j = 0; j < to->range_count; j++)
			move_part(to, from->ranges[i], to->ranges[j]);
}
