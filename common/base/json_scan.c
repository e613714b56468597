#include "common/base/json_lex.h"

/* One thing that is looked for: a partition key value or the id. */
struct target {
	const struct wb_slice *segments;
	unsigned count;
	unsigned found; /* segments that were met so far, each at most once */
	struct wb_json_value *value;
};

enum { TARGETS_MAX = WB_JSON_PATHS_MAX + 1 };

/* An object whose members may matter: the document, or an object on the way of a path. */
struct level {
	uint8_t wanted;   /* targets that have a segment here, a bit each */
	uint8_t captured; /* targets whose value this object is */
};

struct search {
	struct wb_json_lex *x;
	struct target targets[TARGETS_MAX];
	struct level levels[WB_JSON_PATH_SEGMENTS_MAX];
	unsigned depth; /* index of the innermost level */
	bool duplicate;
};

static const struct wb_slice id_segment = WB_SLICE_LIT("id");

static void search_init(
	struct search *s, struct wb_json_lex *x, const struct wb_json_paths *paths, struct wb_json_document *doc)
{
	unsigned count = paths ? paths->count : 0;

	s->x = x;
	s->depth = 0;
	s->duplicate = false;
	s->levels[0] = (struct level){ (uint8_t)((2U << count) - 1), 0 };
	for (unsigned i = 0; i < count; i++)
		s->targets[i] = (struct target){ paths->path[i].segments, paths->path[i].count, 0, &doc->keys[i] };
	s->targets[count] = (struct target){ &id_segment, 1, 0, &doc->id };
	doc->id = (struct wb_json_value){ WB_JSON_ABSENT, { NULL, 0 } };
	for (unsigned i = 0; i < WB_JSON_PATHS_MAX; i++)
		doc->keys[i] = doc->id;
}

static bool names_equal(struct wb_slice raw_name, bool escaped, struct wb_slice segment)
{
	if (WB_UNLIKELY(escaped))
		return wb_json_name_equals(raw_name, segment);
	return raw_name.len == segment.len + 2 && memcmp(raw_name.data + 1, segment.data, segment.len) == 0;
}

/* The targets that this member of the innermost level is on the way of, or UINT8_MAX for one met before. */
static unsigned match(struct search *s, struct wb_slice raw_name, bool escaped)
{
	unsigned matched = 0;

	for (unsigned bits = s->levels[s->depth].wanted; bits; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits);
		struct target *t = &s->targets[i];

		if (WB_LIKELY(!names_equal(raw_name, escaped, t->segments[s->depth])))
			continue;
		if (t->found > s->depth)
			return UINT8_MAX;
		t->found = s->depth + 1;
		matched |= 1U << i;
	}
	return matched;
}

static void capture(struct search *s, unsigned captured, const char *begin, const char *after)
{
	for (unsigned bits = captured; bits; bits &= bits - 1) {
		struct wb_json_value *value = s->targets[__builtin_ctz(bits)].value;

		value->type = wb_json_lex_type((unsigned char)*begin);
		value->raw = wb_slice(begin, (size_t)(after - begin));
	}
}

/* Closes the innermost level, which ended just before after. */
static void leave(struct search *s, const char *after)
{
	for (unsigned bits = s->levels[s->depth].captured; bits; bits &= bits - 1) {
		struct wb_json_value *value = s->targets[__builtin_ctz(bits)].value;

		value->raw.len = (size_t)(after - value->raw.data);
	}
	s->depth--;
}

/* The value of a member that is on somebody's way. *ret_entered: it is an object that must be searched too, and the
 * position given is behind its brace. */
static const char *matched_value(struct search *s, const char *p, unsigned matched, bool *ret_entered)
{
	unsigned captured = 0;
	const char *after;

	for (unsigned bits = matched; bits; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits);

		captured |= (s->targets[i].count == s->depth + 1) ? 1U << i : 0;
	}
	if (matched != captured && wb_json_lex_peek(s->x, p) == '{') {
		capture(s, captured, p, p);
		s->levels[++s->depth] = (struct level){ (uint8_t)(matched & ~captured), (uint8_t)captured };
		*ret_entered = true;
		return p + 1;
	}
	after = wb_json_lex_value(s->x, p, WB_JSON_DEPTH_MAX - 1 - s->depth);
	if (after)
		capture(s, captured, p, after);
	return after;
}

/* One member from its name on. */
static inline const char *member(struct search *s, const char *p, bool *ret_entered)
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
	matched = match(s, name, x->escaped);
	if (WB_UNLIKELY(matched == UINT8_MAX)) {
		s->duplicate = true;
		return wb_json_lex_fail(x, name_at, "the id or a partition key member appears twice");
	}
	if (matched)
		return matched_value(s, p, matched, ret_entered);
	if (wb_json_lex_peek(x, p) == '"')
		return wb_json_lex_string(x, p + 1);
	return wb_json_lex_value(x, p, WB_JSON_DEPTH_MAX - 1 - s->depth);
}

/* p is behind the opening brace of the document; gives the position after the closing one. */
static const char *search_object(struct search *s, const char *p)
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
			leave(s, p);
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

const char *wb_json_search(struct wb_json_lex *x, const char *p, const struct wb_json_paths *paths,
	struct wb_json_document *ret, enum wb_json_status *ret_status)
{
	struct search s;
	struct wb_json_document doc;
	const char *after;

	if (wb_json_lex_peek(x, p) != '{') {
		after = wb_json_lex_value(x, p, WB_JSON_DEPTH_MAX);
		*ret_status = after ? WB_JSON_NOT_OBJECT : WB_JSON_INVALID;
		return after;
	}
	search_init(&s, x, paths, &doc);
	after = search_object(&s, p + 1);
	if (after == NULL) {
		*ret_status = s.duplicate ? WB_JSON_DUPLICATE : WB_JSON_INVALID;
		return NULL;
	}
	doc.raw = wb_slice(p, (size_t)(after - p));
	*ret = doc;
	*ret_status = WB_JSON_OK;
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
	p = wb_json_lex_space(x, p);
	if (WB_LIKELY(p == x->end))
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
	struct wb_json_document doc;
	enum wb_json_status status;

	after = wb_json_search(&x, begin, paths, &doc, &status);
	if (after == NULL)
		return report(&x, text.data, status, err);
	if (!nothing_follows(&x, after))
		return report(&x, text.data, WB_JSON_INVALID, err);
	if (status == WB_JSON_NOT_OBJECT) {
		(void)wb_json_lex_fail(&x, begin, "a document must be an object");
		return report(&x, text.data, status, err);
	}
	*ret = doc;
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
