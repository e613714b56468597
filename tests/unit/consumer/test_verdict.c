#include "consumer/verdict.h"

#include "common/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define OP_COUNT 5

static const char *const kinds[] = {
	[WB_VERDICT_DONE] = "done",
	[WB_VERDICT_RETRY] = "retry",
	[WB_VERDICT_THROTTLED] = "throttled",
	[WB_VERDICT_REFRESH] = "refresh",
	[WB_VERDICT_TOPOLOGY] = "topology",
	[WB_VERDICT_OUTAGE] = "outage",
	[WB_VERDICT_SPLIT] = "split",
	[WB_VERDICT_DEAD] = "dead",
	[WB_VERDICT_COMPARE] = "compare",
};

/* One row: what a status means. The columns that follow are the tables' own. */
struct want {
	enum wb_verdict_kind kind;
	enum wb_reason reason;
	bool counts, outage;
};

#define DONE          { .kind = WB_VERDICT_DONE }
#define AGAIN(k)      { .kind = WB_VERDICT_##k, .reason = WB_REASON_SERVER_ERROR }
#define COUNTED(k, r) { .kind = WB_VERDICT_##k, .reason = WB_REASON_##r, .counts = true }
#define MISMATCH(k)   { .kind = WB_VERDICT_##k, .reason = WB_REASON_PARTITION_KEY_MISMATCH }
#define DEAD(r)       { .kind = WB_VERDICT_DEAD, .reason = WB_REASON_##r }
#define COMPARE(r)    { .kind = WB_VERDICT_COMPARE, .reason = WB_REASON_##r }
#define MISSING       { .kind = WB_VERDICT_REFRESH, .reason = WB_REASON_SERVER_ERROR, .outage = true }
#define OUTAGE        { .kind = WB_VERDICT_OUTAGE, .reason = WB_REASON_SERVER_ERROR, .outage = true }
#define OUTAGE_SPLIT  { .kind = WB_VERDICT_SPLIT, .reason = WB_REASON_SERVER_ERROR, .outage = true }
#define OUTAGE_RETRY  { .kind = WB_VERDICT_RETRY, .reason = WB_REASON_SERVER_ERROR, .counts = true, .outage = true }

static void expect(const char *where, int status, int substatus, struct wb_verdict got, struct want want)
{
	if (got.kind != want.kind || got.reason != want.reason || got.counts != want.counts ||
		got.outage != want.outage)
		fail_msg("%s %d/%d: got %s '%s'%s%s, want %s '%s'%s%s", where, status, substatus, kinds[got.kind],
			wb_reason_text(got.reason), got.counts ? " counted" : "", got.outage ? " outage" : "",
			kinds[want.kind], wb_reason_text(want.reason), want.counts ? " counted" : "",
			want.outage ? " outage" : "");
}

static struct wb_verdict_write plain(enum wb_op op)
{
	return (struct wb_verdict_write){ .op = op, .is_create = op == WB_OP_CREATE };
}

static struct wb_verdict operation(enum wb_op op, const struct wb_reply_status *r)
{
	struct wb_verdict_write w = plain(op);

	return wb_verdict_operation(&w, r);
}

static struct wb_verdict request(const struct wb_reply_status *r, unsigned operations, unsigned failures)
{
	struct wb_verdict_write w = plain(WB_OP_UPSERT);

	return wb_verdict_request(&w, r, operations, failures);
}

static struct wb_verdict point(enum wb_op op, const struct wb_reply_status *r, unsigned failures)
{
	struct wb_verdict_write w = plain(op);

	return wb_verdict_point(&w, r, failures);
}

static struct wb_reply_status reply(int status, int substatus)
{
	return (struct wb_reply_status){ .status = status, .substatus = substatus, .retry_after_ms = -1 };
}

