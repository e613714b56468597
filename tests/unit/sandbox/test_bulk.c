#include "sandbox/bulk.h"

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
	struct wb_buf scratch, body, ids;
	struct wb_bulk bulk;
	struct wb_fault_target targets[WB_BULK_OPERATIONS_MAX];
	json_t *reply;
};

static int setup(void **state)
{
	static struct fixture f;
	const struct wb_container_place place = {
		.database_name = "db", .database_rid = "AAAAAQ==", .database_number = 1, .number = 2
	};
	struct wb_resource_result result;

	f = (struct fixture){ .budget = { .max_bytes = 1 << 30 } };
	f.container = wb_container_new(&place, wb_slice_cstr("{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"]}}"),
		1, &f.budget, 1, &result);
	wb_document_scratch_init(&f.scratch);
	wb_buf_init(&f.body, 1 << 20);
	wb_buf_init(&f.ids, 1 << 20);
	*state = &f;
	return f.container ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	json_decref(f->reply);
	wb_container_release(&f->container);
	wb_buf_release(&f->scratch);
	wb_buf_release(&f->body);
	wb_buf_release(&f->ids);
	return 0;
}

static unsigned parse(struct fixture *f, const char *text)
{
	struct wb_error why;

	return wb_bulk_parse(wb_slice_cstr(text), &f->container->key.paths, &f->bulk, &why);
}

/* Runs a body; the reply's status, and its elements in f->reply. */
static unsigned run(struct fixture *f, const char *text, struct wb_faults *faults)
{
	const struct wb_bulk_run run = { .container = f->container,
		.range = f->container->ranges[0],
		.scratch = &f->scratch,
		.faults = faults,
		.targets = f->targets };
	double charge;
	unsigned status;

	assert_int_equal(parse(f, text), 0);
	if (faults)
		wb_bulk_targets(&f->bulk, f->container, run.range, &f->ids, f->targets);
	wb_buf_clear(&f->body);
	status = wb_bulk_apply(&f->bulk, &run, &f->body, &charge);
	assert_true(charge > 0);
	json_decref(f->reply);
	f->reply = json_loadb(f->body.data, f->body.len, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(json_array_size(f->reply), f->bulk.count);
	return status;
}

static int status_of(const struct fixture *f, size_t i)
{
	return (int)json_integer_value(json_object_get(json_array_get(f->reply, i), "statusCode"));
}

#define UPSERT(id)                                                                                      \
	"{\"operationType\":\"Upsert\",\"partitionKey\":\"[\\\"p\\\"]\",\"resourceBody\":{\"id\":\"" id \
	"\",\"pk\":\"p\"}}"

static void all_good_is_200(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "[" UPSERT("a") "," UPSERT("b") "]", NULL), 200);
	assert_int_equal(status_of(f, 0), 201);
	assert_int_equal(status_of(f, 1), 201);
	assert_int_equal(run(f, "[" UPSERT("a") "," UPSERT("a") "]", NULL), 200);
	assert_int_equal(status_of(f, 0), 200);
}

static void one_failure_is_207_and_alone(void **state)
{
	struct fixture *f = *state;
	json_t *bad;

	assert_int_equal(run(f,
				 "[" UPSERT("a") ","
						 "{\"operationType\":\"Create\",\"partitionKey\":\"[\\\"p\\\"]\","
						 "\"resourceBody\":{\"id\":\"a\",\"pk\":\"p\"}}," UPSERT("b") "]",
				 NULL),
		207);
	assert_int_equal(status_of(f, 0), 201);
	assert_int_equal(status_of(f, 1), 409);
	assert_int_equal(status_of(f, 2), 201);
	bad = json_array_get(f->reply, 1);
	assert_null(json_object_get(bad, "resourceBody"));
	assert_null(json_object_get(bad, "eTag"));
}

