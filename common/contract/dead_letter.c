#include "common/contract/dead_letter.h"

#include "common/base/compiler.h"
#include "common/base/strict.h"
#include "common/base/utf8.h"

#include <stdlib.h>

static const char our_names[][40] = {
	"wb-error-reason",
	"wb-error-status",
	"wb-error-substatus",
	"wb-error-message",
	"wb-error-activity-id",
	"wb-error-attempts",
	"wb-error-first-at",
	"wb-error-request-charge",
	"wb-item-etag",
	"wb-origin-topic",
	"wb-origin-partition",
	"wb-origin-offset",
	"wb-origin-timestamp",
	"wb-consumer",
	"__connect.errors.topic",
	"__connect.errors.partition",
	"__connect.errors.offset",
	"__connect.errors.connector.name",
	"__connect.errors.task.id",
	"__connect.errors.stage",
	"__connect.errors.class.name",
	"__connect.errors.exception.class.name",
	"__connect.errors.exception.message",
};
_Static_assert(WB_ARRAY_LEN(our_names) <= WB_DEAD_LETTER_HEADERS_MAX, "one place for every header");

enum { NUMBERS_SIZE = 512 }; /* more than all numbers of a letter take */

struct out {
	struct wb_buf *scratch;
	struct wb_header *headers;
	size_t count;
};

/* Cuts between characters; bytes that are not UTF-8 are cut anywhere. */
static struct wb_slice cut(struct wb_slice s, size_t max)
{
	size_t at = 0;

	if (s.len <= max)
		return s;
	while (at < max) {
		size_t len = wb_utf8_char_len(s.data + at, s.len - at);

		if (len == 0)
			len = 1;
		if (at + len > max)
			break;
		at += len;
	}
	return wb_slice(s.data, at);
}

static void put(struct out *o, const char *name, struct wb_slice value)
{
	o->headers[o->count++] = (struct wb_header){ wb_slice_cstr(name), value };
}

static struct wb_slice keep(struct out *o, struct wb_slice value)
{
	size_t from = o->scratch->len;

	wb_buf_append_slice(o->scratch, value);
	return wb_slice(o->scratch->data + from, o->scratch->len - from);
}

static struct wb_slice keep_number(struct out *o, int64_t value)
{
	size_t from = o->scratch->len;

	wb_buf_append_i64(o->scratch, value);
	return wb_slice(o->scratch->data + from, o->scratch->len - from);
}

static void put_etag(struct out *o, const struct wb_dead_letter *letter)
{
	put(o, "wb-item-etag", letter->item_etag.data ? keep(o, letter->item_etag) : wb_slice_cstr("unknown"));
}

/* All of wb-error-… but the reason. */
static void put_error(struct out *o, const struct wb_dead_letter *letter, struct wb_slice message)
{
	size_t from;

	if (letter->status) {
		put(o, "wb-error-status", keep_number(o, letter->status));
		put(o, "wb-error-substatus", keep_number(o, letter->substatus));
	}
	put(o, "wb-error-message", message);
	if (letter->activity_id.data)
		put(o, "wb-error-activity-id", keep(o, letter->activity_id));
	put(o, "wb-error-attempts", keep_number(o, letter->attempts));
	if (letter->first_at_ms)
		put(o, "wb-error-first-at", keep_number(o, letter->first_at_ms));
	from = o->scratch->len;
	wb_buf_appendf(o->scratch, "%.2f", letter->request_charge);
	put(o, "wb-error-request-charge", wb_slice(o->scratch->data + from, o->scratch->len - from));
}

/* Names and meaning: org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter. Their values are texts too. */
static void put_connect(struct out *o, const struct wb_dead_letter *letter, struct wb_slice topic,
	struct wb_slice partition, struct wb_slice offset, struct wb_slice consumer, struct wb_slice message)
{
	put(o, "__connect.errors.topic", topic);
	put(o, "__connect.errors.partition", partition);
	put(o, "__connect.errors.offset", offset);
	put(o, "__connect.errors.connector.name", wb_slice_cstr("writebehind"));
	put(o, "__connect.errors.task.id", consumer);
	put(o, "__connect.errors.stage", wb_slice_cstr(letter->status ? "TASK_PUT" : "VALUE_CONVERTER"));
	put(o, "__connect.errors.class.name", wb_slice_cstr("writebehind-consumer"));
	put(o, "__connect.errors.exception.class.name", wb_slice_cstr(wb_reason_text(letter->reason)));
	put(o, "__connect.errors.exception.message", message);
}

