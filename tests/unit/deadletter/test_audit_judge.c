/* The judge against a naive model: a simulated group reads partitions, is killed and begins again at what it had committed; then
 * something is damaged. Nothing may be named but the damage, and the damage has to be. */
#include "deadletter/audit_judge.h"

#include "common/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { JOBS = 3, PARTITIONS = 2, WRITES_MAX = 48, OUTCOMES_MAX = 64, EVENTS_MAX = 8192, HISTORIES = 5000 };
enum { SURE_S = 1000 };

struct write {
	int job; /* -1: untracked */
	uint64_t seq, offset;
	unsigned partition;
	bool dies, record, passed;
	bool beyond; /* its job was accepted without it, or its offset is not there */
	unsigned letters, outcome_count;
	enum wb_outcome outcomes[OUTCOMES_MAX];
	uint64_t orders[OUTCOMES_MAX];
	uint32_t at_s;
};

struct world {
	struct wb_prng random;
	struct write writes[WRITES_MAX];
	size_t count;
	uint64_t counts[JOBS], ends[PARTITIONS], committed[PARTITIONS], order;
	bool accepted[JOBS], twice[JOBS];
	struct wb_audit_scope scope;
	struct wb_audit_event events[EVENTS_MAX];
	size_t event_count;
	/* What the judge said. */
	struct wb_audit_counts told;
	struct wb_audit_fault faults[EVENTS_MAX];
	size_t fault_count, owners;
};

static uint64_t up_to(struct world *w, uint64_t n)
{
	return wb_prng_next(&w->random) % n;
}

static void publish(struct world *w)
{
	w->count = 1 + up_to(w, WRITES_MAX - 4);
	for (int j = 0; j < JOBS; j++)
		w->accepted[j] = up_to(w, 4) != 0;
	for (size_t i = 0; i < w->count; i++) {
		struct write *x = &w->writes[i];

		x->job = (int)up_to(w, JOBS + 1) - 1;
		x->seq = x->job >= 0 ? w->counts[x->job]++ : 0;
		x->partition = (unsigned)up_to(w, PARTITIONS);
		x->offset = w->ends[x->partition]++;
		x->dies = up_to(w, 3) == 0;
		x->record = true;
		x->at_s = (uint32_t)(SURE_S + up_to(w, 10));
	}
}

static struct write *find(struct world *w, unsigned partition, uint64_t offset)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->writes[i].partition == partition && w->writes[i].offset == offset)
			return &w->writes[i];
	}
	return NULL;
}

/* False when the consumer dies between the letter and its outcome. */
static bool finish(struct world *w, struct write *x)
{
	enum wb_outcome outcome = x->dies ? WB_DEAD : up_to(w, 4) ? WB_WRITTEN : WB_SUPERSEDED;
	bool again = x->outcome_count > 0;

	/* What comes again may end otherwise. */
	if (again && up_to(w, 4) == 0)
		outcome = (enum wb_outcome)up_to(w, WB_DEAD + 1);
	if (outcome == WB_DEAD) {
		x->letters++;
		if (x->dies && up_to(w, 6) == 0)
			return false;
	}
	x->orders[x->outcome_count] = w->order++;
	x->outcomes[x->outcome_count++] = outcome;
	return true;
}

static void consume(struct world *w)
{
	uint64_t at[PARTITIONS] = { 0 };

	for (uint64_t steps = up_to(w, 6 * WRITES_MAX); steps > 0; steps--) {
		unsigned p = (unsigned)up_to(w, PARTITIONS);
		struct write *x = find(w, p, at[p]);

		if (x && (x->outcome_count == OUTCOMES_MAX - 1 || !finish(w, x)))
			memcpy(at, w->committed, sizeof at);
		else if (x)
			at[p]++;
		if (up_to(w, 4) == 0)
			w->committed[p] = at[p];
		if (up_to(w, 16) == 0)
			memcpy(at, w->committed, sizeof at);
	}
	for (size_t i = 0; i < w->count; i++)
		w->writes[i].passed = w->writes[i].offset < w->committed[w->writes[i].partition];
}

static void add(struct world *w, struct wb_audit_event event, const struct write *x)
{
	event.origin = x->job < 0;
	event.id[0] = event.origin ? 0 : 7;
	event.id[1] = event.origin ? x->partition : (uint64_t)x->job;
	event.first = event.last = event.origin ? x->offset : x->seq;
	assert_true(w->event_count < EVENTS_MAX);
	w->events[w->event_count++] = event;
}

