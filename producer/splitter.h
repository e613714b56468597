/* Cuts a stream of bytes into items: the lines of NDJSON, or the elements of one JSON array.
 *
 * The stream comes in blocks, and items point into them: nothing is copied or kept. What is left of a block is the
 * beginning of an item, which the caller puts before what comes next; how far it was followed is remembered, so that a
 * stream of tiny pieces costs no more. Only where items begin and end is found here (strings and nesting are followed,
 * nothing is validated): whoever takes an item judges it.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_SPLITTER_H
#define WB_PRODUCER_SPLITTER_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum wb_split_format {
	WB_SPLIT_AUTO,   /* an array when the first byte that is no space is [ */
	WB_SPLIT_NDJSON, /* blank lines are skipped; CRLF is fine */
	WB_SPLIT_ARRAY,
};

struct wb_splitter {
	enum wb_split_format format;
	size_t item_bytes_max;
	int64_t line;            /* of the byte that is read next, from 1 */
	int64_t item_line;       /* where the last item that was given or refused began */
	size_t followed;         /* bytes of the item at the block's beginning that were looked at before */
	/* ARRAY */
	enum { WB_SPLIT_BEFORE, WB_SPLIT_FIRST, WB_SPLIT_ELEMENT, WB_SPLIT_INSIDE, WB_SPLIT_AFTER } state;
	unsigned depth;
	bool in_string, escaped;
};

/* item_bytes_max > 0: a longer item is an error. */
void wb_splitter_init(struct wb_splitter *s, enum wb_split_format format, size_t item_bytes_max);

/* Takes the next item out of *block, which moves on; last: the stream ends with the block. WB_OK: *ret is an item within
 * the block. WB_ENOTFOUND: none is whole; the next block must begin with the bytes that are left, at most item_bytes_max
 * (last: none are left, the stream is read). WB_ETOOBIG, WB_EINVAL (no array, cut off, or not separated by commas): a sentence
 * in e; the stream cannot be read on. */
enum wb_err wb_splitter_next(
	struct wb_splitter *s, struct wb_slice *block, bool last, struct wb_slice *ret, struct wb_error *e) WB_MUST_USE;

#endif
