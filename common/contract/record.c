#include "common/contract/record.h"

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/strict.h"
#include "common/base/utf8.h"

enum { ID_HEADER_LEN_MAX = 4096, PARTITION_KEY_LEN_MAX = 64 * 1024, REPLAY_OF_LEN_MAX = 512 };

/* The headers that mean something to us. */
enum name {
	JOB,
	SEQ,
	OP,
	DATABASE,
	CONTAINER,
	ID,
	PARTITION_KEY,
	IF_MATCH,
	IF_NONE_MATCH,
	REPLAY_OF,
	TRACEPARENT,
	NAMES
};

static const struct {
	const char *text;
	size_t len;
} names[NAMES] = {
#define NAME(at, literal) [at] = { literal, sizeof(literal) - 1 }
	NAME(JOB, WB_HEADER_JOB),
	NAME(SEQ, WB_HEADER_SEQ),
	NAME(OP, WB_HEADER_OP),
	NAME(DATABASE, WB_HEADER_DATABASE),
	NAME(CONTAINER, WB_HEADER_CONTAINER),
	NAME(ID, WB_HEADER_ID),
	NAME(PARTITION_KEY, WB_HEADER_PARTITION_KEY),
	NAME(IF_MATCH, WB_HEADER_IF_MATCH),
	NAME(IF_NONE_MATCH, WB_HEADER_IF_NONE_MATCH),
	NAME(REPLAY_OF, WB_HEADER_REPLAY_OF),
	NAME(TRACEPARENT, WB_HEADER_TRACEPARENT),
#undef NAME
};

/* A record's headers by name, the last one of each, as wb_header_find: NULL where there is none. */
struct found {
	const struct wb_header *by[NAMES];
};

static const char *const op_texts[] = {
	[WB_OP_UPSERT] = "upsert",
	[WB_OP_CREATE] = "create",
	[WB_OP_REPLACE] = "replace",
	[WB_OP_DELETE] = "delete",
	[WB_OP_PATCH] = "patch",
};

const char *wb_op_text(enum wb_op op)
{
	return op_texts[op];
}

bool wb_op_parse(struct wb_slice text, enum wb_op *ret)
{
	for (size_t i = 0; i < WB_ARRAY_LEN(op_texts); i++) {
		if (wb_slice_eq_cstr(text, op_texts[i])) {
			*ret = (enum wb_op)i;
			return true;
		}
	}
	return false;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Lower-case hex digits from there on, not all of them zeros; any: all of them may be. */
static bool is_hex_id(struct wb_slice text, size_t from, size_t len, bool any)
{
	for (size_t i = from; i < from + len; i++) {
		if (!is_hex(text.data[i]))
			return false;
		any = any || text.data[i] != '0';
	}
	return any;
}

bool wb_job_id_valid(struct wb_slice text)
{
	if (text.len != WB_JOB_ID_LEN)
		return false;
	return is_hex_id(text, 0, text.len, true);
}

/* "00-" 32 digits of the trace "-" 16 of the parent "-" two of the flags; version ff is forbidden. */
bool wb_traceparent_valid(struct wb_slice text)
{
	return text.len == WB_TRACEPARENT_LEN && text.data[2] == '-' && text.data[35] == '-' && text.data[52] == '-' &&
		is_hex_id(text, 0, 2, true) && memcmp(text.data, "ff", 2) != 0 && is_hex_id(text, 3, 32, false) &&
		is_hex_id(text, 36, 16, false) && is_hex_id(text, 53, 2, true);
}

static bool has_control(struct wb_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f)
			return true;
	}
	return false;
}

static bool is_utf8(struct wb_slice s)
{
	size_t at = 0;

	while (at < s.len) {
		size_t len = wb_utf8_char_len(s.data + at, s.len - at);

		if (len == 0)
			return false;
		at += len;
	}
	return true;
}

/* One pass, as every record comes by here. */
static struct found find_all(const struct wb_header *headers, size_t count)
{
	struct found found = { { NULL } };

	for (const struct wb_header *h = headers; h < headers + count; h++) {
		for (int i = 0; i < NAMES; i++) {
			if (h->name.len == names[i].len && memcmp(h->name.data, names[i].text, names[i].len) == 0) {
				found.by[i] = h;
				break;
			}
		}
	}
	return found;
}

