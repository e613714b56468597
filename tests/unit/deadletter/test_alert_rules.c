#include "deadletter/alert_rules.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MINUTE    INT64_C(60000)
#define HOUR      (60 * MINUTE)
#define DAY       (24 * HOUR)
#define START     INT64_C(1764000000000)
#define STATE_MAX (4u << 20)

static const struct wb_alert_settings settings = {
	.digest_interval_ms = HOUR,
	.threshold = 100,
	.threshold_window_ms = HOUR,
	.recovery_after_ms = 30 * MINUTE,
	.stalled_after_ms = 5 * MINUTE,
	.expiry_before_ms = 3 * DAY,
	.retention_percent = 50,
	.repeat_interval_ms = DAY,
};

static void feed(struct wb_alert_rules *r, int64_t offset, enum wb_reason reason, int64_t at_ms)
{
	const struct wb_alert_letter letter = { .offset = offset,
		.died_ms = at_ms,
		.reason = reason,
		.identity = wb_slice_cstr("writes/0/1"),
		.container = wb_slice_cstr("shop/orders"),
		.message = wb_slice_cstr("no id") };

	assert_true(wb_alert_rules_letter(r, &letter, at_ms));
}

/* What is due after a tick, taken at once. */
static const struct wb_alert *tick(struct wb_alert_rules *r, int64_t now_ms)
{
	static struct wb_alert alert;
	const struct wb_alert *due;

	wb_alert_rules_tick(r, now_ms, true);
	due = wb_alert_rules_due(r);
	if (!due)
		return NULL;
	alert = *due;
	wb_alert_rules_done(r, now_ms);
	return &alert;
}

static void expect(const struct wb_alert *alert, enum wb_alert_kind kind, uint64_t fresh, uint64_t all)
{
	assert_non_null(alert);
	assert_string_equal(wb_alert_kind_text(alert->kind), wb_alert_kind_text(kind));
	assert_int_equal(alert->fresh, fresh);
	assert_int_equal(alert->all, all);
}

static void an_incident_from_its_first_letter_to_its_end(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	char incident[WB_ALERT_ID_SIZE];
	const struct wb_alert *a;

	(void)state;
	assert_null(tick(r, START));
	feed(r, 0, WB_REASON_MISSING_ID, START);
	a = tick(r, START);
	expect(a, WB_ALERT_FIRST, 1, 1);
	assert_int_equal(a->serial, 0);
	assert_string_equal(a->reason[WB_REASON_MISSING_ID].example[0].container, "shop/orders");
	(void)snprintf(incident, sizeof incident, "%s", a->incident);
	feed(r, 1, WB_REASON_MISSING_ID, START + MINUTE);
	assert_null(tick(r, START + MINUTE));
	feed(r, 2, WB_REASON_TOO_LARGE, START + 2 * MINUTE);
	a = tick(r, START + 2 * MINUTE);
	expect(a, WB_ALERT_FIRST, 2, 3);
	assert_int_equal(a->reason[WB_REASON_MISSING_ID].fresh, 1);
	assert_int_equal(a->serial, 1);
	assert_string_equal(a->incident, incident);
	for (int i = 3; i < 30; i++) {
		feed(r, i, WB_REASON_TOO_LARGE, START + i * 2 * MINUTE);
		assert_null(tick(r, START + i * 2 * MINUTE));
	}
	expect(tick(r, START + 62 * MINUTE), WB_ALERT_DIGEST, 27, 30);
	assert_null(tick(r, START + 87 * MINUTE));
	a = tick(r, START + 88 * MINUTE);
	expect(a, WB_ALERT_RECOVERED, 0, 30);
	assert_string_equal(a->incident, incident);
	assert_null(tick(r, START + 3 * HOUR));
	feed(r, 30, WB_REASON_TOO_LARGE, START + 4 * HOUR);
	a = tick(r, START + 4 * HOUR);
	expect(a, WB_ALERT_FIRST, 1, 1);
	assert_string_not_equal(a->incident, incident);
	wb_alert_rules_free(&r);
}

