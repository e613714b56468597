#include "common/base/prng.h"
#include "tests/unit/producer/job_records.h"

/* A job table against a model that keeps an outcome for each write of each job: random records in a random order, many of
 * them repeats, some beyond a job's count, some before its accepted record. */
enum { JOBS = 12, SEQS = 24, ROUNDS = 4000, RUNS = 30, NO_OUTCOME = -1 };

struct model_job {
	char id[WB_JOB_ID_SIZE];
	bool accepted, ended;
	unsigned count;
	int outcome[SEQS];
	double charge;
};

struct model {
	struct model_job jobs[JOBS];
	struct wb_job_totals totals;
};

static unsigned below(struct wb_prng *r, unsigned n)
{
	return (unsigned)(wb_prng_next(r) % n);
}

static unsigned pending_of(const struct model_job *j)
{
	unsigned pending = 0;

	for (unsigned i = 0; i < j->count; i++)
		pending += j->outcome[i] == NO_OUTCOME;
	return pending;
}

static void end_if_complete(struct model_job *j)
{
	j->ended = j->ended || (j->accepted && pending_of(j) == 0);
}

static void model_accept(struct model *m, struct model_job *j, unsigned count)
{
	if (j->accepted)
		return;
	j->accepted = true;
	j->count = count;
	m->totals.accepted += count;
	for (unsigned i = 0; i < count; i++) {
		m->totals.unaccepted -= j->outcome[i] != NO_OUTCOME;
		m->totals.pending += j->outcome[i] == NO_OUTCOME;
	}
	end_if_complete(j);
}

static void model_outcome(struct model *m, struct model_job *j, int outcome, unsigned first, unsigned last)
{
	if (j->ended)
		return;
	for (unsigned i = first; i <= last; i++) {
		if (j->outcome[i] != NO_OUTCOME)
			continue;
		j->outcome[i] = outcome;
		*(outcome == WB_WRITTEN                    ? &m->totals.written
				: outcome == WB_SUPERSEDED ? &m->totals.superseded
							   : &m->totals.dead) += 1;
		m->totals.pending -= j->accepted && i < j->count;
		m->totals.unaccepted += !j->accepted || i >= j->count;
	}
	end_if_complete(j);
}

static void compare(struct wb_job_table *t, const struct model *m)
{
	assert_ledger(t, m->totals.accepted, m->totals.unaccepted, m->totals.written, m->totals.superseded,
		m->totals.dead, m->totals.pending);
	for (size_t i = 0; i < JOBS; i++) {
		const struct model_job *j = &m->jobs[i];
		unsigned by_outcome[3] = { 0 };
		struct wb_job_info info;

		assert_int_equal(known(t, j->id) || wb_job_table_forgotten(t, wb_slice_cstr(j->id)), j->accepted);
		if (!known(t, j->id)) {
			assert_int_equal(j->accepted, j->ended);
			continue;
		}
		info = find(t, j->id);
		for (unsigned k = 0; k < SEQS; k++)
			if (j->outcome[k] != NO_OUTCOME)
				by_outcome[j->outcome[k]]++;
		assert_int_equal(info.accepted, j->count);
		assert_int_equal(info.pending, pending_of(j));
		assert_int_equal(info.written, by_outcome[WB_WRITTEN]);
		assert_int_equal(info.superseded, by_outcome[WB_SUPERSEDED]);
		assert_int_equal(info.dead, by_outcome[WB_DEAD]);
	}
}

static void step(struct wb_prng *r, struct wb_job_table *t, struct model *m, int64_t now_ms)
{
	struct model_job *j = &m->jobs[below(r, JOBS)];
	unsigned count = below(r, SEQS), first = below(r, SEQS), last = first + below(r, SEQS - first);
	int outcome_of_all = (int)below(r, 3);
	char members[200];

	if (below(r, 4) == 0) {
		accept(t, j->id, count, now_ms);
		model_accept(m, j, count);
		return;
	}
	if (j->accepted && j->count && below(r, 3) == 0) {
		first = 0;
		last = j->count - 1; /* all at once */
	}
	(void)snprintf(members, sizeof members,
		"\"%s\":[%u,%u],\"charge\":0.5,\"failures\":[{\"seq\":%u,\"reason\":\"conflict\"}]",
		wb_outcome_text((enum wb_outcome)outcome_of_all), first, last, first);
	outcome(t, j->id, members, now_ms);
	model_outcome(m, j, outcome_of_all, first, last);
}

static void any_order_of_records_gives_what_a_simple_model_says(void **state)
{
	(void)state;
	for (unsigned run = 0; run < RUNS; run++) {
		const struct wb_job_limits few = {
			.retention_ms = 1000 * HOUR, .unaccepted_ms = 1000 * HOUR, .max = run % 3 ? 3 : 100
		};
		struct wb_job_table *t = wb_job_table_new(&few);
		struct wb_prng r = { .state = run };
		struct model m = { .totals = { 0 } };

		for (unsigned i = 0; i < JOBS; i++) {
			name_job(i, m.jobs[i].id);
			for (unsigned k = 0; k < SEQS; k++)
				m.jobs[i].outcome[k] = NO_OUTCOME;
		}
		for (unsigned i = 0; i < ROUNDS / RUNS; i++) {
			/* Awaited jobs are bounded, too: only as many as that are begun before they are accepted. */
			step(&r, t, &m, 1000 + i);
			if (few.max < JOBS && wb_job_table_counts(t).awaited == few.max)
				for (unsigned k = 0; k < JOBS; k++) {
					accept(t, m.jobs[k].id, 5, 1000 + i);
					model_accept(&m, &m.jobs[k], 5);
				}
			compare(t, &m);
		}
		wb_job_table_free(&t);
	}
}

/* A place in the table that a forgotten job left within the same record must not inherit its deaths. */
static void a_jobs_deaths_are_its_own(void **state)
{
	const struct wb_job_limits few = { .retention_ms = HOUR, .unaccepted_ms = HOUR, .max = 1 };
	struct wb_job_table *t = wb_job_table_new(&few);
	char record[600];

	(void)state;
	accept(t, JOB, 1, 1000);
	outcome(t, JOB, "\"written\":[0,0]", 1000);
	accept(t, OTHER, 2, 1000);
	(void)snprintf(record, sizeof record,
		"{\"type\":\"outcomes\",\"at\":1001,\"jobs\":[{\"job\":\"" OTHER "\",\"dead\":[0,1]},"
		"{\"job\":\"%032x\",\"written\":[0,0],\"failures\":[{\"seq\":0,\"reason\":\"conflict\"}]}]}",
		77);
	apply_at(t, 0, 1001, record);
	(void)snprintf(record, sizeof record, "%032x", 77);
	accept(t, record, 2, 1002);
	assert_int_equal(find(t, record).failure_count, 0);
	wb_job_table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_of_records_gives_what_a_simple_model_says),
		cmocka_unit_test(a_jobs_deaths_are_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
