#include "tests/unit/consumer/decode_fixture.h"

static void a_record_without_headers_goes_to_the_default_container(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(target(f, &settings, NULL), WB_REASON_NONE);
	assert_slice(f->target.database, "db");
	assert_slice(f->target.container, "reports");
	assert_int_equal(f->w->op, WB_OP_UPSERT);
	assert_false(f->w->tracked);
}

static void a_job_and_its_number_are_taken_over(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		target(f, &settings, (const char *[]){ "wb-job", JOB, "wb-seq", "41", "wb-op", "delete", NULL }),
		WB_REASON_NONE);
	assert_true(f->w->tracked);
	assert_string_equal(f->w->job, JOB);
	assert_int_equal(f->w->seq, 41);
	assert_int_equal(f->w->op, WB_OP_DELETE);
	/* Read again, as after parking, it is the same. */
	assert_int_equal(target(f, &settings, NULL), WB_REASON_NONE);
	assert_false(f->w->tracked);
}

#define TRACE       "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define TRACEPARENT "00-" TRACE

static void a_trace_context_is_kept_for_the_log_where_it_is_one(void **state)
{
	static const struct {
		const char *header, *kept;
	} cases[] = {
		{ TRACEPARENT, TRACEPARENT },
		{ "01-" TRACE "-what a later version has", "01-" TRACE },
		{ "00-" TRACE "-more", NULL }, /* version 00 has no more */
		{ "01-" TRACE "more", NULL },
		{ "00-" TRACE "0", NULL },
		{ "no trace context at all, though it is just as long, ehm", NULL },
		{ "short", NULL },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++) {
		assert_int_equal(
			target(f, &settings, (const char *[]){ "traceparent", cases[i].header, NULL }), WB_REASON_NONE);
		if (cases[i].kept)
			assert_slice(wb_write_traceparent(f->w), cases[i].kept);
		else
			assert_null(wb_write_traceparent(f->w).data);
	}
	/* Of what is refused, too: its letter is told of in the log. */
	assert_int_equal(target(f, &settings, (const char *[]){ "traceparent", TRACEPARENT, "wb-op", "shred", NULL }),
		WB_REASON_UNKNOWN_OPERATION);
	assert_slice(wb_write_traceparent(f->w), TRACEPARENT);
	assert_int_equal(target(f, &settings, NULL), WB_REASON_NONE);
	assert_null(wb_write_traceparent(f->w).data);
}

static void a_container_must_be_allowed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(target(f, &settings, (const char *[]){ "wb-container", "archive", NULL }), WB_REASON_NONE);
	assert_slice(f->target.container, "archive");
	assert_int_equal(target(f, &settings, (const char *[]){ "wb-container", "reports", "wb-database", "db", NULL }),
		WB_REASON_NONE);
	assert_reason(f, target(f, &settings, (const char *[]){ "wb-container", "secrets", NULL }),
		WB_REASON_CONTAINER_NOT_ALLOWED, "wb-container");
	assert_reason(f, target(f, &settings, (const char *[]){ "wb-database", "other", NULL }),
		WB_REASON_CONTAINER_NOT_ALLOWED, "wb-database");
}

static void the_default_is_allowed_without_a_list(void **state)
{
	struct fixture *f = *state;
	struct wb_decode_settings s = settings;

	s.allowed_count = 0;
	assert_int_equal(target(f, &s, (const char *[]){ "wb-container", "reports", NULL }), WB_REASON_NONE);
	assert_reason(f, target(f, &s, (const char *[]){ "wb-container", "archive", NULL }),
		WB_REASON_CONTAINER_NOT_ALLOWED, "no list");
}

static void without_a_default_the_header_must_name_the_container(void **state)
{
	struct fixture *f = *state;
	struct wb_decode_settings s = settings;

	s.container = (struct wb_slice){ 0 };
	assert_reason(f, target(f, &s, NULL), WB_REASON_UNKNOWN_CONTAINER, "no default");
	assert_int_equal(target(f, &s, (const char *[]){ "wb-container", "archive", NULL }), WB_REASON_NONE);
}

