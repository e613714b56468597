/* A simulated world around the consumer's core: a log, consumers, a Cosmos DB, a clock and what can go wrong with them, all
 * driven by one seed. consumer/engine, item_order, verdict, throttle and offsets are the real ones.
 *
 * Times are virtual milliseconds. What must hold is checked at each step (model_fail says what did not, and when) and,
 * once nothing fails any more and the world has come to rest, by a naive model of the log (model_verify).
 * Not thread-safe: one world at a time.
 */
#ifndef WB_TESTS_UNIT_CONSUMER_MODEL_H
#define WB_TESTS_UNIT_CONSUMER_MODEL_H

#include "common/base/prng.h"
#include "consumer/engine.h"
#include "consumer/offsets.h"

#define MODEL_PARTITIONS_MAX 3
#define MODEL_KEYS_MAX       6
#define MODEL_ITEMS_MAX      48
#define MODEL_RECORDS_MAX    260
#define MODEL_CONSUMERS_MAX  3
#define MODEL_ENGINES_MAX    2
#define MODEL_RANGES_MAX     40
#define MODEL_NONE           (-1)

#define MODEL_REQUEST_TIMEOUT_MS 5000
#define MODEL_SESSION_TIMEOUT_MS 10000
/* The clock at the world's beginning. */
#define MODEL_EPOCH_MS 100000

/* What is wrong with a record, if anything. */
enum model_flaw {
	MODEL_SOUND,
	MODEL_BAD, /* 400, alone */
	MODEL_BAD_REQUEST, /* 400 for each whole request that carries it */
	MODEL_BIG, /* 413 for each whole request that carries it */
	MODEL_CONDEMNED, /* too large when it was decoded: only its item is read */
	MODEL_FULL, /* 403/1014 */
	MODEL_UNIQUE, /* 409 over another item's unique key */
	MODEL_UNIQUE_ONCE, /* likewise, until the writes before it of its partition key have ended */
	MODEL_FAILING, /* 500, alone, until nothing fails any more */
	MODEL_CHOKING, /* 500 for each whole request that carries it, likewise */
};

struct model_record {
	int partition, item;
	int64_t offset, arrives_ms;
	enum wb_op op;
	bool if_none; /* If-None-Match: * */
	int if_match; /* the record whose etag it wants, or NONE; its own: an etag that never was */
	bool replay;
	enum model_flaw flaw;
	char document[96];

	bool ended; /* has its first outcome, acknowledged */
	enum wb_outcome outcome;
	enum wb_reason reason;
	int64_t delivered_ms; /* first */
	bool seen_judged; /* judged in some life */
	unsigned faults; /* that were injected into it */
	unsigned ambiguous; /* applied, and the reply lost or a lie */
	unsigned refused_readings; /* of its item, with 403 */
};

/* One change of an item. */
struct model_change {
	int record;
	unsigned life;
	int etag; /* the record that made the state after it; NONE: absent */
};

struct model_item {
	char id[16];
	int key, partition;
	int base, patch, etag; /* the records that made document, field n and etag; base NONE: absent */
	int flying[MODEL_CONSUMERS_MAX];
	struct model_change *journal;
	size_t changes, capacity;
	int records[MODEL_RECORDS_MAX];
	int record_count;
	unsigned last_life; /* that sent a write of it */
	int64_t sent_offset; /* the highest ever sent */
	bool replayed; /* a life sent what is older than what another life had sent */
};

struct model_key {
	char text[16]; /* ["p3"] */
	struct wb_epk epk;
	uint64_t place; /* its first 8 bytes */
};

/* A partition key range as the service has it. */
struct model_range {
	char id[16];
	uint64_t min, max;
	enum { MODEL_RANGE_LIVE, MODEL_RANGE_COMPLETING, MODEL_RANGE_GONE } state;
};

struct model_world;
struct model_consumer;

/* An assignment of a partition to a consumer: a life. */
struct model_assignment {
	struct wb_assignment a;
	struct model_assignment *next;
	struct model_consumer *consumer;
	unsigned life;
	int partition;
	struct wb_offsets *offsets;
	int next_record; /* index into the partition's records */
	size_t out; /* writes that have not come back */
	bool draining, dropped;
	bool unheard; /* it has ended, and the workers do not know yet */
	unsigned freezes; /* of its consumer, when the draining began */
	int64_t deadline_ms;
};

/* What w->owner points to. */
struct model_delivery {
	struct model_assignment *assignment;
	int record;
};

struct model_engine {
	struct model_consumer *consumer;
	struct wb_engine *engine;
	unsigned index;
	bool serving;
	size_t held;
	struct model_request *requests;
	int64_t wake_ms;
	unsigned spins;
	int64_t spin_ms;
};

struct model_consumer {
	struct model_world *world;
	unsigned index, incarnation;
	bool alive, gate_open, frozen;
	int64_t frozen_until_ms, frozen_since_ms, next_poll_ms;
	unsigned freezes;
	struct model_engine engines[MODEL_ENGINES_MAX];
	struct wb_range *view[MODEL_RANGES_MAX]; /* by the service's index; kept until it ends */
	bool in_view[MODEL_RANGES_MAX];
	bool refreshing;
	struct wb_container *container;
	struct wb_outage *outage;
	struct wb_paces *paces;
	struct wb_ru_budget *budget; /* in every third world, shared by the engines */
	struct wb_metrics *metrics;
	struct wb_health *health;
	struct model_assignment *assignments;
	struct model_recording *recordings;
};