static void a_million_letters_are_a_handful_of_alerts(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	unsigned alerts = 0;
	uint64_t told = 0;
	const struct wb_alert *a;
	struct wb_buf saved;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		feed(r, i, (enum wb_reason)(1 + i % 5), START + i);
		if (i % 1000 == 0 && (a = tick(r, START + i))) {
			alerts++;
			told += a->fresh;
		}
	}
	while ((a = tick(r, START + 1000000 + 2 * HOUR))) {
		alerts++;
		told += a->fresh;
	}
	assert_int_equal(told, 1000000);
	assert_in_range(alerts, 2, 5);
	wb_buf_init(&saved, STATE_MAX);
	wb_alert_rules_save(r, &saved);
	assert_in_range(saved.len, 1, 64 * 1024);
	wb_buf_release(&saved);
	wb_alert_rules_free(&r);
}

static void the_threshold_is_told_at_once_and_not_more_often_than_digests(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	unsigned thresholds = 0;
	const struct wb_alert *a;

	(void)state;
	for (int i = 0; i < 300; i++) {
		feed(r, i, WB_REASON_CONFLICT, START + i * 30000);
		a = tick(r, START + i * 30000);
		if (a && a->kind == WB_ALERT_THRESHOLD) {
			thresholds++;
			assert_in_range(a->in_window, 100, 122);
			assert_int_equal(i, thresholds == 1 ? 99 : thresholds == 2 ? 219 : -1);
		}
	}
	assert_int_equal(thresholds, 2);
	wb_alert_rules_free(&r);
}

static void a_channel_that_takes_nothing_gets_one_alert_that_stays(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);

	(void)state;
	feed(r, 0, WB_REASON_CONFLICT, START);
	for (int i = 1; i < 100; i++) {
		wb_alert_rules_tick(r, START + i * HOUR, true);
		expect(wb_alert_rules_due(r), WB_ALERT_FIRST, 1, 1);
		feed(r, i, (enum wb_reason)(1 + i % 20), START + i * HOUR);
	}
	wb_alert_rules_done(r, START + 100 * HOUR);
	expect(tick(r, START + 100 * HOUR), WB_ALERT_FIRST, 99, 100);
	expect(tick(r, START + 101 * HOUR), WB_ALERT_RECOVERED, 0, 100);
	wb_alert_rules_free(&r);
}

static void no_recovery_while_letters_are_unread(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);

	(void)state;
	feed(r, 0, WB_REASON_CONFLICT, START);
	expect(tick(r, START + 5 * HOUR), WB_ALERT_FIRST, 1, 1);
	wb_alert_rules_tick(r, START + 5 * HOUR, false);
	assert_null(wb_alert_rules_due(r));
	expect(tick(r, START + 5 * HOUR), WB_ALERT_RECOVERED, 0, 1);
	wb_alert_rules_free(&r);
}

static void group(struct wb_alert_rules *r, int64_t lag, int64_t committed, int64_t age_ms, int64_t now_ms)
{
	const struct wb_alert_group_sample sample = { .group = wb_slice_cstr("writers"),
		.lag = lag,
		.committed = committed,
		.oldest_age_ms = age_ms,
		.retention_ms = 7 * DAY };

	assert_true(wb_alert_rules_group(r, &sample, now_ms));
}

