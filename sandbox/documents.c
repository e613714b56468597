#include "sandbox/documents.h"

#include "common/base/thread.h"
#include "sandbox/condition.h"
#include "sandbox/member.h"

#include <assert.h>

#define SCRATCH_MAX (256 * 1024)
/* A patched document is let grow beyond the limit, and judged then. */
#define PATCHED_MAX (WB_DOCUMENT_SIZE_MAX + 1024 * 1024)

void wb_document_scratch_init(struct wb_buf *scratch)
{
	wb_buf_init(scratch, SCRATCH_MAX);
}

/* All of it is reserved at once, so that decoded strings never move. */
enum wb_err wb_document_scratch_clear(struct wb_buf *scratch)
{
	wb_buf_clear(scratch);
	return wb_buf_reserve(scratch, SCRATCH_MAX - 1) ? WB_OK : WB_ENOMEM;
}

static void fail(struct wb_document_result *r, unsigned status, unsigned substatus, const char *why)
{
	r->status = status;
	r->substatus = substatus;
	if (why)
		(void)wb_error_set(&r->why, WB_EINVAL, "%s", why);
}

static bool same_component(const struct wb_pk_component *a, const struct wb_pk_component *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == WB_PK_NUMBER)
		return memcmp(&a->number, &b->number, sizeof a->number) == 0;
	return a->type != WB_PK_STRING || wb_slice_eq(a->string, b->string);
}

static bool same_key(const struct wb_pk *a, const struct wb_pk *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (!same_component(&a->component[i], &b->component[i]))
			return false;
	return true;
}

static bool is_write_of_body(enum wb_operation operation)
{
	return operation == WB_OPERATION_CREATE || operation == WB_OPERATION_UPSERT ||
		operation == WB_OPERATION_REPLACE;
}

/* The item's id, by the rules of the service; false when the request cannot stand. */
static bool judge_body(const struct wb_container *c, const struct wb_document_request *q, struct wb_buf *scratch,
	struct wb_slice *ret_id, struct wb_document_result *ret)
{
	struct wb_document document;
	enum wb_reason reason = wb_document_judge(q->found, c->key.paths.count, scratch, &document, &ret->why);

	if (reason) {
		fail(ret, reason == WB_REASON_TOO_LARGE ? 413 : 400, 0, NULL);
		return false;
	}
	if (!same_key(&document.pk, q->stated)) {
		fail(ret, 400, WB_SUBSTATUS_PARTITION_KEY_MISMATCH,
			"PartitionKey extracted from document doesn't match the one specified in the header.");
		return false;
	}
	if ((q->operation == WB_OPERATION_REPLACE || q->operation == WB_OPERATION_PATCH) && q->id.data &&
		!wb_slice_eq(document.id, q->id)) {
		fail(ret, 400, 0, "The id of the document differs from the one that the request names.");
		return false;
	}
	*ret_id = document.id;
	return true;
}

/* An etag of a condition names the item's version, with or without its quotes; "*" names any. */
static bool etag_names(struct wb_slice condition, const struct wb_item *item)
{
	char etag[WB_ETAG_SIZE];

	if (wb_slice_eq_cstr(condition, "*"))
		return true;
	wb_etag_text(item->version, item->written_s, etag);
	return wb_slice_eq_cstr(condition, etag) || wb_slice_eq(condition, wb_slice(etag + 1, WB_ETAG_SIZE - 3));
}

/* Whether the operation may run on what is there: 0, or the status that refuses it. */
static unsigned judge_conditions(const struct wb_document_request *q, const struct wb_item *item)
{
	bool needs_item = q->operation != WB_OPERATION_CREATE && q->operation != WB_OPERATION_UPSERT;

	if (needs_item && !item)
		return 404;
	if (q->operation == WB_OPERATION_CREATE && item)
		return 409;
	if (q->if_match.data && item && q->operation != WB_OPERATION_READ && !etag_names(q->if_match, item))
		return 412;
	if (q->if_none_match.data && item && etag_names(q->if_none_match, item))
		return q->operation == WB_OPERATION_READ ? 304 : 412;
	return 0;
}

static const char *why_of(unsigned status)
{
	switch (status) {
	case 404:
		return "Entity with the specified id does not exist in the system.";
	case 409:
		return "Entity with the specified id already exists in the system.";
	case 412:
		return "Operation cannot be performed because one of the specified precondition is not met.";
	default:
		return NULL;
	}
}