static void every_kind_of_operation_runs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		run(f,
			"[{\"operationType\":\"Create\",\"partitionKey\":\"[5]\",\"resourceBody\":{\"id\":\"x\",\"pk\":"
			"5}},"
			"{\"resourceBody\":{\"pk\":5,\"id\":\"x\",\"n\":1},\"id\":\"x\",\"partitionKey\":\"[5.0]\","
			"\"operationType\":\"Replace\"},"
			"{\"operationType\":\"Read\",\"id\":\"x\",\"partitionKey\":\"[5]\",\"unknown\":[{}]},"
			"{\"operationType\":\"Delete\",\"id\":\"\\u0078\",\"partitionKey\":\"[5]\"},"
			"{\"operationType\":\"Delete\",\"id\":\"x\",\"partitionKey\":\"[5]\"}]",
			NULL),
		207);
	assert_int_equal(status_of(f, 0), 201);
	assert_int_equal(status_of(f, 1), 200);
	assert_int_equal(status_of(f, 2), 200);
	assert_int_equal(status_of(f, 3), 204);
	assert_int_equal(status_of(f, 4), 404);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json_array_get(f->reply, 2), "resourceBody"), "n")),
		1);
}

static void a_minimal_reply_has_no_body(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		run(f,
			"[{\"operationType\":\"Upsert\",\"partitionKey\":\"[1]\",\"minimalReturnPreference\":true,"
			"\"resourceBody\":{\"id\":\"x\",\"pk\":1}}," UPSERT("y") "]",
			NULL),
		200);
	assert_null(json_object_get(json_array_get(f->reply, 0), "resourceBody"));
	assert_non_null(json_object_get(json_array_get(f->reply, 0), "eTag"));
	assert_true(json_is_object(json_object_get(json_array_get(f->reply, 1), "resourceBody")));
}

static void bad_bodies_are_refused_whole(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"[1]",
		"[" UPSERT("a"),
		"[" UPSERT("a") "]x",
		"[{\"operationType\":\"Upsert\",\"partitionKey\":\"[1]\"}]",
		"[{\"operationType\":\"Upsert\",\"resourceBody\":{\"id\":\"a\"}}]",
		"[{\"partitionKey\":\"[1]\",\"resourceBody\":{\"id\":\"a\"}}]",
		"[{\"operationType\":\"Merge\",\"partitionKey\":\"[1]\",\"resourceBody\":{\"id\":\"a\"}}]",
		"[{\"operationType\":\"Upsert\",\"partitionKey\":[1],\"resourceBody\":{\"id\":\"a\"}}]",
		"[{\"operationType\":\"Delete\",\"partitionKey\":\"[1]\"}]",
		"[{\"operationType\":\"Delete\",\"partitionKey\":\"[1]\",\"id\":7}]",
		"[{\"operationType\":\"Delete\",\"partitionKey\":\"[1]\",\"id\":\"a\",\"resourceBody\":{}}]",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse(f, bad[i]) != 400)
			fail_msg("%s", bad[i]);
}

static void a_hundred_operations_and_two_megabytes_are_the_limit(void **state)
{
	struct fixture *f = *state;
	struct wb_buf text;

	wb_buf_init(&text, 4 << 20);
	wb_buf_append_char(&text, '[');
	for (int i = 0; i < 101; i++) {
		wb_buf_append_cstr(&text, i ? "," UPSERT("a") : UPSERT("a"));
		if (i == 99) {
			wb_buf_append_char(&text, ']');
			assert_int_equal(parse(f, text.data), 0);
			assert_int_equal(f->bulk.count, 100);
			wb_buf_truncate(&text, text.len - 1);
		}
	}
	wb_buf_append_char(&text, ']');
	assert_int_equal(parse(f, text.data), 400);
	wb_buf_clear(&text);
	wb_buf_append_cstr(
		&text, "[{\"operationType\":\"Upsert\",\"partitionKey\":\"[1]\",\"resourceBody\":{\"id\":\"");
	for (int i = 0; i < WB_BULK_BYTES_MAX; i++)
		wb_buf_append_char(&text, 'x');
	wb_buf_append_cstr(&text, "\"}}]");
	assert_int_equal(parse(f, text.data), 413);
	wb_buf_release(&text);
}

static void an_operation_with_a_bad_key_fails_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		run(f,
			"[{\"operationType\":\"Upsert\",\"partitionKey\":\"no json\",\"resourceBody\":{\"id\":\"a\"}},"
			"{\"operationType\":\"Upsert\",\"partitionKey\":\"[\\\"q\\\"]\",\"resourceBody\":"
			"{\"id\":\"a\",\"pk\":\"p\"}}," UPSERT("b") "]",
			NULL),
		207);
	assert_int_equal(status_of(f, 0), 400);
	assert_int_equal(status_of(f, 1), 400);
	assert_int_equal(status_of(f, 2), 201);
}