static void tell_write(struct world *w, const struct write *x)
{
	for (unsigned i = 0; i < x->outcome_count; i++)
		add(w,
			(struct wb_audit_event){ .kind = (uint8_t)(WB_AUDIT_WRITTEN + (int)x->outcomes[i]),
				.place = x->orders[i],
				.at_s = x->at_s },
			x);
	for (unsigned i = 0; i < x->letters; i++)
		add(w, (struct wb_audit_event){ .kind = WB_AUDIT_LETTER, .place = i }, x);
	if (x->record)
		add(w, (struct wb_audit_event){ .kind = x->passed ? WB_AUDIT_PASSED : WB_AUDIT_AHEAD }, x);
}

static void tell(struct world *w)
{
	for (unsigned p = 0; p < PARTITIONS; p++)
		w->events[w->event_count++] = (struct wb_audit_event){
			.kind = WB_AUDIT_LOG, .origin = 1, .id = { 0, p }, .last = w->ends[p]
		};
	for (int j = 0; j < JOBS; j++) {
		struct wb_audit_event event = {
			.kind = WB_AUDIT_ACCEPTED, .id = { 7, (uint64_t)j }, .last = w->counts[j], .first = 1
		};

		if (!w->accepted[j])
			continue;
		w->events[w->event_count++] = event;
		event.first = 2; /* the same again is no fault */
		w->events[w->event_count++] = event;
		event.place = 1;
		if (w->twice[j])
			w->events[w->event_count++] = event;
	}
	for (size_t i = 0; i < w->count; i++)
		tell_write(w, &w->writes[i]);
}

static int compare(const void *a, const void *b)
{
	return wb_audit_event_compare(a, b);
}

/* Ranges that follow one another and say the same become one, some of them: as the programs write them. */
static void join(struct world *w)
{
	size_t kept = 0;

	qsort(w->events, w->event_count, sizeof *w->events, compare);
	for (size_t i = 0; i < w->event_count; i++) {
		struct wb_audit_event *x = &w->events[i];
		size_t k = kept;

		while (k > 0 && kept - k < 6 && x->kind >= WB_AUDIT_WRITTEN && x->kind != WB_AUDIT_LETTER) {
			struct wb_audit_event *y = &w->events[--k];
			bool outcome = x->kind <= WB_AUDIT_DEAD;

			if (y->kind == x->kind && y->origin == x->origin && memcmp(y->id, x->id, sizeof x->id) == 0 &&
				y->last + 1 == x->first && (!outcome || y->place + 1 == x->place) &&
				y->at_s == x->at_s && up_to(w, 4)) {
				y->last = x->last;
				y->place = x->place;
				x = NULL;
				break;
			}
		}
		if (x)
			w->events[kept++] = *x;
	}
	w->event_count = kept;
	qsort(w->events, w->event_count, sizeof *w->events, compare);
}

static void on_fault(void *arg, const struct wb_audit_fault *fault)
{
	struct world *w = arg;

	assert_true(w->fault_count < EVENTS_MAX);
	w->faults[w->fault_count++] = *fault;
}

static void on_owner(void *arg, const struct wb_audit_owner *owner, bool accepted, const struct wb_audit_counts *counts)
{
	struct world *w = arg;

	(void)owner;
	(void)accepted;
	w->owners++;
	wb_audit_counts_add(&w->told, counts);
}

static void judge(struct world *w)
{
	static const struct wb_audit_sink sink = { .fault = on_fault, .owner = on_owner };
	struct wb_audit_judge *j = wb_audit_judge_new(&w->scope, &sink, w);

	for (size_t i = 0; i < w->event_count; i++)
		wb_audit_judge_add(j, &w->events[i]);
	wb_audit_judge_end(j);
	wb_audit_judge_free(&j);
	assert_null(j);
}

static bool named(const struct world *w, enum wb_audit_fault_kind kind, const struct write *x)
{
	for (size_t i = 0; i < w->fault_count; i++) {
		const struct wb_audit_fault *f = &w->faults[i];
		uint64_t at = x->job < 0 ? x->offset : x->seq;

		if (f->kind == kind && f->owner.origin == (x->job < 0) &&
			f->owner.id[1] == (x->job < 0 ? x->partition : (uint64_t)x->job) && f->first <= at &&
			at <= f->last)
			return true;
	}
	return false;
}

