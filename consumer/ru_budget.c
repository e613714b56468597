#include "consumer/ru_budget.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* The window, in slots. Charges count for two slots longer and the share for one less than 10 s, so that neither where a slot
 * begins nor a thread whose clock is a slot behind makes the window shorter than 10 s. */
#define SLOT_MS       50
#define SHARE_SLOTS   199
#define CHARGE_SLOTS  202
#define SLOTS         256
#define WINDOW_FACTOR 1.045
/* How much more than expected a request in flight may cost without breaking the window. */
#define RISE 10.0
/* So many seconds of the share are kept free for it at most, and in any case so much. */
#define RISE_MAX_S 2.0
#define RISE_MIN   1.5
/* Seconds of the share: what the bucket holds, and what a request waits for that could also go in parts. */
#define BUCKET_S  0.15
#define QUANTUM_S 0.02
/* Waits between two looks, and how much later than told an asker may come and still has its place in line. */
#define AGAIN_MIN_MS  1
#define AGAIN_MAX_MS  100
#define AGAIN_SOON_MS 5
#define GRACE_MS      50
/* How long a turn lasts. */
#define TURN_MS 20
/* What an operation may cost before anything is known: twice what Cosmos DB charges for a write with the default index. */
#define PRIOR_UNITS        10.0
#define PRIOR_UNITS_PER_KB 10.0
/* Of a new mean: costs that rise are believed soon, those that fall slowly. */
#define LEARN_RISE 0.5
#define LEARN_FALL 0.1

struct price {
	bool known;
	bool asked; /* the first of its kind is in flight */
	double units, bytes; /* means of an operation */
};

struct flow {
	const void *container;
	double got; /* the fair queue's tag: units spent, moved up when it begins to wait */
	struct price prices[WB_RU_KINDS];
};

/* An asker that was refused. */
struct waiter {
	size_t flow;
	unsigned asker;
	uint64_t number; /* in order of coming */
	double units; /* what it waits for */
	int64_t since_ms, until_ms;
};

/* Who is being served: small requests go in a row, as a place in line for each would take too long. */
struct turn {
	size_t flow;
	unsigned asker;
	double units; /* that are left of it */
	int64_t until_ms;
};

struct slot {
	int64_t number; /* which one it is, as the slots are used in a ring */
	double given, charged;
};

struct wb_ru_budget {
	struct wb_counter *spent, *wait_seconds;
	struct wb_gauge *share, *reserved;

	pthread_mutex_t lock;
	int64_t now_ms; /* the latest that was told; INT64_MIN: none yet */
	double per_ms;
	double level; /* of the bucket; negative: a debt */
	double in_flight;
	struct slot slots[SLOTS];
	double given, charged; /* sums of the window */
	int64_t newest; /* the last slot in them */
	double served; /* the fair queue's virtual time */
	struct turn turn;
	struct flow *flows;
	size_t flow_count;
	struct waiter *waiters;
	size_t waiter_count, waiter_max;
	uint64_t next_number;
};

struct wb_ru_budget *wb_ru_budget_new(struct wb_metrics *m)
{
	struct wb_ru_budget *b = wb_xcalloc(1, sizeof *b);

	b->now_ms = INT64_MIN;
	b->share = wb_metrics_gauge(m, "writebehind_ru_budget_share",
		"Request units a second that this process may spend now: its part of cosmos.ru.budget.", "");
	b->reserved = wb_metrics_gauge(m, "writebehind_ru_budget_reserved_units",
		"Request units reserved for requests without a reply yet.", "");
	b->spent = wb_metrics_counter(m, "writebehind_ru_budget_spent_units_total",
		"Request units counted against cosmos.ru.budget; of requests without a reply as they were expected.",
		"");
	b->wait_seconds = wb_metrics_counter(m, "writebehind_ru_budget_wait_seconds_total",
		"Time that requests, ready to go, waited for cosmos.ru.budget; each container and worker counts.", "");
	wb_mutex_init(&b->lock);
	return b;
}

void wb_ru_budget_free(struct wb_ru_budget **budget)
{
	struct wb_ru_budget *b = *budget;

	if (!b)
		return;
	wb_mutex_release(&b->lock);
	free(b->flows);
	free(b->waiters);
	free(b);
	*budget = NULL;
}

static struct slot *slot_at(struct wb_ru_budget *b, int64_t number)
{
	struct slot *s = &b->slots[(uint64_t)number % SLOTS];

