#include "tests/unit/consumer/decode_fixture.h"

static void a_null_value_with_an_operation_is_no_tombstone(void **state)
{
	struct fixture *f = *state;

	assert_reason(
		f, decode(f, NULL, (const char *[]){ "wb-op", "upsert", NULL }), WB_REASON_INVALID_JSON, "null upsert");
	assert_reason(f,
		decode(f, NULL, (const char *[]){ "wb-op", "delete", "wb-id", "a", "wb-partition-key", "[1]", NULL }),
		WB_REASON_NONE, "null delete");
}

static void a_delete_needs_id_and_partition_key(void **state)
{
	const struct {
		const char *id, *pk;
		enum wb_reason reason;
	} rows[] = {
		{ "a", "[\"k\"]", WB_REASON_NONE },
		{ "a", "[{}]", WB_REASON_NONE },
		{ NULL, "[1]", WB_REASON_MISSING_ID },
		{ "a", NULL, WB_REASON_MISSING_PARTITION_KEY },
		{ "a/b", "[1]", WB_REASON_INVALID_ID },
		{ "a ", "[1]", WB_REASON_INVALID_ID },
		{ "a", "1", WB_REASON_INVALID_PARTITION_KEY },
		{ "a", "[", WB_REASON_INVALID_PARTITION_KEY },
		{ "a", "[]", WB_REASON_INVALID_PARTITION_KEY },
		{ "a", "[1,2]", WB_REASON_INVALID_PARTITION_KEY },
		{ "a", "[[1]]", WB_REASON_INVALID_PARTITION_KEY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		const char *texts[8] = { "wb-op", "delete" };
		size_t n = 2;

		if (rows[i].id) {
			texts[n++] = "wb-id";
			texts[n++] = rows[i].id;
		}
		if (rows[i].pk) {
			texts[n++] = "wb-partition-key";
			texts[n++] = rows[i].pk;
		}
		assert_reason(f, decode(f, "", texts), rows[i].reason, rows[i].id ? rows[i].id : "no id");
	}
}

static void a_delete_has_no_document_and_a_canonical_key(void **state)
{
	struct fixture *f = *state;
	const char *texts[] = { "wb-op", "delete", "wb-id", "\xc3\xa4", "wb-partition-key", " [ 1.0 ] ", NULL };

	assert_reason(f, decode(f, "ignored", texts), WB_REASON_NONE, "delete");
	assert_null(f->w->document.data);
	assert_slice(f->w->id, "\xc3\xa4");
	assert_slice(f->w->pk_text, "[1]");
}

static void headers_of_an_upsert_must_agree_with_its_document(void **state)
{
	const struct {
		const char *name, *value;
		enum wb_reason reason;
	} rows[] = {
		{ "wb-id", "a", WB_REASON_NONE },
		{ "wb-id", "b", WB_REASON_INVALID_HEADER },
		{ "wb-partition-key", "[1.0]", WB_REASON_NONE },
		{ "wb-partition-key", "[2]", WB_REASON_PARTITION_KEY_MISMATCH },
		{ "wb-partition-key", "[\"1\"]", WB_REASON_PARTITION_KEY_MISMATCH },
		{ "wb-partition-key", "[{}]", WB_REASON_PARTITION_KEY_MISMATCH },
		{ "wb-partition-key", "[1,1]", WB_REASON_INVALID_PARTITION_KEY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++)
		assert_reason(f,
			decode(f, "{\"id\":\"\\u0061\",\"pk\":1}",
				(const char *[]){ rows[i].name, rows[i].value, NULL }),
			rows[i].reason, rows[i].value);
}

static void every_operation_with_a_document_takes_its_item_from_there(void **state)
{
	const char *const ops[] = { "upsert", "create", "replace" };
	const enum wb_op want[] = { WB_OP_UPSERT, WB_OP_CREATE, WB_OP_REPLACE };
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(ops); i++) {
		const char *texts[] = { "wb-op", ops[i], "wb-id", "a", NULL };

		assert_reason(f, decode(f, " {\"id\":\"a\",\"pk\":1} ", texts), WB_REASON_NONE, ops[i]);
		assert_int_equal(f->w->op, want[i]);
		assert_slice(f->w->id, "a");
		assert_slice(f->w->pk_text, "[1]");
		assert_slice(f->w->document, "{\"id\":\"a\",\"pk\":1}");
		assert_reason(f, decode(f, NULL, texts), WB_REASON_INVALID_JSON, "null value");
		assert_reason(f, decode(f, "{\"id\":\"b\"}", texts), WB_REASON_INVALID_HEADER, "another id");
	}
}

static void a_condition_is_kept_where_the_service_heeds_it(void **state)
{
	const struct {
		const char *op, *name, *value;
		enum wb_reason reason;
	} rows[] = {
		{ "upsert", "wb-if-match", "\"0000-1\"", WB_REASON_NONE },
		{ "upsert", "wb-if-none-match", "*", WB_REASON_NONE },
		{ "upsert", "wb-if-none-match", "\"0000-1\"", WB_REASON_NONE },
		{ "create", "wb-if-match", "\"0000-1\"", WB_REASON_INVALID_HEADER },
		{ "create", "wb-if-none-match", "*", WB_REASON_NONE },
		{ "create", "wb-if-none-match", "\"0000-1\"", WB_REASON_INVALID_HEADER },
		{ "replace", "wb-if-match", "\"0000-1\"", WB_REASON_NONE },
		{ "replace", "wb-if-match", "*", WB_REASON_NONE },
		{ "replace", "wb-if-none-match", "*", WB_REASON_INVALID_HEADER },
		{ "delete", "wb-if-match", "\"0000-1\"", WB_REASON_NONE },
		{ "delete", "wb-if-none-match", "*", WB_REASON_INVALID_HEADER },
		{ "patch", "wb-if-match", "\"0000-1\"", WB_REASON_NONE },
		{ "patch", "wb-if-none-match", "\"0000-1\"", WB_REASON_INVALID_HEADER },
		{ "upsert", "wb-if-match", "\"0000 1\"", WB_REASON_INVALID_HEADER },
		{ "upsert", "wb-if-match", " ", WB_REASON_INVALID_HEADER },
		{ "upsert", "wb-if-match", "\xc3\xa4", WB_REASON_INVALID_HEADER },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		bool match = strcmp(rows[i].name, "wb-if-match") == 0, patch = strcmp(rows[i].op, "patch") == 0;
		const char *texts[] = { "wb-op", rows[i].op, "wb-id", "a", "wb-partition-key", "[1]", rows[i].name,
			rows[i].value, NULL };

		assert_reason(f,
			decode(f, patch ? "[{\"op\":\"remove\",\"path\":\"/x\"}]" : "{\"id\":\"a\",\"pk\":1}", texts),
			rows[i].reason, rows[i].op);
		if (rows[i].reason)
			continue;
		assert_slice(match ? f->w->if_match : f->w->if_none_match, rows[i].value);
		assert_null((match ? f->w->if_none_match : f->w->if_match).data);
		assert_ptr_not_equal((match ? f->w->if_match : f->w->if_none_match).data, rows[i].value);
	}
}

static void two_conditions_are_one_too_many(void **state)
{
	const char *texts[] = { "wb-if-match", "\"1\"", "wb-if-none-match", "*", NULL };
	struct fixture *f = *state;

	assert_reason(f, decode(f, "{\"id\":\"a\"}", texts), WB_REASON_INVALID_HEADER, "both");
	assert_null(f->w->if_match.data);
}

static void a_replay_is_marked(void **state)
{
	struct fixture *f = *state;

	assert_reason(f, decode(f, "{\"id\":\"a\"}", (const char *[]){ "wb-replay-of", "t/0/7", NULL }), WB_REASON_NONE,
		"replay");
	assert_true(f->w->is_replay);
	assert_reason(f, decode(f, "{\"id\":\"a\"}", NULL), WB_REASON_NONE, "none");
	assert_false(f->w->is_replay);
}

static void a_patch_names_its_item_and_keeps_its_bytes(void **state)
{
	const char *const rows[] = {
		" {\"operations\" : [{\"op\":\"set\",\"path\":\"/a\",\"value\":1}]}\n",
		"[{\"path\":\"/a\",\"op\":\"incr\",\"value\":1}]",
		"{\"condition\":\"from c where c.n > 1\",\"operations\":[{\"op\":\"remove\",\"path\":\"/a\"}]}",
		"[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":{}},{\"op\":\"replace\",\"path\":\"/b\",\"value\":null},"
		"{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/c\"},{\"\\u006fp\":\"s\\u0065t\",\"path\":\"/"
		"d\",\"value\":1}]",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		const char *texts[] = { "wb-op", "patch", "wb-id", "a", "wb-partition-key", "[ 1.0 ]", NULL };

		assert_reason(f, decode(f, rows[i], texts), WB_REASON_NONE, rows[i]);
		assert_int_equal(f->w->op, WB_OP_PATCH);
		assert_slice(f->w->id, "a");
		assert_slice(f->w->pk_text, "[1]");
		assert_ptr_equal(f->w->document.data, rows[i] + (rows[i][0] == ' '));
		assert_true(strchr("]}", f->w->document.data[f->w->document.len - 1]) != NULL);
	}
	assert_reason(f, decode(f, rows[1], (const char *[]){ "wb-op", "patch", "wb-partition-key", "[1]", NULL }),
		WB_REASON_MISSING_ID, "no id");
	assert_reason(f, decode(f, rows[1], (const char *[]){ "wb-op", "patch", "wb-id", "a", NULL }),
		WB_REASON_MISSING_PARTITION_KEY, "no key");
}

static void a_patch_above_the_size_limit_is_too_large(void **state)
{
	const char *texts[] = { "wb-op", "patch", "wb-id", "a", "wb-partition-key", "[1]", NULL };
	struct wb_decode_settings s = settings;
	struct fixture *f = *state;
	const char value[] = "[{\"op\":\"remove\",\"path\":\"/x\"}]";

	assert_int_equal(target(f, &settings, texts), WB_REASON_NONE);
	f->w->value = wb_slice_cstr(value);
	s.document_max_bytes = sizeof value - 2;
	assert_reason(f, wb_decode_document(&s, &f->meta, &f->definition, &f->scratch, f->w, &f->epk, &f->why),
		WB_REASON_TOO_LARGE, "one too many");
	assert_slice(f->w->id, "a");
}

/* Decodes a record without value and wb-op, as consumer.tombstones=delete has it. */
static enum wb_reason bury(struct fixture *f, const char *key, const char *const *texts)
{
	struct wb_decode_settings s = settings;

	s.tombstones = true;
	assert_int_equal(target(f, &s, texts), WB_REASON_NONE);
	f->w->key = wb_slice_cstr(key);
	f->w->value = (struct wb_slice){ 0 };
	return wb_decode_document(&s, &f->meta, &f->definition, &f->scratch, f->w, &f->epk, &f->why);
}

static void a_tombstone_deletes_what_its_key_names(void **state)
{
	struct fixture *f = *state;

	assert_reason(f, bury(f, "k1", (const char *[]){ "wb-partition-key", "[\"p\"]", NULL }), WB_REASON_NONE, "key");
	assert_int_equal(f->w->op, WB_OP_DELETE);
	assert_slice(f->w->id, "k1");
	assert_slice(f->w->pk_text, "[\"p\"]");
	assert_null(f->w->document.data);
	assert_reason(f,
		bury(f, "k1",
			(const char *[]){ "wb-partition-key", "[1]", "wb-id", "other", "wb-if-match", "\"1\"", NULL }),
		WB_REASON_NONE, "wb-id");
	assert_slice(f->w->id, "other");
	assert_slice(f->w->if_match, "\"1\"");
	assert_reason(f, bury(f, "k1", NULL), WB_REASON_MISSING_PARTITION_KEY, "no partition key");
	assert_reason(
		f, bury(f, NULL, (const char *[]){ "wb-partition-key", "[1]", NULL }), WB_REASON_MISSING_ID, "no key");
	assert_reason(
		f, bury(f, "a/b", (const char *[]){ "wb-partition-key", "[1]", NULL }), WB_REASON_INVALID_ID, "no id");
	assert_reason(f, bury(f, "\xff", (const char *[]){ "wb-partition-key", "[1]", NULL }), WB_REASON_INVALID_ID,
		"no text");
	assert_reason(f, bury(f, "a", (const char *[]){ "wb-partition-key", "1", NULL }),
		WB_REASON_INVALID_PARTITION_KEY, "no array");
	assert_reason(f, bury(f, "a", (const char *[]){ "wb-partition-key", "[1]", "wb-if-none-match", "*", NULL }),
		WB_REASON_INVALID_HEADER, "a condition that no delete has");
	assert_reason(f, bury(f, "a", (const char *[]){ "wb-op", "upsert", "wb-partition-key", "[1]", NULL }),
		WB_REASON_INVALID_JSON, "an upsert of nothing");
}

static void where_the_path_is_the_id_a_tombstone_needs_no_partition_key(void **state)
{
	struct fixture *f = *state;

	wb_json_paths_release(&f->definition.paths);
	f->definition.paths = (struct wb_json_paths){ .count = 0 };
	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/id"), NULL), WB_OK);
	assert_reason(f, bury(f, "\xc3\xa4", NULL), WB_REASON_NONE, "/id");
	assert_slice(f->w->id, "\xc3\xa4");
	assert_slice(f->w->pk_text, "[\"\\u00e4\"]");
	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/b"), NULL), WB_OK);
	assert_reason(f, bury(f, "a", NULL), WB_REASON_MISSING_PARTITION_KEY, "/id and another");
}

static void conditions_and_the_effective_key_are_the_writes_own(void **state)
{
	char etag[] = "\"0000-1\"", value[] = "{\"id\":\"a\",\"pk\":\"redmond\"}";
	struct fixture *f = *state;
	struct wb_epk epk;

	assert_reason(
		f, decode(f, value, (const char *[]){ "wb-if-match", etag, NULL }), WB_REASON_NONE, "conditional");
	epk = f->epk;
	memset(etag, 0, sizeof etag);
	memset(value, 0, sizeof value);
	memset(&f->epk, 0, sizeof f->epk);
	assert_slice(f->w->if_match, "\"0000-1\"");
	assert_int_equal(f->w->epk.len, epk.len);
	assert_memory_equal(f->w->epk.data, epk.bytes, epk.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_null_value_with_an_operation_is_no_tombstone),
		WITH_FIXTURE(a_delete_needs_id_and_partition_key),
		WITH_FIXTURE(a_delete_has_no_document_and_a_canonical_key),
		WITH_FIXTURE(headers_of_an_upsert_must_agree_with_its_document),
		WITH_FIXTURE(every_operation_with_a_document_takes_its_item_from_there),
		WITH_FIXTURE(a_condition_is_kept_where_the_service_heeds_it),
		WITH_FIXTURE(two_conditions_are_one_too_many),
		WITH_FIXTURE(a_replay_is_marked),
		WITH_FIXTURE(a_patch_names_its_item_and_keeps_its_bytes),
		WITH_FIXTURE(a_patch_above_the_size_limit_is_too_large),
		WITH_FIXTURE(a_tombstone_deletes_what_its_key_names),
		WITH_FIXTURE(where_the_path_is_the_id_a_tombstone_needs_no_partition_key),
		WITH_FIXTURE(conditions_and_the_effective_key_are_the_writes_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
