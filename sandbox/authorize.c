#include "sandbox/authorize.h"

#include "common/base/clock.h"
#include "common/base/crypto.h"

#include <ctype.h>

#define DATE_WINDOW_MS (15 * INT64_C(60000))
#define SIGNATURE_MAX  512

/* What a signature covers beside verb and date. */
struct resource {
	struct wb_slice type;
	struct wb_slice link;    /* the path, decoded, without its last part when that is a type */
	struct wb_slice raw;     /* the same as sent */
	struct wb_slice last_id; /* the last named part */
};

/* Paths alternate between types and names: dbs/D/colls/C/docs. */
static struct resource find_resource(struct wb_exchange *x, struct wb_buf *link)
{
	unsigned n = x->segment_count, named = n - n % 2;
	struct resource r = { 0 };
	const char *path = x->request->path.data + 1;
	size_t len = 0;

	if (n)
		r.type = x->segments[n % 2 ? n - 1 : n - 2];
	if (named)
		r.last_id = x->segments[named - 1];
	for (unsigned i = 0; i < named; i++) {
		if (i)
			wb_buf_append_char(link, '/');
		wb_buf_append_slice(link, x->segments[i]);
	}
	for (unsigned slashes = 0; len < x->request->path.len - 1; len++) {
		slashes += path[len] == '/';
		if (slashes == named)
			break;
	}
	r.link = wb_buf_slice(link);
	r.raw = wb_slice(path, named ? len : 0);
	return r;
}

static bool signature_is(struct wb_exchange *x, const struct wb_cosmos_key *key, struct wb_slice type,
	struct wb_slice link, struct wb_slice date, struct wb_slice given)
{
	char decoded[SIGNATURE_MAX];
	struct wb_buf expected;
	size_t len = SIZE_MAX;
	bool same;

	wb_buf_init(&expected, SIGNATURE_MAX);
	wb_cosmos_sign(key, x->request->method, type, link, date, &expected);
	if (!wb_buf_status(&expected))
		len = wb_web_percent_decode(wb_buf_slice(&expected), decoded);
	same = len != SIZE_MAX && wb_crypto_equal(wb_slice(decoded, len), given);
	wb_buf_release(&expected);
	return same;
}

static bool any_signature_is(struct wb_exchange *x, const struct wb_cosmos_key *key, const struct resource *r,
	struct wb_slice date, struct wb_slice given)
{
	char lower[256];

	if (signature_is(x, key, r->type, r->link, date, given))
		return true;
	if (!wb_slice_eq(r->raw, r->link) && signature_is(x, key, r->type, r->raw, date, given))
		return true;
	if (r->last_id.len == 0 || r->last_id.len > sizeof lower)
		return false;
	for (size_t i = 0; i < r->last_id.len; i++)
		lower[i] = (char)tolower((unsigned char)r->last_id.data[i]);
	return signature_is(x, key, r->type, wb_slice(lower, r->last_id.len), date, given);
}

bool wb_authorize(struct wb_exchange *x, const struct wb_cosmos_key *key, int64_t now_ms)
{
	struct wb_slice given = wb_exchange_decode(x, wb_exchange_header(x, "authorization"));
	struct wb_slice date = wb_exchange_header(x, "x-ms-date");
	struct resource resource;
	struct wb_buf link;
	int64_t date_ms = 0;
	bool right;

	if (!date.data)
		date = wb_exchange_header(x, "date");
	if (!given.len || !date.len) {
		wb_exchange_error(x, 401, 0, -1, "Required header authorization or x-ms-date is missing.");
		return false;
	}
	wb_buf_init(&link, WB_WEB_HEAD_MAX);
	resource = find_resource(x, &link);
	right = given.len < SIGNATURE_MAX && any_signature_is(x, key, &resource, date, given);
	wb_buf_release(&link);
	if (!right) {
		wb_exchange_error(x, 401, 0, -1,
			"The input authorization token can't serve the request. The wrong key is being used or the "
			"expected "
			"payload is not built as per the protocol.");
		return false;
	}
	if (!wb_clock_parse_rfc1123(date, &date_ms) || now_ms - date_ms > DATE_WINDOW_MS ||
		date_ms - now_ms > DATE_WINDOW_MS) {
		wb_exchange_error(x, 403, 0, -1,
			"The authorization token is not valid at the current time: x-ms-date must be within 15 "
			"minutes.");
		return false;
	}
	return true;
}
