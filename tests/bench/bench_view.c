/* How fast the job view catches up, and what a job costs it: results records from memory into a job table, as the reader's
 * thread applies them (the accepted record of each job and, 100 jobs behind, its outcome: jobs of one write).
 *
 * usage: bench_view [JOBS]           one JSON object a line
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "producer/job_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { JOBS = 1000000, PART = 20000, BEHIND = 100, PARTITIONS = 8 };

struct records {
	struct wb_buf bytes;
	size_t *ends; /* of each record, in bytes */
	size_t count;
};

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_view: %s\n", what);
	exit(1);
}

static void add_record(struct records *r)
{
	r->ends[r->count++] = r->bytes.len;
}

static void job_id(uint64_t i, char ret[WB_JOB_ID_SIZE])
{
	(void)snprintf(ret, WB_JOB_ID_SIZE, "%016llx%016llx", (unsigned long long)(i * UINT64_C(0x9e3779b97f4a7c15)),
		(unsigned long long)i);
}

static void add_accepted(struct records *r, uint64_t i, bool keyed)
{
	char id[WB_JOB_ID_SIZE];
	struct wb_result_accepted a = { .count = 1,
		.at_ms = 1760000000000 + (int64_t)(i / 20),
		.container = WB_SLICE_LIT("orders"),
		.has_key = keyed };

	job_id(i, id);
	a.job = wb_slice_cstr(id);
	memcpy(a.key, &i, sizeof i);
	if (keyed)
		a.callback = wb_slice_cstr("https://reports.example/done");
	wb_result_accepted_encode(&a, &r->bytes);
	add_record(r);
}

static void add_outcome(struct records *r, struct wb_result_batch *batch, uint64_t i)
{
	char id[WB_JOB_ID_SIZE];

	job_id(i, id);
	wb_result_batch_add_job(batch, wb_slice_cstr(id), 0, WB_WRITTEN, 7.43);
	wb_result_batch_encode(batch, (struct wb_slice)WB_SLICE_LIT("writebehind-consumer-7"),
		1760000000100 + (int64_t)(i / 20), &r->bytes);
	add_record(r);
}

static void add_callback(struct records *r, uint64_t i)
{
	char id[WB_JOB_ID_SIZE];
	struct wb_result_callback c = {
		.at_ms = 1760000000200 + (int64_t)(i / 20), .attempt = 1, .status = 200, .state = WB_CALLBACK_DELIVERED
	};

	job_id(i, id);
	c.job = wb_slice_cstr(id);
	wb_result_callback_encode(&c, &r->bytes);
	add_record(r);
}

static double cpu_s(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0, "no clock");
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void apply_all(struct wb_job_table *t, const struct records *r)
{
	struct wb_error e = { "" };
	size_t begin = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct wb_slice record = wb_slice(r->bytes.data + begin, r->ends[i] - begin);

		must(wb_job_table_apply(t, (int32_t)(i % PARTITIONS), 1760000000000, record, &e) == WB_OK, e.text);
		begin = r->ends[i];
	}
}

static void decode_all(const struct records *r)
{
	const struct wb_result_visitor none = { 0 };
	size_t begin = 0;

	for (size_t i = 0; i < r->count; i++) {
		must(wb_result_decode(wb_slice(r->bytes.data + begin, r->ends[i] - begin), &none, NULL, NULL) == WB_OK,
			"a record is none");
		begin = r->ends[i];
	}
}

static void measure(const char *name, uint64_t jobs, bool keyed, size_t max)
{
	const struct wb_job_limits limits = {
		.retention_ms = INT64_MAX / 2, .unaccepted_ms = INT64_MAX / 2, .max = max
	};
	struct wb_job_table *t = wb_job_table_new(&limits);
	struct wb_result_batch *batch = wb_result_batch_new();
	struct records r = { .ends = calloc(3 * (PART + 1), sizeof *r.ends) };
	double seconds = 0, decoding = 0, begin;
	size_t records = 0, bytes = 0;

	must(r.ends != NULL, "out of memory");
	wb_buf_init(&r.bytes, (size_t)64 << 20);
	for (uint64_t first = 0; first < jobs + BEHIND; first += PART) {
		uint64_t last = first + PART < jobs + BEHIND ? first + PART : jobs + BEHIND;

		wb_buf_clear(&r.bytes);
		r.count = 0;
		for (uint64_t i = first; i < last; i++) {
			if (i < jobs)
				add_accepted(&r, i, keyed);
			if (i >= BEHIND)
				add_outcome(&r, batch, i - BEHIND);
			if (i >= BEHIND && keyed)
				add_callback(&r, i - BEHIND);
		}
		must(wb_buf_status(&r.bytes) == WB_OK, "out of memory");
		begin = cpu_s();
		decode_all(&r);
		decoding += cpu_s() - begin;
		begin = cpu_s();
		apply_all(t, &r);
		seconds += cpu_s() - begin;
		records += r.count;
		bytes += r.bytes.len;
	}
	must(wb_job_table_totals(t).written == jobs, "the ledger is wrong");
	printf("{\"figure\":\"view-%s\",\"jobs\":%llu,\"records\":%zu,\"bytes_a_record\":%.0f,\"records_per_cpu_s\":%."
	       "0f,"
	       "\"decoded_per_cpu_s\":%.0f,\"bytes_a_job\":%.1f,\"target_records_per_s\":200000,"
	       "\"target_bytes_a_job\":%d}\n",
		name, (unsigned long long)jobs, records, (double)bytes / (double)records, (double)records / seconds,
		(double)records / decoding, (double)wb_job_table_memory_bytes(t) / (double)jobs, max < jobs ? 48 : 128);
	wb_result_batch_free(&batch);
	wb_buf_release(&r.bytes);
	free(r.ends);
	wb_job_table_free(&t);
}

int main(int argc, char **argv)
{
	uint64_t jobs = argc > 1 ? strtoull(argv[1], NULL, 10) : JOBS;

	must(jobs > 1000, "usage: bench_view [JOBS], of more than 1000");
	measure("finished", jobs, false, jobs);
	measure("finished-with-key-and-callback", jobs, true, jobs);
	measure("forgotten", jobs, true, 1000);
	return 0;
}