static void bad_headers_are_told_with_the_job_kept(void **state)
{
	const struct {
		const char *name, *value;
		enum wb_reason reason;
	} rows[] = {
		{ "wb-op", "merge", WB_REASON_UNKNOWN_OPERATION },
		{ "wb-op", "", WB_REASON_UNKNOWN_OPERATION },
		{ "wb-container", "a/b", WB_REASON_INVALID_HEADER },
		{ "wb-container", "", WB_REASON_INVALID_HEADER },
		{ "wb-database", "a\nb", WB_REASON_INVALID_HEADER },
		{ "wb-id", "\xff", WB_REASON_INVALID_HEADER },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		const char *texts[] = { "wb-job", JOB, "wb-seq", "7", rows[i].name, rows[i].value, NULL };

		assert_reason(f, target(f, &settings, texts), rows[i].reason, rows[i].name);
		assert_true(f->w->tracked);
		assert_string_equal(f->w->job, JOB);
		assert_int_equal(f->w->seq, 7);
	}
}

static void half_an_identity_is_no_identity(void **state)
{
	const char *const rows[][5] = {
		{ "wb-job", JOB, NULL },
		{ "wb-seq", "1", NULL },
		{ "wb-job", JOB, "wb-seq", "x", NULL },
		{ "wb-job", "short", "wb-seq", "1", NULL },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		assert_reason(f, target(f, &settings, rows[i]), WB_REASON_INVALID_HEADER, rows[i][0]);
		assert_false(f->w->tracked);
	}
}

static void names_up_to_the_limit_are_taken(void **state)
{
	struct fixture *f = *state;
	char name[WB_NAME_LEN_MAX + 2];

	memset(name, 'n', sizeof name);
	name[WB_NAME_LEN_MAX] = '\0';
	assert_reason(f, target(f, &settings, (const char *[]){ "wb-container", name, NULL }),
		WB_REASON_CONTAINER_NOT_ALLOWED, "at the limit");
	name[WB_NAME_LEN_MAX] = 'n';
	name[WB_NAME_LEN_MAX + 1] = '\0';
	assert_reason(f, target(f, &settings, (const char *[]){ "wb-container", name, NULL }), WB_REASON_INVALID_HEADER,
		"above the limit");
}

static void an_upsert_keeps_its_bytes_without_the_space_around(void **state)
{
	const char value[] = " \r\n{ \"id\" : \"x\", \"pk\" : 1.0 }\t ";
	struct fixture *f = *state;

	assert_reason(f, decode(f, value, NULL), WB_REASON_NONE, value);
	assert_slice(f->w->document, "{ \"id\" : \"x\", \"pk\" : 1.0 }");
	assert_ptr_equal(f->w->document.data, value + 3);
	assert_ptr_equal(f->w->value.data, value);
	assert_int_equal(f->w->value.len, sizeof value - 1);
	assert_slice(f->w->id, "x");
	assert_slice(f->w->pk_text, "[1]");
}