static void an_operation_whose_document_is_bad_fails_alone(void **state)
{
	static const char *const bad[] = { "\"text\"", "[{}]", "7", "{\"id\":\"a\",\"id\":\"a\",\"pk\":\"p\"}",
		"{\"id\":\"a\",\"pk\":\"p\",\"\\u0070k\":\"p\"}", "{\"pk\":\"p\"}", "{\"id\":\"a\",\"pk\":{}}" };
	struct fixture *f = *state;
	char text[1000];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		(void)snprintf(text, sizeof text,
			"[" UPSERT("x") ",{\"operationType\":\"Upsert\",\"partitionKey\":\"[\\\"p\\\"]\","
					"\"resourceBody\":%s}," UPSERT("y") "]",
			bad[i]);
		assert_int_equal(run(f, text, NULL), 207);
		assert_int_equal(status_of(f, 0) / 100, 2);
		assert_int_equal(status_of(f, 1), 400);
		assert_int_equal(status_of(f, 2) / 100, 2);
	}
	assert_int_equal(f->container->ranges[0]->store.count, 2);
}

/* Runs one patch of item a; its status. */
static int patch(struct fixture *f, const char *body)
{
	char text[500];

	(void)snprintf(text, sizeof text,
		"[{\"operationType\":\"Patch\",\"id\":\"a\",\"partitionKey\":\"[\\\"p\\\"]\",\"resourceBody\":%s}]",
		body);
	(void)run(f, text, NULL);
	return status_of(f, 0);
}

static void a_patch_is_an_operation_as_others(void **state)
{
	static const struct {
		const char *body;
		int status;
	} cases[] = {
		{ "{\"operations\":[{\"op\":\"set\",\"path\":\"/n\",\"value\":1}]}", 200 },
		{ "[{\"op\":\"incr\",\"path\":\"/n\",\"value\":2}]", 200 },
		{ "{\"condition\":\"from c where c.n = 9\",\"operations\":[{\"op\":\"remove\",\"path\":\"/n\"}]}",
			412 },
		{ "{\"condition\":\"from\",\"operations\":[{\"op\":\"remove\",\"path\":\"/n\"}]}", 400 },
		{ "{\"operations\":[]}", 400 },
		{ "7", 400 },
		{ "{\"operations\":[{\"op\":\"incr\",\"path\":\"/n\",\"value\":0}]}", 200 },
	};
	struct fixture *f = *state;
	json_t *body;

	assert_int_equal(patch(f, cases[0].body), 404);
	assert_int_equal(run(f, "[" UPSERT("a") "]", NULL), 200);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(patch(f, cases[i].body), cases[i].status);
	body = json_object_get(json_array_get(f->reply, 0), "resourceBody");
	assert_int_equal(json_integer_value(json_object_get(body, "n")), 3);
}

static void conditions_of_operations_are_held(void **state)
{
	struct fixture *f = *state;
	const char *etag;
	char text[2000], quoted[100];

	assert_int_equal(run(f, "[" UPSERT("a") "]", NULL), 200);
	etag = json_string_value(json_object_get(json_array_get(f->reply, 0), "eTag"));
	(void)snprintf(quoted, sizeof quoted, "\\\"%.*s\\\"", (int)strlen(etag) - 2, etag + 1);
	(void)snprintf(text, sizeof text,
		"[{\"operationType\":\"Replace\",\"id\":\"a\",\"partitionKey\":\"[\\\"p\\\"]\",\"ifMatch\":\"%s\","
		"\"resourceBody\":{\"id\":\"a\",\"pk\":\"p\",\"n\":1}},"
		"{\"operationType\":\"Delete\",\"id\":\"a\",\"partitionKey\":\"[\\\"p\\\"]\",\"ifMatch\":\"%s\"},"
		"{\"operationType\":\"Patch\",\"id\":\"a\",\"partitionKey\":\"[\\\"p\\\"]\",\"ifMatch\":\"%s\","
		"\"resourceBody\":{\"operations\":[{\"op\":\"incr\",\"path\":\"/n\",\"value\":1}]}},"
		"{\"operationType\":\"Upsert\",\"partitionKey\":\"[\\\"p\\\"]\",\"ifNoneMatch\":\"*\","
		"\"resourceBody\":{\"id\":\"a\",\"pk\":\"p\"}},"
		"{\"operationType\":\"Upsert\",\"partitionKey\":\"[\\\"p\\\"]\",\"ifMatch\":\"%s\","
		"\"resourceBody\":{\"id\":\"b\",\"pk\":\"p\"}}]",
		quoted, quoted, quoted, quoted);
	assert_int_equal(run(f, text, NULL), 207);
	assert_int_equal(status_of(f, 0), 200);
	assert_int_equal(status_of(f, 1), 412);
	assert_int_equal(status_of(f, 2), 412);
	assert_int_equal(status_of(f, 3), 412);
	assert_int_equal(status_of(f, 4), 201); /* nothing there: the service creates */
}

