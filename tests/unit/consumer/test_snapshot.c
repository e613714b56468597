#include "consumer/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void hold(struct wb_snapshot *s, struct wb_slice id)
{
	static struct wb_assignment assignment = { .topic = "t", .partition = 3 };
	struct wb_write *w = wb_write_new();

	w->assignment = &assignment;
	w->offset = 17;
	w->read_ms = 1000;
	w->id = id;
	w->attempts = 4;
	wb_write_note_failure(w, 449, 7, wb_slice(NULL, 0), wb_slice_cstr("why"), 1);
	wb_snapshot_hold(s, w, "db", NULL, 3500);
	wb_write_free(&w);
}

static void a_held_write_is_copied(void **state)
{
	struct wb_snapshot *s = wb_snapshot_new();
	const struct wb_held_write *h = &s->held[0];

	(void)state;
	hold(s, wb_slice_cstr("a\x1b[2Jb"));
	assert_int_equal(s->held_count, 1);
	assert_string_equal(h->topic, "t");
	assert_int_equal(h->partition, 3);
	assert_int_equal(h->offset, 17);
	assert_string_equal(h->database, "db");
	assert_null(h->container);
	assert_string_equal(h->id, "a\x1b[2Jb"); /* whoever shows it escapes it */
	assert_false(h->id_cut);
	assert_int_equal(h->attempts, 4);
	assert_int_equal(h->status, 449);
	assert_int_equal(h->substatus, 7);
	assert_int_equal(h->held_ms, 2500);
	assert_string_equal(h->traceparent, "");
	wb_snapshot_free(&s);
	assert_null(s);
	wb_snapshot_free(&s);
}

static void a_long_id_is_cut_between_characters(void **state)
{
	struct wb_snapshot *s = wb_snapshot_new();
	char id[300];

	(void)state;
	memset(id, 'x', sizeof id);
	id[127] = '\xc3'; /* "ä", of which one byte would fit */
	id[128] = '\xa4';
	hold(s, wb_slice(id, sizeof id));
	assert_int_equal(strlen(s->held[0].id), 127);
	assert_true(s->held[0].id_cut);
	hold(s, wb_slice(id, 127));
	assert_false(s->held[1].id_cut);
	hold(s,
		wb_slice("a\xff"
			 "b",
			3)); /* no UTF-8: as far as it is */
	assert_string_equal(s->held[2].id, "a");
	assert_true(s->held[2].id_cut);
	hold(s, wb_slice(NULL, 0));
	assert_string_equal(s->held[3].id, "");
	assert_false(s->held[3].id_cut);
	wb_snapshot_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_held_write_is_copied),
		cmocka_unit_test(a_long_id_is_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