/* Every row of the operation table in docs/GUARANTEES.md, the same for every operation. */
static const struct {
	int status, substatus;
	struct want want;
} operation_rows[] = {
	{ 200, 0, DONE },
	{ 201, 0, DONE },
	{ 204, 0, DONE },
	{ 400, 0, DEAD(BAD_REQUEST) },
	{ 400, 1001, COUNTED(REFRESH, PARTITION_KEY_MISMATCH) },
	{ 401, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 403, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 403, 3, AGAIN(TOPOLOGY) },
	{ 403, 1008, AGAIN(TOPOLOGY) },
	{ 403, 1014, DEAD(PARTITION_FULL) },
	{ 403, 5300, COUNTED(RETRY, SERVER_ERROR) },
	{ 404, 1002, COUNTED(RETRY, SERVER_ERROR) },
	{ 404, 1003, AGAIN(REFRESH) },
	{ 408, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 410, 0, AGAIN(REFRESH) },
	{ 410, 1000, AGAIN(REFRESH) },
	{ 410, 1002, AGAIN(REFRESH) },
	{ 410, 1007, AGAIN(REFRESH) },
	{ 410, 1008, AGAIN(REFRESH) },
	{ 413, 0, DEAD(TOO_LARGE) },
	{ 413, 3401, DEAD(TOO_LARGE) },
	{ 413, 3402, COUNTED(RETRY, SERVER_ERROR) },
	{ 424, 0, AGAIN(RETRY) },
	{ 429, 0, AGAIN(THROTTLED) },
	{ 429, 3200, AGAIN(THROTTLED) },
	{ 429, 3092, AGAIN(THROTTLED) },
	{ 449, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 500, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 502, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 503, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 504, 0, COUNTED(RETRY, SERVER_ERROR) },
	/* What no row of the service's documentation names. */
	{ 304, 0, COUNTED(RETRY, SERVER_ERROR) },
	{ 405, 0, COUNTED(RETRY, BAD_REQUEST) },
	{ 451, 0, COUNTED(RETRY, BAD_REQUEST) },
	{ 599, 0, COUNTED(RETRY, SERVER_ERROR) },
};

static void every_row_for_an_operation_of_a_reply(void **state)
{
	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(operation_rows); i++) {
		struct wb_reply_status r = reply(operation_rows[i].status, operation_rows[i].substatus);

		for (int op = 0; op < OP_COUNT; op++)
			expect(wb_op_text((enum wb_op)op), r.status, r.substatus, operation((enum wb_op)op, &r),
				operation_rows[i].want);
	}
}

static void not_found_depends_on_the_operation(void **state)
{
	const struct want want[OP_COUNT] = {
		[WB_OP_UPSERT] = AGAIN(REFRESH),
		[WB_OP_CREATE] = AGAIN(REFRESH),
		[WB_OP_REPLACE] = COMPARE(NOT_FOUND),
		[WB_OP_DELETE] = DONE,
		[WB_OP_PATCH] = DEAD(NOT_FOUND),
	};
	struct wb_reply_status r = reply(404, 0), other = reply(404, 1013), gone = reply(404, 1003);

	(void)state;
	for (int op = 0; op < OP_COUNT; op++) {
		expect(wb_op_text((enum wb_op)op), 404, 0, operation((enum wb_op)op, &r), want[op]);
		expect(wb_op_text((enum wb_op)op), 404, 0, point((enum wb_op)op, &r, 0),
			want[op].kind == WB_VERDICT_REFRESH ? (struct want)MISSING : want[op]);
		expect(wb_op_text((enum wb_op)op), 404, 1003, point((enum wb_op)op, &gone, 0), (struct want)MISSING);
		expect(wb_op_text((enum wb_op)op), 404, 1013, operation((enum wb_op)op, &other),
			(struct want)AGAIN(REFRESH));
	}
}

/* What was refused over the item's state may be an earlier attempt's own doing, and is compared; a patch cannot be. */
static void conflicts_and_conditions_are_compared_first(void **state)
{
	struct wb_reply_status conflict = reply(409, 0), failed = reply(412, 0);
	struct wb_verdict_write if_none_match = { .op = WB_OP_UPSERT, .is_create = true };

	(void)state;
	for (int op = 0; op < OP_COUNT; op++) {
		bool patch = op == WB_OP_PATCH;
		struct want on_conflict = COMPARE(CONFLICT), on_failed = COMPARE(PRECONDITION_FAILED);

		if (patch)
			on_conflict.kind = on_failed.kind = WB_VERDICT_DEAD;
		expect(wb_op_text((enum wb_op)op), 409, 0, operation((enum wb_op)op, &conflict), on_conflict);
		expect(wb_op_text((enum wb_op)op), 409, 0, point((enum wb_op)op, &conflict, 9), on_conflict);
		expect(wb_op_text((enum wb_op)op), 412, 0, operation((enum wb_op)op, &failed), on_failed);
		expect(wb_op_text((enum wb_op)op), 412, 0, point((enum wb_op)op, &failed, 9), on_failed);
	}
	expect("if-none-match", 409, 0, wb_verdict_operation(&if_none_match, &conflict),
		(struct want)COMPARE(PRECONDITION_FAILED));
}

