#include "sandbox/documents.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

struct fixture {
	struct wb_store_budget budget;
	struct wb_container *container;
	struct wb_buf scratch, body;
	struct wb_document_now now;
	double limit;
};

static struct wb_container *make_container(struct wb_store_budget *budget, const char *members)
{
	const struct wb_container_place place = {
		.database_name = "db", .database_rid = "AAAAAQ==", .database_number = 1, .number = 2
	};
	struct wb_resource_result result;
	char text[500];

	(void)snprintf(text, sizeof text, "{\"id\":\"c\",%s}", members);
	return wb_container_new(&place, wb_slice_cstr(text), 4, budget, 1, &result);
}

/* Another container in the place of the fixture's. */
static void use_container(struct fixture *f, const char *members)
{
	wb_container_release(&f->container);
	f->container = make_container(&f->budget, members);
	assert_non_null(f->container);
}

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){ .budget = { .max_bytes = 1 << 30 }, .now = { 1700000000, 1000, 1700000000000 } };
	f.container = make_container(&f.budget, "\"partitionKey\":{\"paths\":[\"/pk\"]}");
	wb_document_scratch_init(&f.scratch);
	wb_buf_init(&f.body, 1 << 20);
	*state = &f;
	return f.container ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	wb_container_release(&f->container);
	wb_buf_release(&f->scratch);
	wb_buf_release(&f->body);
	return 0;
}

struct call {
	enum wb_operation operation;
	const char *id, *key, *document, *if_match, *if_none_match;
	const char *patch;
	int only; /* index of the range + 1 */
};

static struct wb_document_result run(struct fixture *f, struct call c)
{
	struct wb_document_request request = { .operation = c.operation,
		.id = wb_slice_cstr(c.id),
		.if_match = wb_slice_cstr(c.if_match),
		.if_none_match = wb_slice_cstr(c.if_none_match) };
	struct wb_document_result result;
	struct wb_json_document found;
	struct wb_json_error where;
	struct wb_patch patch;
	struct wb_error why;
	struct wb_pk key;

	assert_int_equal(wb_document_scratch_clear(&f->scratch), WB_OK);
	assert_int_equal(wb_pk_parse(wb_slice_cstr(c.key), 0, &f->scratch, &key, &why), WB_REASON_NONE);
	if (c.document) {
		assert_int_equal(
			wb_json_scan_document(wb_slice_cstr(c.document), &f->container->key.paths, &found, &where),
			WB_JSON_OK);
		request.found = &found;
	}
	if (c.patch) {
		if (wb_patch_parse(wb_slice_cstr(c.patch), &f->scratch, &patch, &why))
			fail_msg("%s", why.text);
		request.patch = &patch;
	}
	request.stated = &key;
	request.only = c.only ? f->container->ranges[c.only - 1] : NULL;
	wb_buf_clear(&f->body);
	wb_document_apply(f->container, &request, f->limit, f->now, &f->scratch, &f->body, &result);
	return result;
}

#define RUN(f, ...)                run((f), (struct call){ __VA_ARGS__ })
#define UPSERT(f, key_, document_) RUN((f), .operation = WB_OPERATION_UPSERT, .key = (key_), .document = (document_))
#define CREATE(f, key_, document_) RUN((f), .operation = WB_OPERATION_CREATE, .key = (key_), .document = (document_))
#define READ(f, key_, id_)         RUN((f), .operation = WB_OPERATION_READ, .key = (key_), .id = (id_))
#define DELETE(f, key_, id_)       RUN((f), .operation = WB_OPERATION_DELETE, .key = (key_), .id = (id_))

#define PATCH(f, key_, id_, patch_) \
	RUN((f), .operation = WB_OPERATION_PATCH, .key = (key_), .id = (id_), .patch = (patch_))

static void upsert_creates_and_then_replaces(void **state)
{
	struct fixture *f = *state;
	struct wb_document_result first = UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}"), second;

	assert_int_equal(first.status, 201);
	assert_true(first.charge > 1);
	second = UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\",\"n\":1}");
	assert_int_equal(second.status, 200);
	assert_string_not_equal(first.etag, second.etag);
	assert_string_equal(READ(f, "[\"p\"]", "a").etag, second.etag);
}

