#include "model.h"
#include "tests/unit/sanitizers.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* One thread runs it all: what ThreadSanitizer looks for is not here. */
#define SEEDS (WB_TEST_TSAN ? 200 : WB_TEST_ASAN ? 2000 : 10000)

/* Which world runs, for who dies in it. */
static struct model_world world;

static void died(int signal_number)
{
	char text[64];
	int len = snprintf(text, sizeof text, "WB_SEED=%llu died\n", (unsigned long long)world.seed);

	if (write(2, text, (size_t)len) < 0)
		_exit(2);
	(void)signal(signal_number, SIG_DFL); /* it is one that can be set */
	(void)raise(signal_number); /* does not come back */
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* WB_SEED=n runs that world alone, WB_SEEDS=n so many. */
static void whatever_happens_each_item_is_what_its_log_says(void **state)
{
	uint64_t first = number_from_environment("WB_SEED", 1);
	uint64_t count = getenv("WB_SEED") ? 1 : number_from_environment("WB_SEEDS", SEEDS);
	uint64_t requests = 0, operations = 0, superseded = 0, dead = 0, unknown = 0, repeated = 0;

	(void)state;
	(void)signal(SIGABRT, died); /* where it cannot be set, the seed is not told */
	for (uint64_t seed = first; seed < first + count; seed++) {
		model_world_init(&world, seed);
		model_world_run(&world);
		for (int i = 0; i < world.items; i++)
			repeated += world.item[i].replayed;
		requests += world.requests;
		operations += world.operations;
		superseded += world.superseded;
		dead += world.dead;
		unknown += world.unknown;
		model_world_release(&world);
	}
	print_message("seeds %llu to %llu: %llu requests, %llu operations, %llu superseded, %llu dead (%llu of unknown "
		      "items), "
		      "%llu items repeated\n",
		(unsigned long long)first, (unsigned long long)(first + count - 1), (unsigned long long)requests,
		(unsigned long long)operations, (unsigned long long)superseded, (unsigned long long)dead,
		(unsigned long long)unknown, (unsigned long long)repeated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_each_item_is_what_its_log_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
