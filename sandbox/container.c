#include "sandbox/container.h"

#include "common/base/mem.h"
#include "common/base/strict.h"
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

/* The start of range i of n. All keys are from "" to "FF", whatever their version. */
static void border(enum wb_pk_kind kind, unsigned i, unsigned n, struct wb_epk *ret)
{
	*ret = (struct wb_epk){ .len = 0 };
	if (i == n)
		ret->bytes[ret->len++] = 0xff;
	else if (i > 0)
		wb_pk_border(kind, (UINT64_C(1) << 62) / n * i, ret);
}

struct wb_range *wb_range_new(struct wb_container *c, const struct wb_epk *min, const struct wb_epk *max)
{
	struct wb_range *r = wb_xcalloc(1, sizeof *r);

	r->number = c->next_range++;
	r->born = c->ranges_version;
	(void)snprintf(r->id, sizeof r->id, "%u", r->number); /* fits: 10 digits */
	r->min = *min;
	r->max = *max;
	wb_epk_text(min, r->min_text);
	wb_epk_text(max, r->max_text);
	wb_mutex_init(&r->lock);
	wb_store_init(&r->store, c->budget, r->number);
	wb_store_set_policies(&r->store, c->policies.default_ttl_s, &c->policies.unique);
	return r;
}

static void range_free(struct wb_range *r)
{
	wb_store_release(&r->store);
	wb_mutex_release(&r->lock);
	free(r->ancestors);
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

/* "Hash" without a version is version 1, and is shown without one; "MultiHash" has version 2 alone. false with a
 * sentence, or with none when memory is out. */
static bool read_kind(json_t *key, size_t path_count, enum wb_pk_kind *ret, const char **ret_why)
{
	json_t *version = json_object_get(key, "version");
	const char *kind = json_string_value(json_object_get(key, "kind"));
	int64_t number = version ? json_integer_value(version) : 0;

	if (version && number != 1 && number != 2) {
		*ret_why = "The version of a partition key definition is 1 or 2.";
		return false;
	}
	if (kind && strcmp(kind, "MultiHash") == 0) {
		*ret = WB_PK_MULTI_HASH;
		if (number != 1 && path_count <= WB_JSON_PATHS_MAX)
			return version || json_object_set_new(key, "version", json_integer(2)) == 0;
		*ret_why = "A MultiHash partition key has version 2 and at most three paths.";
		return false;
	}
	if ((kind && strcmp(kind, "Hash") != 0) || path_count != 1) {
		*ret_why = "A partition key is of kind Hash, with one path, or MultiHash.";
		return false;
	}
	*ret = number == 2 ? WB_PK_HASH_V2 : WB_PK_HASH_V1;
	return kind || json_object_set_new(key, "kind", json_string("Hash")) == 0;
}

/* {"paths":["/pk"],"kind":"Hash","version":2} */
static bool read_key(json_t *definition, struct wb_pk_definition *ret, struct wb_resource_result *result)
{
	json_t *key = json_object_get(definition, "partitionKey"), *path;
	json_t *paths = json_object_get(key, "paths");
	const char *why = NULL;
	size_t i;

	if (!json_is_array(paths) || json_array_size(paths) == 0) {
		refuse(result, 400, "The partition key definition must name a path.");
		return false;
	}
	if (!read_kind(key, json_array_size(paths), &ret->kind, &why)) {
		if (why)
			refuse(result, 400, why);
		return false;
	}
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
	for (unsigned i = 0; i < c->retired_count; i++)
		range_free(c->retired[i]);
	free(c->ranges);
	free(c->retired);
	wb_rwlock_release(&c->structure);
	wb_json_paths_release(&c->key.paths);
	wb_policies_release(&c->policies);
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

static void make_ranges(struct wb_container *c, unsigned count)
{
	struct wb_epk min, max;

	c->ranges = wb_xcalloc(WB_RANGES_MAX, sizeof(struct wb_range *));
	for (; c->range_count < count; c->range_count++) {
		border(c->key.kind, c->range_count, count, &min);
		border(c->key.kind, c->range_count + 1, count, &max);
		c->ranges[c->range_count] = wb_range_new(c, &min, &max);
	}
}

struct wb_container *wb_container_new(const struct wb_container_place *place, struct wb_slice definition,
	unsigned range_count, struct wb_store_budget *budget, uint32_t now_s, struct wb_resource_result *ret)
{
	struct wb_container *c = wb_xcalloc(1, sizeof *c);
	const char *name;

	refuse(ret, 400, "The request body is no valid container definition.");
	c->holders = 1;
	wb_rwlock_init(&c->structure);
	c->definition = json_loadb(definition.data, definition.len, 0, NULL);
	name = json_string_value(json_object_get(c->definition, "id"));
	if (!name || !wb_resource_name_valid(wb_slice_cstr(name)) || !read_key(c->definition, &c->key, ret) ||
		wb_policies_read(c->definition, &c->policies, &ret->why) || !set_defaults(c->definition)) {
		container_free(c);
		return NULL;
	}
	drop_system_members(c->definition);
	c->name = wb_xstrdup(name);
	c->database_name = wb_xstrdup(place->database_name);
	c->database_number = place->database_number;
	c->number = place->number;
	c->created_s = now_s;
	c->version = place->number;
	c->missing_until_ms = place->missing_until_ms;
	c->budget = budget;
	c->first_range = c->next_range = place->first_range;
	/* Versions of different containers never meet. */
	c->ranges_version = (uint64_t)place->number << 32 | 1;
	wb_rid_container(place->database_number, place->number, c->rid);
	(void)snprintf(
		c->self, sizeof c->self, "dbs/%s/colls/%s/", place->database_rid, c->rid); /* fits: fixed lengths */
	make_ranges(c, range_count);
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

static struct wb_range *find_by_id(struct wb_range *const *ranges, unsigned count, struct wb_slice id)
{
	const char *comma = memchr(id.data, ',', id.len);

	if (comma)
		id = wb_slice(comma + 1, id.len - (size_t)(comma + 1 - id.data));
	for (unsigned i = 0; i < count; i++)
		if (wb_slice_eq_cstr(id, ranges[i]->id))
			return ranges[i];
	return NULL;
}

struct wb_range *wb_container_range_by_id(const struct wb_container *c, struct wb_slice id)
{
	return find_by_id(c->ranges, c->range_count, id);
}

struct wb_range *wb_container_retired_by_id(const struct wb_container *c, struct wb_slice id)
{
	return find_by_id(c->retired, c->retired_count, id);
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

uint64_t wb_container_ranges_since(const struct wb_container *c, struct wb_slice etag)
{
	int64_t version;

	if (etag.len > 2 && etag.data[0] == '"' && etag.data[etag.len - 1] == '"')
		etag = wb_slice(etag.data + 1, etag.len - 2);
	if (wb_strict_int64(etag, 1, INT64_MAX, &version, NULL) || (uint64_t)version > c->ranges_version ||
		(uint64_t)version >> 32 != c->ranges_version >> 32)
		return 0;
	return (uint64_t)version;
}

static void render_range(const struct wb_container *c, const struct wb_range *r, struct wb_buf *ret)
{
	char rid[WB_RID_CHILD_SIZE], etag[WB_ETAG_SIZE];

	wb_rid_child(c->database_number, c->number, WB_RID_PARTITION_KEY_RANGE, (uint64_t)r->number + 1, rid);
	wb_etag_text(r->born, c->created_s, etag);
	wb_buf_appendf(ret, "{\"_rid\":\"%s\",\"id\":\"%s\",\"_etag\":\"\\\"%.*s\\\"\",", rid, r->id, WB_ETAG_SIZE - 3,
		etag + 1);
	wb_buf_appendf(ret, "\"minInclusive\":\"%s\",\"maxExclusive\":\"%s\",\"ridPrefix\":%u,", r->min_text,
		r->max_text, r->number);
	wb_buf_appendf(ret,
		"\"_self\":\"%spkranges/%s/\",\"throughputFraction\":%g,\"status\":\"online\",\"parents\":[", c->self,
		rid, 1.0 / c->range_count);
	for (unsigned i = 0; i < r->ancestor_count; i++)
		wb_buf_appendf(ret, "%s\"%u\"", i ? "," : "", r->ancestors[i]);
	wb_buf_appendf(ret, "],\"ownedArchivalPKRangeIds\":[],\"_ts\":%u,\"lsn\":%u}", c->created_s, (unsigned)r->born);
}

unsigned wb_container_render_ranges(const struct wb_container *c, uint64_t since, struct wb_buf *ret)
{
	unsigned count = 0;

	wb_buf_appendf(ret, "{\"_rid\":\"%s\",\"PartitionKeyRanges\":[", c->rid);
	for (unsigned i = 0; i < c->range_count; i++) {
		if (c->ranges[i]->born <= since)
			continue;
		if (count++)
			wb_buf_append_char(ret, ',');
		render_range(c, c->ranges[i], ret);
	}
	wb_buf_appendf(ret, "],\"_count\":%u}", count);
	return count;
}
