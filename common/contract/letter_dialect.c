#include "common/contract/letter_dialect.h"

#include "common/base/compiler.h"
#include "common/base/strict.h"

enum { INT_BYTES = 4, LONG_BYTES = 8 };

/* Names and encodings: DeadLetterQueueReporter of Kafka Connect, DeadLetterPublishingRecoverer of Spring for Apache Kafka,
 * KIP-1191. names: NULL where a dialect does not say it. */
struct dialect {
	const char *prefix;
	const char *topic, *partition, *offset, *timestamp, *message, *exception, *writer;
	bool binary;
};

static const struct dialect dialects[] = {
	[WB_LETTER_CONNECT] = { .prefix = "__connect.errors.",
		.topic = "__connect.errors.topic",
		.partition = "__connect.errors.partition",
		.offset = "__connect.errors.offset",
		.message = "__connect.errors.exception.message",
		.exception = "__connect.errors.exception.class.name",
		.writer = "__connect.errors.connector.name" },
	[WB_LETTER_SPRING] = { .prefix = "kafka_dlt-",
		.topic = "kafka_dlt-original-topic",
		.partition = "kafka_dlt-original-partition",
		.offset = "kafka_dlt-original-offset",
		.timestamp = "kafka_dlt-original-timestamp",
		.message = "kafka_dlt-exception-message",
		.exception = "kafka_dlt-exception-fqcn",
		.writer = "kafka_dlt-original-consumer-group",
		.binary = true },
	[WB_LETTER_KIP1191] = { .prefix = "__dlq.errors.",
		.topic = "__dlq.errors.topic",
		.partition = "__dlq.errors.partition",
		.offset = "__dlq.errors.offset",
		.message = "__dlq.errors.message",
		.writer = "__dlq.errors.group" },
};

static const char *const texts[] = {
#define X(symbol, text) [symbol] = text,
	WB_LETTER_DIALECT_LIST(X)
#undef X
};

static bool begins(struct wb_slice name, const char *prefix)
{
	size_t len = strlen(prefix);

	return name.len >= len && memcmp(name.data, prefix, len) == 0;
}

static enum wb_letter_dialect find_dialect(const struct wb_header *headers, size_t count)
{
	enum wb_letter_dialect found = WB_LETTER_UNMARKED;

	for (size_t i = 0; i < count; i++) {
		for (unsigned d = WB_LETTER_CONNECT; d < WB_ARRAY_LEN(dialects); d++)
			if ((found == WB_LETTER_UNMARKED || d < found) && begins(headers[i].name, dialects[d].prefix))
				found = (enum wb_letter_dialect)d;
	}
	return found;
}

static struct wb_slice text_of(const struct wb_header *headers, size_t count, const char *name)
{
	const struct wb_header *h = name ? wb_header_find(headers, count, name) : NULL;

	return h ? h->value : (struct wb_slice){ NULL, 0 };
}

/* -1 for what is no number from 0 to max. */
static int64_t number_of(const struct dialect *d, struct wb_slice value, size_t size, int64_t max)
{
	int64_t number = -1;
	uint64_t bits = 0;

	if (!d->binary)
		return wb_strict_int64(value, 0, max, &number, NULL) == WB_OK ? number : -1;
	if (value.len != size)
		return -1;
	for (size_t i = 0; i < size; i++)
		bits = bits << 8 | (unsigned char)value.data[i];
	return bits <= (uint64_t)max ? (int64_t)bits : -1;
}

/* A name that a topic can have: of letters, digits, dot, underscore and dash. */
static bool is_topic(struct wb_slice name)
{
	if (name.len == 0 || name.len > WB_TOPIC_LEN_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
			    c == '_' || c == '-'))
			return false;
	}
	return true;
}

static void read_foreign(
	const struct dialect *d, const struct wb_header *headers, size_t count, struct wb_letter_facts *ret)
{
	struct wb_slice topic = text_of(headers, count, d->topic);
	int64_t partition = number_of(d, text_of(headers, count, d->partition), INT_BYTES, INT32_MAX);
	int64_t offset = number_of(d, text_of(headers, count, d->offset), LONG_BYTES, INT64_MAX);

	if (is_topic(topic) && partition >= 0 && offset >= 0) {
		ret->why.origin_topic = topic;
		ret->why.origin_partition = (int32_t)partition;
		ret->why.origin_offset = offset;
	}
	ret->why.origin_timestamp_ms = number_of(d, text_of(headers, count, d->timestamp), LONG_BYTES, INT64_MAX);
	ret->why.message = text_of(headers, count, d->message);
	ret->why.consumer = text_of(headers, count, d->writer);
	ret->exception_class = text_of(headers, count, d->exception);
}

/* What wb_dead_letter_parse takes for zero is no origin here. */
static void judge_origin(const struct wb_header *headers, size_t count, struct wb_dead_letter *why)
{
	int64_t unused;

	if (!is_topic(why->origin_topic) ||
		wb_strict_int64(text_of(headers, count, "wb-origin-partition"), 0, INT32_MAX, &unused, NULL) != WB_OK ||
		wb_strict_int64(text_of(headers, count, "wb-origin-offset"), 0, INT64_MAX, &unused, NULL) != WB_OK)
		why->origin_topic = (struct wb_slice){ NULL, 0 };
}

void wb_letter_facts_read(const struct wb_header *headers, size_t count, struct wb_letter_facts *ret)
{
	*ret = (struct wb_letter_facts){ .why = { .origin_timestamp_ms = -1 } };
	if (wb_dead_letter_parse(headers, count, &ret->why)) {
		ret->dialect = WB_LETTER_OURS;
		judge_origin(headers, count, &ret->why);
		return;
	}
	ret->dialect = find_dialect(headers, count);
	if (ret->dialect != WB_LETTER_UNMARKED)
		read_foreign(&dialects[ret->dialect], headers, count, ret);
}

bool wb_letter_header_is_added(struct wb_slice name)
{
	for (unsigned d = WB_LETTER_CONNECT; d < WB_ARRAY_LEN(dialects); d++) {
		if (begins(name, dialects[d].prefix))
			return true;
	}
	return wb_dead_letter_is_ours(name);
}

const char *wb_letter_dialect_text(enum wb_letter_dialect dialect)
{
	return (size_t)dialect < WB_ARRAY_LEN(texts) ? texts[dialect] : "";
}
