#include "sandbox/patch.h"

#include "common/base/strict.h"
#include "sandbox/member.h"

#include <math.h>
#include <stdio.h>

static const char *const kind_names[] = {
	[WB_PATCH_ADD] = "add",
	[WB_PATCH_SET] = "set",
	[WB_PATCH_REPLACE] = "replace",
	[WB_PATCH_REMOVE] = "remove",
	[WB_PATCH_INCR] = "incr",
	[WB_PATCH_MOVE] = "move",
};

static enum wb_err bad_syntax(struct wb_error *why, const char *what)
{
	return wb_error_set(why, WB_EINVAL, "Invalid patch request: %s.", what);
}

/* A pointer: empty or a slash, and no ~ but in ~0 and ~1. The whole document has none that could be patched. */
static bool is_pointer(struct wb_slice text)
{
	if (text.len < 2 || text.data[0] != '/')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '~' && (i + 1 == text.len || (text.data[i + 1] != '0' && text.data[i + 1] != '1')))
			return false;
	return true;
}

static bool read_pointer(struct wb_slice object, const char *name, struct wb_buf *scratch, struct wb_slice *ret)
{
	struct wb_member m;

	wb_member_find(object, wb_slice_cstr(name), &m);
	return m.value.type == WB_JSON_STRING && !wb_json_string_decode(m.value.raw, scratch, ret) && is_pointer(*ret);
}

static bool read_kind(struct wb_slice object, struct wb_buf *scratch, enum wb_patch_kind *ret)
{
	struct wb_member m;
	struct wb_slice name;

	wb_member_find(object, wb_slice_cstr("op"), &m);
	if (m.value.type != WB_JSON_STRING || wb_json_string_decode(m.value.raw, scratch, &name))
		return false;
	for (size_t i = 0; i < WB_ARRAY_LEN(kind_names); i++) {
		if (wb_slice_eq_cstr(name, kind_names[i])) {
			*ret = (enum wb_patch_kind)i;
			return true;
		}
	}
	return false;
}

static enum wb_err read_step(
	struct wb_json_value object, struct wb_buf *scratch, struct wb_patch_step *ret, struct wb_error *why)
{
	struct wb_member value;

	*ret = (struct wb_patch_step){ .value.type = WB_JSON_ABSENT };
	if (object.type != WB_JSON_OBJECT)
		return bad_syntax(why, "an operation must be an object");
	if (!read_kind(object.raw, scratch, &ret->kind))
		return bad_syntax(why, "\"op\" must be add, set, replace, remove, incr or move");
	if (!read_pointer(object.raw, "path", scratch, &ret->path))
		return bad_syntax(why, "\"path\" must be a JSON pointer");
	if (ret->kind == WB_PATCH_MOVE && !read_pointer(object.raw, "from", scratch, &ret->from))
		return bad_syntax(why, "\"from\" must be a JSON pointer");
	if (ret->kind == WB_PATCH_MOVE || ret->kind == WB_PATCH_REMOVE)
		return WB_OK;
	wb_member_find(object.raw, wb_slice_cstr("value"), &value);
	ret->value = value.value;
	if (ret->value.type == WB_JSON_ABSENT)
		return bad_syntax(why, "\"value\" is missing");
	if (ret->kind == WB_PATCH_INCR && ret->value.type != WB_JSON_NUMBER)
		return bad_syntax(why, "the \"value\" of incr must be a number");
	return WB_OK;
}

static enum wb_err read_steps(struct wb_slice array, struct wb_buf *scratch, struct wb_patch *ret, struct wb_error *why)
{
	struct wb_json_reader r;
	struct wb_json_value value;

	wb_json_reader_init(&r, array);
	if (wb_json_reader_enter(&r) != '[')
		return bad_syntax(why, "\"operations\" must be an array");
	while (wb_json_reader_next(&r, NULL) == 1) {
		enum wb_err err;

		if (ret->count == WB_PATCH_STEPS_MAX)
			return wb_error_set(
				why, WB_EINVAL, "The number of patch operations can't exceed %d.", WB_PATCH_STEPS_MAX);
		if (wb_json_reader_skip(&r, &value))
			break;
		err = read_step(value, scratch, &ret->step[ret->count], why);
		if (err)
			return err;
		ret->count++;
	}
	if (r.status != WB_JSON_OK)
		return bad_syntax(why, "it is no valid JSON");
	return ret->count ? WB_OK : bad_syntax(why, "there is no operation");
}

