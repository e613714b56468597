/* A body of NDJSON that is too large to be validated whole: its lines are published as they come, held back by Kafka's
 * acknowledgements. What a connection's thread reads is copied once, into blocks that Kafka's client then sends from. */
#include "producer/api_internal.h"

#include "common/base/mem.h"
#include "producer/request_stream.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)256 * 1024)

struct wb_stream_intake {
	struct wb_publication *publication;
	struct wb_publish_stream *stream; /* NULL before the first write may be sent, and once it came to its end */
	struct wb_publish_block *block;
	size_t cap, used, parsed;         /* of the block; what was not looked at stands from parsed on */
	struct wb_request_stream reader;
	struct wb_batch_write write;      /* the one that waits for room, */
	bool waiting;                     /* if one does */
	size_t ahead;                     /* bytes of the coming piece that stand in the block already */
	atomic_bool settled;              /* it may be published */
	bool asked;         /* the view, whether the key is known */
	bool ended;               /* nothing more of the body is looked at */
	uint64_t told;                    /* writes that the token's rate knows of */
};

/* What publishing the lines that are there came to. */
enum progress { GOES_ON, WAITS, ANSWERED };

void wb_stream_intake_free(struct wb_stream_intake **intake)
{
	struct wb_stream_intake *s = *intake;

	*intake = NULL;
	if (!s)
		return;
	wb_publish_block_done(&s->block);
	wb_publish_stream_abort(&s->stream);
	wb_request_stream_release(&s->reader);
	atomic_fetch_sub(&s->publication->api->streams, 1);
	free(s);
}

static void on_room(void *arg)
{
	struct wb_publication *p = arg;

	wb_http_body_resume(p->request);
}

/* The documents of a stream are known only now: they are owed. */
static void tell_rate(struct wb_stream_intake *s)
{
	uint64_t count = wb_publish_stream_count(s->stream);

	if (count > s->told)
		wb_identity_owe_documents(s->publication->access.identity, count - s->told, wb_api_now());
	s->told = count;
}

/* There will be no job. What was sent is counted for rate and audit line. */
static void abandon(struct wb_stream_intake *s)
{
	if (s->stream) {
		tell_rate(s);
		s->publication->count = wb_publish_stream_count(s->stream);
	}
	wb_publish_block_done(&s->block);
	wb_publish_stream_abort(&s->stream);
}

static enum progress fail(struct wb_stream_intake *s, enum wb_err err, const char *why)
{
	abandon(s);
	wb_publication_done(s->publication, err, why);
	return ANSWERED;
}

static enum progress send_write(struct wb_stream_intake *s)
{
	struct wb_error why;
	enum wb_err err = wb_publish_stream_send(s->stream, s->block, &s->write, &why);

	s->waiting = err == WB_EFULL;
	if (err == WB_OK)
		return GOES_ON;
	return err == WB_EFULL ? WAITS : fail(s, err, why.text);
}

static enum progress publish_lines(struct wb_stream_intake *s, bool last)
{
	char *bytes = wb_publish_block_bytes(
		s->block); /* before the write that waits, whose failure lets the block go */
	enum progress progress = s->waiting ? send_write(s) : GOES_ON;
	enum wb_err err = WB_OK;

	while (progress == GOES_ON && err == WB_OK) {
		struct wb_slice rest = wb_slice(bytes + s->parsed, s->used - s->parsed);

		err = wb_request_stream_next(&s->reader, &rest, last, &s->write);
		s->parsed = s->used - rest.len;
		if (err == WB_OK)
			progress = send_write(s);
	}
	if (progress != GOES_ON || err == WB_ENOTFOUND)
		return progress;
	abandon(s);
	wb_publication_refused(s->publication, &s->reader.error);
	return ANSWERED;
}

/* A block with room for more of the line that begins at the end of this one. */
static enum progress next_block(struct wb_stream_intake *s)
{
	size_t rest = s->used - s->parsed, cap = rest < BLOCK_BYTES / 2 ? BLOCK_BYTES : 2 * rest;
	struct wb_publish_block *fresh;
	struct wb_error why;
	enum wb_err err = wb_publish_block_new(s->stream, s->block, cap, &fresh, &why);

	if (err != WB_OK)
		return err == WB_EFULL ? WAITS : fail(s, err, why.text);
	if (rest)
		memcpy(wb_publish_block_bytes(fresh), wb_publish_block_bytes(s->block) + s->parsed, rest);
	wb_publish_block_done(&s->block);
	s->block = fresh;
	s->cap = cap;
	s->used = rest;
	s->parsed = 0;
	return GOES_ON;
}

