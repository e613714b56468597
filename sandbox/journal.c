#include "sandbox/journal.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdatomic.h>
#include <stdlib.h>

#define LINES_MIN 1024
/* What a line costs beside its bytes: its place in the table, twice as it grows, and the allocator's own. */
#define LINE_COST 32
/* A document of the largest size, and the rest of a line; a piece of a reply has room for it. */
#define LINE_MAX ((size_t)3 * 1024 * 1024)

struct line {
	char *text;
	size_t len;
};

struct wb_journal {
	_Atomic bool on;
	pthread_mutex_t lock; /* guards all below */
	int64_t max_bytes, used_bytes;
	struct line *lines;   /* the first has the number after `dropped` */
	size_t count, cap;
	uint64_t dropped;
	bool full;
	struct wb_buf scratch; /* the line that is being made */
};

static const char *const operation_names[] = {
#define X(symbol, name) name,
	WB_OPERATION_LIST(X)
#undef X
};

struct wb_journal *wb_journal_new(int64_t max_bytes)
{
	struct wb_journal *j = wb_xcalloc(1, sizeof *j);

	wb_mutex_init(&j->lock);
	wb_buf_init(&j->scratch, LINE_MAX);
	j->max_bytes = max_bytes;
	return j;
}

void wb_journal_free(struct wb_journal **journal)
{
	struct wb_journal *j = *journal;

	if (!j)
		return;
	wb_journal_clear(j);
	wb_mutex_release(&j->lock);
	wb_buf_release(&j->scratch);
	free(j);
	*journal = NULL;
}

bool wb_journal_is_on(const struct wb_journal *j)
{
	return atomic_load_explicit(&j->on, memory_order_acquire);
}

void wb_journal_turn(struct wb_journal *j, bool on)
{
	atomic_store(&j->on, on);
}

void wb_journal_clear(struct wb_journal *j)
{
	wb_mutex_lock(&j->lock);
	for (size_t i = 0; i < j->count; i++)
		free(j->lines[i].text);
	free(j->lines);
	j->lines = NULL;
	j->dropped += j->count;
	j->count = j->cap = 0;
	j->used_bytes = 0;
	j->full = false;
	wb_mutex_unlock(&j->lock);
}

static void append_member(struct wb_buf *b, const char *name, struct wb_slice text)
{
	wb_buf_append_cstr(b, name);
	wb_buf_append_json_string(b, text);
}

/* A line end in a document can only be white space between its tokens: a space says the same. */
static void append_document(struct wb_buf *b, struct wb_slice document)
{
	size_t at;

	wb_buf_append_cstr(b, ",\"document\":");
	at = b->len;
	wb_buf_append_slice(b, document);
	for (; at < b->len; at++)
		if (b->data[at] == '\n' || b->data[at] == '\r')
			b->data[at] = ' ';
}

static void write_line(struct wb_buf *b, uint64_t number, const struct wb_journal_entry *entry)
{
	wb_buf_clear(b);
	wb_buf_append_cstr(b, "{\"n\":");
	wb_buf_append_u64(b, number);
	append_member(b, ",\"op\":", wb_slice_cstr(operation_names[entry->operation]));
	append_member(b, ",\"database\":", entry->database);
	append_member(b, ",\"container\":", entry->container);
	append_member(b, ",\"id\":", entry->id);
	wb_buf_append_cstr(b, ",\"pk\":");
	wb_buf_append_slice(b, entry->pk);
	if (entry->etag.data)
		append_member(b, ",\"etag\":", entry->etag);
	wb_buf_append_cstr(b, ",\"status\":");
	wb_buf_append_u64(b, entry->status);
	append_member(b, ",\"client\":", entry->client);
	wb_buf_append_cstr(b, ",\"at_ms\":");
	wb_buf_append_i64(b, entry->at_ms);
	if (entry->document.data)
		append_document(b, entry->document);
	wb_buf_append_cstr(b, "}\n");
}

static void keep_line(struct wb_journal *j)
{
	struct wb_slice text = wb_buf_slice(&j->scratch);
	struct line *line;

	if (wb_buf_status(&j->scratch) || j->used_bytes + (int64_t)text.len + LINE_COST > j->max_bytes) {
		j->full = true;
		return;
	}
	if (j->count == j->cap) {
		j->cap = j->cap ? j->cap * 2 : LINES_MIN;
		j->lines = wb_xrealloc(j->lines, j->cap * sizeof *j->lines);
	}
	line = &j->lines[j->count++];
	line->text = wb_xmalloc(text.len);
	line->len = text.len;
	memcpy(line->text, text.data, text.len);
	j->used_bytes += (int64_t)text.len + LINE_COST;
}

void wb_journal_append(struct wb_journal *j, const struct wb_journal_entry *entry)
{
	if (!wb_journal_is_on(j))
		return;
	wb_mutex_lock(&j->lock);
	if (!j->full) {
		write_line(&j->scratch, j->dropped + j->count + 1, entry);
		keep_line(j);
	}
	wb_mutex_unlock(&j->lock);
}

bool wb_journal_read(struct wb_journal *j, uint64_t *after, size_t piece_bytes, struct wb_buf *buf)
{
	uint64_t last;
	bool more;

	wb_mutex_lock(&j->lock);
	last = j->dropped + j->count;
	if (*after < j->dropped)
		*after = j->dropped;
	while (*after < last && buf->len < piece_bytes) {
		const struct line *line = &j->lines[*after - j->dropped];

		wb_buf_append(buf, line->text, line->len);
		(*after)++;
	}
	more = *after < last;
	if (!more && j->full)
		wb_buf_appendf(buf, "{\"truncated\":true,\"after\":%llu}\n", (unsigned long long)last);
	wb_mutex_unlock(&j->lock);
	return more;
}
