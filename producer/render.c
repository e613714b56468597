#include "producer/render.h"

#include "common/base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* Without its query: that is where secrets of URLs stand, and whoever may read jobs need not be who publishes them. */
static struct wb_slice shown_url(struct wb_slice url)
{
	const char *query = memchr(url.data, '?', url.len);

	return wb_slice(url.data, query ? (size_t)(query - url.data) : url.len);
}

static void append_callback(const struct wb_job_info *info, struct wb_buf *out)
{
	if (!info->callback.data) {
		wb_buf_append_cstr(out, ",\"callback\":null");
		return;
	}
	wb_buf_append_cstr(out, ",\"callback\":{\"url\":");
	wb_buf_append_json_string(out, shown_url(info->callback));
	wb_buf_appendf(out, ",\"state\":\"%s\"", wb_callback_state_text(info->callback_state));
	member_u64(out, "attempts", info->callback_attempts);
	if (info->callback_status)
		member_u64(out, "lastStatus", (uint64_t)info->callback_status);
	else
		wb_buf_append_cstr(out, ",\"lastStatus\":null");
	if (info->callback_attempts)
		member_time(out, "lastAttemptAt", info->callback_at_ms);
	else
		wb_buf_append_cstr(out, ",\"lastAttemptAt\":null");
	wb_buf_append_char(out, '}');
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
	append_callback(info, ret);
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

void wb_render_etag(struct wb_slice representation, char ret[WB_ETAG_SIZE])
{
	/* FNV-1a of 64 bits (Fowler, Noll, Vo): two states of one job need to differ, nobody has to be kept from
	 * finding equal ones. */
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < representation.len; i++)
		hash = (hash ^ (uint8_t)representation.data[i]) * UINT64_C(0x100000001b3);
	(void)snprintf(ret, WB_ETAG_SIZE, "\"%016llx\"", (unsigned long long)hash);
}

bool wb_etag_matches(struct wb_slice list, const char *etag)
{
	const char *p = list.data ? list.data : "", *end = p + list.len;
	size_t len = strlen(etag);

	while (p < end) {
		while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
			p++;
		if (p < end && *p == '*')
			return true;
		if (end - p > 2 && p[0] == 'W' && p[1] == '/')
			p += 2;
		if ((size_t)(end - p) >= len && memcmp(p, etag, len) == 0)
			return true;
		/* On to what stands behind this tag, whose inside may have commas. */
		if (p < end && *p == '"')
			for (p++; p < end && *p != '"'; p++)
				;
		while (p < end && *p != ',')
			p++;
	}
	return false;
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
