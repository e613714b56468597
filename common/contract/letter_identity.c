#include "common/contract/letter_identity.h"

#include "common/base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

/* The longest: a topic's name, two slashes, a partition and an offset. */
_Static_assert(WB_TOPIC_LEN_MAX + 2 + 10 + 19 <= WB_LETTER_IDENTITY_MAX, "a place is an identity");

size_t wb_letter_identity_of_job(struct wb_slice job, uint64_t seq, char ret[WB_LETTER_IDENTITY_SIZE])
{
	return (size_t)snprintf(ret, WB_LETTER_IDENTITY_SIZE, "%.*s/%" PRIu64, WB_JOB_ID_LEN, job.data, seq);
}

size_t wb_letter_identity_of_place(const struct wb_record_place *origin, char ret[WB_LETTER_IDENTITY_SIZE])
{
	size_t len = origin->topic.len < WB_TOPIC_LEN_MAX ? origin->topic.len : WB_TOPIC_LEN_MAX;

	return (size_t)snprintf(ret, WB_LETTER_IDENTITY_SIZE, "%.*s/%" PRId32 "/%" PRId64, (int)len, origin->topic.data,
		origin->partition, origin->offset);
}

/* Both sets of control characters. */
static bool is_control(const char *s)
{
	unsigned char c = (unsigned char)s[0];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[1] < 0xa0);
}

/* The state topic's keys are letters' identities, but for those that begin as the alerts' do. */
static bool is_identity(struct wb_slice text)
{
	static const char alerts[] = "alert:";

	for (size_t at = 0, n; at < text.len; at += n) {
		n = wb_utf8_char_len(text.data + at, text.len - at);
		if (n == 0 || is_control(text.data + at))
			return false;
	}
	return text.len > 0 && text.len <= WB_LETTER_IDENTITY_MAX &&
		(text.len < sizeof alerts - 1 || memcmp(text.data, alerts, sizeof alerts - 1) != 0);
}

/* The headers are looked for one by one: wb_record_parse stops at the first that is malformed, which may be why a replay
 * died, and then its wb-replay-of has to count all the same. */
size_t wb_letter_identity(const struct wb_header *headers, size_t count, const struct wb_letter_facts *facts,
	const struct wb_record_place *letter, char ret[WB_LETTER_IDENTITY_SIZE])
{
	const struct wb_record_place origin = { .topic = facts->why.origin_topic,
		.partition = facts->why.origin_partition,
		.offset = facts->why.origin_offset };
	const struct wb_header *replay = wb_header_find(headers, count, WB_HEADER_REPLAY_OF);
	struct wb_slice job;
	uint64_t seq;

	if (replay && is_identity(replay->value)) {
		memcpy(ret, replay->value.data, replay->value.len);
		ret[replay->value.len] = '\0';
		return replay->value.len;
	}
	if (wb_record_job(headers, count, &job, &seq))
		return wb_letter_identity_of_job(job, seq, ret);
	return wb_letter_identity_of_place(origin.topic.data ? &origin : letter, ret);
}