static void identity_is_the_decoded_id_and_the_canonical_key(void **state)
{
	const struct {
		const char *value, *id, *pk_text;
	} rows[] = {
		{ "{\"id\":\"a\",\"pk\":\"k\"}", "a", "[\"k\"]" },
		{ "{\"id\":\"\\u0061\",\"pk\":\"\\u006b\"}", "a", "[\"k\"]" },
		{ "{\"\\u0069d\":\"a\",\"\\u0070k\":\"k\"}", "a", "[\"k\"]" },
		{ "{\"id\":\"\\ud83d\\udc18\",\"pk\":1e0}", "\xf0\x9f\x90\x98", "[1]" },
		{ "{\"id\":\"a b\",\"pk\":1.00}", "a b", "[1]" },
		{ "{\"id\":\"a\",\"pk\":null}", "a", "[null]" },
		{ "{\"id\":\"a\",\"pk\":true}", "a", "[true]" },
		{ "{\"id\":\"a\",\"pk\":\"\xc3\xa4\\\"\"}", "a", "[\"\\u00e4\\\"\"]" },
		{ "{\"id\":\"a\"}", "a", "[{}]" },
		{ "{\"id\":\"a\",\"PK\":1}", "a", "[{}]" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		assert_reason(f, decode(f, rows[i].value, NULL), WB_REASON_NONE, rows[i].value);
		assert_slice(f->w->id, rows[i].id);
		assert_slice(f->w->pk_text, rows[i].pk_text);
	}
}

static void id_and_key_outlive_the_message_and_the_scratch(void **state)
{
	struct fixture *f = *state;
	char value[] = "{\"id\":\"plain\",\"pk\":\"\\u006bey\"}";

	assert_reason(f, decode(f, value, NULL), WB_REASON_NONE, value);
	memset(value, 0, sizeof value);
	memset(f->scratch.data, 0, f->scratch.cap);
	assert_slice(f->w->id, "plain");
	assert_slice(f->w->pk_text, "[\"key\"]");
}

static void the_effective_key_is_the_hash(void **state)
{
	struct fixture *f = *state;
	char text[2 * WB_EPK_SIZE_MAX + 1];

	/* Vectors of Microsoft's SDKs: hash version 2 of "redmond" and of undefined. */
	assert_reason(f, decode(f, "{\"id\":\"1\",\"pk\":\"redmond\"}", NULL), WB_REASON_NONE, "redmond");
	wb_epk_text(&f->epk, text);
	assert_string_equal(text, "22E342F38A486A088463DFF7838A5963");
	assert_reason(f, decode(f, "{\"id\":\"1\"}", NULL), WB_REASON_NONE, "undefined");
	wb_epk_text(&f->epk, text);
	assert_string_equal(text, "11622DAA78F835834610ABE56EFF5CB5");
	assert_reason(f,
		decode(f, "",
			(const char *[]){ "wb-op", "delete", "wb-id", "1", "wb-partition-key", "[\"redmond\"]", NULL }),
		WB_REASON_NONE, "delete");
	wb_epk_text(&f->epk, text);
	assert_string_equal(text, "22E342F38A486A088463DFF7838A5963");
}

static void what_can_never_be_a_document_has_its_reason(void **state)
{
	const struct {
		const char *value;
		enum wb_reason reason;
	} rows[] = {
		{ "", WB_REASON_INVALID_JSON },
		{ "{", WB_REASON_INVALID_JSON },
		{ "not JSON", WB_REASON_INVALID_JSON },
		{ "{\"id\":\"a\"} {}", WB_REASON_INVALID_JSON },
		{ "{\"id\":\"\xff\"}", WB_REASON_INVALID_JSON },
		{ "[]", WB_REASON_NOT_AN_OBJECT },
		{ "null", WB_REASON_NOT_AN_OBJECT },
		{ "\"id\"", WB_REASON_NOT_AN_OBJECT },
		{ "{\"id\":\"a\",\"\\u0069d\":\"b\"}", WB_REASON_DUPLICATE_MEMBER },
		{ "{\"id\":\"a\",\"pk\":1,\"pk\":1}", WB_REASON_DUPLICATE_MEMBER },
		{ "{}", WB_REASON_MISSING_ID },
		{ "{\"pk\":1}", WB_REASON_MISSING_ID },
		{ "{\"id\":7}", WB_REASON_INVALID_ID },
		{ "{\"id\":null}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a/b\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a\\u002fb\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a\\\\b\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a \"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"\\ud800\"}", WB_REASON_INVALID_ID },
		{ "{\"id\":\"a\",\"pk\":{}}", WB_REASON_INVALID_PARTITION_KEY },
		{ "{\"id\":\"a\",\"pk\":[1]}", WB_REASON_INVALID_PARTITION_KEY },
		{ "{\"id\":\"a\",\"pk\":\"\\udfff\"}", WB_REASON_INVALID_PARTITION_KEY },
		{ "{\"id\":\"a\",\"pk\":1e999}", WB_REASON_INVALID_PARTITION_KEY },
		{ NULL, WB_REASON_TOMBSTONE },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		f->w->id = wb_slice_cstr("before");
		assert_reason(f, decode(f, rows[i].value, NULL), rows[i].reason,
			rows[i].value ? rows[i].value : "null value");
		assert_slice(f->w->id, "before");
		assert_null(f->w->storage);
	}
}

static void the_size_limit_counts_the_document_alone(void **state)
{
	struct wb_decode_settings s = settings;
	struct fixture *f = *state;
	const char value[] = "   {\"id\":\"0123456789\"}   ";

	assert_int_equal(target(f, &settings, NULL), WB_REASON_NONE);
	f->w->value = wb_slice_cstr(value);
	s.document_max_bytes = sizeof value - 1 - 6;
	assert_reason(f, wb_decode_document(&s, &f->meta, &f->definition, &f->scratch, f->w, &f->epk, &f->why),
		WB_REASON_NONE, "fits");
	s.document_max_bytes--;
	f->w->id = (struct wb_slice){ 0 };
	assert_reason(f, wb_decode_document(&s, &f->meta, &f->definition, &f->scratch, f->w, &f->epk, &f->why),
		WB_REASON_TOO_LARGE, "one too many");
	/* It is known all the same which item it would have been. */
	assert_slice(f->w->id, "0123456789");
	assert_slice(f->w->pk_text, "[{}]");
	assert_int_equal(f->w->epk.len, 16);
}

static void a_document_above_two_megabytes_is_too_large(void **state)
{
	struct fixture *f = *state;
	size_t len = WB_DOCUMENT_SIZE_MAX + 1;
	char *value = malloc(len);

	assert_non_null(value);
	memset(value, ' ', len);
	memcpy(value, "{\"id\":\"a\"", 9);
	value[len - 1] = '}';
	assert_reason(f, decode_slice(f, wb_slice(value, len), NULL), WB_REASON_TOO_LARGE, "2 MiB and a byte");
	assert_slice(f->w->id, "a");
	assert_int_equal(f->w->document.len, len);
	value[len - 2] = '}';
	value[len - 1] = ' ';
	assert_reason(f, decode_slice(f, wb_slice(value, len), NULL), WB_REASON_NONE, "2 MiB");
	free(value);
}

static void nested_and_several_paths_make_the_key(void **state)
{
	const struct {
		const char *value, *pk_text;
	} rows[] = {
		{ "{\"id\":\"1\",\"pk\":\"t\",\"a\":{\"b\":7},\"q r\":true}", "[\"t\",7,true]" },
		{ "{\"id\":\"1\",\"pk\":\"t\",\"a\":{\"c\":7}}", "[\"t\",{},{}]" },
		{ "{\"id\":\"1\",\"a\":[{\"b\":7}],\"q r\":null}", "[{},{},null]" },
	};
	const char *del[] = { "wb-op", "delete", "wb-id", "1", "wb-partition-key", "[\"t\",7]", NULL };
	struct fixture *f = *state;

	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/a/b"), NULL), WB_OK);
	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/\"q r\""), NULL), WB_OK);
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		assert_reason(f, decode(f, rows[i].value, NULL), WB_REASON_NONE, rows[i].value);
		assert_slice(f->w->pk_text, rows[i].pk_text);
	}
	assert_reason(f, decode(f, "", del), WB_REASON_INVALID_PARTITION_KEY, "two values of three");
	assert_non_null(strstr(f->why.text, "2 values, the container needs 3"));
}

