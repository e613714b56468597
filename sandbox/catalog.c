#include "sandbox/catalog.h"

#include "common/base/mem.h"
#include "common/base/thread.h"
#include "sandbox/split.h"

#include <assert.h>
#include <stdlib.h>

struct wb_catalog {
	pthread_mutex_t lock; /* guards all below */
	struct wb_database *databases;
	size_t database_count;
	uint32_t last_number;
	unsigned range_count;
	struct wb_store_budget *budget;
};

struct wb_catalog *wb_catalog_new(unsigned range_count, struct wb_store_budget *budget)
{
	struct wb_catalog *c = wb_xcalloc(1, sizeof *c);

	assert(range_count > 0 && range_count <= WB_RANGES_MAX);
	wb_mutex_init(&c->lock);
	c->range_count = range_count;
	c->budget = budget;
	return c;
}

static struct wb_grave *find_grave(const struct wb_database *d, const char *name)
{
	for (size_t i = 0; i < d->grave_count; i++)
		if (strcmp(d->graves[i].name, name) == 0)
			return &d->graves[i];
	return NULL;
}

static void bury(struct wb_database *d, const struct wb_container *c)
{
	struct wb_grave *grave = find_grave(d, c->name);

	if (!grave) {
		if (d->grave_count == WB_CONTAINERS_MAX) {
			free(d->graves[0].name);
			memmove(d->graves, d->graves + 1, --d->grave_count * sizeof *d->graves);
		}
		d->graves = wb_xrealloc(d->graves, (d->grave_count + 1) * sizeof *d->graves);
		grave = &d->graves[d->grave_count++];
		grave->name = wb_xstrdup(c->name);
	}
	/* Ids begin anew when they have run out. */
	grave->next_range = c->next_range < WB_RANGE_NUMBER_MAX ? c->next_range : 0;
}

/* Requests under way end first; those that enter later see it. */
static void mark_deleted(struct wb_container *c)
{
	wb_rwlock_write(&c->structure);
	atomic_store(&c->deleted, true);
	wb_rwlock_unlock(&c->structure);
}

static void drop_container(struct wb_database *d, struct wb_container **link)
{
	struct wb_container *c = *link;

	*link = c->next;
	d->container_count--;
	mark_deleted(c);
	bury(d, c);
	wb_container_release(&c);
}

static void drop_database(struct wb_catalog *c, struct wb_database **link)
{
	struct wb_database *d = *link;

	while (d->containers)
		drop_container(d, &d->containers);
	*link = d->next;
	c->database_count--;
	for (size_t i = 0; i < d->grave_count; i++)
		free(d->graves[i].name);
	free(d->graves);
	free(d->name);
	free(d);
}

void wb_catalog_free(struct wb_catalog **catalog)
{
	struct wb_catalog *c = *catalog;

	if (!c)
		return;
	while (c->databases)
		drop_database(c, &c->databases);
	wb_mutex_release(&c->lock);
	free(c);
	*catalog = NULL;
}

static struct wb_resource_result outcome(unsigned status, const char *why)
{
	struct wb_resource_result r = { .status = status };

	if (why)
		(void)wb_error_set(&r.why, WB_EINVAL, "%s", why);
	return r;
}

static struct wb_resource_result missing(void)
{
	return outcome(404, "Resource Not Found.");
}

/* The place that points to the database, or to NULL at the end of the list. */
static struct wb_database **find_database(struct wb_catalog *c, struct wb_slice name)
{
	struct wb_database **link = &c->databases;

	while (*link && !wb_slice_eq_cstr(name, (*link)->name) && !wb_slice_eq_cstr(name, (*link)->rid))
		link = &(*link)->next;
	return link;
}

static struct wb_container **find_container(struct wb_database *d, struct wb_slice name)
{
	struct wb_container **link = &d->containers;

	while (*link && !wb_slice_eq_cstr(name, (*link)->name) && !wb_slice_eq_cstr(name, (*link)->rid))
		link = &(*link)->next;
	return link;
}

static void render_database(const struct wb_database *d, struct wb_buf *ret)
{
	char etag[WB_ETAG_SIZE];

	wb_etag_text(d->version, d->created_s, etag);
	wb_buf_append_cstr(ret, "{\"id\":");
	wb_buf_append_json_string(ret, wb_slice_cstr(d->name));
	wb_buf_appendf(ret, ",\"_rid\":\"%s\",\"_self\":\"dbs/%s/\",\"_etag\":\"\\\"%.*s\\\"\"", d->rid, d->rid,
		WB_ETAG_SIZE - 3, etag + 1);
	wb_buf_appendf(ret, ",\"_colls\":\"colls/\",\"_users\":\"users/\",\"_ts\":%u}", d->created_s);
}

static struct wb_database *append_database(
	struct wb_catalog *c, struct wb_database **end, const char *name, uint32_t now_s)
{
	struct wb_database *d = wb_xcalloc(1, sizeof *d);

