#include "consumer/verdict.h"

#include <assert.h>

/* Substatuses of Cosmos DB (Microsoft.Azure.Cosmos, SubStatusCodes). */
enum {
	WRITE_FORBIDDEN = 3,                /* 403: the region takes no writes any more */
	PARTITION_KEY_MISMATCH = 1001,      /* 400: or the container was made anew with another key */
	READ_SESSION_NOT_AVAILABLE = 1002,  /* 404 */
	DATABASE_ACCOUNT_NOT_FOUND = 1008,  /* 403: the region was removed */
	PARTITION_KEY_RANGE_FULL = 1014,    /* 403: the logical partition has its 20 GB */
	SYSTEM_RESOURCE_UNAVAILABLE = 3092, /* 429: the service's shortage, not the container's request units */
	RESPONSE_TOO_LARGE = 3402,          /* 413: the reply, not the document; nothing was applied */
};

static struct wb_verdict again(enum wb_verdict_kind kind, bool counts)
{
	return (struct wb_verdict){ .kind = kind, .reason = WB_REASON_SERVER_ERROR, .counts = counts };
}

static struct wb_verdict dead(enum wb_reason reason)
{
	return (struct wb_verdict){ .kind = WB_VERDICT_DEAD, .reason = reason };
}

/* Unless the stored item shows that an earlier attempt did it. */
static struct wb_verdict compare(enum wb_reason reason)
{
	return (struct wb_verdict){ .kind = WB_VERDICT_COMPARE, .reason = reason };
}

static struct wb_verdict asking(struct wb_verdict v, const struct wb_reply_status *reply)
{
	if (v.kind == WB_VERDICT_DONE || v.kind == WB_VERDICT_DEAD || v.kind == WB_VERDICT_COMPARE ||
		reply->retry_after_ms <= 0)
		return v;
	v.retry_after_ms = reply->retry_after_ms < WB_VERDICT_RETRY_AFTER_MAX_MS ? reply->retry_after_ms
										 : WB_VERDICT_RETRY_AFTER_MAX_MS;
	return v;
}

static bool success(int status)
{
	return status >= 200 && status < 300;
}

static bool moved(const struct wb_reply_status *r)
{
	return r->status == 403 && (r->substatus == WRITE_FORBIDDEN || r->substatus == DATABASE_ACCOUNT_NOT_FOUND);
}

/* The document's key and the container's definition disagree: after a refresh it either succeeds or never will. */
static struct wb_verdict key_mismatch(void)
{
	struct wb_verdict v = again(WB_VERDICT_REFRESH, true);

	v.reason = WB_REASON_PARTITION_KEY_MISMATCH;
	return v;
}

/* Replace and patch need the item; create and upsert never miss one, so it must be the container. */
static struct wb_verdict not_found(const struct wb_verdict_write *w, int substatus)
{
	if (substatus == READ_SESSION_NOT_AVAILABLE)
		return again(WB_VERDICT_RETRY, true);
	if (substatus != 0 || w->op == WB_OP_UPSERT || w->op == WB_OP_CREATE)
		return again(WB_VERDICT_REFRESH, false);
	if (w->op == WB_OP_DELETE)
		return (struct wb_verdict){ .kind = WB_VERDICT_DONE };
	return w->op == WB_OP_REPLACE ? compare(WB_REASON_NOT_FOUND) : dead(WB_REASON_NOT_FOUND);
}

/* An upsert with If-None-Match: * goes out as a create, whose conflict is its condition's failure. What a patch wanted
 * cannot be seen in the item. */
static struct wb_verdict conflict(const struct wb_verdict_write *w, enum wb_reason reason)
{
	if (reason == WB_REASON_CONFLICT && w->is_create && w->op == WB_OP_UPSERT)
		reason = WB_REASON_PRECONDITION_FAILED;
	return w->op == WB_OP_PATCH ? dead(reason) : compare(reason);
}

static struct wb_verdict judge_operation(const struct wb_verdict_write *w, const struct wb_reply_status *r)
{
	struct wb_verdict v;

	if (success(r->status))
		return (struct wb_verdict){ .kind = WB_VERDICT_DONE };
	if (moved(r))
		return again(WB_VERDICT_TOPOLOGY, false);
	switch (r->status) {
	case 400:
		return r->substatus == PARTITION_KEY_MISMATCH ? key_mismatch() : dead(WB_REASON_BAD_REQUEST);
	case 403:
		return r->substatus == PARTITION_KEY_RANGE_FULL ? dead(WB_REASON_PARTITION_FULL)
								: again(WB_VERDICT_RETRY, true);
	case 404:
		return not_found(w, r->substatus);
	case 409:
		return conflict(w, WB_REASON_CONFLICT);
	case 410:
		return again(WB_VERDICT_REFRESH, false);
	case 412:
		return conflict(w, WB_REASON_PRECONDITION_FAILED);
	case 413:
		return r->substatus == RESPONSE_TOO_LARGE ? again(WB_VERDICT_RETRY, true) : dead(WB_REASON_TOO_LARGE);
	case 424:
		/* It failed for a sibling, so only the sibling's patience runs. */
		return again(WB_VERDICT_RETRY, false);
	case 429:
		return again(WB_VERDICT_THROTTLED, false);
	default:
		break;
	}
	v = again(WB_VERDICT_RETRY, true);
	if (r->status > 400 && r->status < 500 && r->status != 401 && r->status != 408 && r->status != 449)
		v.reason = WB_REASON_BAD_REQUEST;
	return v;
}

