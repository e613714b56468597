/* Which alerts are due on one channel (a mailbox, a webhook): a state machine that is fed with letters, samples of
 * consumer groups and ticks.
 *
 * - An incident begins with a letter when none is open. The first letter of each reason is told at once, further ones in
 *   digests every digest_interval_ms. When threshold letters died within threshold_window_ms, that is told at once, but
 *   not more often than digests. An incident ends when no letter died for recovery_after_ms, which is told too.
 * - A consumer group that commits nothing for stalled_after_ms while its lag has grown; one whose oldest unread record is
 *   older than retention_percent of the topic's retention (and again half way to the end); open letters that Kafka deletes
 *   within expiry_before_ms. Each is told when it begins, every repeat_interval_ms while it lasts, and (but for expiry) when
 *   it is over.
 *
 * At most one alert is due at a time and stays as it is until it is done; what happens meanwhile is told by the next one.
 * So a channel that does not take alerts delays them, makes them fewer, and loses none: every letter is counted in exactly
 * one alert. Memory is bounded: it grows with the topic's partitions only.
 *
 * The owner's part: letters of a partition in order; a tick after each batch and every second or so; when an alert is
 * due: save, send, done, save. After a restart: restore, read on from wb_alert_rules_position. A letter that is read again
 * is not counted again; an alert that was sent and not yet saved as done is sent again with the same id and the same content.
 *
 * Pure: times are arguments (wall clock, ms), which may go back. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_ALERT_RULES_H
#define WB_DEADLETTER_ALERT_RULES_H

#include "common/base/error.h"
#include "deadletter/alert.h"

#define WB_ALERT_GROUPS_MAX     16
#define WB_ALERT_PARTITIONS_MAX 100000

struct wb_alert_rules; /* opaque */

struct wb_alert_settings {
	int64_t digest_interval_ms;
	int64_t threshold; /* letters; 0: never */
	int64_t threshold_window_ms;
	int64_t recovery_after_ms;
	int64_t stalled_after_ms;
	int64_t expiry_before_ms;
	int64_t retention_percent; /* 1 to 99 */
	int64_t repeat_interval_ms;
};

struct wb_alert_letter {
	int32_t partition; /* of the dead-letter topic */
	int64_t offset;
	int64_t died_ms;
	enum wb_reason reason;
	struct wb_slice identity, container, id, message; /* any bytes; {NULL, 0}: not known */
};

struct wb_alert_group_sample {
	struct wb_slice group;
	int64_t lag;           /* records of all partitions */
	int64_t committed;     /* sum of the committed offsets: any change is a move */
	int64_t oldest_age_ms; /* of the oldest unread record; 0: none */
	int64_t retention_ms;  /* of the topic; 0: forever */
};

/* settings are copied. Free takes NULL. */
struct wb_alert_rules *wb_alert_rules_new(const struct wb_alert_settings *settings) WB_MUST_USE;
void wb_alert_rules_free(struct wb_alert_rules **rules);

/* False: it was counted before, or its partition is beyond WB_ALERT_PARTITIONS_MAX. */
bool wb_alert_rules_letter(struct wb_alert_rules *r, const struct wb_alert_letter *letter, int64_t now_ms);
/* False: there are WB_ALERT_GROUPS_MAX others. */
bool wb_alert_rules_group(struct wb_alert_rules *r, const struct wb_alert_group_sample *sample, int64_t now_ms);
/* Open letters that end within expiry_before_ms, and when the first one does; 0, 0: none. */
void wb_alert_rules_expiry(struct wb_alert_rules *r, uint64_t letters, int64_t first_ms, int64_t now_ms);
/* Decides. caught_up: all letters that are in the topic were given; only then can there be a recovery. */
void wb_alert_rules_tick(struct wb_alert_rules *r, int64_t now_ms, bool caught_up);

/* The alert that is due, the same one until done; NULL: none. */
const struct wb_alert *wb_alert_rules_due(const struct wb_alert_rules *r);
/* The channel has taken it. */
void wb_alert_rules_done(struct wb_alert_rules *r, int64_t now_ms);

/* The first offset of a partition that was not given yet; -1: none was ever given. */
int64_t wb_alert_rules_position(const struct wb_alert_rules *r, int32_t partition);
/* Says where a partition goes on: at the first start, or when the topic was made anew. */
void wb_alert_rules_set_position(struct wb_alert_rules *r, int32_t partition, int64_t offset);

/* Appends the state as JSON: the value of the key `alert:CHANNEL` of the state topic. */
void wb_alert_rules_save(const struct wb_alert_rules *r, struct wb_buf *ret);
/* Into rules that were fed with nothing yet. WB_EINVAL with a sentence: the rules are as new. */
enum wb_err wb_alert_rules_restore(struct wb_alert_rules *r, struct wb_slice json, struct wb_error *e) WB_MUST_USE;

#endif
