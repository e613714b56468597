#include "sandbox/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static struct wb_store_budget budget = { .max_bytes = 1 << 30 };

static struct wb_container *make(const char *definition, unsigned ranges, struct wb_resource_result *ret)
{
	const struct wb_container_place place = {
		.database_name = "db", .database_rid = "AAAAAQ==", .database_number = 1, .number = 2
	};

	return wb_container_new(&place, wb_slice_cstr(definition), ranges, &budget, 1700000000, ret);
}

static void ranges_cover_all_keys_without_gaps(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= WB_RANGES_MAX; n = n < 10 ? n + 1 : n * 2) {
		struct wb_resource_result result;
		struct wb_container *c = make(
			"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"],\"version\":2}}", n, &result);

		assert_non_null(c);
		assert_int_equal(result.status, 201);
		assert_string_equal(c->ranges[0]->min_text, "");
		assert_string_equal(c->ranges[n - 1]->max_text, "FF");
		for (unsigned i = 1; i < n; i++) {
			assert_string_equal(c->ranges[i]->min_text, c->ranges[i - 1]->max_text);
			assert_true(wb_epk_compare(&c->ranges[i]->min, &c->ranges[i - 1]->min) > 0);
		}
		wb_container_release(&c);
		assert_null(c);
	}
}

static void a_key_falls_into_exactly_one_range(void **state)
{
	struct wb_resource_result result;
	struct wb_container *c = make(
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"],\"version\":2}}", 7, &result);
	unsigned seen[7] = { 0 };

	(void)state;
	for (int i = 0; i < 7000; i++) {
		char text[16];
		struct wb_pk pk = { .count = 1, .component[0] = { .type = WB_PK_STRING } };
		struct wb_epk epk;
		struct wb_range *range;
		unsigned containing = 0;

		(void)snprintf(text, sizeof text, "key-%d", i);
		pk.component[0].string = wb_slice_cstr(text);
		wb_pk_hash(WB_PK_HASH_V2, &pk, &epk);
		range = wb_container_range_of(c, &epk);
		for (unsigned j = 0; j < 7; j++) {
			containing += wb_range_contains(c->ranges[j], &epk);
			seen[j] += c->ranges[j] == range;
		}
		assert_int_equal(containing, 1);
		assert_true(wb_range_contains(range, &epk));
	}
	for (unsigned j = 0; j < 7; j++)
		assert_in_range(seen[j], 800, 1200);
	wb_container_release(&c);
}

static void the_border_belongs_to_the_right_range(void **state)
{
	struct wb_resource_result result;
	struct wb_container *c = make(
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"],\"version\":2}}", 4, &result);
	struct wb_epk epk;

	(void)state;
	assert_string_equal(c->ranges[1]->min_text, "10000000000000000000000000000000");
	assert_int_equal(wb_epk_parse(wb_slice_cstr("10000000000000000000000000000000"), &epk), WB_OK);
	assert_ptr_equal(wb_container_range_of(c, &epk), c->ranges[1]);
	assert_int_equal(wb_epk_parse(wb_slice_cstr("0FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"), &epk), WB_OK);
	assert_ptr_equal(wb_container_range_of(c, &epk), c->ranges[0]);
	assert_int_equal(wb_epk_parse(wb_slice_cstr("3FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"), &epk), WB_OK);
	assert_ptr_equal(wb_container_range_of(c, &epk), c->ranges[3]);
	assert_ptr_equal(wb_container_range_by_id(c, wb_slice_cstr("3")), c->ranges[3]);
	assert_ptr_equal(wb_container_range_by_id(c, wb_slice_cstr("AAAAAYAAAAI=,3")), c->ranges[3]);
	assert_null(wb_container_range_by_id(c, wb_slice_cstr("4")));
	assert_null(wb_container_range_by_id(c, wb_slice_cstr("3,")));
	assert_null(wb_container_range_by_id(c, wb_slice_cstr("")));
	wb_container_release(&c);
}

static void a_definition_is_kept_and_completed(void **state)
{
	struct wb_resource_result result;
	struct wb_container *c = make(
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a/b\"],\"version\":2},\"defaultTtl\":-1}", 1, &result);
	struct wb_buf b;
	json_t *shown;

	(void)state;
	assert_non_null(c);
	wb_buf_init(&b, 65536);
	wb_container_render(c, &b);
	shown = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(shown);
	assert_int_equal(json_integer_value(json_object_get(shown, "defaultTtl")), -1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(shown, "partitionKey"), "version")), 2);
	assert_string_equal(json_string_value(json_object_get(json_object_get(shown, "partitionKey"), "kind")), "Hash");
	assert_string_equal(json_string_value(json_object_get(shown, "_self")), "dbs/AAAAAQ==/colls/AAAAAYAAAAI=/");
	assert_non_null(json_object_get(shown, "indexingPolicy"));
	json_decref(shown);
	wb_buf_release(&b);
	wb_container_release(&c);
}

