/* The inside of the recorder, shared by its files: recorder.c (thread and results records), recorder_letter.c (dead
 * letters).
 *
 * Not thread-safe: the recorder's thread, but for what says otherwise. Acknowledgements come on the producers' threads
 * and only put things into `inbox` and `refused`.
 */
#ifndef WB_CONSUMER_RECORDER_INTERNAL_H
#define WB_CONSUMER_RECORDER_INTERNAL_H

#include "common/base/buf.h"
#include "common/kafka/producer.h"
#include "consumer/delay_heap.h"
#include "consumer/recorder.h"

#include <stdatomic.h>

/* letter_partition of a write whose letter Kafka did not take, on its way back to the recorder's thread; letter_offset
 * is then the enum wb_err. */
#define WB_LETTER_REFUSED (-2)

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
	struct wb_buf body;
	struct wb_list writes;
};

struct wb_recorder_metrics {
	struct wb_counter *outcomes[WB_DEAD + 1];
	struct wb_counter *dead[WB_REASON_SERVER_ERROR + 1]; /* by reason; made when first seen */
	struct wb_counter *records;
	struct wb_counter *resent;
};

struct wb_recorder {
	struct wb_recorder_settings settings;
	struct wb_handover inbox;   /* judged writes; dead ones come again when their letter is answered */
	struct wb_handover refused; /* results records that Kafka did not take */
	_Atomic bool hurry;
	_Atomic bool stop;
	atomic_llong on_their_way; /* letters and results records without an answer */
	int64_t stop_deadline_ms;  /* set before stop */
	pthread_t thread;

	struct wb_kafka_producer *letters;
	struct wb_kafka_producer *results;
	int32_t partitions; /* of the results topic; 0: not known yet */
	struct wb_gathering *gatherings;
	struct wb_list unplaced; /* judged writes that wait for partitions to be known */
	struct wb_delay_heap delayed; /* writes whose letter is to be sent again */
	struct wb_list resend;        /* results records likewise */
	int64_t resend_at_ms;
	int64_t look_at_ms; /* next look whether Kafka is up */
	bool complained;    /* that Kafka refuses: said once until it takes something again */

	struct wb_header *headers;
	size_t headers_max;
	struct wb_buf scratch;
	unsigned refused_letters;    /* writes that cannot be finished until Kafka takes their letter */
	int64_t refusal_said_ms;
	int64_t said_ms; /* second in which letters were logged last, how many, and how many were not */
	unsigned said, unsaid;
	struct wb_recorder_metrics metrics;
};

/* recorder_letter.c: publishes the letter of a dead write, whose answer comes through the inbox. */
void wb_recorder_send_letter(struct wb_recorder *r, struct wb_write *w, int64_t now_ms);
/* Kafka refused the letter: told to readyz at once and to the log once a minute, and sent again later. */
void wb_recorder_letter_refused(struct wb_recorder *r, struct wb_write *w, enum wb_err err, int64_t now_ms);
/* Kafka took it. */
void wb_recorder_letter_taken(struct wb_recorder *r, struct wb_write *w);
/* One line for a dead write, unless there were many this second. */
void wb_recorder_log_dead(struct wb_recorder *r, const struct wb_write *w, int64_t now_ms);

#endif