static void set_etag(struct wb_document_result *ret, const struct wb_item *item)
{
	wb_etag_text(item->version, item->written_s, ret->etag);
}

/* The range's lock is held: the journal's order is that of effect. item: NULL when it is gone. */
static void write_journal(const struct wb_container *c, const struct wb_document_request *q,
	const struct wb_item_key *key, const struct wb_item *item, struct wb_document_now now,
	const struct wb_document_result *result)
{
	const struct wb_journal_entry entry = { .operation = q->operation,
		.status = result->status,
		.database = wb_slice_cstr(c->database_name),
		.container = wb_slice_cstr(c->name),
		.id = key->id,
		.pk = key->pk,
		.etag = wb_slice_cstr(item ? result->etag : NULL),
		.client = q->client,
		.document = item ? wb_item_body(item) : wb_slice(NULL, 0),
		.at_ms = now.wall_ms };

	wb_journal_append(q->journal, &entry);
}

/* The time to live that a document names itself, if it does; false with 400 when it is none. */
static bool read_ttl(struct wb_slice body, int32_t *ret_ttl_s, struct wb_document_result *ret)
{
	static const struct wb_slice name = WB_SLICE_LIT("ttl");
	struct wb_json_value value;
	double seconds;

	*ret_ttl_s = WB_STORE_TTL_DEFAULT;
	if (!memmem(body.data, body.len, "\"ttl\"", 5) && !memmem(body.data, body.len, "\\u", 2))
		return true;
	value = wb_member_at(body, &name, 1);
	if (value.type == WB_JSON_ABSENT || value.type == WB_JSON_NULL)
		return true;
	seconds = value.type == WB_JSON_NUMBER ? wb_json_number(value.raw) : 0;
	if (seconds != -1 && !(seconds >= 1 && seconds <= INT32_MAX && seconds == (double)(int32_t)seconds)) {
		fail(ret, 400, 0, "The input ttl is invalid. Ensure to provide a nonzero positive integer or -1.");
		return false;
	}
	*ret_ttl_s = (int32_t)seconds;
	return true;
}

static void write_item(struct wb_container *c, struct wb_range *range, const struct wb_document_request *q,
	const struct wb_item_key *key, const struct wb_item *before, struct wb_document_now now, struct wb_buf *body,
	struct wb_document_result *ret)
{
	int32_t ttl_s = WB_STORE_TTL_DEFAULT;
	struct wb_item *item;

	if (range->store.default_ttl_s != WB_STORE_TTL_OFF && !read_ttl(q->found->raw, &ttl_s, ret))
		return;
	if (wb_store_conflicts(&range->store, key, q->found->raw)) {
		fail(ret, 409, 0, "Unique index constraint violation.");
		return;
	}
	if (wb_store_put(&range->store, key, q->found->raw, now.wall_s, &item)) {
		fail(ret, 507, 0, "The sandbox holds store.max.bytes of documents already.");
		return;
	}
	if (ttl_s != WB_STORE_TTL_DEFAULT)
		wb_store_set_ttl(&range->store, item, ttl_s);
	ret->status = before && q->operation != WB_OPERATION_CREATE ? 200 : 201;
	set_etag(ret, item);
	if (q->journal)
		write_journal(c, q, key, item, now, ret);
	if (body)
		wb_document_render(c, item, body);
}

/* A condition sees the document as it is shown, with its system properties. */
static bool condition_holds(const struct wb_container *c, const struct wb_patch *patch, const struct wb_item *item,
	struct wb_document_result *ret)
{
	struct wb_buf shown;
	bool holds = false;

	if (!patch->condition.data)
		return true;
	wb_buf_init(&shown, PATCHED_MAX);
	wb_document_render(c, item, &shown);
	if (wb_condition_judge(patch->condition, wb_buf_slice(&shown), &holds, &ret->why))
		fail(ret, 400, 0, NULL);
	else if (!holds)
		fail(ret, 412, 0, why_of(412));
	wb_buf_release(&shown);
	return holds;
}

/* Writes anew what the patch makes of the item. */
static void patch_item(struct wb_container *c, struct wb_range *range, const struct wb_document_request *q,
	const struct wb_item_key *key, const struct wb_item *item, struct wb_document_now now, struct wb_buf *scratch,
	struct wb_buf *body, struct wb_document_result *ret)
{
	struct wb_document_request written = *q;
	struct wb_json_document found;
	struct wb_json_error where;
	struct wb_buf text;
	struct wb_slice id;
	enum wb_err err;