/* A header of text: printable UTF-8, not empty, at most max bytes. *ret is untouched when it is absent or wrong. */
static enum wb_reason read_text(
	const struct found *found, enum name name, size_t max, struct wb_slice *ret, struct wb_error *why)
{
	const struct wb_header *h = found->by[name];
	const char *text = names[name].text;

	if (!h)
		return WB_REASON_NONE;
	if (!h->value.data || h->value.len == 0)
		(void)wb_error_set(why, WB_EINVAL, "header %s has no value", text);
	else if (h->value.len > max)
		(void)wb_error_set(
			why, WB_EINVAL, "header %s has %zu bytes, at most %zu are allowed", text, h->value.len, max);
	else if (has_control(h->value) || !is_utf8(h->value))
		(void)wb_error_set(why, WB_EINVAL, "header %s is not printable UTF-8 text", text);
	else {
		*ret = h->value;
		return WB_REASON_NONE;
	}
	return WB_REASON_INVALID_HEADER;
}

/* A database or container. The four characters are what Cosmos DB refuses in names, since names stand in paths. */
static enum wb_reason read_name(const struct found *found, enum name name, struct wb_slice *ret, struct wb_error *why)
{
	struct wb_slice text = { 0 };
	enum wb_reason reason = read_text(found, name, WB_NAME_LEN_MAX, &text, why);

	if (reason || !text.data)
		return reason;
	for (size_t i = 0; i < text.len; i++) {
		if (strchr("/\\?#", text.data[i])) {
			(void)wb_error_set(why, WB_EINVAL, "header %s contains '%c', which no name may",
				names[name].text, text.data[i]);
			return WB_REASON_INVALID_HEADER;
		}
	}
	*ret = text;
	return WB_REASON_NONE;
}

/* Job and number stand together or not at all, since half an identity would name another write. */
static enum wb_reason read_identity(const struct found *found, struct wb_record_meta *ret, struct wb_error *why)
{
	const struct wb_header *job = found->by[JOB], *seq = found->by[SEQ];
	struct wb_error e = { "" };
	int64_t number = 0;

	if (!job && !seq)
		return WB_REASON_NONE;
	if (!job || !seq) {
		(void)wb_error_set(why, WB_EINVAL, "header %s is given without %s", job ? WB_HEADER_JOB : WB_HEADER_SEQ,
			job ? WB_HEADER_SEQ : WB_HEADER_JOB);
		return WB_REASON_INVALID_HEADER;
	}
	if (!wb_job_id_valid(job->value)) {
		(void)wb_error_set(why, WB_EINVAL, "header %s is not 32 lower-case hexadecimal digits", WB_HEADER_JOB);
		return WB_REASON_INVALID_HEADER;
	}
	if (wb_strict_int64(seq->value, 0, WB_SEQ_MAX, &number, &e)) {
		(void)wb_error_set(why, WB_EINVAL, "header %s is not a number from 0 to %lld", WB_HEADER_SEQ,
			(long long)WB_SEQ_MAX);
		return WB_REASON_INVALID_HEADER;
	}
	ret->job = job->value;
	ret->seq = (uint64_t)number;
	return WB_REASON_NONE;
}

static enum wb_reason read_op(const struct found *found, struct wb_record_meta *ret, struct wb_error *why)
{
	const struct wb_header *h = found->by[OP];

	if (!h)
		return WB_REASON_NONE;
	ret->op_given = true;
	if (wb_op_parse(h->value, &ret->op))
		return WB_REASON_NONE;
	(void)wb_error_set(why, WB_EINVAL, "header %s is none of upsert, create, replace, delete, patch", WB_HEADER_OP);
	return WB_REASON_UNKNOWN_OPERATION;
}

static enum wb_reason read_texts(const struct found *found, struct wb_record_meta *ret, struct wb_error *why)
{
	const struct {
		enum name name;
		size_t max;
		struct wb_slice *ret;
	} texts[] = {
		{ ID, ID_HEADER_LEN_MAX, &ret->id },
		{ PARTITION_KEY, PARTITION_KEY_LEN_MAX, &ret->partition_key },
		{ IF_MATCH, WB_ETAG_LEN_MAX, &ret->if_match },
		{ IF_NONE_MATCH, WB_ETAG_LEN_MAX, &ret->if_none_match },
		{ REPLAY_OF, REPLAY_OF_LEN_MAX, &ret->replay_of },
	};
	enum wb_reason reason = read_name(found, DATABASE, &ret->database, why);

