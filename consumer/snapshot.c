#include "consumer/snapshot.h"

#include "common/base/mem.h"
#include "common/base/utf8.h"

#include <assert.h>
#include <stdlib.h>

struct wb_snapshot *wb_snapshot_new(void)
{
	return wb_xcalloc(1, sizeof(struct wb_snapshot));
}

void wb_snapshot_free(struct wb_snapshot **s)
{
	if (!*s)
		return;
	free((*s)->partitions);
	free((*s)->containers);
	free((*s)->ranges);
	free(*s);
	*s = NULL;
}

/* As many whole characters as fit. */
static void copy_id(struct wb_held_write *to, struct wb_slice id)
{
	size_t at = 0, len;

	while (at < id.len && (len = wb_utf8_char_len(id.data + at, id.len - at)) > 0 && at + len < sizeof to->id)
		at += len;
	if (at)
		memcpy(to->id, id.data, at);
	to->id[at] = '\0';
	to->id_cut = at < id.len;
}

void wb_snapshot_hold(
	struct wb_snapshot *s, const struct wb_write *w, const char *database, const char *container, int64_t now_ms)
{
	struct wb_held_write *to = &s->held[s->held_count++];
	struct wb_slice trace = wb_write_traceparent(w);

	assert(s->held_count <= WB_SNAPSHOT_HELD_MAX);
	*to = (struct wb_held_write){ .topic = w->assignment->topic,
		.partition = w->assignment->partition,
		.offset = w->offset,
		.database = database,
		.container = container,
		.state = w->state,
		.alone = w->alone,
		.attempts = w->attempts,
		.status = w->failure ? w->failure->status : 0,
		.substatus = w->failure ? w->failure->substatus : 0,
		.held_ms = now_ms > w->read_ms ? now_ms - w->read_ms : 0 };
	copy_id(to, w->id);
	if (trace.data)
		memcpy(to->traceparent, trace.data, trace.len);
}
