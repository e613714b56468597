#include "consumer/bulk.h"

#include "common/base/json_scan.h"

#include <assert.h>
#include <math.h>

/* A plain upsert, which is nearly everything, in three pieces. */
#define UPSERT_BEGIN "{\"operationType\":\"Upsert\",\"partitionKey\":\""
#define UPSERT_BODY  "\",\"resourceBody\":"
#define UPSERT_END   ",\"minimalReturnPreference\":true}"

/* Any operation: what stands before each of its parts. */
#define TYPE          "{\"operationType\":\""
#define ID            ",\"id\":"
#define KEY           ",\"partitionKey\":\""
#define IF_MATCH      ",\"ifMatch\":"
#define IF_NONE_MATCH ",\"ifNoneMatch\":"
#define BODY          ",\"resourceBody\":"
#define WRAP_BEGIN    "{\"operations\":"
#define MINIMAL       ",\"minimalReturnPreference\":true"

#define LEN(literal) (sizeof(literal) - 1)

/* A comma and, once a body, the closing bracket, or the opening one instead of a comma. */
#define FRAME_BYTES 2

/* The canonical key is printable ASCII, of which JSON escapes only these two. */
static bool needs_escape(char c)
{
	return c == '"' || c == '\\';
}

static size_t key_size(struct wb_slice pk_text)
{
	size_t size = pk_text.len;

	for (size_t i = 0; i < pk_text.len; i++)
		size += needs_escape(pk_text.data[i]);
	return size;
}

/* As wb_buf_append_json_string writes it at the longest, quotes included. */
static size_t id_size_max(struct wb_slice id)
{
	size_t size = 2;

	for (size_t i = 0; i < id.len; i++) {
		unsigned char c = (unsigned char)id.data[i];

		size += c < 0x20 ? 6 : c >= 0x80 ? 3 : needs_escape((char)c) ? 2 : 1;
	}
	return size;
}

static const char *type_of(const struct wb_write *w)
{
	if (wb_write_is_create(w))
		return "Create";
	switch (w->op) {
	case WB_OP_REPLACE:
		return "Replace";
	case WB_OP_DELETE:
		return "Delete";
	case WB_OP_PATCH:
		return "Patch";
	case WB_OP_UPSERT:
	case WB_OP_CREATE:
		break;
	}
	return "Upsert";
}

/* The others carry it in their document. */
static bool names_id(const struct wb_write *w)
{
	return w->op == WB_OP_REPLACE || w->op == WB_OP_DELETE || w->op == WB_OP_PATCH;
}

/* "Create" says it already. */
static bool sends_if_none_match(const struct wb_write *w)
{
	return w->if_none_match.data && !wb_write_is_create(w);
}

/* Operations without the object around them. */
static bool is_bare_patch(const struct wb_write *w)
{
	return w->op == WB_OP_PATCH && w->document.data[0] == '[';
}

static size_t plain_upsert_size(const struct wb_write *w)
{
	return LEN(UPSERT_BEGIN UPSERT_BODY UPSERT_END) + key_size(w->pk_text) + w->document.len;
}

static size_t any_size(const struct wb_write *w)
{
	size_t size = LEN(TYPE) + strlen(type_of(w)) + LEN("\"" KEY "\"}") + key_size(w->pk_text);

	if (names_id(w))
		size += LEN(ID) + id_size_max(w->id);
	if (w->if_match.data)
		size += LEN(IF_MATCH) + id_size_max(w->if_match);
	if (sends_if_none_match(w))
		size += LEN(IF_NONE_MATCH) + id_size_max(w->if_none_match);
	if (w->op != WB_OP_DELETE)
		size += LEN(BODY MINIMAL) + w->document.len;
	if (is_bare_patch(w))
		size += LEN(WRAP_BEGIN "}");
	return size;
}

size_t wb_bulk_operation_size(const struct wb_write *w)
{
	return FRAME_BYTES + (wb_write_is_plain_upsert(w) ? plain_upsert_size(w) : any_size(w));
}

static char *put(char *to, const char *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return to + len;
}

