/* A record is read twice: once whole, which says whether it is JSON and where its members are, and once more where the
 * members are lists. Nothing is copied but text with escapes, so that a view reads a topic of millions at memory speed. */
#include "common/contract/result.h"

#include "common/base/compiler.h"
#include "common/base/json_scan.h"
#include "common/contract/record.h"

#include <math.h>

#define EXACT_DIGITS 15 /* so many decimal digits are exact in a double, and so are their powers of ten */

struct reading {
	const struct wb_result_visitor *visitor;
	void *arg;
	int64_t at_ms;
	struct wb_error *e;
	struct wb_buf decoded; /* text that had escapes; never moves: it has room for all of the record at once */
};

/* A member that is looked for, and what was found: the last one of that name. */
struct member {
	struct wb_slice name;
	struct wb_json_value value;
};
#define MEMBER(text) { .name = WB_SLICE_LIT(text) }

/* wb_json_name_is for names that mostly have no escapes. */
static bool is_named(struct wb_slice raw_name, bool escaped, struct wb_slice name)
{
	if (escaped)
		return wb_json_name_is(raw_name, name.data);
	return raw_name.len - 2 == name.len && memcmp(raw_name.data + 1, name.data, name.len) == 0;
}

/* Reads an object's members to its end; false when it is no object, or not JSON. */
static bool read_members(struct wb_json_reader *json, struct member *members, size_t count)
{
	struct wb_json_value value;
	struct wb_slice name;

	if (wb_json_reader_enter(json) != '{')
		return false;
	while (wb_json_reader_next(json, &name) == 1) {
		bool escaped = memchr(name.data, '\\', name.len) != NULL;
		size_t i = 0;

		if (wb_json_reader_skip(json, &value) != WB_JSON_OK)
			return false;
		while (i < count && !is_named(name, escaped, members[i].name))
			i++;
		if (i < count)
			members[i].value = value;
	}
	return json->status == WB_JSON_OK;
}

/* The members of an element of a list; anything but an object has none. */
static void read_element(struct wb_slice object, struct member *members, size_t count)
{
	struct wb_json_reader json;

	wb_json_reader_init(&json, object);
	(void)read_members(&json, members, count);
}

/* The member's text; absent when it is no string, or has no UTF-8. */
static struct wb_slice text_of(struct reading *r, const struct member *member)
{
	struct wb_slice raw = member->value.raw, text = { NULL, 0 };

	if (member->value.type != WB_JSON_STRING)
		return text;
	if (!memchr(raw.data, '\\', raw.len))
		return wb_slice(raw.data + 1, raw.len - 2);
	/* All that is decoded of a record is shorter than the record: after this the buffer never moves. */
	if (!r->decoded.data && !wb_buf_reserve(&r->decoded, r->decoded.max))
		return text;
	if (wb_json_string_decode(raw, &r->decoded, &text) != WB_OK)
		return (struct wb_slice){ NULL, 0 };
	return text;
}