	if (!condition_holds(c, q->patch, item, ret))
		return;
	wb_buf_init(&text, PATCHED_MAX);
	err = wb_patch_apply(q->patch, wb_item_body(item), &text, &ret->why);
	written.found = &found;
	if (err)
		fail(ret, err == WB_ETOOBIG ? 413 : 400, 0, NULL);
	else if (wb_json_scan_document(wb_buf_slice(&text), &c->key.paths, &found, &where))
		fail(ret, 400, 0, "The patched document is none that could be stored.");
	else if (judge_body(c, &written, scratch, &id, ret))
		write_item(c, range, &written, key, item, now, body, ret);
	wb_buf_release(&text);
}

/* Carries out what no rule refuses; the range's lock is held. */
static void apply_locked(struct wb_container *c, struct wb_range *range, const struct wb_document_request *q,
	const struct wb_item_key *key, struct wb_document_now now, struct wb_buf *scratch, struct wb_buf *body,
	struct wb_document_result *ret)
{
	struct wb_item *item = wb_store_find(&range->store, key);
	size_t bytes = q->found ? q->found->raw.len : item ? item->body_len : 0;
	unsigned status = judge_conditions(q, item);

	if (status) {
		fail(ret, status, 0, why_of(status));
		if (status == 304)
			set_etag(ret, item);
	} else if (is_write_of_body(q->operation)) {
		write_item(c, range, q, key, item, now, body, ret);
	} else if (q->operation == WB_OPERATION_PATCH) {
		patch_item(c, range, q, key, item, now, scratch, body, ret);
	} else if (q->operation == WB_OPERATION_READ) {
		ret->status = 200;
		set_etag(ret, item);
		if (body)
			wb_document_render(c, item, body);
	} else {
		ret->status = 204;
		(void)wb_store_remove(&range->store, key); /* it was found under the same lock */
		if (q->journal)
			write_journal(c, q, key, NULL, now, ret);
	}
	ret->charge = wb_request_units_charge(q->operation, ret->status, bytes);
}

static void run_in_range(struct wb_container *c, struct wb_range *range, const struct wb_document_request *q,
	const struct wb_item_key *key, double limit, struct wb_document_now now, struct wb_buf *scratch,
	struct wb_buf *body, struct wb_document_result *ret)
{
	wb_mutex_lock(&range->lock);
	wb_store_expire(&range->store, now.wall_s);
	if (!wb_request_units_admit(&range->units, limit, now.mono_ms, &ret->retry_after_ms)) {
		fail(ret, 429, WB_SUBSTATUS_THROTTLED, "Request rate is large. More Request Units may be needed.");
		ret->charge = wb_request_units_charge(q->operation, 429, 0);
	} else {
		apply_locked(c, range, q, key, now, scratch, body, ret);
		if (limit > 0)
			wb_request_units_spend(&range->units, ret->charge);
	}
	wb_range_count(range, q->operation, ret->status, ret->charge);
	ret->range = range;
	ret->session_number = wb_store_session_number(&range->store);
	wb_mutex_unlock(&range->lock);
}

/* What can be said of a patch without its document. */
static bool judge_patch(const struct wb_container *c, const struct wb_patch *patch, struct wb_document_result *ret)
{
	static const struct wb_slice nothing = WB_SLICE_LIT("{}");
	bool holds;

	if (!wb_patch_judge(patch, &c->key.paths, &ret->why) &&
		(!patch->condition.data || !wb_condition_judge(patch->condition, nothing, &holds, &ret->why)))
		return true;
	fail(ret, 400, 0, NULL);
	return false;
}

/* Everything up to the range: what a request must say. false when it is refused. */
static bool judge(struct wb_container *c, const struct wb_document_request *q, struct wb_buf *scratch,
	struct wb_slice *ret_id, struct wb_document_result *ret)
{
	if (q->stated->count != c->key.paths.count) {
		fail(ret, 400, WB_SUBSTATUS_PARTITION_KEY_MISMATCH,
			"The partition key supplied has fewer or more values than the container's definition.");
		return false;
	}
	if (is_write_of_body(q->operation))
		return judge_body(c, q, scratch, ret_id, ret);
	if (q->operation == WB_OPERATION_PATCH && !judge_patch(c, q->patch, ret))
		return false;
	if (wb_document_id_check(q->id, &ret->why)) {
		fail(ret, 400, 0, NULL);
		return false;
	}
	*ret_id = q->id;
	return true;
}