static void a_group_that_stands_still_while_its_lag_grows(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	const struct wb_alert *a;

	(void)state;
	for (int i = 0; i < 5; i++) {
		group(r, 10 + i, 100, 0, START + i * MINUTE);
		assert_null(tick(r, START + i * MINUTE));
	}
	group(r, 15, 100, 0, START + 5 * MINUTE);
	a = tick(r, START + 5 * MINUTE);
	expect(a, WB_ALERT_STALLED, 0, 0);
	assert_string_equal(a->group, "writers");
	assert_int_equal(a->lag, 15);
	assert_int_equal(a->lag_before, 10);
	assert_int_equal(a->moved_ms, START);
	/* Told again after a day, and when it goes on. */
	for (int i = 6; i < 24 * 60 + 5; i++) {
		group(r, 15, 100, 0, START + i * MINUTE);
		assert_null(tick(r, START + i * MINUTE));
	}
	expect(tick(r, START + DAY + 5 * MINUTE), WB_ALERT_STALLED, 0, 0);
	group(r, 14, 101, 0, START + DAY + 6 * MINUTE);
	a = tick(r, START + DAY + 6 * MINUTE);
	expect(a, WB_ALERT_MOVING, 0, 0);
	assert_int_equal(a->serial, 2);
	assert_null(tick(r, START + 9 * DAY));
	wb_alert_rules_free(&r);
}

static void a_slow_or_an_idle_group_does_not_stand_still(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);

	(void)state;
	for (int i = 0; i < 100; i++) {
		group(r, 10 + i, 100 + i / 4, 0, START + i * MINUTE); /* moves every four minutes */
		assert_null(tick(r, START + i * MINUTE));
	}
	for (int i = 100; i < 200; i++) {
		group(r, 0, 125, 0, START + i * MINUTE); /* nothing to do */
		assert_null(tick(r, START + i * MINUTE));
	}
	wb_alert_rules_free(&r);
}

static void lag_near_the_retention_in_two_steps(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);

	(void)state;
	group(r, 10, 1, 3 * DAY, START);
	assert_null(tick(r, START));
	group(r, 10, 2, 7 * DAY / 2, START + MINUTE);
	expect(tick(r, START + MINUTE), WB_ALERT_RETENTION, 0, 0);
	group(r, 10, 3, 7 * DAY / 2 - HOUR, START + 2 * MINUTE); /* at the edge: neither over nor new */
	assert_null(tick(r, START + 2 * MINUTE));
	group(r, 10, 4, 6 * DAY, START + 3 * MINUTE);
	expect(tick(r, START + 3 * MINUTE), WB_ALERT_RETENTION, 0, 0);
	group(r, 0, 5, 0, START + 4 * MINUTE);
	expect(tick(r, START + 4 * MINUTE), WB_ALERT_RETENTION_OVER, 0, 0);
	assert_null(tick(r, START + 5 * MINUTE));
	wb_alert_rules_free(&r);
}

static void letters_near_their_end(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	const struct wb_alert *a;

	(void)state;
	wb_alert_rules_expiry(r, 0, 0, START);
	assert_null(tick(r, START));
	wb_alert_rules_expiry(r, 7, START + DAY, START);
	a = tick(r, START);
	expect(a, WB_ALERT_EXPIRY, 0, 0);
	assert_int_equal(a->expiring, 7);
	assert_int_equal(a->expires_ms, START + DAY);
	wb_alert_rules_expiry(r, 9, START + DAY, START + HOUR);
	assert_null(tick(r, START + HOUR));
	expect(tick(r, START + DAY), WB_ALERT_EXPIRY, 0, 0);
	wb_alert_rules_expiry(r, 0, 0, START + DAY + HOUR);
	assert_null(tick(r, START + 4 * DAY));
	wb_alert_rules_expiry(r, 1, START + 5 * DAY, START + 4 * DAY);
	expect(tick(r, START + 4 * DAY), WB_ALERT_EXPIRY, 0, 0);
	wb_alert_rules_free(&r);
}

