#include "consumer/poller_internal.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdlib.h>

/* Some questions to brokers block in librdkafka until they are answered, and the poller must not: a thread of ours asks
 * them. One of them is not asked for its answer: librdkafka 2.0.2 looks only once a second whether a queue that was full
 * has room again (2.2.0 brought fetch.queue.backoff.ms), but any request to a broker wakes the thread that fetches
 * from it, so we ask for the ends of our partitions, which is one small request to each broker, when much was taken from
 * the queue. The lag has a use for the answer, too. */
#define ENDS_WAIT_MS      500
#define COMMITTED_WAIT_MS 1000
#define LOW_WAIT_MS       1000
#define COUNT_WAIT_MS     1000
#define IDLE_MS           60000

enum question { ASK_ENDS, ASK_COMMITTED, ASK_LOW, ASK_COUNTS, ASK_STOP };

struct question_asked {
	struct wb_link link;
	enum question what;
	uint64_t ticket; /* of what asked it: an assignment, or a partition's epoch */
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t err;
};

struct wb_asker {
	rd_kafka_t *rk;
	pthread_t thread;
	_Atomic bool stop;
	struct wb_handover questions, answers;
	bool ends_asked; /* the poller's own: not answered yet */
};

static struct question_asked *of(struct wb_link *link)
{
	return link ? WB_CONTAINER_OF(link, struct question_asked, link) : NULL;
}

static void question_free(struct question_asked *q)
{
	if (q->list)
		rd_kafka_topic_partition_list_destroy(q->list);
	free(q);
}

/* How many partitions the topic has; -1: no answer. */
static int64_t ask_count(rd_kafka_t *rk, const char *topic)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	int64_t count = -1;

	if (!rkt)
		return -1;
	if (!rd_kafka_metadata(rk, 0, rkt, &metadata, COUNT_WAIT_MS)) {
		if (metadata->topic_cnt == 1 && !metadata->topics[0].err)
			count = metadata->topics[0].partition_cnt;
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_topic_destroy(rkt);
	return count;
}

static void ask(struct wb_asker *a, struct question_asked *q)
{
	rd_kafka_topic_partition_t *first = q->list && q->list->cnt > 0 ? &q->list->elems[0] : NULL;
	int64_t high;

	if (!first || atomic_load(&a->stop))
		return;
	if (q->what == ASK_ENDS)
		q->err = rd_kafka_offsets_for_times(a->rk, q->list, ENDS_WAIT_MS);
	else if (q->what == ASK_COMMITTED)
		q->err = rd_kafka_committed(a->rk, q->list, COMMITTED_WAIT_MS);
	else if (q->what == ASK_COUNTS)
		for (int i = 0; i < q->list->cnt; i++)
			q->list->elems[i].offset = ask_count(a->rk, q->list->elems[i].topic);
	else
		q->err = rd_kafka_query_watermark_offsets(
			a->rk, first->topic, first->partition, &first->offset, &high, LOW_WAIT_MS);
}

static void *asker_loop(void *arg)
{
	struct wb_asker *a = arg;
	bool stop = false;

	while (!stop) {
		struct wb_list questions = { 0 };
		struct question_asked *q;

		wb_handover_wait(&a->questions, &questions, IDLE_MS);
		while ((q = of(wb_list_pop(&questions)))) {
			stop = stop || q->what == ASK_STOP;
			ask(a, q);
			wb_handover_put_one(&a->answers, &q->link);
		}
	}
	return NULL;
}

struct wb_asker *wb_asker_new(rd_kafka_t *rk, void (*wake)(void *arg), void *arg)
{
	struct wb_asker *a = wb_xcalloc(1, sizeof *a);

	a->rk = rk;
	atomic_init(&a->stop, false);
	wb_handover_init(&a->questions, NULL, NULL);
	wb_handover_init(&a->answers, wake, arg);
	a->thread = wb_thread_start("kafka-asker", asker_loop, a);
	return a;
}