void wb_document_apply(struct wb_container *container, const struct wb_document_request *request, double range_limit,
	struct wb_document_now now, struct wb_buf *scratch, struct wb_buf *body, struct wb_document_result *ret)
{
	struct wb_item_key key;
	struct wb_range *range;
	struct wb_epk epk;
	size_t text_at;

	ret->status = ret->substatus = 0;
	ret->retry_after_ms = -1;
	ret->etag[0] = ret->why.text[0] = '\0';
	ret->range = NULL;
	ret->session_number = 0;
	ret->charge = wb_request_units_charge(request->operation, 400, 0);
	wb_pk_hash(container->key.kind, request->stated, &epk);
	range = wb_container_range_of(container, &epk);
	if (request->only && !wb_range_contains(request->only, &epk)) {
		fail(ret, 410, WB_SUBSTATUS_RANGE_GONE,
			"The partition key does not belong to the partition key range of the request.");
	} else if (judge(container, request, scratch, &key.id, ret)) {
		text_at = scratch->len;
		wb_pk_text(request->stated, scratch);
		if (!wb_buf_status(scratch)) {
			key.pk = wb_slice(scratch->data + text_at, scratch->len - text_at);
			key.hash = wb_store_hash(key.id, key.pk);
			run_in_range(container, range, request, &key, range_limit, now, scratch, body, ret);
			return;
		}
		fail(ret, 500, 0, "The sandbox has no room for the partition key's text.");
	}
	wb_mutex_lock(&range->lock);
	wb_range_count(range, request->operation, ret->status, ret->charge);
	wb_mutex_unlock(&range->lock);
}

void wb_document_count_fault(struct wb_range *range, enum wb_operation operation, unsigned status)
{
	wb_mutex_lock(&range->lock);
	wb_range_count(range, operation, status, 0);
	wb_mutex_unlock(&range->lock);
}

static bool is_system_member(struct wb_slice raw_name)
{
	return wb_json_name_is(raw_name, "_rid") || wb_json_name_is(raw_name, "_self") ||
		wb_json_name_is(raw_name, "_etag") || wb_json_name_is(raw_name, "_ts") ||
		wb_json_name_is(raw_name, "_attachments");
}

/* Copies the members that are the client's own, without the braces. */
static void render_own_members(struct wb_slice body, struct wb_buf *ret)
{
	struct wb_json_reader r;
	struct wb_json_value value;
	struct wb_slice name;
	bool first = true;
	int entered;

	wb_json_reader_init(&r, body);
	entered = wb_json_reader_enter(&r);
	assert(entered == '{'); /* it was scanned when it came */
	(void)entered;
	while (wb_json_reader_next(&r, &name) == 1) {
		if (wb_json_reader_skip(&r, &value))
			return;
		if (is_system_member(name))
			continue;
		if (!first)
			wb_buf_append_char(ret, ',');
		wb_buf_append_slice(ret, name);
		wb_buf_append_char(ret, ':');
		wb_buf_append_slice(ret, value.raw);
		first = false;
	}
}

void wb_document_render(const struct wb_container *container, const struct wb_item *item, struct wb_buf *ret)
{
	struct wb_slice body = wb_item_body(item);
	char rid[WB_RID_CHILD_SIZE], etag[WB_ETAG_SIZE];

	wb_rid_child(container->database_number, container->number, WB_RID_DOCUMENT, item->number, rid);
	wb_etag_text(item->version, item->written_s, etag);
	/* An underscore or an escape may start a system property's name; without one there is none. */
	if (memmem(body.data, body.len, "\"_", 2) || memmem(body.data, body.len, "\"\\u", 3)) {
		wb_buf_append_char(ret, '{');
		render_own_members(body, ret);
	} else {
		wb_buf_append(ret, body.data, body.len - 1);
	}
	/* A stored document always has its id, so a comma is always right. */
	wb_buf_append_cstr(ret, ",\"_rid\":\"");
	wb_buf_append_cstr(ret, rid);
	wb_buf_append_cstr(ret, "\",\"_self\":\"");
	wb_buf_append_cstr(ret, container->self);
	wb_buf_append_cstr(ret, "docs/");
	wb_buf_append_cstr(ret, rid);
	wb_buf_append_cstr(ret, "/\",\"_etag\":\"\\\"");
	wb_buf_append(ret, etag + 1, WB_ETAG_SIZE - 3);
	wb_buf_append_cstr(ret, "\\\"\",\"_attachments\":\"attachments/\",\"_ts\":");
	wb_buf_append_u64(ret, item->written_s);
	wb_buf_append_char(ret, '}');
}
