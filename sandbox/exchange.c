#include "sandbox/exchange.h"

#include "common/base/crypto.h"
#include "common/base/mem.h"

#include <stdlib.h>
#include <strings.h>

#define TEXTS_MAX (WB_WEB_HEAD_MAX + 64)
#define IDS_MAX   (WB_BULK_OPERATIONS_MAX * 8192)

struct wb_exchange_scratch *wb_exchange_scratch_new(void)
{
	struct wb_exchange_scratch *s = wb_xcalloc(1, sizeof *s);

	wb_document_scratch_init(&s->strings);
	wb_buf_init(&s->texts, TEXTS_MAX);
	wb_buf_init(&s->ids, IDS_MAX);
	wb_crypto_random(&s->random, sizeof s->random);
	return s;
}

void wb_exchange_scratch_free(struct wb_exchange_scratch **s)
{
	if (!*s)
		return;
	wb_buf_release(&(*s)->strings);
	wb_buf_release(&(*s)->texts);
	wb_buf_release(&(*s)->ids);
	free(*s);
	*s = NULL;
}

struct wb_slice wb_exchange_decode(struct wb_exchange *x, struct wb_slice s)
{
	struct wb_buf *b = &x->scratch->texts;
	char *out = b->cap - b->len > s.len ? b->data + b->len : NULL;
	size_t len;

	if (!s.len || !memchr(s.data, '%', s.len))
		return s;
	if (!out)
		return wb_slice(NULL, 0);
	len = wb_web_percent_decode(s, out);
	if (len == SIZE_MAX)
		return wb_slice(NULL, 0);
	b->len += len;
	return wb_slice(out, len);
}

bool wb_exchange_open(struct wb_exchange *x)
{
	struct wb_slice path = x->request->path;
	size_t at = 1;

	wb_buf_clear(&x->scratch->texts);
	if (!wb_buf_reserve(&x->scratch->texts, TEXTS_MAX - 1)) {
		wb_exchange_error(x, 503, 0, -1, "The sandbox is out of memory.");
		return false;
	}
	while (at < path.len) {
		const char *slash = memchr(path.data + at, '/', path.len - at);
		size_t len = slash ? (size_t)(slash - path.data) - at : path.len - at;
		struct wb_slice segment = wb_slice(NULL, 0);

		if (len > 0 && x->segment_count < WB_SEGMENTS_MAX)
			segment = wb_exchange_decode(x, wb_slice(path.data + at, len));
		if (!segment.data) {
			wb_exchange_error(x, 400, 0, -1, "The request path is malformed.");
			return false;
		}
		x->segments[x->segment_count++] = segment;
		at += len + 1;
	}
	return true;
}

bool wb_exchange_is(const struct wb_exchange *x, const char *method)
{
	return wb_slice_eq_cstr(x->request->method, method);
}

struct wb_slice wb_exchange_header(const struct wb_exchange *x, const char *name)
{
	return wb_web_header(x->request, name);
}

bool wb_exchange_flag(const struct wb_exchange *x, const char *name)
{
	struct wb_slice value = wb_exchange_header(x, name);

	return value.len == 4 && strncasecmp(value.data, "true", 4) == 0;
}

struct wb_journal *wb_exchange_journal(const struct wb_exchange *x)
{
	return wb_journal_is_on(x->state->journal) ? x->state->journal : NULL;
}

void wb_exchange_reply_header(struct wb_exchange *x, const char *name, struct wb_slice value)
{
	struct wb_buf *head = &x->reply->head;

	wb_buf_append_cstr(head, name);
	wb_buf_append_cstr(head, ": ");
	wb_buf_append_slice(head, value);
	wb_buf_append_cstr(head, "\r\n");
}

static void append_activity_id(struct wb_exchange *x)
{
	struct wb_slice given = wb_exchange_header(x, "x-ms-activity-id");
	uint64_t a = wb_prng_next(&x->scratch->random), b = wb_prng_next(&x->scratch->random);

	if (given.len > 0 && given.len <= 64) {
		wb_exchange_reply_header(x, "x-ms-activity-id", given);
		return;
	}
	wb_buf_appendf(&x->reply->head, "x-ms-activity-id: %08x-%04x-4%03x-a%03x-%012llx\r\n", (unsigned)(a >> 32),
		(unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(b >> 52),
		(unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

void wb_exchange_begin(struct wb_exchange *x, unsigned status, double charge)
{
	wb_buf_clear(&x->reply->body);
	wb_exchange_head(x, status, charge);
}

void wb_exchange_head(struct wb_exchange *x, unsigned status, double charge)
{
	struct wb_buf *head = &x->reply->head;

	x->reply->status = status;
	wb_buf_clear(head);
	wb_buf_append_cstr(head,
		"Content-Type: application/json\r\nServer: writebehind-sandbox\r\n"
		"x-ms-gatewayversion: version=2.14.0\r\nx-ms-serviceversion: version=2.14.0.0\r\n"
		"x-ms-schemaversion: 1.19\r\nx-ms-request-charge: ");
	wb_request_units_append(head, charge);
	wb_buf_append_cstr(head, "\r\n");
	append_activity_id(x);
}

static const char *error_code(unsigned status)
{
	switch (status) {
	case 400:
		return "BadRequest";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "NotFound";
	case 405:
		return "MethodNotAllowed";
	case 408:
		return "RequestTimeout";
	case 409:
		return "Conflict";
	case 410:
		return "Gone";
	case 412:
		return "PreconditionFailed";
	case 413:
		return "RequestEntityTooLarge";
	case 424:
		return "FailedDependency";
	case 429:
		return "429";
	case 449:
		return "RetryWith";
	case 500:
		return "InternalServerError";
	case 503:
		return "ServiceUnavailable";
	case 507:
		return "InsufficientStorage";
	default:
		return NULL;
	}
}

void wb_exchange_error(
	struct wb_exchange *x, unsigned status, unsigned substatus, int64_t retry_after_ms, const char *message)
{
	const char *code = error_code(status);
	struct wb_buf *head = &x->reply->head, *body = &x->reply->body;

	wb_exchange_begin(x, status, wb_request_units_charge(WB_OPERATION_METADATA, status < 400 ? 400 : status, 0));
	if (substatus)
		wb_buf_appendf(head, "x-ms-substatus: %u\r\n", substatus);
	if (retry_after_ms >= 0)
		wb_buf_appendf(head, "x-ms-retry-after-ms: %lld\r\n", (long long)retry_after_ms);
	if (status == 304)
		return;
	wb_buf_append_cstr(body, "{\"code\":");
	if (code)
		wb_buf_append_json_string(body, wb_slice_cstr(code));
	else
		wb_buf_appendf(body, "\"%u\"", status);
	wb_buf_append_cstr(body, ",\"message\":");
	wb_buf_append_json_string(body, wb_slice_cstr(message));
	wb_buf_append_char(body, '}');
}

void wb_exchange_range_headers(struct wb_exchange *x, const struct wb_range *range, uint64_t session_number)
{
	wb_buf_appendf(&x->reply->head,
		"x-ms-session-token: %s:-1#%llu\r\nx-ms-documentdb-partitionkeyrangeid: %s\r\nlsn: %llu\r\n", range->id,
		(unsigned long long)session_number, range->id, (unsigned long long)session_number);
}