static void what_a_letter_says_is_made_safe_and_cut(void **state)
{
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	static char big[70000];
	struct wb_alert_letter letter = { .died_ms = INT64_MAX, .reason = (enum wb_reason)77 };
	const struct wb_alert_example *example;
	const struct wb_alert *a;

	(void)state;
	memset(big, '\xe9', sizeof big);
	letter.identity = letter.container = wb_slice(big, sizeof big);
	letter.message = wb_slice_cstr("a\r\nBcc: x \x1b[2J \xe2\x80\xae \xc3\xa9");
	letter.id = wb_slice("a\0b", 3);
	assert_true(wb_alert_rules_letter(r, &letter, START));
	a = tick(r, START);
	expect(a, WB_ALERT_FIRST, 1, 1);
	assert_int_equal(a->last_ms, START);
	example = &a->reason[WB_REASON_NONE].example[0];
	assert_string_equal(example->message, "a\\x0d\\nBcc: x \\x1b[2J \\u{202e} \xc3\xa9");
	assert_string_equal(example->id, "a\\x00b");
	assert_in_range(strlen(example->identity), 400, sizeof example->identity - 1);
	letter.partition = WB_ALERT_PARTITIONS_MAX;
	assert_false(wb_alert_rules_letter(r, &letter, START));
	wb_alert_rules_free(&r);
}

static void states_that_cannot_be_read_change_nothing(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"version\":2}", "{\"version\":1,\"told\":[1]}",
		"{\"version\":1,\"positions\":[[-1,2]]}", "{\"version\":1,\"next\":{\"kind\":\"?\"}}",
		"{\"positions\":[[0,5]],\"groups\":[{\"name\":\"g\"}],\"due\":7,\"version\":1}" };
	struct wb_alert_rules *r = wb_alert_rules_new(&settings);
	struct wb_error e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(wb_alert_rules_restore(r, wb_slice_cstr(bad[i]), &e), WB_EINVAL);
		assert_int_equal(wb_alert_rules_position(r, 0), -1);
		assert_null(wb_alert_rules_due(r));
	}
	assert_int_equal(
		wb_alert_rules_restore(r, wb_slice_cstr("{\"version\":1,\"new\":{},\"positions\":[[3,7,1]]}"), &e),
		WB_OK);
	assert_int_equal(wb_alert_rules_position(r, 3), 7);
	wb_alert_rules_free(&r);
}

/* The week: letters come in bursts and alone, the channel is down now and then, the program dies at any moment. */

#define PARTITIONS  3
#define LETTERS_MAX 400000

struct told {
	int64_t died_ms;
	enum wb_reason reason;
	int32_t partition;
};

/* The naive model: all letters in a list, and every question asked by looking at all of them. */
struct model {
	struct told letter[LETTERS_MAX];
	size_t count, told, incident; /* letters, those that were told, the first of the incident */
	bool open;
	int64_t told_ms, threshold_ms;
};

static bool is_new_reason(const struct model *m)
{
	for (size_t i = m->told; i < m->count; i++) {
		bool known = false;

		for (size_t k = m->incident; k < m->told && !known; k++)
			known = m->letter[k].reason == m->letter[i].reason;
		if (!known)
			return true;
	}
	return false;
}

static bool many(const struct model *m, int64_t now_ms)
{
	int64_t letters = 0;

	for (size_t i = m->count; i-- > 0 && m->letter[i].died_ms > now_ms - DAY;)
		letters += m->letter[i].died_ms / MINUTE > now_ms / MINUTE - 60;
	return letters >= settings.threshold;
}

/* Which alert the tick makes due; false: none. */
static bool foretell(struct model *m, int64_t now_ms, enum wb_alert_kind *ret)
{
	int64_t last_ms = m->count ? m->letter[m->count - 1].died_ms : 0;

	m->open = m->open || m->told < m->count;
	if (!m->open)
		return false;
	if (m->told < m->count && many(m, now_ms) && (!m->threshold_ms || now_ms - m->threshold_ms >= HOUR))
		*ret = WB_ALERT_THRESHOLD;
	else if (is_new_reason(m))
		*ret = WB_ALERT_FIRST;
	else if (now_ms - last_ms >= 30 * MINUTE)
		*ret = WB_ALERT_RECOVERED;
	else if (m->told < m->count && now_ms - m->told_ms >= HOUR)
		*ret = WB_ALERT_DIGEST;
	else
		return false;
	return true;
}