static struct wb_verdict outage(void)
{
	struct wb_verdict v = again(WB_VERDICT_OUTAGE, false);

	v.outage = true;
	return v;
}

/* The service failed; when it does so again and again with this very request, one operation may be the cause. An
 * operation alone is then retried by itself, so that its range goes on without it. */
static struct wb_verdict failing(unsigned operations, unsigned failures)
{
	struct wb_verdict v = outage();

	if (failures < WB_VERDICT_SPLIT_AFTER)
		return v;
	v.kind = operations > 1 ? WB_VERDICT_SPLIT : WB_VERDICT_RETRY;
	v.counts = operations == 1;
	return v;
}

/* About the connection and the account, and hardly ever about an operation. */
static bool nobodys_fault(int status)
{
	return status == 0 || (status >= 300 && status < 400) || status == 401 || status == 403 || status == 407;
}

/* A whole request of several was refused: one of them may be why. */
static struct wb_verdict judge_refused(
	const struct wb_verdict_write *first, const struct wb_reply_status *r, unsigned operations)
{
	return operations > 1 ? again(WB_VERDICT_SPLIT, false) : judge_operation(first, r);
}

/* The container is missing, or a range of it: it is looked up again, and its range waits as in an outage. */
static struct wb_verdict judge_missing(void)
{
	struct wb_verdict v = again(WB_VERDICT_REFRESH, false);

	v.outage = true;
	return v;
}

/* The container may have been made anew; where reading it again does not help, one of the operations is why. */
static struct wb_verdict judge_mismatch(unsigned operations, unsigned failures)
{
	struct wb_verdict v = key_mismatch();

	if (failures >= WB_VERDICT_SPLIT_AFTER)
		v.kind = operations > 1 ? WB_VERDICT_SPLIT : WB_VERDICT_RETRY;
	v.counts = v.kind == WB_VERDICT_RETRY;
	return v;
}

/* Statuses that may end a write, or split its request, where Cosmos DB says them. What stands between may say them of
 * everything; a wait or stale routing that it speaks of ends nothing. */
static bool needs_own_word(int status)
{
	return status >= 400 && status < 500 && status != 404 && status != 410 && status != 429;
}

static struct wb_verdict judge_request(
	const struct wb_verdict_write *first, const struct wb_reply_status *r, unsigned operations, unsigned failures)
{
	if (moved(r))
		return again(WB_VERDICT_TOPOLOGY, false);
	if (r->foreign && needs_own_word(r->status))
		return failing(operations, failures);
	if (r->status == 403 && r->substatus == PARTITION_KEY_RANGE_FULL)
		return judge_refused(first, r, operations);
	if (nobodys_fault(r->status))
		return failing(operations, failures);
	switch (r->status) {
	case 400:
		return r->substatus == PARTITION_KEY_MISMATCH ? judge_mismatch(operations, failures)
							      : judge_refused(first, r, operations);
	case 404:
		return r->substatus == READ_SESSION_NOT_AVAILABLE ? failing(operations, failures) : judge_missing();
	case 410:
		return again(WB_VERDICT_REFRESH, false);
	case 429:
		return r->substatus == SYSTEM_RESOURCE_UNAVAILABLE ? outage() : again(WB_VERDICT_THROTTLED, false);
	case 409:
	case 412:
	case 413:
	case 424:
		return judge_refused(first, r, operations);
	default:
		break;
	}
	if (r->status > 400 && r->status < 500 && r->status != 408 && r->status != 449 && operations > 1)
		return again(WB_VERDICT_SPLIT, false);
	return failing(operations, failures);
}

struct wb_verdict wb_verdict_operation(const struct wb_verdict_write *write, const struct wb_reply_status *reply)
{
	return asking(judge_operation(write, reply), reply);
}

struct wb_verdict wb_verdict_request(const struct wb_verdict_write *first, const struct wb_reply_status *reply,
	unsigned operations, unsigned failures)
{
	assert(operations > 0);
	return asking(judge_request(first, reply, operations, failures), reply);
}

/* Its reply is the operation's own where the service says something of an item; 449 is a conflict over it. */
static bool speaks_of_the_item(const struct wb_reply_status *reply)
{
	if (success(reply->status))
		return true;
	return !reply->foreign && ((reply->status == 404 && reply->substatus == 0) || reply->status == 449);
}

struct wb_verdict wb_verdict_point(
	const struct wb_verdict_write *write, const struct wb_reply_status *reply, unsigned failures)
{
	struct wb_verdict v = speaks_of_the_item(reply) ? judge_operation(write, reply)
							: judge_request(write, reply, 1, failures);

	/* An upsert or create that is not found has no container. */
	v.outage = v.outage || (reply->status == 404 && v.kind == WB_VERDICT_REFRESH);
	return asking(v, reply);
}

struct wb_verdict wb_verdict_read(const struct wb_reply_status *reply, unsigned failures)
{
	static const struct wb_verdict_write reading = { .op = WB_OP_PATCH };

	return wb_verdict_point(&reading, reply, failures);
}