	if (s->number != number)
		*s = (struct slot){ .number = number };
	return s;
}

/* Sums are made anew with each slot, as adding and taking away lets errors grow. */
static double sum(struct wb_ru_budget *b, int64_t from, int64_t to, bool charged)
{
	double units = 0;

	for (int64_t n = from; n <= to; n++) {
		const struct slot *s = slot_at(b, n);

		units += charged ? s->charged : s->given;
	}
	return units;
}

static void slide(struct wb_ru_budget *b, int64_t number)
{
	if (b->newest == number)
		return;
	b->newest = number;
	b->charged = sum(b, number - CHARGE_SLOTS + 1, number, true);
	b->given = sum(b, number - SHARE_SLOTS + 1, number, false);
}

static void give(struct wb_ru_budget *b, int64_t number, int64_t ms)
{
	double units = b->per_ms * (double)ms;

	slot_at(b, number)->given += units;
	b->given += units;
}

static double bucket_max(const struct wb_ru_budget *b)
{
	return b->per_ms * 1000 * BUCKET_S;
}

/* The lock is held, as in all that follows. What the share gave since the last look is put where it belongs. */
static void advance(struct wb_ru_budget *b, int64_t now_ms)
{
	int64_t at_ms = b->now_ms;

	if (at_ms == INT64_MIN) {
		b->now_ms = now_ms;
		slide(b, now_ms / SLOT_MS);
		return;
	}
	if (now_ms <= at_ms)
		return;
	b->level = fmin(b->level + b->per_ms * (double)(now_ms - at_ms), fmax(b->level, bucket_max(b)));
	if (now_ms - at_ms > (int64_t)SLOTS * SLOT_MS)
		at_ms = now_ms - (int64_t)SLOTS * SLOT_MS + SLOT_MS; /* what is before is out of the window */
	while (at_ms < now_ms) {
		int64_t end_ms = (at_ms / SLOT_MS + 1) * SLOT_MS;

		end_ms = end_ms < now_ms ? end_ms : now_ms;
		give(b, at_ms / SLOT_MS, end_ms - at_ms);
		at_ms = end_ms;
	}
	b->now_ms = now_ms;
	slide(b, now_ms / SLOT_MS);
}

void wb_ru_budget_share(struct wb_ru_budget *b, double units_per_s, int64_t now_ms)
{
	wb_mutex_lock(&b->lock);
	advance(b, now_ms);
	b->per_ms = units_per_s / 1000;
	b->level = fmin(b->level, bucket_max(b));
	wb_mutex_unlock(&b->lock);
	wb_gauge_set(b->share, units_per_s);
}

static size_t flow_of(struct wb_ru_budget *b, const void *container)
{
	size_t i = 0;

	while (i < b->flow_count && b->flows[i].container != container)
		i++;
	if (i < b->flow_count)
		return i;
	b->flows = wb_xrealloc(b->flows, (i + 1) * sizeof *b->flows);
	b->flows[i] = (struct flow){ .container = container, .got = b->served };
	b->flow_count++;
	return i;
}

static double expected(const struct flow *f, const struct wb_ru_operation *o)
{
	const struct price *p = &f->prices[o->kind];

	if (!p->known)
		return PRIOR_UNITS + PRIOR_UNITS_PER_KB * (double)o->bytes / 1024;
	/* By bytes only what is larger than usual: what is smaller may cost as much. */
	return p->bytes > 0 && (double)o->bytes > p->bytes ? p->units * (double)o->bytes / p->bytes : p->units;
}

static void forget_waiter(struct wb_ru_budget *b, size_t i, int64_t waited_ms)
{
	wb_counter_add(b->wait_seconds, waited_ms > 0 ? (double)waited_ms / 1000 : 0);
	b->waiters[i] = b->waiters[--b->waiter_count];
}

/* Those who did not come again need nothing any more, or something else. */
static void forget_late(struct wb_ru_budget *b)
{
	for (size_t i = b->waiter_count; i-- > 0;) {
		const struct waiter *w = &b->waiters[i];

		if (b->now_ms > w->until_ms + GRACE_MS)
			forget_waiter(b, i, w->until_ms - w->since_ms);
	}
}

static bool waits(const struct wb_ru_budget *b, size_t flow)
{
	for (size_t i = 0; i < b->waiter_count; i++) {
		if (b->waiters[i].flow == flow)
			return true;
	}
	return false;
}