static void compare(struct model *m, const struct wb_alert *alert, enum wb_alert_kind kind, int64_t now_ms)
{
	uint64_t fresh[WB_ALERT_REASONS] = { 0 }, all[WB_ALERT_REASONS] = { 0 };

	for (size_t i = m->incident; i < m->count; i++) {
		all[m->letter[i].reason]++;
		fresh[m->letter[i].reason] += i >= m->told;
	}
	expect(alert, kind, m->count - m->told, m->count - m->incident);
	for (unsigned i = 0; i < WB_ALERT_REASONS; i++) {
		assert_int_equal(alert->reason[i].fresh, fresh[i]);
		assert_int_equal(alert->reason[i].all, all[i]);
		assert_int_equal(
			alert->reason[i].examples, fresh[i] < WB_ALERT_EXAMPLES ? fresh[i] : WB_ALERT_EXAMPLES);
	}
	m->told = m->count;
	if (kind == WB_ALERT_THRESHOLD)
		m->threshold_ms = now_ms;
	if (kind == WB_ALERT_RECOVERED) {
		m->open = false;
		m->incident = m->count;
	}
}

struct week {
	struct model model;
	struct wb_alert_rules *rules;
	struct wb_prng prng;
	struct wb_buf saved, sent, again;
	size_t partition_of[PARTITIONS]; /* letters so far */
	unsigned alerts, sent_again, restarts;
};

static void save(struct week *w)
{
	wb_buf_clear(&w->saved);
	wb_alert_rules_save(w->rules, &w->saved);
	assert_int_equal(wb_buf_status(&w->saved), WB_OK);
}

static void give(struct week *w, size_t index, int64_t offset, int64_t now_ms, bool expected)
{
	const struct told *t = &w->model.letter[index];
	const struct wb_alert_letter letter = { .partition = t->partition,
		.offset = offset,
		.died_ms = t->died_ms,
		.reason = t->reason,
		.id = wb_slice_cstr("\"\xc3\xa9") };

	assert_int_equal(wb_alert_rules_letter(w->rules, &letter, now_ms), expected);
}

/* All letters are read again from the beginning of the topic: those that were saved count once. */
static void restart(struct week *w, int64_t now_ms)
{
	int64_t offset[PARTITIONS] = { 0 };

	wb_alert_rules_free(&w->rules);
	w->rules = wb_alert_rules_new(&settings);
	assert_int_equal(wb_alert_rules_restore(w->rules, wb_buf_slice(&w->saved), NULL), WB_OK);
	wb_buf_clear(&w->again);
	wb_alert_rules_save(w->rules, &w->again);
	assert_string_equal(w->saved.data, w->again.data);
	for (size_t i = 0; i < w->model.count; i++) {
		int32_t p = w->model.letter[i].partition;
		bool expected = offset[p] >= wb_alert_rules_position(w->rules, p);

		give(w, i, offset[p]++, now_ms, expected);
	}
	w->restarts++;
}

static void letters_of_a_minute(struct week *w, int64_t now_ms)
{
	uint64_t dice = wb_prng_next(&w->prng) % 1000;
	int64_t hour = now_ms / HOUR % 12;
	/* Half of the hours are quiet; else a letter now and then, or a burst. */
	size_t letters = hour < 6 ? dice < 2 : dice < 5 ? 1 + dice * 40 : dice < 100;

	for (size_t i = 0; i < letters && w->model.count < LETTERS_MAX; i++) {
		struct told *t = &w->model.letter[w->model.count];

		t->died_ms = now_ms;
		t->reason = (enum wb_reason)(wb_prng_next(&w->prng) % (dice < 50 ? 3 : WB_ALERT_REASONS));
		t->partition = (int32_t)(wb_prng_next(&w->prng) % PARTITIONS);
		give(w, w->model.count, (int64_t)w->partition_of[t->partition]++, now_ms, true);
		w->model.count++;
	}
}

