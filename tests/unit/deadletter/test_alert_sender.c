#include "deadletter/alert_sender.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MINUTE     INT64_C(60000)
#define HOUR       (60 * MINUTE)
#define START      INT64_C(1764000000000)
#define ALERTS_MAX 2000

static const struct wb_alert_settings rules_settings = {
	.digest_interval_ms = HOUR,
	.threshold = 1000,
	.threshold_window_ms = HOUR,
	.recovery_after_ms = 30 * MINUTE,
	.stalled_after_ms = 5 * MINUTE,
	.expiry_before_ms = 24 * HOUR,
	.retention_percent = 50,
	.repeat_interval_ms = 24 * HOUR,
};
static const struct wb_alert_sender_settings settings = {
	.retry_ms = 5000,
	.retry_max_ms = 10 * MINUTE,
	.save_interval_ms = 10000,
	.seed = 7,
};

/* A mailbox behind a server that behaves as the test says, and a state topic. */
struct world {
	bool takes, lies, saves; /* lies: takes it and says that it did not */
	struct wb_buf state;
	struct wb_alert got[ALERTS_MAX]; /* without repeats */
	size_t count;
	unsigned tries, repeats;
	int64_t retry_after_ms;
};

static enum wb_err save(void *arg, struct wb_slice state, struct wb_error *e)
{
	struct world *w = arg;

	if (!w->saves)
		return wb_error_set(e, WB_ETIMEDOUT, "no acknowledgement");
	wb_buf_clear(&w->state);
	wb_buf_append_slice(&w->state, state);
	return WB_OK;
}

static void send_alert(void *arg, const struct wb_alert *alert, struct wb_alert_answer *ret)
{
	struct world *w = arg;

	w->tries++;
	/* Only what is saved may be sent. */
	assert_non_null(strstr(w->state.data, alert->id));
	if (w->takes || w->lies) {
		bool known = false;

		for (size_t i = 0; i < w->count; i++) {
			if (strcmp(w->got[i].id, alert->id) == 0) {
				assert_int_equal(w->got[i].fresh, alert->fresh);
				assert_int_equal(w->got[i].kind, alert->kind);
				w->repeats++;
				known = true;
			}
		}
		assert_in_range(w->count, 0, ALERTS_MAX - 1);
		if (!known)
			w->got[w->count++] = *alert;
	}
	ret->taken = w->takes;
	ret->retry_after_ms = w->retry_after_ms;
	(void)snprintf(ret->text, sizeof ret->text, "%s", w->takes ? "250 queued" : "451 later");
}

static struct wb_alert_sender *start(struct world *w)
{
	const struct wb_alert_channel channel = { .save = save, .send = send_alert, .arg = w };
	struct wb_alert_rules *rules = wb_alert_rules_new(&rules_settings);

	if (w->state.len)
		assert_int_equal(wb_alert_rules_restore(rules, wb_buf_slice(&w->state), NULL), WB_OK);
	return wb_alert_sender_new(&rules, &settings, &channel);
}

static struct world *new_world(void)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	w->takes = w->saves = true;
	wb_buf_init(&w->state, WB_ALERT_STATE_BYTES_MAX);
	return w;
}

static void free_world(struct world *w)
{
	wb_buf_release(&w->state);
	free(w);
}

static void feed(struct wb_alert_sender *s, int64_t offset, int64_t now_ms)
{
	const struct wb_alert_letter letter = {
		.offset = offset, .died_ms = now_ms, .reason = (enum wb_reason)(offset % 3)
	};

	(void)wb_alert_rules_letter(wb_alert_sender_rules(s), &letter, now_ms);
}

static void a_server_that_does_not_take_it_is_asked_ever_more_rarely(void **state)
{
	struct world *w = new_world();
	struct wb_alert_sender *s = start(w);
	struct wb_alert_sender_counts counts;
	const char *problem = NULL;

	(void)state;
	w->takes = false;
	feed(s, 0, START);
	(void)wb_alert_sender_turn(s, START, 0, true, &problem);
	assert_non_null(strstr(problem, "was not taken: 451 later"));
	for (int64_t t = 1000; t < 24 * HOUR; t += 1000)
		(void)wb_alert_sender_turn(s, START + t, t, true, &problem);
	assert_in_range(w->tries, 24 * 6, 24 * 6 * 4);
	wb_alert_sender_counts(s, &counts);
	assert_int_equal(counts.waiting_since_ms, START);
	w->takes = true;
	for (int64_t t = 24 * HOUR; t < 25 * HOUR; t += 1000)
		(void)wb_alert_sender_turn(s, START + t, t, true, NULL);
	assert_int_equal(w->count, 2); /* the first letter, and that there are no more */
	wb_alert_sender_counts(s, &counts);
	assert_int_equal(counts.taken, 2);
	assert_int_equal(counts.waiting_since_ms, 0);
	wb_alert_sender_free(&s);
	free_world(w);
}

