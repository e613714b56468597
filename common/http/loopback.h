/* Whether an address to listen on can be reached from this machine only. Thread-safe: no state. */
#ifndef WB_COMMON_HTTP_LOOPBACK_H
#define WB_COMMON_HTTP_LOOPBACK_H

#include "common/base/error.h"

#include <stdbool.h>

/* listen is what wb_listen takes: "HOST:PORT" or "[IPv6]:PORT". True for 127.0.0.0/8, ::1, the same written as an
 * IPv4-mapped address, and a name all of whose addresses are such ones. WB_EINVAL, with a sentence, for what is no
 * address or a name without one. */
enum wb_err wb_listen_is_loopback(const char *listen, bool *ret, struct wb_error *e) WB_MUST_USE;

#endif