/* What a write needs of its record for as long as it waits, after the record is gone. */

static void the_longest_id_and_keys_fit(void **state)
{
	struct fixture *f = *state;
	struct wb_buf value;
	char plain[WB_PK_STRING_MAX + 1];

	/* Three paths of the longest strings, of control characters: each byte is six in the canonical text. */
	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/b"), NULL), WB_OK);
	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/c"), NULL), WB_OK);
	memset(plain, 1, sizeof plain);
	wb_buf_init(&value, 1 << 20);
	for (const char *name = "pk\0b\0c\0"; *name; name += strlen(name) + 1) {
		wb_buf_appendf(&value, "%s\"%s\":", value.len ? "," : "{", name);
		wb_buf_append_json_string(&value, wb_slice(plain, WB_PK_STRING_MAX));
	}
	memset(plain, 'i', sizeof plain);
	wb_buf_append_cstr(&value, ",\"id\":\"\\u0069");
	wb_buf_append(&value, plain, WB_DOCUMENT_ID_MAX - 1);
	wb_buf_append_cstr(&value, "\"}");
	assert_reason(f, decode_slice(f, wb_buf_slice(&value), NULL), WB_REASON_NONE, "the longest");
	assert_int_equal(f->w->id.len, WB_DOCUMENT_ID_MAX);
	assert_int_equal(f->w->pk_text.len, 3 * (6 * WB_PK_STRING_MAX + 2) + 4);
	wb_buf_release(&value);
}