/* A condemned write's item is read: there, absent, or it is asked again as for any other request. */
static void a_reading_finds_the_item_or_not(void **state)
{
	static const struct {
		int status, substatus;
		struct want first, again;
	} rows[] = {
		{ 200, 0, DONE, DONE },
		{ 404, 0, DEAD(NOT_FOUND), DEAD(NOT_FOUND) },
		{ 404, 1003, MISSING, MISSING },
		{ 404, 1002, OUTAGE, OUTAGE_RETRY },
		{ 400, 0, DEAD(BAD_REQUEST), DEAD(BAD_REQUEST) },
		{ 410, 1002, AGAIN(REFRESH), AGAIN(REFRESH) },
		{ 429, 3200, AGAIN(THROTTLED), AGAIN(THROTTLED) },
		{ 403, 3, AGAIN(TOPOLOGY), AGAIN(TOPOLOGY) },
		{ 503, 0, OUTAGE, OUTAGE_RETRY },
		{ 0, 0, OUTAGE, OUTAGE_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(rows); i++) {
		struct wb_reply_status r = reply(rows[i].status, rows[i].substatus);

		expect("reading", r.status, r.substatus, wb_verdict_read(&r, 0), rows[i].first);
		expect("reading again", r.status, r.substatus, wb_verdict_read(&r, 9), rows[i].again);
	}
}

/* Every row of the table for whole requests: with several operations at first, with several again and again, with one
 * at first, with one again and again. */
static const struct {
	int status, substatus;
	struct want several, several_again, alone, alone_again;
} request_rows[] = {
	{ 0, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 100, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 200, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY }, /* malformed, or of the wrong length */
	{ 207, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 301, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 302, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 307, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 400, 0, AGAIN(SPLIT), AGAIN(SPLIT), DEAD(BAD_REQUEST), DEAD(BAD_REQUEST) },
	{ 400, 1001, MISMATCH(REFRESH), MISMATCH(SPLIT), MISMATCH(REFRESH), COUNTED(RETRY, PARTITION_KEY_MISMATCH) },
	{ 401, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 403, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 403, 3, AGAIN(TOPOLOGY), AGAIN(TOPOLOGY), AGAIN(TOPOLOGY), AGAIN(TOPOLOGY) },
	{ 403, 1008, AGAIN(TOPOLOGY), AGAIN(TOPOLOGY), AGAIN(TOPOLOGY), AGAIN(TOPOLOGY) },
	{ 403, 1014, AGAIN(SPLIT), AGAIN(SPLIT), DEAD(PARTITION_FULL), DEAD(PARTITION_FULL) },
	{ 404, 0, MISSING, MISSING, MISSING, MISSING },
	{ 404, 1002, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 404, 1003, MISSING, MISSING, MISSING, MISSING },
	{ 407, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 408, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 409, 0, AGAIN(SPLIT), AGAIN(SPLIT), COMPARE(CONFLICT), COMPARE(CONFLICT) },
	{ 410, 0, AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH) },
	{ 410, 1000, AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH) },
	{ 410, 1002, AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH) },
	{ 410, 1007, AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH) },
	{ 410, 1008, AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH), AGAIN(REFRESH) },
	{ 412, 0, AGAIN(SPLIT), AGAIN(SPLIT), COMPARE(PRECONDITION_FAILED), COMPARE(PRECONDITION_FAILED) },
	{ 413, 0, AGAIN(SPLIT), AGAIN(SPLIT), DEAD(TOO_LARGE), DEAD(TOO_LARGE) },
	{ 413, 3401, AGAIN(SPLIT), AGAIN(SPLIT), DEAD(TOO_LARGE), DEAD(TOO_LARGE) },
	{ 413, 3402, AGAIN(SPLIT), AGAIN(SPLIT), COUNTED(RETRY, SERVER_ERROR), COUNTED(RETRY, SERVER_ERROR) },
	{ 424, 0, AGAIN(SPLIT), AGAIN(SPLIT), AGAIN(RETRY), AGAIN(RETRY) },
	{ 429, 0, AGAIN(THROTTLED), AGAIN(THROTTLED), AGAIN(THROTTLED), AGAIN(THROTTLED) },
	{ 429, 3200, AGAIN(THROTTLED), AGAIN(THROTTLED), AGAIN(THROTTLED), AGAIN(THROTTLED) },
	{ 429, 3092, OUTAGE, OUTAGE, OUTAGE, OUTAGE },
	{ 449, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 500, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 502, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 503, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 504, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 599, 0, OUTAGE, OUTAGE_SPLIT, OUTAGE, OUTAGE_RETRY },
	{ 405, 0, AGAIN(SPLIT), AGAIN(SPLIT), OUTAGE, OUTAGE_RETRY },
	{ 415, 0, AGAIN(SPLIT), AGAIN(SPLIT), OUTAGE, OUTAGE_RETRY },
	{ 451, 0, AGAIN(SPLIT), AGAIN(SPLIT), OUTAGE, OUTAGE_RETRY },
};

