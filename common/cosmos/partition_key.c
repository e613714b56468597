#include "common/cosmos/partition_key.h"

#include "common/base/utf8.h"
#include "common/cosmos/murmur3.h"
#include "common/cosmos/text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define V1_STRING_UNITS_MAX 100 /* version 1 looks at no more of a string */
#define V1_NUMBER_MAX       10
#define V1_COMPONENT_MAX    (V1_STRING_UNITS_MAX + 2)

_Static_assert(V1_NUMBER_MAX + V1_COMPONENT_MAX <= WB_EPK_SIZE_MAX && 16 * WB_JSON_PATHS_MAX <= WB_EPK_SIZE_MAX,
	"every key has room");
_Static_assert(WB_PK_STRING_MAX <= WB_COSMOS_TEXT_MAX, "a partition key's text can be decoded");

static enum wb_reason refuse(struct wb_error *why, const char *what)
{
	(void)wb_error_set(why, WB_EINVAL, "the partition key is %s", what);
	return WB_REASON_INVALID_PARTITION_KEY;
}

static enum wb_reason component_from(
	const struct wb_json_value *value, struct wb_buf *scratch, struct wb_pk_component *ret, struct wb_error *why)
{
	*ret = (struct wb_pk_component){ .type = WB_PK_UNDEFINED };
	switch (value->type) {
	case WB_JSON_ABSENT:
		return WB_REASON_NONE;
	case WB_JSON_NULL:
		ret->type = WB_PK_NULL;
		return WB_REASON_NONE;
	case WB_JSON_FALSE:
		ret->type = WB_PK_FALSE;
		return WB_REASON_NONE;
	case WB_JSON_TRUE:
		ret->type = WB_PK_TRUE;
		return WB_REASON_NONE;
	case WB_JSON_NUMBER:
		ret->type = WB_PK_NUMBER;
		ret->number = wb_json_number(value->raw);
		return isfinite(ret->number) ? WB_REASON_NONE : refuse(why, "a number beyond the range of a double");
	case WB_JSON_STRING:
		ret->type = WB_PK_STRING;
		switch (wb_cosmos_text_decode(value->raw, WB_PK_STRING_MAX, scratch, &ret->string)) {
		case WB_OK:
			return WB_REASON_NONE;
		case WB_ETOOBIG:
			return refuse(why, "a string of more than 2048 bytes");
		default:
			return refuse(why, "a string with half of a surrogate pair");
		}
	case WB_JSON_ARRAY:
		return refuse(why, "an array; it must be a string, a number, true, false, null or absent");
	case WB_JSON_OBJECT:
		break;
	}
	return refuse(why, "an object; it must be a string, a number, true, false, null or absent");
}

enum wb_reason wb_pk_from_values(const struct wb_json_value *values, unsigned count, struct wb_buf *scratch,
	struct wb_pk *ret, struct wb_error *why)
{
	struct wb_pk pk = { .count = count };

	assert(count <= WB_JSON_PATHS_MAX);
	for (unsigned i = 0; i < count; i++) {
		enum wb_reason reason = component_from(&values[i], scratch, &pk.component[i], why);

		if (reason)
			return reason;
	}
	*ret = pk;
	return WB_REASON_NONE;
}

/* {} stands for an absent member; the scanner has seen that raw is an object. */
static bool is_empty_object(struct wb_slice raw)
{
	for (size_t i = 1; i + 1 < raw.len; i++) {
		if (!strchr(" \t\r\n", raw.data[i]))
			return false;
	}
	return true;
}

enum wb_reason wb_pk_parse(
	struct wb_slice text, unsigned expected, struct wb_buf *scratch, struct wb_pk *ret, struct wb_error *why)
{
	struct wb_json_value values[WB_JSON_PATHS_MAX];
	struct wb_json_reader r;
	unsigned count = 0;
	int more;

