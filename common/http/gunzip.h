/* Decodes a gzip body (RFC 1952, also of several members) piece by piece, in bounded memory. zlib stays behind this header.
 *
 * Not thread-safe: one owner.
 */
#ifndef WB_COMMON_HTTP_GUNZIP_H
#define WB_COMMON_HTTP_GUNZIP_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>

/* What a decoder takes at most: its piece of 64 KiB, and zlib's window and tables. */
#define WB_GUNZIP_BYTES (112 * 1024)

struct wb_gunzip;

struct wb_gunzip *wb_gunzip_new(void);
void wb_gunzip_free(struct wb_gunzip **g);
/* Decodes from the front of in, which becomes shorter, up to one piece, valid until the next call. An empty piece: all of
 * in was taken, and more is needed. WB_EINVAL: this is no gzip, or a damaged one; no further call then. */
enum wb_err wb_gunzip_next(struct wb_gunzip *g, struct wb_slice *in, struct wb_slice *ret_piece) WB_MUST_USE;
/* Whether what came so far is whole. */
bool wb_gunzip_complete(const struct wb_gunzip *g);

#endif
