#include "consumer/metadata_load.h"

#include "consumer/bulk.h"

#include <jansson.h>
#include <stdlib.h>

#define PAGES_MAX      1000
#define PAGE_BYTES_MAX WB_REPLY_BYTES_MAX
/* An id that nobody's document has; a Read of it costs one request unit and changes nothing. */
#define PROBE_ID "writebehind-probe-8c1f0f5e"

struct answer {
	bool done;
	int status, substatus;
	char etag[128];
	bool own_word; /* has an activity id, as all that Cosmos DB says */
	struct wb_buf body;
	struct wb_error why; /* when status is 0 */
};

static void take_answer(void *arg, const struct wb_reply *reply)
{
	struct answer *a = arg;

	a->done = true;
	a->status = reply->status;
	a->substatus = reply->substatus;
	memcpy(a->etag, reply->etag, sizeof a->etag);
	a->own_word = reply->activity_id[0] != '\0';
	wb_buf_append_slice(&a->body, reply->body);
	if (reply->error)
		(void)wb_error_set(&a->why, WB_EIO, "%s", reply->error);
}

static void answer_release(struct answer *a)
{
	wb_buf_release(&a->body);
}

static enum wb_err ask(
	struct wb_metadata_source *s, const struct wb_request *request, struct answer *ret, struct wb_error *e)
{
	*ret = (struct answer){ .done = false };
	wb_buf_init(&ret->body, PAGE_BYTES_MAX);
	wb_transport_send(s->transport, request, take_answer, ret);
	while (!ret->done) {
		if (atomic_load(s->stop))
			return wb_error_set(e, WB_ECLOSED, "stopping");
		wb_transport_run(s->transport, 60000);
	}
	s->no_reply = ret->status == 0;
	if (ret->status == 403 && (ret->substatus == 3 || ret->substatus == 1008))
		s->moved = true;
	if (ret->status == 0)
		return wb_error_set(e, WB_EIO, "%s", ret->why.text);
	return WB_OK;
}

/* What a status means to the person who reads the log. 404 with 1002 is a replica that lags behind. */
static enum wb_err refused(const struct answer *a, const char *what, struct wb_error *e)
{
	bool missing = a->status == 404 && a->substatus != 1002;
	bool believed = missing && a->own_word;
	const char *hint = believed ? ": the database or container does not exist"
		: missing           ? ": not by Cosmos DB, as it has no activity id"
		: a->status == 401  ? ": the key is not the account's"
		: a->status == 403  ? ": not allowed (firewall, or a clock that is wrong)"
				    : "";

	return wb_error_set(
		e, believed ? WB_ENOTFOUND : WB_EIO, "%s answered %d/%d%s", what, a->status, a->substatus, hint);
}

static enum wb_err read_paths(const json_t *paths, struct wb_pk_definition *ret, struct wb_error *e)
{
	const json_t *path;
	size_t i;

	json_array_foreach(paths, i, path) {
		struct wb_slice text = wb_slice(json_string_value(path), json_string_length(path));
		enum wb_err err;

		if (!text.data)
			return wb_error_set(e, WB_EIO, "the container's partition key path is no string");
		err = wb_json_paths_add(&ret->paths, text, e);
		if (err != WB_OK)
			return err;
	}
	if (ret->paths.count == 0)
		return wb_error_set(e, WB_EUNSUPPORTED, "the container has no partition key");
	return WB_OK;
}

/* "Hash" with version 2, or with version 1 or none; "MultiHash" has version 2 always. */
static enum wb_err read_kind(const json_t *key, enum wb_pk_kind *ret, struct wb_error *e)
{
	const char *kind = json_string_value(json_object_get(key, "kind"));
	const json_t *given = json_object_get(key, "version");
	json_int_t version = given && !json_is_null(given) ? json_integer_value(given) : 1;

	if (kind && strcmp(kind, "Hash") == 0 && (version == 1 || version == 2))
		*ret = version == 1 ? WB_PK_HASH_V1 : WB_PK_HASH_V2;
	else if (kind && strcmp(kind, "MultiHash") == 0 && version == 2)
		*ret = WB_PK_MULTI_HASH;
	else
		return wb_error_set(e, WB_EUNSUPPORTED,
			"the container's partition key is of kind %.32s version %lld; Hash of versions 1 and 2 and "
			"MultiHash of version 2 are handled",
			kind ? kind : "(none)", (long long)version);
	return WB_OK;
}

