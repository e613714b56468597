#include "consumer/poller_internal.h"

#include "common/base/clock.h"
#include "consumer/ru_budget.h"

/* How often it is asked how many partitions the topics have: seldom, as a topic that grows makes the group rebalance,
 * and then it is asked at once; and how soon again when no answer came. */
#define ASK_EVERY_MS 30000
#define ASK_AGAIN_MS 1000
#define SAY_AGAIN_MS 60000

/* The share of cosmos.ru.budget is that of the partitions that are ours in all partitions of all topics that we read. So the
 * shares of a group's members add up to the budget at most, without a word between them: a partition has one owner.
 * One that is being given back counts until it is given back, since what was read of it is still sent while it drains; then
 * nothing of it is in flight any more, and only then others may get it. */
void wb_poller_update_share(struct wb_poller *p)
{
	int64_t all = 0, ours = 0;

	if (!p->budget)
		return;
	for (size_t i = 0; i < p->topic_count; i++) {
		const struct wb_topic *t = &p->topics[i];

		if (t->partition_count == 0)
			return; /* not known yet, so nothing may be spent */
		all += t->partition_count > t->partitions_max ? t->partition_count : t->partitions_max;
	}
	for (const struct wb_partition *part = p->ours; part; part = part->next)
		ours++;
	wb_ru_budget_share(
		p->budget, (double)p->settings.options->ru_budget * (double)ours / (double)all, wb_clock_mono_ms());
}

/* The group spoke: the topics may have grown. */
void wb_poller_ask_share(struct wb_poller *p)
{
	p->counts_ask_ms = 0;
}

void wb_poller_share_due(struct wb_poller *p, int64_t now_ms)
{
	rd_kafka_topic_partition_list_t *list;

	if (!p->budget || now_ms < p->counts_ask_ms)
		return;
	p->counts_ask_ms = now_ms + ASK_EVERY_MS;
	list = rd_kafka_topic_partition_list_new((int)p->topic_count);
	for (size_t i = 0; i < p->topic_count; i++)
		rd_kafka_topic_partition_list_add(list, p->topics[i].name, RD_KAFKA_PARTITION_UA);
	wb_poller_ask_counts(p, list);
}

static void say_unknown(struct wb_poller *p, const char *topic)
{
	int64_t now_ms = wb_clock_mono_ms();

	if (p->counts_said_ms && now_ms - p->counts_said_ms < SAY_AGAIN_MS)
		return;
	p->counts_said_ms = now_ms;
	wb_log_warn(p->settings.log,
		"Kafka does not say how many partitions a topic has; nothing is sent until it does, as the share of "
		"cosmos.ru.budget depends on it",
		WB_STR("topic", topic));
}

void wb_poller_take_counts(struct wb_poller *p, const rd_kafka_topic_partition_list_t *list)
{
	for (int i = 0; i < list->cnt; i++) {
		if (list->elems[i].offset > 0)
			p->topics[i].partition_count = (int32_t)list->elems[i].offset;
		else
			p->counts_ask_ms = wb_clock_mono_ms() + ASK_AGAIN_MS;
		if (p->topics[i].partition_count == 0)
			say_unknown(p, p->topics[i].name);
	}
	wb_poller_update_share(p);
}
