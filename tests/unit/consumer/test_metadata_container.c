#include "common/base/mem.h"
#include "common/base/prng.h"
#include "common/base/thread.h"
#include "consumer/metadata_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RANGES_MAX 64
#define WORKERS    3
#define KEYS       200

/* What the service would say: ranges by their first keys, each with an id of its own; the last one ends at FF. */
struct service {
	struct wb_prng random;
	uint32_t begin[RANGES_MAX];
	unsigned id[RANGES_MAX];
	size_t count;
	unsigned next_id;
};

static struct wb_epk key_at(uint32_t prefix)
{
	struct wb_epk epk = { .len = 16 };

	for (unsigned i = 0; i < 4; i++)
		epk.bytes[i] = (uint8_t)(prefix >> (24 - 8 * i));
	return epk;
}

static uint32_t random_prefix(struct service *s)
{
	return (uint32_t)(wb_prng_next(&s->random) % 0x40000000);
}

static struct wb_range_map *reading(const struct service *s)
{
	struct wb_error e = { "" };
	struct wb_range_map *map;
	struct wb_slice text;
	struct wb_buf body;

	wb_buf_init(&body, 64 * 1024);
	wb_buf_append_cstr(&body, "{\"PartitionKeyRanges\":[");
	for (size_t i = 0; i < s->count; i++) {
		char min[16] = "", max[16] = "FF";

		if (i > 0)
			(void)snprintf(min, sizeof min, "%08X", s->begin[i]);
		if (i + 1 < s->count)
			(void)snprintf(max, sizeof max, "%08X", s->begin[i + 1]);
		wb_buf_appendf(&body, "%s{\"id\":\"%u\",\"minInclusive\":\"%s\",\"maxExclusive\":\"%s\"}", i ? "," : "",
			s->id[i], min, max);
	}
	wb_buf_append_cstr(&body, "]}");
	text = wb_buf_slice(&body);
	map = wb_range_map_parse(&text, 1, &e);
	assert_string_equal(e.text, "");
	wb_buf_release(&body);
	return map;
}

static size_t holder(const struct service *s, uint32_t prefix)
{
	size_t i = s->count - 1;

	while (s->begin[i] > prefix)
		i--;
	return i;
}

/* One range becomes two, or two neighbours one; new ones have new ids. */
static void split_or_merge(struct service *s)
{
	uint32_t prefix = random_prefix(s);
	size_t at = holder(s, prefix);

	if (s->count < 2 || (s->count < RANGES_MAX && wb_prng_next(&s->random) % 2)) {
		if (s->begin[at] == prefix)
			return;
		memmove(&s->begin[at + 1], &s->begin[at], (s->count - at) * sizeof s->begin[0]);
		memmove(&s->id[at + 1], &s->id[at], (s->count - at) * sizeof s->id[0]);
		s->count++;
		s->begin[at + 1] = prefix;
		s->id[at] = s->next_id++;
		s->id[at + 1] = s->next_id++;
		return;
	}
	at = at ? at : 1;
	s->id[at - 1] = s->next_id++;
	memmove(&s->begin[at], &s->begin[at + 1], (s->count - at - 1) * sizeof s->begin[0]);
	memmove(&s->id[at], &s->id[at + 1], (s->count - at - 1) * sizeof s->id[0]);
	s->count--;
}

static struct wb_container *container_of(struct service *s, uint64_t seed)
{
	struct wb_container *c = wb_container_new(wb_slice_cstr("d"), wb_slice_cstr("c"));
	struct wb_pk_definition definition = { .kind = WB_PK_HASH_V2 };
	struct wb_range_map *map;

	*s = (struct service){ .random = { seed }, .count = 1, .next_id = 1 };
	for (unsigned i = 0; i < 5; i++)
		split_or_merge(s);
	map = reading(s);
	wb_container_settle(c, &definition, map, 1, WORKERS);
	assert_true(wb_container_publish(c, map, false));
	return c;
}

static unsigned id_of(const struct wb_range *range)
{
	return (unsigned)strtoul(range->id, NULL, 10);
}

