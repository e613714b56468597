/* The only way objects pass from one thread to another: a locked list that hands ownership over, a batch at a time.
 *
 * The sender must not touch an object after put; the receiver owns what take returns. Order is kept per sender.
 * Unbounded by itself: what it carries is already charged to the memory budget by its sender.
 * Thread-safe: any number of senders, any number of receivers. The wake callback runs on the sender's thread, after
 * the lock is released, only when the list was empty before.
 */
#ifndef WB_COMMON_BASE_HANDOVER_H
#define WB_COMMON_BASE_HANDOVER_H

#include "common/base/compiler.h"
#include "common/base/list.h"

#include <pthread.h>
#include <stdint.h>

struct wb_handover {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct wb_list list;         /* under lock */
	void (*wake)(void *arg);     /* may be NULL; set once at init */
	void *wake_arg;
};

void wb_handover_init(struct wb_handover *h, void (*wake)(void *arg), void *wake_arg);
/* The list must be empty. */
void wb_handover_release(struct wb_handover *h);
/* Moves all of batch in; batch is empty after. */
void wb_handover_put(struct wb_handover *h, struct wb_list *batch);
void wb_handover_put_one(struct wb_handover *h, struct wb_link *link);
/* Moves everything out, to the end of ret, without waiting. */
void wb_handover_take(struct wb_handover *h, struct wb_list *ret);
/* As take, but waits up to timeout_ms for something to come. */
void wb_handover_wait(struct wb_handover *h, struct wb_list *ret, int64_t timeout_ms);

#endif
