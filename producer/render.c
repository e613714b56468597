#include "producer/render.h"

#include "common/base/clock.h"

#include <math.h>

static void member_u64(struct wb_buf *out, const char *name, uint64_t value)
{
	wb_buf_append_cstr(out, ",\"");
	wb_buf_append_cstr(out, name);
	wb_buf_append_cstr(out, "\":");
	wb_buf_append_u64(out, value);
}

static void member_time(struct wb_buf *out, const char *name, int64_t wall_ms)
{
	char text[WB_CLOCK_RFC3339_SIZE];

	wb_clock_rfc3339(wall_ms, text);
	wb_buf_appendf(out, ",\"%s\":\"%s\"", name, text);
}

static void append_failure(const struct wb_result_failure *f, struct wb_buf *out)
{
	wb_buf_append_cstr(out, "{\"seq\":");
	wb_buf_append_u64(out, f->seq);
	wb_buf_append_cstr(out, ",\"id\":");
	if (f->id.data)
		wb_buf_append_json_string(out, f->id);
	else
		wb_buf_append_cstr(out, "null");
	wb_buf_appendf(out, ",\"reason\":\"%s\",\"status\":", wb_reason_text(f->reason));
	if (f->status)
		wb_buf_append_i64(out, f->status);
	else
		wb_buf_append_cstr(out, "null");
	if (f->letter_partition >= 0)
		wb_buf_appendf(out, ",\"deadLetter\":{\"partition\":%d,\"offset\":%lld}}", (int)f->letter_partition,
			(long long)f->letter_offset);
	else
		wb_buf_append_cstr(out, ",\"deadLetter\":null}");
}

void wb_render_job(const struct wb_job_info *info, bool with_failures, struct wb_buf *ret)
{
	double charge = isfinite(info->request_charge) ? info->request_charge : 0;

	wb_buf_appendf(ret, "{\"jobId\":\"%s\",\"status\":\"%s\"", info->id, wb_job_status_text(info->status));
	member_u64(ret, "accepted", info->accepted);
	member_u64(ret, "written", info->written);
	member_u64(ret, "superseded", info->superseded);
	member_u64(ret, "dead", info->dead);
	member_u64(ret, "pending", info->pending);
	wb_buf_appendf(ret, ",\"requestCharge\":%.12g", charge);
	member_time(ret, "createdAt", info->created_ms);
	if (info->completed_ms)
		member_time(ret, "completedAt", info->completed_ms);
	else
		wb_buf_append_cstr(ret, ",\"completedAt\":null");
	if (with_failures) {
		wb_buf_append_cstr(ret, ",\"failures\":[");
		for (size_t i = 0; i < info->failure_count; i++) {
			if (i)
				wb_buf_append_char(ret, ',');
			append_failure(&info->failures[i], ret);
		}
		wb_buf_append_char(ret, ']');
	}
	wb_buf_append_char(ret, '}');
}

void wb_render_ledger(const struct wb_job_totals *totals, struct wb_buf *ret)
{
	wb_buf_append_cstr(ret, "{\"accepted\":");
	wb_buf_append_u64(ret, totals->accepted);
	member_u64(ret, "unaccepted", totals->unaccepted);
	member_u64(ret, "written", totals->written);
	member_u64(ret, "superseded", totals->superseded);
	member_u64(ret, "dead", totals->dead);
	member_u64(ret, "pending", totals->pending);
	wb_buf_append_char(ret, '}');
}

void wb_render_accepted(const char *job_id, size_t count, const char *status_url, struct wb_buf *ret)
{
	wb_buf_appendf(ret,
		"{\"success\":true,\"jobId\":\"%s\",\"accepted\":%zu,\"status\":\"Running\",\"statusUrl\":", job_id,
		count);
	wb_buf_append_json_string(ret, wb_slice_cstr(status_url));
	wb_buf_append_char(ret, '}');
}
