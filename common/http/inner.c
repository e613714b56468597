/* Requests inside of requests. */
#include "common/base/mem.h"
#include "common/http/server_internal.h"

#include <stdlib.h>

struct wb_slice wb_http_inner_query(const struct wb_http_inside *inside, const char *name)
{
	for (size_t i = 0; i < inside->argument_count; i++)
		if (wb_slice_eq_cstr(inside->arguments[i].name, name))
			return inside->arguments[i].value;
	return (struct wb_slice){ NULL, 0 };
}

void wb_http_inner_each_query(const struct wb_http_inside *inside,
	void (*fn)(void *arg, struct wb_slice name, struct wb_slice value), void *arg)
{
	for (size_t i = 0; i < inside->argument_count; i++)
		fn(arg, inside->arguments[i].name, inside->arguments[i].value);
}

void wb_http_inner_release(struct wb_http_inside **inside)
{
	struct wb_http_inside *i = *inside;

	*inside = NULL;
	if (!i)
		return;
	if (i->inner.release)
		i->inner.release(i->inner.arg);
	free(i->arguments);
	free(i->text);
	free(i);
}

/* Cuts off what stands before the next such character. */
static struct wb_slice next_part(struct wb_slice *rest, char end)
{
	const char *at = memchr(rest->data, end, rest->len);
	struct wb_slice part = { rest->data, at ? (size_t)(at - rest->data) : rest->len };

	rest->data += part.len + (at != NULL);
	rest->len -= part.len + (at != NULL);
	return part;
}

/* As a form has it: + is a space (WHATWG URL, section 5.1). Text with an escape that is none stays as it is. */
static struct wb_slice decode(struct wb_slice text, char *out)
{
	long len = wb_route_decode(text, out);

	if (len < 0) {
		memcpy(out, text.data, text.len);
		len = (long)text.len;
	}
	return wb_slice(out, (size_t)len);
}

static void read_query(struct wb_http_inside *i, char *out)
{
	struct wb_slice rest = i->inner.query;
	size_t most = 1;

	for (size_t k = 0; k < rest.len; k++)
		most += rest.data[k] == '&';
	i->arguments = wb_xcalloc(most, sizeof *i->arguments);
	while (rest.len) {
		struct wb_slice part = next_part(&rest, '&'), name = next_part(&part, '=');
		struct wb_http_argument *a = &i->arguments[i->argument_count];

		if (name.len == 0 && part.len == 0)
			continue;
		a->name = decode(name, out);
		out += a->name.len;
		a->value = decode(part, out);
		out += a->value.len;
		i->argument_count++;
	}
}

static void plus_to_space(struct wb_slice *query, char *copy)
{
	for (size_t k = 0; k < query->len; k++)
		copy[k] = query->data[k] == '+' ? ' ' : query->data[k];
	query->data = copy;
}

void wb_http_enter(struct wb_http_request *r, const struct wb_http_inner *inner)
{
	struct wb_http_inside *i = wb_xcalloc(1, sizeof *i);
	size_t query = inner->query.len, path = inner->path.len;

	i->inner = *inner;
	/* The query with spaces, the same decoded, the path and its decoded parameters as find_route lays them out. */
	i->text = wb_xmalloc(2 * query + 2 * path + 1);
	plus_to_space(&i->inner.query, i->text);
	read_query(i, i->text + query);
	memcpy(i->text + 2 * query, inner->path.data, path);
	i->params = i->text + 2 * query + path;
	r->inside = i;
	r->method = i->inner.method;
	r->path = wb_slice(i->text + 2 * query, path);
	r->route = NULL;
	r->match.count = 0;
	if (!wb_http_find_route(r))
		return;
	if (r->route->begin)
		r->route->begin(r->route->arg, r);
	if (r->answered)
		return;
	if (i->inner.body.len > r->route->max_body_bytes)
		wb_http_refuse(r, 413, "body-too-large", "the body is larger than this path and method take here");
	else
		r->route->handler(r->route->arg, r);
}
