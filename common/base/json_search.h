/* What is looked for in a document while it is scanned: the id and the partition key paths, and where they were found.
 *
 * The inside of json_scan.h, shared by its two ways through a document: token by token (json_scan.c) and in blocks
 * (json_blocks.h). A search follows the objects on the way of a path; whoever scans tells it of their members.
 * Pure. Thread-safe: each search has one owner.
 */
#ifndef WB_COMMON_BASE_JSON_SEARCH_H
#define WB_COMMON_BASE_JSON_SEARCH_H

#include "common/base/json_lex.h"

/* One thing that is looked for: a partition key value or the id. */
struct wb_json_target {
	const struct wb_slice *segments;
	struct wb_slice name; /* of these, the one that is wanted in the innermost level */
	unsigned count;
	unsigned found; /* segments that were met so far, each at most once */
	struct wb_json_value value;
};

enum { WB_JSON_TARGETS_MAX = WB_JSON_PATHS_MAX + 1 };

/* An object whose members may matter: the document, or an object on the way of a path. */
struct wb_json_level {
	uint8_t wanted;   /* targets that have a segment here, a bit each */
	uint8_t captured; /* targets whose value this object is */
};

struct wb_json_search {
	struct wb_json_lex *x;
	struct wb_json_target targets[WB_JSON_TARGETS_MAX];
	struct wb_json_level levels[WB_JSON_PATH_SEGMENTS_MAX];
	unsigned depth; /* index of the innermost level */
	/* From opening to closing quote of each name that is wanted there; 63 for a longer one, 0 for none. */
	uint8_t spans[WB_JSON_TARGETS_MAX];
	bool duplicate;
};

/* After the innermost level became another one. */
static inline void wb_json_search_aim(struct wb_json_search *s)
{
	for (unsigned i = 0; i < WB_JSON_TARGETS_MAX; i++)
		s->spans[i] = 0;
	for (unsigned bits = s->levels[s->depth].wanted; bits; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits);
		struct wb_json_target *t = &s->targets[i];

		t->name = t->segments[s->depth];
		s->spans[i] = t->name.len < 62 ? (uint8_t)(t->name.len + 1) : 63;
	}
}

static inline void wb_json_search_init(
	struct wb_json_search *s, struct wb_json_lex *x, const struct wb_json_paths *paths)
{
	static const struct wb_slice id_segment = WB_SLICE_LIT("id");
	unsigned count = paths ? paths->count : 0;

	s->x = x;
	s->depth = 0;
	s->duplicate = false;
	s->levels[0] = (struct wb_json_level){ (uint8_t)((2U << count) - 1), 0 };
	for (unsigned i = 0; i < count; i++)
		s->targets[i] = (struct wb_json_target){ .segments = paths->path[i].segments,
			.count = paths->path[i].count };
	s->targets[count] = (struct wb_json_target){ .segments = &id_segment, .count = 1 };
	wb_json_search_aim(s);
}

static inline bool wb_json_search_names_equal(struct wb_slice raw_name, bool escaped, struct wb_slice segment)
{
	if (WB_UNLIKELY(escaped))
		return wb_json_name_equals(raw_name, segment);
	return raw_name.len == segment.len + 2 && memcmp(raw_name.data + 1, segment.data, segment.len) == 0;
}

/* The targets that this member of the innermost level is on the way of, or UINT8_MAX for one met before. */
static inline unsigned wb_json_search_match(struct wb_json_search *s, struct wb_slice raw_name, bool escaped)
{
	unsigned matched = 0;

	for (unsigned bits = s->levels[s->depth].wanted; bits; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits);
		struct wb_json_target *t = &s->targets[i];

		if (WB_LIKELY(!wb_json_search_names_equal(raw_name, escaped, t->name)))
			continue;
		if (t->found > s->depth)
			return UINT8_MAX;
		t->found = s->depth + 1;
		matched |= 1U << i;
	}
	return matched;
}

static inline void wb_json_search_capture(
	struct wb_json_search *s, unsigned captured, const char *begin, const char *after)
{
	for (unsigned bits = captured; bits; bits &= bits - 1) {
		struct wb_json_value *value = &s->targets[__builtin_ctz(bits)].value;

		value->type = wb_json_lex_type((unsigned char)*begin);
		value->raw = wb_slice(begin, (size_t)(after - begin));
	}
}

/* Closes the innermost level, which ended just before after. */
static inline void wb_json_search_leave(struct wb_json_search *s, const char *after)
{
	for (unsigned bits = s->levels[s->depth].captured; bits; bits &= bits - 1) {
		struct wb_json_value *value = &s->targets[__builtin_ctz(bits)].value;

		value->raw.len = (size_t)(after - value->raw.data);
	}
	s->depth--;
	wb_json_search_aim(s);
}

/* The value of a member that is on somebody's way. *ret_entered: it is an object that must be searched too, and the
 * position given is behind its brace. */
static inline const char *wb_json_search_value(
	struct wb_json_search *s, const char *p, unsigned matched, bool *ret_entered)
{
	unsigned captured = 0;
	const char *after;

	for (unsigned bits = matched; bits; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits);

		captured |= (s->targets[i].count == s->depth + 1) ? 1U << i : 0;
	}
	if (matched != captured && wb_json_lex_peek(s->x, p) == '{') {
		wb_json_search_capture(s, captured, p, p);
		s->levels[++s->depth] = (struct wb_json_level){ (uint8_t)(matched & ~captured), (uint8_t)captured };
		wb_json_search_aim(s);
		*ret_entered = true;
		return p + 1;
	}
	after = wb_json_lex_any(s->x, p, WB_JSON_DEPTH_MAX - 1 - s->depth);
	if (after)
		wb_json_search_capture(s, captured, p, after);
	return after;
}

/* What was found in the document raw. */
static inline struct wb_json_document wb_json_search_result(
	const struct wb_json_search *s, const struct wb_json_paths *paths, struct wb_slice raw)
{
	unsigned count = paths ? paths->count : 0;
	struct wb_json_document doc = { .raw = raw, .id = s->targets[count].value };

	for (unsigned i = 0; i < count; i++)
		doc.keys[i] = s->targets[i].value;
	return doc;
}

#endif
