#include "sandbox/web_message.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define CHUNK_OVERHEAD_MAX 4096

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool name_is(struct wb_slice name, const char *literal)
{
	return name.len == strlen(literal) && strncasecmp(name.data, literal, name.len) == 0;
}

static struct wb_slice trim(struct wb_slice s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = wb_slice(s.data + 1, s.len - 1);
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Whether a comma-separated header value has this word. */
static bool has_word(struct wb_slice value, const char *word)
{
	while (value.len) {
		const char *comma = memchr(value.data, ',', value.len);
		size_t len = comma ? (size_t)(comma - value.data) : value.len;

		if (name_is(trim(wb_slice(value.data, len)), word))
			return true;
		len += comma ? 1 : 0;
		value = wb_slice(value.data + len, value.len - len);
	}
	return false;
}

static bool parse_length(struct wb_slice s, uint64_t *ret)
{
	uint64_t n = 0;

	if (s.len == 0 || s.len > 15)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s.data[i] - '0');
	}
	*ret = n;
	return true;
}

/* "GET /path?query HTTP/1.1"; 0 or the status of the refusal. */
static unsigned parse_request_line(struct wb_slice line, struct wb_web_request *r)
{
	const char *sp1 = memchr(line.data, ' ', line.len);
	const char *end = line.data + line.len, *sp2, *question;

	if (!sp1 || sp1 == line.data)
		return 400;
	r->method = wb_slice(line.data, (size_t)(sp1 - line.data));
	for (size_t i = 0; i < r->method.len; i++)
		if (!is_token_char(r->method.data[i]))
			return 400;
	sp2 = memchr(sp1 + 1, ' ', (size_t)(end - sp1 - 1));
	if (!sp2 || sp1[1] != '/')
		return 400;
	for (const char *p = sp1 + 1; p < sp2; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return 400;
	question = memchr(sp1 + 1, '?', (size_t)(sp2 - sp1 - 1));
	r->path = wb_slice(sp1 + 1, (size_t)((question ? question : sp2) - sp1 - 1));
	r->query = question ? wb_slice(question + 1, (size_t)(sp2 - question - 1)) : wb_slice("", 0);
	if (end - sp2 != 9 || memcmp(sp2 + 1, "HTTP/1.", 7) != 0)
		return end - sp2 > 6 && memcmp(sp2 + 1, "HTTP/", 5) == 0 ? 505 : 400;
	if (end[-1] != '0' && end[-1] != '1')
		return 505;
	r->keep_alive = end[-1] == '1';
	return 0;
}

static unsigned parse_header(struct wb_slice line, struct wb_web_request *r, bool *has_length)
{
	const char *colon = memchr(line.data, ':', line.len);
	struct wb_web_header *h = &r->headers[r->header_count];

	if (!colon || colon == line.data)
		return 400;
	if (r->header_count == WB_WEB_HEADERS_MAX)
		return 431;
	h->name = wb_slice(line.data, (size_t)(colon - line.data));
	h->value = trim(wb_slice(colon + 1, line.len - h->name.len - 1));
	for (size_t i = 0; i < h->name.len; i++)
		if (!is_token_char(h->name.data[i]))
			return 400;
	if (memchr(line.data, '\0', line.len) || memchr(line.data, '\r', line.len) || memchr(line.data, '\n', line.len))
		return 400;
	r->header_count++;
	if (name_is(h->name, "content-length")) {
		if (*has_length || !parse_length(h->value, &r->content_length))
			return 400;
		*has_length = true;
	} else if (name_is(h->name, "transfer-encoding")) {
		if (r->chunked)
			return 400;
		if (!name_is(h->value, "chunked"))
			return 501;
		r->chunked = true;
	} else if (name_is(h->name, "connection")) {
		if (has_word(h->value, "close"))
			r->keep_alive = false;
		else if (has_word(h->value, "keep-alive"))
			r->keep_alive = true;
	} else if (name_is(h->name, "expect")) {
		r->expect_continue = name_is(h->value, "100-continue");
	}
	return 0;
}

int64_t wb_web_head_parse(struct wb_slice data, struct wb_web_request *ret, unsigned *ret_status)
{
	size_t look = data.len < WB_WEB_HEAD_MAX ? data.len : WB_WEB_HEAD_MAX;
	const char *end = look ? memmem(data.data, look, "\r\n\r\n", 4) : NULL, *line = data.data;
	bool has_length = false;

	*ret_status = 431;
	if (!end)
		return data.len < WB_WEB_HEAD_MAX ? 0 : -1;
	memset(ret, 0, offsetof(struct wb_web_request, headers));
	ret->header_count = 0;
	ret->keep_alive = ret->expect_continue = ret->chunked = false;
	ret->content_length = 0;
	ret->body = wb_slice("", 0);
	for (unsigned n = 0; line < end + 2; n++) {
		const char *cr = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
		struct wb_slice text = wb_slice(line, (size_t)(cr - line));

		*ret_status = n == 0 ? parse_request_line(text, ret) : parse_header(text, ret, &has_length);
		if (*ret_status)
			return -1;
		line = cr + 2;
	}
	*ret_status = 400;
	if (ret->chunked && has_length)
		return -1;
	return end + 4 - data.data;
}

struct wb_slice wb_web_header(const struct wb_web_request *r, const char *name)
{
	for (unsigned i = 0; i < r->header_count; i++)
		if (name_is(r->headers[i].name, name))
			return r->headers[i].value;
	return wb_slice(NULL, 0);
}

struct wb_slice wb_web_query(const struct wb_web_request *r, const char *name)
{
	const char *p = r->query.data, *end = p + r->query.len;
	size_t name_len = strlen(name);

	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *stop = amp ? amp : end;
		size_t len = (size_t)(stop - p);

		if (len > name_len && memcmp(p, name, name_len) == 0 && p[name_len] == '=')
			return wb_slice(p + name_len + 1, len - name_len - 1);
		p = stop + 1;
	}
	return wb_slice(NULL, 0);
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

size_t wb_web_percent_decode(struct wb_slice s, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int high, low;

		if (s.data[i] != '%') {
			out[n++] = s.data[i];
			continue;
		}
		if (s.len - i < 3)
			return SIZE_MAX;
		high = hex_digit(s.data[i + 1]);
		low = hex_digit(s.data[i + 2]);
		if (high < 0 || low < 0 || high + low == 0)
			return SIZE_MAX;
		out[n++] = (char)(high * 16 + low);
		i += 2;
	}
	return n;
}

