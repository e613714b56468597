/* Reading a small file whole, up to a limit. Thread-safe. */
#ifndef WB_COMMON_BASE_FILE_H
#define WB_COMMON_BASE_FILE_H

#include "common/base/buf.h"

/* Appends what the file (or pipe) at path holds. WB_ENOTFOUND, WB_EIO, or WB_ETOOBIG when it does not fit into ret;
 * e names the path. On failure ret may hold a part, or be a failed buffer. */
enum wb_err wb_file_read(const char *path, struct wb_buf *ret, struct wb_error *e) WB_MUST_USE;

#endif
