#include "consumer/write.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	W = WB_WRITE_WAITING,
	I = WB_WRITE_IN_FLIGHT,
	J = WB_WRITE_JUDGED,
	R = WB_WRITE_RECORDED,
	F = WB_WRITE_FINISHED
};

/* The picture in consumer/write.h, as a table: [from][to]. */
static const bool picture[5][5] = {
	[W] = { [I] = true, [J] = true, [F] = true },
	[I] = { [W] = true, [J] = true },
	[J] = { [R] = true },
	[R] = { [F] = true },
};

static bool advance_survives(int from, int to)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		struct wb_write w = { .state = (enum wb_write_state)from };
		int quiet = open("/dev/null", O_WRONLY);

		if (quiet >= 0)
			(void)dup2(quiet, STDERR_FILENO); /* the message is expected; seeing it would only be noise */
		wb_write_advance(&w, (enum wb_write_state)to);
		_exit(w.state == (enum wb_write_state)to ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGABRT);
		return false;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

static void only_the_transitions_of_the_picture_are_possible(void **state)
{
	(void)state;
	for (int from = W; from <= F; from++) {
		for (int to = W; to <= F; to++)
			assert_int_equal(advance_survives(from, to), picture[from][to]);
	}
}

static void a_new_write_waits_and_has_no_letter(void **state)
{
	struct wb_write *w = wb_write_new();

	(void)state;
	assert_int_equal(w->state, WB_WRITE_WAITING);
	assert_int_equal(w->timestamp_ms, -1);
	assert_int_equal(w->letter_partition, -1);
	assert_int_equal(w->letter_offset, -1);
	assert_int_equal(w->op, WB_OP_UPSERT);
	assert_false(w->tracked);
	assert_null(w->container);
	assert_null(w->failure);
	wb_write_free(&w);
	assert_null(w);
	wb_write_free(&w);
}

static void states_have_words(void **state)
{
	(void)state;
	assert_string_equal(wb_write_state_text(WB_WRITE_WAITING), "waiting");
	assert_string_equal(wb_write_state_text(WB_WRITE_IN_FLIGHT), "in flight");
	assert_string_equal(wb_write_state_text(WB_WRITE_JUDGED), "judged");
	assert_string_equal(wb_write_state_text(WB_WRITE_RECORDED), "recorded");
	assert_string_equal(wb_write_state_text(WB_WRITE_FINISHED), "finished");
}

static void the_last_failure_is_kept_and_the_first_time(void **state)
{
	struct wb_write *w = wb_write_new();

	(void)state;
	wb_write_note_failure(w, 429, 3200, wb_slice_cstr("a-1"), wb_slice_cstr("slow down"), 1000);
	wb_write_note_failure(w, 400, 0, wb_slice_cstr("a-2"), wb_slice_cstr("no"), 2000);
	assert_int_equal(w->first_failure_ms, 1000);
	assert_int_equal(w->failure->status, 400);
	assert_int_equal(w->failure->substatus, 0);
	assert_string_equal(w->failure->activity_id, "a-2");
	assert_string_equal(w->failure->message, "no");
	wb_write_free(&w);
}

static void absent_text_of_a_failure_is_empty(void **state)
{
	struct wb_write *w = wb_write_new();

	(void)state;
	wb_write_note_failure(w, 0, 0, (struct wb_slice){ 0 }, (struct wb_slice){ 0 }, 5);
	assert_string_equal(w->failure->activity_id, "");
	assert_string_equal(w->failure->message, "");
	wb_write_free(&w);
}