static char *put_key(char *to, struct wb_slice pk_text)
{
	for (size_t i = 0; i < pk_text.len; i++) {
		if (needs_escape(pk_text.data[i]))
			*to++ = '\\';
		*to++ = pk_text.data[i];
	}
	return to;
}

static void append_key(struct wb_buf *body, struct wb_slice pk_text)
{
	char *to = wb_buf_reserve(body, key_size(pk_text));

	if (to)
		body->len += (size_t)(put_key(to, pk_text) - to);
}

static struct wb_slice document_of(const struct wb_write *w)
{
	return w->op != WB_OP_DELETE ? w->document : wb_slice(NULL, 0);
}

/* Here its document belongs. */
static void cut(struct wb_bulk_body *body, const struct wb_write *w)
{
	body->cuts[body->count++] = (uint32_t)body->frames.len;
	body->bytes += document_of(w).len;
}

static void add_plain_upsert(struct wb_bulk_body *body, const struct wb_write *w)
{
	size_t size = plain_upsert_size(w) - w->document.len;
	char *begin = wb_buf_reserve(&body->frames, size), *to;

	if (!begin)
		return;
	to = put(begin, UPSERT_BEGIN, sizeof UPSERT_BEGIN - 1);
	to = put_key(to, w->pk_text);
	to = put(to, UPSERT_BODY, sizeof UPSERT_BODY - 1);
	body->frames.len += (size_t)(to - begin);
	cut(body, w);
	(void)put(to, UPSERT_END, sizeof UPSERT_END - 1); /* nothing follows */
	body->frames.len += sizeof UPSERT_END - 1;
}

/* A patch as an object, which takes a condition beside the operations. */
static void add_document(struct wb_bulk_body *body, const struct wb_write *w)
{
	wb_buf_append_cstr(&body->frames, BODY);
	if (is_bare_patch(w))
		wb_buf_append_cstr(&body->frames, WRAP_BEGIN);
	cut(body, w);
	if (is_bare_patch(w))
		wb_buf_append_char(&body->frames, '}');
	wb_buf_append_cstr(&body->frames, MINIMAL);
}

static void add_any(struct wb_bulk_body *body, const struct wb_write *w)
{
	struct wb_buf *frames = &body->frames;

	wb_buf_append_cstr(frames, TYPE);
	wb_buf_append_cstr(frames, type_of(w));
	wb_buf_append_char(frames, '"');
	if (names_id(w)) {
		wb_buf_append_cstr(frames, ID);
		wb_buf_append_json_string(frames, w->id);
	}
	wb_buf_append_cstr(frames, KEY);
	append_key(frames, w->pk_text);
	wb_buf_append_char(frames, '"');
	if (w->if_match.data) {
		wb_buf_append_cstr(frames, IF_MATCH);
		wb_buf_append_json_string(frames, w->if_match);
	}
	if (sends_if_none_match(w)) {
		wb_buf_append_cstr(frames, IF_NONE_MATCH);
		wb_buf_append_json_string(frames, w->if_none_match);
	}
	if (w->op == WB_OP_DELETE)
		cut(body, w);
	else
		add_document(body, w);
	wb_buf_append_char(frames, '}');
}

void wb_bulk_init(struct wb_bulk_body *body, size_t max_bytes)
{
	*body = (struct wb_bulk_body){ 0 };
	wb_buf_init(&body->frames, max_bytes);
}

void wb_bulk_release(struct wb_bulk_body *body)
{
	wb_buf_release(&body->frames);
	body->count = body->bytes = 0;
}

void wb_bulk_write(struct wb_bulk_body *body, const struct wb_list *writes)
{
	assert(writes->count <= WB_BULK_OPERATIONS_MAX);
	wb_buf_clear(&body->frames);
	body->count = body->bytes = 0;
	wb_buf_append_char(&body->frames, '[');
	for (struct wb_link *link = writes->head; link; link = link->next) {
		const struct wb_write *w = wb_write_of(link);

		if (link != writes->head)
			wb_buf_append_char(&body->frames, ',');
		if (WB_LIKELY(wb_write_is_plain_upsert(w)))
			add_plain_upsert(body, w);
		else
			add_any(body, w);
	}
	wb_buf_append_char(&body->frames, ']');
	body->bytes += body->frames.len;
	wb_bulk_rewind(body, writes);
}

