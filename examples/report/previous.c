#include "examples/report/previous.h"

#include "common/base/clock.h"
#include "common/base/strict.h"
#include "examples/report/client.h"

#include <stdio.h>
#include <time.h>

#define PAGE_BYTES_MAX   (64 * 1024 * 1024)
#define TRIES_MAX        30
#define RETRY_DEFAULT_MS 100
#define RETRY_MAX_MS     5000

static void sleep_ms(int64_t ms)
{
	(void)nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* One signed GET below the container, sent once: type is "docs" or "pkranges". */
static enum wb_err get_once(const struct previous_source *s, const char *type, const char *extra1, const char *extra2,
	struct client_reply *reply, struct wb_error *e)
{
	char url[1024], link[600], date[WB_CLOCK_RFC1123_SIZE], date_line[64];
	WB_CLEANUP(wb_buf_release) struct wb_buf auth = { 0 };
	const char *headers[] = { NULL, date_line, "x-ms-version: 2020-07-15", "accept: application/json", extra1,
		extra1 ? extra2 : NULL, NULL };
	struct client_request request = { .verb = "GET", .url = url, .headers = headers };

	if (snprintf(link, sizeof link, "dbs/%s/colls/%s", s->database, s->container) >= (int)sizeof link ||
		snprintf(url, sizeof url, "%s/%s/%s", s->endpoint, link, type) >= (int)sizeof url)
		return wb_error_set(e, WB_EINVAL, "endpoint, database or container name too long");
	wb_clock_rfc1123(wb_clock_wall_ms(), date);
	(void)snprintf(date_line, sizeof date_line, "x-ms-date: %s", date);
	wb_buf_init(&auth, 1024);
	wb_buf_append_cstr(&auth, "authorization: ");
	wb_cosmos_sign(
		&s->key, wb_slice_cstr("get"), wb_slice_cstr(type), wb_slice_cstr(link), wb_slice_cstr(date), &auth);
	if (wb_buf_status(&auth) != WB_OK)
		return wb_error_set(e, WB_ETOOBIG, "authorization header too long");
	headers[0] = auth.data;
	return client_exchange(&request, reply, e);
}

/* Sent again as long as the service says that it is busy (429), as late as it asks for. */
static enum wb_err get(const struct previous_source *s, const char *type, const char *extra1, const char *extra2,
	struct client_reply *reply, struct wb_error *e)
{
	enum wb_err err = WB_OK;

	for (int i = 0; i < TRIES_MAX; i++) {
		int64_t wait_ms = RETRY_DEFAULT_MS;

		err = get_once(s, type, extra1, extra2, reply, e);
		if (err != WB_OK || reply->status == 200 || reply->status == 304)
			return err;
		if (reply->status != 429)
			break;
		if (wb_strict_int64(wb_slice_cstr(reply->retry_after_ms), 0, RETRY_MAX_MS, &wait_ms, NULL) != WB_OK)
			wait_ms = RETRY_DEFAULT_MS;
		sleep_ms(wait_ms);
	}
	return wb_error_set(
		e, WB_EIO, "reading %s of %s/%s: status %ld", type, s->database, s->container, reply->status);
}

static enum wb_err add_documents(struct wb_slice page, json_t *all, size_t *ret_count, struct wb_error *e)
{
	json_error_t problem;
	json_t *feed = json_loadb(page.data, page.len, 0, &problem), *document;
	json_t *documents = json_object_get(feed, "Documents");
	enum wb_err err = WB_OK;
	size_t i;

	if (!json_is_array(documents))
		err = wb_error_set(e, WB_EINVAL, "the read feed's page has no \"Documents\"");
	*ret_count = json_array_size(documents);
	json_array_foreach(documents, i, document) {
		const char *id = json_string_value(json_object_get(document, "id"));

		if (err == WB_OK && (!id || json_object_set(all, id, document) != 0))
			err = wb_error_set(e, WB_EINVAL, "a document of the read feed has no id");
	}
	json_decref(feed);
	return err;
}

static enum wb_err read_range(const struct previous_source *s, const char *range_id, json_t *all,
	struct client_reply *reply, struct wb_error *e)
{
	char range_line[128], continuation_line[sizeof reply->continuation + 32] = "";
	enum wb_err err;
	size_t count;

	(void)snprintf(range_line, sizeof range_line, "x-ms-documentdb-partitionkeyrangeid: %s", range_id);
	do {
		err = get(s, "docs", range_line, *continuation_line ? continuation_line : NULL, reply, e);
		if (err == WB_OK && reply->status == 200)
			err = add_documents(wb_buf_slice(&reply->body), all, &count, e);
		(void)snprintf(
			continuation_line, sizeof continuation_line, "x-ms-continuation: %s", reply->continuation);
	} while (err == WB_OK && *reply->continuation);
	return err;
}

/* Ids of the ranges that are in force: those that no other range names as its parent. */
static enum wb_err read_ranges(
	const struct previous_source *s, struct client_reply *reply, json_t **ret, struct wb_error *e)
{
	json_t *page, *ranges, *range, *parent, *ids;
	size_t i, j;
	enum wb_err err = get(s, "pkranges", NULL, NULL, reply, e);

	if (err != WB_OK)
		return err;
	page = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, 0, NULL);
	ranges = json_object_get(page, "PartitionKeyRanges");
	ids = json_object();
	json_array_foreach(ranges, i, range)
		(void)json_object_set_new(ids, json_string_value(json_object_get(range, "id")), json_true());
	json_array_foreach(ranges, i, range)
		json_array_foreach(json_object_get(range, "parents"), j, parent)
			(void)json_object_del(ids, json_string_value(parent));
	json_decref(page);
	if (json_object_size(ids) == 0) {
		json_decref(ids);
		return wb_error_set(e, WB_EINVAL, "the container has no partition key ranges");
	}
	*ret = ids;
	return WB_OK;
}

enum wb_err previous_read(const struct previous_source *source, json_t **ret, struct wb_error *e)
{
	struct client_reply reply = { 0 };
	json_t *all = json_object(), *ids = NULL, *unused;
	const char *id;
	enum wb_err err;

	wb_buf_init(&reply.body, PAGE_BYTES_MAX);
	err = read_ranges(source, &reply, &ids, e);
	json_object_foreach(ids, id, unused)
		if (err == WB_OK)
			err = read_range(source, id, all, &reply, e);
	json_decref(ids);
	wb_buf_release(&reply.body);
	if (err == WB_OK)
		*ret = all;
	else
		json_decref(all);
	return err;
}