static void every_row_for_a_whole_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(request_rows); i++) {
		struct wb_reply_status r = reply(request_rows[i].status, request_rows[i].substatus);

		for (unsigned n = 0; n < WB_VERDICT_SPLIT_AFTER; n++) {
			expect("several", r.status, r.substatus, request(&r, 2, n), request_rows[i].several);
			expect("alone", r.status, r.substatus, request(&r, 1, n), request_rows[i].alone);
		}
		for (unsigned n = WB_VERDICT_SPLIT_AFTER; n < 1000000; n = n * 7 + 1) {
			expect("several again", r.status, r.substatus, request(&r, 100, n),
				request_rows[i].several_again);
			expect("alone again", r.status, r.substatus, request(&r, 1, n), request_rows[i].alone_again);
		}
	}
}

/* A point write is its request: 2xx, 404 and 449 speak of the item, all else is a whole request of one operation. */
static void a_point_write_is_judged_as_a_request_of_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < WB_ARRAY_LEN(request_rows); i++) {
		struct wb_reply_status r = reply(request_rows[i].status, request_rows[i].substatus);

		if ((r.status >= 200 && r.status < 300) || r.status == 404 || r.status == 449 || r.status == 409 ||
			r.status == 412) /* by operation, above */
			continue;
		for (int op = 0; op < OP_COUNT; op++) {
			expect("point", r.status, r.substatus, point((enum wb_op)op, &r, 0), request_rows[i].alone);
			expect("point again", r.status, r.substatus, point((enum wb_op)op, &r, 50),
				request_rows[i].alone_again);
		}
	}
}

static void a_point_write_that_was_answered_for_its_item(void **state)
{
	struct wb_reply_status created = reply(201, 0), gone = reply(204, 0), conflict = reply(449, 0);

	(void)state;
	expect("point", 201, 0, point(WB_OP_UPSERT, &created, 0), (struct want)DONE);
	expect("point", 204, 0, point(WB_OP_DELETE, &gone, 7), (struct want)DONE);
	expect("point", 449, 0, point(WB_OP_UPSERT, &conflict, 0), (struct want)COUNTED(RETRY, SERVER_ERROR));
}

