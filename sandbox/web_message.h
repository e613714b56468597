/* HTTP/1.1 requests as bytes: the head, and the chunked coding of a body (RFC 9112).
 *
 * Strict where laxity would let two readers of one byte stream disagree: both Content-Length and Transfer-Encoding,
 * repeated lengths, folded lines, space before a colon and bare CR are refused. Slices look into the caller's bytes.
 * Pure, thread-safe.
 */
#ifndef WB_SANDBOX_WEB_MESSAGE_H
#define WB_SANDBOX_WEB_MESSAGE_H

#include "common/base/compiler.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_WEB_HEADERS_MAX 64
#define WB_WEB_HEAD_MAX    (32 * 1024)

struct wb_web_header {
	struct wb_slice name, value;
};

struct wb_web_request {
	struct wb_slice method;
	struct wb_slice path;  /* as sent, without the query */
	struct wb_slice query; /* without '?' */
	struct wb_web_header headers[WB_WEB_HEADERS_MAX];
	unsigned header_count;
	bool keep_alive;
	bool expect_continue;
	bool chunked;
	uint64_t content_length; /* 0 when chunked */
	struct wb_slice body;    /* filled by the server when it is complete */
};

/* Parses the head at the start of data. Returns its length with the empty line (> 0), 0 when more bytes are needed,
 * or -1 with *ret_status set to what the answer should be (400, 431, 501, 505). *ret is valid only after > 0. */
int64_t wb_web_head_parse(struct wb_slice data, struct wb_web_request *ret, unsigned *ret_status) WB_MUST_USE;
/* The first header of that name (compared without case), {NULL, 0} when absent. */
struct wb_slice wb_web_header(const struct wb_web_request *r, const char *name);
/* The raw value of a query argument, {NULL, 0} when absent; not decoded. */
struct wb_slice wb_web_query(const struct wb_web_request *r, const char *name);
/* Decodes %XX into out, which has s.len bytes; the length, or SIZE_MAX for a malformed escape or a zero byte. */
size_t wb_web_percent_decode(struct wb_slice s, char *out) WB_MUST_USE;

/* The state of a chunked body that is decoded as its bytes come. Zeroed memory is the start. */
struct wb_web_chunks {
	enum {
		WB_CHUNK_SIZE,
		WB_CHUNK_EXTENSION,
		WB_CHUNK_DATA,
		WB_CHUNK_DATA_END,
		WB_CHUNK_TRAILER,
		WB_CHUNK_DONE
	} state;
	uint64_t left;       /* of the chunk's data */
	unsigned digits;     /* of its size */
	unsigned line;       /* bytes in the current trailer line */
	unsigned overhead;   /* extension and trailer bytes so far, bounded */
};

/* Decodes in place: moves data bytes found in raw[0, len) to out (out <= raw). Adds to *out_len what was produced and
 * sets *ret_used to what was consumed. 1 when the body is complete, 0 when more is needed, -1 when it is malformed. */
int wb_web_chunks_decode(
	struct wb_web_chunks *c, const char *raw, size_t len, char *out, size_t *out_len, size_t *ret_used) WB_MUST_USE;

#endif