/* One byte outside a chunk's data; false when it does not belong there. */
static bool chunk_control(struct wb_web_chunks *c, char byte)
{
	int digit;

	switch (c->state) {
	case WB_CHUNK_SIZE:
		digit = hex_digit(byte);
		if (digit >= 0) {
			c->left = c->left * 16 + (uint64_t)digit;
			return ++c->digits <= 8;
		}
		if (!c->digits || !byte || !strchr(";\r \t", byte))
			return false;
		c->state = WB_CHUNK_EXTENSION;
		return true;
	case WB_CHUNK_EXTENSION:
		if (byte != '\n')
			return ++c->overhead < CHUNK_OVERHEAD_MAX;
		c->state = c->left ? WB_CHUNK_DATA : WB_CHUNK_TRAILER;
		c->digits = 0;
		c->line = 0;
		return true;
	case WB_CHUNK_DATA_END:
		if (byte == '\n')
			c->state = WB_CHUNK_SIZE;
		return byte == '\n' || byte == '\r';
	case WB_CHUNK_TRAILER:
		if (byte == '\n' && c->line == 0)
			c->state = WB_CHUNK_DONE;
		else if (byte == '\n')
			c->line = 0;
		else if (byte != '\r')
			c->line++;
		return ++c->overhead < CHUNK_OVERHEAD_MAX;
	default:
		return false;
	}
}

int wb_web_chunks_decode(
	struct wb_web_chunks *c, const char *raw, size_t len, char *out, size_t *out_len, size_t *ret_used)
{
	size_t at = 0;

	while (at < len && c->state != WB_CHUNK_DONE) {
		size_t n = len - at;

		if (c->state != WB_CHUNK_DATA) {
			if (!chunk_control(c, raw[at++]))
				return -1;
			continue;
		}
		if (n > c->left)
			n = (size_t)c->left;
		memmove(out + *out_len, raw + at, n);
		*out_len += n;
		at += n;
		c->left -= n;
		if (c->left == 0)
			c->state = WB_CHUNK_DATA_END;
	}
	*ret_used = at;
	return c->state == WB_CHUNK_DONE;
}