/* Its place in line, made when it has none. */
static struct waiter *waiter_of(struct wb_ru_budget *b, size_t flow, unsigned asker)
{
	for (size_t i = 0; i < b->waiter_count; i++) {
		if (b->waiters[i].flow == flow && b->waiters[i].asker == asker)
			return &b->waiters[i];
	}
	/* What a container did not ask for while it had nothing to send is no credit. */
	if (!waits(b, flow))
		b->flows[flow].got = fmax(b->flows[flow].got, b->served);
	if (b->waiter_count == b->waiter_max) {
		b->waiter_max = b->waiter_max ? 2 * b->waiter_max : 8;
		b->waiters = wb_xrealloc(b->waiters, b->waiter_max * sizeof *b->waiters);
	}
	b->waiters[b->waiter_count] = (struct waiter){
		.flow = flow, .asker = asker, .number = b->next_number++, .since_ms = b->now_ms
	};
	return &b->waiters[b->waiter_count++];
}

static bool is_before(const struct wb_ru_budget *b, const struct waiter *one, const struct waiter *other)
{
	double got = b->flows[one->flow].got, other_got = b->flows[other->flow].got;

	return one->flow != other->flow && got != other_got ? got < other_got : one->number < other->number;
}

/* What those before it in line wait for. */
static double ahead_of(const struct wb_ru_budget *b, const struct waiter *w, bool *ret_first)
{
	double units = 0;

	*ret_first = true;
	for (size_t i = 0; i < b->waiter_count; i++) {
		const struct waiter *other = &b->waiters[i];

		if (other == w || !is_before(b, other, w))
			continue;
		*ret_first = false;
		units += other->units;
	}
	return units;
}

/* What the window leaves, should all that is in flight cost as much as it may. */
static double left(const struct wb_ru_budget *b)
{
	return WINDOW_FACTOR * b->given - b->charged - RISE * b->in_flight;
}

/* What is large for the share gets less of a margin for a rise; what is larger than all that the window gives, goes when
 * there is nothing else in it. */
static bool fits(const struct wb_ru_budget *b, double units)
{
	double at_worst = fmax(RISE_MIN * units, fmin(RISE * units, RISE_MAX_S * 1000 * b->per_ms));
	bool is_empty = b->charged + b->in_flight < 0.01;

	return at_worst <= left(b) || (is_empty && b->given >= b->per_ms * (SHARE_SLOTS - 1) * SLOT_MS);
}

/* How many of its first operations cost no more than that; at least the first, or all of a whole. */
static size_t fitting(const struct flow *f, const struct wb_ru_request *r, double max_units, double *ret_units)
{
	double units = 0;
	size_t n = 0;

	for (; n < r->count; n++) {
		double more = expected(f, &r->operations[n]);

		if (!r->whole && n > 0 && (units + more > max_units || !f->prices[r->operations[n].kind].known))
			break;
		units += more;
		if (!r->whole && !f->prices[r->operations[n].kind].known) {
			n++;
			break;
		}
	}
	*ret_units = units;
	return n;
}

/* The first of a kind goes alone, and its reply tells what the others cost. */
static bool waits_for_price(const struct flow *f, const struct wb_ru_request *r)
{
	const struct price *p = &f->prices[r->operations[0].kind];

	return !p->known && p->asked;
}

/* It waits for so many units in the bucket; or where they are there, for those before it in line or for replies, or where
 * there is nothing of that for the window to move on. */
static size_t refuse(struct wb_ru_budget *b, struct waiter *w, double units, bool first, int64_t *ret_again_ms)
{
	double ms = b->per_ms > 0 ? (units - b->level) / b->per_ms : AGAIN_MAX_MS;

	if (ms <= 0)
		ms = !first || b->in_flight > 0 ? AGAIN_SOON_MS : SLOT_MS;
	w->until_ms = b->now_ms + (int64_t)ceil(fmin(fmax(ms, AGAIN_MIN_MS), AGAIN_MAX_MS));
	*ret_again_ms = w->until_ms;
	return 0;
}

/* What has its turn now sends its first operations. */
static size_t admit(struct wb_ru_budget *b, const struct wb_ru_request *r, double needed, double *ret_units)
{
	struct flow *f = &b->flows[b->turn.flow];
	size_t n = fitting(f, r, fmax(needed, fmin(b->level, left(b) / RISE)), ret_units);

	f->prices[r->operations[0].kind].asked = true;
	b->served = fmax(b->served, f->got);
	f->got += *ret_units;
	b->level -= *ret_units;
	b->in_flight += *ret_units;
	b->turn.units -= *ret_units;
	return n;
}

