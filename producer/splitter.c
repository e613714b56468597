#include "producer/splitter.h"

#include <string.h>

void wb_splitter_init(struct wb_splitter *s, enum wb_split_format format, size_t item_bytes_max)
{
	*s = (struct wb_splitter){
		.format = format, .item_bytes_max = item_bytes_max, .line = 1, .item_line = 1, .state = WB_SPLIT_BEFORE
	};
	wb_buf_init(&s->part, item_bytes_max);
}

void wb_splitter_release(struct wb_splitter *s)
{
	wb_buf_release(&s->part);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum wb_err too_big(const struct wb_splitter *s, struct wb_error *e)
{
	return wb_error_set(e, WB_ETOOBIG, "an item that begins in line %lld is larger than %zu bytes",
		(long long)s->item_line, s->item_bytes_max);
}

/* Adds the end of an item; gives it out from where it stands when it is in one piece. */
static enum wb_err complete(
	struct wb_splitter *s, const char *data, size_t len, struct wb_slice *ret, struct wb_error *e)
{
	if (s->part.len == 0) {
		if (len > s->item_bytes_max)
			return too_big(s, e);
		*ret = wb_slice(data, len);
		return WB_OK;
	}
	wb_buf_append(&s->part, data, len);
	if (wb_buf_status(&s->part) != WB_OK)
		return too_big(s, e);
	*ret = wb_buf_slice(&s->part);
	s->part_given = true;
	return WB_OK;
}

/* Keeps what is the beginning of an item. */
static enum wb_err keep(struct wb_splitter *s, const char *data, size_t len, struct wb_error *e)
{
	wb_buf_append(&s->part, data, len);
	return wb_buf_status(&s->part) == WB_OK ? WB_ENOTFOUND : too_big(s, e);
}

static void advance(struct wb_slice *input, size_t n)
{
	input->data += n;
	input->len -= n;
}

/* Without the carriage return of CRLF; true when nothing but space is left. */
static bool trim_line(struct wb_slice *line)
{
	if (line->len && line->data[line->len - 1] == '\r')
		line->len--;
	for (size_t i = 0; i < line->len; i++) {
		if (!is_space(line->data[i]))
			return false;
	}
	return true;
}

static enum wb_err next_line(struct wb_splitter *s, struct wb_slice *input, struct wb_slice *ret, struct wb_error *e)
{
	while (input->len) {
		const char *newline = memchr(input->data, '\n', input->len);
		size_t len = newline ? (size_t)(newline - input->data) : input->len;
		const char *data = input->data;
		enum wb_err err;

		s->item_line = s->line;
		advance(input, len + (newline != NULL));
		if (!newline)
			return keep(s, data, len, e);
		s->line++;
		err = complete(s, data, len, ret, e);
		if (err != WB_OK || !trim_line(ret))
			return err;
		if (s->part_given)
			wb_buf_clear(&s->part);
		s->part_given = false;
	}
	return WB_ENOTFOUND;
}

/* Follows one byte of an element; false when the byte ends it. */
static bool inside(struct wb_splitter *s, char c)
{
	if (s->in_string) {
		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
		return true;
	}
	if (c == '"') {
		s->in_string = true;
	} else if (c == '{' || c == '[') {
		s->depth++;
	} else if (c == '}' || c == ']') {
		if (s->depth == 0)
			return false;
		s->depth--;
	} else if (c == ',' && s->depth == 0) {
		return false;
	}
	return true;
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

/* The rest of an element whose first byte is the input's: up to its end, or all of the input. */
static enum wb_err rest_of_element(
	struct wb_splitter *s, struct wb_slice *input, struct wb_slice *ret, struct wb_error *e)
{
	const char *data = input->data;
	size_t len = 0;

	while (len < input->len && inside(s, data[len])) {
		s->line += data[len] == '\n';
		len++;
	}
	if (len == input->len) {
		advance(input, len);
		return keep(s, data, len, e);
	}
	s->state = data[len] == ',' ? WB_SPLIT_ELEMENT : WB_SPLIT_AFTER;
	advance(input, len + 1);
	if (data[len] == '}')
		return wb_error_set(e, WB_EINVAL, "line %lld: a } without {", (long long)s->line);
	return complete(s, data, len, ret, e);
}

static enum wb_err next_element(struct wb_splitter *s, struct wb_slice *input, struct wb_slice *ret, struct wb_error *e)
{
	while (input->len) {
		char c = *input->data;
		enum wb_err err;

		if (s->state == WB_SPLIT_INSIDE)
			return rest_of_element(s, input, ret, e);
		if (!is_space(c)) {
			err = between(s, c, e);
			if (err != WB_OK)
				return err;
		}
		if (s->state != WB_SPLIT_INSIDE) {
			s->line += c == '\n';
			advance(input, 1);
		}
	}
	return WB_ENOTFOUND;
}

enum wb_err wb_splitter_next(struct wb_splitter *s, struct wb_slice *input, struct wb_slice *ret, struct wb_error *e)
{
	if (s->part_given)
		wb_buf_clear(&s->part);
	s->part_given = false;
	while (s->format == WB_SPLIT_AUTO) {
		if (input->len == 0)
			return WB_ENOTFOUND;
		if (!is_space(*input->data)) {
			s->format = *input->data == '[' ? WB_SPLIT_ARRAY : WB_SPLIT_NDJSON;
			break;
		}
		s->line += *input->data == '\n';
		advance(input, 1);
	}
	return s->format == WB_SPLIT_ARRAY ? next_element(s, input, ret, e) : next_line(s, input, ret, e);
}

enum wb_err wb_splitter_end(struct wb_splitter *s, struct wb_slice *ret, struct wb_error *e)
{
	struct wb_slice line;

	if (s->part_given)
		wb_buf_clear(&s->part);
	s->part_given = false;
	if (s->format == WB_SPLIT_ARRAY) {
		if (s->state == WB_SPLIT_AFTER)
			return WB_ENOTFOUND;
		return wb_error_set(
			e, WB_EINVAL, "line %lld: the input ends before the array does", (long long)s->line);
	}
	line = wb_buf_slice(&s->part);
	if (s->part.len == 0 || trim_line(&line))
		return WB_ENOTFOUND;
	s->part_given = true;
	*ret = line;
	return WB_OK;
}
