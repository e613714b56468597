/* Records of the state topic (topic.dead.letters.state): what people did with a letter. Key: the letter's identity.
 *
 * Pure, thread-safe: slices point into the value or into the caller's scratch.
 */
#ifndef WB_DEADLETTER_STATE_H
#define WB_DEADLETTER_STATE_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Keys that begin so are no letters' but the alerts'. */
#define WB_STATE_ALERT_PREFIX "alert:"
#define WB_STATE_TEXT_MAX     1024 /* bytes of by and why that are written */
#define WB_STATE_ATTEMPT_MAX  1000000

/* symbol, text. OPEN is never written: it is what a letter without a record is. OLDER is the index's: a copy of a letter
 * that has a newer one. OTHER: a word that is not known here. Numbers are stored by the index: add at the end. */
#define WB_LETTER_STATE_LIST(X)               \
	X(WB_LETTER_OPEN, "open")             \
	X(WB_LETTER_REPLAYED, "replayed")     \
	X(WB_LETTER_DISCARDED, "discarded")   \
	X(WB_LETTER_SUPERSEDED, "superseded") \
	X(WB_LETTER_PARKED, "parked")         \
	X(WB_LETTER_OTHER, "other")           \
	X(WB_LETTER_OLDER, "older copy")

enum wb_letter_state {
#define X(symbol, text) symbol,
	WB_LETTER_STATE_LIST(X)
#undef X
};
#define WB_LETTER_STATES (WB_LETTER_OLDER + 1)

/* "open" …; a literal. */
const char *wb_letter_state_text(enum wb_letter_state state);
/* One of open, replayed, discarded, superseded, parked; else WB_LETTER_OTHER. */
enum wb_letter_state wb_letter_state_parse(struct wb_slice word);

struct wb_state_record {
	enum wb_letter_state state;
	struct wb_slice word; /* the state as it is written */
	int64_t at_ms; /* when it was acted upon; 0: not said */
	struct wb_slice by; /* "user@host"; absent: not said */
	int64_t attempt; /* how often the letter was replayed so far */
	struct wb_slice job; /* the replay's job id; absent in other states */
	int32_t partition; /* the newest copy that was known, in the topic of dead letters */
	int64_t offset;
	struct wb_slice why; /* absent: not said */
};

/* Whether the key is a letter's identity. */
bool wb_state_is_letter(struct wb_slice key);
/* Appends the value. What is absent is left out; by and why are cut on a character's boundary. */
void wb_state_encode(const struct wb_state_record *record, struct wb_buf *ret);
/* Reads a value; unknown members are skipped. scratch holds texts that had escapes, and must stay as it is while ret is
 * used. False for what says no state or not of which letter: no record of this kind, to be ignored. */
bool wb_state_decode(struct wb_slice value, struct wb_buf *scratch, struct wb_state_record *ret);
/* Reads "PARTITION/OFFSET". */
bool wb_state_place_parse(struct wb_slice text, int32_t *ret_partition, int64_t *ret_offset) WB_MUST_USE;

/* Whether the copy of a letter, dead at died_ms, is newer than the one that the record speaks of: further on in the same
 * partition; of another partition, dead after the record was written. */
bool wb_state_is_behind(const struct wb_state_record *record, int32_t partition, int64_t offset, int64_t died_ms);

#endif
