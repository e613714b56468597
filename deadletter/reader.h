/* All letters of the dead-letter topic, one after the other, up to the end that it had at the start of the reading.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_READER_H
#define WB_DEADLETTER_READER_H

#include "common/base/log.h"
#include "common/contract/dead_letter.h"
#include "common/contract/record.h"
#include "common/kafka/reader.h"
#include "deadletter/options.h"

struct wb_letter {
	const struct wb_kafka_record *record; /* key, value and headers are the original's, plus ours */
	struct wb_dead_letter why;
	struct wb_record_meta meta;           /* job and seq, operation, target */
	struct wb_slice id;                   /* decoded; absent when none can be read */
};

/* Slices are valid during the call. False ends the reading. */
typedef bool (*wb_letter_fn)(void *arg, const struct wb_letter *letter);

/* Records without our headers are given with reason NONE. WB_EINVAL with a sentence for wrong kafka.* options,
 * WB_EIO or WB_ETIMEDOUT when Kafka cannot be read. since_ms as wb_kafka_reader_new. */
enum wb_err wb_letters_read(const struct wb_deadletter_config *config, int64_t since_ms, wb_letter_fn fn, void *arg,
	struct wb_log *log, struct wb_error *e) WB_MUST_USE;

/* Appends the letter's facts as the members of a JSON object, without its braces. */
void wb_letter_json(const struct wb_letter *letter, struct wb_buf *ret);

#endif
