/* A dead letter as it stands in the topic, read: its headers in whichever dialect, its id, its identity.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_LETTER_H
#define WB_DEADLETTER_LETTER_H

#include "common/contract/letter_identity.h"
#include "common/kafka/producer.h"
#include "deadletter/index.h"

struct wb_letter {
	const struct wb_kafka_record
		*record; /* key, value and headers are the original's, plus those of who wrote it */
	struct wb_letter_facts facts;
	struct wb_record_meta meta;           /* job and seq, operation, target */
	struct wb_slice id;                   /* decoded; absent when none can be read */
	struct wb_slice container;            /* "database/container"; absent: the default */
	struct wb_slice identity;
};

/* Holds what a letter's slices point to that is not in its record. */
struct wb_letter_reader {
	struct wb_buf id, container;
	char identity[WB_LETTER_IDENTITY_SIZE];
};

void wb_letter_reader_init(struct wb_letter_reader *r);
void wb_letter_reader_release(struct wb_letter_reader *r);
/* The letter is valid as long as the record, and until the reader reads the next one. */
void wb_letter_read(struct wb_letter_reader *r, const struct wb_kafka_record *record, struct wb_letter *ret);
/* What the index keeps of it. */
void wb_letter_index(const struct wb_letter *letter, struct wb_index_letter *ret);

/* Appends the letter's facts as the members of a JSON object, without its braces. state: NULL where it is not known. */
void wb_letter_json(const struct wb_letter *letter, const char *state, struct wb_buf *ret);
/* Appends headers, key and value as further members, base64 where they are not UTF-8. */
void wb_letter_json_record(const struct wb_letter *letter, struct wb_buf *ret);

#endif
