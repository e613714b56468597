#include "consumer/range_map.h"

#include "common/base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct wb_range_map {
	struct wb_range_entry *entry;
	size_t count;
};

struct range_id {
	char text[WB_RANGE_ID_SIZE];
};

/* What is gathered from the pages before it becomes a map. */
struct gathering {
	struct wb_range_entry *range;
	size_t range_count, range_room;
	struct range_id *parent;
	size_t parent_count, parent_room;
};

static void gathering_release(struct gathering *g)
{
	free(g->range);
	free(g->parent);
}

/* An id stands in a header of requests, so nothing but printable ASCII is let through. */
static enum wb_err read_id(const json_t *value, char ret[WB_RANGE_ID_SIZE], struct wb_error *e)
{
	const char *text = json_string_value(value);
	size_t len;

	if (json_is_integer(value)) {
		(void)snprintf(ret, WB_RANGE_ID_SIZE, "%lld", (long long)json_integer_value(value)); /* it fits */
		return WB_OK;
	}
	if (!text)
		return wb_error_set(e, WB_EINVAL, "a partition key range has no id");
	len = json_string_length(value);
	if (len == 0 || len >= WB_RANGE_ID_SIZE)
		return wb_error_set(e, WB_EINVAL, "a partition key range's id has %zu bytes, 1 to %d are allowed", len,
			WB_RANGE_ID_SIZE - 1);
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return wb_error_set(e, WB_EINVAL, "a partition key range's id is not printable ASCII");
	}
	memcpy(ret, text, len + 1);
	return WB_OK;
}

static enum wb_err read_bound(
	const json_t *range, const char *name, const char *id, struct wb_epk *ret, struct wb_error *e)
{
	const json_t *value = json_object_get(range, name);

	if (!json_is_string(value) || wb_epk_parse(wb_slice(json_string_value(value), json_string_length(value)), ret))
		return wb_error_set(e, WB_EINVAL, "range %s has no valid %s", id, name);
	return WB_OK;
}

static enum wb_err read_parents(const json_t *parents, struct gathering *g, struct wb_error *e)
{
	size_t i;
	const json_t *parent;

	if (!parents || json_is_null(parents))
		return WB_OK;
	if (!json_is_array(parents))
		return wb_error_set(e, WB_EINVAL, "a partition key range's parents are no array");
	json_array_foreach(parents, i, parent) {
		if (g->parent_count == 2 * WB_RANGES_MAX)
			return wb_error_set(e, WB_ETOOBIG, "the partition key ranges have too many parents");
		if (g->parent_count == g->parent_room) {
			g->parent_room = g->parent_room ? 2 * g->parent_room : 16;
			g->parent = wb_xrealloc(g->parent, g->parent_room * sizeof *g->parent);
		}
		if (read_id(parent, g->parent[g->parent_count].text, e))
			return WB_EINVAL;
		g->parent_count++;
	}
	return WB_OK;
}

static enum wb_err read_range(const json_t *value, struct gathering *g, struct wb_error *e)
{
	struct wb_range_entry *r;

	if (!json_is_object(value))
		return wb_error_set(e, WB_EINVAL, "a partition key range is not an object");
	if (g->range_count == WB_RANGES_MAX)
		return wb_error_set(e, WB_ETOOBIG, "there are more than %d partition key ranges", WB_RANGES_MAX);
	if (g->range_count == g->range_room) {
		g->range_room = g->range_room ? 2 * g->range_room : 16;
		g->range = wb_xrealloc(g->range, g->range_room * sizeof *g->range);
	}
	r = &g->range[g->range_count];
	if (read_id(json_object_get(value, "id"), r->id, e) || read_bound(value, "minInclusive", r->id, &r->min, e) ||
		read_bound(value, "maxExclusive", r->id, &r->max, e))
		return WB_EINVAL;
	g->range_count++;
	return read_parents(json_object_get(value, "parents"), g, e);
}

static enum wb_err read_page(struct wb_slice body, struct gathering *g, struct wb_error *e)
{
	json_error_t where;
	json_t *root = json_loadb(body.data ? body.data : "", body.len, 0, &where);
	const json_t *ranges = json_object_get(root, "PartitionKeyRanges"), *range;
	enum wb_err err = WB_OK;
	size_t i;

	if (!root)
		err = wb_error_set(e, WB_EINVAL, "the partition key ranges are not JSON: %s", where.text);
	else if (!json_is_array(ranges))
		err = wb_error_set(e, WB_EINVAL, "the reply has no PartitionKeyRanges");
	json_array_foreach(ranges, i, range) {
		err = read_range(range, g, e);
		if (err)
			break;
	}
	json_decref(root);
	return err;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct range_id *)a)->text, ((const struct range_id *)b)->text);
}