/* {"_rid":"…","partitionKey":{"paths":["/pk"],"kind":"Hash","version":2}} */
static enum wb_err read_definition(struct wb_slice body, struct wb_container_description *ret, struct wb_error *e)
{
	json_t *root = json_loadb(body.data ? body.data : "", body.len, 0, NULL);
	const json_t *key = json_object_get(root, "partitionKey");
	const char *rid = json_string_value(json_object_get(root, "_rid"));
	struct wb_container_description found = { .rid = "" };
	enum wb_err err;

	if (!json_is_object(key))
		err = wb_error_set(e, WB_EIO, "the container's description has no partitionKey");
	else
		err = read_kind(key, &found.definition.kind, e);
	if (err == WB_OK)
		err = read_paths(json_object_get(key, "paths"), &found.definition, e);
	if (rid && strlen(rid) < sizeof found.rid)
		memcpy(found.rid, rid, strlen(rid) + 1);
	json_decref(root);
	if (err != WB_OK) {
		wb_json_paths_release(&found.definition.paths);
		return err;
	}
	*ret = found;
	return WB_OK;
}

enum wb_err wb_metadata_load_definition(
	struct wb_metadata_source *s, struct wb_container_description *ret, struct wb_error *e)
{
	struct wb_request request = {
		.verb = "GET", .path = s->container_path, .type = "colls", .link = wb_slice_cstr(s->link)
	};
	struct answer a;
	enum wb_err err = ask(s, &request, &a, e);

	if (err == WB_OK)
		err = a.status == 200 ? read_definition(wb_buf_slice(&a.body), ret, e)
				      : refused(&a, "reading the container", e);
	answer_release(&a);
	return err;
}

struct pages {
	struct wb_buf body[PAGES_MAX];
	struct wb_slice text[PAGES_MAX];
	size_t count;
	char etag[128];
};

static bool page_is_empty(struct wb_slice body)
{
	json_t *root = json_loadb(body.data, body.len, 0, NULL);
	bool empty = json_array_size(json_object_get(root, "PartitionKeyRanges")) == 0;

	json_decref(root);
	return empty;
}

/* One page more; *ret_last when it is the end: 304, or, from servers that know no 304, a page that says nothing new. */
static enum wb_err next_page(struct wb_metadata_source *s, struct pages *pages, bool *ret_last, struct wb_error *e)
{
	char if_none_match[160];
	const char *headers[] = { "A-IM: Incremental Feed", "x-ms-max-item-count: -1", NULL, NULL };
	struct wb_request request = { .verb = "GET",
		.path = s->ranges_path,
		.type = "pkranges",
		.link = wb_slice_cstr(s->link),
		.headers = headers };
	struct answer a;
	enum wb_err err;

	if (pages->etag[0]) {
		(void)snprintf(if_none_match, sizeof if_none_match, "If-None-Match: %s", pages->etag); /* it fits */
		headers[2] = if_none_match;
	}
	err = ask(s, &request, &a, e);
	if (err == WB_OK && a.status != 304) {
		struct wb_slice body = wb_buf_slice(&a.body);

		if (a.status != 200) {
			err = refused(&a, "reading the partition key ranges", e);
		} else if (pages->count > 0 &&
			(strcmp(a.etag, pages->etag) == 0 || page_is_empty(body) ||
				wb_slice_eq(body, pages->text[pages->count - 1]))) {
			*ret_last = true;
		} else {
			pages->body[pages->count] = a.body;
			pages->text[pages->count++] = body;
			memcpy(pages->etag, a.etag, sizeof pages->etag);
			*ret_last = !a.etag[0];
			return WB_OK; /* the page keeps the body */
		}
	} else if (err == WB_OK) {
		*ret_last = true;
	}
	answer_release(&a);
	return err;
}

enum wb_err wb_metadata_load_ranges(struct wb_metadata_source *s, struct wb_range_map **ret, struct wb_error *e)
{
	struct pages *pages = calloc(1, sizeof *pages);
	struct wb_range_map *map = NULL;
	enum wb_err err = pages ? WB_OK : wb_error_set(e, WB_ENOMEM, "no memory for the partition key ranges");
	bool last = false;

	while (err == WB_OK && !last && pages->count < PAGES_MAX)
		err = next_page(s, pages, &last, e);
	if (err == WB_OK) {
		map = wb_range_map_parse(pages->text, pages->count, e);
		if (map)
			*ret = map;
		else
			err = WB_EIO;
	}
	for (size_t i = 0; pages && i < pages->count; i++)
		wb_buf_release(&pages->body[i]);
	free(pages);
	return err;
}

