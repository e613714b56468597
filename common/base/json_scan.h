/* The document scanner: strict RFC 8259 over bytes in one pass, without a tree and without changing a byte.
 *
 * It validates (UTF-8, numbers, escapes, nesting limit) and finds what Writebehind needs: raw slices of values, a
 * document's id and its partition key values (nested paths too). Documents must pass through byte for byte and at
 * memory speed, which a tree-building parser cannot do. Duplicate members are legal JSON and pass, except the ones
 * that say which item a document is: `id`, and any member on the way of a partition key path; names are compared
 * decoded ("\u0069d" is id). Lone surrogate escapes are valid JSON text (RFC 8259 section 8.2) but have no UTF-8; they
 * are refused only where a string must be decoded.
 * Pure: no allocation but into the caller's wb_buf, no thread, no clock. Thread-safe: each object has one owner.
 */
#ifndef WB_COMMON_BASE_JSON_SCAN_H
#define WB_COMMON_BASE_JSON_SCAN_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define WB_JSON_DEPTH_MAX         128 /* default nesting limit; a Cosmos DB document may nest 128 levels */
#define WB_JSON_PATH_SEGMENTS_MAX 16
#define WB_JSON_PATHS_MAX         3 /* hierarchical partition keys have up to three levels */
#define WB_JSON_TAIL_BYTES        32 /* inside wb_json_reader: see json_lex.h */

enum wb_json_type {
	WB_JSON_ABSENT, /* no such member: Cosmos' "undefined" */
	WB_JSON_NULL,
	WB_JSON_FALSE,
	WB_JSON_TRUE,
	WB_JSON_NUMBER,
	WB_JSON_STRING,
	WB_JSON_ARRAY,
	WB_JSON_OBJECT,
};

enum wb_json_status {
	WB_JSON_OK,
	WB_JSON_INVALID, /* not RFC 8259, or nested deeper than the limit */
	WB_JSON_NOT_OBJECT, /* valid JSON, but a document must be an object */
	WB_JSON_DUPLICATE, /* id or a partition key member twice */
};

/* Where and why; the text is one sentence without the offset. */
struct wb_json_error {
	size_t offset; /* bytes from the start of the text */
	const char *text; /* literal */
};

/* raw: the value's bytes without surrounding space; strings with their quotes. {NULL,0} when ABSENT. */
struct wb_json_value {
	enum wb_json_type type;
	struct wb_slice raw;
};

/* A partition key path, split and decoded: "/a/b" or "/\"quoted name\"/b" as Cosmos DB writes paths. */
struct wb_json_path {
	struct wb_slice segments[WB_JSON_PATH_SEGMENTS_MAX]; /* into storage */
	unsigned count;
	char *storage;
};
struct wb_json_paths {
	struct wb_json_path path[WB_JSON_PATHS_MAX];
	unsigned count; /* 0: only the id is looked for */
};

/* Adds one path; *p starts zeroed. Segments stand between slashes, or in double or single quotes where \ makes a quote
 * or another \ ordinary. WB_EINVAL for text that is no path or not UTF-8, too many segments or paths. */
enum wb_err wb_json_paths_add(struct wb_json_paths *p, struct wb_slice text, struct wb_error *e) WB_MUST_USE;
void wb_json_paths_release(struct wb_json_paths *p);

struct wb_json_document {
	struct wb_slice raw; /* the object, without surrounding space */
	struct wb_json_value id; /* of any type: judging it is the caller's */
	struct wb_json_value keys[WB_JSON_PATHS_MAX]; /* one per path; a path through a non-object is ABSENT */
};

/* The whole text must be one document (an object) with nothing but space around it. paths may be NULL.
 * On anything but WB_JSON_OK *ret is untouched and *err (not NULL) says where. */
enum wb_json_status wb_json_scan_document(struct wb_slice text, const struct wb_json_paths *paths,
	struct wb_json_document *ret, struct wb_json_error *err) WB_MUST_USE;