void wb_bulk_rewind(struct wb_bulk_body *body, const struct wb_list *writes)
{
	body->frame_at = body->document_at = body->next = 0;
	body->write = writes->head;
}

/* As much of from, of which *at bytes were read, as there is room for; returns where the next bytes go. */
static char *read_piece(char *to, const char *end, struct wb_slice from, size_t *at)
{
	size_t left = from.len - *at, room = (size_t)(end - to), n = left < room ? left : room;

	to = put(to, from.data + *at, n);
	*at += n;
	return to;
}

size_t wb_bulk_read(struct wb_bulk_body *body, char *to, size_t room)
{
	const char *end = to + room;
	char *at = to;

	for (;;) {
		bool last = body->next == body->count;
		size_t frame_end = last ? body->frames.len : body->cuts[body->next];
		struct wb_slice document;

		at = read_piece(at, end, wb_slice(body->frames.data, frame_end), &body->frame_at);
		if (last || at == end)
			return (size_t)(at - to);
		document = document_of(wb_write_of(body->write));
		if (document.len > 0)
			at = read_piece(at, end, document, &body->document_at);
		if (body->document_at < document.len)
			return (size_t)(at - to);
		body->document_at = 0;
		body->next++;
		body->write = body->write->next;
	}
}

void wb_bulk_probe(struct wb_buf *body, struct wb_slice id, struct wb_slice pk_text)
{
	wb_buf_append_cstr(body, "[{\"operationType\":\"Read\",\"id\":");
	wb_buf_append_json_string(body, id);
	wb_buf_append_cstr(body, ",\"partitionKey\":\"");
	append_key(body, pk_text);
	wb_buf_append_cstr(body, "\"}]");
}

/* The members of an operation's reply that are read. */
enum member { OTHER, STATUS_CODE, SUBSTATUS_CODE, REQUEST_CHARGE, RETRY_AFTER, ETAG, RESOURCE_BODY };

static enum member member_of_plain(const char *name, size_t len)
{
	/* Lengths that the compiler knows are compared without a call. */
#define IS(literal) (len == LEN(literal) && memcmp(name, literal, LEN(literal)) == 0)
	if (IS("statusCode"))
		return STATUS_CODE;
	if (IS("requestCharge"))
		return REQUEST_CHARGE;
	if (IS("eTag"))
		return ETAG;
	if (IS("resourceBody"))
		return RESOURCE_BODY;
	if (IS("subStatusCode"))
		return SUBSTATUS_CODE;
	if (IS("retryAfterMilliseconds"))
		return RETRY_AFTER;
#undef IS
	return OTHER;
}

static enum member member_of(struct wb_slice raw_name)
{
	enum member member = member_of_plain(raw_name.data + 1, raw_name.len - 2);
	char decoded[6 * LEN("retryAfterMilliseconds") + 2]; /* an escape takes 6 bytes at most */
	size_t len;

	if (member != OTHER || raw_name.len > sizeof decoded || !memchr(raw_name.data, '\\', raw_name.len))
		return member;
	len = wb_json_string_decode_into(raw_name, decoded);
	return len == SIZE_MAX ? OTHER : member_of_plain(decoded, len);
}

/* A raw number. Up to 15 digits around a point and no exponent, as every number here has, are exact as whole number and
 * as power of ten, so one division rounds correctly (Clinger, "How to read floating point numbers accurately", 1990). */
static double number(struct wb_slice raw)
{
	static const double power[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15 };
	const char *point = NULL;
	int64_t digits = 0;

	if (raw.len > 16)
		return wb_json_number(raw);
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.data[i];

		if (c == '.')
			point = raw.data + i;
		else if (c >= '0' && c <= '9')
			digits = digits * 10 + (c - '0');
		else
			return wb_json_number(raw);
	}
	if (!point)
		return (double)digits;
	return (double)digits / power[raw.data + raw.len - point - 1];
}

/* Whether v is null, or a number, read into *ret. */
static bool number_or_null(const struct wb_json_value *v, double *ret)
{
	if (v->type == WB_JSON_NUMBER)
		*ret = number(v->raw);
	return v->type == WB_JSON_NUMBER || v->type == WB_JSON_NULL;
}