static void create_conflicts_with_what_is_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(CREATE(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}").status, 201);
	assert_int_equal(CREATE(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}").status, 409);
	assert_int_equal(CREATE(f, "[\"q\"]", "{\"id\":\"a\",\"pk\":\"q\"}").status, 201);
	assert_int_equal(f->body.data[0], '{');
	assert_int_equal(CREATE(f, "[\"p\"]", "{\"id\":\"\\u0061\",\"pk\":\"p\"}").status, 409);
	assert_int_equal(f->body.len, 0);
}

static void an_item_is_its_decoded_id_and_canonical_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(UPSERT(f, "[1.0]", "{\"id\":\"a\",\"pk\":1}").status, 201);
	assert_int_equal(UPSERT(f, "[1]", "{\"id\":\"a\",\"pk\":1.00e0}").status, 200);
	assert_int_equal(UPSERT(f, "[\"1\"]", "{\"id\":\"a\",\"pk\":\"1\"}").status, 201);
	assert_int_equal(UPSERT(f, "[true]", "{\"id\":\"a\",\"pk\":true}").status, 201);
	assert_int_equal(UPSERT(f, "[null]", "{\"id\":\"a\",\"pk\":null}").status, 201);
	assert_int_equal(UPSERT(f, "[{}]", "{\"id\":\"a\"}").status, 201);
	assert_int_equal(UPSERT(f, "[\"\"]", "{\"id\":\"a\",\"pk\":\"\"}").status, 201);
}