/* The letters of a write that has an outcome. */
static void expect_letters(const struct world *w, const struct write *x, struct wb_audit_counts *c)
{
	bool died = false;

	for (unsigned i = 0; i < x->outcome_count; i++)
		died = died || x->outcomes[i] == WB_DEAD;
	if (x->outcomes[0] == WB_DEAD && x->letters == 0)
		*(x->at_s < w->scope.letters_sure_from ? &c->letters_below : &c->faults[WB_AUDIT_NO_LETTER]) += 1;
	else if (x->outcomes[0] == WB_DEAD)
		c->letter_repeats += x->letters - 1;
	else if (died)
		c->letter_repeats += x->letters;
	else if (x->letters)
		c->faults[WB_AUDIT_STRAY_LETTER]++;
}

static void expect(const struct world *w, const struct write *x, struct wb_audit_counts *c)
{
	bool accepted = x->job < 0 ? x->record : w->accepted[x->job] && !x->beyond;
	bool told = x->outcome_count || x->letters || x->record;

	if (!told && !accepted)
		return;
	if (x->job < 0 && x->beyond) {
		c->faults[WB_AUDIT_UNKNOWN]++;
		return;
	}
	if (!x->record) {
		bool known = x->job >= 0 && w->accepted[x->job] && x->outcome_count;

		if ((w->scope.results_cut && !known) || (x->job < 0 && x->outcome_count)) {
			c->below++;
			return;
		}
		accepted = accepted || x->job < 0;
	}
	*(accepted ? &c->accepted : &c->unaccepted) += 1;
	if (x->job >= 0 && w->accepted[x->job] && x->beyond)
		c->faults[WB_AUDIT_BEYOND]++;
	if (x->outcome_count) {
		c->outcomes[x->outcomes[0]]++;
		c->repeats += x->outcome_count - 1;
		expect_letters(w, x, c);
	} else if (!x->record) {
		c->faults[WB_AUDIT_GONE]++;
	} else if (x->passed) {
		c->faults[WB_AUDIT_LOST]++;
	} else {
		c->pending++;
	}
}

static struct wb_audit_counts expected(const struct world *w)
{
	struct wb_audit_counts c = { 0 };

	for (size_t i = 0; i < w->count; i++)
		expect(w, &w->writes[i], &c);
	for (int j = 0; j < JOBS; j++)
		c.faults[WB_AUDIT_TWO_ACCEPTED] += w->accepted[j] && w->twice[j];
	return c;
}

static void check(struct world *w)
{
	struct wb_audit_counts c = expected(w);

	tell(w);
	join(w);
	judge(w);
	assert_memory_equal(&w->told, &c, sizeof c);
}

static struct world *world_new(uint64_t seed)
{
	struct world *w = test_calloc(1, sizeof *w);

	w->random.state = seed;
	w->scope.letters_sure_from = SURE_S;
	publish(w);
	consume(w);
	return w;
}

static void histories_with_kills_balance(void **state)
{
	uint64_t repeats = 0, pending = 0, letter_repeats = 0;

	(void)state;
	for (uint64_t seed = 0; seed < HISTORIES; seed++) {
		struct world *w = world_new(seed);

		check(w);
		if (!wb_audit_counts_balance(&w->told) || w->fault_count)
			fail_msg("seed %llu does not balance", (unsigned long long)seed);
		repeats += w->told.repeats;
		letter_repeats += w->told.letter_repeats;
		pending += w->told.pending;
		test_free(w);
	}
	assert_true(repeats > HISTORIES && letter_repeats > HISTORIES / 10 && pending > HISTORIES);
}