static void faults_by_id_hit_every_kind_of_operation(void **state)
{
	static const char *const operations[] = {
		UPSERT("a"),
		"{\"operationType\":\"Create\",\"partitionKey\":\"[1]\",\"resourceBody\":{\"id\":\"\\u0061\",\"pk\":1}"
		"}",
		"{\"operationType\":\"Replace\",\"id\":\"a\",\"partitionKey\":\"[1]\",\"resourceBody\":{\"id\":\"a\"}}",
		"{\"operationType\":\"Delete\",\"id\":\"a\",\"partitionKey\":\"[1]\"}",
		"{\"operationType\":\"Read\",\"id\":\"a\",\"partitionKey\":\"[1]\"}",
		"{\"operationType\":\"Patch\",\"id\":\"a\",\"partitionKey\":\"[1]\",\"resourceBody\":{\"operations\":[]"
		"}}",
	};
	struct wb_faults *faults = wb_faults_new(1);
	struct fixture *f = *state;
	char text[500];

	assert_int_equal(
		wb_faults_add(faults, wb_slice_cstr("{\"match\":{\"id\":\"a\"},\"status\":424}"), NULL), WB_OK);
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		(void)snprintf(text, sizeof text, "[%s]", operations[i]);
		assert_int_equal(run(f, text, faults), 207);
		assert_int_equal(status_of(f, 0), 424);
	}
	assert_int_equal(f->container->ranges[0]->store.count, 0);
	wb_faults_free(&faults);
}

static void faults_hit_the_operations_that_they_name(void **state)
{
	struct fixture *f = *state;
	struct wb_faults *faults = wb_faults_new(1);
	json_t *hit;

	assert_int_equal(wb_faults_add(faults,
				 wb_slice_cstr("[{\"match\":{\"id_prefix\":\"b\"},\"status\":429,\"substatus\":3200,"
					       "\"retry_after_ms\":7},{\"match\":{\"id\":\"c\"},\"status\":500,"
					       "\"applied\":true}]"),
				 NULL),
		WB_OK);
	assert_int_equal(run(f, "[" UPSERT("a") "," UPSERT("\\u0062x") "," UPSERT("c") "]", faults), 207);
	assert_int_equal(status_of(f, 0), 201);
	assert_int_equal(status_of(f, 1), 429);
	assert_int_equal(status_of(f, 2), 500);
	hit = json_array_get(f->reply, 1);
	assert_int_equal(json_integer_value(json_object_get(hit, "subStatusCode")), 3200);
	assert_int_equal(json_integer_value(json_object_get(hit, "retryAfterMilliseconds")), 7);
	assert_int_equal(f->container->ranges[0]->store.count, 2);
	wb_faults_free(&faults);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_good_is_200),
		T(one_failure_is_207_and_alone),
		T(every_kind_of_operation_runs),
		T(a_minimal_reply_has_no_body),
		T(bad_bodies_are_refused_whole),
		T(a_hundred_operations_and_two_megabytes_are_the_limit),
		T(an_operation_with_a_bad_key_fails_alone),
		T(an_operation_whose_document_is_bad_fails_alone),
		T(a_patch_is_an_operation_as_others),
		T(conditions_of_operations_are_held),
		T(faults_hit_the_operations_that_they_name),
		T(faults_by_id_hit_every_kind_of_operation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