size_t wb_dead_letter_headers(
	const struct wb_dead_letter *letter, struct wb_buf *scratch, struct wb_header ret[WB_DEAD_LETTER_HEADERS_MAX])
{
	struct out o = { .scratch = scratch, .headers = ret };
	struct wb_slice message = cut(letter->message,
		letter->form == WB_DEAD_LETTER_FULL ? WB_DEAD_LETTER_MESSAGE_MAX : WB_DEAD_LETTER_MESSAGE_SHORT);
	struct wb_slice topic, partition, offset, consumer;

	/* All room is taken first: the values would move if scratch grew between them. */
	if (!wb_buf_reserve(scratch,
		    NUMBERS_SIZE + message.len + letter->activity_id.len + letter->item_etag.len +
			    letter->origin_topic.len + letter->consumer.len))
		return 0;
	message = keep(&o, message);
	topic = keep(&o, letter->origin_topic);
	partition = keep_number(&o, letter->origin_partition);
	offset = keep_number(&o, letter->origin_offset);
	consumer = keep(&o, letter->consumer);
	put(&o, "wb-error-reason", wb_slice_cstr(wb_reason_text(letter->reason)));
	if (letter->form != WB_DEAD_LETTER_LEAST)
		put_error(&o, letter, message);
	put_etag(&o, letter);
	put(&o, "wb-origin-topic", topic);
	put(&o, "wb-origin-partition", partition);
	put(&o, "wb-origin-offset", offset);
	if (letter->form != WB_DEAD_LETTER_LEAST) {
		if (letter->origin_timestamp_ms >= 0)
			put(&o, "wb-origin-timestamp", keep_number(&o, letter->origin_timestamp_ms));
		put(&o, "wb-consumer", consumer);
	}
	if (letter->form == WB_DEAD_LETTER_FULL)
		put_connect(&o, letter, topic, partition, offset, consumer, message);
	return wb_buf_status(scratch) == WB_OK ? o.count : 0;
}

const char *wb_dead_letter_form_text(enum wb_dead_letter_form form)
{
	switch (form) {
	case WB_DEAD_LETTER_FULL:
		return "full";
	case WB_DEAD_LETTER_SHORT:
		return "short";
	case WB_DEAD_LETTER_LEAST:
		return "least";
	}
	return "unknown";
}

static struct wb_slice text_of(const struct wb_header *headers, size_t count, const char *name)
{
	const struct wb_header *h = wb_header_find(headers, count, name);

	return h ? h->value : (struct wb_slice){ 0 };
}

static int64_t number_of(const struct wb_header *headers, size_t count, const char *name, int64_t max, int64_t absent)
{
	int64_t number = absent;

	if (wb_strict_int64(text_of(headers, count, name), 0, max, &number, NULL))
		return absent;
	return number;
}

/* Digits with a decimal point; 0 for anything else. */
static double decimal_of(const struct wb_header *headers, size_t count, const char *name)
{
	struct wb_slice text = text_of(headers, count, name);
	char digits[64];

	if (text.len == 0 || text.len >= sizeof digits)
		return 0;
	memcpy(digits, text.data, text.len);
	digits[text.len] = '\0';
	return strspn(digits, "0123456789.") == text.len ? strtod(digits, NULL) : 0;
}

bool wb_dead_letter_parse(const struct wb_header *headers, size_t count, struct wb_dead_letter *ret)
{
	if (!wb_header_find(headers, count, "wb-error-reason"))
		return false;
	*ret = (struct wb_dead_letter){
		.reason = wb_reason_parse(text_of(headers, count, "wb-error-reason")),
		.status = (int)number_of(headers, count, "wb-error-status", 999, 0),
		.substatus = (int)number_of(headers, count, "wb-error-substatus", INT32_MAX, 0),
		.message = text_of(headers, count, "wb-error-message"),
		.activity_id = text_of(headers, count, "wb-error-activity-id"),
		.attempts = number_of(headers, count, "wb-error-attempts", INT64_MAX, 0),
		.first_at_ms = number_of(headers, count, "wb-error-first-at", INT64_MAX, 0),
		.request_charge = decimal_of(headers, count, "wb-error-request-charge"),
		.item_etag = text_of(headers, count, "wb-item-etag"),
		.origin_topic = text_of(headers, count, "wb-origin-topic"),
		.origin_partition = (int32_t)number_of(headers, count, "wb-origin-partition", INT32_MAX, 0),
		.origin_offset = number_of(headers, count, "wb-origin-offset", INT64_MAX, 0),
		.origin_timestamp_ms = number_of(headers, count, "wb-origin-timestamp", INT64_MAX, -1),
		.consumer = text_of(headers, count, "wb-consumer"),
	};
	return true;
}

bool wb_dead_letter_is_ours(struct wb_slice name)
{
	for (size_t i = 0; i < WB_ARRAY_LEN(our_names); i++) {
		if (wb_slice_eq_cstr(name, our_names[i]))
			return true;
	}
	return false;
}