static void the_stated_key_must_be_the_documents(void **state)
{
	static const char *const cases[][2] = {
		{ "[\"p\"]", "{\"id\":\"a\",\"pk\":\"q\"}" },
		{ "[1]", "{\"id\":\"a\",\"pk\":\"1\"}" },
		{ "[\"p\"]", "{\"id\":\"a\"}" },
		{ "[{}]", "{\"id\":\"a\",\"pk\":null}" },
		{ "[true]", "{\"id\":\"a\",\"pk\":1}" },
		{ "[\"p\",\"q\"]", "{\"id\":\"a\",\"pk\":\"p\"}" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct wb_document_result r = UPSERT(f, cases[i][0], cases[i][1]);

		assert_int_equal(r.status, 400);
		assert_int_equal(r.substatus, WB_SUBSTATUS_PARTITION_KEY_MISMATCH);
	}
}

static void bad_documents_are_refused(void **state)
{
	static const char *const bad[] = { "{\"pk\":\"p\"}", "{\"id\":7,\"pk\":\"p\"}", "{\"id\":\"\",\"pk\":\"p\"}",
		"{\"id\":\"a/b\",\"pk\":\"p\"}", "{\"id\":\"a#\",\"pk\":\"p\"}", "{\"id\":\"a\",\"pk\":{}}",
		"{\"id\":\"a\",\"pk\":[\"p\"]}" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct wb_document_result r = UPSERT(f, "[\"p\"]", bad[i]);

		assert_int_equal(r.status, 400);
		assert_true(r.why.text[0] != '\0');
		assert_int_equal(r.etag[0], '\0');
	}
}

static void reading_shows_the_document_with_system_properties(void **state)
{
	struct fixture *f = *state;
	struct wb_document_result written = UPSERT(f, "[\"p\"]", "{ \"id\" : \"a\",\"pk\":\"p\", \"x\":1e2 }");
	struct wb_document_result read = READ(f, "[\"p\"]", "a");
	json_t *shown;

	assert_int_equal(read.status, 200);
	assert_memory_equal(f->body.data, "{ \"id\" : \"a\",\"pk\":\"p\", \"x\":1e2 ,\"_rid\":\"", 40);
	shown = json_loadb(f->body.data, f->body.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(shown);
	assert_string_equal(json_string_value(json_object_get(shown, "_etag")), written.etag);
	assert_int_equal(json_integer_value(json_object_get(shown, "_ts")), 1700000000);
	json_decref(shown);
}

static void what_was_read_can_be_written_back(void **state)
{
	struct fixture *f = *state;
	struct wb_buf copy;
	json_t *shown;

	(void)UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\",\"_mine\":1,\"in\":{\"_etag\":\"kept\"}}");
	(void)READ(f, "[\"p\"]", "a");
	wb_buf_init(&copy, 65536);
	wb_buf_append_slice(&copy, wb_buf_slice(&f->body));
	assert_int_equal(UPSERT(f, "[\"p\"]", copy.data).status, 200);
	(void)READ(f, "[\"p\"]", "a");
	shown = json_loadb(f->body.data, f->body.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(shown);
	assert_int_equal(json_object_size(shown), 9);
	assert_int_equal(json_integer_value(json_object_get(shown, "_mine")), 1);
	assert_string_equal(json_string_value(json_object_get(json_object_get(shown, "in"), "_etag")), "kept");
	json_decref(shown);
	wb_buf_release(&copy);
}

static void conditions_are_held(void **state)
{
	struct fixture *f = *state;
	const char *document = "{\"id\":\"a\",\"pk\":\"p\"}", *key = "[\"p\"]";
	struct wb_document_result r = UPSERT(f, key, document);
	char stale[WB_ETAG_SIZE];

	strcpy(stale, r.etag);
	r = RUN(f, .operation = WB_OPERATION_REPLACE, .id = "a", .key = key, .document = document, .if_match = stale);
	assert_int_equal(r.status, 200);
	r = RUN(f, .operation = WB_OPERATION_REPLACE, .id = "a", .key = key, .document = document, .if_match = stale);
	assert_int_equal(r.status, 412);
	r = RUN(f, .operation = WB_OPERATION_UPSERT, .key = key, .document = document, .if_match = stale);
	assert_int_equal(r.status, 412);
	r = RUN(f, .operation = WB_OPERATION_DELETE, .id = "a", .key = key, .if_match = stale);
	assert_int_equal(r.status, 412);
	r = RUN(f, .operation = WB_OPERATION_UPSERT, .key = key, .document = document, .if_none_match = "*");
	assert_int_equal(r.status, 412);
	r = RUN(f, .operation = WB_OPERATION_DELETE, .id = "a", .key = key, .if_match = "*");
	assert_int_equal(r.status, 204);
	r = RUN(f, .operation = WB_OPERATION_UPSERT, .key = key, .document = document, .if_none_match = "*");
	assert_int_equal(r.status, 201);
	strcpy(stale, r.etag);
	r = RUN(f, .operation = WB_OPERATION_READ, .id = "a", .key = key, .if_none_match = stale);
	assert_int_equal(r.status, 304);
	assert_int_equal(f->body.len, 0);
}

static void what_is_absent_is_not_found(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(READ(f, "[\"p\"]", "a").status, 404);
	assert_int_equal(DELETE(f, "[\"p\"]", "a").status, 404);
	assert_int_equal(RUN(f, .operation = WB_OPERATION_REPLACE, .id = "a", .key = "[\"p\"]",
				 .document = "{\"id\":\"a\",\"pk\":\"p\"}")
				 .status,
		404);
	assert_int_equal(RUN(f, .operation = WB_OPERATION_REPLACE, .id = "b", .key = "[\"p\"]",
				 .document = "{\"id\":\"a\",\"pk\":\"p\"}")
				 .status,
		400);
}

static void an_operation_outside_the_range_is_sent_away(void **state)
{
	struct fixture *f = *state;
	struct wb_document_result r;
	int inside = 0;

	for (int i = 1; i <= 4; i++) {
		r = RUN(f, .operation = WB_OPERATION_UPSERT, .key = "[\"p\"]",
			.document = "{\"id\":\"a\",\"pk\":\"p\"}", .only = i);
		if (r.status == 410)
			assert_int_equal(r.substatus, WB_SUBSTATUS_RANGE_GONE);
		else
			inside++;
	}
	assert_int_equal(inside, 1);
}

static void a_range_over_its_limit_throttles_until_the_window_ends(void **state)
{
	struct fixture *f = *state;
	struct wb_document_result r;

	f->limit = 10;
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}").status, 201);
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"b\",\"pk\":\"p\"}").status, 201);
	r = UPSERT(f, "[\"p\"]", "{\"id\":\"c\",\"pk\":\"p\"}");
	assert_int_equal(r.status, 429);
	assert_int_equal(r.substatus, WB_SUBSTATUS_THROTTLED);
	assert_in_range(r.retry_after_ms, 1, 1000);
	assert_int_equal(READ(f, "[\"p\"]", "a").status, 429);
	f->now.mono_ms += r.retry_after_ms;
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"c\",\"pk\":\"p\"}").status, 201);
}