	d->name = wb_xstrdup(name);
	d->number = ++c->last_number;
	d->version = d->number;
	d->created_s = now_s;
	wb_rid_database(d->number, d->rid);
	*end = d;
	c->database_count++;
	return d;
}

struct wb_resource_result wb_catalog_database_create(
	struct wb_catalog *c, struct wb_slice definition, uint32_t now_s, struct wb_buf *ret)
{
	json_t *json = json_loadb(definition.data, definition.len, 0, NULL);
	const char *name = json_string_value(json_object_get(json, "id"));
	struct wb_resource_result result = { .status = 201 };
	struct wb_database **end;

	if (!name || !wb_resource_name_valid(wb_slice_cstr(name))) {
		json_decref(json);
		return outcome(400, "The request body is no valid database definition.");
	}
	wb_mutex_lock(&c->lock);
	end = find_database(c, wb_slice_cstr(name));
	if (*end) {
		result = outcome(409, "Resource with specified id or name already exists.");
	} else if (c->database_count == WB_DATABASES_MAX) {
		result = outcome(403, "The sandbox has no room for more databases.");
	} else {
		struct wb_database *d = append_database(c, end, name, now_s);

		wb_etag_text(d->version, d->created_s, result.etag);
		render_database(d, ret);
	}
	wb_mutex_unlock(&c->lock);
	json_decref(json);
	return result;
}

struct wb_resource_result wb_catalog_database_read(struct wb_catalog *c, struct wb_slice name, struct wb_buf *ret)
{
	struct wb_resource_result result = missing();
	struct wb_database *d;

	wb_mutex_lock(&c->lock);
	d = *find_database(c, name);
	if (d) {
		result = outcome(200, NULL);
		wb_etag_text(d->version, d->created_s, result.etag);
		render_database(d, ret);
	}
	wb_mutex_unlock(&c->lock);
	return result;
}

struct wb_resource_result wb_catalog_database_delete(struct wb_catalog *c, struct wb_slice name)
{
	struct wb_resource_result result = missing();
	struct wb_database **link;

	wb_mutex_lock(&c->lock);
	link = find_database(c, name);
	if (*link) {
		result = outcome(204, NULL);
		drop_database(c, link);
	}
	wb_mutex_unlock(&c->lock);
	return result;
}

struct wb_resource_result wb_catalog_database_list(struct wb_catalog *c, size_t *ret_count, struct wb_buf *ret)
{
	wb_mutex_lock(&c->lock);
	wb_buf_append_cstr(ret, "{\"_rid\":\"\",\"Databases\":[");
	for (const struct wb_database *d = c->databases; d; d = d->next) {
		render_database(d, ret);
		if (d->next)
			wb_buf_append_char(ret, ',');
	}
	wb_buf_appendf(ret, "],\"_count\":%zu}", c->database_count);
	*ret_count = c->database_count;
	wb_mutex_unlock(&c->lock);
	return outcome(200, NULL);
}

/* Where ranges of a new container with this name begin to be numbered. */
static uint32_t first_range(const struct wb_database *d, struct wb_slice definition)
{
	json_t *json = json_loadb(definition.data, definition.len, 0, NULL);
	const char *name = json_string_value(json_object_get(json, "id"));
	const struct wb_grave *grave = name ? find_grave(d, name) : NULL;
	uint32_t number = grave ? grave->next_range : 0;

	json_decref(json);
	return number;
}

struct wb_resource_result wb_catalog_container_create(
	struct wb_catalog *c, struct wb_slice database, struct wb_slice definition, uint32_t now_s, struct wb_buf *ret)
{
	struct wb_resource_result result = missing();
	struct wb_container *made = NULL, **end;
	struct wb_database *d;

	wb_mutex_lock(&c->lock);
	d = *find_database(c, database);
	if (d) {
		const struct wb_container_place place = { .database_name = d->name,
			.database_rid = d->rid,
			.database_number = d->number,
			.number = c->last_number + 1,
			.first_range = first_range(d, definition) };

		made = wb_container_new(&place, definition, c->range_count, c->budget, now_s, &result);
	}
	if (made && *(end = find_container(d, wb_slice_cstr(made->name)))) {
		result = outcome(409, "Resource with specified id or name already exists.");
	} else if (made && d->container_count == WB_CONTAINERS_MAX) {
		result = outcome(403, "The sandbox has no room for more containers.");
	} else if (made) {
		wb_container_render(made, ret);
		c->last_number++;
		d->container_count++;
		*end = made;
		made = NULL;
	}
	wb_mutex_unlock(&c->lock);
	wb_container_release(&made);
	return result;
}

static bool same_partition_key(const struct wb_container *a, const struct wb_container *b)
{
	return json_equal(
		json_object_get(a->definition, "partitionKey"), json_object_get(b->definition, "partitionKey"));
}

/* Makes the container that takes old's place. The caller holds old's structure for writing, so that no split gives
 * out another range number before the documents have moved. */
