/* What publisher.c and publisher_stream.c share; no one else includes it. Not thread-safe by itself: see the fields. */
#ifndef WB_PRODUCER_PUBLISHER_INTERNAL_H
#define WB_PRODUCER_PUBLISHER_INTERNAL_H

#include "common/base/thread.h"
#include "producer/outgoing.h"
#include "producer/publisher.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#define WB_FLIGHT_STOPPING "the service stops"
#define WB_FLIGHT_WHY_SIZE 256
/* Unsettled records of a stream while their number is not known: more than there will ever be. */
#define WB_FLIGHT_OPEN (SIZE_MAX / 2)

/* A job on its way. Its owner holds it until it is done, and so do the acknowledgements of its records, the one of its
 * accepted record and the sender. */
/* A Kafka client. What it took it sends in its order; between two clients there is none. */
struct wb_publish_lane {
	struct wb_kafka_producer *kafka;
	atomic_size_t loose; /* flights that ended for their owners while the client still has records of theirs */
};

struct wb_flight {
	struct wb_publisher *publisher;
	struct wb_publish_lane *lane; /* of its records */
	atomic_bool loose; /* counted so */
	char job[WB_JOB_ID_SIZE];
	char *names; /* one piece of memory for database, container and callback */
	struct wb_slice callback;
	bool keyed;
	uint8_t key[WB_RESULT_KEY_SIZE];
	int64_t at_ms;
	struct wb_batch batch; /* empty for a stream */
	struct wb_publish_memory memory; /* given back once, by the one that settles last */
	struct wb_outgoing_target target;
	wb_publish_done_fn done_fn;
	void *done_arg;
	int64_t start_us, deadline_ms;
	size_t count, bytes;

	size_t next; /* first record that was not sent; belongs to the one that sends, as does all_sent */
	bool all_sent; /* or given up: unsettled counts only what is under way */
	atomic_size_t unsettled; /* records that were not acknowledged, plus one while not all are sent */
	atomic_int refs;
	atomic_bool failing; /* somebody writes why */
	atomic_int failed; /* enum wb_err of the first failure */
	char why[WB_FLIGHT_WHY_SIZE]; /* of the first failure: written before failed */

	/* Under the publisher's lock. */
	bool sending, stalled, accepting, done;
	TAILQ_ENTRY(wb_flight) active_link, stalled_link; /* active_link: of open, while it is an open stream */

	int64_t stalled_ms;

	/* Of a stream. */
	bool stream;
	pthread_mutex_t room_lock; /* over the next two */
	void (*room_fn)(void *arg); /* NULL once it is not open any more */
	void *room_arg;
	atomic_size_t block_bytes; /* of blocks that live */
	atomic_bool wants_room;
};
TAILQ_HEAD(wb_flights, wb_flight);

struct wb_publisher {
	struct wb_publisher_settings settings;
	struct wb_publish_lane jobs, streams;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct wb_flights active; /* in the order of their deadlines */
	struct wb_flights stalled; /* waiting for room in the producer's queue, first come first served */
	struct wb_flights open; /* streams */
	atomic_size_t open_count;
	atomic_size_t block_bytes; /* of all streams */
	atomic_size_t senders; /* of streams: threads that may be in Kafka's client */
	size_t active_count;
	bool stopping;
	atomic_uint_least64_t ids; /* that were made */
	pthread_mutex_t random_lock;
	uint8_t random[512]; /* asked for together: by itself that costs a microsecond a job */
	size_t random_left; /* of it, at its end */
	struct wb_counter *jobs_accepted, *records, *bytes;
	struct wb_histogram *seconds;
};

/* Neither active nor open yet; refs is 2. */
struct wb_flight *wb_flight_new(struct wb_publisher *p, const struct wb_publish_job *job);
void wb_flight_unref(struct wb_flight *f);
/* Keeps the first failure. */
void wb_flight_note_failure(struct wb_flight *f, enum wb_err err, const char *why);
/* n records less are unsettled; the last ones bring the accepted record on its way. */
void wb_flight_settle(struct wb_flight *f, size_t n);
/* The flight ends for its owner. While records of it are with their client, whatever comes next goes the same way: who was
 * refused and sends something newer is not overtaken by it. */
void wb_flight_let_loose(struct wb_flight *f);
/* own, or the other one where flights are loose there. */
struct wb_publish_lane *wb_publish_lane_of(struct wb_publish_lane *own, struct wb_publish_lane *other);
/* Queues the flight for the publisher's thread, unless it is done. */
void wb_flight_stall(struct wb_flight *f);
/* Tells a stream's owner that it may try again, if it is still open. */
void wb_flight_tell_room(struct wb_flight *f);
/* Puts it among the active ones; its deadline begins. Returns whether others wait for room already. With the lock held. */
bool wb_flight_activate(struct wb_flight *f);

#endif