static void items_keep_their_worker_and_find_their_range(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct service s;
		struct wb_container *c = container_of(&s, seed);
		uint32_t prefix[KEYS];
		unsigned worker[KEYS];

		for (unsigned i = 0; i < KEYS; i++) {
			struct wb_epk key = key_at(prefix[i] = random_prefix(&s));

			worker[i] = wb_container_worker(c, &key);
			assert_true(worker[i] < WORKERS);
		}
		for (unsigned step = 0; step < 40; step++) {
			for (uint64_t n = wb_prng_next(&s.random) % 4; n > 0; n--)
				split_or_merge(&s);
			(void)wb_container_publish(c, reading(&s), false);
			wb_container_reclaim(c);
			for (unsigned i = 0; i < KEYS; i++) {
				struct wb_epk key = key_at(prefix[i]);
				struct wb_range *range = wb_container_route(c, &key);

				assert_int_equal(wb_container_worker(c, &key), worker[i]);
				assert_int_equal(id_of(range), s.id[holder(&s, prefix[i])]);
				assert_false(atomic_load(&range->gone));
			}
		}
		wb_container_free(c);
	}
}

static void workers_share_the_first_reading(void **state)
{
	struct wb_container *c = wb_container_new(wb_slice_cstr("d"), wb_slice_cstr("c"));
	struct wb_pk_definition definition = { .kind = WB_PK_HASH_V2 };
	struct service s = { .begin = { 0, 0x10000000, 0x20000000, 0x30000000 }, .id = { 1, 2, 3, 4 }, .count = 4 };
	struct wb_range_map *map = reading(&s);

	(void)state;
	wb_container_settle(c, &definition, map, 2, 3);
	assert_true(wb_container_publish(c, map, false));
	for (unsigned i = 0; i < 4; i++) {
		struct wb_epk key = key_at(s.begin[i]);

		assert_int_equal(wb_container_worker(c, &key), (2 + i) % 3);
	}
	wb_container_free(c);
}

static void a_range_that_is_not_read_again_is_gone_and_others_stay(void **state)
{
	struct service s;
	struct wb_container *c = container_of(&s, 7);
	struct wb_epk first, last;
	struct wb_range *split, *kept;

	(void)state;
	assert_true(s.count > 1);
	first = key_at(s.begin[0]);
	last = key_at(s.begin[s.count - 1]);
	split = wb_container_route(c, &first);
	kept = wb_container_route(c, &last);
	s.id[0] = s.next_id++;
	assert_true(wb_container_publish(c, reading(&s), false));
	assert_true(atomic_load(&split->gone));
	assert_false(atomic_load(&kept->gone));
	assert_ptr_equal(wb_container_route(c, &last), kept);
	assert_ptr_not_equal(wb_container_route(c, &first), split);
	wb_container_free(c);
}

static void the_same_reading_changes_nothing_unless_made_anew(void **state)
{
	struct service s;
	struct wb_container *c = container_of(&s, 9);
	struct wb_epk key = key_at(0x12345678);
	struct wb_range *before = wb_container_route(c, &key), *after;

	(void)state;
	assert_false(wb_container_publish(c, reading(&s), false));
	assert_ptr_equal(wb_container_route(c, &key), before);
	assert_true(wb_container_publish(c, reading(&s), true));
	after = wb_container_route(c, &key);
	assert_ptr_not_equal(after, before);
	assert_string_equal(after->id, before->id);
	assert_true(atomic_load(&before->gone));
	assert_false(atomic_load(&after->gone));
	wb_container_free(c);
}

/* An id that comes with other bounds is another range: a reading must never send a key where it does not belong. */
static void an_id_with_other_bounds_is_another_range(void **state)
{
	struct wb_container *c = wb_container_new(wb_slice_cstr("d"), wb_slice_cstr("c"));
	struct wb_pk_definition definition = { .kind = WB_PK_HASH_V2 };
	struct service s = { .begin = { 0, 0x10000000 }, .id = { 1, 2 }, .count = 2 };
	struct wb_range_map *map = reading(&s);
	struct wb_epk key = key_at(0);
	struct wb_range *before;

	(void)state;
	wb_container_settle(c, &definition, map, 0, 1);
	assert_true(wb_container_publish(c, map, false));
	before = wb_container_route(c, &key);
	s.begin[1] = 0x20000000;
	assert_true(wb_container_publish(c, reading(&s), false));
	assert_true(atomic_load(&before->gone));
	assert_ptr_not_equal(wb_container_route(c, &key), before);
	wb_container_free(c);
}