/* Takes the list over. */
static void put(struct wb_asker *a, enum question what, uint64_t ticket, rd_kafka_topic_partition_list_t *list)
{
	struct question_asked *q = wb_xcalloc(1, sizeof *q);

	q->what = what;
	q->ticket = ticket;
	q->list = list;
	wb_handover_put_one(&a->questions, &q->link);
}

void wb_asker_free(struct wb_asker **asker)
{
	struct wb_asker *a = *asker;
	struct wb_list left = { 0 };
	struct question_asked *q;

	if (!a)
		return;
	atomic_store(&a->stop, true);
	put(a, ASK_STOP, 0, NULL);
	wb_thread_join(a->thread);
	wb_handover_take(&a->questions, &left);
	wb_handover_take(&a->answers, &left);
	while ((q = of(wb_list_pop(&left))))
		question_free(q);
	wb_handover_release(&a->questions);
	wb_handover_release(&a->answers);
	free(a);
	*asker = NULL;
}

/* all: of those, too, that are not read at present. */
static void ask_ends(struct wb_poller *p, bool all)
{
	rd_kafka_topic_partition_list_t *list;

	if (p->asker->ends_asked)
		return;
	list = rd_kafka_topic_partition_list_new(16);
	for (const struct wb_partition *part = p->ours; part; part = part->next) {
		if (all || (!part->revoked && !part->paused && !part->lost))
			rd_kafka_topic_partition_list_add(list, part->assignment.topic, part->assignment.partition)
				->offset = RD_KAFKA_OFFSET_END;
	}
	p->asker->ends_asked = true;
	put(p->asker, ASK_ENDS, 0, list);
}

void wb_poller_nudge(struct wb_poller *p)
{
	p->unnudged_bytes = 0;
	if (!p->looks_by_itself)
		ask_ends(p, false);
}

void wb_poller_ask_ends(struct wb_poller *p)
{
	ask_ends(p, true);
}

static void take_ends(struct wb_poller *p, const struct question_asked *q)
{
	p->asker->ends_asked = false;
	for (int i = 0; i < q->list->cnt && !q->err; i++) {
		struct wb_partition *part = wb_poller_ours_at(p, &q->list->elems[i]);

		if (!part || q->list->elems[i].err || q->list->elems[i].offset < 0)
			continue;
		part->asked_end = q->list->elems[i].offset;
		part->end_asked_ms = p->turn_ms;
	}
}

void wb_poller_ask_committed(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list, uint64_t ticket)
{
	put(p->asker, ASK_COMMITTED, ticket, rd_kafka_topic_partition_list_copy(list));
}

void wb_poller_ask_low(struct wb_poller *p, const struct wb_partition *part)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, part->assignment.topic, part->assignment.partition)->offset = -1;
	put(p->asker, ASK_LOW, part->assignment.epoch, list);
}

void wb_poller_ask_counts(struct wb_poller *p, rd_kafka_topic_partition_list_t *list)
{
	put(p->asker, ASK_COUNTS, 0, list);
}

void wb_poller_take_answers(struct wb_poller *p)
{
	struct wb_list answers = { 0 };
	struct question_asked *q;

	if (!p->asker)
		return;
	wb_handover_take(&p->asker->answers, &answers);
	while ((q = of(wb_list_pop(&answers)))) {
		if (q->what == ASK_ENDS) {
			take_ends(p, q);
		} else if (q->what == ASK_COMMITTED) {
			wb_poller_take_committed(p, q->list, q->err, q->ticket);
		} else if (q->what == ASK_COUNTS) {
			wb_poller_take_counts(p, q->list);
		} else if (q->what == ASK_LOW) {
			struct wb_partition *part = wb_poller_ours_at(p, &q->list->elems[0]);

			if (part && part->assignment.epoch == q->ticket)
				wb_poller_take_low(p, part, q->err ? -1 : q->list->elems[0].offset);
		}
		question_free(q);
	}
}
