/* A sweep over the writes of one owner: between two writes at which an event begins or ends, all of them are told the same, so
 * a stretch of any length is judged at once. */
#include "deadletter/audit_judge.h"

#include "common/base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct wb_audit_judge {
	struct wb_audit_scope scope;
	struct wb_audit_sink sink;
	void *arg;
	bool any; /* an owner is at hand */
	struct wb_audit_owner owner;
	bool accepted, has_log;
	uint64_t count, digest; /* what was accepted */
	uint64_t log_end;
	struct wb_audit_event *active; /* those that tell of the write at `at` */
	size_t active_count, active_cap;
	uint64_t at; /* everything below is judged */
	struct wb_audit_counts counts;
};

/* What is told of a stretch. */
struct facts {
	uint64_t outcomes, letters;
	enum wb_outcome outcome; /* the first, and when it came */
	uint64_t outcome_place;
	uint32_t outcome_at_s;
	bool died; /* one of the outcomes is dead */
	bool passed, ahead;
	uint16_t record_topic;
	uint64_t record, letter; /* where */
};

const char *wb_audit_fault_text(enum wb_audit_fault_kind kind)
{
	static const char *const texts[] = { "lost", "gone", "no-letter", "stray-letter", "beyond", "unknown",
		"two-accepted" };

	return texts[kind];
}

const char *wb_audit_fault_meaning(enum wb_audit_fault_kind kind)
{
	static const char *const meanings[] = {
		"passed by the consumers without an outcome",
		"no outcome, and its record is not there any more",
		"dead, but it has no letter",
		"has a letter, but ended otherwise",
		"not among the writes that its job was accepted with",
		"its offset is not in the log yet",
		"accepted twice, and not as the same",
	};

	return meanings[kind];
}

void wb_audit_counts_add(struct wb_audit_counts *to, const struct wb_audit_counts *more)
{
	to->accepted += more->accepted;
	to->unaccepted += more->unaccepted;
	for (size_t i = 0; i <= WB_DEAD; i++)
		to->outcomes[i] += more->outcomes[i];
	to->pending += more->pending;
	to->repeats += more->repeats;
	to->letter_repeats += more->letter_repeats;
	to->below += more->below;
	to->letters_below += more->letters_below;
	for (size_t i = 0; i < WB_AUDIT_FAULT_KINDS; i++)
		to->faults[i] += more->faults[i];
}

bool wb_audit_counts_balance(const struct wb_audit_counts *c)
{
	for (size_t i = 0; i < WB_AUDIT_FAULT_KINDS; i++) {
		if (c->faults[i])
			return false;
	}
	return c->accepted + c->unaccepted ==
		c->outcomes[WB_WRITTEN] + c->outcomes[WB_SUPERSEDED] + c->outcomes[WB_DEAD] + c->pending;
}

struct wb_audit_judge *wb_audit_judge_new(
	const struct wb_audit_scope *scope, const struct wb_audit_sink *sink, void *arg)
{
	struct wb_audit_judge *j = wb_xcalloc(1, sizeof *j);

	j->scope = *scope;
	j->sink = *sink;
	j->arg = arg;
	return j;
}

void wb_audit_judge_free(struct wb_audit_judge **judge)
{
	if (!*judge)
		return;
	free((*judge)->active);
	free(*judge);
	*judge = NULL;
}

static void add_fact(struct facts *f, const struct wb_audit_event *event)
{
	switch ((enum wb_audit_kind)event->kind) {
	case WB_AUDIT_WRITTEN:
	case WB_AUDIT_SUPERSEDED:
	case WB_AUDIT_DEAD:
		f->died = f->died || event->kind == WB_AUDIT_DEAD;
		if (f->outcomes++ == 0 || event->place < f->outcome_place) {
			f->outcome = (enum wb_outcome)(event->kind - WB_AUDIT_WRITTEN);
			f->outcome_place = event->place;
			f->outcome_at_s = event->at_s;
		}
		break;
	case WB_AUDIT_LETTER:
		if (f->letters++ == 0)
			f->letter = event->place;
		break;
	case WB_AUDIT_PASSED:
	case WB_AUDIT_AHEAD:
		f->passed = f->passed || event->kind == WB_AUDIT_PASSED;
		f->ahead = f->ahead || event->kind == WB_AUDIT_AHEAD;
		f->record_topic = event->topic;
		f->record = event->place;
		break;
	case WB_AUDIT_ACCEPTED:
	case WB_AUDIT_LOG:
		break;
	}
}

