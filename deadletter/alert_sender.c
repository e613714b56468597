#include "deadletter/alert_sender.h"

#include "common/base/backoff.h"
#include "common/base/mem.h"
#include "common/base/prng.h"

#include <stdio.h>
#include <stdlib.h>

#define TURN_MS        1000
#define ALERTS_AT_ONCE 8 /* in a turn; more come in the next one */

struct wb_alert_sender {
	struct wb_alert_sender_settings settings;
	struct wb_alert_channel channel;
	struct wb_alert_rules *rules;
	struct wb_buf state;
	struct wb_prng prng;
	struct wb_backoff sending, saving;
	struct wb_alert_sender_counts counts;
	bool due_is_saved;  /* the alert that is due stands in the saved state */
	bool done_is_saved; /* nothing was taken that the saved state does not know of */
	int64_t saved_ms, next_save_ms, next_send_ms; /* monotonic: when it was saved; not before when it is tried */
	bool ever_saved;
	char problem[700];
};

struct wb_alert_sender *wb_alert_sender_new(struct wb_alert_rules **rules,
	const struct wb_alert_sender_settings *settings, const struct wb_alert_channel *channel)
{
	struct wb_alert_sender *s = wb_xcalloc(1, sizeof *s);

	s->settings = *settings;
	s->channel = *channel;
	s->rules = *rules;
	*rules = NULL;
	s->prng.state = settings->seed;
	s->sending = s->saving = wb_backoff_make(settings->retry_ms, settings->retry_max_ms);
	/* One that was restored as due is in the state that it came from. */
	s->due_is_saved = wb_alert_rules_due(s->rules) != NULL;
	s->done_is_saved = true;
	wb_buf_init(&s->state, WB_ALERT_STATE_BYTES_MAX);
	return s;
}

void wb_alert_sender_free(struct wb_alert_sender **sender)
{
	struct wb_alert_sender *s = *sender;

	*sender = NULL;
	if (!s)
		return;
	wb_alert_rules_free(&s->rules);
	wb_buf_release(&s->state);
	free(s);
}

struct wb_alert_rules *wb_alert_sender_rules(struct wb_alert_sender *s)
{
	return s->rules;
}

enum wb_err wb_alert_sender_save(struct wb_alert_sender *s, struct wb_error *e)
{
	enum wb_err err;

	wb_buf_clear(&s->state);
	wb_alert_rules_save(s->rules, &s->state);
	err = wb_buf_status(&s->state);
	if (err != WB_OK)
		return wb_error_set(e, err, "the state of alerts is larger than %u bytes", WB_ALERT_STATE_BYTES_MAX);
	err = s->channel.save(s->channel.arg, wb_buf_slice(&s->state), e);
	if (err == WB_OK) {
		s->due_is_saved = wb_alert_rules_due(s->rules) != NULL;
		s->done_is_saved = true;
	}
	return err;
}

static bool save_now(struct wb_alert_sender *s, int64_t mono_ms)
{
	struct wb_error e = { "" };

	if (wb_alert_sender_save(s, &e) == WB_OK) {
		s->saved_ms = mono_ms;
		s->ever_saved = true;
		wb_backoff_reset(&s->saving);
		return true;
	}
	s->counts.not_saved++;
	(void)snprintf(s->problem, sizeof s->problem, "the state of alerts was not saved: %s", e.text);
	s->next_save_ms = mono_ms + wb_backoff_next_ms(&s->saving, wb_prng_next(&s->prng), 0);
	return false;
}

static bool send_now(struct wb_alert_sender *s, int64_t wall_ms, int64_t mono_ms)
{
	const struct wb_alert *due = wb_alert_rules_due(s->rules);
	struct wb_alert_answer answer = { .taken = false };

	s->channel.send(s->channel.arg, due, &answer);
	if (!answer.taken) {
		s->counts.not_taken++;
		s->counts.waiting_since_ms = due->at_ms;
		(void)snprintf(s->problem, sizeof s->problem, "alert %s was not taken: %s", due->id, answer.text);
		s->next_send_ms = mono_ms +
			wb_backoff_next_ms(&s->sending, wb_prng_next(&s->prng), answer.retry_after_ms);
		return false;
	}
	s->counts.taken++;
	s->counts.waiting_since_ms = 0;
	wb_alert_rules_done(s->rules, wall_ms);
	s->due_is_saved = s->done_is_saved = false;
	wb_backoff_reset(&s->sending);
	return true;
}

/* False: nothing more can be done now. */
static bool step(struct wb_alert_sender *s, int64_t wall_ms, int64_t mono_ms, bool caught_up)
{
	bool must_save;

	wb_alert_rules_tick(s->rules, wall_ms, caught_up);
	must_save = !s->done_is_saved || (wb_alert_rules_due(s->rules) && !s->due_is_saved);
	/* What was counted is saved also while an alert waits, or a restart after days would find it gone. */
	if (must_save || !s->ever_saved || mono_ms - s->saved_ms >= s->settings.save_interval_ms) {
		if (mono_ms >= s->next_save_ms)
			return save_now(s, mono_ms);
		if (must_save)
			return false;
	}
	return wb_alert_rules_due(s->rules) && mono_ms >= s->next_send_ms && send_now(s, wall_ms, mono_ms);
}

int64_t wb_alert_sender_turn(
	struct wb_alert_sender *s, int64_t wall_ms, int64_t mono_ms, bool caught_up, const char **ret_problem)
{
	unsigned steps = 0;

	s->problem[0] = '\0';
	/* An alert is two steps: sent, saved. */
	while (steps < 2 * ALERTS_AT_ONCE && step(s, wall_ms, mono_ms, caught_up))
		steps++;
	if (ret_problem)
		*ret_problem = s->problem[0] ? s->problem : NULL;
	return steps == 2 * ALERTS_AT_ONCE ? 0 : TURN_MS;
}

void wb_alert_sender_counts(const struct wb_alert_sender *s, struct wb_alert_sender_counts *ret)
{
	*ret = s->counts;
}
