/* Which callback goes out next: what waits for its time, and what is due, host by host.
 *
 * Hosts that do not answer must not hold the others: a host has at most per_host attempts at once, hosts take turns, and
 * those whose last attempt had no prompt answer (suspects) have one each and half of all places together.
 * Bounded: a callback costs some 60 bytes, and there are at most `waiting` of them. When there are more, those with the
 * latest times are left out, or the last ones of the longest line; they come again from the job view, when
 * wb_callback_queue_left_out says so.
 * The life of a callback: add → take_due → (ready → next → answered) → wait again or drop; a handle is good from take_due
 * or next until wait, ready or drop.
 * Pure: time is an argument (monotonic). Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_CALLBACK_QUEUE_H
#define WB_PRODUCER_CALLBACK_QUEUE_H

#include "common/base/compiler.h"
#include "common/contract/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wb_callback_queue; /* opaque */

struct wb_callback_queue_limits {
	size_t waiting;     /* callbacks in all; at least 4 */
	size_t hosts;       /* that have something in line */
	unsigned in_flight; /* taken with next and not yet waiting again or dropped; at least 2 */
	unsigned per_host;  /* requests at once */
};

/* One callback, as it is handed out. */
struct wb_callback_item {
	uint32_t handle;
	char job[WB_JOB_ID_SIZE];
	int32_t partition;
	unsigned attempts; /* so far, as far as the owner knows */
};

struct wb_callback_queue *wb_callback_queue_new(const struct wb_callback_queue_limits *limits);
void wb_callback_queue_free(struct wb_callback_queue **q);

/* Adds a job's callback, unless it is there already. job: WB_JOB_ID_LEN hexadecimal digits; anything else is left out. */
void wb_callback_queue_add(
	struct wb_callback_queue *q, const char *job, int32_t partition, unsigned attempts, int64_t due_ms);
/* Takes the next one that has come to its time; false when there is none. */
bool wb_callback_queue_take_due(struct wb_callback_queue *q, int64_t now_ms, struct wb_callback_item *ret) WB_MUST_USE;
/* Puts it in line for its host; false when the table of hosts is full: then it must wait. */
bool wb_callback_queue_ready(struct wb_callback_queue *q, uint32_t handle, const char *host) WB_MUST_USE;
/* Takes the next one that may be sent now, which then is in flight. */
bool wb_callback_queue_next(struct wb_callback_queue *q, struct wb_callback_item *ret) WB_MUST_USE;
/* Its request has ended, and its host may have the next. prompt: the host answered, whatever it said, and soon. It stays
 * in flight until it waits or is dropped, since its outcome is not recorded yet. */
void wb_callback_queue_answered(struct wb_callback_queue *q, uint32_t handle, bool prompt);
/* It waits for its next time. */
void wb_callback_queue_wait(struct wb_callback_queue *q, uint32_t handle, unsigned attempts, int64_t due_ms);
/* It is done with. One whose request did not end needs wb_callback_queue_answered first. */
void wb_callback_queue_drop(struct wb_callback_queue *q, uint32_t handle);

/* Forgets all of a partition that are not in flight. */
void wb_callback_queue_forget(struct wb_callback_queue *q, int32_t partition);
/* How many of a partition are in flight; -1: of all. */
size_t wb_callback_queue_in_flight(const struct wb_callback_queue *q, int32_t partition);
/* All that are there. */
size_t wb_callback_queue_count(const struct wb_callback_queue *q);
/* When the next one comes to its time; INT64_MAX when none waits. */
int64_t wb_callback_queue_next_ms(const struct wb_callback_queue *q);
/* Whether some were left out that there is room or time for now. They have to be added again by then: it says so once. */
bool wb_callback_queue_left_out(struct wb_callback_queue *q, int64_t now_ms) WB_MUST_USE;

#endif
