/* Runs: as many events as memory holds are sorted and written behind one another into one file; then the runs are merged,
 * each read through a part of the same memory, the run with the smallest event at the top of a heap. */
#include "deadletter/audit_sort.h"

#include "common/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_EVENTS_MIN 64 /* of a run, however many runs there are */

struct run {
	off_t at; /* where its events that were not read yet begin in the file */
	size_t left; /* how many those are */
	struct wb_audit_event *events; /* that were read */
	size_t next, count; /* of events */
};

struct wb_audit_sort {
	size_t max;
	char *directory; /* NULL: $TMPDIR */
	struct wb_audit_event *events;
	size_t count, next;
	int fd; /* -1: everything is in memory */
	off_t size;
	struct run *runs;
	size_t run_count, run_cap, share;
	size_t *heap; /* of runs that have events */
	size_t heap_count;
	bool failed;
};

static int compare(const void *a, const void *b)
{
	return wb_audit_event_compare(a, b);
}

struct wb_audit_sort *wb_audit_sort_new(size_t events_max, const char *directory)
{
	struct wb_audit_sort *s = wb_xcalloc(1, sizeof *s);

	s->max = events_max;
	s->directory = directory ? wb_xstrdup(directory) : NULL;
	s->fd = -1;
	s->events = wb_xcalloc(events_max, sizeof *s->events);
	return s;
}

void wb_audit_sort_free(struct wb_audit_sort **sort)
{
	struct wb_audit_sort *s = *sort;

	if (!s)
		return;
	if (s->fd >= 0)
		(void)close(s->fd); /* it has no name: nothing of it is kept */
	for (size_t i = 0; i < s->run_count; i++)
		free(s->runs[i].events);
	free(s->runs);
	free(s->heap);
	free(s->events);
	free(s->directory);
	free(s);
	*sort = NULL;
}

static enum wb_err fail(struct wb_audit_sort *s, const char *what, const char *path, struct wb_error *e)
{
	s->failed = true;
	return wb_error_set(e, WB_EIO,
		"the audit's temporary file in %s cannot be %s: %s; TMPDIR names another directory", path, what,
		strerror(errno));
}

static const char *directory_of(const struct wb_audit_sort *s)
{
	const char *named = s->directory ? s->directory : getenv("TMPDIR");

	return named && *named ? named : "/tmp";
}

static enum wb_err open_file(struct wb_audit_sort *s, struct wb_error *e)
{
	const char *directory = directory_of(s);
	char path[4096];
	int len = snprintf(path, sizeof path, "%s/writebehind-audit-XXXXXX", directory);

	if (len < 0 || (size_t)len >= sizeof path)
		errno = ENAMETOOLONG;
	else
		s->fd = mkstemp(path);
	if (s->fd < 0 || unlink(path))
		return fail(s, "made", directory, e);
	return WB_OK;
}

static enum wb_err write_all(struct wb_audit_sort *s, const char *bytes, size_t len, struct wb_error *e)
{
	while (len > 0) {
		ssize_t n = pwrite(s->fd, bytes, len, s->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(s, "written", directory_of(s), e);
		bytes += n;
		len -= (size_t)n;
		s->size += n;
	}
	return WB_OK;
}

static void sort_events(struct wb_audit_sort *s)
{
	qsort(s->events, s->count, sizeof *s->events, compare);
}

/* Writes what is in memory as one more run. */
static enum wb_err write_run(struct wb_audit_sort *s, struct wb_error *e)
{
	enum wb_err err = s->fd < 0 ? open_file(s, e) : WB_OK;

	if (err)
		return err;
	if (s->run_count == s->run_cap) {
		s->run_cap = s->run_cap ? 2 * s->run_cap : 16;
		s->runs = wb_xrealloc(s->runs, s->run_cap * sizeof *s->runs);
	}
	s->runs[s->run_count++] = (struct run){ .at = s->size, .left = s->count };
	sort_events(s);
	err = write_all(s, (const char *)s->events, s->count * sizeof *s->events, e);
	s->count = 0;
	return err;
}

enum wb_err wb_audit_sort_add(struct wb_audit_sort *s, const struct wb_audit_event *event, struct wb_error *e)
{
	if (s->failed)
		return wb_error_set(e, WB_EIO, "the audit's temporary file has failed");
	s->events[s->count++] = *event;
	return s->count == s->max ? write_run(s, e) : WB_OK;
}

/* Reads more of a run; after it r->next < r->count unless the run is at its end. */
static enum wb_err read_run(struct wb_audit_sort *s, struct run *r, struct wb_error *e)
{
	size_t want = r->left < s->share ? r->left : s->share, bytes = want * sizeof *r->events, got = 0;

	while (got < bytes) {
		ssize_t n = pread(s->fd, (char *)r->events + got, bytes - got, r->at + (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENODATA;
		if (n <= 0)
			return fail(s, "read", directory_of(s), e);
		got += (size_t)n;
	}
	r->at += (off_t)bytes;
	r->left -= want;
	r->next = 0;
	r->count = want;
	return WB_OK;
}

static bool before(const struct wb_audit_sort *s, size_t a, size_t b)
{
	const struct run *x = &s->runs[s->heap[a]], *y = &s->runs[s->heap[b]];

	return wb_audit_event_compare(&x->events[x->next], &y->events[y->next]) < 0;
}

static void sink_down(struct wb_audit_sort *s, size_t at)
{
	for (;;) {
		size_t least = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->heap_count; child++) {
			if (before(s, child, least))
				least = child;
		}
		if (least == at)
			return;
		size_t other = s->heap[at];

		s->heap[at] = s->heap[least];
		s->heap[least] = other;
		at = least;
	}
}

enum wb_err wb_audit_sort_end(struct wb_audit_sort *s, struct wb_error *e)
{
	enum wb_err err = WB_OK;

	if (s->fd < 0) {
		sort_events(s);
		return WB_OK;
	}
	if (s->count)
		err = write_run(s, e);
	free(s->events);
	s->events = NULL;
	s->share = s->max / s->run_count > READ_EVENTS_MIN ? s->max / s->run_count : READ_EVENTS_MIN;
	s->heap = wb_xcalloc(s->run_count, sizeof *s->heap);
	for (size_t i = 0; i < s->run_count && !err; i++) {
		s->runs[i].events = wb_xcalloc(s->share, sizeof *s->runs[i].events);
		s->heap[s->heap_count++] = i;
		err = read_run(s, &s->runs[i], e);
	}
	for (size_t i = s->heap_count; i-- > 0 && !err;)
		sink_down(s, i);
	return err;
}

enum wb_err wb_audit_sort_next(struct wb_audit_sort *s, struct wb_audit_event *ret, bool *ret_more, struct wb_error *e)
{
	enum wb_err err = WB_OK;
	struct run *r;

	if (s->fd < 0) {
		*ret_more = s->next < s->count;
		if (*ret_more)
			*ret = s->events[s->next++];
		return WB_OK;
	}
	*ret_more = s->heap_count > 0;
	if (!*ret_more)
		return WB_OK;
	r = &s->runs[s->heap[0]];
	*ret = r->events[r->next++];
	if (r->next == r->count && r->left)
		err = read_run(s, r, e);
	else if (r->next == r->count)
		s->heap[0] = s->heap[--s->heap_count];
	if (!err)
		sink_down(s, 0);
	return err;
}
