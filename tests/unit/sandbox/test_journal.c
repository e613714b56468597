#include "sandbox/documents.h"
#include "sandbox/journal.h"

#include "common/base/thread.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define WRITERS 4
#define WRITES  500

static const struct wb_journal_entry some = { .operation = WB_OPERATION_UPSERT,
	.status = 201,
	.database = WB_SLICE_LIT("db"),
	.container = WB_SLICE_LIT("c"),
	.id = WB_SLICE_LIT("a\"b"),
	.pk = WB_SLICE_LIT("[\"p\",7]"),
	.etag = WB_SLICE_LIT("\"1-2\""),
	.client = WB_SLICE_LIT("tester/1"),
	.document = WB_SLICE_LIT("{\"id\":\"a\\\"b\",\n\"n\":1e2}"),
	.at_ms = 1700000000123 };

/* All lines behind `after`, as an array of objects; whoever calls lets go of it. */
static json_t *lines_of(struct wb_journal *j, uint64_t after)
{
	json_t *array = json_array();
	struct wb_buf b;
	bool more = true;

	wb_buf_init(&b, 1 << 20);
	while (more) {
		more = wb_journal_read(j, &after, 300, &b);
		for (char *at = b.data; at && *at; at = strchr(at, '\n') + 1) {
			json_t *line = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);

			assert_non_null(line);
			assert_int_equal(json_array_append_new(array, line), 0);
		}
		wb_buf_clear(&b);
	}
	wb_buf_release(&b);
	return array;
}

static json_int_t number_of(json_t *lines, size_t i)
{
	return json_integer_value(json_object_get(json_array_get(lines, i), "n"));
}

static void it_is_off_until_it_is_asked_for(void **state)
{
	struct wb_journal *j = wb_journal_new(1 << 20);
	json_t *lines;

	(void)state;
	assert_false(wb_journal_is_on(j));
	wb_journal_append(j, &some);
	wb_journal_turn(j, true);
	assert_true(wb_journal_is_on(j));
	wb_journal_append(j, &some);
	wb_journal_turn(j, false);
	wb_journal_append(j, &some);
	lines = lines_of(j, 0);
	assert_int_equal(json_array_size(lines), 1);
	json_decref(lines);
	wb_journal_free(&j);
	assert_null(j);
}

static void a_line_says_what_was_written(void **state)
{
	struct wb_journal_entry gone = some;
	struct wb_journal *j = wb_journal_new(1 << 20);
	struct wb_buf b;
	uint64_t after = 0;

	(void)state;
	gone.operation = WB_OPERATION_DELETE;
	gone.status = 204;
	gone.etag = gone.document = gone.client = wb_slice(NULL, 0);
	wb_journal_turn(j, true);
	wb_journal_append(j, &some);
	wb_journal_append(j, &gone);
	wb_buf_init(&b, 65536);
	assert_false(wb_journal_read(j, &after, 60000, &b));
	assert_int_equal(after, 2);
	assert_string_equal(b.data,
		"{\"n\":1,\"op\":\"upsert\",\"database\":\"db\",\"container\":\"c\",\"id\":\"a\\\"b\","
		"\"pk\":[\"p\",7],\"etag\":\"\\\"1-2\\\"\",\"status\":201,\"client\":\"tester/1\","
		"\"at_ms\":1700000000123,\"document\":{\"id\":\"a\\\"b\", \"n\":1e2}}\n"
		"{\"n\":2,\"op\":\"delete\",\"database\":\"db\",\"container\":\"c\",\"id\":\"a\\\"b\","
		"\"pk\":[\"p\",7],\"status\":204,\"client\":\"\",\"at_ms\":1700000000123}\n");
	wb_buf_release(&b);
	wb_journal_free(&j);
}

static void it_is_read_from_anywhere_and_numbers_never_return(void **state)
{
	struct wb_journal *j = wb_journal_new(1 << 20);
	json_t *lines;

	(void)state;
	wb_journal_turn(j, true);
	for (int i = 0; i < 10; i++)
		wb_journal_append(j, &some);
	lines = lines_of(j, 7);
	assert_int_equal(json_array_size(lines), 3);
	assert_int_equal(number_of(lines, 0), 8);
	json_decref(lines);
	wb_journal_clear(j);
	wb_journal_append(j, &some);
	lines = lines_of(j, 3);
	assert_int_equal(json_array_size(lines), 1);
	assert_int_equal(number_of(lines, 0), 11);
	json_decref(lines);
	wb_journal_free(&j);
}

static void a_full_journal_says_so_and_keeps_what_it_has(void **state)
{
	struct wb_journal *j = wb_journal_new(1000);
	json_t *lines, *mark;
	size_t count;

	(void)state;
	wb_journal_turn(j, true);
	for (int i = 0; i < 100; i++)
		wb_journal_append(j, &some);
	lines = lines_of(j, 0);
	count = json_array_size(lines);
	assert_in_range(count, 2, 10);
	mark = json_array_get(lines, count - 1);
	assert_true(json_is_true(json_object_get(mark, "truncated")));
	assert_int_equal(json_integer_value(json_object_get(mark, "after")), count - 1);
	assert_int_equal(number_of(lines, count - 2), count - 1);
	json_decref(lines);
	wb_journal_clear(j);
	wb_journal_append(j, &some);
	lines = lines_of(j, 0);
	assert_int_equal(json_array_size(lines), 1);
	json_decref(lines);
	wb_journal_free(&j);
}

