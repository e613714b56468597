#include "common/http/route.h"

#include <ctype.h>

static struct wb_slice first_segment(struct wb_slice text)
{
	const char *slash = text.len ? memchr(text.data, '/', text.len) : NULL;

	return wb_slice(text.data, slash ? (size_t)(slash - text.data) : text.len);
}

static struct wb_slice after(struct wb_slice text, size_t len)
{
	return wb_slice(text.data + len, text.len - len);
}

static bool add(struct wb_route_match *match, struct wb_slice name, struct wb_slice value)
{
	if (match->count == WB_ROUTE_PARAMS_MAX)
		return false;
	match->name[match->count] = name;
	match->value[match->count++] = value;
	return true;
}

bool wb_route_match(struct wb_slice pattern, struct wb_slice path, struct wb_route_match *ret)
{
	struct wb_route_match match = { .count = 0 };

	for (;;) {
		struct wb_slice want = first_segment(pattern), have = first_segment(path);

		if (wb_slice_eq_cstr(want, "*") && want.len == pattern.len) {
			if (!add(&match, want, path))
				return false;
			break;
		}
		if (want.len > 2 && want.data[0] == '{' && want.data[want.len - 1] == '}') {
			if (have.len == 0 || !add(&match, wb_slice(want.data + 1, want.len - 2), have))
				return false;
		} else if (!wb_slice_eq(want, have)) {
			return false;
		}
		pattern = after(pattern, want.len);
		path = after(path, have.len);
		if (pattern.len == 0 || path.len == 0) {
			if (pattern.len != path.len)
				return false;
			break;
		}
		pattern = after(pattern, 1);
		path = after(path, 1);
	}
	*ret = match;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

long wb_route_decode(struct wb_slice text, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '%') {
			out[n++] = text.data[i];
			continue;
		}
		if (text.len - i < 3 || hex_value(text.data[i + 1]) < 0 || hex_value(text.data[i + 2]) < 0)
			return -1;
		out[n++] = (char)(hex_value(text.data[i + 1]) << 4 | hex_value(text.data[i + 2]));
		i += 2;
	}
	return (long)n;
}