/* The whole text must be one JSON value of any type. */
enum wb_json_status wb_json_scan_value(
	struct wb_slice text, struct wb_json_value *ret, struct wb_json_error *err) WB_MUST_USE;

/* Decodes a raw string (with quotes) to UTF-8. When it has no escapes, *ret points into raw and nothing is copied,
 * else the bytes are appended to scratch and *ret is good until scratch's next append. WB_EINVAL for a lone surrogate,
 * WB_ETOOBIG or WB_ENOMEM when scratch cannot take it. raw must come from a successful scan, here and below. */
enum wb_err wb_json_string_decode(struct wb_slice raw, struct wb_buf *scratch, struct wb_slice *ret) WB_MUST_USE;
/* Decodes into out, which has at least raw.len bytes; returns the length, or SIZE_MAX for a lone surrogate. */
size_t wb_json_string_decode_into(struct wb_slice raw, char *out);
/* The double nearest to a raw number, whatever its length; overflow gives ±infinity, underflow ±0. Any locale with a
 * decimal point, as in programs that never call setlocale. */
double wb_json_number(struct wb_slice raw);

/* A pull reader for framing around documents (request bodies, bulk bodies and replies), still in one pass:
 *
 *     wb_json_reader_init(&r, text);
 *     if (wb_json_reader_enter(&r) == '{')                  // or '['
 *         while (wb_json_reader_next(&r, &name) == 1)       // positioned on a value
 *             wb_json_reader_skip / _document / _enter …    // exactly one of them
 *
 * Errors stick: after one, enter returns 0, next -1, skip and document not WB_JSON_OK, and r.error says where. Asking
 * for a value where none is next, or for the next one before this one was consumed, is such an error.
 * At most WB_JSON_DEPTH_MAX containers can be entered; a value that is skipped and a document count their own depth
 * from 0, so that a document is judged the same inside a request as alone.
 */
struct wb_json_reader {
	const char *begin, *at, *end;
	unsigned depth; /* open containers that were entered */
	bool first; /* no element of the innermost container was read yet */
	bool on_value; /* a value is next and was not consumed yet */
	uint8_t is_object[WB_JSON_DEPTH_MAX / 8];
	enum wb_json_status status;
	struct wb_json_error error;
	char tail[WB_JSON_TAIL_BYTES]; /* the text's last bytes, padded */
};

/* The text must outlive the reader and everything that was read with it. */
void wb_json_reader_init(struct wb_json_reader *r, struct wb_slice text);
/* The type of the value that is next, as its first byte tells, without consuming it; ABSENT when nothing that could
 * be a value is next. */
enum wb_json_type wb_json_reader_peek(struct wb_json_reader *r);
/* Goes into the container that is next: '{' or '['; 0 when the next value is something else (not an error by
 * itself) or after an error. */
int wb_json_reader_enter(struct wb_json_reader *r);
/* In the innermost container: 1 when positioned on the next value (name: raw string with quotes, {NULL,0} in an
 * array; may be NULL), 0 when the container ended and was left, -1 on error. */
int wb_json_reader_next(struct wb_json_reader *r, struct wb_slice *name);
/* Validates and consumes one value. ret may be NULL. */
enum wb_json_status wb_json_reader_skip(struct wb_json_reader *r, struct wb_json_value *ret) WB_MUST_USE;
/* Validates and consumes one document, finding its id and keys in the same pass. */
enum wb_json_status wb_json_reader_document(
	struct wb_json_reader *r, const struct wb_json_paths *paths, struct wb_json_document *ret) WB_MUST_USE;
/* After the last value: WB_JSON_OK when everything entered was left and only space follows. */
enum wb_json_status wb_json_reader_end(struct wb_json_reader *r) WB_MUST_USE;
/* Whether a raw name (with quotes) is, decoded, this literal. */
bool wb_json_name_is(struct wb_slice raw_name, const char *literal);

#endif
