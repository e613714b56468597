#include "sandbox/routing.h"

#include "sandbox/split.h"
#include "sandbox/topology_routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define DEFINITION "{\"id\":\"c\",\"partitionKey\":{\"paths\":[\"/pk\"],\"version\":2}}"
#define NONE       wb_slice(NULL, 0)

/* An account of three locations with one container of two ranges. */
struct world {
	struct wb_emulator_state state;
	struct wb_exchange_scratch *scratch;
	struct wb_web_reply reply;
	struct wb_container *container;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct wb_buf reply;

	assert_non_null(w);
	w->state.budget.max_bytes = 1 << 30;
	w->state.location_count = 3;
	w->state.catalog = wb_catalog_new(2, &w->state.budget);
	w->scratch = wb_exchange_scratch_new();
	wb_buf_init(&w->reply.head, 65536);
	wb_buf_init(&w->reply.body, 65536);
	wb_buf_init(&reply, 65536);
	assert_int_equal(
		wb_catalog_database_create(w->state.catalog, wb_slice_cstr("{\"id\":\"db\"}"), 1, &reply).status, 201);
	assert_int_equal(
		wb_catalog_container_create(w->state.catalog, wb_slice_cstr("db"), wb_slice_cstr(DEFINITION), 1, &reply)
			.status,
		201);
	w->container = wb_catalog_hold(w->state.catalog, wb_slice_cstr("db"), wb_slice_cstr("c"));
	wb_buf_release(&reply);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	wb_container_release(&w->container);
	wb_catalog_free(&w->state.catalog);
	wb_exchange_scratch_free(&w->scratch);
	wb_buf_release(&w->reply.head);
	wb_buf_release(&w->reply.body);
	free(w);
	return 0;
}

/* status * 10000 + substatus of a refusal, 0 when it is let in. */
static int refusal(struct world *w)
{
	char *substatus;

	assert_non_null(wb_buf_reserve(&w->reply.head, 1));
	w->reply.head.data[w->reply.head.len] = '\0';
	substatus = strstr(w->reply.head.data, "x-ms-substatus: ");
	return (int)w->reply.status * 10000 + (substatus ? (int)strtol(substatus + 16, NULL, 10) : 0);
}

static int admit_at(struct world *w, int64_t now_ms, const char *name, const char *value)
{
	struct wb_web_request request = { .method = wb_slice_cstr("POST"), .header_count = 1 };
	struct wb_exchange x = { .state = &w->state,
		.scratch = w->scratch,
		.request = &request,
		.reply = &w->reply,
		.now = { .mono_ms = now_ms } };
	bool admitted;

	request.headers[0] = (struct wb_web_header){ wb_slice_cstr(name), wb_slice_cstr(value) };
	wb_container_enter(w->container);
	admitted = wb_routing_admit(&x, w->container);
	wb_container_leave(w->container);
	return admitted ? 0 : refusal(w);
}

static int admit_range(struct world *w, int64_t now_ms, const char *id)
{
	return admit_at(w, now_ms, "x-ms-documentdb-partitionkeyrangeid", id);
}

static void ranges_that_are_there_are_served(void **state)
{
	struct world *w = *state;
	char with_rid[64];

	assert_int_equal(admit_range(w, 0, "0"), 0);
	assert_int_equal(admit_range(w, 0, "1"), 0);
	(void)snprintf(with_rid, sizeof with_rid, "%s,1", w->container->rid);
	assert_int_equal(admit_range(w, 0, with_rid), 0);
	assert_int_equal(admit_range(w, 0, "2"), 4101002);
	assert_int_equal(admit_range(w, 0, "AAAAAYAAAAA=,1"), 4101000);
	assert_int_equal(admit_at(w, 0, "x-ms-documentdb-partitionkey", "[\"p\"]"), 0);
	assert_int_equal(admit_at(w, 0, "x-ms-documentdb-partitionkey", "no key"), 0);
	assert_int_equal(admit_at(w, 0, "x-ms-cosmos-intended-collection-rid", w->container->rid), 0);
	assert_int_equal(admit_at(w, 0, "x-ms-cosmos-intended-collection-rid", "AAAAAYAAAAA="), 4001024);
	assert_true(atomic_load(&w->container->gone_requests) == 2);
}

