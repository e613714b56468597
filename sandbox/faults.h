/* Faults on purpose: rules that say which requests or operations fail, how, and how often.
 *
 * A rule has conditions (all must hold; absent ones hold always), a chance, an optional count, and what happens:
 *
 *   {"match": {"op":"upsert", "bulk":true, "range":"0", "container":"documents", "id":"x", "id_prefix":"x",
 *              "client":"writebehind-consumer"},
 *    "probability": 0.1, "count": 5, "skip": 2,
 *    "scope": "operation" | "request",
 *    "status": 429, "substatus": 3200, "retry_after_ms": 50, "message": "…", "applied": false,
 *    "location": "http://…",
 *    "action": "reset-before" | "reset-after" | "hang" | "truncate" | "garbage" | "short-array" | "long-array",
 *    "latency_ms": 10, "jitter_ms": 5}
 *
 * "client" is the beginning of the request's User-Agent. "applied" lets the write take effect before the fault. A rule with a status fails one operation, or with scope
 * "request" the whole reply; an action concerns the whole reply: reset-before never applies, the others but hang
 * (which does when "applied" is true) always do. truncate cuts the body in its middle, garbage makes it no JSON
 * (its status is 200, or the rule's), short-array takes the last element of a bulk reply away, long-array adds one. A
 * "location" is for statuses from 300 to 399. Latency adds up over all rules; of statuses and actions the first
 * rule that fires wins. A rule for a request looks at the operations in it: one that matches is enough.
 * Rules come as an array, or as one object. Pure but for its own lock and random numbers. Thread-safe.
 */
#ifndef WB_SANDBOX_FAULTS_H
#define WB_SANDBOX_FAULTS_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"
#include "sandbox/operation.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_FAULT_RULES_MAX    256
#define WB_FAULT_MESSAGE_MAX  256
#define WB_FAULT_LOCATION_MAX 256

enum wb_fault_action {
	WB_FAULT_NONE,
	WB_FAULT_STATUS,
	WB_FAULT_RESET_BEFORE,
	WB_FAULT_RESET_AFTER,
	WB_FAULT_HANG,
	WB_FAULT_TRUNCATE,
	WB_FAULT_GARBAGE,
	WB_FAULT_SHORT_ARRAY,
	WB_FAULT_LONG_ARRAY,
};

struct wb_fault {
	enum wb_fault_action action;
	bool applied; /* the write takes effect all the same */
	unsigned status, substatus;
	int64_t retry_after_ms; /* -1: none told */
	int64_t delay_us;       /* of the whole reply; also set when action is NONE */
	char message[WB_FAULT_MESSAGE_MAX];
	char location[WB_FAULT_LOCATION_MAX]; /* "": none */
};

/* What a rule's conditions look at. Absent slices ({NULL, 0}) match only rules that do not ask for them. */
struct wb_fault_target {
	enum wb_operation operation;
	bool bulk;
	struct wb_slice range, container, id, client;
};

struct wb_faults;

/* seed: the same seed and the same calls give the same faults. */
struct wb_faults *wb_faults_new(uint64_t seed);
void wb_faults_free(struct wb_faults **f);

/* Adds the rules of a JSON text behind those that exist: all of them or, with WB_EINVAL and a sentence, none. */
enum wb_err wb_faults_add(struct wb_faults *f, struct wb_slice json, struct wb_error *e) WB_MUST_USE;
/* Adds a rule that delays everything. */
void wb_faults_add_latency(struct wb_faults *f, int64_t latency_ms, int64_t jitter_ms);
void wb_faults_clear(struct wb_faults *f);
/* Appends the rules as JSON, each with how often it has fired. */
void wb_faults_render(struct wb_faults *f, struct wb_buf *ret);

/* Whether there is any rule at all: a cheap look, so that a fast run pays nothing. */
bool wb_faults_any(const struct wb_faults *f);
/* What happens to a request with these operations (at least one). */
struct wb_fault wb_faults_request(struct wb_faults *f, const struct wb_fault_target *targets, size_t count);
/* What happens to one operation: NONE or STATUS. */
struct wb_fault wb_faults_operation(struct wb_faults *f, const struct wb_fault_target *target);

#endif