static void a_full_store_says_507(void **state)
{
	struct fixture *f = *state;

	f->budget.max_bytes = 10;
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}").status, 507);
	assert_int_equal(READ(f, "[\"p\"]", "a").status, 404);
}

static void every_outcome_is_counted(void **state)
{
	struct fixture *f = *state;
	const struct wb_range *range = CREATE(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}").range;
	uint64_t created = 0, conflicts = 0;

	(void)CREATE(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}");
	(void)CREATE(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}");
	for (unsigned i = 0; i < WB_STATUS_KINDS; i++) {
		created += range->counts.status[i] == 201 ? range->counts.count[WB_OPERATION_CREATE][i] : 0;
		conflicts += range->counts.status[i] == 409 ? range->counts.count[WB_OPERATION_CREATE][i] : 0;
	}
	assert_int_equal(created, 1);
	assert_int_equal(conflicts, 2);
}

static void a_patch_writes_the_document_anew(void **state)
{
	struct fixture *f = *state;
	struct wb_document_result before = UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\",\"n\":1}"), after;

	after = PATCH(f, "[\"p\"]", "a", "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":2}]");
	assert_int_equal(after.status, 200);
	assert_true(after.charge > 1);
	assert_string_not_equal(after.etag, before.etag);
	assert_memory_equal(f->body.data, "{\"id\":\"a\",\"pk\":\"p\",\"n\":3,", 25);
	assert_string_equal(READ(f, "[\"p\"]", "a").etag, after.etag);
}

static void a_patch_that_fails_changes_nothing(void **state)
{
	static const struct {
		const char *patch;
		unsigned status;
	} cases[] = {
		{ "[{\"op\":\"set\",\"path\":\"/n\",\"value\":2},{\"op\":\"remove\",\"path\":\"/x\"}]", 400 },
		{ "[{\"op\":\"set\",\"path\":\"/id\",\"value\":\"b\"}]", 400 },
		{ "[{\"op\":\"set\",\"path\":\"/pk\",\"value\":\"p\"}]", 400 },
		{ "[{\"op\":\"set\",\"path\":\"/_ts\",\"value\":1}]", 400 },
		{ "{\"condition\":\"from c where c.n = 2\",\"operations\":"
		  "[{\"op\":\"set\",\"path\":\"/n\",\"value\":2}]}",
			412 },
		{ "{\"condition\":\"where c.n = 1\",\"operations\":[{\"op\":\"set\",\"path\":\"/n\",\"value\":2}]}",
			400 },
	};
	struct fixture *f = *state;
	struct wb_document_result before = UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\",\"n\":1}");

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct wb_document_result r = PATCH(f, "[\"p\"]", "a", cases[i].patch);

		if (r.status != cases[i].status)
			fail_msg("%s: %u", cases[i].patch, r.status);
		assert_true(r.why.text[0] != '\0');
		assert_string_equal(READ(f, "[\"p\"]", "a").etag, before.etag);
	}
	assert_int_equal(PATCH(f, "[\"p\"]", "b", cases[0].patch).status, 404);
}

static void a_patch_may_not_move_an_item(void **state)
{
	struct fixture *f = *state;

	use_container(f, "\"partitionKey\":{\"paths\":[\"/a/b\"]}");
	assert_int_equal(UPSERT(f, "[1]", "{\"id\":\"x\",\"a\":{\"b\":1}}").status, 201);
	assert_int_equal(PATCH(f, "[1]", "x", "[{\"op\":\"set\",\"path\":\"/a\",\"value\":{\"b\":2}}]").status, 400);
	assert_int_equal(PATCH(f, "[1]", "x", "[{\"op\":\"remove\",\"path\":\"/a\"}]").status, 400);
	assert_int_equal(PATCH(f, "[1]", "x", "[{\"op\":\"set\",\"path\":\"/a/c\",\"value\":2}]").status, 200);
}

