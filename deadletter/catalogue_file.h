/* Where the index's file is. Thread-safe. */
#ifndef WB_DEADLETTER_CATALOGUE_FILE_H
#define WB_DEADLETTER_CATALOGUE_FILE_H

#include "common/base/error.h"
#include "common/base/slice.h"
#include "deadletter/options.h"

/* $XDG_CACHE_HOME/writebehind or ~/.cache/writebehind, which are made where they are missing; one file for each source.
 * *ret is the caller's; NULL with --no-index, or where there is no home. */
enum wb_err wb_catalogue_file(
	const struct wb_deadletter_config *config, struct wb_slice source, char **ret, struct wb_error *e) WB_MUST_USE;

#endif
