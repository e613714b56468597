#include "common/base/json_blocks.h"

void wb_json_reader_init(struct wb_json_reader *r, struct wb_slice text)
{
	*r = (struct wb_json_reader){ .on_value = true, .status = WB_JSON_OK };
	r->end = wb_json_lex_init(&text, r->tail).end;
	r->begin = text.data;
	r->at = text.data;
}

static struct wb_json_lex lexer(const struct wb_json_reader *r)
{
	return (struct wb_json_lex){ .end = r->end, .tail = r->tail };
}

/* Makes the error that the lexer noted the reader's. */
static enum wb_json_status stick(struct wb_json_reader *r, const struct wb_json_lex *x, enum wb_json_status status)
{
	r->status = status;
	r->error = (struct wb_json_error){ (size_t)(x->error_at - r->begin), x->error_text };
	r->on_value = false;
	return status;
}

static enum wb_json_status fail(struct wb_json_reader *r, struct wb_json_lex *x, const char *at, const char *text)
{
	(void)wb_json_lex_fail(x, at, text);
	return stick(r, x, WB_JSON_INVALID);
}

static bool in_object(const struct wb_json_reader *r)
{
	unsigned i = r->depth - 1;

	return r->is_object[i / 8] >> i % 8 & 1;
}

/* Whether a value is next, with at moved to it; else a sticky error, this one or an earlier one. */
static bool on_value(struct wb_json_reader *r, struct wb_json_lex *x)
{
	if (r->status != WB_JSON_OK)
		return false;
	if (!r->on_value) {
		(void)fail(r, x, r->at, "no value is next here");
		return false;
	}
	r->at = wb_json_lex_space(x, r->at);
	return true;
}

enum wb_json_type wb_json_reader_peek(struct wb_json_reader *r)
{
	struct wb_json_lex x = lexer(r);

	if (!r->on_value)
		return WB_JSON_ABSENT;
	r->at = wb_json_lex_space(&x, r->at);
	return wb_json_lex_type(wb_json_lex_peek(&x, r->at));
}

int wb_json_reader_enter(struct wb_json_reader *r)
{
	struct wb_json_lex x = lexer(r);
	unsigned char c;

	if (!on_value(r, &x))
		return 0;
	c = wb_json_lex_peek(&x, r->at);
	if (c != '{' && c != '[')
		return 0;
	if (r->depth == WB_JSON_DEPTH_MAX) {
		(void)fail(r, &x, r->at, "nested too deep");
		return 0;
	}
	if (c == '{')
		r->is_object[r->depth / 8] |= (uint8_t)(1U << r->depth % 8);
	else
		r->is_object[r->depth / 8] &= (uint8_t)~(1U << r->depth % 8);
	r->depth++;
	r->at++;
	r->first = true;
	r->on_value = false;
	return c;
}

/* Moves over what stands before the next element: 1 when there is one, 0 when the container ended, -1 on error. */
static int next_element(struct wb_json_reader *r, struct wb_json_lex *x)
{
	const char *p = wb_json_lex_space(x, r->at);
	bool object = in_object(r);
	unsigned char c = wb_json_lex_peek(x, p);

	if (c == (object ? '}' : ']')) {
		r->at = p + 1;
		r->depth--;
		r->first = false;
		return 0;
	}
	if (!r->first) {
		if (c != ',') {
			(void)fail(r, x, p, object ? "a comma or } is missing" : "a comma or ] is missing");
			return -1;
		}
		p = wb_json_lex_space(x, p + 1);
	}
	r->at = p;
	r->first = false;
	return 1;
}

int wb_json_reader_next(struct wb_json_reader *r, struct wb_slice *name)
{
	struct wb_json_lex x = lexer(r);
	struct wb_slice raw_name = { NULL, 0 };
	const char *p;
	int more;

	if (r->status != WB_JSON_OK)
		return -1;
	if (r->depth == 0 || r->on_value) {
		(void)fail(r, &x, r->at, r->on_value ? "this value was not read" : "no container is open here");
		return -1;
	}
	more = next_element(r, &x);
	if (more != 1)
		return more;
	if (in_object(r)) {
		p = wb_json_lex_member(&x, r->at, &raw_name);
		if (p == NULL) {
			(void)stick(r, &x, WB_JSON_INVALID);
			return -1;
		}
		r->at = p;
	}
	r->on_value = true;
	if (name)
		*name = raw_name;
	return 1;
}

enum wb_json_status wb_json_reader_skip(struct wb_json_reader *r, struct wb_json_value *ret)
{
	struct wb_json_lex x = lexer(r);
	const char *after;

	if (!on_value(r, &x))
		return r->status;
	after = wb_json_lex_any(&x, r->at, WB_JSON_DEPTH_MAX);
	if (after == NULL)
		return stick(r, &x, WB_JSON_INVALID);
	if (ret)
		*ret = (struct wb_json_value){ wb_json_lex_type((unsigned char)*r->at),
			wb_slice(r->at, (size_t)(after - r->at)) };
	r->at = after;
	r->on_value = false;
	return WB_JSON_OK;
}

enum wb_json_status wb_json_reader_document(
	struct wb_json_reader *r, const struct wb_json_paths *paths, struct wb_json_document *ret)
{
	struct wb_json_lex x = lexer(r);
	struct wb_json_search s;
	enum wb_json_status status;
	const char *after;

	if (!on_value(r, &x))
		return r->status;
	after = wb_json_search(WB_JSON_ISA, &x, r->at, paths, &s, &status);
	if (after == NULL)
		return stick(r, &x, status);
	if (status != WB_JSON_OK) {
		(void)wb_json_lex_fail(&x, r->at, "a document must be an object");
		return stick(r, &x, status);
	}
	*ret = wb_json_search_result(&s, paths, wb_slice(r->at, (size_t)(after - r->at)));
	r->at = after;
	r->on_value = false;
	return WB_JSON_OK;
}

enum wb_json_status wb_json_reader_end(struct wb_json_reader *r)
{
	struct wb_json_lex x = lexer(r);

	if (r->status != WB_JSON_OK)
		return r->status;
	r->at = wb_json_lex_space(&x, r->at);
	if (r->depth > 0 || r->on_value)
		return fail(
			r, &x, r->at, r->on_value ? "this value was not read" : "a container was not read to its end");
	if (r->at < r->end)
		return fail(r, &x, r->at, "more text after the value");
	return WB_JSON_OK;
}
