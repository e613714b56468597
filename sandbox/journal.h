/* The journal: every write that took effect, in the order in which it did, for tests that must know.
 *
 * Off until it is asked for, and then costs nothing. Each write is one line of JSON, made under the lock of the range
 * that it changed, so the order of lines is the order of effect for every item:
 *
 *   {"n":1,"op":"upsert","database":"db","container":"c","id":"x","pk":["p"],"etag":"\"…\"","status":201,
 *    "client":"User-Agent","at_ms":1700000000000,"document":{…}}
 *
 * A write that a fault let through stands in it with the status that it would have had. Bounded: when the journal is
 * full it takes no more, and what is read ends with {"truncated":true,"after":N}. Thread-safe: every function; its
 * lock is taken inside a range's and takes no other.
 */
#ifndef WB_SANDBOX_JOURNAL_H
#define WB_SANDBOX_JOURNAL_H

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "sandbox/operation.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_JOURNAL_BYTES_MAX (INT64_C(512) * 1024 * 1024)

struct wb_journal_entry {
	enum wb_operation operation;
	unsigned status;
	struct wb_slice database, container;
	struct wb_slice id;       /* decoded */
	struct wb_slice pk;       /* canonical text, JSON */
	struct wb_slice etag;     /* with its quotes; {NULL, 0} when nothing is left that has one */
	struct wb_slice client;   /* {NULL, 0} when it did not say who it is */
	struct wb_slice document; /* as stored; {NULL, 0} after a delete */
	int64_t at_ms;            /* wall clock */
};

struct wb_journal;

/* max_bytes: of lines and what they cost to keep. */
struct wb_journal *wb_journal_new(int64_t max_bytes);
void wb_journal_free(struct wb_journal **j);

/* A cheap look, so that a fast run pays nothing. */
bool wb_journal_is_on(const struct wb_journal *j);
/* Turning it off keeps what it has. */
void wb_journal_turn(struct wb_journal *j, bool on);
/* Forgets all lines, and that there was no room. Numbers go on, none is given twice. */
void wb_journal_clear(struct wb_journal *j);
/* Does nothing when the journal is off or full. */
void wb_journal_append(struct wb_journal *j, const struct wb_journal_entry *entry);

/* Appends the lines that follow number *after to buf until it holds about piece_bytes, and moves *after to the last
 * one. false when none was left; then the mark of a full journal was appended if it is full. */
bool wb_journal_read(struct wb_journal *j, uint64_t *after, size_t piece_bytes, struct wb_buf *buf);

#endif
