/* The inside of the recorder, shared by its files: recorder.c (thread), recorder_results.c (results records),
 * recorder_letter.c (dead letters), recorder_kafka.c (producers and what Kafka refuses).
 *
 * A record that Kafka refuses is sent again until it takes it. Three refusals differ:
 *   too large         it, or only the batch that it was in: it goes alone next; alone and too large, it is made smaller
 *   its own fault     it waits for itself, longer each time
 *   anything else     nobody's fault: the valve shuts, everything waits, and one record at a time finds out whether Kafka
 *                     takes them again, so that an outage of any length costs neither memory nor a processor
 *
 * Not thread-safe: the recorder's thread, but for what says otherwise. Acknowledgements come on the producers' threads
 * and only put things into `inbox` and `refused`, and touch what is atomic or locked.
 */
#ifndef WB_CONSUMER_RECORDER_INTERNAL_H
#define WB_CONSUMER_RECORDER_INTERNAL_H

#include "common/base/buf.h"
#include "common/contract/dead_letter.h"
#include "common/kafka/producer.h"
#include "consumer/delay_heap.h"
#include "consumer/recorder.h"

#include <stdatomic.h>

/* letter_partition of a write whose letter Kafka did not take, on its way back to the recorder's thread; letter_offset
 * is then the enum wb_err. */
#define WB_LETTER_REFUSED (-2)

/* letter_step of a write. */
enum wb_letter_step {
	WB_LETTER_TOGETHER, /* whole, in one batch with others */
	WB_LETTER_ALONE, /* whole */
	WB_LETTER_SHORT,
	WB_LETTER_LEAST,
};

struct wb_valve {
	bool shut;
	int64_t try_at_ms; /* while it is shut: when one record may go */
};

/* A producer and what waits for it. */
struct wb_letter_lane {
	struct wb_kafka_producer *producer;
	struct wb_list waiting; /* writes whose letters are to be sent */
	struct wb_valve valve;
};

/* What one kind of record hears from Kafka. */
struct wb_refusals {
	const char *condition; /* of health */
	atomic_uint open; /* records that Kafka refused and has not taken yet */
	bool told; /* the condition is not ok */
	int64_t said_ms; /* in the log, last */
	pthread_mutex_t lock;
	enum wb_err heard; /* under lock: the last refusal, */
	char words[160]; /* and librdkafka's words for it */
};

/* Outcomes gathered for one partition of the results topic, and their writes. */
struct wb_gathering {
	struct wb_result_batch *batch;
	struct wb_list writes;
	int64_t since_ms; /* of the first */
};

/* A results record on its way, with the writes that are finished when it is acknowledged. */
struct wb_results_record {
	struct wb_link link;
	struct wb_recorder *recorder;
	int32_t partition;
	bool alone; /* goes as a batch of its own */
	bool refused; /* counted in results_refusals.open */
	enum wb_err err; /* of the last refusal */
	struct wb_buf body;
	struct wb_list writes;
};

struct wb_recorder_metrics {
	struct wb_counter *outcomes[WB_DEAD + 1];
	struct wb_counter *dead[WB_REASON_SERVER_ERROR + 1]; /* by reason; made when first seen */
	struct wb_counter *records;
	struct wb_counter *resent;
	struct wb_counter *trimmed[WB_DEAD_LETTER_LEAST + 1]; /* by form; none for the full one */
	struct wb_gauge *refused_letters;
	struct wb_tally end_to_end[WB_DEAD + 1]; /* seconds, by outcome */
};

/* Where the outcome before went: of a job, or of an origin. */
struct wb_last_place {
	char job[WB_JOB_ID_SIZE];
	const char *topic; /* outlives us, so that its address names it */
	int32_t partition;
	int32_t place;
};

struct wb_recorder {
	struct wb_recorder_settings settings;
	struct wb_handover inbox; /* judged writes; dead ones come again when their letter is answered */
	struct wb_handover refused; /* results records that Kafka did not take */
	_Atomic bool hurry;
	_Atomic bool stop;
	_Atomic bool results_taken; /* Kafka took some since the last look */
	atomic_llong on_their_way; /* letters and results records without an answer */
	int64_t stop_deadline_ms; /* set before stop */
	pthread_t thread;

	struct wb_kafka_producer *letters;
	struct wb_kafka_producer *results;
	struct wb_kafka_producer *lone; /* for what was refused for its size; made when first needed */
	int64_t lone_retry_ms; /* when making it is tried again */

