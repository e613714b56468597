/* An alert: what a person is told about dead letters, a consumer group or letters near their end, as facts.
 *
 * Every field has a fixed size, so that what is kept for an alert does not grow with the letters. Texts are safe to look
 * at (deadletter/text.h) when they were put in by alert_rules; those who show them trust nothing and make them harmless again.
 * No document content is in here. Pure, thread-safe.
 */
#ifndef WB_DEADLETTER_ALERT_H
#define WB_DEADLETTER_ALERT_H

#include "common/base/buf.h"
#include "common/contract/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_ALERT_REASONS      (WB_REASON_SERVER_ERROR + 1) /* NONE: a letter that is not ours */
#define WB_ALERT_EXAMPLES     2                            /* of each reason */
#define WB_ALERT_ID_SIZE      64
#define WB_ALERT_GROUP_SIZE   256
#define WB_ALERT_TEXT_SIZE    256
#define WB_ALERT_MESSAGE_SIZE 512

/* symbol, word, whether it tells that something is over */
#define WB_ALERT_KIND_LIST(X)                                                                    \
	X(WB_ALERT_FIRST, "first", false)                   /* letters of reasons that this incident had not */    \
	X(WB_ALERT_THRESHOLD, "threshold", false)           /* many letters in a short time */             \
	X(WB_ALERT_DIGEST, "digest", false)                 /* more letters of known reasons */                  \
	X(WB_ALERT_RECOVERED, "recovered", true)            /* no new letters for a while */                \
	X(WB_ALERT_STALLED, "stalled", false)               /* a consumer group stands still, its lag grows */ \
	X(WB_ALERT_MOVING, "moving", true)                  /* and goes on */                                     \
	X(WB_ALERT_RETENTION, "retention", false)           /* its lag comes near the topic's retention */ \
	X(WB_ALERT_RETENTION_OVER, "retention-over", true)  /* and no longer */                   \
	X(WB_ALERT_EXPIRY, "expiry", false)                 /* open letters are soon deleted by Kafka */         \
	X(WB_ALERT_TEST, "test", false)                     /* someone wants to see whether alerts arrive */

enum wb_alert_kind {
#define X(symbol, word, over) symbol,
	WB_ALERT_KIND_LIST(X)
#undef X
};

struct wb_alert_example {
	int32_t partition; /* of the dead-letter topic */
	int64_t offset;
	int64_t died_ms;
	char identity[2 * WB_ALERT_TEXT_SIZE]; /* "": none is known; so with the others */
	char container[WB_ALERT_TEXT_SIZE];
	char id[WB_ALERT_TEXT_SIZE];           /* the item's */
	char message[WB_ALERT_MESSAGE_SIZE];   /* the error's sentence */
};

/* fresh: since the alert before; all: since the incident's start. fresh == all > 0: nobody was told of this reason yet. */
struct wb_alert_count {
	uint64_t fresh, all;
	unsigned examples;
	struct wb_alert_example example[WB_ALERT_EXAMPLES]; /* the first of the fresh ones */
};

struct wb_alert {
	char id[WB_ALERT_ID_SIZE]; /* the same whenever this alert is sent again */
	char incident[WB_ALERT_ID_SIZE]; /* what the alerts of one story have in common */
	unsigned serial; /* within the incident, from 0 */
	enum wb_alert_kind kind;
	int64_t at_ms, since_ms; /* wall clock: when it became due; when the incident began */

	/* first, threshold, digest, recovered */
	uint64_t fresh, all; /* letters of all reasons */
	uint64_t in_window; /* threshold: letters in the window that counts */
	int64_t window_ms;
	int64_t first_ms,
		last_ms; /* deaths of the oldest and newest of the fresh ones; last_ms: else of the incident's */
	struct wb_alert_count reason[WB_ALERT_REASONS];

	/* stalled, moving, retention, retention-over */
	char group[WB_ALERT_GROUP_SIZE];
	int64_t lag, lag_before; /* records now; when it last moved */
	int64_t moved_ms; /* when it last moved */
	int64_t oldest_age_ms, retention_ms;

	/* expiry */
	uint64_t expiring; /* open letters that end within the time of alert.expiry.before */
	int64_t expires_ms; /* the first of them */
};

/* Literals. */
const char *wb_alert_kind_text(enum wb_alert_kind kind);
bool wb_alert_is_over(enum wb_alert_kind kind);
/* Whether it is about letters that died (first, threshold, digest, recovered). */
bool wb_alert_is_letters(enum wb_alert_kind kind);
/* The reason's word, "not-ours" for NONE. */
const char *wb_alert_reason_text(unsigned reason);

/* Appends the alert as a JSON object: times as RFC 3339, reasons without letters left out. It is a webhook's data and
 * stands in the state topic. */
void wb_alert_json(const struct wb_alert *alert, struct wb_buf *ret);
/* Reads that back from r's next value. Unknown members and reasons are ignored, texts cut at their sizes. *ret is zeroed
 * first. False when it is not such an object. */
struct wb_json_reader;
bool wb_alert_read(struct wb_json_reader *r, struct wb_alert *ret) WB_MUST_USE;

/* Copies text into a field of size bytes, cut between characters. */
void wb_alert_copy_text(char *ret, size_t size, struct wb_slice text);

#endif