static bool whole_in(double n, double min, double max)
{
	return n >= min && n <= max && n == trunc(n);
}

/* Longer waits are cut; what is beyond a day means nothing. */
static int64_t wait_ms(double ms)
{
	const double day_ms = 24 * 3600 * 1000.0;

	return ms >= day_ms ? (int64_t)day_ms : (int64_t)ceil(ms);
}

/* Whether the member has a value that it may have. */
static bool read_member(enum member member, const struct wb_json_value *v, struct wb_operation_reply *r)
{
	double n = -1;

	switch (member) {
	case STATUS_CODE:
		if (v->type != WB_JSON_NUMBER || !number_or_null(v, &n) || !whole_in(n, 100, 999))
			return false;
		r->status = (int)n;
		return true;
	case SUBSTATUS_CODE:
		n = 0;
		if (!number_or_null(v, &n) || !whole_in(n, 0, INT32_MAX))
			return false;
		r->substatus = (int)n;
		return true;
	case REQUEST_CHARGE:
		n = 0;
		if (!number_or_null(v, &n) || !isfinite(n))
			return false;
		r->request_charge = n > 0 ? n : 0;
		return true;
	case RETRY_AFTER:
		if (!number_or_null(v, &n))
			return false;
		r->retry_after_ms = n >= 0 ? wait_ms(n) : -1;
		return true;
	case ETAG:
		r->etag = v->type == WB_JSON_STRING ? v->raw : (struct wb_slice){ 0 };
		return v->type == WB_JSON_STRING || v->type == WB_JSON_NULL;
	case RESOURCE_BODY:
		r->message = v->type != WB_JSON_NULL ? v->raw : (struct wb_slice){ 0 };
		return true;
	case OTHER:
		break;
	}
	return true;
}

static enum wb_err read_operation(
	struct wb_json_reader *r, struct wb_operation_reply *ret, size_t i, struct wb_error *e)
{
	struct wb_operation_reply reply = { .retry_after_ms = -1 };
	struct wb_json_value value;
	struct wb_slice name;
	int more;

	if (wb_json_reader_enter(r) != '{')
		return wb_error_set(e, WB_EINVAL, "operation %zu of the reply is not an object", i);
	while ((more = wb_json_reader_next(r, &name)) == 1) {
		if (wb_json_reader_skip(r, &value))
			break;
		if (!read_member(member_of(name), &value, &reply))
			return wb_error_set(
				e, WB_EINVAL, "operation %zu of the reply has a wrong %.*s", i, WB_SLICE_ARGS(name));
	}
	if (more)
		return wb_error_set(
			e, WB_EINVAL, "the reply is not JSON: %s at byte %zu", r->error.text, r->error.offset);
	if (!reply.status)
		return wb_error_set(e, WB_EINVAL, "operation %zu of the reply has no statusCode", i);
	if (reply.status < 400)
		reply.message = (struct wb_slice){ 0 };
	*ret = reply;
	return WB_OK;
}

enum wb_err wb_bulk_reply_parse(
	struct wb_slice body, struct wb_operation_reply *ret, size_t expected, struct wb_error *e)
{
	struct wb_json_reader r;
	size_t count = 0;
	int more;

	wb_json_reader_init(&r, body);
	if (wb_json_reader_enter(&r) != '[')
		return wb_error_set(e, WB_EINVAL, "the reply is not a JSON array");
	while ((more = wb_json_reader_next(&r, NULL)) == 1) {
		enum wb_err err;

		if (count == expected)
			return wb_error_set(e, WB_EINVAL, "the reply has more than the %zu operations sent", expected);
		err = read_operation(&r, &ret[count], count, e);
		if (err)
			return err;
		count++;
	}
	if (more < 0 || wb_json_reader_end(&r))
		return wb_error_set(
			e, WB_EINVAL, "the reply is not JSON: %s at byte %zu", r.error.text, r.error.offset);
	if (count < expected)
		return wb_error_set(e, WB_EINVAL, "the reply has %zu operations, %zu were sent", count, expected);
	return WB_OK;
}