/* Promise 5: whatever lasts, no whole request of several operations is ever dead, nor what an outage is made of. */
static void promise_5_an_outage_is_never_a_death(void **state)
{
	const int outages[] = { 0, 301, 401, 403, 408, 410, 429, 449, 500, 502, 503, 504 };

	(void)state;
	for (int status = 0; status < 600; status++) {
		for (int substatus = 0; substatus < 6000; substatus++) {
			struct wb_reply_status r = reply(status, substatus);
			struct wb_verdict v = request(&r, 100, (unsigned)substatus);

			if (v.kind == WB_VERDICT_DEAD || v.kind == WB_VERDICT_DONE || v.counts)
				fail_msg("%d/%d: %s for a hundred operations", status, substatus, kinds[v.kind]);
		}
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(outages); i++) {
		struct wb_reply_status r = reply(outages[i], 0);

		for (unsigned failures = 0; failures < 100000; failures = failures * 3 + 1) {
			assert_int_not_equal(request(&r, 1, failures).kind, WB_VERDICT_DEAD);
			assert_int_not_equal(point(WB_OP_UPSERT, &r, failures).kind, WB_VERDICT_DEAD);
		}
	}
}

/* Without an activity id: whatever it says, nothing ends by it at once, and no request is split by it at once. */
static void what_cosmos_db_did_not_say_ends_nothing(void **state)
{
	static const struct want at_first = OUTAGE, several = OUTAGE_SPLIT, alone = OUTAGE_RETRY;

	(void)state;
	for (int status = 400; status < 600; status++) {
		struct wb_reply_status r = { .status = status, .retry_after_ms = -1, .foreign = true };

		if (status == 404 || status == 410 || status == 429)
			continue; /* these end nothing in any case */
		expect("several", status, 0, request(&r, 9, 0), at_first);
		expect("several again", status, 0, request(&r, 9, 9), several);
		expect("alone", status, 0, request(&r, 1, 0), at_first);
		expect("alone again", status, 0, request(&r, 1, 9), alone);
		expect("reading", status, 0, wb_verdict_read(&r, 0), at_first);
		for (int op = 0; op < OP_COUNT; op++) {
			expect("point", status, 0, point((enum wb_op)op, &r, 0), at_first);
			expect("point again", status, 0, point((enum wb_op)op, &r, 9), alone);
		}
	}
	for (int op = 0; op < OP_COUNT; op++) {
		struct wb_reply_status r = { .status = 404, .retry_after_ms = -1, .foreign = true };

		expect("point", 404, 0, point((enum wb_op)op, &r, 9), (struct want)MISSING);
	}
}

static void the_servers_wait_is_passed_on_and_bounded(void **state)
{
	struct wb_reply_status r = { .status = 429, .substatus = 3200, .retry_after_ms = 1234 };

	(void)state;
	assert_int_equal(operation(WB_OP_UPSERT, &r).retry_after_ms, 1234);
	assert_int_equal(request(&r, 9, 0).retry_after_ms, 1234);
	r.retry_after_ms = -1;
	assert_int_equal(operation(WB_OP_UPSERT, &r).retry_after_ms, 0);
	r.retry_after_ms = INT64_MAX;
	assert_int_equal(operation(WB_OP_UPSERT, &r).retry_after_ms, WB_VERDICT_RETRY_AFTER_MAX_MS);
	r = (struct wb_reply_status){ .status = 503, .retry_after_ms = 77 };
	assert_int_equal(request(&r, 9, 0).retry_after_ms, 77);
	assert_int_equal(point(WB_OP_DELETE, &r, 0).retry_after_ms, 77);
	r = (struct wb_reply_status){ .status = 200, .retry_after_ms = 77 };
	assert_int_equal(operation(WB_OP_UPSERT, &r).retry_after_ms, 0);
	r = (struct wb_reply_status){ .status = 400, .retry_after_ms = 77 };
	assert_int_equal(operation(WB_OP_UPSERT, &r).retry_after_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_for_an_operation_of_a_reply),
		cmocka_unit_test(not_found_depends_on_the_operation),
		cmocka_unit_test(conflicts_and_conditions_are_compared_first),
		cmocka_unit_test(a_reading_finds_the_item_or_not),
		cmocka_unit_test(every_row_for_a_whole_request),
		cmocka_unit_test(a_point_write_is_judged_as_a_request_of_one),
		cmocka_unit_test(a_point_write_that_was_answered_for_its_item),
		cmocka_unit_test(promise_5_an_outage_is_never_a_death),
		cmocka_unit_test(what_cosmos_db_did_not_say_ends_nothing),
		cmocka_unit_test(the_servers_wait_is_passed_on_and_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