/* Does it to a write that is such; false when this one is not. */
static bool damage(struct world *w, struct write *x, enum wb_audit_fault_kind kind)
{
	bool accepted = x->job >= 0 && w->accepted[x->job], dead = x->outcome_count && x->outcomes[0] == WB_DEAD;

	switch (kind) {
	case WB_AUDIT_LOST:
		if (!x->passed)
			return false;
		x->outcome_count = 0;
		return true;
	case WB_AUDIT_GONE:
		x->record = false;
		x->outcome_count = 0;
		return accepted || x->letters;
	case WB_AUDIT_NO_LETTER:
		x->letters = 0;
		return dead;
	case WB_AUDIT_STRAY_LETTER:
		for (unsigned i = 0; i < x->outcome_count; i++)
			dead = dead || x->outcomes[i] == WB_DEAD;
		x->letters++;
		return x->outcome_count && !dead;
	case WB_AUDIT_BEYOND:
		if (!accepted || x->seq + 1 != w->counts[x->job])
			return false;
		w->counts[x->job]--;
		return x->beyond = true;
	case WB_AUDIT_UNKNOWN:
		if (x->job >= 0 || x->offset + 1 != w->ends[x->partition] || !x->outcome_count)
			return false;
		w->ends[x->partition]--;
		x->record = false;
		return x->beyond = true;
	case WB_AUDIT_TWO_ACCEPTED:
		return accepted && (w->twice[x->job] = true);
	case WB_AUDIT_FAULT_KINDS:
		break;
	}
	return false;
}

static void damage_is_named(void **state)
{
	uint64_t done[WB_AUDIT_FAULT_KINDS] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < HISTORIES; seed++) {
		struct world *w = world_new(seed + HISTORIES);
		enum wb_audit_fault_kind kind = (enum wb_audit_fault_kind)up_to(w, WB_AUDIT_FAULT_KINDS);
		struct write *x = &w->writes[up_to(w, w->count)];
		bool hit = damage(w, x, kind);

		check(w);
		if (hit) {
			done[kind]++;
			assert_false(wb_audit_counts_balance(&w->told));
			assert_true(w->told.faults[kind] == 1);
			assert_true(kind == WB_AUDIT_TWO_ACCEPTED || named(w, kind, x));
		}
		test_free(w);
	}
	for (int k = 0; k < WB_AUDIT_FAULT_KINDS; k++)
		assert_true(done[k] > 10);
}

/* Where the reading begins late, what cannot be told is told apart, and nothing is named that may only stand below. */
static void what_was_not_read_is_told_apart(void **state)
{
	uint64_t below = 0, letters_below = 0;

	(void)state;
	for (uint64_t seed = 0; seed < HISTORIES; seed++) {
		struct world *w = world_new(seed + 2 * HISTORIES);

		w->scope = (struct wb_audit_scope){ .results_cut = true, .letters_sure_from = SURE_S + 5 };
		for (int j = 0; j < JOBS; j++)
			w->accepted[j] = w->accepted[j] && up_to(w, 2);
		for (size_t i = 0; i < w->count; i++) {
			struct write *x = &w->writes[i];

			x->record = up_to(w, 2);
			x->outcome_count = x->record ? x->outcome_count : x->outcome_count / 2;
			if (x->at_s < w->scope.letters_sure_from && up_to(w, 2) && x->dies)
				x->letters = 0;
		}
		check(w);
		assert_int_equal(w->told.faults[WB_AUDIT_LOST] + w->told.faults[WB_AUDIT_GONE] +
				w->told.faults[WB_AUDIT_NO_LETTER] + w->told.faults[WB_AUDIT_BEYOND],
			0);
		below += w->told.below;
		letters_below += w->told.letters_below;
		test_free(w);
	}
	assert_true(below > HISTORIES && letters_below > HISTORIES / 10);
}

static void a_huge_range_is_one_stretch(void **state)
{
	struct world *w = test_calloc(1, sizeof *w);
	const uint64_t many = UINT64_C(1) << 53;

	(void)state;
	w->events[w->event_count++] = (struct wb_audit_event){ .kind = WB_AUDIT_ACCEPTED, .last = many };
	w->events[w->event_count++] = (struct wb_audit_event){ .kind = WB_AUDIT_WRITTEN, .last = many - 1 };
	w->events[w->event_count++] = (struct wb_audit_event){
		.kind = WB_AUDIT_DEAD, .first = 5, .last = many + 4, .place = 1
	};
	judge(w);
	assert_true(w->told.accepted == many && w->told.outcomes[WB_WRITTEN] == many);
	assert_int_equal(w->told.faults[WB_AUDIT_BEYOND], 5);
	assert_true(w->told.repeats == many - 5);
	test_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_with_kills_balance),
		cmocka_unit_test(damage_is_named),
		cmocka_unit_test(what_was_not_read_is_told_apart),
		cmocka_unit_test(a_huge_range_is_one_stretch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