/* Numbers of a contract are never negative. */
static bool whole(struct wb_slice raw, int64_t *ret)
{
	size_t i = raw.len > 1 && raw.data[0] == '-';
	bool negative = i == 1;
	int64_t n = 0;

	for (; i < raw.len; i++) {
		int digit = raw.data[i] - '0';

		if (digit < 0 || digit > 9 || n > (INT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (negative && n > 0)
		return false;
	*ret = n;
	return true;
}

static bool whole_of(const struct member *member, int64_t *ret)
{
	return member->value.type == WB_JSON_NUMBER && whole(member->value.raw, ret);
}

/* The nearest double. Short decimals, which ours are, are the quotient of two exact doubles, hence rounded right. */
static double number_of(struct wb_slice raw)
{
	static const double tens[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15 };
	uint64_t n = 0;
	size_t point = raw.len;

	if (raw.len > EXACT_DIGITS)
		return wb_json_number(raw);
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.data[i];

		if (c == '.')
			point = i;
		else if (c >= '0' && c <= '9')
			n = n * 10 + (uint64_t)(c - '0');
		else
			return wb_json_number(raw);
	}
	return (double)n / tens[point < raw.len ? raw.len - point - 1 : 0];
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_key(struct wb_slice text, uint8_t ret[WB_RESULT_KEY_SIZE])
{
	if (text.len != 2 * WB_RESULT_KEY_SIZE)
		return false;
	for (size_t i = 0; i < WB_RESULT_KEY_SIZE; i++) {
		int high = nibble(text.data[2 * i]), low = nibble(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Members of all types of records; which of them a record has depends on its type. */
enum { TYPE, JOB, COUNT, AT, DATABASE, CONTAINER, KEY, CALLBACK, JOBS, UNTRACKED, ATTEMPT, STATUS, STATE, MEMBERS };

static enum wb_err read_accepted(struct reading *r, const struct member *members)
{
	struct wb_result_accepted accepted = {
		.job = text_of(r, &members[JOB]),
		.at_ms = r->at_ms,
		.database = text_of(r, &members[DATABASE]),
		.container = text_of(r, &members[CONTAINER]),
		.callback = text_of(r, &members[CALLBACK]),
	};
	int64_t count;

	if (!wb_job_id_valid(accepted.job))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"job\" is no job id");
	if (!whole_of(&members[COUNT], &count))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"count\" is no count");
	accepted.count = (uint64_t)count;
	accepted.has_key = read_key(text_of(r, &members[KEY]), accepted.key);
	if (accepted.callback.len == 0 || accepted.callback.len > WB_RESULT_CALLBACK_MAX)
		accepted.callback = (struct wb_slice){ NULL, 0 };
	if (r->visitor->accepted)
		r->visitor->accepted(r->arg, &accepted);
	return WB_OK;
}

static bool read_state(struct wb_slice text, enum wb_callback_state *ret)
{
	for (int s = WB_CALLBACK_RETRYING; s <= WB_CALLBACK_FAILED; s++) {
		if (wb_slice_eq_cstr(text, wb_callback_state_text((enum wb_callback_state)s))) {
			*ret = (enum wb_callback_state)s;
			return true;
		}
	}
	return false;
}

static enum wb_err read_callback(struct reading *r, const struct member *members)
{
	struct wb_result_callback callback = { .job = text_of(r, &members[JOB]), .at_ms = r->at_ms };
	int64_t attempt, status;

	if (!wb_job_id_valid(callback.job))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"job\" is no job id");
	if (!whole_of(&members[ATTEMPT], &attempt) || attempt < 1 || attempt > UINT32_MAX)
		return wb_error_set(r->e, WB_EINVAL, "results record: \"attempt\" is no number of an attempt");
	if (!whole_of(&members[STATUS], &status) || status > 999)
		return wb_error_set(r->e, WB_EINVAL, "results record: \"status\" is no HTTP status");
	if (!read_state(text_of(r, &members[STATE]), &callback.state))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"state\" is no state of a callback");
	callback.attempt = (uint32_t)attempt;
	callback.status = (int)status;
	if (r->visitor->callback)
		r->visitor->callback(r->arg, &callback);
	return WB_OK;
}

/* What one flat list of ranges is about: a job, or a partition of a topic when job is absent. */
struct subject {
	struct wb_slice job, topic;
	int32_t partition;
};

static void report_range(
	struct reading *r, const struct subject *s, enum wb_outcome outcome, int64_t first, int64_t last)
{
	const struct wb_result_visitor *v = r->visitor;

	if (s->job.data && v->job_outcome)
		v->job_outcome(r->arg, s->job, outcome, (uint64_t)first, (uint64_t)last, r->at_ms);
	if (!s->job.data && v->untracked)
		v->untracked(r->arg, s->topic, s->partition, outcome, (uint64_t)first, (uint64_t)last);
}

/* The next number of a list; false when there is none (ret_end) or it is no whole number. */
static bool next_number(struct wb_json_reader *list, int64_t *ret, bool *ret_end)
{
	struct wb_json_value value;

	*ret_end = wb_json_reader_next(list, NULL) != 1;
	return !*ret_end && wb_json_reader_skip(list, &value) == WB_JSON_OK && value.type == WB_JSON_NUMBER &&
		whole(value.raw, ret);
}

static enum wb_err read_list(
	struct reading *r, const struct subject *s, enum wb_outcome outcome, const struct member *member)
{
	struct wb_json_reader list;
	int64_t first = 0, last = 0;
	bool end;

	if (member->value.type == WB_JSON_ABSENT)
		return WB_OK;
	wb_json_reader_init(&list, member->value.raw);
	if (wb_json_reader_enter(&list) != '[')
		return wb_error_set(r->e, WB_EINVAL, "results record: \"%s\" is no list of ranges", member->name.data);
	while (next_number(&list, &first, &end)) {
		if (!next_number(&list, &last, &end) || first > last)
			return wb_error_set(
				r->e, WB_EINVAL, "results record: \"%s\" has a bad range", member->name.data);
		report_range(r, s, outcome, first, last);
	}
	return end ? WB_OK : wb_error_set(r->e, WB_EINVAL, "results record: \"%s\" has a bad range", member->name.data);
}

/* lists: the members written, superseded and dead. */
static enum wb_err read_lists(struct reading *r, const struct subject *s, const struct member *lists)
{
	enum wb_err err = WB_OK;

	for (int o = WB_WRITTEN; o <= WB_DEAD && !err; o++)
		err = read_list(r, s, (enum wb_outcome)o, &lists[o]);
	return err;
}

static void read_letter(const struct member *letter, struct wb_result_failure *ret)
{
	struct member members[] = { MEMBER("partition"), MEMBER("offset") };
	int64_t partition, offset;

	if (letter->value.type != WB_JSON_OBJECT)
		return;
	read_element(letter->value.raw, members, WB_ARRAY_LEN(members));
	if (whole_of(&members[0], &partition) && partition <= INT32_MAX && whole_of(&members[1], &offset)) {
		ret->letter_partition = (int32_t)partition;
		ret->letter_offset = offset;
	}
}

static enum wb_err read_failure(struct reading *r, struct wb_slice job, struct wb_slice object)
{
	struct member members[] = { MEMBER("seq"), MEMBER("id"), MEMBER("reason"), MEMBER("status"),
		MEMBER("deadLetter") };
	struct wb_result_failure failure = { .letter_partition = -1 };
	int64_t seq, status = 0;

	read_element(object, members, WB_ARRAY_LEN(members));
	failure.id = text_of(r, &members[1]);
	failure.reason = wb_reason_parse(text_of(r, &members[2]));
	if (!whole_of(&members[0], &seq))
		return wb_error_set(r->e, WB_EINVAL, "results record: a failure has no \"seq\"");
	failure.seq = (uint64_t)seq;
	if (whole_of(&members[3], &status) && status <= 999)
		failure.status = (int)status;
	read_letter(&members[4], &failure);
	if (r->visitor->job_failure)
		r->visitor->job_failure(r->arg, job, &failure);
	return WB_OK;
}

static enum wb_err read_failures(struct reading *r, struct wb_slice job, const struct member *failures)
{
	struct wb_json_reader list;
	struct wb_json_value failure;
	enum wb_err err = WB_OK;

	if (failures->value.type != WB_JSON_ARRAY)
		return WB_OK;
	wb_json_reader_init(&list, failures->value.raw);
	(void)wb_json_reader_enter(&list); /* it is an array */
	while (!err && wb_json_reader_next(&list, NULL) == 1 && wb_json_reader_skip(&list, &failure) == WB_JSON_OK)
		err = read_failure(r, job, failure.raw);
	return err;
}

enum { WRITTEN_LIST, SUPERSEDED_LIST, DEAD_LIST, SUBJECT, CHARGE, FAILURES, JOB_MEMBERS };
_Static_assert((int)WRITTEN_LIST == (int)WB_WRITTEN && (int)DEAD_LIST == (int)WB_DEAD, "lists stand by their outcome");

static enum wb_err read_job(struct reading *r, struct wb_json_reader *list)
{
	struct member members[JOB_MEMBERS] = { MEMBER("written"), MEMBER("superseded"), MEMBER("dead"), MEMBER("job"),
		MEMBER("charge"), MEMBER("failures") };
	const struct member *charge = &members[CHARGE];
	struct subject s = { .job = { NULL, 0 } };
	double units;
	enum wb_err err;

	if (read_members(list, members, JOB_MEMBERS))
		s.job = text_of(r, &members[SUBJECT]);
	if (!wb_job_id_valid(s.job))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"job\" is no job id");
	err = read_lists(r, &s, members);
	if (err)
		return err;
	units = charge->value.type == WB_JSON_NUMBER ? number_of(charge->value.raw) : -1;
	if (isinf(units))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"charge\" is too large for a number");
	if (units >= 0 && r->visitor->job_charge)
		r->visitor->job_charge(r->arg, s.job, units);
	return read_failures(r, s.job, &members[FAILURES]);
}