	if (!reason)
		reason = read_name(found, CONTAINER, &ret->container, why);
	for (size_t i = 0; !reason && i < WB_ARRAY_LEN(texts); i++)
		reason = read_text(found, texts[i].name, texts[i].max, texts[i].ret, why);
	return reason;
}

bool wb_record_job(const struct wb_header *headers, size_t count, struct wb_slice *ret_job, uint64_t *ret_seq)
{
	static const struct wb_slice name_of_job = WB_SLICE_LIT(WB_HEADER_JOB),
				     name_of_seq = WB_SLICE_LIT(WB_HEADER_SEQ);
	const struct wb_header *job = NULL, *seq = NULL;
	struct wb_error unused;
	int64_t number;

	for (size_t i = count; i > 0 && !(job && seq); i--) {
		const struct wb_header *h = &headers[i - 1];

		if (!job && wb_slice_eq(h->name, name_of_job))
			job = h;
		else if (!seq && wb_slice_eq(h->name, name_of_seq))
			seq = h;
	}
	if (!job || !seq || !wb_job_id_valid(job->value) ||
		wb_strict_int64(seq->value, 0, WB_SEQ_MAX, &number, &unused))
		return false;
	*ret_job = job->value;
	*ret_seq = (uint64_t)number;
	return true;
}

enum wb_reason wb_record_parse(
	const struct wb_header *headers, size_t count, struct wb_record_meta *ret, struct wb_error *why)
{
	const struct found found = find_all(headers, count);
	const struct wb_header *trace = found.by[TRACEPARENT];
	enum wb_reason reason;

	*ret = (struct wb_record_meta){ .op = WB_OP_UPSERT };
	/* A malformed trace context is ignored, never an error (W3C Trace Context, section 3.2). */
	if (trace && trace->value.len > 0 && trace->value.len <= 512 && !has_control(trace->value))
		ret->traceparent = trace->value;
	reason = read_identity(&found, ret, why);
	if (!reason)
		reason = read_op(&found, ret, why);
	if (!reason)
		reason = read_texts(&found, ret, why);
	return reason;
}

static size_t put(struct wb_header *ret, size_t count, const char *name, struct wb_slice value)
{
	if (!value.data)
		return count;
	ret[count] = (struct wb_header){ .name = wb_slice_cstr(name), .value = value };
	return count + 1;
}

size_t wb_record_headers(
	const struct wb_record_meta *meta, char seq_text[24], struct wb_header ret[WB_RECORD_HEADERS_MAX])
{
	size_t n = 0;

	if (meta->job.data) {
		n = put(ret, n, WB_HEADER_JOB, meta->job);
		n = put(ret, n, WB_HEADER_SEQ, wb_slice(seq_text, wb_u64_digits(meta->seq, seq_text)));
	}
	if (meta->op != WB_OP_UPSERT)
		n = put(ret, n, WB_HEADER_OP, wb_slice_cstr(wb_op_text(meta->op)));
	n = put(ret, n, WB_HEADER_DATABASE, meta->database);
	n = put(ret, n, WB_HEADER_CONTAINER, meta->container);
	n = put(ret, n, WB_HEADER_ID, meta->id);
	n = put(ret, n, WB_HEADER_PARTITION_KEY, meta->partition_key);
	n = put(ret, n, WB_HEADER_IF_MATCH, meta->if_match);
	n = put(ret, n, WB_HEADER_IF_NONE_MATCH, meta->if_none_match);
	n = put(ret, n, WB_HEADER_REPLAY_OF, meta->replay_of);
	return put(ret, n, WB_HEADER_TRACEPARENT, meta->traceparent);
}

uint32_t wb_murmur2(struct wb_slice key)
{
	const uint32_t m = 0x5bd1e995;
	const unsigned char *p = (const unsigned char *)key.data;
	size_t left = key.len;
	uint32_t h = 0x9747b28c ^ (uint32_t)key.len;

	for (; left >= 4; left -= 4, p += 4) {
		uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

		k *= m;
		k ^= k >> 24;
		k *= m;
		h *= m;
		h ^= k;
	}
	for (size_t i = left; i > 0; i--)
		h ^= (uint32_t)p[i - 1] << (8 * (i - 1));
	if (left > 0)
		h *= m;
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}

int32_t wb_murmur2_partition(struct wb_slice key, int32_t partitions)
{
	return (int32_t)(wb_murmur2(key) & 0x7fffffff) % partitions;
}