static void readings_are_kept_only_while_somebody_may_look(void **state)
{
	struct service s;
	struct wb_container *c = container_of(&s, 11);

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		s.id[0] = s.next_id++;
		assert_true(wb_container_publish(c, reading(&s), false));
	}
	atomic_fetch_add(&c->readers, 1);
	wb_container_reclaim(c);
	assert_non_null(c->retired);
	atomic_fetch_sub(&c->readers, 1);
	wb_container_reclaim(c);
	assert_null(c->retired);
	wb_container_free(c);
}

struct reader {
	const struct wb_container *c;
	atomic_bool stop;
	atomic_ulong routed;
};

static void *keep_routing(void *arg)
{
	struct reader *r = arg;

	for (uint32_t prefix = 0; !atomic_load(&r->stop); prefix = (prefix + 0x1234567) % 0x40000000) {
		struct wb_epk key = key_at(prefix);

		if (!wb_container_route(r->c, &key)->id[0])
			abort();
		atomic_fetch_add(&r->routed, 1);
	}
	return NULL;
}

/* Meant for the sanitizers: readers in full flight while readings come and go. */
static void readers_and_new_readings_do_not_meet(void **state)
{
	struct service s;
	struct wb_container *c = container_of(&s, 13);
	struct reader r = { .c = c };
	pthread_t threads[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		threads[i] = wb_thread_start("reader", keep_routing, &r);
	for (unsigned i = 0; i < 500; i++) {
		split_or_merge(&s);
		(void)wb_container_publish(c, reading(&s), false);
		wb_container_reclaim(c);
	}
	while (atomic_load(&r.routed) < 1000)
		;
	atomic_store(&r.stop, true);
	for (unsigned i = 0; i < 2; i++)
		wb_thread_join(threads[i]);
	wb_container_reclaim(c);
	assert_null(c->retired);
	wb_container_free(c);
}

static struct wb_pk_definition definition_of(enum wb_pk_kind kind, const char *first, const char *second)
{
	struct wb_pk_definition d = { .kind = kind };

	assert_int_equal(wb_json_paths_add(&d.paths, wb_slice_cstr(first), NULL), WB_OK);
	if (second)
		assert_int_equal(wb_json_paths_add(&d.paths, wb_slice_cstr(second), NULL), WB_OK);
	return d;
}

static void definitions_are_told_apart(void **state)
{
	struct wb_pk_definition base = definition_of(WB_PK_HASH_V2, "/a/b", NULL);
	struct wb_pk_definition other[] = { definition_of(WB_PK_HASH_V2, "/a/b", NULL),
		definition_of(WB_PK_HASH_V1, "/a/b", NULL), definition_of(WB_PK_HASH_V2, "/a/c", NULL),
		definition_of(WB_PK_HASH_V2, "/a", NULL), definition_of(WB_PK_MULTI_HASH, "/a/b", "/c") };

	(void)state;
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
		assert_int_equal(wb_pk_definition_eq(&base, &other[i]), i == 0);
		wb_json_paths_release(&other[i].paths);
	}
	wb_json_paths_release(&base.paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_keep_their_worker_and_find_their_range),
		cmocka_unit_test(workers_share_the_first_reading),
		cmocka_unit_test(a_range_that_is_not_read_again_is_gone_and_others_stay),
		cmocka_unit_test(the_same_reading_changes_nothing_unless_made_anew),
		cmocka_unit_test(an_id_with_other_bounds_is_another_range),
		cmocka_unit_test(readings_are_kept_only_while_somebody_may_look),
		cmocka_unit_test(readers_and_new_readings_do_not_meet),
		cmocka_unit_test(definitions_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