static int by_min(const void *a, const void *b)
{
	const struct wb_range_entry *left = a, *right = b;
	int order = wb_epk_compare(&left->min, &right->min);

	return order ? order : strcmp(left->id, right->id);
}

/* An id with its place among the ranges, for finding the last of each id. */
struct place {
	struct range_id id;
	size_t at;
};

static int by_id_and_place(const void *a, const void *b)
{
	const struct place *left = a, *right = b;
	int order = strcmp(left->id.text, right->id.text);

	return order ? order : (left->at > right->at) - (left->at < right->at);
}

/* Leaves out the parents, and of an id that came on several pages all but the newest. */
static void keep_current(struct gathering *g)
{
	struct place *place = wb_xmalloc(g->range_count * sizeof *place);
	bool *keep = wb_xcalloc(g->range_count, sizeof *keep);
	size_t kept = 0;

	if (g->parent_count)
		qsort(g->parent, g->parent_count, sizeof *g->parent, by_id);
	for (size_t i = 0; i < g->range_count; i++) {
		memcpy(place[i].id.text, g->range[i].id, WB_RANGE_ID_SIZE);
		place[i].at = i;
	}
	qsort(place, g->range_count, sizeof *place, by_id_and_place);
	for (size_t i = 0; i < g->range_count; i++) {
		bool last = i + 1 == g->range_count || by_id(&place[i].id, &place[i + 1].id) != 0;

		keep[place[i].at] = last &&
			!(g->parent_count &&
				bsearch(&place[i].id, g->parent, g->parent_count, sizeof *g->parent, by_id));
	}
	for (size_t i = 0; i < g->range_count; i++) {
		if (keep[i])
			g->range[kept++] = g->range[i];
	}
	g->range_count = kept;
	free(place);
	free(keep);
}

/* Whether the sorted ranges cover everything from "" to "FF" exactly once. */
static enum wb_err check_cover(const struct wb_range_entry *range, size_t count, struct wb_error *e)
{
	const struct wb_epk lowest = { .len = 0 }, highest = { .len = 1, .bytes = { 0xff } };
	const struct wb_epk *reached = &lowest;

	for (size_t i = 0; i < count; i++) {
		int order = wb_epk_compare(&range[i].min, reached);

		if (order < 0)
			return wb_error_set(
				e, WB_EINVAL, "ranges %s and %s overlap", i ? range[i - 1].id : "?", range[i].id);
		if (order > 0)
			return wb_error_set(e, WB_EINVAL, "there is a gap before range %s", range[i].id);
		if (wb_epk_compare(&range[i].max, &range[i].min) <= 0)
			return wb_error_set(e, WB_EINVAL, "range %s ends before it begins", range[i].id);
		reached = &range[i].max;
	}
	if (count == 0)
		return wb_error_set(e, WB_EINVAL, "there are no partition key ranges");
	if (wb_epk_compare(reached, &highest) != 0)
		return wb_error_set(e, WB_EINVAL, "the last range, %s, does not end at FF", range[count - 1].id);
	return WB_OK;
}

struct wb_range_map *wb_range_map_parse(const struct wb_slice *bodies, size_t count, struct wb_error *e)
{
	struct gathering g = { 0 };
	struct wb_range_map *m;

	for (size_t i = 0; i < count; i++) {
		if (read_page(bodies[i], &g, e))
			goto fail;
	}
	if (g.range_count > 0) {
		keep_current(&g);
		qsort(g.range, g.range_count, sizeof *g.range, by_min);
	}
	if (check_cover(g.range, g.range_count, e))
		goto fail;
	m = wb_xmalloc(sizeof *m);
	*m = (struct wb_range_map){ .entry = g.range, .count = g.range_count };
	g.range = NULL;
	gathering_release(&g);
	return m;
fail:
	gathering_release(&g);
	return NULL;
}

struct wb_range_map *wb_range_map_copy(const struct wb_range_map *m)
{
	struct wb_range_map *copy = wb_xmalloc(sizeof *copy);

	copy->count = m->count;
	copy->entry = wb_xmalloc(m->count * sizeof *copy->entry);
	memcpy(copy->entry, m->entry, m->count * sizeof *copy->entry);
	return copy;
}

void wb_range_map_free(struct wb_range_map **m)
{
	if (!*m)
		return;
	free((*m)->entry);
	free(*m);
	*m = NULL;
}

size_t wb_range_map_count(const struct wb_range_map *m)
{
	return m->count;
}

const struct wb_range_entry *wb_range_map_at(const struct wb_range_map *m, size_t i)
{
	return &m->entry[i];
}

size_t wb_range_map_find(const struct wb_range_map *m, const struct wb_epk *epk)
{
	size_t low = 0, high = m->count;

	/* The last range whose min is not above epk; the first one's is below everything. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (wb_epk_compare(&m->entry[middle].min, epk) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}