/* Probabilities are in 1/1000. */
struct model_plan {
	unsigned request_fault, operation_fault;
	unsigned request_kinds, operation_kinds; /* bit sets */
	int64_t latency_ms, refresh_ms, poll_ms, record_ms;
	int64_t arrivals_ms, faults_end_ms;
	int64_t retry_max_ms;
	unsigned faults_max; /* in one record */
	bool bulk, plain_only;
	bool no_reading; /* as long as there are faults, readings for writes that nothing can save are refused */
	int64_t concurrency, linger_ms;
	size_t gap_max;
	unsigned revocations, losses, kills, freezes;
	bool outages;
};

struct model_trace {
	int64_t at_ms;
	const char *what;
	int64_t a, b, c, d;
};

typedef void (*model_event_fn)(struct model_world *world, void *arg);
struct model_event {
	int64_t at_ms;
	uint64_t order;
	model_event_fn fn;
	void *arg;
	struct model_consumer *consumer; /* waits while that one is frozen; NULL: nobody's */
};

struct model_world {
	uint64_t seed;
	struct wb_prng random;
	struct wb_originals originals; /* of all its writes */
	int64_t now_ms;
	bool over; /* being taken down: nothing is checked any more */
	struct model_plan plan;

	struct model_event *events;
	size_t event_count, event_capacity;
	uint64_t event_order;
	uint64_t steps;

	int partitions, keys, items, records, consumers, ranges;
	unsigned lives;
	struct model_key key[MODEL_KEYS_MAX];
	struct model_item item[MODEL_ITEMS_MAX];
	struct model_record record[MODEL_RECORDS_MAX];
	int log[MODEL_PARTITIONS_MAX][MODEL_RECORDS_MAX];
	int log_count[MODEL_PARTITIONS_MAX];
	int64_t committed[MODEL_PARTITIONS_MAX];
	struct model_assignment *owner[MODEL_PARTITIONS_MAX];
	struct model_range range[MODEL_RANGES_MAX];
	struct model_consumer consumer[MODEL_CONSUMERS_MAX];
	int64_t outage_until_ms;
	int outage_kind;

	struct model_trace trace[512];
	size_t traced;
	uint64_t requests, operations, superseded, dead, unknown;
};

/* model_world.c */
void model_world_init(struct model_world *world, uint64_t seed);
void model_world_release(struct model_world *world);
/* Until all has come to rest; then it is verified. */
void model_world_run(struct model_world *world);
/* Below n, > 0. */
uint64_t model_random(struct model_world *world, uint64_t n);
bool model_chance(struct model_world *world, unsigned per_mille);
void model_at(struct model_world *world, int64_t in_ms, struct model_consumer *consumer, model_event_fn fn, void *arg);
bool model_faults(const struct model_world *world);
void model_note(struct model_world *world, const char *what, int64_t a, int64_t b, int64_t c, int64_t d);
/* Says what does not hold, seed, time and the last events; ends the test. */
void model_fail(struct model_world *world, const char *format, ...) WB_PRINTF(2, 3) __attribute__((noreturn));
#define MODEL_CHECK(world, condition, ...)                \
	do {                                              \
		if (!(condition))                         \
			model_fail((world), __VA_ARGS__); \
	} while (0)

/* model_log.c */
void model_log_make(struct model_world *world);

/* model_cosmos.c */
struct model_request {
	struct model_engine *engine; /* NULL: nobody waits for the reply any more */
	struct wb_batch *batch;
	struct model_request *next;
	int range; /* NONE: a point request */
	bool read;
	int count;
	int record[100];
	unsigned life[100];
	bool applied; /* or never will be */
	struct wb_reply reply;
	struct wb_buf body;
};
void model_cosmos_start(struct model_world *world);
/* engine.h's calls.send. */
void model_cosmos_send(void *engine, struct wb_batch *batch);
/* Nobody waits for the reply any more; it is applied now or never. */
void model_cosmos_cut(struct model_world *world, struct model_request *request);
void model_request_free(struct model_request *request);
/* The text of an etag, as a header has it. */
void model_etag_text(int etag, char ret[static 24]);

/* model_consumer.c: poller and workers. */
void model_consumer_start(struct model_world *world, struct model_consumer *c);
void model_consumer_stop(struct model_world *world, struct model_consumer *c);
void model_assign(struct model_world *world, void *partition);
void model_replied(struct model_world *world, struct model_request *request);
struct model_delivery *model_delivery_of(const struct wb_write *w);
/* Takes what has come back of an engine, and sends what may be sent now. */
void model_engine_serve(struct model_world *world, struct model_engine *e);
/* The assignment ends: in order, or because somebody else has the partition. */
void model_assignment_end(struct model_world *world, struct model_assignment *a, bool lost);
/* Its writes are back: what is finished is committed, and somebody else may have the partition. */
void model_assignment_drained(struct model_world *world, struct model_assignment *a);
void model_commit(struct model_world *world, struct model_assignment *a);

/* model_record.c: what the recorder does. */
void model_recorder_take(struct model_consumer *c, struct wb_list *judged);
size_t model_recorder_count(const struct model_consumer *c, const struct model_assignment *a);
void model_recorder_drop(struct model_world *world, struct model_consumer *c);
/* The write leaves the world. */
void model_dispose(struct model_world *world, struct wb_write *w);

/* model_trouble.c: rebalances, crashes, freezes. */
void model_trouble_start(struct model_world *world);

/* model_verify.c */
void model_verify_judged(struct model_world *world, const struct wb_write *w);
/* Poison is alone: what is sound does not wait for what is not. */
void model_verify_poison(struct model_world *world, void *arg);
void model_verify_rest(struct model_world *world);
bool model_at_rest(const struct model_world *world);

#endif
