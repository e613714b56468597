#include "consumer/outage.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SAY_AGAIN_MS 60000
/* Shorter ones are worth a line only when none was said for a minute: one poison write makes a row of them. */
#define BLIP_MS 1000

struct wb_outage {
	struct wb_health *health;
	struct wb_log *log;
	struct wb_counter *seconds;
	_Atomic int64_t answered_ms;

	pthread_mutex_t lock;
	unsigned ranges;
	int64_t since_ms;
	int64_t counted_ms; /* up to here in seconds */
	int64_t said_ms;
	bool said; /* of this outage */
};

struct wb_outage *wb_outage_new(struct wb_health *health, struct wb_metrics *metrics, struct wb_log *log)
{
	struct wb_outage *o = wb_xcalloc(1, sizeof *o);

	o->said_ms = INT64_MIN / 2;
	atomic_init(&o->answered_ms, 0);
	o->health = health;
	o->log = log;
	o->seconds = wb_metrics_counter(metrics, "writebehind_cosmos_outage_seconds_total",
		"Time during which whole requests to at least one range failed, or it refused all that it was sent.",
		"");
	wb_mutex_init(&o->lock);
	wb_health_set(health, "cosmos", true, "");
	return o;
}

void wb_outage_free(struct wb_outage **o)
{
	if (!*o)
		return;
	wb_mutex_release(&(*o)->lock);
	free(*o);
	*o = NULL;
}

/* The lock is held. Workers come with clocks of their own rounds: one may be a little behind another. */
static void count_seconds(struct wb_outage *o, int64_t now_ms)
{
	if (now_ms <= o->counted_ms)
		return;
	wb_counter_add(o->seconds, (double)(now_ms - o->counted_ms) / 1000);
	o->counted_ms = now_ms;
}

void wb_outage_note(struct wb_outage *o, bool *counted, const char *why, int64_t now_ms)
{
	wb_mutex_lock(&o->lock);
	if (!*counted && o->ranges++ == 0) {
		o->since_ms = o->counted_ms = now_ms;
		o->said = false;
	}
	*counted = true;
	wb_health_set(o->health, "cosmos", false, why); /* the latest: what began an outage is soon no help */
	count_seconds(o, now_ms);
	if (now_ms - o->said_ms >= SAY_AGAIN_MS || (!o->said && now_ms - o->since_ms >= BLIP_MS)) {
		o->said = true;
		o->said_ms = now_ms;
		wb_log_warn(o->log, "Cosmos DB does not take requests; writes wait", WB_STR("why", why),
			WB_INT("ranges", o->ranges), WB_INT("seconds", (now_ms - o->since_ms) / 1000));
	}
	wb_mutex_unlock(&o->lock);
}

static void leave(struct wb_outage *o, bool *counted, int64_t now_ms, bool served)
{
	if (!*counted)
		return;
	wb_mutex_lock(&o->lock);
	count_seconds(o, now_ms);
	*counted = false;
	if (--o->ranges == 0) {
		wb_health_set(o->health, "cosmos", true, "");
		if (o->said && served)
			wb_log_info(o->log, "Cosmos DB takes requests again", WB_INT("ms", now_ms - o->since_ms));
	}
	wb_mutex_unlock(&o->lock);
}

void wb_outage_over(struct wb_outage *o, bool *counted, int64_t now_ms)
{
	leave(o, counted, now_ms, true);
}

void wb_outage_forget(struct wb_outage *o, bool *counted, int64_t now_ms)
{
	leave(o, counted, now_ms, false);
}

void wb_outage_answered(struct wb_outage *o, int64_t now_ms)
{
	if (atomic_load_explicit(&o->answered_ms, memory_order_relaxed) < now_ms)
		atomic_store_explicit(&o->answered_ms, now_ms, memory_order_relaxed);
}

int64_t wb_outage_answered_ms(const struct wb_outage *o)
{
	return atomic_load_explicit(&o->answered_ms, memory_order_relaxed);
}
