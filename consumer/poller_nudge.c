#include "consumer/poller_internal.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdlib.h>

/* librdkafka 2.0.2 looks only once a second whether a queue that was full has room again (2.2.0 brought
 * fetch.queue.backoff.ms). Any request to a broker wakes the thread that fetches from it, so a thread of ours asks for
 * the ends of our partitions, which is one small request to each broker, when much was taken from the queue. */
#define ASK_TIMEOUT_MS 500

struct wb_nudge {
	rd_kafka_t *rk;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	rd_kafka_topic_partition_list_t *asked; /* under lock; NULL: nothing to do */
	bool stop;         /* under lock */
};

static void *nudge_loop(void *arg)
{
	struct wb_nudge *n = arg;

	wb_mutex_lock(&n->lock);
	while (!n->stop) {
		rd_kafka_topic_partition_list_t *list = n->asked;

		if (!list) {
			wb_cond_wait(&n->changed, &n->lock);
			continue;
		}
		wb_mutex_unlock(&n->lock);
		/* That it was asked is all that matters. */
		(void)rd_kafka_offsets_for_times(n->rk, list, ASK_TIMEOUT_MS);
		rd_kafka_topic_partition_list_destroy(list);
		wb_mutex_lock(&n->lock);
		n->asked = NULL;
	}
	wb_mutex_unlock(&n->lock);
	return NULL;
}

struct wb_nudge *wb_nudge_new(rd_kafka_t *rk)
{
	struct wb_nudge *n = wb_xcalloc(1, sizeof *n);

	n->rk = rk;
	wb_mutex_init(&n->lock);
	wb_cond_init(&n->changed);
	n->thread = wb_thread_start("kafka-nudge", nudge_loop, n);
	return n;
}

void wb_nudge_free(struct wb_nudge **nudge)
{
	struct wb_nudge *n = *nudge;

	if (!n)
		return;
	wb_mutex_lock(&n->lock);
	n->stop = true;
	wb_cond_signal(&n->changed);
	wb_mutex_unlock(&n->lock);
	wb_thread_join(n->thread);
	if (n->asked)
		rd_kafka_topic_partition_list_destroy(n->asked);
	wb_cond_release(&n->changed);
	wb_mutex_release(&n->lock);
	free(n);
	*nudge = NULL;
}

/* The partitions that are read now. */
static rd_kafka_topic_partition_list_t *being_read(const struct wb_poller *p)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(p->partitions_max);

	for (int32_t i = 0; i < p->partitions_max; i++) {
		const struct wb_partition *part = p->partitions[i];

		if (part && !part->revoked && !part->paused)
			rd_kafka_topic_partition_list_add(list, part->assignment.topic, i)->offset =
				RD_KAFKA_OFFSET_END;
	}
	return list;
}

void wb_poller_nudge(struct wb_poller *p)
{
	struct wb_nudge *n = p->nudge;

	p->unnudged_bytes = 0;
	if (!n)
		return;
	wb_mutex_lock(&n->lock);
	if (!n->asked) {
		n->asked = being_read(p);
		wb_cond_signal(&n->changed);
	}
	wb_mutex_unlock(&n->lock);
}
