#include "common/base/log_buffer.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	/* A reader of a full pipe gets this long to make room before what is written is given up. */
	PATIENCE_MS = 100,
	/* A pipe that says it is writable takes this much without blocking. */
	PIPE_BYTES = 4096,
	RESCUE_TRIES = 20,
	RESCUE_PAUSE_NS = 5 * 1000 * 1000,
};

struct wb_log_buffer {
	int fd;
	pthread_mutex_t out; /* around writing, so that lines keep their order; taken before lock */
	char *writing;       /* under out */

	pthread_mutex_t lock; /* around what follows */
	pthread_cond_t changed;
	char *waiting; /* lines, len bytes of them; NULL until the first */
	size_t len;
	int64_t since_ms; /* when the first of them came */
	bool quit;
	pthread_t thread; /* runs as soon as waiting is not NULL */
};

struct wb_log_buffer *wb_log_buffer_new(int fd)
{
	struct wb_log_buffer *b = wb_xcalloc(1, sizeof *b);

	b->fd = fd;
	wb_mutex_init(&b->out);
	wb_mutex_init(&b->lock);
	wb_cond_init(&b->changed);
	return b;
}

static void write_all(int fd, const char *data, size_t len)
{
	struct pollfd writable = { .fd = fd, .events = POLLOUT };

	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (poll(&writable, 1, PATIENCE_MS) == 0)
				return;
		} else if (errno != EINTR) {
			return; /* nowhere is left to tell it */
		}
	}
}

/* out is held. Lines can be added again while these are written. */
static void write_waiting(struct wb_log_buffer *b)
{
	char *lines;
	size_t len;

	wb_mutex_lock(&b->lock);
	lines = b->waiting;
	len = b->len;
	if (len > 0) {
		b->waiting = b->writing;
		b->writing = lines;
		b->len = 0;
	}
	wb_mutex_unlock(&b->lock);
	write_all(b->fd, lines, len);
}

static void flush(struct wb_log_buffer *b)
{
	wb_mutex_lock(&b->out);
	write_waiting(b);
	wb_mutex_unlock(&b->out);
}

static void *write_loop(void *arg)
{
	struct wb_log_buffer *b = arg;

	wb_mutex_lock(&b->lock);
	while (!b->quit) {
		if (b->len == 0) {
			wb_cond_wait(&b->changed, &b->lock);
		} else if (b->len >= WB_LOG_BUFFER_BYTES / 2 ||
			!wb_cond_wait_until(&b->changed, &b->lock, b->since_ms + WB_LOG_BUFFER_DELAY_MS)) {
			wb_mutex_unlock(&b->lock);
			flush(b);
			wb_mutex_lock(&b->lock);
		}
	}
	wb_mutex_unlock(&b->lock);
	return NULL;
}

/* Adds the line where there is room. The thread is woken when it has a time to wait for, and when that is over early. */
static bool add(struct wb_log_buffer *b, const char *line, size_t len)
{
	size_t before;

	wb_mutex_lock(&b->lock);
	before = b->len;
	if (before + len > WB_LOG_BUFFER_BYTES) {
		wb_mutex_unlock(&b->lock);
		return false;
	}
	if (!b->waiting) {
		b->waiting = wb_xmalloc(WB_LOG_BUFFER_BYTES);
		b->writing = wb_xmalloc(WB_LOG_BUFFER_BYTES);
		b->thread = wb_thread_start("log", write_loop, b);
	}
	memcpy(b->waiting + before, line, len);
	b->len += len;
	if (before == 0)
		b->since_ms = wb_clock_mono_ms();
	if (before == 0 || (before < WB_LOG_BUFFER_BYTES / 2 && b->len >= WB_LOG_BUFFER_BYTES / 2))
		wb_cond_signal(&b->changed);
	wb_mutex_unlock(&b->lock);
	return true;
}

void wb_log_buffer_add(struct wb_log_buffer *b, const char *line, size_t len)
{
	while (!add(b, line, len))
		flush(b);
}

void wb_log_buffer_write(struct wb_log_buffer *b, const char *line, size_t len)
{
	wb_mutex_lock(&b->out);
	write_waiting(b);
	write_all(b->fd, line, len);
	wb_mutex_unlock(&b->out);
}

/* Whoever holds it may be the thread that ends the process, and never let it go. */
static void take_for_a_moment(pthread_mutex_t *m)
{
	const struct timespec pause = { .tv_nsec = RESCUE_PAUSE_NS };

	for (int i = 0; i < RESCUE_TRIES && !wb_mutex_trylock(m); i++)
		(void)nanosleep(&pause, NULL); /* woken early is fine */
}

void wb_log_buffer_rescue(struct wb_log_buffer *b)
{
	struct pollfd writable = { .fd = b->fd, .events = POLLOUT };
	size_t at = 0, len;

	take_for_a_moment(&b->out);
	take_for_a_moment(&b->lock);
	len = b->len;
	b->len = 0;
	while (at < len && poll(&writable, 1, PATIENCE_MS) == 1) {
		ssize_t n = write(b->fd, b->waiting + at, len - at < PIPE_BYTES ? len - at : PIPE_BYTES);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		at += n > 0 ? (size_t)n : 0;
	}
}

void wb_log_buffer_free(struct wb_log_buffer **b)
{
	struct wb_log_buffer *old = *b;
	bool started;

	if (!old)
		return;
	wb_mutex_lock(&old->lock);
	started = old->waiting != NULL;
	old->quit = true;
	wb_cond_signal(&old->changed);
	wb_mutex_unlock(&old->lock);
	if (started) {
		wb_thread_join(old->thread);
		flush(old);
	}
	wb_cond_release(&old->changed);
	wb_mutex_release(&old->lock);
	wb_mutex_release(&old->out);
	free(old->waiting);
	free(old->writing);
	free(old);
	*b = NULL;
}
