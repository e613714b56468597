#include "sandbox/member.h"

#define INDEX_DIGITS_MAX 9

static bool name_is(struct wb_slice raw, struct wb_slice name)
{
	struct wb_buf decoded;
	struct wb_slice text;
	bool same;

	if (!memchr(raw.data, '\\', raw.len))
		return wb_slice_eq(wb_slice(raw.data + 1, raw.len - 2), name);
	wb_buf_init(&decoded, raw.len);
	same = !wb_json_string_decode(raw, &decoded, &text) && wb_slice_eq(text, name);
	wb_buf_release(&decoded);
	return same;
}

bool wb_member_index(struct wb_slice text, size_t *ret)
{
	size_t index = 0;

	if (text.len == 0 || text.len > INDEX_DIGITS_MAX || (text.len > 1 && text.data[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		index = index * 10 + (size_t)(text.data[i] - '0');
	}
	*ret = index;
	return true;
}

void wb_member_find(struct wb_slice container, struct wb_slice name, struct wb_member *ret)
{
	const char *previous_end = NULL;
	struct wb_json_reader r;
	struct wb_slice raw_name;
	size_t index = SIZE_MAX;
	int bracket;

	*ret = (struct wb_member){ .container = WB_JSON_ABSENT };
	wb_json_reader_init(&r, container);
	bracket = wb_json_reader_enter(&r);
	if (!bracket || (bracket == '[' && !wb_member_index(name, &index)))
		index = SIZE_MAX;
	while (bracket && wb_json_reader_next(&r, &raw_name) == 1) {
		struct wb_json_value value;
		const char *begin;

		if (wb_json_reader_skip(&r, &value))
			return;
		begin = raw_name.data ? raw_name.data : value.raw.data;
		if (ret->begin && !ret->next)
			ret->next = begin;
		if (!ret->begin && (raw_name.data ? name_is(raw_name, name) : ret->count == index)) {
			ret->value = value;
			ret->begin = begin;
			ret->previous_end = previous_end;
		}
		previous_end = value.raw.data + value.raw.len;
		ret->count++;
	}
	if (!bracket || r.status != WB_JSON_OK)
		return;
	ret->container = bracket == '{' ? WB_JSON_OBJECT : WB_JSON_ARRAY;
	ret->close = r.at - 1;
}

struct wb_json_value wb_member_at(struct wb_slice document, const struct wb_slice *names, unsigned count)
{
	struct wb_member member = { .value = { WB_JSON_OBJECT, document } };

	for (unsigned i = 0; i < count && member.value.type != WB_JSON_ABSENT; i++)
		wb_member_find(member.value.raw, names[i], &member);
	return member.value;
}