static struct wb_container *successor(struct wb_catalog *c, const struct wb_database *d, struct wb_container *old,
	const struct wb_recreation *how, uint32_t now_s, struct wb_resource_result *result)
{
	const struct wb_container_place place = { .database_name = d->name,
		.database_rid = d->rid,
		.database_number = d->number,
		.number = c->last_number + 1,
		.first_range = old->next_range < WB_RANGE_NUMBER_MAX ? old->next_range : 0,
		.missing_until_ms = how->missing_until_ms };
	char *definition = json_dumps(old->definition, JSON_COMPACT);
	struct wb_container *made = wb_container_new(&place,
		how->definition.data ? how->definition : wb_slice_cstr(definition), c->range_count, c->budget, now_s,
		result);

	free(definition);
	if (made && strcmp(made->name, old->name) != 0) {
		*result = outcome(400, "The definition has another id.");
		wb_container_release(&made);
	} else if (made && how->keep_documents &&
		(!same_partition_key(made, old) || made->first_range < old->next_range)) {
		*result = outcome(400, "Documents are kept only when the partition key stays.");
		wb_container_release(&made);
	}
	if (made && how->keep_documents)
		wb_container_move_documents(old, made);
	if (made)
		atomic_store(&old->deleted, true);
	return made;
}

struct wb_resource_result wb_catalog_container_recreate(struct wb_catalog *c, struct wb_slice database,
	struct wb_slice name, const struct wb_recreation *how, uint32_t now_s, struct wb_buf *ret)
{
	struct wb_resource_result result = missing();
	struct wb_container **link, *old, *made;
	struct wb_database *d;

	wb_mutex_lock(&c->lock);
	d = *find_database(c, database);
	link = d ? find_container(d, name) : NULL;
	if (link && *link) {
		old = *link;
		wb_rwlock_write(&old->structure);
		made = successor(c, d, old, how, now_s, &result);
		wb_rwlock_unlock(&old->structure);
		if (made) {
			wb_container_render(made, ret);
			c->last_number++;
			d->container_count++;
			made->next = old->next;
			old->next = made;
			drop_container(d, link);
		}
	}
	wb_mutex_unlock(&c->lock);
	return result;
}

struct wb_resource_result wb_catalog_container_read(
	struct wb_catalog *c, struct wb_slice database, struct wb_slice name, int64_t now_ms, struct wb_buf *ret)
{
	struct wb_container *held = wb_catalog_hold(c, database, name);
	struct wb_resource_result result;

	if (!held)
		return missing();
	if (now_ms < held->missing_until_ms) {
		wb_container_release(&held);
		return missing();
	}
	result = outcome(200, NULL);
	wb_etag_text(held->version, held->created_s, result.etag);
	wb_container_render(held, ret);
	wb_container_release(&held);
	return result;
}

struct wb_resource_result wb_catalog_container_delete(
	struct wb_catalog *c, struct wb_slice database, struct wb_slice name)
{
	struct wb_resource_result result = missing();
	struct wb_container **link;
	struct wb_database *d;

	wb_mutex_lock(&c->lock);
	d = *find_database(c, database);
	link = d ? find_container(d, name) : NULL;
	if (link && *link) {
		result = outcome(204, NULL);
		drop_container(d, link);
	}
	wb_mutex_unlock(&c->lock);
	return result;
}

struct wb_resource_result wb_catalog_container_list(
	struct wb_catalog *c, struct wb_slice database, size_t *ret_count, struct wb_buf *ret)
{
	struct wb_resource_result result = missing();
	struct wb_database *d;

	wb_mutex_lock(&c->lock);
	d = *find_database(c, database);
	if (d) {
		result = outcome(200, NULL);
		wb_buf_appendf(ret, "{\"_rid\":\"%s\",\"DocumentCollections\":[", d->rid);
		for (const struct wb_container *k = d->containers; k; k = k->next) {
			wb_container_render(k, ret);
			if (k->next)
				wb_buf_append_char(ret, ',');
		}
		wb_buf_appendf(ret, "],\"_count\":%zu}", d->container_count);
		*ret_count = d->container_count;
	}
	wb_mutex_unlock(&c->lock);
	return result;
}

struct wb_container *wb_catalog_hold(struct wb_catalog *c, struct wb_slice database, struct wb_slice name)
{
	struct wb_container *found = NULL;
	struct wb_database *d;

	wb_mutex_lock(&c->lock);
	d = *find_database(c, database);
	if (d)
		found = *find_container(d, name);
	if (found)
		wb_container_hold(found);
	wb_mutex_unlock(&c->lock);
	return found;
}

void wb_catalog_each(struct wb_catalog *c, void (*fn)(void *arg, struct wb_container *container), void *arg)
{
	wb_mutex_lock(&c->lock);
	for (struct wb_database *d = c->databases; d; d = d->next)
		for (struct wb_container *k = d->containers; k; k = k->next)
			fn(arg, k);
	wb_mutex_unlock(&c->lock);
}
