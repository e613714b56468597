#include "producer/request_stream.h"

#include "producer/operation.h"

enum wb_err wb_request_stream_init(struct wb_request_stream *s, enum wb_split_format format,
	const struct wb_item_rules *rules, enum wb_op op, struct wb_slice job, bool publishing)
{
	*s = (struct wb_request_stream){ .op = op, .publishing = publishing };
	wb_splitter_init(&s->splitter, format, rules->record_bytes_max);
	return wb_item_judge_init(&s->judge, rules, job);
}

void wb_request_stream_release(struct wb_request_stream *s)
{
	wb_item_judge_release(&s->judge);
}

static enum wb_err refused(struct wb_request_stream *s)
{
	struct wb_error *detail = &s->error.detail;

	s->refused = true;
	if (s->publishing && s->count)
		(void)wb_error_set(detail, WB_EINVAL,
			"%.420s; earlier lines may be written, though no job was accepted", detail->text);
	return WB_EINVAL;
}

static enum wb_err refuse_split(struct wb_request_stream *s, enum wb_err err, const struct wb_error *why)
{
	if (err == WB_ETOOBIG)
		(void)wb_request_refuse_item(&s->error, s->splitter.item_line, WB_REASON_TOO_LARGE, why);
	else
		(void)wb_request_refuse(&s->error, 400, "invalid-json", -1, "%s", why->text);
	return refused(s);
}

static bool judge(struct wb_request_stream *s, struct wb_slice text, struct wb_batch_write *ret)
{
	const struct wb_operation_place at = {
		.judge = &s->judge,
		.op = s->op,
		.index = s->splitter.item_line,
		.seq = s->count,
		.bytes_of = s->splitter.format == WB_SPLIT_ARRAY ? "the element" : "the line",
		.error = &s->error,
	};
	struct wb_json_document found;
	struct wb_json_error where;
	struct wb_json_reader r;
	enum wb_json_status status;

	if (s->op != WB_OP_DELETE && s->op != WB_OP_PATCH) {
		status = wb_json_scan_document(text, &s->judge.rules->paths, &found, &where);
		return status == WB_JSON_OK ? wb_operation_found(&at, &found, ret)
					    : wb_operation_refuse_json(&at, status, &where);
	}
	wb_json_reader_init(&r, text);
	if (!wb_operation_read(&at, &r, ret))
		return false;
	return wb_json_reader_end(&r) == WB_JSON_OK || wb_operation_refuse_json(&at, r.status, &r.error);
}

enum wb_err wb_request_stream_next(
	struct wb_request_stream *s, struct wb_slice *block, bool last, struct wb_batch_write *ret)
{
	struct wb_slice text;
	struct wb_error why;
	enum wb_err err;

	if (s->refused)
		return WB_EINVAL;
	err = wb_splitter_next(&s->splitter, block, last, &text, &why);
	if (err == WB_ENOTFOUND && last && s->count == 0) {
		(void)wb_request_refuse(&s->error, 400, "empty-batch", -1, "there is nothing to publish in it");
		return refused(s);
	}
	if (err == WB_ENOTFOUND)
		return err;
	if (err != WB_OK)
		return refuse_split(s, err, &why);
	if (!judge(s, text, ret))
		return refused(s);
	s->count++;
	return WB_OK;
}