/* A container with one range, and what an operation on it needs. */
struct world {
	struct wb_store_budget budget;
	struct wb_container *container;
	struct wb_journal *journal;
};

static void world_init(struct world *w)
{
	const struct wb_container_place place = {
		.database_name = "db", .database_rid = "AAAAAQ==", .database_number = 1, .number = 2
	};
	struct wb_resource_result result;

	*w = (struct world){ .budget = { .max_bytes = 1 << 30 }, .journal = wb_journal_new(1 << 24) };
	w->container = wb_container_new(&place, wb_slice_cstr("{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"]}}"),
		1, &w->budget, 1, &result);
	assert_non_null(w->container);
	wb_journal_turn(w->journal, true);
}

static void world_release(struct world *w)
{
	wb_container_release(&w->container);
	wb_journal_free(&w->journal);
}

static unsigned apply(struct world *w, struct wb_buf *scratch, enum wb_operation operation, const char *document)
{
	struct wb_document_request request = {
		.operation = operation, .id = wb_slice_cstr("a"), .journal = w->journal, .client = wb_slice_cstr("unit")
	};
	struct wb_document_result result;
	struct wb_json_document found;
	struct wb_json_error where;
	struct wb_error why;
	struct wb_pk key;

	if (wb_document_scratch_clear(scratch) || wb_pk_parse(wb_slice_cstr("[\"p\"]"), 0, scratch, &key, &why))
		abort();
	if (document) {
		if (wb_json_scan_document(wb_slice_cstr(document), &w->container->key.paths, &found, &where))
			abort();
		request.found = &found;
	}
	request.stated = &key;
	wb_document_apply(w->container, &request, 0, (struct wb_document_now){ 1, 1, 1000 }, scratch, NULL, &result);
	return result.status;
}

static void only_writes_that_took_effect_stand_in_it(void **state)
{
	static const char document[] = "{\"id\":\"a\",\"pk\":\"p\"}";
	static const char *const operations[] = { "create", "replace", "delete" };
	struct wb_buf scratch;
	struct world w;
	json_t *lines;

	(void)state;
	world_init(&w);
	wb_document_scratch_init(&scratch);
	assert_int_equal(apply(&w, &scratch, WB_OPERATION_DELETE, NULL), 404);
	assert_int_equal(apply(&w, &scratch, WB_OPERATION_CREATE, document), 201);
	assert_int_equal(apply(&w, &scratch, WB_OPERATION_CREATE, document), 409);
	assert_int_equal(apply(&w, &scratch, WB_OPERATION_READ, NULL), 200);
	assert_int_equal(apply(&w, &scratch, WB_OPERATION_REPLACE, document), 200);
	assert_int_equal(apply(&w, &scratch, WB_OPERATION_DELETE, NULL), 204);
	lines = lines_of(w.journal, 0);
	assert_int_equal(json_array_size(lines), 3);
	for (size_t i = 0; i < 3; i++) {
		json_t *line = json_array_get(lines, i);

		assert_string_equal(json_string_value(json_object_get(line, "op")), operations[i]);
		assert_string_equal(json_string_value(json_object_get(line, "client")), "unit");
		assert_int_equal(json_object_get(line, "document") != NULL, i < 2);
	}
	json_decref(lines);
	wb_buf_release(&scratch);
	world_release(&w);
}

struct writer {
	struct world *world;
	pthread_t thread;
	int number;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	struct wb_buf scratch;
	char document[64];

	wb_document_scratch_init(&scratch);
	for (int i = 0; i < WRITES; i++) {
		(void)snprintf(
			document, sizeof document, "{\"id\":\"a\",\"pk\":\"p\",\"n\":%d}", writer->number * WRITES + i);
		(void)apply(writer->world, &scratch, WB_OPERATION_UPSERT, document);
	}
	wb_buf_release(&scratch);
	return NULL;
}

/* Every version's number is given under the range's lock: in the order of effect they only rise. */
static void its_order_is_that_of_effect(void **state)
{
	struct writer writers[WRITERS];
	const char *before = "";
	struct world w;
	json_t *lines;

	(void)state;
	world_init(&w);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .world = &w, .number = i };
		writers[i].thread = wb_thread_start("writer", write_on, &writers[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		wb_thread_join(writers[i].thread);
	lines = lines_of(w.journal, 0);
	assert_int_equal(json_array_size(lines), WRITERS * WRITES);
	for (size_t i = 0; i < WRITERS * WRITES; i++) {
		const char *etag = json_string_value(json_object_get(json_array_get(lines, i), "etag"));

		assert_int_equal(number_of(lines, i), i + 1);
		assert_true(strcmp(before, etag) < 0);
		before = etag;
	}
	json_decref(lines);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_off_until_it_is_asked_for),
		cmocka_unit_test(a_line_says_what_was_written),
		cmocka_unit_test(it_is_read_from_anywhere_and_numbers_never_return),
		cmocka_unit_test(a_full_journal_says_so_and_keeps_what_it_has),
		cmocka_unit_test(only_writes_that_took_effect_stand_in_it),
		cmocka_unit_test(its_order_is_that_of_effect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