/* Half of the keys in each of the first and last quarter would be the sign of borders at the wrong place. */
static void keys_spread_over_the_ranges_of_every_kind(void **state)
{
	static const struct {
		const char *definition;
		enum wb_pk_kind kind;
		unsigned count;
	} kinds[] = {
		{ "{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\"],\"kind\":\"Hash\"}}", WB_PK_HASH_V1, 1 },
		{ "{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\"],\"version\":1}}", WB_PK_HASH_V1, 1 },
		{ "{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\",\"/b/c\",\"/d\"],\"kind\":\"MultiHash\"}}",
			WB_PK_MULTI_HASH, 3 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		struct wb_resource_result result;
		struct wb_container *c = make(kinds[k].definition, 8, &result);
		unsigned seen[8] = { 0 };

		assert_non_null(c);
		assert_int_equal(c->key.kind, kinds[k].kind);
		assert_string_equal(c->ranges[0]->min_text, "");
		assert_string_equal(c->ranges[7]->max_text, "FF");
		for (int i = 0; i < 4000; i++) {
			struct wb_pk pk = { .count = kinds[k].count };
			struct wb_epk epk;

			for (unsigned j = 0; j < pk.count; j++)
				pk.component[j] = (struct wb_pk_component){ .type = WB_PK_NUMBER, .number = i + j };
			wb_pk_hash(c->key.kind, &pk, &epk);
			for (unsigned j = 0; j < 8; j++)
				seen[j] += wb_range_contains(c->ranges[j], &epk);
		}
		for (unsigned j = 0; j < 8; j++)
			assert_in_range(seen[j], 400, 600);
		wb_container_release(&c);
	}
}

static void a_version_that_is_absent_stays_absent(void **state)
{
	struct wb_resource_result result;
	struct wb_container *c = make("{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\"]}}", 1, &result);
	json_t *key = json_object_get(c->definition, "partitionKey");

	(void)state;
	assert_null(json_object_get(key, "version"));
	assert_string_equal(json_string_value(json_object_get(key, "kind")), "Hash");
	wb_container_release(&c);
}

static void bad_definitions_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"id\":\"c\"}",
		"{\"id\":\"\",\"partitionKey\":{\"paths\":[\"/pk\"]}}",
		"{\"id\":\"a/b\",\"partitionKey\":{\"paths\":[\"/pk\"]}}",
		"{\"id\":\"c \",\"partitionKey\":{\"paths\":[\"/pk\"]}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[]}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"pk\"]}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[1]}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\",\"/b\"],\"kind\":\"MultiHash\",\"version\":1}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\",\"/b\",\"/c\",\"/d\"],\"kind\":\"MultiHash\"}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\",\"/b\"],\"kind\":\"Hash\",\"version\":2}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\"],\"kind\":\"Range\",\"version\":2}}",
		"{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/a\"],\"kind\":\"Hash\",\"version\":3}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct wb_resource_result result;

		assert_null(make(bad[i], 1, &result));
		assert_int_equal(result.status, 400);
	}
}

static void resource_ids_are_made_as_the_clients_take_them_apart(void **state)
{
	char database[WB_RID_DATABASE_SIZE], container[WB_RID_CONTAINER_SIZE], child[WB_RID_CHILD_SIZE];
	char etag[WB_ETAG_SIZE];

	(void)state;
	wb_rid_database(0xfbff, database);
	assert_string_equal(database, "AAD7-w==");
	wb_rid_container(1, 2, container);
	assert_string_equal(container, "AAAAAYAAAAI=");
	wb_rid_child(1, 2, WB_RID_DOCUMENT, 1, child);
	assert_string_equal(child, "AAAAAYAAAAIBAAAAAAAAAA==");
	wb_rid_child(1, 2, WB_RID_PARTITION_KEY_RANGE, 1, child);
	assert_string_equal(child, "AAAAAYAAAAIBAAAAAAAAUA==");
	wb_etag_text(0x123456789abcdef0, 0x6b048e33, etag);
	assert_string_equal(etag, "\"12345678-9abc-def0-0000-00006b048e33\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_cover_all_keys_without_gaps),
		cmocka_unit_test(a_key_falls_into_exactly_one_range),
		cmocka_unit_test(the_border_belongs_to_the_right_range),
		cmocka_unit_test(a_definition_is_kept_and_completed),
		cmocka_unit_test(keys_spread_over_the_ranges_of_every_kind),
		cmocka_unit_test(a_version_that_is_absent_stays_absent),
		cmocka_unit_test(bad_definitions_are_refused),
		cmocka_unit_test(resource_ids_are_made_as_the_clients_take_them_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