/* Whoever waits is called again only while something of a piece is left: so its last byte comes again. */
static size_t take_lines(struct wb_stream_intake *s, struct wb_slice piece)
{
	enum progress progress = s->block ? publish_lines(s, false) : next_block(s);
	size_t taken = s->ahead;

	while (progress == GOES_ON && taken < piece.len) {
		size_t n = piece.len - taken;

		if (s->used == s->cap) {
			progress = next_block(s);
			continue;
		}
		if (n > s->cap - s->used)
			n = s->cap - s->used;
		memcpy(wb_publish_block_bytes(s->block) + s->used, piece.data + taken, n);
		s->used += n;
		taken += n;
		progress = publish_lines(s, false);
	}
	if (progress == ANSWERED)
		return piece.len;
	tell_rate(s);
	s->ahead = progress == WAITS && taken == piece.len;
	return taken - s->ahead;
}

static void open_stream(struct wb_stream_intake *s)
{
	struct wb_publication *p = s->publication;
	struct wb_publish_job job;

	wb_publication_job(p, p->defaults.database, p->defaults.container, &job);
	s->stream = wb_publish_stream_open(p->api->settings.publisher, &job, on_room, p);
}

static void on_caught_up(void *arg, enum wb_err err)
{
	struct wb_publication *p = arg;

	if (!wb_publication_fresh(p, err))
		return;
	atomic_store(&p->stream->settled, true);
	wb_http_body_resume(p->request);
}

/* The connection sleeps while the view is asked, so that its client cannot be lost meanwhile. */
static size_t take(void *arg, struct wb_http_request *r, struct wb_slice piece)
{
	struct wb_publication *p = arg;
	struct wb_stream_intake *s = p->stream;
	size_t taken;

	(void)r;
	if (!atomic_load(&s->settled)) {
		if (!s->asked)
			(void)!wb_publication_claim(p, on_caught_up); /* all else has its answer */
		s->asked = true;
		return 0;
	}
	if (!s->stream)
		open_stream(s);
	taken = take_lines(s, piece);
	p->bytes += taken;
	return taken;
}

static void end(void *arg, struct wb_http_request *r)
{
	struct wb_publication *p = arg;
	struct wb_stream_intake *s = p->stream;
	enum progress progress;

	(void)r;
	if (s->ended)
		return; /* told of room once more, though nobody waits for it any more */
	if (!s->block) {
		s->ended = true;
		wb_publication_refuse(p, 400, "empty-batch", "the request holds no write");
		return;
	}
	progress = publish_lines(s, true);
	s->ended = progress != WAITS; /* else this is called again when there is room */
	if (progress != GOES_ON)
		return;
	tell_rate(s);
	p->count = wb_publish_stream_count(s->stream);
	if (!wb_publication_digest_holds(p)) {
		abandon(s);
		wb_publication_refuse(p, 400, "content-digest-mismatch",
			"the body is not the one that Content-Digest tells of; its lines may be written");
		return;
	}
	wb_publish_block_done(&s->block);
	wb_publish_stream_end(&s->stream, wb_publication_done, p);
}

static void lost(void *arg)
{
	struct wb_publication *p = arg;

	p->stream->ended = true;
	abandon(p->stream);
	wb_publication_lost(p);
}

/* Whether there is one stream less to come; else it has its answer. */
static bool take_place(struct wb_publication *p)
{
	struct wb_api *api = p->api;

	if (atomic_fetch_add(&api->streams, 1) < api->settings.max_streams)
		return true;
	atomic_fetch_sub(&api->streams, 1);
	wb_publication_refuse(p, 503, "overloaded", "as many bodies are being streamed as memory.budget.bytes allows");
	return false;
}

void wb_api_publish_stream(void *arg, struct wb_http_request *r)
{
	static const struct wb_http_sink sink = { take, end, lost };
	struct wb_publication *p = wb_http_state(r);
	struct wb_api *api = arg;
	struct wb_stream_intake *s;

	if (p->format != WB_BODY_NDJSON) {
		wb_publication_refuse(p, 413, "body-too-large",
			"JSON is validated whole, so it may have http.validate.max.bytes: send it in parts, or as "
			"application/x-ndjson");
		return;
	}
	if (p->keyed && !p->promised) {
		wb_publication_refuse(p, 400, "content-digest-required",
			"a body beyond http.validate.max.bytes with an Idempotency-Key needs Content-Digest, with "
			"sha-256 "
			"(RFC 9530)");
		return;
	}
	if (!wb_publication_allowed(p, p->defaults.database, p->defaults.container) || !wb_publication_enter(p) ||
		!take_place(p))
		return;
	s = p->stream = wb_xcalloc(1, sizeof *s);
	s->publication = p;
	atomic_init(&s->settled, !p->keyed);
	wb_publication_identify(p, p->digest);
	if (wb_request_stream_init(&s->reader, WB_SPLIT_NDJSON, &api->settings.rules.item, p->defaults.op,
		    p->defaults.job, true) != WB_OK)
		wb_publication_refuse(p, 503, "overloaded", "no memory for this request now");
	else
		wb_http_stream(r, &sink, p);
}
