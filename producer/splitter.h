/* Cuts a stream of bytes into items: the lines of NDJSON, or the elements of one JSON array.
 *
 * The stream comes in pieces of any size; an item is held whole, up to a maximum. Only where items begin and end is
 * found here (strings and nesting are followed, nothing is validated): whoever takes an item judges it.
 * Pure. Not thread-safe: one owner.
 */
#ifndef WB_PRODUCER_SPLITTER_H
#define WB_PRODUCER_SPLITTER_H

#include "common/base/buf.h"
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
	int64_t item_line;       /* where the last item that was given began */
	struct wb_buf part;      /* the beginning of an item whose end is in a later piece */
	bool part_given;         /* part was given out and is to be emptied */
	/* ARRAY */
	enum { WB_SPLIT_BEFORE, WB_SPLIT_FIRST, WB_SPLIT_ELEMENT, WB_SPLIT_INSIDE, WB_SPLIT_AFTER } state;
	unsigned depth;
	bool in_string, escaped;
};

/* item_bytes_max > 0: a longer item is an error. */
void wb_splitter_init(struct wb_splitter *s, enum wb_split_format format, size_t item_bytes_max);
void wb_splitter_release(struct wb_splitter *s);

/* Takes the next item out of *input, which moves on. WB_OK: *ret is an item, valid until the next call and while the
 * input's bytes are. WB_ENOTFOUND: the input is used up. WB_ETOOBIG, WB_EINVAL (no array, or not separated by commas):
 * a sentence in e; the stream cannot be read on. */
enum wb_err wb_splitter_next(
	struct wb_splitter *s, struct wb_slice *input, struct wb_slice *ret, struct wb_error *e) WB_MUST_USE;
/* After the last piece: a last line without newline as WB_OK, else WB_ENOTFOUND when the stream may end here, or
 * WB_EINVAL when it was cut off. */
enum wb_err wb_splitter_end(struct wb_splitter *s, struct wb_slice *ret, struct wb_error *e) WB_MUST_USE;

#endif