	wb_json_reader_init(&r, text);
	if (wb_json_reader_enter(&r) != '[')
		return refuse(why, "not written as a JSON array");
	while ((more = wb_json_reader_next(&r, NULL)) == 1) {
		struct wb_json_value value;

		if (wb_json_reader_skip(&r, &value))
			return refuse(why, "not valid JSON");
		if (count == WB_JSON_PATHS_MAX)
			return refuse(why, "an array of more than three values");
		if (value.type == WB_JSON_OBJECT && is_empty_object(value.raw))
			value = (struct wb_json_value){ .type = WB_JSON_ABSENT };
		values[count++] = value;
	}
	if (more < 0 || wb_json_reader_end(&r))
		return refuse(why, "not valid JSON");
	if (count == 0)
		return refuse(why, "an empty array");
	if (expected && count != expected) {
		(void)wb_error_set(
			why, WB_EINVAL, "the partition key has %u values, the container needs %u", count, expected);
		return WB_REASON_INVALID_PARTITION_KEY;
	}
	return wb_pk_from_values(values, count, scratch, ret, why);
}

bool wb_pk_equal(const struct wb_pk *a, const struct wb_pk *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++) {
		const struct wb_pk_component *x = &a->component[i], *y = &b->component[i];

		if (x->type != y->type || (x->type == WB_PK_NUMBER && x->number != y->number) ||
			(x->type == WB_PK_STRING && !wb_slice_eq(x->string, y->string)))
			return false;
	}
	return true;
}

/* Whole numbers without an exponent up to 2^53, as JavaScript's clients write them; otherwise the fewest digits that
 * read back equal. */
static void append_number(double number, struct wb_buf *ret)
{
	char digits[40];

	if (number == trunc(number) && fabs(number) < 9007199254740992.0) {
		wb_buf_appendf(ret, "%.0f", number);
		return;
	}
	for (int precision = 1; precision <= 17; precision++) {
		int len = snprintf(digits, sizeof digits, "%.*g", precision, number);

		assert(len > 0 && (size_t)len < sizeof digits);
		if (strtod(digits, NULL) == number)
			break;
	}
	wb_buf_append_cstr(ret, digits);
}