static void fault(
	struct wb_audit_judge *j, enum wb_audit_fault_kind kind, uint64_t first, uint64_t last, const struct facts *f)
{
	const struct wb_audit_fault found = {
		.kind = kind,
		.owner = j->owner,
		.first = first,
		.last = last,
		.has_record = f->passed || f->ahead,
		.has_letter = f->letters > 0,
		.record_topic = f->record_topic,
		/* The range of an origin is one of offsets. */
		.record = j->owner.origin ? wb_audit_place((int32_t)j->owner.id[1], (int64_t)first) : f->record,
		.letter = f->letter,
	};

	j->counts.faults[kind] += kind == WB_AUDIT_TWO_ACCEPTED ? 1 : last - first + 1;
	j->sink.fault(j->arg, &found);
}

/* Letters of writes that have an outcome. */
static void judge_letters(struct wb_audit_judge *j, uint64_t first, uint64_t last, const struct facts *f)
{
	uint64_t n = last - first + 1;

	if (f->outcome == WB_DEAD && f->letters)
		j->counts.letter_repeats += n * (f->letters - 1);
	else if (f->outcome == WB_DEAD && f->outcome_at_s < j->scope.letters_sure_from)
		j->counts.letters_below += n;
	else if (f->outcome == WB_DEAD)
		fault(j, WB_AUDIT_NO_LETTER, first, last, f);
	else if (f->letters && f->died)
		j->counts.letter_repeats += n * f->letters;
	else if (f->letters)
		fault(j, WB_AUDIT_STRAY_LETTER, first, last, f);
}

static void judge_ended(struct wb_audit_judge *j, uint64_t first, uint64_t last, const struct facts *f)
{
	j->counts.outcomes[f->outcome] += last - first + 1;
	j->counts.repeats += (last - first + 1) * (f->outcomes - 1);
	judge_letters(j, first, last, f);
}

/* A write whose record was read and that has no outcome. */
static void judge_unfinished(struct wb_audit_judge *j, uint64_t first, uint64_t last, const struct facts *f)
{
	if (f->passed)
		fault(j, WB_AUDIT_LOST, first, last, f);
	else
		j->counts.pending += last - first + 1;
}

/* in: the job was accepted with these writes. */
static void judge_of_job(struct wb_audit_judge *j, uint64_t first, uint64_t last, const struct facts *f, bool in)
{
	bool known = f->passed || f->ahead;
	uint64_t n = last - first + 1;

	if (!known && j->scope.results_cut && (f->outcomes == 0 || !j->accepted)) {
		j->counts.below += n;
		return;
	}
	*(in ? &j->counts.accepted : &j->counts.unaccepted) += n;
	if (j->accepted && !in)
		fault(j, WB_AUDIT_BEYOND, first, last, f);
	if (f->outcomes)
		judge_ended(j, first, last, f);
	else if (known)
		judge_unfinished(j, first, last, f);
	else
		fault(j, WB_AUDIT_GONE, first, last, f);
}

static void judge_of_origin(struct wb_audit_judge *j, uint64_t first, uint64_t last, const struct facts *f)
{
	uint64_t n = last - first + 1;

	if (f->passed || f->ahead) {
		j->counts.accepted += n;
		if (f->outcomes)
			judge_ended(j, first, last, f);
		else
			judge_unfinished(j, first, last, f);
	} else if (j->has_log && first >= j->log_end) {
		fault(j, WB_AUDIT_UNKNOWN, first, last, f);
	} else if (f->outcomes || j->scope.results_cut) {
		j->counts.below += n;
	} else {
		j->counts.accepted += n;
		fault(j, WB_AUDIT_GONE, first, last, f);
	}
}