static enum wb_err read_origin(struct reading *r, struct wb_json_reader *list)
{
	struct member members[] = { MEMBER("written"), MEMBER("superseded"), MEMBER("dead"), MEMBER("topic"),
		MEMBER("partition") };
	struct subject s = { .job = { NULL, 0 } };
	int64_t partition;

	if (read_members(list, members, WB_ARRAY_LEN(members)))
		s.topic = text_of(r, &members[3]);
	if (!s.topic.data)
		return wb_error_set(r->e, WB_EINVAL, "results record: an origin has no \"topic\"");
	if (!whole_of(&members[4], &partition) || partition > INT32_MAX)
		return wb_error_set(r->e, WB_EINVAL, "results record: an origin has no \"partition\"");
	s.partition = (int32_t)partition;
	return read_lists(r, &s, members);
}

static enum wb_err read_elements(struct reading *r, const struct member *elements,
	enum wb_err (*read)(struct reading *r, struct wb_json_reader *list))
{
	struct wb_json_reader list;
	enum wb_err err = WB_OK;

	if (elements->value.type == WB_JSON_ABSENT)
		return WB_OK;
	wb_json_reader_init(&list, elements->value.raw);
	(void)wb_json_reader_enter(&list); /* it is an array */
	while (!err && wb_json_reader_next(&list, NULL) == 1)
		err = read(r, &list);
	return err;
}