	int32_t partitions; /* of the results topic; 0: not known yet */
	struct wb_gathering *gatherings;
	struct wb_list unplaced; /* judged writes that wait for partitions to be known */
	struct wb_list resend; /* results records to be sent again */
	struct wb_list stuck; /* those that wait for themselves */
	int64_t stuck_until_ms;
	struct wb_valve results_valve;
	struct wb_refusals results_refusals;

	struct wb_letter_lane together, alone;
	struct wb_delay_heap delayed; /* writes whose letter waits for itself */
	struct wb_refusals letters_refusals;

	int64_t look_at_ms; /* next look whether Kafka is up */
	bool complained; /* that no broker answers: said once until one does */
	struct wb_header *headers;
	size_t headers_max;
	struct wb_buf scratch;
	int64_t said_ms; /* second in which letters were logged last, how many, and how many were not */
	unsigned said, unsaid;
	struct wb_recorder_metrics metrics;
	unsigned uncounted[WB_DEAD + 1]; /* outcomes since the metrics were told */
	int64_t wall_ms; /* of this turn */
	struct wb_board_place *place; /* on settings.board */
	struct wb_last_place last_job, last_origin;
};

/* recorder_kafka.c */
bool wb_recorder_make_producers(struct wb_recorder *r, struct wb_error *e);
/* Fails what is in flight; its callbacks have run when it returns. */
void wb_recorder_free_producers(struct wb_recorder *r);
/* The producer for records alone; NULL when it cannot be made now. */
struct wb_kafka_producer *wb_recorder_lone_producer(struct wb_recorder *r, int64_t now_ms);
/* Says in "kafka" whether brokers answer. */
void wb_recorder_look_at_kafka(struct wb_recorder *r, int64_t now_ms);
void wb_refusals_init(struct wb_refusals *f, const char *condition);
void wb_refusals_release(struct wb_refusals *f);
/* Keeps librdkafka's words. Any thread. */
void wb_refusals_hear(struct wb_refusals *f, const struct wb_kafka_ack *ack);
/* "larger than the limit (Broker: Message size too large)"; ret as large as wanted. */
void wb_refusals_words(struct wb_refusals *f, enum wb_err err, char *ret, size_t size);
/* Whether a log line is due: the first, and then one a minute. */
bool wb_refusals_say(struct wb_refusals *f, int64_t now_ms);
/* The condition is ok again when nothing refused is left. */
void wb_refusals_look(struct wb_recorder *r, struct wb_refusals *f);
/* Kafka takes no results at the moment: publishing would only pile up small records. */
static inline bool wb_recorder_results_held(const struct wb_recorder *r)
{
	return r->results_valve.shut || r->resend.head;
}
bool wb_valve_lets(const struct wb_valve *v, int64_t now_ms);
/* One was sent; true when more may follow. */
bool wb_valve_sent(struct wb_valve *v, int64_t now_ms);
void wb_valve_shut(struct wb_valve *v, int64_t now_ms);

/* recorder_results.c */
/* The outcome goes into the record of its partition; from here on the message is not needed. */
void wb_recorder_gather(struct wb_recorder *r, struct wb_write *w, int64_t now_ms);
void wb_recorder_publish_due(struct wb_recorder *r, int64_t now_ms);
/* Tells the metrics of the outcomes of this turn. */
void wb_recorder_count_outcomes(struct wb_recorder *r);
void wb_recorder_resend_results(struct wb_recorder *r, int64_t now_ms);
/* Results cannot be placed before the topic's partitions are known. */
void wb_recorder_learn_partitions(struct wb_recorder *r, int64_t now_ms);
/* All writes that results hold, to the end of ret. The producers are freed. */
void wb_recorder_give_up_results(struct wb_recorder *r, struct wb_list *ret);

/* recorder_letter.c */
/* A dead write waits for its letter to be sent, for the first time or again. */
void wb_recorder_wait_for_lane(struct wb_recorder *r, struct wb_write *w);
void wb_recorder_send_letters(struct wb_recorder *r, int64_t now_ms);
/* Kafka refused the letter: made smaller, or told to readyz at once and to the log once a minute, and sent again. */
void wb_recorder_letter_refused(struct wb_recorder *r, struct wb_write *w, enum wb_err err, int64_t now_ms);
/* Kafka took it. */
void wb_recorder_letter_taken(struct wb_recorder *r, struct wb_write *w);
/* One line for a dead write, unless there were many this second. */
void wb_recorder_log_dead(struct wb_recorder *r, const struct wb_write *w, int64_t now_ms);

#endif