static void long_text_is_cut_between_characters(void **state)
{
	struct wb_write *w = wb_write_new();
	const size_t room = WB_FAILURE_MESSAGE_MAX;
	char text[2000];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 4 <= sizeof text; i += 4)
			memcpy(text + i, "\xf0\x9f\x90\x98", 4);
		wb_write_note_failure(w, 500, 0, wb_slice(text, 100), wb_slice(text, 1600 + shift), 1);
		assert_int_equal(strlen(w->failure->message), shift + (room - shift) / 4 * 4);
		assert_memory_equal(w->failure->message, text, strlen(w->failure->message));
	}
	memset(text, 'y', sizeof text);
	wb_write_note_failure(w, 500, 0, wb_slice(text, sizeof text), wb_slice(text, sizeof text), 1);
	assert_int_equal(strlen(w->failure->message), room);
	assert_int_equal(strlen(w->failure->activity_id), sizeof w->failure->activity_id - 1);
	wb_write_free(&w);
}

static void the_last_session_is_kept_with_the_failure(void **state)
{
	struct wb_write *w = wb_write_new();

	(void)state;
	wb_write_note_failure(w, 409, 0, wb_slice_cstr("a-1"), wb_slice_cstr("no"), 1);
	assert_null(w->failure->session_token);
	wb_write_note_session(w, "0:-1#7");
	wb_write_note_failure(w, 409, 0, wb_slice_cstr("a-2"), wb_slice_cstr("no, for the second time"), 2);
	assert_string_equal(w->failure->session_token, "0:-1#7");
	wb_write_note_session(w, "0:-1#8");
	assert_string_equal(w->failure->session_token, "0:-1#8");
	wb_write_note_session(w, "");
	assert_null(w->failure->session_token);
	wb_write_note_session(w, "0:-1#9");
	wb_write_forget_failure(w);
	wb_write_forget_failure(w);
	assert_null(w->failure);
	wb_write_free(&w);
}

static void storage_is_in_the_write_where_it_fits(void **state)
{
	struct wb_write *w = wb_write_new();
	char *small, *large;

	(void)state;
	small = wb_write_make_storage(w, WB_WRITE_ROOM);
	assert_ptr_equal(small, w->room);
	memset(small, 'a', WB_WRITE_ROOM);
	large = wb_write_make_storage(w, WB_WRITE_ROOM + 1);
	assert_ptr_not_equal(large, w->room);
	memset(large, 'b', WB_WRITE_ROOM + 1);
	assert_ptr_equal(wb_write_make_storage(w, 1), w->room);
	wb_write_release_storage(w);
	assert_null(w->storage);
	assert_ptr_not_equal(wb_write_make_storage(w, 1000), w->room);
	wb_write_free(&w);
}

/* Whatever a write went through, the next one in its memory is as new. */
static void a_write_from_the_pool_is_as_new(void **state)
{
	struct wb_write_pool pool = { { 0 } };
	struct wb_write *fresh = wb_write_new(), *w;

	(void)state;
	for (int round = 0; round < 3; round++) {
		w = wb_write_pool_take(&pool);
		assert_memory_equal(w, fresh, offsetof(struct wb_write, room));
		memset(wb_write_make_storage(w, round ? 2000 : 20), 'x', 20);
		wb_write_note_failure(w, 500, 1, wb_slice_cstr("activity"), wb_slice_cstr("message"), 7);
		w->tracked = w->alone = true;
		w->seq = 5;
		w->request_charge = 2.5;
		wb_write_advance(w, WB_WRITE_JUDGED);
		wb_write_pool_put(&pool, &w);
		assert_null(w);
	}
	wb_write_pool_put(&pool, &w); /* none: nothing happens */
	wb_write_pool_release(&pool);
	assert_null(pool.spare.head);
	wb_write_free(&fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_transitions_of_the_picture_are_possible),
		cmocka_unit_test(a_new_write_waits_and_has_no_letter),
		cmocka_unit_test(states_have_words),
		cmocka_unit_test(the_last_failure_is_kept_and_the_first_time),
		cmocka_unit_test(absent_text_of_a_failure_is_empty),
		cmocka_unit_test(long_text_is_cut_between_characters),
		cmocka_unit_test(the_last_session_is_kept_with_the_failure),
		cmocka_unit_test(storage_is_in_the_write_where_it_fits),
		cmocka_unit_test(a_write_from_the_pool_is_as_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
