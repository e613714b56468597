#include "deadletter/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define JOB        "0123456789abcdef0123456789abcdef"
#define LIT(s)     ((struct wb_slice)WB_SLICE_LIT(s))
#define MUST(call) assert_int_equal(call, WB_OK)

static char path[] = "/tmp/wb-index-XXXXXX";

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof name, "%s%s", path, (const char *[]){ "", "-wal", "-shm" }[i]);
		(void)unlink(name);
	}
	return 0;
}

static struct wb_index *open_index(const char *file)
{
	struct wb_index *index = NULL;
	struct wb_error e = { "" };

	if (wb_index_open(file, "cluster\nletters\nstates", &index, &e) != WB_OK)
		fail_msg("%s", e.text);
	return index;
}

static void put(struct wb_index *index, int32_t partition, int64_t offset, int64_t died_ms, const char *identity)
{
	const struct wb_index_letter letter = { .partition = partition,
		.offset = offset,
		.died_ms = died_ms,
		.identity = wb_slice_cstr(identity),
		.reason = offset % 2 ? WB_REASON_CONFLICT : WB_REASON_TOO_LARGE,
		.status = 409,
		.container = offset % 2 ? LIT("shop/orders") : (struct wb_slice){ NULL, 0 },
		.origin_topic = LIT("writes"),
		.origin_offset = offset,
		.key = LIT("k"),
		.id = LIT("k"),
		.bytes = 7 };

	MUST(wb_index_put_letter(index, &letter, NULL));
}

static bool append(void *arg, const struct wb_index_letter *letter)
{
	char *text = arg;
	size_t len = strlen(text);

	(void)snprintf(text + len, 512 - len, "%d/%" PRId64 "=%s ", (int)letter->partition, letter->offset,
		wb_letter_state_text(letter->state));
	return true;
}

static void assert_list(struct wb_index *index, const struct wb_index_filter *filter, const char *expected)
{
	char text[512] = "";

	MUST(wb_index_each(index, filter, append, text, NULL));
	assert_string_equal(text, expected);
}

static const struct wb_index_filter open_ones, all = { .states = (1u << WB_LETTER_STATES) - 1 };

static void the_newest_come_first_whatever_their_order(void **state)
{
	struct wb_index *index = open_index(NULL);
	struct wb_index_filter behind = {
		.has_before = true, .before_died_ms = 20, .before_partition = 1, .before_offset = 5
	};
	uint64_t counts[WB_REASON_SERVER_ERROR + 1];

	(void)state;
	MUST(wb_index_begin(index, NULL));
	put(index, 0, 1, 10, "a/0/1");
	put(index, 1, 4, 30, "a/1/4");
	put(index, 0, 2, 20, "a/0/2");
	put(index, 1, 5, 20, "a/1/5");
	MUST(wb_index_commit(index, NULL));
	MUST(wb_index_finish(index, NULL));
	assert_list(index, &open_ones, "1/4=open 1/5=open 0/2=open 0/1=open ");
	assert_list(index, &behind, "0/2=open 0/1=open ");
	MUST(wb_index_count(index, &open_ones, counts, NULL));
	assert_int_equal(counts[WB_REASON_CONFLICT], 2);
	assert_int_equal(counts[WB_REASON_TOO_LARGE], 2);
	wb_index_free(&index);
	assert_null(index);
}