static void a_split_that_goes_on_is_told_until_its_end(void **state)
{
	const struct wb_split_completion slow = { .until_ms = 1000, .substatus = 1007 };
	struct world *w = *state;
	struct wb_split_result r;
	struct wb_error why;

	assert_int_equal(wb_container_split(w->container, wb_slice_cstr("0"), NONE, &slow, &r, &why), WB_OK);
	for (int64_t now_ms = 0; now_ms <= 1000; now_ms += 1000) {
		bool over = now_ms >= 1000;

		assert_int_equal(admit_range(w, now_ms, "0"), over ? 4101002 : 4101007);
		assert_int_equal(admit_range(w, now_ms, "1"), 0);
		assert_int_equal(admit_range(w, now_ms, "2"), over ? 0 : 4101007);
		assert_int_equal(admit_range(w, now_ms, "3"), over ? 0 : 4101007);
		/* "partitionKey" hashes to 01…, "" to 32…: in the range that is split, and not in it. */
		assert_int_equal(
			admit_at(w, now_ms, "x-ms-documentdb-partitionkey", "[\"partitionKey\"]"), over ? 0 : 4101007);
		assert_int_equal(admit_at(w, now_ms, "x-ms-documentdb-partitionkey", "[\"\"]"), 0);
	}
}

static void a_merge_can_go_on_too(void **state)
{
	const struct wb_split_completion slow = { .until_ms = 1000, .substatus = 1008 };
	struct world *w = *state;
	struct wb_split_result r;
	struct wb_error why;

	assert_int_equal(
		wb_container_merge(w->container, wb_slice_cstr("0"), wb_slice_cstr("1"), &slow, &r, &why), WB_OK);
	assert_int_equal(admit_range(w, 0, "0"), 4101008);
	assert_int_equal(admit_range(w, 0, "1"), 4101008);
	assert_int_equal(admit_range(w, 0, "2"), 4101008);
	assert_int_equal(admit_range(w, 1000, "1"), 4101002);
	assert_int_equal(admit_range(w, 1000, "2"), 0);
}

static void ids_of_an_earlier_container_are_told_apart(void **state)
{
	struct world *w = *state;
	const struct wb_recreation how = { .keep_documents = false };
	struct wb_buf reply;

	wb_buf_init(&reply, 65536);
	assert_int_equal(wb_catalog_container_recreate(
				 w->state.catalog, wb_slice_cstr("db"), wb_slice_cstr("c"), &how, 1, &reply)
				 .status,
		201);
	assert_true(atomic_load(&w->container->deleted));
	wb_container_release(&w->container);
	w->container = wb_catalog_hold(w->state.catalog, wb_slice_cstr("db"), wb_slice_cstr("c"));
	assert_int_equal(admit_range(w, 0, "0"), 4101000);
	assert_int_equal(admit_range(w, 0, "1"), 4101000);
	assert_int_equal(admit_range(w, 0, "2"), 0);
	assert_int_equal(admit_range(w, 0, "3"), 0);
	assert_int_equal(admit_range(w, 0, "4"), 4101002);
	wb_buf_release(&reply);
}

static int location_refusal(struct world *w, unsigned location, bool writes)
{
	struct wb_web_request request = { .method = wb_slice_cstr("POST") };
	struct wb_exchange x = {
		.state = &w->state, .scratch = w->scratch, .request = &request, .reply = &w->reply, .location = location
	};

	return wb_routing_location(&x, writes) ? 0 : refusal(w);
}

static unsigned post(struct world *w, const char *what, const char *body)
{
	struct wb_web_request request = { .method = wb_slice_cstr("POST"), .body = wb_slice_cstr(body) };
	struct wb_exchange x = { .state = &w->state, .scratch = w->scratch, .request = &request, .reply = &w->reply };

	assert_true(wb_topology_route(&x, wb_slice_cstr(what)));
	return w->reply.status;
}

static void one_location_is_writable(void **state)
{
	struct world *w = *state;

	assert_int_equal(location_refusal(w, 0, true), 0);
	assert_int_equal(location_refusal(w, 1, true), 4030003);
	assert_int_equal(location_refusal(w, 1, false), 0);
	assert_int_equal(post(w, "failover", "{\"to\":1}"), 200);
	assert_int_equal(location_refusal(w, 0, true), 4030003);
	assert_int_equal(location_refusal(w, 0, false), 0);
	assert_int_equal(location_refusal(w, 1, true), 0);
	assert_int_equal(post(w, "failover", "{\"to\":2,\"substatus\":1008}"), 200);
	assert_int_equal(location_refusal(w, 0, true), 4030003);
	assert_int_equal(location_refusal(w, 1, true), 4031008);
	assert_int_equal(location_refusal(w, 1, false), 4031008);
	assert_int_equal(post(w, "failover", "{\"to\":1}"), 200);
	assert_int_equal(location_refusal(w, 1, true), 0);
}

