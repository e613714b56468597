#include "consumer/recorder_internal.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 50 /* also how soon a full queue is tried again */

static void take_judged(struct wb_recorder *r, struct wb_write *w, int64_t now_ms)
{
	if (w->outcome == WB_DEAD && w->letter_partition == WB_LETTER_REFUSED) {
		wb_recorder_letter_refused(r, w, (enum wb_err)w->letter_offset, now_ms);
		return;
	}
	if (w->outcome == WB_DEAD && w->letter_partition < 0) {
		wb_recorder_wait_for_lane(r, w);
		return;
	}
	if (w->outcome == WB_DEAD)
		wb_recorder_letter_taken(r, w);
	if (r->partitions > 0) {
		wb_recorder_gather(r, w, now_ms);
		return;
	}
	wb_list_push(&r->unplaced, &w->link);
}

/* How long nothing has to be done unless something comes. */
static int64_t pause_ms(const struct wb_recorder *r, int64_t now_ms)
{
	int64_t at_ms = now_ms + WAIT_MS;

	for (int32_t p = 0; p < r->partitions && !wb_recorder_results_held(r); p++) {
		const struct wb_gathering *g = &r->gatherings[p];

		if (g->writes.head && g->since_ms + r->settings.interval_ms < at_ms)
			at_ms = g->since_ms + r->settings.interval_ms;
	}
	if (wb_delay_heap_next_ms(&r->delayed) < at_ms)
		at_ms = wb_delay_heap_next_ms(&r->delayed);
	return at_ms > now_ms ? at_ms - now_ms : 0;
}

static bool has_work(const struct wb_recorder *r)
{
	bool gathered = false;

	for (int32_t p = 0; p < r->partitions; p++)
		gathered = gathered || r->gatherings[p].writes.head;
	return gathered || r->unplaced.head || r->delayed.count || r->together.waiting.head || r->alone.waiting.head ||
		r->resend.head || r->stuck.head || atomic_load(&r->on_their_way) > 0;
}

static void hold_list(struct wb_snapshot *s, const struct wb_list *list, int64_t now_ms)
{
	for (const struct wb_link *link = list->head; link && s->held_count < WB_SNAPSHOT_HELD_MAX; link = link->next)
		wb_snapshot_hold(s, WB_CONTAINER_OF(link, const struct wb_write, link), NULL, NULL, now_ms);
	s->held_total += list->count;
}

static void hold_records(struct wb_snapshot *s, const struct wb_list *records, int64_t now_ms)
{
	for (const struct wb_link *link = records->head; link; link = link->next)
		hold_list(s, &WB_CONTAINER_OF(link, const struct wb_results_record, link)->writes, now_ms);
}

/* Tells of letters and outcomes that wait; what is on its way to Kafka is the producers'. */
static void answer(struct wb_recorder *r, int64_t now_ms)
{
	struct wb_snapshot *s = wb_snapshot_new();

	for (size_t i = 0; i < r->delayed.count && s->held_count < WB_SNAPSHOT_HELD_MAX; i++)
		wb_snapshot_hold(s, r->delayed.slot[i], NULL, NULL, now_ms);
	s->held_total = r->delayed.count;
	hold_list(s, &r->together.waiting, now_ms);
	hold_list(s, &r->alone.waiting, now_ms);
	hold_list(s, &r->unplaced, now_ms);
	hold_records(s, &r->stuck, now_ms);
	hold_records(s, &r->resend, now_ms);
	for (int32_t p = 0; p < r->partitions; p++)
		hold_list(s, &r->gatherings[p].writes, now_ms);
	s->written = wb_counter_value(r->metrics.outcomes[WB_WRITTEN]);
	s->superseded = wb_counter_value(r->metrics.outcomes[WB_SUPERSEDED]);
	s->dead = wb_counter_value(r->metrics.outcomes[WB_DEAD]);
	wb_board_answer(r->place, &s);
}

static void *recorder_loop(void *arg)
{
	struct wb_recorder *r = arg;

	for (;;) {
		struct wb_list in = { 0 };
		struct wb_write *w;
		int64_t now_ms = wb_clock_mono_ms();

		wb_handover_wait(&r->inbox, &in, pause_ms(r, now_ms));
		now_ms = wb_clock_mono_ms();
		r->wall_ms = wb_clock_wall_ms();
		if (wb_board_is_asked(r->place))
			answer(r, now_ms);
		if (!in.head && atomic_load(&r->stop) && (!has_work(r) || now_ms >= r->stop_deadline_ms))
			return NULL;
		if (r->partitions == 0)
			wb_recorder_learn_partitions(r, now_ms);
		while ((w = wb_write_of(wb_list_pop(&in)))) {
			wb_write_prefetch(in.head);
			take_judged(r, w, now_ms);
		}
		wb_recorder_count_outcomes(r);
		wb_recorder_send_letters(r, now_ms);
		wb_refusals_look(r, &r->letters_refusals);
		wb_recorder_resend_results(r, now_ms);
		wb_recorder_publish_due(r, now_ms);
		wb_recorder_look_at_kafka(r, now_ms);
	}
}

