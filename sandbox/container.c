#include "sandbox/container.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdio.h>
#include <stdlib.h>

bool wb_resource_name_valid(struct wb_slice name)
{
	if (name.len == 0 || name.len > 255 || name.data[name.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (strchr("/\\?#", name.data[i])) /* also a zero byte */
			return false;
	return true;
}

/* The start of range i of n, in hex: the keys of hash version 2 have their two top bits clear. */
static void boundary_text(unsigned i, unsigned n, char *ret, size_t size)
{
	uint64_t step = (UINT64_C(1) << 62) / n;

	if (i == 0)
		(void)snprintf(ret, size, "%s", "");
	else if (i == n)
		(void)snprintf(ret, size, "FF");
	else
		(void)snprintf(ret, size, "%016llX0000000000000000", (unsigned long long)(step * i));
}

static struct wb_range *range_new(unsigned i, unsigned n, struct wb_store_budget *budget)
{
	struct wb_range *r = wb_xcalloc(1, sizeof *r);
	enum wb_err err;

	(void)snprintf(r->id, sizeof r->id, "%u", i); /* fits: i is small */
	boundary_text(i, n, r->min_text, sizeof r->min_text);
	boundary_text(i + 1, n, r->max_text, sizeof r->max_text);
	err = wb_epk_parse(wb_slice_cstr(r->min_text), &r->min);
	if (!err)
		err = wb_epk_parse(wb_slice_cstr(r->max_text), &r->max);
	if (err)
		abort(); /* our own hex */
	wb_mutex_init(&r->lock);
	wb_store_init(&r->store, budget, i);
	return r;
}

static void range_free(struct wb_range *r)
{
	wb_store_release(&r->store);
	wb_mutex_release(&r->lock);
	free(r);
}

/* Sets a member unless the client gave it. */
static bool set_default(json_t *definition, const char *name, json_t *value)
{
	if (json_object_get(definition, name)) {
		json_decref(value);
		return true;
	}
	return json_object_set_new(definition, name, value) == 0;
}

static bool set_defaults(json_t *definition)
{
	json_t *policy = json_pack("{s:s, s:b, s:[{s:s}], s:[{s:s}]}", "indexingMode", "consistent", "automatic", 1,
		"includedPaths", "path", "/*", "excludedPaths", "path", "/\"_etag\"/?");
	json_t *conflicts = json_pack("{s:s, s:s, s:s}", "mode", "LastWriterWins", "conflictResolutionPath", "/_ts",
		"conflictResolutionProcedure", "");

	return set_default(definition, "indexingPolicy", policy) &&
		set_default(definition, "conflictResolutionPolicy", conflicts) &&
		set_default(definition, "geospatialConfig", json_pack("{s:s}", "type", "Geography"));
}

static void refuse(struct wb_resource_result *ret, unsigned status, const char *why)
{
	ret->status = status;
	(void)wb_error_set(&ret->why, WB_EINVAL, "%s", why);
}

/* {"paths":["/pk"],"kind":"Hash","version":2} */
static bool read_key(json_t *definition, struct wb_pk_definition *ret, struct wb_resource_result *result)
{
	json_t *key = json_object_get(definition, "partitionKey"), *path;
	json_t *paths = json_object_get(key, "paths"), *version = json_object_get(key, "version");
	const char *kind = json_string_value(json_object_get(key, "kind"));
	size_t i;

	if (!json_is_array(paths) || json_array_size(paths) == 0) {
		refuse(result, 400, "The partition key definition must name a path.");
		return false;
	}
	if ((kind && strcmp(kind, "Hash") != 0) || json_array_size(paths) != 1) {
		refuse(result, 400, "The sandbox has hash partitioning by one path.");
		return false;
	}
	if (!version && json_object_set_new(key, "version", json_integer(2)))
		return false;
	if (!kind && json_object_set_new(key, "kind", json_string("Hash")))
		return false;
	if (json_integer_value(json_object_get(key, "version")) != 2) {
		refuse(result, 400, "The sandbox has partition keys of version 2.");
		return false;
	}
	ret->kind = WB_PK_HASH_V2;
	json_array_foreach(paths, i, path) {
		if (!json_is_string(path) ||
			wb_json_paths_add(&ret->paths, wb_slice_cstr(json_string_value(path)), &result->why)) {
			result->status = 400;
			return false;
		}
	}
	return true;
}

static void container_free(struct wb_container *c)
{
	for (unsigned i = 0; i < c->range_count; i++)
		range_free(c->ranges[i]);
	free(c->ranges);
	wb_json_paths_release(&c->key.paths);
	json_decref(c->definition);
	free(c->name);
	free(c->database_name);
	free(c);
}

static void drop_system_members(json_t *definition)
{
	static const char *const names[] = { "_rid", "_self", "_etag", "_ts", "_docs", "_sprocs", "_triggers", "_udfs",
		"_conflicts" };

	for (size_t i = 0; i < WB_ARRAY_LEN(names); i++)
		(void)json_object_del(definition, names[i]); /* fails only when it is not there */
}

struct wb_container *wb_container_new(const struct wb_container_place *place, struct wb_slice definition,
	unsigned range_count, struct wb_store_budget *budget, uint32_t now_s, struct wb_resource_result *ret)
{
	struct wb_container *c = wb_xcalloc(1, sizeof *c);
	const char *name;

	refuse(ret, 400, "The request body is no valid container definition.");
	c->holders = 1;
	c->definition = json_loadb(definition.data, definition.len, 0, NULL);
	name = json_string_value(json_object_get(c->definition, "id"));
	if (!name || !wb_resource_name_valid(wb_slice_cstr(name)) || !read_key(c->definition, &c->key, ret) ||
		!set_defaults(c->definition)) {
		container_free(c);
		return NULL;
	}
	drop_system_members(c->definition);
	c->name = wb_xstrdup(name);
	c->database_name = wb_xstrdup(place->database_name);
	c->database_number = place->database_number;
	c->number = place->number;
	c->created_s = now_s;
	c->version = c->ranges_version = place->number;
	wb_rid_container(place->database_number, place->number, c->rid);
	(void)snprintf(
		c->self, sizeof c->self, "dbs/%s/colls/%s/", place->database_rid, c->rid); /* fits: fixed lengths */
	c->ranges = wb_xcalloc(range_count, sizeof(struct wb_range *));
	for (; c->range_count < range_count; c->range_count++)
		c->ranges[c->range_count] = range_new(c->range_count, range_count, budget);
	ret->status = 201;
	wb_etag_text(c->version, c->created_s, ret->etag);
	return c;
}

void wb_container_hold(struct wb_container *c)
{
	atomic_fetch_add(&c->holders, 1);
}

void wb_container_release(struct wb_container **c)
{
	if (*c && atomic_fetch_sub(&(*c)->holders, 1) == 1)
		container_free(*c);
	*c = NULL;
}

struct wb_range *wb_container_range_of(const struct wb_container *c, const struct wb_epk *epk)
{
	unsigned low = 0, high = c->range_count - 1;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (wb_epk_compare(epk, &c->ranges[middle]->max) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return c->ranges[low];
}

struct wb_range *wb_container_range_by_id(const struct wb_container *c, struct wb_slice id)
{
	const char *comma = memchr(id.data, ',', id.len);

	if (comma)
		id = wb_slice(comma + 1, id.len - (size_t)(comma + 1 - id.data));
	for (unsigned i = 0; i < c->range_count; i++)
		if (wb_slice_eq_cstr(id, c->ranges[i]->id))
			return c->ranges[i];
	return NULL;
}

bool wb_range_contains(const struct wb_range *r, const struct wb_epk *epk)
{
	return wb_epk_compare(epk, &r->min) >= 0 && wb_epk_compare(epk, &r->max) < 0;
}

void wb_range_count(struct wb_range *r, enum wb_operation operation, unsigned status, double charge)
{
	unsigned i = 0;

	while (i < WB_STATUS_KINDS - 1 && r->counts.status[i] != status && r->counts.status[i] != 0)
		i++;
	if (i < WB_STATUS_KINDS - 1)
		r->counts.status[i] = (uint16_t)status;
	r->counts.count[operation][i]++;
	r->charged += charge;
}

void wb_container_render(const struct wb_container *c, struct wb_buf *ret)
{
	char *text = json_dumps(c->definition, JSON_COMPACT | JSON_PRESERVE_ORDER), etag[WB_ETAG_SIZE];

	wb_etag_text(c->version, c->created_s, etag);
	if (text && strlen(text) > 1)
		wb_buf_append(ret, text, strlen(text) - 1);
	free(text);
	wb_buf_appendf(ret, ",\"_rid\":\"%s\",\"_ts\":%u,\"_self\":\"%s\",\"_etag\":\"\\\"%.*s\\\"\"", c->rid,
		c->created_s, c->self, WB_ETAG_SIZE - 3, etag + 1);
	wb_buf_append_cstr(ret,
		",\"_docs\":\"docs/\",\"_sprocs\":\"sprocs/\",\"_triggers\":\"triggers/\",\"_udfs\":\"udfs/\","
		"\"_conflicts\":\"conflicts/\"}");
}

void wb_container_ranges_etag(const struct wb_container *c, char ret[WB_ETAG_SIZE])
{
	(void)snprintf(ret, WB_ETAG_SIZE, "\"%llu\"", (unsigned long long)c->ranges_version); /* fits: 20 digits */
}

void wb_container_render_ranges(const struct wb_container *c, struct wb_buf *ret)
{
	wb_buf_appendf(ret, "{\"_rid\":\"%s\",\"PartitionKeyRanges\":[", c->rid);
	for (unsigned i = 0; i < c->range_count; i++) {
		const struct wb_range *r = c->ranges[i];
		char rid[WB_RID_CHILD_SIZE], etag[WB_ETAG_SIZE];

		wb_rid_child(c->database_number, c->number, WB_RID_PARTITION_KEY_RANGE, i + 1, rid);
		wb_etag_text(c->ranges_version, c->created_s, etag);
		wb_buf_appendf(ret, "%s{\"_rid\":\"%s\",\"id\":\"%s\",\"_etag\":\"\\\"%.*s\\\"\",", i ? "," : "", rid,
			r->id, WB_ETAG_SIZE - 3, etag + 1);
		wb_buf_appendf(ret, "\"minInclusive\":\"%s\",\"maxExclusive\":\"%s\",\"ridPrefix\":%u,", r->min_text,
			r->max_text, i);
		wb_buf_appendf(ret, "\"_self\":\"%spkranges/%s/\",\"throughputFraction\":%g,\"status\":\"online\",",
			c->self, rid, 1.0 / c->range_count);
		wb_buf_appendf(
			ret, "\"parents\":[],\"ownedArchivalPKRangeIds\":[],\"_ts\":%u,\"lsn\":1}", c->created_s);
	}
	wb_buf_appendf(ret, "],\"_count\":%u}", c->range_count);
}
