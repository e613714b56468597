#include "producer/splitter.h"

#include <assert.h>
#include <string.h>

void wb_splitter_init(struct wb_splitter *s, enum wb_split_format format, size_t item_bytes_max)
{
	*s = (struct wb_splitter){
		.format = format, .item_bytes_max = item_bytes_max, .line = 1, .item_line = 1, .state = WB_SPLIT_BEFORE
	};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum wb_err too_big(const struct wb_splitter *s, struct wb_error *e)
{
	return wb_error_set(e, WB_ETOOBIG, "what begins in line %lld is larger than %zu bytes", (long long)s->item_line,
		s->item_bytes_max);
}

static void advance(struct wb_slice *block, size_t n)
{
	block->data += n;
	block->len -= n;
}

static bool is_blank(struct wb_slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (!is_space(line.data[i]))
			return false;
	}
	return true;
}

static enum wb_err next_line(
	struct wb_splitter *s, struct wb_slice *block, bool last, struct wb_slice *ret, struct wb_error *e)
{
	while (block->len) {
		const char *newline = memchr(block->data + s->followed, '\n', block->len - s->followed);
		struct wb_slice line = { block->data, newline ? (size_t)(newline - block->data) : block->len };

		s->item_line = s->line;
		if (line.len > s->item_bytes_max)
			return too_big(s, e);
		s->followed = newline || last ? 0 : line.len;
		if (s->followed)
			return WB_ENOTFOUND;
		s->line += newline != NULL;
		advance(block, line.len + (newline != NULL));
		if (is_blank(line))
			continue;
		if (line.data[line.len - 1] == '\r')
			line.len--;
		*ret = line;
		return WB_OK;
	}
	return WB_ENOTFOUND;
}

/* Follows a string that p is in; the position after its end, or end. */
static const char *through_string(struct wb_splitter *s, const char *p, const char *end)
{
	if (s->escaped && p < end) {
		s->escaped = false;
		p++;
	}
	while (p < end && *p != '"') {
		if (*p == '\\' && ++p == end)
			s->escaped = true;
		else
			p++;
	}
	s->in_string = p == end;
	return p < end ? p + 1 : p;
}

/* Follows an element; the position of the byte that ends it, or end. */
static const char *through_element(struct wb_splitter *s, const char *p, const char *end)
{
	while (p < end) {
		if (s->in_string) {
			p = through_string(s, p, end);
			continue;
		}
		switch (*p) {
		case '"':
			s->in_string = true;
			break;
		case '{':
		case '[':
			s->depth++;
			break;
		case '}':
		case ']':
			if (s->depth == 0)
				return p;
			s->depth--;
			break;
		case ',':
			if (s->depth == 0)
				return p;
			break;
		case '\n': /* in a string none may stand: whoever judges the element refuses it */
			s->line++;
			break;
		default:
			break;
		}
		p++;
	}
	return p;
}

/* A byte between elements; WB_OK goes on, also into an element that begins with it. */
static enum wb_err between(struct wb_splitter *s, char c, struct wb_error *e)
{
	if (s->state == WB_SPLIT_BEFORE) {
		if (c != '[')
			return wb_error_set(
				e, WB_EINVAL, "line %lld: the input does not begin with [", (long long)s->line);
		s->state = WB_SPLIT_FIRST;
	} else if (s->state == WB_SPLIT_AFTER) {
		return wb_error_set(e, WB_EINVAL, "line %lld: something stands behind the array", (long long)s->line);
	} else if (s->state == WB_SPLIT_FIRST && c == ']') {
		s->state = WB_SPLIT_AFTER;
	} else if (c == ',' || c == ']') {
		return wb_error_set(e, WB_EINVAL, "line %lld: an element is missing before %c", (long long)s->line, c);
	} else {
		s->state = WB_SPLIT_INSIDE;
		s->item_line = s->line;
		s->depth = 0;
	}
	return WB_OK;
}

/* The rest of an element whose first byte is the block's: up to its end, or all of the block. */
static enum wb_err rest_of_element(
	struct wb_splitter *s, struct wb_slice *block, struct wb_slice *ret, struct wb_error *e)
{
	struct wb_slice element = { block->data, 0 };
	char end;

	element.len = (size_t)(through_element(s, block->data + s->followed, block->data + block->len) - block->data);
	if (element.len > s->item_bytes_max)
		return too_big(s, e);
	if (element.len == block->len) {
		s->followed = element.len;
		return WB_ENOTFOUND;
	}
	s->followed = 0;
	end = element.data[element.len];
	s->state = end == ',' ? WB_SPLIT_ELEMENT : WB_SPLIT_AFTER;
	advance(block, element.len + 1);
	if (end == '}')
		return wb_error_set(e, WB_EINVAL, "line %lld: a } without {", (long long)s->line);
	*ret = element;
	return WB_OK;
}

static enum wb_err end_of_array(const struct wb_splitter *s, bool last, struct wb_error *e)
{
	if (!last || s->state == WB_SPLIT_AFTER)
		return WB_ENOTFOUND;
	return wb_error_set(e, WB_EINVAL, "line %lld: the input ends before the array does", (long long)s->line);
}

static enum wb_err next_element(
	struct wb_splitter *s, struct wb_slice *block, bool last, struct wb_slice *ret, struct wb_error *e)
{
	enum wb_err err;

	while (block->len) {
		char c = *block->data;

		if (s->state == WB_SPLIT_INSIDE) {
			err = rest_of_element(s, block, ret, e);
			return err == WB_ENOTFOUND ? end_of_array(s, last, e) : err;
		}
		if (!is_space(c)) {
			err = between(s, c, e);
			if (err != WB_OK)
				return err;
		}
		if (s->state != WB_SPLIT_INSIDE) {
			s->line += c == '\n';
			advance(block, 1);
		}
	}
	return end_of_array(s, last, e);
}

enum wb_err wb_splitter_next(
	struct wb_splitter *s, struct wb_slice *block, bool last, struct wb_slice *ret, struct wb_error *e)
{
	assert(s->followed <= block->len);
	while (s->format == WB_SPLIT_AUTO) {
		if (block->len == 0)
			return WB_ENOTFOUND;
		if (!is_space(*block->data)) {
			s->format = *block->data == '[' ? WB_SPLIT_ARRAY : WB_SPLIT_NDJSON;
			break;
		}
		s->line += *block->data == '\n';
		advance(block, 1);
	}
	return s->format == WB_SPLIT_ARRAY ? next_element(s, block, last, ret, e) : next_line(s, block, last, ret, e);
}