static uint32_t code_point(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	static const unsigned char first_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = u[0] & first_mask[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

static void append_escaped(uint32_t c, struct wb_buf *ret)
{
	if (c >= 0x10000) {
		c -= 0x10000;
		wb_buf_appendf(ret, "\\u%04x\\u%04x", (unsigned)(0xd800 + (c >> 10)), (unsigned)(0xdc00 + (c & 0x3ff)));
	} else {
		wb_buf_appendf(ret, "\\u%04x", (unsigned)c);
	}
}

/* Everything but printable ASCII is written as UTF-16 units, as the SDKs do: the text stands in an HTTP
 * header. */
static void append_string(struct wb_slice s, struct wb_buf *ret)
{
	wb_buf_append_char(ret, '"');
	for (size_t at = 0; at < s.len;) {
		unsigned char c = (unsigned char)s.data[at];
		size_t len = wb_utf8_char_len(s.data + at, s.len - at);

		assert(len > 0);
		if (c == '"' || c == '\\') {
			wb_buf_append_char(ret, '\\');
			wb_buf_append_char(ret, (char)c);
		} else if (c < 0x20 || c >= 0x7f) {
			append_escaped(code_point(s.data + at, len), ret);
		} else {
			wb_buf_append_char(ret, (char)c);
		}
		at += len;
	}
	wb_buf_append_char(ret, '"');
}

void wb_pk_text(const struct wb_pk *pk, struct wb_buf *ret)
{
	wb_buf_append_char(ret, '[');
	for (unsigned i = 0; i < pk->count; i++) {
		const struct wb_pk_component *c = &pk->component[i];

		if (i > 0)
			wb_buf_append_char(ret, ',');
		switch (c->type) {
		case WB_PK_UNDEFINED:
			wb_buf_append_cstr(ret, "{}");
			break;
		case WB_PK_NULL:
			wb_buf_append_cstr(ret, "null");
			break;
		case WB_PK_FALSE:
			wb_buf_append_cstr(ret, "false");
			break;
		case WB_PK_TRUE:
			wb_buf_append_cstr(ret, "true");
			break;
		case WB_PK_NUMBER:
			append_number(c->number, ret);
			break;
		case WB_PK_STRING:
			append_string(c->string, ret);
			break;
		}
	}
	wb_buf_append_char(ret, ']');
}

/* Type bytes: undefined 00, null 01, false 02, true 03, number 05, string 08 (SDKs' PartitionKeyComponentType). */
enum { TYPE_UNDEFINED, TYPE_NULL, TYPE_FALSE, TYPE_TRUE, TYPE_NUMBER = 5, TYPE_STRING = 8 };

static unsigned char type_byte(enum wb_pk_type type)
{
	static const unsigned char bytes[] = {
		[WB_PK_UNDEFINED] = TYPE_UNDEFINED,
		[WB_PK_NULL] = TYPE_NULL,
		[WB_PK_FALSE] = TYPE_FALSE,
		[WB_PK_TRUE] = TYPE_TRUE,
		[WB_PK_NUMBER] = TYPE_NUMBER,
		[WB_PK_STRING] = TYPE_STRING,
	};

	return bytes[type];
}

/* A component as it is hashed; strings end with a byte of their own, FF or, in version 1, 00. */
static size_t encode_component(const struct wb_pk_component *c, unsigned char string_end, unsigned char *ret)
{
	uint64_t bits;

	ret[0] = type_byte(c->type);
	if (c->type == WB_PK_NUMBER) {
		memcpy(&bits, &c->number, sizeof bits);
		for (int i = 0; i < 8; i++)
			ret[1 + i] = (unsigned char)(bits >> (8 * i));
		return 9;
	}
	if (c->type != WB_PK_STRING)
		return 1;
	assert(c->string.len <= WB_PK_STRING_MAX);
	if (c->string.len)
		memcpy(ret + 1, c->string.data, c->string.len);
	ret[1 + c->string.len] = string_end;
	return c->string.len + 2;
}

static void append_v2(const unsigned char *bytes, size_t len, struct wb_epk *epk)
{
	uint8_t *to = epk->bytes + epk->len;
	uint64_t h[2];

	wb_murmur3_x64_128(bytes, len, 0, h);
	for (int i = 0; i < 8; i++) {
		to[i] = (uint8_t)(h[1] >> (56 - 8 * i));
		to[8 + i] = (uint8_t)(h[0] >> (56 - 8 * i));
	}
	/* The top two bits are cleared, so that "FF" is above every key. */
	to[0] &= 0x3f;
	epk->len += 16;
}

/* A number whose bytes sort as numbers do: eight bits, then groups of seven, each followed by whether more come
 * (NumberPartitionKeyComponent of the SDKs). */
static void append_sortable_number(double number, struct wb_epk *epk)
{
	uint64_t bits;

	memcpy(&bits, &number, sizeof bits);
	bits = bits >> 63 ? ~bits + 1 : bits ^ UINT64_C(1) << 63;
	epk->bytes[epk->len++] = TYPE_NUMBER;
	epk->bytes[epk->len++] = (uint8_t)(bits >> 56);
	bits <<= 8;
	do {
		uint8_t group = (uint8_t)(bits >> 56) & 0xfe;

		bits <<= 7;
		epk->bytes[epk->len++] = group | (bits != 0);
	} while (bits);
}

/* Java and .NET count bytes here, JavaScript characters: the service is the former's. */
static void append_sortable_string(struct wb_slice s, struct wb_epk *epk)
{
	bool whole = s.len <= V1_STRING_UNITS_MAX;
	size_t len = whole ? s.len : V1_STRING_UNITS_MAX + 1;

	epk->bytes[epk->len++] = TYPE_STRING;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)s.data[i];

		epk->bytes[epk->len++] = c == 0xff ? c : c + 1;
	}
	if (whole)
		epk->bytes[epk->len++] = 0;
}

/* The first 100 UTF-16 units. A pair that would be cut leaves its first half, which becomes U+FFFD in UTF-8, as in
 * .NET; buf has room for 3 bytes a unit. */
static struct wb_slice first_units(struct wb_slice s, char *buf)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t at = 0, units = 0;

	while (at < s.len && units < V1_STRING_UNITS_MAX) {
		size_t len = wb_utf8_char_len(s.data + at, s.len - at);

		assert(len > 0);
		if (len == 4 && units + 1 == V1_STRING_UNITS_MAX) {
			memcpy(buf, s.data, at);
			memcpy(buf + at, replacement, sizeof replacement - 1);
			return wb_slice(buf, at + sizeof replacement - 1);
		}
		units += len == 4 ? 2 : 1;
		at += len;
	}
	return wb_slice(s.data, at);
}

