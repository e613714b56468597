/* Percent-encoding of names for request paths. Pure, thread-safe. */
#ifndef WB_CONSUMER_PATH_H
#define WB_CONSUMER_PATH_H

#include "common/base/buf.h"

/* Appends text with everything but RFC 3986's unreserved characters as %XX. */
void wb_path_append(struct wb_buf *path, struct wb_slice text);

#endif