static bool has_turn(const struct wb_ru_budget *b, size_t flow, const struct wb_ru_request *r, double needed)
{
	const struct turn *t = &b->turn;

	return t->flow == flow && t->asker == r->asker && t->units > 0 && b->now_ms <= t->until_ms &&
		b->level >= needed && fits(b, needed);
}

static size_t reserve(struct wb_ru_budget *b, const struct wb_ru_request *r, double *ret_units, int64_t *ret_again_ms)
{
	double quantum = QUANTUM_S * 1000 * b->per_ms, needed, wanted, bucket, ahead;
	size_t flow = flow_of(b, r->container);
	const struct flow *f = &b->flows[flow];
	struct waiter *w;
	bool first;

	if (waits_for_price(f, r)) {
		*ret_again_ms = b->now_ms + AGAIN_SOON_MS; /* not in line: nobody is to wait for that reply with it */
		return 0;
	}
	(void)fitting(f, r, quantum, &needed);
	if (has_turn(b, flow, r, needed))
		return admit(b, r, needed, ret_units);
	if (b->turn.flow == flow && b->turn.asker == r->asker)
		b->turn.units = 0; /* it is over: from now on it stands in line */
	/* It waits for a small part of the share, or the first operation where that is more. */
	wanted = fmax(needed, fmin(quantum, needed + (double)r->behind * expected(f, &r->operations[0])));
	w = waiter_of(b, flow, r->asker);
	w->units = bucket = fmin(wanted, bucket_max(b)); /* the rest of a large one becomes a debt */
	ahead = ahead_of(b, w, &first);
	if (!first || b->per_ms <= 0 || b->level < bucket || !fits(b, wanted))
		return refuse(b, w, ahead + bucket, first, ret_again_ms);
	b->turn = (struct turn){ .flow = flow, .asker = r->asker, .units = wanted, .until_ms = b->now_ms + TURN_MS };
	forget_waiter(b, (size_t)(w - b->waiters), b->now_ms - w->since_ms);
	return admit(b, r, needed, ret_units);
}

size_t wb_ru_budget_reserve(struct wb_ru_budget *b, const struct wb_ru_request *request, int64_t now_ms,
	double *ret_units, int64_t *ret_again_ms)
{
	size_t n;

	assert(request->count > 0);
	wb_mutex_lock(&b->lock);
	advance(b, now_ms);
	forget_late(b);
	n = reserve(b, request, ret_units, ret_again_ms);
	if (n == 0 && *ret_again_ms <= now_ms)
		*ret_again_ms = now_ms + AGAIN_MIN_MS;
	wb_gauge_set(b->reserved, b->in_flight);
	wb_mutex_unlock(&b->lock);
	return n;
}

static void learn(struct price *p, double units, double bytes)
{
	double weight = units > p->units ? LEARN_RISE : LEARN_FALL;

	if (!p->known)
		weight = 1;
	p->known = true;
	p->units += weight * (units - p->units);
	p->bytes += weight * (bytes - p->bytes);
}

static void learn_all(struct flow *f, const struct wb_ru_request *r)
{
	for (unsigned kind = 0; kind < WB_RU_KINDS; kind++) {
		double units = 0, bytes = 0;
		size_t n = 0;

		for (size_t i = 0; i < r->count; i++) {
			const struct wb_ru_operation *o = &r->operations[i];

			if (o->kind != kind || o->charged < 0)
				continue;
			units += o->charged;
			bytes += (double)o->bytes;
			n++;
		}
		if (n > 0)
			learn(&f->prices[kind], units / (double)n, bytes / (double)n);
	}
}

void wb_ru_budget_settle(
	struct wb_ru_budget *b, const struct wb_ru_request *request, double reserved, double charged, int64_t now_ms)
{
	struct flow *f;

	wb_mutex_lock(&b->lock);
	advance(b, now_ms);
	f = &b->flows[flow_of(b, request->container)];
	learn_all(f, request);
	f->prices[request->operations[0].kind].asked = false;
	f->got += charged - reserved;
	b->level = fmin(b->level + reserved - charged, fmax(b->level, bucket_max(b)));
	b->in_flight = fmax(b->in_flight - reserved, 0);
	slot_at(b, b->now_ms / SLOT_MS)->charged += charged;
	b->charged += charged;
	wb_gauge_set(b->reserved, b->in_flight);
	wb_mutex_unlock(&b->lock);
	wb_counter_add(b->spent, charged);
}