static void what_the_other_side_asks_for_is_waited(void **state)
{
	struct world *w = new_world();
	struct wb_alert_sender *s = start(w);

	(void)state;
	w->takes = false;
	w->retry_after_ms = 5 * HOUR;
	feed(s, 0, START);
	for (int64_t t = 0; t < 5 * HOUR; t += 1000)
		(void)wb_alert_sender_turn(s, START + t, t, true, NULL);
	assert_int_equal(w->tries, 1);
	(void)wb_alert_sender_turn(s, START + 5 * HOUR, 5 * HOUR, true, NULL);
	assert_int_equal(w->tries, 2);
	wb_alert_sender_free(&s);
	free_world(w);
}

static void nothing_is_sent_that_is_not_saved(void **state)
{
	struct world *w = new_world();
	struct wb_alert_sender *s = start(w);
	const char *problem = NULL;

	(void)state;
	w->saves = false;
	feed(s, 0, START);
	(void)wb_alert_sender_turn(s, START, 0, true, &problem);
	assert_non_null(strstr(problem, "was not saved: no acknowledgement"));
	for (int64_t t = 1000; t < HOUR; t += 1000)
		(void)wb_alert_sender_turn(s, START + t, t, true, NULL);
	assert_int_equal(w->tries, 0);
	w->saves = true;
	for (int64_t t = HOUR; t < 2 * HOUR; t += 1000)
		(void)wb_alert_sender_turn(s, START + t, t, true, NULL);
	assert_int_equal(w->got[0].fresh, 1);
	wb_alert_sender_free(&s);
	free_world(w);
}

/* Letters, a bad server, a state topic that is away, and restarts, at random; then all is well again. */
static void every_letter_is_told_exactly_once_whatever_happens(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct wb_prng prng = { seed };
		struct world *w = new_world();
		struct wb_alert_sender *s = start(w);
		int64_t letters = 0, t;
		uint64_t told = 0;

		for (t = 0; t < 48 * HOUR; t += 10000) {
			uint64_t dice = wb_prng_next(&prng);

			if (dice % 300 == 0) {
				w->takes = dice >> 32 & 1;
				w->lies = dice >> 33 & 1;
				w->saves = (dice >> 34 & 3) != 0;
			}
			for (uint64_t n = (dice >> 40) % 400 == 0 ? (dice >> 50) % 300 : (dice >> 40) % 50 == 0; n > 0;
				n--)
				feed(s, letters++, START + t);
			(void)wb_alert_sender_turn(s, START + t, t, true, NULL);
			if ((dice >> 20) % 500 == 0) {
				wb_alert_sender_free(&s);
				s = start(w);
				for (int64_t i = 0; i < letters; i++)
					feed(s, i, START + t);
			}
		}
		w->takes = w->saves = true;
		for (; t < 54 * HOUR; t += 10000)
			(void)wb_alert_sender_turn(s, START + t, t, true, NULL);
		for (size_t i = 0; i < w->count; i++)
			told += w->got[i].fresh;
		assert_int_equal(told, letters);
		assert_int_equal(w->got[w->count - 1].kind, WB_ALERT_RECOVERED);
		assert_in_range(w->count, 5, 400);
		print_message("seed %u: %lld letters, %zu alerts, %u tries, %u repeats\n", (unsigned)seed,
			(long long)letters, w->count, w->tries, w->repeats);
		wb_alert_sender_free(&s);
		free_world(w);
	}
}

static void the_largest_state_fits_a_record(void **state)
{
	struct world *w = new_world();
	struct wb_alert_sender *s = start(w);
	static char text[4096];

	(void)state;
	memset(text, '"', sizeof text);
	w->takes = false;
	for (int64_t i = 0; i < 200; i++) {
		const struct wb_alert_letter letter = { .partition = (int32_t)(i % 100),
			.offset = i,
			.died_ms = START,
			.reason = (enum wb_reason)(i % WB_ALERT_REASONS),
			.identity = wb_slice(text, sizeof text),
			.container = wb_slice(text, sizeof text),
			.id = wb_slice(text, sizeof text),
			.message = wb_slice(text, sizeof text) };

		assert_true(wb_alert_rules_letter(wb_alert_sender_rules(s), &letter, START));
		if (i == 100)
			(void)wb_alert_sender_turn(s, START, 0, true, NULL);
	}
	assert_int_equal(wb_alert_sender_save(s, NULL), WB_OK);
	print_message("%zu bytes\n", w->state.len);
	assert_in_range(w->state.len, 100000, 900000);
	wb_alert_sender_free(&s);
	free_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_does_not_take_it_is_asked_ever_more_rarely),
		cmocka_unit_test(what_the_other_side_asks_for_is_waited),
		cmocka_unit_test(nothing_is_sent_that_is_not_saved),
		cmocka_unit_test(every_letter_is_told_exactly_once_whatever_happens),
		cmocka_unit_test(the_largest_state_fits_a_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