static void a_patch_holds_to_its_etag_and_sees_system_properties(void **state)
{
	struct fixture *f = *state;
	struct wb_document_result r = UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\"}");
	const char *patch = "{\"condition\":\"from c where c._ts = 1700000000\",\"operations\":"
			    "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":1}]}";
	char etag[WB_ETAG_SIZE];

	strcpy(etag, r.etag);
	r = RUN(f, .operation = WB_OPERATION_PATCH, .id = "a", .key = "[\"p\"]", .patch = patch, .if_match = etag);
	assert_int_equal(r.status, 200);
	r = RUN(f, .operation = WB_OPERATION_PATCH, .id = "a", .key = "[\"p\"]", .patch = patch, .if_match = etag);
	assert_int_equal(r.status, 412);
}

#define UNIQUE "\"partitionKey\":{\"paths\":[\"/pk\"]},\"uniqueKeyPolicy\":{\"uniqueKeys\":[{\"paths\":[\"/mail\"]}]}"

static void a_unique_key_is_kept_by_every_write(void **state)
{
	const char *b = "{\"id\":\"b\",\"pk\":\"p\",\"mail\":\"x\"}";
	struct fixture *f = *state;

	use_container(f, UNIQUE);
	assert_int_equal(CREATE(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\",\"mail\":\"x\"}").status, 201);
	assert_int_equal(CREATE(f, "[\"p\"]", b).status, 409);
	assert_int_equal(UPSERT(f, "[\"p\"]", b).status, 409);
	assert_int_equal(UPSERT(f, "[\"q\"]", "{\"id\":\"b\",\"pk\":\"q\",\"mail\":\"x\"}").status, 201);
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"b\",\"pk\":\"p\",\"mail\":\"y\"}").status, 201);
	assert_int_equal(
		RUN(f, .operation = WB_OPERATION_REPLACE, .id = "b", .key = "[\"p\"]", .document = b).status, 409);
	assert_int_equal(PATCH(f, "[\"p\"]", "b", "[{\"op\":\"set\",\"path\":\"/mail\",\"value\":\"x\"}]").status, 409);
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\",\"mail\":\"x\",\"n\":1}").status, 200);
	assert_int_equal(DELETE(f, "[\"p\"]", "a").status, 204);
	assert_int_equal(UPSERT(f, "[\"p\"]", b).status, 200);
	assert_int_equal(CREATE(f, "[\"p\"]", "{\"id\":\"c\",\"pk\":\"p\",\"mail\":\"y\"}").status, 201);
}

static void an_expired_item_is_gone_for_every_operation(void **state)
{
	const char *document = "{\"id\":\"a\",\"pk\":\"p\",\"mail\":1}";
	const char *patch = "[{\"op\":\"set\",\"path\":\"/n\",\"value\":1}]";
	struct fixture *f = *state;

	use_container(f, UNIQUE ",\"defaultTtl\":10");
	assert_int_equal(UPSERT(f, "[\"p\"]", document).status, 201);
	f->now.wall_s += 9;
	assert_int_equal(READ(f, "[\"p\"]", "a").status, 200);
	f->now.wall_s++;
	assert_int_equal(READ(f, "[\"p\"]", "a").status, 404);
	assert_int_equal(DELETE(f, "[\"p\"]", "a").status, 404);
	assert_int_equal(PATCH(f, "[\"p\"]", "a", patch).status, 404);
	assert_int_equal(
		RUN(f, .operation = WB_OPERATION_REPLACE, .id = "a", .key = "[\"p\"]", .document = document).status,
		404);
	assert_int_equal(CREATE(f, "[\"p\"]", document).status, 201);
	f->now.wall_s += 10;
	assert_int_equal(UPSERT(f, "[\"p\"]", document).status, 201);
	f->now.wall_s += 10;
	assert_int_equal(CREATE(f, "[\"p\"]", "{\"id\":\"b\",\"pk\":\"p\",\"mail\":1}").status, 201);
	f->now.wall_s += 5;
	assert_int_equal(PATCH(f, "[\"p\"]", "b", patch).status, 200); /* a write begins its time anew */
	f->now.wall_s += 9;
	assert_int_equal(READ(f, "[\"p\"]", "b").status, 200);
}

