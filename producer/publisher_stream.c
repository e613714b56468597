#include "producer/publisher_internal.h"

#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdlib.h>

/* A stream is a flight that its owner sees by another name. */
struct wb_publish_stream {
	struct wb_flight flight;
};

struct wb_publish_block {
	struct wb_flight *flight;
	atomic_size_t unsettled; /* records that were not acknowledged; WB_FLIGHT_OPEN more while it may get others */
	size_t sent;             /* the owner's */
	size_t cap;
	char bytes[];
};

static struct wb_flight *flight_of(struct wb_publish_stream *s)
{
	return &s->flight;
}

void wb_flight_tell_room(struct wb_flight *f)
{
	wb_mutex_lock(&f->room_lock);
	if (f->room_fn)
		f->room_fn(f->room_arg);
	wb_mutex_unlock(&f->room_lock);
}

struct wb_publish_stream *wb_publish_stream_open(
	struct wb_publisher *p, const struct wb_publish_job *job, void (*room)(void *arg), void *arg)
{
	struct wb_flight *f = wb_flight_new(p, job);

	f->lane = wb_publish_lane_of(&p->streams, &p->jobs);
	f->stream = true;
	f->target.values_stay = true;
	wb_mutex_init(&f->room_lock);
	f->room_fn = room;
	f->room_arg = arg;
	atomic_init(&f->unsettled, WB_FLIGHT_OPEN);
	f->all_sent = true; /* the owner settles what remains, when it ends or aborts */
	wb_mutex_lock(&p->lock);
	if (p->stopping)
		wb_flight_note_failure(f, WB_ECLOSED, WB_FLIGHT_STOPPING);
	TAILQ_INSERT_TAIL(&p->open, f, active_link);
	atomic_fetch_add(&p->open_count, 1);
	wb_mutex_unlock(&p->lock);
	return (struct wb_publish_stream *)f;
}

static enum wb_err failure_of(const struct wb_flight *f, struct wb_error *e)
{
	enum wb_err err = (enum wb_err)atomic_load(&f->failed);

	return err == WB_OK ? WB_OK : wb_error_set(e, err, "%s", f->why);
}

/* Streams share the memory equally; when one more is opened, the others come down to their new share with the next
 * acknowledgements. */
static bool fits(const struct wb_flight *f, size_t replaced, size_t cap)
{
	const struct wb_publisher *p = f->publisher;
	size_t used = atomic_load(&f->block_bytes) - replaced, streams = atomic_load(&p->open_count);

	/* Whoever is told to wait has blocks whose acknowledgements will wake it. */
	return used == 0 ||
		(used + cap <= p->settings.stream_bytes / (streams ? streams : 1) &&
			atomic_load(&p->block_bytes) - replaced + cap <= p->settings.stream_bytes);
}

enum wb_err wb_publish_block_new(struct wb_publish_stream *s, const struct wb_publish_block *replaced, size_t cap,
	struct wb_publish_block **ret, struct wb_error *e)
{
	size_t old = replaced ? replaced->cap : 0;
	struct wb_flight *f = flight_of(s);
	struct wb_publish_block *b;

	if (failure_of(f, e) != WB_OK)
		return failure_of(f, e);
	if (!fits(f, old, cap)) {
		atomic_store(&f->wants_room, true);
		/* The last block may have gone between the look and the mark. */
		if (!fits(f, old, cap) || !atomic_exchange(&f->wants_room, false))
			return WB_EFULL;
	}
	b = malloc(sizeof *b + cap);
	if (!b)
		return wb_error_set(e, WB_ENOMEM, "no memory for a block of %zu bytes", cap);
	b->flight = f;
	b->sent = 0;
	b->cap = cap;
	atomic_init(&b->unsettled, WB_FLIGHT_OPEN);
	atomic_fetch_add(&f->block_bytes, cap);
	atomic_fetch_add(&f->publisher->block_bytes, cap);
	atomic_fetch_add(&f->refs, 1);
	*ret = b;
	return WB_OK;
}

char *wb_publish_block_bytes(struct wb_publish_block *b)
{
	return b->bytes;
}