enum wb_err wb_patch_parse(struct wb_slice text, struct wb_buf *scratch, struct wb_patch *ret, struct wb_error *why)
{
	struct wb_json_error where;
	struct wb_json_value whole;
	struct wb_member m;

	ret->count = 0;
	ret->condition = wb_slice(NULL, 0);
	if (wb_json_scan_value(text, &whole, &where))
		return bad_syntax(why, "it is no valid JSON");
	if (whole.type == WB_JSON_ARRAY)
		return read_steps(whole.raw, scratch, ret, why);
	wb_member_find(whole.raw, wb_slice_cstr("condition"), &m);
	if (m.value.type == WB_JSON_STRING && wb_json_string_decode(m.value.raw, scratch, &ret->condition))
		return bad_syntax(why, "\"condition\" is no text");
	if (m.value.type > WB_JSON_NULL && m.value.type != WB_JSON_STRING)
		return bad_syntax(why, "\"condition\" must be a string");
	wb_member_find(whole.raw, wb_slice_cstr("operations"), &m);
	return read_steps(m.value.raw, scratch, ret, why);
}

/* Takes the next step off a pointer and appends it, decoded, to b, which is cleared first. */
static struct wb_slice next_segment(struct wb_slice *pointer, struct wb_buf *b)
{
	size_t i = 1;

	wb_buf_clear(b);
	for (; i < pointer->len && pointer->data[i] != '/'; i++) {
		char c = pointer->data[i];

		if (c == '~')
			c = pointer->data[++i] == '0' ? '~' : '/';
		wb_buf_append_char(b, c);
	}
	*pointer = wb_slice(pointer->data + i, pointer->len - i);
	return wb_buf_slice(b);
}

/* Whether the pointer leads to the key's value or into it. */
static bool leads_to(struct wb_slice pointer, const struct wb_json_path *path, struct wb_buf *b)
{
	for (unsigned i = 0; i < path->count; i++)
		if (pointer.len == 0 || !wb_slice_eq(next_segment(&pointer, b), path->segments[i]))
			return false;
	return true;
}

static bool may_touch(struct wb_slice pointer, const struct wb_json_paths *keys, struct wb_buf *b, struct wb_error *why)
{
	static const char *const system[] = { "_rid", "_self", "_etag", "_ts", "_attachments" };
	struct wb_slice rest = pointer, first = next_segment(&rest, b);

	if (wb_slice_eq_cstr(first, "id")) {
		(void)bad_syntax(why, "Can't patch the id of a document");
		return false;
	}
	for (size_t i = 0; i < WB_ARRAY_LEN(system); i++) {
		if (wb_slice_eq_cstr(first, system[i])) {
			(void)wb_error_set(
				why, WB_EINVAL, "Invalid patch request: Can't patch system property %s.", system[i]);
			return false;
		}
	}
	for (unsigned i = 0; keys && i < keys->count; i++) {
		if (leads_to(pointer, &keys->path[i], b)) {
			(void)bad_syntax(why, "Can't patch the partition key of a document");
			return false;
		}
	}
	return true;
}

enum wb_err wb_patch_judge(const struct wb_patch *p, const struct wb_json_paths *keys, struct wb_error *why)
{
	struct wb_buf b;
	bool good = true;

	wb_buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < p->count && good; i++)
		good = may_touch(p->step[i].path, keys, &b, why) &&
			(p->step[i].kind != WB_PATCH_MOVE || may_touch(p->step[i].from, keys, &b, why));
	wb_buf_release(&b);
	return good ? WB_OK : WB_EINVAL;
}

/* A document under change. */
struct editor {
	struct wb_buf text, next; /* as it is; as it becomes */
	struct wb_buf name;       /* the last step of a path, decoded */
	struct wb_buf piece;      /* what is to be put in */
	unsigned step;            /* number of the operation */
	struct wb_error *why;
};