static void make_metrics(struct wb_recorder *r)
{
	static const double seconds[] = { 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400 };
	struct wb_metrics *m = r->settings.metrics;
	char labels[64];

	for (int i = 0; i <= WB_DEAD; i++) {
		(void)snprintf(
			labels, sizeof labels, "outcome=\"%s\"", wb_outcome_text((enum wb_outcome)i)); /* they fit */
		r->metrics.outcomes[i] = wb_metrics_counter(m, "writebehind_outcomes_total",
			"What became of writes; a repeated delivery counts again.", labels);
		r->metrics.end_to_end[i] = wb_tally_make(wb_metrics_histogram(m, "writebehind_end_to_end_seconds",
			"Time from a record's timestamp to its outcome; where that is a dead letter, to its "
			"acknowledgement.",
			labels, seconds, WB_ARRAY_LEN(seconds)));
	}
	r->metrics.records = wb_metrics_counter(
		m, "writebehind_results_records_total", "Records sent to the results topic.", "");
	r->metrics.resent = wb_metrics_counter(m, "writebehind_results_resent_total",
		"Results records and dead letters that Kafka did not take the first time.", "");
	for (int i = WB_DEAD_LETTER_SHORT; i <= WB_DEAD_LETTER_LEAST; i++) {
		(void)snprintf(labels, sizeof labels, "headers=\"%s\"",
			wb_dead_letter_form_text((enum wb_dead_letter_form)i)); /* they fit */
		r->metrics.trimmed[i] = wb_metrics_counter(m, "writebehind_letters_trimmed_total",
			"Dead letters that Kafka only took with fewer headers of ours.", labels);
	}
	r->metrics.refused_letters = wb_metrics_gauge(m, "writebehind_refused_letters",
		"Dead letters that Kafka refused and has not taken yet; their partitions cannot go on.", "");
}

static void release(struct wb_recorder *r)
{
	wb_recorder_free_producers(r);
	wb_handover_release(&r->inbox);
	wb_handover_release(&r->refused);
	for (int32_t p = 0; p < r->partitions; p++)
		wb_result_batch_free(&r->gatherings[p].batch);
	free(r->gatherings);
	wb_delay_heap_release(&r->delayed);
	wb_refusals_release(&r->letters_refusals);
	wb_refusals_release(&r->results_refusals);
	wb_buf_release(&r->scratch);
	free(r->headers);
	free(r);
}

struct wb_recorder *wb_recorder_new(const struct wb_recorder_settings *settings, struct wb_error *e)
{
	struct wb_recorder *r = wb_xcalloc(1, sizeof *r);

	r->settings = *settings;
	wb_handover_init(&r->inbox, NULL, NULL);
	wb_handover_init(&r->refused, NULL, NULL);
	wb_refusals_init(&r->letters_refusals, "letters");
	wb_refusals_init(&r->results_refusals, "results");
	wb_buf_init(&r->scratch, 16 * 1024);
	if (!wb_recorder_make_producers(r, e)) {
		release(r);
		return NULL;
	}
	make_metrics(r);
	wb_health_set(settings->health, "kafka", false, "no broker has answered yet");
	r->place = wb_board_enter(settings->board, "recorder", NULL, NULL); /* it takes a turn every WAIT_MS */
	r->thread = wb_thread_start("recorder", recorder_loop, r);
	return r;
}

void wb_recorder_judged(struct wb_recorder *r, struct wb_list *batch)
{
	wb_handover_put(&r->inbox, batch);
}

void wb_recorder_hurry(struct wb_recorder *r, bool hurry)
{
	atomic_store(&r->hurry, hurry);
}

/* What was not acknowledged in time goes back as it is: it will be delivered again. */
static void give_up_all(struct wb_recorder *r)
{
	struct wb_list left = { 0 };

	wb_handover_take(&r->inbox, &left);
	wb_list_append(&left, &r->together.waiting);
	wb_list_append(&left, &r->alone.waiting);
	while (r->delayed.count > 0)
		wb_list_push(&left, &wb_delay_heap_pop_due(&r->delayed, INT64_MAX)->link);
	wb_recorder_give_up_results(r, &left);
	wb_handover_put(r->settings.given_up, &left);
}

void wb_recorder_free(struct wb_recorder **r, int64_t timeout_ms)
{
	struct wb_recorder *old = *r;

	if (!old)
		return;
	wb_recorder_hurry(old, true);
	old->stop_deadline_ms = wb_clock_mono_ms() + timeout_ms;
	atomic_store(&old->stop, true);
	wb_thread_join(old->thread);
	wb_board_leave(&old->place);
	wb_recorder_free_producers(old);
	give_up_all(old);
	release(old);
	*r = NULL;
}
