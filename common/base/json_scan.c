#include "common/base/json_blocks.h"

/* One member from its name on. */
static inline const char *member(struct wb_json_search *s, const char *p, bool *ret_entered)
{
	struct wb_json_lex *x = s->x;
	const char *name_at = p;
	struct wb_slice name = { NULL, 0 };
	unsigned matched;

	*ret_entered = false;
	x->escaped = false;
	p = wb_json_lex_member(x, p, &name);
	if (WB_UNLIKELY(p == NULL))
		return NULL;
	matched = wb_json_search_match(s, name, x->escaped);
	if (WB_UNLIKELY(matched == UINT8_MAX)) {
		s->duplicate = true;
		return wb_json_lex_fail(x, name_at, "the id or a partition key member appears twice");
	}
	if (matched)
		return wb_json_search_value(s, p, matched, ret_entered);
	if (wb_json_lex_peek(x, p) == '"')
		return wb_json_lex_string(x, p + 1);
	return wb_json_lex_value(x, p, WB_JSON_DEPTH_MAX - 1 - s->depth);
}

/* p is behind the opening brace of the document; gives the position after the closing one. */
static const char *search_object(struct wb_json_search *s, const char *p)
{
	struct wb_json_lex *x = s->x;
	bool at_start = true;

	for (;;) {
		unsigned char c;

		p = wb_json_lex_space(x, p);
		c = wb_json_lex_peek(x, p);
		if (c == '}') {
			p++;
			if (s->depth == 0)
				return p;
			wb_json_search_leave(s, p);
			at_start = false;
			continue;
		}
		if (!at_start) {
			if (WB_UNLIKELY(c != ','))
				return wb_json_lex_fail(x, p, "a comma or } is missing");
			p = wb_json_lex_space(x, p + 1);
		}
		p = member(s, p, &at_start);
		if (WB_UNLIKELY(p == NULL))
			return NULL;
	}
}

const char *wb_json_search(enum wb_json_isa isa, struct wb_json_lex *x, const char *p,
	const struct wb_json_paths *paths, struct wb_json_search *s, enum wb_json_status *ret_status)
{
	const char *after;

	if (wb_json_lex_peek(x, p) != '{') {
		after = wb_json_lex_value(x, p, WB_JSON_DEPTH_MAX);
		*ret_status = after ? WB_JSON_NOT_OBJECT : WB_JSON_INVALID;
		return after;
	}
	wb_json_search_init(s, x, paths);
	after = wb_json_blocks_search(isa, s, p);
	if (!after) {
		wb_json_search_init(s, x, paths);
		after = search_object(s, p + 1);
	}
	*ret_status = after ? WB_JSON_OK : s->duplicate ? WB_JSON_DUPLICATE : WB_JSON_INVALID;
	return after;
}

static enum wb_json_status report(
	const struct wb_json_lex *x, const char *begin, enum wb_json_status status, struct wb_json_error *err)
{
	*err = (struct wb_json_error){ (size_t)(x->error_at - begin), x->error_text };
	return status;
}

/* Whether the value that ended before p was the last thing in the text. */
static bool nothing_follows(struct wb_json_lex *x, const char *p)
{
	if (WB_LIKELY(p == x->end))
		return true;
	p = wb_json_lex_space(x, p);
	if (p == x->end)
		return true;
	(void)wb_json_lex_fail(x, p, "more text after the value");
	return false;
}

enum wb_json_status wb_json_scan_document(struct wb_slice text, const struct wb_json_paths *paths,
	struct wb_json_document *ret, struct wb_json_error *err)
{
	char tail[WB_JSON_TAIL_BYTES];
	struct wb_json_lex x = wb_json_lex_init(&text, tail);
	const char *begin = wb_json_lex_space(&x, text.data), *after;
	struct wb_json_search s;
	enum wb_json_status status;

	after = wb_json_search(WB_JSON_ISA, &x, begin, paths, &s, &status);
	if (after == NULL)
		return report(&x, text.data, status, err);
	if (!nothing_follows(&x, after))
		return report(&x, text.data, WB_JSON_INVALID, err);
	if (status == WB_JSON_NOT_OBJECT) {
		(void)wb_json_lex_fail(&x, begin, "a document must be an object");
		return report(&x, text.data, status, err);
	}
	*ret = wb_json_search_result(&s, paths, wb_slice(begin, (size_t)(after - begin)));
	return WB_JSON_OK;
}

enum wb_json_status wb_json_scan_value(struct wb_slice text, struct wb_json_value *ret, struct wb_json_error *err)
{
	char tail[WB_JSON_TAIL_BYTES];
	struct wb_json_lex x = wb_json_lex_init(&text, tail);
	const char *begin = wb_json_lex_space(&x, text.data), *after;

	after = wb_json_lex_value(&x, begin, WB_JSON_DEPTH_MAX);
	if (after == NULL || !nothing_follows(&x, after))
		return report(&x, text.data, WB_JSON_INVALID, err);
	*ret = (struct wb_json_value){ wb_json_lex_type((unsigned char)*begin),
		wb_slice(begin, (size_t)(after - begin)) };
	return WB_JSON_OK;
}