/* first to last: one stretch of which all is told alike; it is cut where what the owner says of it changes. */
static void judge_stretch(struct wb_audit_judge *j, uint64_t first, uint64_t last, const struct facts *f)
{
	uint64_t border = j->owner.origin ? (j->has_log ? j->log_end : 0) : j->accepted ? j->count : 0;

	if (first < border && last >= border) {
		judge_stretch(j, first, border - 1, f);
		judge_stretch(j, border, last, f);
	} else if (j->owner.origin) {
		judge_of_origin(j, first, last, f);
	} else {
		judge_of_job(j, first, last, f, j->accepted && first < j->count);
	}
}

/* Judges what is active from j->at to last. */
static void judge_active(struct wb_audit_judge *j, uint64_t last)
{
	struct facts f = { 0 };

	for (size_t i = 0; i < j->active_count; i++)
		add_fact(&f, &j->active[i]);
	judge_stretch(j, j->at, last, &f);
}

static void drop_ended(struct wb_audit_judge *j, uint64_t last)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->active_count; i++) {
		if (j->active[i].last > last)
			j->active[kept++] = j->active[i];
	}
	j->active_count = kept;
}

/* Judges all writes below `to`. Nothing is told of those that are active nowhere: they count where they were accepted. */
static void judge_below(struct wb_audit_judge *j, uint64_t to)
{
	while (j->at < to) {
		uint64_t last = to - 1;

		for (size_t i = 0; i < j->active_count; i++) {
			if (j->active[i].last < last)
				last = j->active[i].last;
		}
		if (j->active_count)
			judge_active(j, last);
		else if (j->accepted && j->at < j->count)
			judge_stretch(j, j->at, last < j->count ? last : j->count - 1, &(struct facts){ 0 });
		drop_ended(j, last);
		j->at = last + 1;
	}
}

static void end_owner(struct wb_audit_judge *j)
{
	uint64_t end = j->accepted ? j->count : 0;

	if (!j->any)
		return;
	for (size_t i = 0; i < j->active_count; i++) {
		if (j->active[i].last >= end)
			end = j->active[i].last + 1;
	}
	judge_below(j, end);
	j->sink.owner(j->arg, &j->owner, j->accepted, &j->counts);
	j->any = false;
}

static void begin_owner(struct wb_audit_judge *j, const struct wb_audit_event *event)
{
	end_owner(j);
	j->any = true;
	j->owner = (struct wb_audit_owner){ .id = { event->id[0], event->id[1] }, .origin = event->origin };
	j->accepted = j->has_log = false;
	j->count = j->digest = j->log_end = j->at = 0;
	j->active_count = 0;
	j->counts = (struct wb_audit_counts){ 0 };
}

static void accept_job(struct wb_audit_judge *j, const struct wb_audit_event *event)
{
	if (j->accepted && (event->last != j->count || event->place != j->digest))
		fault(j, WB_AUDIT_TWO_ACCEPTED, j->count, event->last, &(struct facts){ 0 });
	if (j->accepted)
		return;
	j->accepted = true;
	j->count = event->last;
	j->digest = event->place;
}

void wb_audit_judge_add(struct wb_audit_judge *j, const struct wb_audit_event *event)
{
	if (!j->any || event->origin != j->owner.origin || event->id[0] != j->owner.id[0] ||
		event->id[1] != j->owner.id[1])
		begin_owner(j, event);
	if (event->kind == WB_AUDIT_ACCEPTED) {
		accept_job(j, event);
		return;
	}
	if (event->kind == WB_AUDIT_LOG) {
		j->has_log = true;
		j->log_end = event->last;
		return;
	}
	assert(event->first >= j->at && event->last >= event->first && event->last < UINT64_MAX);
	judge_below(j, event->first);
	if (j->active_count == j->active_cap) {
		j->active_cap = j->active_cap ? 2 * j->active_cap : 16;
		j->active = wb_xrealloc(j->active, j->active_cap * sizeof *j->active);
	}
	j->active[j->active_count++] = *event;
}

void wb_audit_judge_end(struct wb_audit_judge *j)
{
	end_owner(j);
}