static void send_due(struct week *w, int64_t now_ms)
{
	const struct wb_alert *due = wb_alert_rules_due(w->rules);

	wb_buf_clear(&w->sent);
	wb_alert_json(due, &w->sent);
	if (wb_prng_next(&w->prng) % 4 == 0) { /* dies between sending and saving */
		restart(w, now_ms);
		due = wb_alert_rules_due(w->rules);
		assert_non_null(due);
		wb_buf_clear(&w->again);
		wb_alert_json(due, &w->again);
		assert_string_equal(w->sent.data, w->again.data);
		w->sent_again++;
	}
	wb_alert_rules_done(w->rules, now_ms);
	w->model.told_ms = now_ms;
	save(w);
}

static void minute(struct week *w, int64_t now_ms)
{
	bool channel_is_up = now_ms / (3 * HOUR) % 5 != 0;
	enum wb_alert_kind kind;

	letters_of_a_minute(w, now_ms);
	if (wb_prng_next(&w->prng) % 200 == 0)
		restart(w, now_ms);
	for (unsigned turn = 0; turn < 4; turn++) {
		if (!wb_alert_rules_due(w->rules)) {
			bool expected = foretell(&w->model, now_ms, &kind);

			wb_alert_rules_tick(w->rules, now_ms, true);
			assert_int_equal(wb_alert_rules_due(w->rules) != NULL, expected);
			if (!expected)
				break;
			compare(&w->model, wb_alert_rules_due(w->rules), kind, now_ms);
			w->model.told_ms = now_ms;
			w->alerts++;
			save(w);
		}
		if (!channel_is_up)
			break;
		send_due(w, now_ms);
	}
}

static void a_week_like_the_naive_model_has_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct week *w = calloc(1, sizeof *w);

		assert_non_null(w);
		w->prng.state = seed;
		w->rules = wb_alert_rules_new(&settings);
		wb_buf_init(&w->saved, STATE_MAX);
		wb_buf_init(&w->sent, STATE_MAX);
		wb_buf_init(&w->again, STATE_MAX);
		save(w);
		for (int64_t now_ms = START; now_ms < START + 7 * DAY; now_ms += MINUTE)
			minute(w, now_ms);
		print_message("seed %u: %zu letters, %u alerts, %u restarts, %u sent again\n", (unsigned)seed,
			w->model.count, w->alerts, w->restarts, w->sent_again);
		assert_in_range(w->alerts, 10, 1000);
		assert_in_range(w->sent_again, 1, 1000);
		wb_alert_rules_free(&w->rules);
		wb_buf_release(&w->saved);
		wb_buf_release(&w->sent);
		wb_buf_release(&w->again);
		free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_incident_from_its_first_letter_to_its_end),
		cmocka_unit_test(a_million_letters_are_a_handful_of_alerts),
		cmocka_unit_test(the_threshold_is_told_at_once_and_not_more_often_than_digests),
		cmocka_unit_test(a_channel_that_takes_nothing_gets_one_alert_that_stays),
		cmocka_unit_test(no_recovery_while_letters_are_unread),
		cmocka_unit_test(a_group_that_stands_still_while_its_lag_grows),
		cmocka_unit_test(a_slow_or_an_idle_group_does_not_stand_still),
		cmocka_unit_test(lag_near_the_retention_in_two_steps),
		cmocka_unit_test(letters_near_their_end),
		cmocka_unit_test(what_a_letter_says_is_made_safe_and_cut),
		cmocka_unit_test(states_that_cannot_be_read_change_nothing),
		cmocka_unit_test(a_week_like_the_naive_model_has_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