static bool list_or_absent(const struct member *member)
{
	return member->value.type == WB_JSON_ABSENT || member->value.type == WB_JSON_ARRAY;
}

static enum wb_err read_outcomes(struct reading *r, const struct member *members)
{
	enum wb_err err;

	if (!list_or_absent(&members[JOBS]) || !list_or_absent(&members[UNTRACKED]))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"jobs\" and \"untracked\" are lists");
	err = read_elements(r, &members[JOBS], read_job);
	return err ? err : read_elements(r, &members[UNTRACKED], read_origin);
}

static enum wb_err read_record(struct reading *r, const struct member *members)
{
	struct wb_slice type = text_of(r, &members[TYPE]);
	enum wb_err (*read)(struct reading *r, const struct member *members) = NULL;

	if (!type.data)
		return wb_error_set(r->e, WB_EINVAL, "results record: no object with a \"type\"");
	if (wb_slice_eq_cstr(type, "outcomes"))
		read = read_outcomes;
	else if (wb_slice_eq_cstr(type, "accepted"))
		read = read_accepted;
	else if (wb_slice_eq_cstr(type, "callback"))
		read = read_callback;
	else
		return WB_OK; /* a type of a later version */
	if (!whole_of(&members[AT], &r->at_ms))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"at\" is no time in ms");
	return read(r, members);
}

enum wb_err wb_result_decode(
	struct wb_slice record, const struct wb_result_visitor *visitor, void *arg, struct wb_error *e)
{
	struct reading r = { .visitor = visitor, .arg = arg, .e = e };
	struct member members[MEMBERS] = { MEMBER("type"), MEMBER("job"), MEMBER("count"), MEMBER("at"),
		MEMBER("database"), MEMBER("container"), MEMBER("key"), MEMBER("callback"), MEMBER("jobs"),
		MEMBER("untracked"), MEMBER("attempt"), MEMBER("status"), MEMBER("state") };
	struct wb_json_reader json;
	enum wb_err err;

	if (!record.data)
		record.data = "";
	wb_json_reader_init(&json, record);
	if (wb_json_reader_peek(&json) != WB_JSON_OBJECT)
		return wb_error_set(e, WB_EINVAL, "results record: it is no JSON object");
	if (!read_members(&json, members, MEMBERS) || wb_json_reader_end(&json) != WB_JSON_OK)
		return wb_error_set(
			e, WB_EINVAL, "results record: no JSON: %s at byte %zu", json.error.text, json.error.offset);
	wb_buf_init(&r.decoded, record.len);
	err = read_record(&r, members);
	wb_buf_release(&r.decoded);
	return err;
}