static enum wb_err complain(struct editor *e, struct wb_slice path, const char *what)
{
	return wb_error_set(e->why, WB_EINVAL, "For Operation(%u): Node(%.*s) %s.", e->step,
		path.len < 200 ? (int)path.len : 200, path.data, what);
}

/* Goes to the container of the path's last step. */
static enum wb_err find(struct editor *e, struct wb_slice path, struct wb_member *ret)
{
	struct wb_slice container = wb_buf_slice(&e->text), rest = path, name;

	for (;;) {
		name = next_segment(&rest, &e->name);
		if (wb_buf_status(&e->name))
			return wb_buf_status(&e->name);
		wb_member_find(container, name, ret);
		if (ret->container == WB_JSON_ABSENT)
			return complain(e, path, "is no child of an existing node (array or object)");
		if (rest.len == 0)
			return WB_OK;
		if (ret->value.type == WB_JSON_ABSENT)
			return complain(e, path, "can't be made: a path is not created recursively");
		container = ret->value.raw;
	}
}

/* Puts e->piece in the place of [begin, end) of the text. */
static enum wb_err splice(struct editor *e, const char *begin, const char *end)
{
	size_t before = (size_t)(begin - e->text.data), after = (size_t)(end - e->text.data);
	struct wb_buf was = e->text;

	wb_buf_clear(&e->next);
	wb_buf_append(&e->next, e->text.data, before);
	wb_buf_append_slice(&e->next, wb_buf_slice(&e->piece));
	wb_buf_append(&e->next, e->text.data + after, e->text.len - after);
	if (wb_buf_status(&e->piece) || wb_buf_status(&e->next))
		return wb_error_set(e->why, WB_ETOOBIG, "The patched document is too large.");
	e->text = e->next;
	e->next = was;
	return WB_OK;
}

static enum wb_err overwrite(struct editor *e, const struct wb_member *m, struct wb_slice value)
{
	wb_buf_clear(&e->piece);
	wb_buf_append_slice(&e->piece, value);
	return splice(e, m->value.raw.data, m->value.raw.data + m->value.raw.len);
}

static enum wb_err append(struct editor *e, const struct wb_member *m, struct wb_slice value)
{
	wb_buf_clear(&e->piece);
	if (m->count)
		wb_buf_append_char(&e->piece, ',');
	if (m->container == WB_JSON_OBJECT) {
		wb_buf_append_json_string(&e->piece, wb_buf_slice(&e->name));
		wb_buf_append_char(&e->piece, ':');
	}
	wb_buf_append_slice(&e->piece, value);
	return splice(e, m->close, m->close);
}

/* value must not lie in the text. insert: an element of an array makes room instead of being replaced. */
static enum wb_err put(struct editor *e, struct wb_slice path, struct wb_slice value, bool insert)
{
	struct wb_member m;
	size_t index;
	enum wb_err err = find(e, path, &m);

	if (err)
		return err;
	if (m.value.type != WB_JSON_ABSENT && (m.container == WB_JSON_OBJECT || !insert))
		return overwrite(e, &m, value);
	if (m.value.type != WB_JSON_ABSENT) {
		wb_buf_clear(&e->piece);
		wb_buf_append_slice(&e->piece, value);
		wb_buf_append_char(&e->piece, ',');
		return splice(e, m.begin, m.begin);
	}
	if (m.container == WB_JSON_OBJECT || wb_slice_eq_cstr(wb_buf_slice(&e->name), "-") ||
		(wb_member_index(wb_buf_slice(&e->name), &index) && index == m.count))
		return append(e, &m, value);
	return complain(e, path, "is out of array bounds");
}

static enum wb_err replace(struct editor *e, const struct wb_patch_step *step)
{
	struct wb_member m;
	enum wb_err err = find(e, step->path, &m);

	if (err)
		return err;
	if (m.value.type == WB_JSON_ABSENT)
		return complain(e, step->path, "to be replaced is absent");
	return overwrite(e, &m, step->value.raw);
}