static void append_sortable(const struct wb_pk_component *c, struct wb_epk *epk)
{
	if (c->type == WB_PK_STRING)
		append_sortable_string(c->string, epk);
	else if (c->type == WB_PK_NUMBER)
		append_sortable_number(c->number, epk);
	else
		epk->bytes[epk->len++] = type_byte(c->type);
}

static void hash_v1(const struct wb_pk *pk, struct wb_epk *epk)
{
	unsigned char bytes[WB_JSON_PATHS_MAX * (3 * V1_STRING_UNITS_MAX + 2)];
	char cut[WB_JSON_PATHS_MAX][3 * V1_STRING_UNITS_MAX];
	struct wb_pk short_pk = *pk;
	size_t len = 0;

	for (unsigned i = 0; i < pk->count; i++) {
		struct wb_pk_component *c = &short_pk.component[i];

		if (c->type == WB_PK_STRING)
			c->string = first_units(c->string, cut[i]);
		len += encode_component(c, 0x00, bytes + len);
	}
	append_sortable_number(wb_murmur3_x86_32(bytes, len, 0), epk);
	for (unsigned i = 0; i < pk->count && epk->len + V1_COMPONENT_MAX <= WB_EPK_SIZE_MAX; i++)
		append_sortable(&short_pk.component[i], epk);
}

void wb_pk_hash(enum wb_pk_kind kind, const struct wb_pk *pk, struct wb_epk *ret)
{
	unsigned char bytes[WB_JSON_PATHS_MAX * (WB_PK_STRING_MAX + 2)];
	size_t len = 0;

	assert(pk->count > 0 && pk->count <= WB_JSON_PATHS_MAX);
	ret->len = 0;
	switch (kind) {
	case WB_PK_HASH_V1:
		hash_v1(pk, ret);
		return;
	case WB_PK_MULTI_HASH:
		for (unsigned i = 0; i < pk->count; i++) {
			len = encode_component(&pk->component[i], 0xff, bytes);
			append_v2(bytes, len, ret);
		}
		return;
	case WB_PK_HASH_V2:
		for (unsigned i = 0; i < pk->count; i++)
			len += encode_component(&pk->component[i], 0xff, bytes + len);
		append_v2(bytes, len, ret);
		return;
	}
}

void wb_pk_border(enum wb_pk_kind kind, uint64_t position, struct wb_epk *ret)
{
	assert(position < UINT64_C(1) << 62);
	ret->len = 0;
	if (kind == WB_PK_HASH_V1) {
		append_sortable_number((double)(position >> 30), ret);
		return;
	}
	memset(ret->bytes, 0, 16);
	for (int i = 0; i < 8; i++)
		ret->bytes[i] = (uint8_t)(position >> (56 - 8 * i));
	ret->len = 16;
}

int wb_epk_compare(const struct wb_epk *a, const struct wb_epk *b)
{
	size_t common = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->bytes, b->bytes, common);

	if (order)
		return order;
	for (size_t i = common; i < a->len; i++) {
		if (a->bytes[i])
			return 1;
	}
	for (size_t i = common; i < b->len; i++) {
		if (b->bytes[i])
			return -1;
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum wb_err wb_epk_parse(struct wb_slice hex, struct wb_epk *ret)
{
	struct wb_epk epk = { .len = 0 };

	if (hex.len % 2 || hex.len / 2 > WB_EPK_SIZE_MAX)
		return WB_EINVAL;
	for (size_t i = 0; i < hex.len; i += 2) {
		int high = hex_digit(hex.data[i]), low = hex_digit(hex.data[i + 1]);

		if (high < 0 || low < 0)
			return WB_EINVAL;
		epk.bytes[epk.len++] = (uint8_t)(high << 4 | low);
	}
	*ret = epk;
	return WB_OK;
}

void wb_epk_text(const struct wb_epk *epk, char *ret)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < epk->len; i++) {
		*ret++ = digits[epk->bytes[i] >> 4];
		*ret++ = digits[epk->bytes[i] & 15];
	}
	*ret = '\0';
}
