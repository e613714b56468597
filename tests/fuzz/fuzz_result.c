/* Records of the results topic: our decoder against one that is written with jansson. Where both take the text for JSON
 * (fuzz_json_scan.c is about where they do not), both must say the same about it: whether it is a results record, and if
 * so, the same things in the same order.
 */
#include "common/base/json_scan.h"
#include "common/contract/record.h"
#include "common/contract/result.h"

#include <jansson.h>

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SAID_BYTES_MAX = 1 << 24 };

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fuzz_result: %s\n", what);
	abort();
}

/* What was said: a line a call. */

static void say_text(struct wb_buf *said, struct wb_slice text)
{
	wb_buf_appendf(said, " %d:", text.data ? (int)text.len : -1);
	if (text.data)
		wb_buf_append_slice(said, text);
}

static void on_accepted(void *arg, const struct wb_result_accepted *a)
{
	struct wb_buf *said = arg;

	wb_buf_appendf(said, "accepted %llu %lld", (unsigned long long)a->count, (long long)a->at_ms);
	say_text(said, a->job);
	say_text(said, a->database);
	say_text(said, a->container);
	say_text(said, a->callback);
	for (size_t i = 0; a->has_key && i < WB_RESULT_KEY_SIZE; i++)
		wb_buf_appendf(said, "%02x", a->key[i]);
	wb_buf_append_char(said, '\n');
}

static void on_outcome(void *arg, struct wb_slice job, enum wb_outcome o, uint64_t first, uint64_t last, int64_t at_ms)
{
	wb_buf_appendf(arg, "%.*s %d %llu %llu %lld\n", WB_SLICE_ARGS(job), (int)o, (unsigned long long)first,
		(unsigned long long)last, (long long)at_ms);
}

static void on_charge(void *arg, struct wb_slice job, double units)
{
	wb_buf_appendf(arg, "%.*s charge %.17g\n", WB_SLICE_ARGS(job), units);
}

static void on_failure(void *arg, struct wb_slice job, const struct wb_result_failure *f)
{
	wb_buf_appendf(arg, "%.*s failure %llu %d %d %d %lld", WB_SLICE_ARGS(job), (unsigned long long)f->seq,
		(int)f->reason, f->status, (int)f->letter_partition, (long long)f->letter_offset);
	say_text(arg, f->id);
	wb_buf_append_char(arg, '\n');
}

static void on_untracked(
	void *arg, struct wb_slice topic, int32_t partition, enum wb_outcome o, uint64_t first, uint64_t last)
{
	wb_buf_appendf(arg, "untracked %d %d %llu %llu", (int)partition, (int)o, (unsigned long long)first,
		(unsigned long long)last);
	say_text(arg, topic);
	wb_buf_append_char(arg, '\n');
}

static void on_callback(void *arg, const struct wb_result_callback *c)
{
	wb_buf_appendf(arg, "%.*s callback %lld %u %d %s\n", WB_SLICE_ARGS(c->job), (long long)c->at_ms,
		(unsigned)c->attempt, c->status, wb_callback_state_text(c->state));
}

/* The same with jansson. */

static struct wb_slice string_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? wb_slice(json_string_value(value), json_string_length(value))
				     : (struct wb_slice){ 0 };
}

static bool whole_of(const json_t *value, int64_t *ret)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret = json_integer_value(value);
	return true;
}