/* Takes a member out, with the comma on its one side. */
static enum wb_err take_out(struct editor *e, struct wb_slice path, struct wb_buf *ret_value)
{
	struct wb_member m;
	const char *begin, *end;
	enum wb_err err = find(e, path, &m);

	if (err)
		return err;
	if (m.value.type == WB_JSON_ABSENT)
		return complain(e, path, "to be removed is absent");
	if (ret_value)
		wb_buf_append_slice(ret_value, m.value.raw);
	begin = m.next || !m.previous_end ? m.begin : m.previous_end;
	end = m.next ? m.next : m.value.raw.data + m.value.raw.len;
	wb_buf_clear(&e->piece);
	return splice(e, begin, end);
}

/* Whole numbers stay whole as long as they fit. */
static bool add_numbers(struct wb_slice a, struct wb_slice b, char ret[48])
{
	int64_t x, y, sum;
	double real;

	if (!wb_strict_int64(a, INT64_MIN, INT64_MAX, &x, NULL) &&
		!wb_strict_int64(b, INT64_MIN, INT64_MAX, &y, NULL) && !__builtin_add_overflow(x, y, &sum)) {
		(void)snprintf(ret, 48, "%lld", (long long)sum); /* fits: 20 digits */
		return true;
	}
	real = wb_json_number(a) + wb_json_number(b);
	(void)snprintf(ret, 48, "%.17g", real); /* fits: 24 bytes */
	return isfinite(real);
}

static enum wb_err increase(struct editor *e, const struct wb_patch_step *step)
{
	struct wb_member m;
	char sum[48];
	enum wb_err err = find(e, step->path, &m);

	if (err)
		return err;
	if (m.value.type == WB_JSON_ABSENT)
		return put(e, step->path, step->value.raw, true);
	if (m.value.type != WB_JSON_NUMBER || !add_numbers(m.value.raw, step->value.raw, sum))
		return complain(e, step->path, "isn't a number, or becomes too large for one");
	return overwrite(e, &m, wb_slice_cstr(sum));
}

static enum wb_err move(struct editor *e, const struct wb_patch_step *step)
{
	struct wb_buf value;
	enum wb_err err;

	if (step->path.len > step->from.len && step->path.data[step->from.len] == '/' &&
		memcmp(step->path.data, step->from.data, step->from.len) == 0)
		return complain(e, step->path, "lies inside of what is to be moved");
	wb_buf_init(&value, e->text.max);
	err = take_out(e, step->from, &value);
	if (!err)
		err = wb_buf_status(&value);
	if (!err)
		err = put(e, step->path, wb_buf_slice(&value), true);
	wb_buf_release(&value);
	return err;
}

static enum wb_err run_step(struct editor *e, const struct wb_patch_step *step)
{
	switch (step->kind) {
	case WB_PATCH_ADD:
		return put(e, step->path, step->value.raw, true);
	case WB_PATCH_SET:
		return put(e, step->path, step->value.raw, false);
	case WB_PATCH_REPLACE:
		return replace(e, step);
	case WB_PATCH_REMOVE:
		return take_out(e, step->path, NULL);
	case WB_PATCH_INCR:
		return increase(e, step);
	case WB_PATCH_MOVE:
		return move(e, step);
	}
	return WB_EINVAL;
}

enum wb_err wb_patch_apply(const struct wb_patch *p, struct wb_slice document, struct wb_buf *ret, struct wb_error *why)
{
	struct editor e = { .why = why };
	enum wb_err err;

	wb_buf_init(&e.text, ret->max);
	wb_buf_init(&e.next, ret->max);
	wb_buf_init(&e.name, ret->max);
	wb_buf_init(&e.piece, ret->max);
	wb_buf_append_slice(&e.text, document);
	err = wb_buf_status(&e.text);
	for (; !err && e.step < p->count; e.step++)
		err = run_step(&e, &p->step[e.step]);
	if (!err) {
		wb_buf_append_slice(ret, wb_buf_slice(&e.text));
		err = wb_buf_status(ret);
	}
	wb_buf_release(&e.text);
	wb_buf_release(&e.next);
	wb_buf_release(&e.name);
	wb_buf_release(&e.piece);
	return err;
}
