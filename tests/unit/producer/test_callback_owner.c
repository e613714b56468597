#include "producer/callback_owner.h"

#include "common/base/clock.h"
#include "tests/unit/common/kafka/mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* librdkafka's mock makes a group wait for most of its session at every change. */
enum { WAIT_MS = 60000, PARTITIONS = 4 };

enum state { NOT_OURS, OURS, LEAVING };

struct member {
	struct wb_callback_owner *owner;
	enum state parts[PARTITIONS];
	bool busy;
	unsigned kept_ms;
	int64_t leaving_ms;
};

static void assigned(void *arg, int32_t partition)
{
	struct member *m = arg;

	assert_in_range(partition, 0, PARTITIONS - 1);
	assert_int_equal(m->parts[partition], NOT_OURS);
	m->parts[partition] = OURS;
}

static void leaving(void *arg, int32_t partition)
{
	struct member *m = arg;

	assert_int_equal(m->parts[partition], OURS);
	m->parts[partition] = LEAVING;
	m->leaving_ms = wb_clock_mono_ms();
}

static bool idle(void *arg, int32_t partition)
{
	struct member *m = arg;

	assert_int_equal(m->parts[partition], LEAVING);
	return !m->busy;
}

static void gone(void *arg, int32_t partition)
{
	struct member *m = arg;

	assert_int_equal(m->parts[partition], LEAVING);
	m->parts[partition] = NOT_OURS;
	m->kept_ms = (unsigned)(wb_clock_mono_ms() - m->leaving_ms);
}

static void join(struct member *m, struct mock *mock, int64_t drain_ms)
{
	const struct wb_callback_owner_settings settings = {
		.kafka = &mock->options,
		.group_id = "callbacks",
		.client_id = "test",
		.drain_ms = drain_ms,
		.assigned = assigned,
		.leaving = leaving,
		.idle = idle,
		.gone = gone,
		.arg = m,
	};
	struct wb_error e = { "" };

	m->owner = wb_callback_owner_new(&settings, &e);
	assert_string_equal(e.text, "");
	assert_non_null(m->owner);
}

static unsigned count(const struct member *m, enum state state)
{
	unsigned n = 0;

	for (int i = 0; i < PARTITIONS; i++)
		n += m->parts[i] == state;
	return n;
}

static void serve(struct member *members, size_t n)
{
	struct wb_error e;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(wb_callback_owner_serve(members[i].owner, &e), WB_OK);
	(void)usleep(5000); /* woken early is fine */
}

static void partitions_move_when_they_are_idle(void **state)
{
	struct member members[2] = { { .busy = true } };
	int64_t deadline_ms = wb_clock_mono_ms() + WAIT_MS, until_ms;
	struct mock mock;

	(void)state;
	mock_start(&mock, 1);
	mock_set(&mock, "session.timeout.ms", "4000");
	mock_topic(&mock, "results", PARTITIONS);
	join(&members[0], &mock, WAIT_MS);
	while (count(&members[0], OURS) < PARTITIONS && wb_clock_mono_ms() < deadline_ms)
		serve(members, 1);
	assert_int_equal(count(&members[0], OURS), PARTITIONS);

	join(&members[1], &mock, WAIT_MS);
	while (count(&members[0], LEAVING) == 0 && wb_clock_mono_ms() < deadline_ms)
		serve(members, 2);
	assert_int_equal(count(&members[0], LEAVING), 2);
	assert_int_equal(count(&members[0], OURS), 2);
	/* While something is under way they stay, and nobody else has them. */
	for (until_ms = wb_clock_mono_ms() + 1000; wb_clock_mono_ms() < until_ms;)
		serve(members, 2);
	assert_int_equal(count(&members[0], LEAVING), 2);
	assert_int_equal(count(&members[1], OURS), 0);
	members[0].busy = false;
	while (count(&members[1], OURS) < 2 && wb_clock_mono_ms() < deadline_ms)
		serve(members, 2);
	assert_int_equal(count(&members[1], OURS), 2);
	assert_int_equal(count(&members[0], NOT_OURS), 2);
	for (int i = 0; i < PARTITIONS; i++)
		assert_true((members[0].parts[i] == OURS) != (members[1].parts[i] == OURS));

	/* One that leaves gives all back. */
	wb_callback_owner_free(&members[0].owner);
	assert_null(members[0].owner);
	assert_int_equal(count(&members[0], NOT_OURS), PARTITIONS);
	while (count(&members[1], OURS) < PARTITIONS && wb_clock_mono_ms() < deadline_ms)
		serve(members + 1, 1);
	assert_int_equal(count(&members[1], OURS), PARTITIONS);
	wb_callback_owner_free(&members[1].owner);
	mock_stop(&mock);
}

static void one_that_never_joined_can_be_freed(void **state)
{
	struct member member = { .busy = true };
	struct mock mock;

	(void)state;
	mock_start(&mock, 1);
	mock_topic(&mock, "results", PARTITIONS);
	join(&member, &mock, 1000);
	wb_callback_owner_free(&member.owner);
	mock_stop(&mock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partitions_move_when_they_are_idle),
		cmocka_unit_test(one_that_never_joined_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