static void filters_choose(void **state)
{
	struct wb_index *index = open_index(NULL);
	const struct wb_index_letter tracked = { .partition = 2,
		.died_ms = 5,
		.identity = LIT(JOB "/3"),
		.job = LIT(JOB),
		.seq = 3,
		.container = LIT("/solo") };
	const struct {
		struct wb_index_filter filter;
		const char *expected;
	} cases[] = {
		{ { .has_reason = true, .reason = WB_REASON_CONFLICT }, "0/1=open " },
		{ { .has_reason = true }, "2/0=open " },
		{ { .status = 409 }, "0/2=open 0/1=open " },
		{ { .status = 400 }, "" },
		{ { .container = LIT("shop/orders") }, "0/1=open " },
		{ { .container = LIT("orders") }, "" },
		{ { .container = LIT("solo") }, "2/0=open " },
		{ { .container = LIT("/solo") }, "2/0=open " },
		{ { .job = LIT(JOB) }, "2/0=open " },
		{ { .key = LIT("k") }, "0/2=open 0/1=open " },
		{ { .since_ms = 10, .until_ms = 15 }, "0/1=open " },
		{ { .states = 1u << WB_LETTER_REPLAYED }, "" },
	};

	(void)state;
	MUST(wb_index_begin(index, NULL));
	put(index, 0, 1, 10, "a/0/1");
	put(index, 0, 2, 20, "a/0/2");
	MUST(wb_index_put_letter(index, &tracked, NULL));
	MUST(wb_index_commit(index, NULL));
	MUST(wb_index_finish(index, NULL));
	for (size_t i = 0; i < WB_ARRAY_LEN(cases); i++)
		assert_list(index, &cases[i].filter, cases[i].expected);
	wb_index_free(&index);
}

static void put_state(struct wb_index *index, const char *identity, const char *value)
{
	MUST(wb_index_put_state(index, wb_slice_cstr(identity), wb_slice_cstr(value), NULL));
}

/* The same whether letters and states come in the first reading or in later ones. */
static void states_and_copies_are_settled(struct wb_index *index, bool later)
{
	if (later)
		MUST(wb_index_finish(index, NULL));
	MUST(wb_index_begin(index, NULL));
	put(index, 0, 0, 10, "a/0/0");
	put(index, 0, 1, 11, "a/0/1");
	put(index, 0, 2, 12, "a/0/2");
	put_state(index, "a/0/0", "{\"state\":\"discarded\",\"letter\":\"0/0\",\"at\":50}");
	put_state(index, "a/0/1", "{\"state\":\"replayed\",\"letter\":\"0/1\",\"at\":50}");
	put_state(index, "a/0/2", "{\"no\":\"state\"}");
	put_state(index, "a/9/9", "{\"state\":\"parked\",\"letter\":\"0/1\"}");
	MUST(wb_index_commit(index, NULL));
	MUST(wb_index_finish(index, NULL));
	assert_list(index, &all, "0/2=open 0/1=replayed 0/0=discarded ");
	assert_list(index, &open_ones, "0/2=open ");
	MUST(wb_index_begin(index, NULL));
	put(index, 0, 3, 60, "a/0/1");
	MUST(wb_index_commit(index, NULL));
	assert_list(index, &all, "0/3=open 0/2=open 0/1=older copy 0/0=discarded ");
	MUST(wb_index_begin(index, NULL));
	put_state(index, "a/0/1", "{\"state\":\"parked\",\"letter\":\"0/3\",\"at\":70}");
	put_state(index, "a/0/2", "{\"state\":\"forwarded\",\"letter\":\"0/2\"}");
	MUST(wb_index_put_state(index, LIT("a/0/0"), (struct wb_slice){ NULL, 0 }, NULL));
	MUST(wb_index_commit(index, NULL));
	assert_list(index, &all, "0/3=parked 0/2=other 0/1=older copy 0/0=open ");
}

static void states_are_settled_in_the_first_reading(void **state)
{
	struct wb_index *index = open_index(NULL);

	(void)state;
	states_and_copies_are_settled(index, false);
	wb_index_free(&index);
}

static void states_are_settled_in_later_readings(void **state)
{
	struct wb_index *index = open_index(NULL);
	struct wb_state_record record;
	char text[512] = "";
	bool found;

	(void)state;
	states_and_copies_are_settled(index, true);
	MUST(wb_index_copies(index, LIT("a/0/1"), append, text, NULL));
	assert_string_equal(text, "0/1=older copy 0/3=parked ");
	MUST(wb_index_state(index, LIT("a/0/1"), &record, &found, NULL));
	assert_true(found);
	assert_int_equal(record.at_ms, 70);
	MUST(wb_index_state(index, LIT("a/0/0"), &record, &found, NULL));
	assert_false(found);
	wb_index_free(&index);
}