/* A key with as many components as the container's paths, and the range that it belongs to. */
static const char *probe_range(
	const struct wb_pk_definition *definition, const struct wb_range_map *ranges, struct wb_buf *pk_text)
{
	struct wb_pk pk = { .count = definition->paths.count };
	struct wb_epk epk;

	for (unsigned i = 0; i < pk.count; i++) {
		pk.component[i].type = WB_PK_STRING;
		pk.component[i].string = wb_slice_cstr(PROBE_ID);
	}
	wb_pk_text(&pk, pk_text);
	wb_pk_hash(definition->kind, &pk, &epk);
	return wb_range_map_at(ranges, wb_range_map_find(ranges, &epk))->id;
}

/* Statuses that say nothing about bulk: the service is away, busy or does not know us. */
static bool inconclusive(int status)
{
	return (status >= 300 && status < 400) || status == 401 || status == 403 || status == 404 || status == 407 ||
		status == 408 || status == 410 || status == 429 || status == 449 || status == 502 || status == 503 ||
		status == 504;
}

/* The array itself is refused, by a server that takes documents only. */
static bool refuses_bulk(int status)
{
	return status == 400 || status == 415 || status == 501;
}

static enum wb_err judge_probe(const struct answer *a, bool *ret, struct wb_error *e)
{
	struct wb_operation_reply operation;
	bool bulk = (a->status == 200 || a->status == 207) &&
		wb_bulk_reply_parse(wb_buf_slice(&a->body), &operation, 1, NULL) == WB_OK;

	if (inconclusive(a->status))
		return refused(a, "the probe for bulk", e);
	if (!bulk && !refuses_bulk(a->status))
		return wb_error_set(e, WB_EUNSUPPORTED, "the probe for bulk answered %d", a->status);
	*ret = bulk;
	return WB_OK;
}

enum wb_err wb_metadata_probe_bulk(struct wb_metadata_source *s, const struct wb_pk_definition *definition,
	const struct wb_range_map *ranges, bool *ret, struct wb_error *e)
{
	char range_header[WB_RANGE_ID_SIZE + 64];
	const char *headers[] = { WB_BULK_HEADERS, range_header, NULL };
	struct wb_request request = {
		.verb = "POST", .path = s->docs_path, .type = "docs", .link = wb_slice_cstr(s->link), .headers = headers
	};
	struct wb_buf pk_text, body;
	struct answer a;
	enum wb_err err;

	wb_buf_init(&pk_text, 4096);
	wb_buf_init(&body, 16384);
	(void)snprintf(range_header, sizeof range_header, WB_BULK_RANGE_HEADER "%s",
		probe_range(definition, ranges, &pk_text)); /* it fits: ids are shorter */
	wb_bulk_probe(&body, wb_slice_cstr(PROBE_ID), wb_buf_slice(&pk_text));
	request.body = wb_buf_slice(&body);
	err = ask(s, &request, &a, e);
	if (err == WB_OK)
		err = judge_probe(&a, ret, e);
	answer_release(&a);
	wb_buf_release(&pk_text);
	wb_buf_release(&body);
	return err;
}

enum wb_err wb_metadata_load_account(
	struct wb_metadata_source *s, const char *endpoint, struct wb_buf *ret, struct wb_error *e)
{
	/* Signed with an empty type and link. */
	struct wb_request request = {
		.verb = "GET", .path = "/", .type = "", .link = wb_slice_cstr(""), .endpoint = endpoint
	};
	struct answer a;
	enum wb_err err = ask(s, &request, &a, e);

	if (err == WB_OK && a.status != 200) {
		err = wb_error_set(e, WB_EIO, "reading the account answered %d/%d", a.status, a.substatus);
	} else if (err == WB_OK) {
		json_t *root = json_loadb(a.body.data ? a.body.data : "", a.body.len, 0, NULL);
		const json_t *first = json_array_get(json_object_get(root, "writableLocations"), 0);
		const char *found = json_string_value(json_object_get(first, "databaseAccountEndpoint"));

		if (found)
			wb_buf_append_cstr(ret, found);
		else
			err = wb_error_set(e, WB_EIO, "the account names no writable location");
		json_decref(root);
	}
	answer_release(&a);
	return err;
}
