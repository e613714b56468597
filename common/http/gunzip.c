#include "common/http/gunzip.h"

#include "common/base/mem.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#define PIECE_BYTES (64 * 1024)
/* The largest window, and no other format than gzip. */
#define WINDOW_BITS (15 + 16)

struct wb_gunzip {
	z_stream zlib;
	bool at_end; /* of a member */
	unsigned char piece[PIECE_BYTES];
};

struct wb_gunzip *wb_gunzip_new(void)
{
	struct wb_gunzip *g = wb_xmalloc(sizeof *g);

	g->zlib = (z_stream){ 0 };
	g->at_end = false;
	if (inflateInit2(&g->zlib, WINDOW_BITS) != Z_OK)
		wb_mem_gone(); /* the only cause with these arguments */
	return g;
}

void wb_gunzip_free(struct wb_gunzip **g)
{
	if (!*g)
		return;
	(void)inflateEnd(&(*g)->zlib); /* fails for streams of others only */
	free(*g);
	*g = NULL;
}

/* Lets zlib decode once. */
static enum wb_err step(struct wb_gunzip *g, struct wb_slice *in)
{
	z_stream *z = &g->zlib;
	size_t given = in->len < UINT_MAX ? in->len : UINT_MAX;
	int result;

	if (g->at_end) {
		if (inflateReset(z) != Z_OK)
			return WB_EINVAL;
		g->at_end = false;
	}
	z->next_in = (unsigned char *)(uintptr_t)in->data;
	z->avail_in = (unsigned)given;
	result = inflate(z, Z_NO_FLUSH);
	given -= z->avail_in;
	*in = wb_slice(in->data + given, in->len - given);
	g->at_end = result == Z_STREAM_END;
	/* Z_BUF_ERROR: nothing could be done, for lack of input or room. */
	return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? WB_OK : WB_EINVAL;
}

enum wb_err wb_gunzip_next(struct wb_gunzip *g, struct wb_slice *in, struct wb_slice *ret_piece)
{
	bool more;

	g->zlib.next_out = g->piece;
	g->zlib.avail_out = PIECE_BYTES;
	do {
		size_t room = g->zlib.avail_out;
		enum wb_err err;

		if (g->at_end && in->len == 0)
			break;
		err = step(g, in);
		if (err != WB_OK)
			return err;
		/* Without input zlib may still have what had no room before. */
		more = in->len > 0 || (g->zlib.avail_out < room && !g->at_end);
	} while (more && g->zlib.avail_out > 0);
	*ret_piece = wb_slice((const char *)g->piece, PIECE_BYTES - g->zlib.avail_out);
	return WB_OK;
}

bool wb_gunzip_complete(const struct wb_gunzip *g)
{
	return g->at_end;
}
