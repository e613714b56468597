#include "common/base/json_scan.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <stdlib.h>

/* Where the decoded segments go while a path is split. */
struct splitter {
	const char *at, *end;
	char *out;
};

static bool is_utf8(struct wb_slice s)
{
	for (size_t i = 0, len; i < s.len; i += len) {
		len = wb_utf8_char_len(s.data + i, s.len - i);
		if (len == 0)
			return false;
	}
	return true;
}

/* A segment in quotes: a backslash takes the special meaning of a quote or a backslash, and stays before others. */
static bool quoted_segment(struct splitter *s)
{
	char quote = *s->at++;

	while (s->at < s->end && *s->at != quote) {
		if (*s->at == '\\' && s->at + 1 < s->end && (s->at[1] == quote || s->at[1] == '\\'))
			s->at++;
		*s->out++ = *s->at++;
	}
	if (s->at == s->end)
		return false;
	s->at++;
	return true;
}

static void plain_segment(struct splitter *s)
{
	while (s->at < s->end && *s->at != '/')
		*s->out++ = *s->at++;
}

/* at is at the slash before a segment. */
static bool segment(struct splitter *s, struct wb_slice *ret)
{
	char *begin = s->out;

	if (*s->at++ != '/' || s->at == s->end)
		return false;
	if (*s->at == '"' || *s->at == '\'') {
		if (!quoted_segment(s))
			return false;
	} else {
		plain_segment(s);
		if (s->out == begin)
			return false;
	}
	*ret = wb_slice(begin, (size_t)(s->out - begin));
	return true;
}

static enum wb_err split(struct wb_json_path *path, struct wb_slice text, struct wb_error *e)
{
	struct splitter s = { text.data, text.data + text.len, path->storage };

	if (text.len == 0 || !is_utf8(text))
		return wb_error_set(e, WB_EINVAL, "a partition key path must be UTF-8 text like /a/b");
	/* The SDKs' path parsers take a last slash with nothing behind it too. */
	while (s.at < s.end && !(path->count > 0 && s.at + 1 == s.end && *s.at == '/')) {
		if (path->count == WB_JSON_PATH_SEGMENTS_MAX)
			return wb_error_set(e, WB_EINVAL, "partition key path %.*s has more than %d segments",
				WB_SLICE_ARGS(text), WB_JSON_PATH_SEGMENTS_MAX);
		if (!segment(&s, &path->segments[path->count]))
			return wb_error_set(e, WB_EINVAL,
				"partition key path %.*s must be like /a/b or /\"quoted name\"/b", WB_SLICE_ARGS(text));
		path->count++;
	}
	return WB_OK;
}

enum wb_err wb_json_paths_add(struct wb_json_paths *p, struct wb_slice text, struct wb_error *e)
{
	struct wb_json_path path = { .count = 0 };
	enum wb_err err;

	if (p->count == WB_JSON_PATHS_MAX)
		return wb_error_set(e, WB_EINVAL, "more than %d partition key paths", WB_JSON_PATHS_MAX);
	path.storage = wb_xmalloc(text.len + 1);
	err = split(&path, text, e);
	if (err) {
		free(path.storage);
		return err;
	}
	p->path[p->count++] = path;
	return WB_OK;
}

void wb_json_paths_release(struct wb_json_paths *p)
{
	for (unsigned i = 0; i < p->count; i++)
		free(p->path[i].storage);
	*p = (struct wb_json_paths){ .count = 0 };
}