/* n records less; the last one ends the block. sent does not change any more by then. */
static void settle_block(struct wb_publish_block *b, size_t n)
{
	struct wb_flight *f = b->flight;
	size_t sent;

	if (atomic_fetch_sub(&b->unsettled, n) != n)
		return;
	sent = b->sent;
	atomic_fetch_sub(&f->block_bytes, b->cap);
	atomic_fetch_sub(&f->publisher->block_bytes, b->cap);
	free(b);
	if (atomic_exchange(&f->wants_room, false))
		wb_flight_tell_room(f);
	if (sent)
		wb_flight_settle(f, sent);
	wb_flight_unref(f);
}

void wb_publish_block_done(struct wb_publish_block **block)
{
	struct wb_publish_block *b = *block;

	*block = NULL;
	if (b)
		settle_block(b, WB_FLIGHT_OPEN - b->sent);
}

static void on_block_ack(void *arg, const struct wb_kafka_ack *ack)
{
	struct wb_publish_block *b = arg;

	wb_flight_note_failure(b->flight, ack->err, ack->text);
	settle_block(b, 1);
}

enum wb_err wb_publish_stream_send(struct wb_publish_stream *s, struct wb_publish_block *block,
	const struct wb_batch_write *write, struct wb_error *e)
{
	struct wb_flight *f = flight_of(s);
	struct wb_publisher *p = f->publisher;
	enum wb_err err;

	/* Before the look, so that a stop which has marked the stream knows who is still on the way to Kafka's client. */
	atomic_fetch_add(&p->senders, 1);
	err = failure_of(f, e);
	if (err == WB_OK)
		err = wb_outgoing_write(f->lane->kafka, &f->target, f->count, write, on_block_ack, block);
	else
		block = NULL;
	atomic_fetch_sub(&p->senders, 1);
	if (!block)
		return err;
	if (err == WB_OK) {
		block->sent++;
		f->count++;
		f->bytes += write->document.len;
		return WB_OK;
	}
	if (err == WB_EFULL) {
		wb_flight_stall(f);
		return err;
	}
	return wb_error_set(e, err, "Kafka did not take a record: %s", wb_err_text(err));
}

uint64_t wb_publish_stream_count(const struct wb_publish_stream *s)
{
	return s->flight.count;
}

/* Nobody is told of room any more. */
static void close_stream(struct wb_flight *f)
{
	struct wb_publisher *p = f->publisher;

	wb_mutex_lock(&f->room_lock);
	f->room_fn = NULL;
	wb_mutex_unlock(&f->room_lock);
	wb_mutex_lock(&p->lock);
	TAILQ_REMOVE(&p->open, f, active_link);
	atomic_fetch_sub(&p->open_count, 1);
	if (f->stalled)
		TAILQ_REMOVE(&p->stalled, f, stalled_link);
	f->stalled = false;
	wb_mutex_unlock(&p->lock);
}

void wb_publish_stream_end(struct wb_publish_stream **stream, wb_publish_done_fn done, void *arg)
{
	struct wb_flight *f = flight_of(*stream);
	struct wb_publisher *p = f->publisher;

	*stream = NULL;
	close_stream(f);
	f->done_fn = done;
	f->done_arg = arg;
	wb_mutex_lock(&p->lock);
	(void)wb_flight_activate(f); /* whether others wait matters to records only */
	wb_mutex_unlock(&p->lock);
	wb_flight_settle(f, WB_FLIGHT_OPEN - f->count);
}

void wb_publish_stream_abort(struct wb_publish_stream **stream)
{
	struct wb_flight *f = *stream ? flight_of(*stream) : NULL;
	struct wb_publisher *p;

	*stream = NULL;
	if (!f)
		return;
	p = f->publisher;
	close_stream(f);
	wb_mutex_lock(&p->lock);
	f->done = true; /* no accepted record follows */
	wb_mutex_unlock(&p->lock);
	wb_flight_let_loose(f);
	wb_flight_settle(f, WB_FLIGHT_OPEN - f->count);
	wb_flight_unref(f);
}