static void what_was_committed_is_there_after_a_kill(void **state)
{
	struct wb_index *index = open_index(path);
	int64_t next, check;

	(void)state;
	MUST(wb_index_begin(index, NULL));
	put(index, 0, 0, 10, "a/0/0");
	MUST(wb_index_advance(index, WB_INDEX_LETTERS, 0, 1, -77, NULL));
	MUST(wb_index_commit(index, NULL));
	MUST(wb_index_begin(index, NULL));
	put(index, 0, 1, 10, "a/0/1");
	MUST(wb_index_advance(index, WB_INDEX_LETTERS, 0, 2, 5, NULL));
	wb_index_free(&index); /* without a commit */
	index = open_index(path);
	MUST(wb_index_position(index, WB_INDEX_LETTERS, 0, &next, &check, NULL));
	assert_int_equal(next, 1);
	assert_int_equal(check, -77);
	MUST(wb_index_position(index, WB_INDEX_STATES, 0, &next, &check, NULL));
	assert_int_equal(next, 0);
	MUST(wb_index_finish(index, NULL));
	assert_list(index, &all, "0/0=open ");
	MUST(wb_index_begin(index, NULL));
	put(index, 0, 1, 11, "a/0/1");
	MUST(wb_index_drop_below(index, 0, 1, NULL));
	MUST(wb_index_commit(index, NULL));
	assert_list(index, &all, "0/1=open ");
	MUST(wb_index_reset(index, NULL));
	MUST(wb_index_finish(index, NULL));
	assert_list(index, &all, "");
	wb_index_free(&index);
}

static void a_file_that_is_not_ours_is_made_anew(void **state)
{
	static const char *const contents[] = { "",
		"this is no database, but long enough to be taken for one by its size" };
	int64_t next, check;

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(contents); i++) {
		FILE *file = fopen(path, "w");
		struct wb_index *index;

		assert_non_null(file);
		for (unsigned n = 0; n < 200; n++)
			assert_true(fputs(contents[i], file) >= 0);
		assert_int_equal(fclose(file), 0);
		index = open_index(path);
		MUST(wb_index_position(index, WB_INDEX_LETTERS, 0, &next, &check, NULL));
		assert_int_equal(next, 0);
		MUST(wb_index_begin(index, NULL));
		MUST(wb_index_advance(index, WB_INDEX_LETTERS, 0, 9, 0, NULL));
		MUST(wb_index_commit(index, NULL));
		wb_index_free(&index);
		/* Of other topics: thrown away, too. */
		assert_int_equal(wb_index_open(path, "another", &index, NULL), WB_OK);
		MUST(wb_index_position(index, WB_INDEX_LETTERS, 0, &next, &check, NULL));
		assert_int_equal(next, 0);
		wb_index_free(&index);
	}
}

static void a_file_that_cannot_be_made_is_told(void **state)
{
	struct wb_index *index = NULL;
	struct wb_error e = { "" };

	(void)state;
	assert_int_equal(wb_index_open("/nowhere/at/all", "s", &index, &e), WB_EIO);
	assert_non_null(strstr(e.text, "--no-index"));
	assert_null(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_come_first_whatever_their_order),
		cmocka_unit_test(filters_choose),
		cmocka_unit_test(states_are_settled_in_the_first_reading),
		cmocka_unit_test(states_are_settled_in_later_readings),
		cmocka_unit_test(what_was_committed_is_there_after_a_kill),
		cmocka_unit_test(a_file_that_is_not_ours_is_made_anew),
		cmocka_unit_test(a_file_that_cannot_be_made_is_told),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