static void orders_that_are_not_understood_change_nothing(void **state)
{
	static const struct {
		const char *what, *body;
		unsigned status;
	} bad[] = {
		{ "failover", "{}", 400 },
		{ "failover", "{\"to\":3}", 400 },
		{ "failover", "{\"to\":-1}", 400 },
		{ "failover", "{\"to\":1,\"substatus\":7}", 400 },
		{ "failover", "{\"to\":1,\"more\":1}", 400 },
		{ "split", "", 404 },
		{ "split", "{\"database\":\"db\",\"container\":\"other\"}", 404 },
		{ "split", "{\"database\":\"db\",\"container\":\"c\",\"range\":0}", 400 },
		{ "split", "{\"database\":\"db\",\"container\":\"c\",\"range\":\"7\"}", 400 },
		{ "split", "{\"database\":\"db\",\"container\":\"c\",\"completing_ms\":1,\"substatus\":1002}", 400 },
		{ "split", "{\"database\":\"db\",\"container\":\"c\",\"ranges\":[]}", 400 },
		{ "merge", "{\"database\":\"db\",\"container\":\"c\",\"ranges\":[\"0\"]}", 400 },
		{ "merge", "{\"database\":\"db\",\"container\":\"c\",\"ranges\":[\"0\",1]}", 400 },
		{ "merge", "{\"database\":\"db\",\"container\":\"c\"}", 400 },
		{ "recreate", "{\"database\":\"db\",\"container\":\"c\",\"keep_documents\":1}", 400 },
		{ "recreate", "{\"database\":\"db\",\"container\":\"c\",\"definition\":{\"id\":\"c\"}}", 400 },
		{ "recreate",
			"{\"database\":\"db\",\"container\":\"c\",\"definition\":{\"id\":\"d\",\"partitionKey\":"
			"{\"paths\":[\"/pk\"],\"version\":2}}}",
			400 },
		{ "recreate",
			"{\"database\":\"db\",\"container\":\"c\",\"keep_documents\":true,\"definition\":{\"id\":\"c\","
			"\"partitionKey\":{\"paths\":[\"/other\"],\"version\":2}}}",
			400 },
	};
	struct world *w = *state;
	uint64_t version = w->container->ranges_version;

	for (size_t i = 0; i < WB_ARRAY_LEN(bad); i++)
		if (post(w, bad[i].what, bad[i].body) != bad[i].status)
			fail_msg("%s %s: %u", bad[i].what, bad[i].body, w->reply.status);
	assert_true(w->container->ranges_version == version);
	assert_false(atomic_load(&w->container->deleted));
	assert_int_equal(atomic_load(&w->state.write_location), 0);
}

static void a_container_may_stay_missing_for_a_while(void **state)
{
	const struct wb_recreation how = { .missing_until_ms = 500 };
	struct world *w = *state;
	struct wb_buf reply;

	wb_buf_init(&reply, 65536);
	assert_int_equal(wb_catalog_container_recreate(
				 w->state.catalog, wb_slice_cstr("db"), wb_slice_cstr("c"), &how, 1, &reply)
				 .status,
		201);
	assert_int_equal(
		wb_catalog_container_read(w->state.catalog, wb_slice_cstr("db"), wb_slice_cstr("c"), 499, &reply)
			.status,
		404);
	assert_int_equal(
		wb_catalog_container_read(w->state.catalog, wb_slice_cstr("db"), wb_slice_cstr("c"), 500, &reply)
			.status,
		200);
	wb_buf_release(&reply);
}

static void a_deleted_containers_range_ids_are_not_given_again(void **state)
{
	struct world *w = *state;
	struct wb_catalog *catalog = w->state.catalog;
	struct wb_buf reply;

	wb_buf_init(&reply, 65536);
	for (int round = 1; round <= 3; round++) {
		assert_int_equal(
			wb_catalog_container_delete(catalog, wb_slice_cstr("db"), wb_slice_cstr("c")).status, 204);
		assert_int_equal(
			wb_catalog_container_create(catalog, wb_slice_cstr("db"), wb_slice_cstr(DEFINITION), 1, &reply)
				.status,
			201);
		wb_container_release(&w->container);
		w->container = wb_catalog_hold(catalog, wb_slice_cstr("db"), wb_slice_cstr("c"));
		assert_int_equal(w->container->ranges[0]->number, 2 * round);
		wb_buf_clear(&reply);
	}
	wb_buf_release(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges_that_are_there_are_served, setup, teardown),
		cmocka_unit_test_setup_teardown(a_split_that_goes_on_is_told_until_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_merge_can_go_on_too, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_of_an_earlier_container_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(one_location_is_writable, setup, teardown),
		cmocka_unit_test_setup_teardown(orders_that_are_not_understood_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_container_may_stay_missing_for_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(a_deleted_containers_range_ids_are_not_given_again, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
