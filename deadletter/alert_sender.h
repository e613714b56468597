/* One channel at work: what its rules say is due is saved, sent, and saved as done, again and again until it is taken.
 *
 * An alert is sent only once its state is saved, so it has the same id and content whenever it is sent again, also after a
 * restart; the next one is sent only once it is saved that the one before was taken. A channel that refuses, cuts off, stalls
 * or puts off is asked again with growing distance (common/base/backoff.h); meanwhile alerts become fewer, and no letter is
 * forgotten. Bounded by the rules, and by one text of the state.
 * Times are arguments: wall clock for the rules, a monotonic one for waiting. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_ALERT_SENDER_H
#define WB_DEADLETTER_ALERT_SENDER_H

#include "deadletter/alert_rules.h"

#define WB_ALERT_STATE_BYTES_MAX (4u << 20)

struct wb_alert_answer {
	bool taken;
	int64_t retry_after_ms; /* what the other side asked for; 0: nothing */
	char text[512];         /* one line: what happened */
};

struct wb_alert_channel {
	/* Returns WB_OK when the state is where a restart finds it. */
	enum wb_err (*save)(void *arg, struct wb_slice state, struct wb_error *e);
	void (*send)(void *arg, const struct wb_alert *alert, struct wb_alert_answer *ret);
	void *arg;
};

struct wb_alert_sender_settings {
	int64_t retry_ms, retry_max_ms; /* the first distance at most, and any */
	int64_t save_interval_ms;       /* how often what was counted is saved when no alert is due */
	uint64_t seed;                  /* of the distances' jitter */
};

struct wb_alert_sender_counts {
	uint64_t taken, not_taken, not_saved;
	int64_t waiting_since_ms; /* wall clock: when the alert that is not taken became due; 0: none waits */
};

struct wb_alert_sender; /* opaque */

/* rules, new ones or restored, are the sender's from now on; settings and channel are copied. Free takes NULL. */
struct wb_alert_sender *wb_alert_sender_new(struct wb_alert_rules **rules,
	const struct wb_alert_sender_settings *settings, const struct wb_alert_channel *channel) WB_MUST_USE;
void wb_alert_sender_free(struct wb_alert_sender **sender);

/* For feeding; nothing of it is saved before the next turn. */
struct wb_alert_rules *wb_alert_sender_rules(struct wb_alert_sender *s);

/* Decides, saves and sends what can be sent now. Returns after how many ms to come again at the latest. When something was
 * tried and not taken or not saved, *ret_problem (may be NULL) points to a sentence until the next turn, else to NULL. */
int64_t wb_alert_sender_turn(
	struct wb_alert_sender *s, int64_t wall_ms, int64_t mono_ms, bool caught_up, const char **ret_problem);
/* Saves what was counted: before the owner gives the channel away. WB_OK or what save said. */
enum wb_err wb_alert_sender_save(struct wb_alert_sender *s, struct wb_error *e) WB_MUST_USE;

void wb_alert_sender_counts(const struct wb_alert_sender *s, struct wb_alert_sender_counts *ret);

#endif
