#include "common/contract/result.h"

#include "common/base/compiler.h"
#include "common/contract/record.h"

#include <jansson.h>

struct reading {
	const struct wb_result_visitor *visitor;
	void *arg;
	int64_t at_ms;
	struct wb_error *e;
};

/* The member's text; absent when there is none or it is no string. */
static struct wb_slice string_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? wb_slice(json_string_value(value), json_string_length(value))
				     : (struct wb_slice){ 0 };
}

/* Numbers of a contract are never negative. */
static bool whole_of(const json_t *value, int64_t *ret)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret = json_integer_value(value);
	return true;
}

static enum wb_err read_accepted(struct reading *r, const json_t *root)
{
	struct wb_result_accepted accepted = {
		.job = string_of(root, "job"),
		.at_ms = r->at_ms,
		.database = string_of(root, "database"),
		.container = string_of(root, "container"),
	};
	int64_t count;

	if (!wb_job_id_valid(accepted.job))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"job\" is no job id");
	if (!whole_of(json_object_get(root, "count"), &count))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"count\" is no count");
	accepted.count = (uint64_t)count;
	if (r->visitor->accepted)
		r->visitor->accepted(r->arg, &accepted);
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

static enum wb_err read_ranges(struct reading *r, const struct subject *s, const json_t *object)
{
	for (int o = WB_WRITTEN; o <= WB_DEAD; o++) {
		const char *name = wb_outcome_text((enum wb_outcome)o);
		const json_t *list = json_object_get(object, name);
		size_t count = json_array_size(list);

		if (list && (!json_is_array(list) || count % 2))
			return wb_error_set(r->e, WB_EINVAL, "results record: \"%s\" is no list of ranges", name);
		for (size_t i = 0; i < count; i += 2) {
			int64_t first, last;

			if (!whole_of(json_array_get(list, i), &first) ||
				!whole_of(json_array_get(list, i + 1), &last) || first > last)
				return wb_error_set(r->e, WB_EINVAL, "results record: \"%s\" has a bad range", name);
			report_range(r, s, (enum wb_outcome)o, first, last);
		}
	}
	return WB_OK;
}

static enum wb_err read_failure(struct reading *r, struct wb_slice job, const json_t *object)
{
	const json_t *letter = json_object_get(object, "deadLetter");
	struct wb_result_failure failure = {
		.id = string_of(object, "id"),
		.reason = wb_reason_parse(string_of(object, "reason")),
		.letter_partition = -1,
	};
	int64_t seq, partition, offset, status = 0;

	if (!whole_of(json_object_get(object, "seq"), &seq))
		return wb_error_set(r->e, WB_EINVAL, "results record: a failure has no \"seq\"");
	failure.seq = (uint64_t)seq;
	if (whole_of(json_object_get(object, "status"), &status) && status <= 999)
		failure.status = (int)status;
	if (whole_of(json_object_get(letter, "partition"), &partition) && partition <= INT32_MAX &&
		whole_of(json_object_get(letter, "offset"), &offset)) {
		failure.letter_partition = (int32_t)partition;
		failure.letter_offset = offset;
	}
	if (r->visitor->job_failure)
		r->visitor->job_failure(r->arg, job, &failure);
	return WB_OK;
}

static enum wb_err read_job(struct reading *r, const json_t *object)
{
	const json_t *charge = json_object_get(object, "charge"), *failures = json_object_get(object, "failures");
	struct subject s = { .job = string_of(object, "job") };
	enum wb_err err;

	if (!wb_job_id_valid(s.job))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"job\" is no job id");
	err = read_ranges(r, &s, object);
	if (err)
		return err;
	if (json_is_number(charge) && json_number_value(charge) >= 0 && r->visitor->job_charge)
		r->visitor->job_charge(r->arg, s.job, json_number_value(charge));
	for (size_t i = 0; i < json_array_size(failures); i++) {
		err = read_failure(r, s.job, json_array_get(failures, i));
		if (err)
			return err;
	}
	return WB_OK;
}

static enum wb_err read_origin(struct reading *r, const json_t *object)
{
	struct subject s = { .topic = string_of(object, "topic") };
	int64_t partition;

	if (!s.topic.data)
		return wb_error_set(r->e, WB_EINVAL, "results record: an origin has no \"topic\"");
	if (!whole_of(json_object_get(object, "partition"), &partition) || partition > INT32_MAX)
		return wb_error_set(r->e, WB_EINVAL, "results record: an origin has no \"partition\"");
	s.partition = (int32_t)partition;
	return read_ranges(r, &s, object);
}

static enum wb_err read_outcomes(struct reading *r, const json_t *root)
{
	const json_t *jobs = json_object_get(root, "jobs"), *origins = json_object_get(root, "untracked");
	enum wb_err err = WB_OK;

	if ((jobs && !json_is_array(jobs)) || (origins && !json_is_array(origins)))
		return wb_error_set(r->e, WB_EINVAL, "results record: \"jobs\" and \"untracked\" are lists");
	for (size_t i = 0; !err && i < json_array_size(jobs); i++)
		err = read_job(r, json_array_get(jobs, i));
	for (size_t i = 0; !err && i < json_array_size(origins); i++)
		err = read_origin(r, json_array_get(origins, i));
	return err;
}

enum wb_err wb_result_decode(
	struct wb_slice record, const struct wb_result_visitor *visitor, void *arg, struct wb_error *e)
{
	struct reading r = { .visitor = visitor, .arg = arg, .e = e };
	json_error_t where;
	json_t *root = json_loadb(record.data ? record.data : "", record.len, JSON_ALLOW_NUL, &where);
	struct wb_slice type = string_of(root, "type");
	enum wb_err err = WB_OK;

	if (!root)
		err = wb_error_set(e, WB_EINVAL, "results record: no JSON: %s at byte %d", where.text, where.position);
	else if (!type.data)
		err = wb_error_set(e, WB_EINVAL, "results record: no object with a \"type\"");
	else if (!wb_slice_eq_cstr(type, "accepted") && !wb_slice_eq_cstr(type, "outcomes"))
		err = WB_OK; /* a type of a later version */
	else if (!whole_of(json_object_get(root, "at"), &r.at_ms))
		err = wb_error_set(e, WB_EINVAL, "results record: \"at\" is no time in ms");
	else if (wb_slice_eq_cstr(type, "accepted"))
		err = read_accepted(&r, root);
	else
		err = read_outcomes(&r, root);
	json_decref(root);
	return err;
}