static void a_document_may_name_its_own_time(void **state)
{
	static const char *const bad[] = { "0", "-2", "1.5", "\"5\"", "3000000000", "[]" };
	struct fixture *f = *state;
	char text[100];

	use_container(f, "\"partitionKey\":{\"paths\":[\"/pk\"]},\"defaultTtl\":10");
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"ever\",\"pk\":\"p\",\"ttl\":-1}").status, 201);
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"long\",\"pk\":\"p\",\"\\u0074tl\":20}").status, 201);
	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"null\",\"pk\":\"p\",\"ttl\":null}").status, 201);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		(void)snprintf(text, sizeof text, "{\"id\":\"bad\",\"pk\":\"p\",\"ttl\":%s}", bad[i]);
		assert_int_equal(UPSERT(f, "[\"p\"]", text).status, 400);
	}
	f->now.wall_s += 19;
	assert_int_equal(READ(f, "[\"p\"]", "null").status, 404);
	assert_int_equal(READ(f, "[\"p\"]", "long").status, 200);
	f->now.wall_s += 1;
	assert_int_equal(READ(f, "[\"p\"]", "long").status, 404);
	f->now.wall_s += 100000;
	assert_int_equal(READ(f, "[\"p\"]", "ever").status, 200);
}

static void without_a_default_nothing_expires(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(UPSERT(f, "[\"p\"]", "{\"id\":\"a\",\"pk\":\"p\",\"ttl\":1}").status, 201);
	f->now.wall_s += 100;
	assert_int_equal(READ(f, "[\"p\"]", "a").status, 200);
}

static void bad_policies_make_no_container(void **state)
{
	static const char *const bad[] = { "\"defaultTtl\":0", "\"defaultTtl\":\"5\"", "\"defaultTtl\":-2",
		"\"uniqueKeyPolicy\":{\"uniqueKeys\":[{}]}", "\"uniqueKeyPolicy\":{\"uniqueKeys\":[{\"paths\":[]}]}",
		"\"uniqueKeyPolicy\":{\"uniqueKeys\":[{\"paths\":[\"no path\"]}]}",
		"\"uniqueKeyPolicy\":{\"uniqueKeys\":7}" };
	struct fixture *f = *state;
	char text[300];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		(void)snprintf(text, sizeof text, "\"partitionKey\":{\"paths\":[\"/pk\"]},%s", bad[i]);
		if (make_container(&f->budget, text))
			fail_msg("%s", bad[i]);
	}
	use_container(f, "\"partitionKey\":{\"paths\":[\"/pk\"]},\"defaultTtl\":null,\"uniqueKeyPolicy\":null");
	use_container(f, "\"partitionKey\":{\"paths\":[\"/pk\"]},\"uniqueKeyPolicy\":{\"uniqueKeys\":[]}");
}

static void an_upsert_with_an_etag_creates_what_is_absent(void **state)
{
	struct fixture *f = *state;
	struct wb_document_result r = RUN(f, .operation = WB_OPERATION_UPSERT, .key = "[\"p\"]",
		.document = "{\"id\":\"a\",\"pk\":\"p\"}", .if_match = "\"00000000-0000-0000-0000-000000000000\"");

	assert_int_equal(r.status, 201);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(upsert_creates_and_then_replaces),
		T(create_conflicts_with_what_is_there),
		T(an_item_is_its_decoded_id_and_canonical_key),
		T(the_stated_key_must_be_the_documents),
		T(bad_documents_are_refused),
		T(reading_shows_the_document_with_system_properties),
		T(what_was_read_can_be_written_back),
		T(conditions_are_held),
		T(what_is_absent_is_not_found),
		T(an_operation_outside_the_range_is_sent_away),
		T(a_range_over_its_limit_throttles_until_the_window_ends),
		T(a_full_store_says_507),
		T(every_outcome_is_counted),
		T(a_patch_writes_the_document_anew),
		T(a_patch_that_fails_changes_nothing),
		T(a_patch_may_not_move_an_item),
		T(a_patch_holds_to_its_etag_and_sees_system_properties),
		T(a_unique_key_is_kept_by_every_write),
		T(an_expired_item_is_gone_for_every_operation),
		T(a_document_may_name_its_own_time),
		T(without_a_default_nothing_expires),
		T(bad_policies_make_no_container),
		T(an_upsert_with_an_etag_creates_what_is_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
