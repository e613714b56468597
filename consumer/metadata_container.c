#include "common/base/mem.h"
#include "consumer/metadata_internal.h"
#include "consumer/path.h"

#include <stdlib.h>

static char *path_of(const struct wb_container *c, const char *suffix)
{
	struct wb_buf path;
	size_t len;

	wb_buf_init(&path, 8192);
	wb_buf_append_cstr(&path, "/dbs/");
	wb_path_append(&path, wb_slice_cstr(c->database));
	wb_buf_append_cstr(&path, "/colls/");
	wb_path_append(&path, wb_slice_cstr(c->name));
	wb_buf_append_cstr(&path, suffix);
	return wb_buf_take(&path, &len);
}

struct wb_container *wb_container_new(struct wb_slice database, struct wb_slice name)
{
	struct wb_container *c = wb_xcalloc(1, sizeof *c);
	struct wb_buf link;
	size_t len;

	c->database = wb_xmemdup(database.data, database.len);
	c->name = wb_xmemdup(name.data, name.len);
	wb_buf_init(&link, 4096);
	wb_buf_appendf(&link, "dbs/%s/colls/%s", c->database, c->name);
	c->link = wb_buf_take(&link, &len);
	c->container_path = path_of(c, "");
	c->docs_path = path_of(c, "/docs");
	c->ranges_path = path_of(c, "/pkranges");
	atomic_init(&c->state, WB_CONTAINER_UNKNOWN);
	atomic_init(&c->bulk, false);
	atomic_init(&c->routes, NULL);
	atomic_init(&c->readers, 0);
	atomic_init(&c->wanted, true);
	return c;
}

static void routes_free(struct wb_routes *r)
{
	if (!r)
		return;
	wb_range_map_free(&r->map);
	free(r->ranges);
	free(r);
}

void wb_container_free(struct wb_container *c)
{
	wb_container_reclaim(c);
	routes_free(atomic_load(&c->routes));
	wb_range_map_free(&c->stretches);
	wb_json_paths_release(&c->definition.paths);
	for (size_t i = 0; i < c->every_count; i++)
		free(c->every[i]);
	free(c->every);
	free(c->database);
	free(c->name);
	free(c->link);
	free(c->container_path);
	free(c->docs_path);
	free(c->ranges_path);
	free(c);
}

void wb_container_settle(struct wb_container *c, struct wb_pk_definition *definition, const struct wb_range_map *map,
	unsigned first_worker, unsigned workers)
{
	c->definition = *definition;
	*definition = (struct wb_pk_definition){ .kind = definition->kind };
	c->stretches = wb_range_map_copy(map);
	c->first_worker = first_worker;
	c->workers = workers;
}

static bool same_bounds(const struct wb_range_entry *a, const struct wb_range_entry *b)
{
	return wb_epk_compare(&a->min, &b->min) == 0 && wb_epk_compare(&a->max, &b->max) == 0;
}

/* The place of an entry's range in a reading, or NULL: same id and bounds. */
static struct wb_range *same_range(const struct wb_routes *in, const struct wb_range_entry *entry)
{
	size_t at;

	if (!in)
		return NULL;
	at = wb_range_map_find(in->map, &entry->min);
	if (strcmp(in->ranges[at]->id, entry->id) != 0 || !same_bounds(wb_range_map_at(in->map, at), entry))
		return NULL;
	return in->ranges[at];
}

static struct wb_range *range_new(struct wb_container *c, const struct wb_range_entry *entry)
{
	struct wb_range *range = wb_xcalloc(1, sizeof *range + c->workers * sizeof range->owner_state[0]);

	range->container = c;
	range->database = c->database;
	range->container_name = c->name;
	memcpy(range->id, entry->id, sizeof range->id);
	range->bulk = atomic_load(&c->bulk);
	atomic_init(&range->gone, false);
	if (c->every_count == c->every_room) {
		c->every_room = c->every_room ? 2 * c->every_room : 16;
		c->every = wb_xrealloc(c->every, c->every_room * sizeof(struct wb_range *));
	}
	c->every[c->every_count++] = range;
	return range;
}

static bool is_same_reading(const struct wb_routes *before, const struct wb_range_map *map)
{
	size_t count = wb_range_map_count(map);

	if (!before || wb_range_map_count(before->map) != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!same_range(before, wb_range_map_at(map, i)))
			return false;
	}
	return true;
}

bool wb_container_publish(struct wb_container *c, struct wb_range_map *map, bool anew)
{
	struct wb_routes *before = atomic_load(&c->routes), *now;
	size_t count = wb_range_map_count(map);

	if (!anew && is_same_reading(before, map)) {
		wb_range_map_free(&map);
		return false;
	}
	now = wb_xcalloc(1, sizeof *now);
	now->map = map;
	now->ranges = wb_xcalloc(count, sizeof(struct wb_range *));
	for (size_t i = 0; i < count; i++) {
		const struct wb_range_entry *entry = wb_range_map_at(map, i);
		struct wb_range *same = anew ? NULL : same_range(before, entry);

		now->ranges[i] = same ? same : range_new(c, entry);
	}
	/* First the new reading, then the marks: whoever sees a mark finds another range. */
	atomic_store(&c->routes, now);
	for (size_t i = 0; before && i < wb_range_map_count(before->map); i++) {
		if (anew || !same_range(now, wb_range_map_at(before->map, i)))
			atomic_store(&before->ranges[i]->gone, true);
	}
	if (before) {
		before->older = c->retired;
		c->retired = before;
	}
	return true;
}

void wb_container_reclaim(struct wb_container *c)
{
	/* All retired ones were replaced before this load; so who counts in after it cannot find them. */
	if (!c->retired || atomic_load(&c->readers) != 0)
		return;
	while (c->retired) {
		struct wb_routes *r = c->retired;

		c->retired = r->older;
		routes_free(r);
	}
}

bool wb_pk_definition_eq(const struct wb_pk_definition *a, const struct wb_pk_definition *b)
{
	if (a->kind != b->kind || a->paths.count != b->paths.count)
		return false;
	for (unsigned i = 0; i < a->paths.count; i++) {
		const struct wb_json_path *x = &a->paths.path[i], *y = &b->paths.path[i];

		if (x->count != y->count)
			return false;
		for (unsigned j = 0; j < x->count; j++) {
			if (!wb_slice_eq(x->segments[j], y->segments[j]))
				return false;
		}
	}
	return true;
}

enum wb_container_state wb_container_state(const struct wb_container *c)
{
	return atomic_load(&c->state);
}

const struct wb_pk_definition *wb_container_definition(const struct wb_container *c)
{
	return &c->definition;
}

struct wb_range *wb_container_route(const struct wb_container *c, const struct wb_epk *epk)
{
	/* Readers see containers read-only; their count is ours. */
	_Atomic unsigned *readers = &((struct wb_container *)c)->readers;
	const struct wb_routes *routes;
	struct wb_range *range;

	atomic_fetch_add(readers, 1);
	routes = atomic_load(&c->routes);
	range = routes->ranges[wb_range_map_find(routes->map, epk)];
	atomic_fetch_sub(readers, 1);
	return range;
}

unsigned wb_container_worker(const struct wb_container *c, const struct wb_epk *epk)
{
	return (unsigned)((c->first_worker + wb_range_map_find(c->stretches, epk)) % c->workers);
}

bool wb_container_bulk(const struct wb_container *c)
{
	return atomic_load(&c->bulk);
}

struct wb_slice wb_container_link(const struct wb_container *c)
{
	return wb_slice_cstr(c->link);
}

const char *wb_container_docs_path(const struct wb_container *c)
{
	return c->docs_path;
}