/* In memory of its own size, so that a sanitizer sees one byte too far. */

static void a_value_cut_short_anywhere_is_refused(void **state)
{
	const char text[] = "{\"id\":\"\\u0061\",\"pk\":\"k\\n\",\"more\":[1,{\"x\":null}]}";
	struct fixture *f = *state;

	for (size_t len = 0; len < sizeof text - 1; len++) {
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(decode_slice(f, wb_slice(copy, len), NULL), WB_REASON_INVALID_JSON);
		free(copy);
	}
}

/* Vectors of Microsoft's SDKs: version 1 of "redmond", and a hierarchical key of 1234 and undefined. */
static void other_kinds_of_containers_hash_otherwise(void **state)
{
	struct fixture *f = *state;
	char text[2 * WB_EPK_SIZE_MAX + 1];

	f->definition.kind = WB_PK_HASH_V1;
	assert_reason(f, decode(f, "{\"id\":\"1\",\"pk\":\"redmond\"}", NULL), WB_REASON_NONE, "version 1");
	wb_epk_text(&f->epk, text);
	assert_string_equal(text, "05C1EFE313830C087366656E706F6500");
	assert_int_equal(f->w->epk.len, f->epk.len);
	f->definition.kind = WB_PK_MULTI_HASH;
	assert_int_equal(wb_json_paths_add(&f->definition.paths, wb_slice_cstr("/a/b"), NULL), WB_OK);
	assert_reason(f, decode(f, "{\"id\":\"1\",\"pk\":1234}", NULL), WB_REASON_NONE, "hierarchical");
	wb_epk_text(&f->epk, text);
	assert_string_equal(text, "266B73B33A7065810B7D2A2938F85E8011622DAA78F835834610ABE56EFF5CB5");
	assert_slice(f->w->pk_text, "[1234,{}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(a_record_without_headers_goes_to_the_default_container),
		WITH_FIXTURE(a_job_and_its_number_are_taken_over),
		WITH_FIXTURE(a_trace_context_is_kept_for_the_log_where_it_is_one),
		WITH_FIXTURE(a_container_must_be_allowed),
		WITH_FIXTURE(the_default_is_allowed_without_a_list),
		WITH_FIXTURE(without_a_default_the_header_must_name_the_container),
		WITH_FIXTURE(bad_headers_are_told_with_the_job_kept),
		WITH_FIXTURE(half_an_identity_is_no_identity),
		WITH_FIXTURE(names_up_to_the_limit_are_taken),
		WITH_FIXTURE(an_upsert_keeps_its_bytes_without_the_space_around),
		WITH_FIXTURE(identity_is_the_decoded_id_and_the_canonical_key),
		WITH_FIXTURE(id_and_key_outlive_the_message_and_the_scratch),
		WITH_FIXTURE(the_effective_key_is_the_hash),
		WITH_FIXTURE(other_kinds_of_containers_hash_otherwise),
		WITH_FIXTURE(what_can_never_be_a_document_has_its_reason),
		WITH_FIXTURE(the_size_limit_counts_the_document_alone),
		WITH_FIXTURE(a_document_above_two_megabytes_is_too_large),
		WITH_FIXTURE(nested_and_several_paths_make_the_key),
		WITH_FIXTURE(the_longest_id_and_keys_fit),
		WITH_FIXTURE(a_value_cut_short_anywhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
