/* The ledger, judged write by write from sorted events (audit_event.h): what each owner's writes came to, and those that do
 * not fit.
 *
 * A write is in the books when its job was accepted with it, or when its record or an outcome of it was read; on the left as
 * accepted or unaccepted, on the right by its first outcome, or as pending while the consumers have not passed its record.
 * What nothing can be told about, because it may stand below where the reading began, is counted apart (below), on neither
 * side. One that was passed and has no outcome is on the left alone: so the sides differ by what was lost.
 *
 * Memory is bounded by how many events tell of one write, not by their number. Pure. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_AUDIT_JUDGE_H
#define WB_DEADLETTER_AUDIT_JUDGE_H

#include "deadletter/audit_event.h"

enum wb_audit_fault_kind {
	WB_AUDIT_LOST, /* passed by the consumers, and has no outcome */
	WB_AUDIT_GONE, /* accepted, or with a letter, but neither an outcome nor its record are there */
	WB_AUDIT_NO_LETTER, /* ended as dead, and has no letter */
	WB_AUDIT_STRAY_LETTER, /* has a letter, but ended otherwise and never as dead */
	WB_AUDIT_BEYOND, /* of a job, but with a sequence number that was not accepted */
	WB_AUDIT_UNKNOWN, /* of an origin, at an offset that its log does not have yet */
	WB_AUDIT_TWO_ACCEPTED, /* accepted records of one job that differ; first and last are their counts */
	WB_AUDIT_FAULT_KINDS
};
/* "lost" …, for programs; and a phrase for people: "passed by the consumers without an outcome". Literals. */
const char *wb_audit_fault_text(enum wb_audit_fault_kind kind);
const char *wb_audit_fault_meaning(enum wb_audit_fault_kind kind);

/* How much of the topics was read. */
struct wb_audit_scope {
	bool results_cut; /* there may be accepted records and outcomes that were not read */
	uint32_t letters_sure_from; /* the letters of writes that died then (seconds since 1970) or later were read */
};

struct wb_audit_counts {
	uint64_t accepted, unaccepted;
	uint64_t outcomes[WB_DEAD + 1], pending;
	uint64_t repeats; /* outcomes of writes that had one */
	uint64_t letter_repeats; /* letters of writes that had one, or that were dead only when they came again */
	uint64_t below; /* writes about which too little was read */
	uint64_t letters_below; /* dead ones whose letter may stand below where the reading began */
	uint64_t faults[WB_AUDIT_FAULT_KINDS]; /* how many writes, or accepted records, do not fit */
};
void wb_audit_counts_add(struct wb_audit_counts *to, const struct wb_audit_counts *more);
/* Both sides are equal and everything fits. */
bool wb_audit_counts_balance(const struct wb_audit_counts *counts);

struct wb_audit_fault {
	enum wb_audit_fault_kind kind;
	struct wb_audit_owner owner;
	uint64_t first, last; /* writes that have the same fault */
	bool has_record, has_letter;
	uint16_t record_topic; /* of the first of them, where has_record */
	uint64_t record, letter; /* wb_audit_place */
};

struct wb_audit_sink {
	void (*fault)(void *arg, const struct wb_audit_fault *fault);
	/* After the faults of that owner. accepted: the job has an accepted record; false for origins. */
	void (*owner)(
		void *arg, const struct wb_audit_owner *owner, bool accepted, const struct wb_audit_counts *counts);
};

struct wb_audit_judge;
struct wb_audit_judge *wb_audit_judge_new(
	const struct wb_audit_scope *scope, const struct wb_audit_sink *sink, void *arg) WB_MUST_USE;
void wb_audit_judge_free(struct wb_audit_judge **j);
/* Events in the order of wb_audit_event_compare. */
void wb_audit_judge_add(struct wb_audit_judge *j, const struct wb_audit_event *event);
/* No more events come. */
void wb_audit_judge_end(struct wb_audit_judge *j);

#endif
