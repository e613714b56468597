#include "sandbox/journal_route.h"

#include "common/base/mem.h"
#include "common/base/strict.h"

#include <jansson.h>
#include <stdlib.h>

#define PIECE_BYTES (256 * 1024)

struct stream {
	struct wb_journal *journal;
	uint64_t after;
};

static bool stream_next(void *arg, struct wb_buf *buf)
{
	struct stream *s = arg;

	return wb_journal_read(s->journal, &s->after, PIECE_BYTES, buf);
}

static void list(struct wb_exchange *x)
{
	struct wb_slice text = wb_web_query(x->request, "after");
	int64_t after = 0;
	struct stream *s;

	if (text.data && wb_strict_int64(text, 0, INT64_MAX, &after, NULL)) {
		wb_exchange_error(x, 400, 0, -1, "?after=N is the number of the last line that was read.");
		return;
	}
	s = wb_xcalloc(1, sizeof *s);
	s->journal = x->state->journal;
	s->after = (uint64_t)after;
	wb_exchange_begin(x, 200, 0);
	x->reply->producer_arg = s;
	x->reply->producer = stream_next;
	x->reply->producer_free = free;
}

/* {"enabled":true} */
static bool turn(struct wb_exchange *x)
{
	json_t *json = json_loadb(x->request->body.data, x->request->body.len, 0, NULL);
	json_t *value = json_object_size(json) == 1 ? json_object_get(json, "enabled") : NULL;
	bool valid = json_is_boolean(value);

	if (valid)
		wb_journal_turn(x->state->journal, json_is_true(value));
	json_decref(json);
	return valid;
}

void wb_journal_route(struct wb_exchange *x)
{
	if (wb_exchange_is(x, "GET")) {
		list(x);
		return;
	}
	if (wb_exchange_is(x, "DELETE")) {
		wb_journal_clear(x->state->journal);
	} else if (!wb_exchange_is(x, "POST")) {
		wb_exchange_error(x, 405, 0, -1, "The journal is turned on and off (POST), read and cleared (DELETE).");
		return;
	} else if (!turn(x)) {
		wb_exchange_error(x, 400, 0, -1, "{\"enabled\":true} or {\"enabled\":false} is wanted.");
		return;
	}
	wb_exchange_begin(x, 200, 0);
	wb_buf_appendf(&x->reply->body, "{\"enabled\":%s}\n", wb_journal_is_on(x->state->journal) ? "true" : "false");
}
