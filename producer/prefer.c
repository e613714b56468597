#include "producer/prefer.h"

#include <string.h>
#include <strings.h>

static struct wb_slice trimmed(struct wb_slice s)
{
	while (s.len && (*s.data == ' ' || *s.data == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Cuts off what stands before the next separator outside quotes. */
static struct wb_slice next_part(struct wb_slice *rest, char separator)
{
	bool quoted = false;
	size_t len = 0;
	struct wb_slice part;

	for (; len < rest->len && (quoted || rest->data[len] != separator); len++) {
		if (rest->data[len] == '"')
			quoted = !quoted;
		else if (quoted && rest->data[len] == '\\' && len + 1 < rest->len)
			len++;
	}
	part = wb_slice(rest->data, len);
	rest->data += len < rest->len ? len + 1 : len;
	rest->len -= len < rest->len ? len + 1 : len;
	return trimmed(part);
}

static bool same_word(struct wb_slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

/* delta-seconds: digits, in quotes if need be. */
static bool read_seconds(struct wb_slice s, int64_t *ret)
{
	int64_t value = 0;

	if (s.len >= 2 && s.data[0] == '"' && s.data[s.len - 1] == '"')
		s = wb_slice(s.data + 1, s.len - 2);
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		value = value * 10 + (s.data[i] - '0');
		if (value > WB_PREFER_WAIT_MAX)
			value = WB_PREFER_WAIT_MAX;
	}
	*ret = value;
	return s.len > 0;
}

void wb_prefer_add(struct wb_prefer *p, struct wb_slice field)
{
	while (field.len) {
		struct wb_slice preference = next_part(&field, ',');
		struct wb_slice value = next_part(&preference, ';'), name = next_part(&value, '=');

		if (same_word(name, "respond-async")) {
			p->respond_async = true;
		} else if (same_word(name, "wait") && !p->wait_met) {
			p->wait_met = true;
			p->wait = read_seconds(trimmed(value), &p->wait_s);
		}
	}
}