static bool tree_accepted(const json_t *root, int64_t at_ms, struct wb_buf *said)
{
	struct wb_result_accepted a = { .job = string_of(root, "job"),
		.at_ms = at_ms,
		.database = string_of(root, "database"),
		.container = string_of(root, "container"),
		.callback = string_of(root, "callback") };
	struct wb_slice key = string_of(root, "key");
	int64_t count;

	if (!wb_job_id_valid(a.job) || !whole_of(json_object_get(root, "count"), &count))
		return false;
	a.count = (uint64_t)count;
	if (a.callback.len == 0 || a.callback.len > WB_RESULT_CALLBACK_MAX)
		a.callback = (struct wb_slice){ NULL, 0 };
	a.has_key = wb_job_id_valid(key); /* of the same form */
	for (size_t i = 0; a.has_key && i < WB_RESULT_KEY_SIZE; i++) {
		char digits[3] = { key.data[2 * i], key.data[2 * i + 1], '\0' };

		a.key[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	on_accepted(said, &a);
	return true;
}

static bool tree_callback(const json_t *root, int64_t at_ms, struct wb_buf *said)
{
	struct wb_result_callback c = { .job = string_of(root, "job"), .at_ms = at_ms };
	struct wb_slice state = string_of(root, "state");
	int64_t attempt, status;

	if (!wb_job_id_valid(c.job) || !whole_of(json_object_get(root, "attempt"), &attempt) || attempt < 1 ||
		attempt > UINT32_MAX || !whole_of(json_object_get(root, "status"), &status) || status > 999)
		return false;
	c.attempt = (uint32_t)attempt;
	c.status = (int)status;
	c.state = wb_slice_eq_cstr(state, "retrying")  ? WB_CALLBACK_RETRYING
		: wb_slice_eq_cstr(state, "delivered") ? WB_CALLBACK_DELIVERED
		: wb_slice_eq_cstr(state, "failed")    ? WB_CALLBACK_FAILED
						       : WB_CALLBACK_NONE;
	if (c.state == WB_CALLBACK_NONE)
		return false;
	on_callback(said, &c);
	return true;
}

/* Of a job, or of a partition when job is absent. */
static bool tree_ranges(
	const json_t *object, int64_t at_ms, struct wb_slice job, int32_t partition, struct wb_buf *said)
{
	for (int o = WB_WRITTEN; o <= WB_DEAD; o++) {
		const json_t *list = json_object_get(object, wb_outcome_text((enum wb_outcome)o));

		if (list && (!json_is_array(list) || json_array_size(list) % 2))
			return false;
		for (size_t i = 0; i < json_array_size(list); i += 2) {
			int64_t first, last;

			if (!whole_of(json_array_get(list, i), &first) ||
				!whole_of(json_array_get(list, i + 1), &last) || first > last)
				return false;
			if (job.data)
				on_outcome(said, job, (enum wb_outcome)o, (uint64_t)first, (uint64_t)last, at_ms);
			else
				on_untracked(said, string_of(object, "topic"), partition, (enum wb_outcome)o,
					(uint64_t)first, (uint64_t)last);
		}
	}
	return true;
}

static bool tree_failure(const json_t *object, struct wb_slice job, struct wb_buf *said)
{
	const json_t *letter = json_object_get(object, "deadLetter");
	struct wb_result_failure f = { .id = string_of(object, "id"),
		.reason = wb_reason_parse(string_of(object, "reason")),
		.letter_partition = -1 };
	int64_t seq, partition, offset, status;

	if (!whole_of(json_object_get(object, "seq"), &seq))
		return false;
	f.seq = (uint64_t)seq;
	if (whole_of(json_object_get(object, "status"), &status) && status <= 999)
		f.status = (int)status;
	if (whole_of(json_object_get(letter, "partition"), &partition) && partition <= INT32_MAX &&
		whole_of(json_object_get(letter, "offset"), &offset)) {
		f.letter_partition = (int32_t)partition;
		f.letter_offset = offset;
	}
	on_failure(said, job, &f);
	return true;
}

static bool tree_job(const json_t *object, int64_t at_ms, struct wb_buf *said)
{
	const json_t *charge = json_object_get(object, "charge"), *failures = json_object_get(object, "failures");
	struct wb_slice job = string_of(object, "job");
	bool good = true;

	if (!wb_job_id_valid(job) || !tree_ranges(object, at_ms, job, 0, said))
		return false;
	if (json_is_number(charge) && json_number_value(charge) >= 0)
		on_charge(said, job, json_number_value(charge));
	for (size_t i = 0; good && i < json_array_size(failures); i++)
		good = tree_failure(json_array_get(failures, i), job, said);
	return good;
}

static bool tree_origin(const json_t *object, int64_t at_ms, struct wb_buf *said)
{
	int64_t partition;

	return string_of(object, "topic").data && whole_of(json_object_get(object, "partition"), &partition) &&
		partition <= INT32_MAX &&
		tree_ranges(object, at_ms, (struct wb_slice){ NULL, 0 }, (int32_t)partition, said);
}

static bool tree_outcomes(const json_t *root, int64_t at_ms, struct wb_buf *said)
{
	const json_t *jobs = json_object_get(root, "jobs"), *origins = json_object_get(root, "untracked");
	bool good = (!jobs || json_is_array(jobs)) && (!origins || json_is_array(origins));

	for (size_t i = 0; good && i < json_array_size(jobs); i++)
		good = tree_job(json_array_get(jobs, i), at_ms, said);
	for (size_t i = 0; good && i < json_array_size(origins); i++)
		good = tree_origin(json_array_get(origins, i), at_ms, said);
	return good;
}

static bool tree_record(const json_t *root, struct wb_buf *said)
{
	struct wb_slice type = string_of(root, "type");
	bool accepted = wb_slice_eq_cstr(type, "accepted"), callback = wb_slice_eq_cstr(type, "callback");
	int64_t at_ms;

	if (!type.data)
		return false;
	if (!accepted && !callback && !wb_slice_eq_cstr(type, "outcomes"))
		return true;
	if (!whole_of(json_object_get(root, "at"), &at_ms))
		return false;
	return accepted    ? tree_accepted(root, at_ms, said)
		: callback ? tree_callback(root, at_ms, said)
			   : tree_outcomes(root, at_ms, said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wb_result_visitor visitor = { on_accepted, on_outcome, on_charge, on_failure, on_untracked,
		on_callback };
	struct wb_slice text = wb_slice((const char *)data, size);
	struct wb_buf ours, theirs;
	struct wb_json_value value;
	struct wb_json_error where;
	struct wb_error e = { "" };
	bool json = wb_json_scan_value(text, &value, &where) == WB_JSON_OK, good;
	json_t *root = json_loadb(text.data ? text.data : "", text.len, JSON_ALLOW_NUL, NULL);

	wb_buf_init(&ours, SAID_BYTES_MAX);
	wb_buf_init(&theirs, SAID_BYTES_MAX);
	good = wb_result_decode(text, &visitor, &ours, &e) == WB_OK;
	must(good == (e.text[0] == '\0'), "a refusal has its sentence, and nothing else has");
	must(json || root || !good, "what is no JSON is taken for a record");
	if (json && root) {
		must(tree_record(root, &theirs) == good, "they judge a record differently");
		must(!good || wb_slice_eq(wb_buf_slice(&ours), wb_buf_slice(&theirs)), "they read different things");
	}
	json_decref(root);
	wb_buf_release(&ours);
	wb_buf_release(&theirs);
	return 0;
}
