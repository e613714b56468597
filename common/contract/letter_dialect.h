/* Dead letters of others: Kafka Connect's, Spring's and those of brokers (KIP-1191) say in headers of their own where a
 * record stood and what was wrong with it.
 *
 * Connect and KIP-1191 write numbers as text, Spring as big-endian integers. An origin is read as a whole or not at all: a
 * malformed part of it makes it unknown, never another record's. Pure, thread-safe; slices point into the headers; any bytes are fine.
 */
#ifndef WB_COMMON_CONTRACT_LETTER_DIALECT_H
#define WB_COMMON_CONTRACT_LETTER_DIALECT_H

#include "common/contract/dead_letter.h"

/* symbol, text */
#define WB_LETTER_DIALECT_LIST(X)             \
	X(WB_LETTER_UNMARKED, "none")         \
	X(WB_LETTER_OURS, "writebehind")      \
	X(WB_LETTER_CONNECT, "kafka-connect") \
	X(WB_LETTER_SPRING, "spring")         \
	X(WB_LETTER_KIP1191, "kip-1191")

enum wb_letter_dialect {
#define X(symbol, text) symbol,
	WB_LETTER_DIALECT_LIST(X)
#undef X
};

#define WB_TOPIC_LEN_MAX 249 /* Kafka's limit of a topic's name */

struct wb_letter_facts {
	enum wb_letter_dialect dialect;
	/* Of others: reason NONE, origin, message, and who wrote the letter as far as it says so; else zero and absent,
	 * origin_timestamp_ms -1. origin_topic is absent unless topic, partition and offset are all there and valid. */
	struct wb_dead_letter why;
	struct wb_slice exception_class; /* absent in our letters */
};

/* The dialect is the first of the list that left its mark: our letters carry Kafka Connect's headers, too. */
void wb_letter_facts_read(const struct wb_header *headers, size_t count, struct wb_letter_facts *ret);
/* Whether the header was added by the one who wrote the letter, in whichever dialect (the others are the original's). */
bool wb_letter_header_is_added(struct wb_slice name);
/* "writebehind", "kafka-connect" …; a literal. */
const char *wb_letter_dialect_text(enum wb_letter_dialect dialect);

#endif
