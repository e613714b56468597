/* Java properties text, as every Kafka tool reads it (java.util.Properties.load): key=value, key:value or key value
 * lines, # and ! comments, a backslash at the end of a line to go on, \t \n \r \f \uXXXX and \<any> escapes.
 *
 * Unlike Java, text is UTF-8, a malformed \u escape or a zero byte is an error that names its line. Pure, thread-safe.
 */
#ifndef WB_COMMON_BASE_PROPERTIES_H
#define WB_COMMON_BASE_PROPERTIES_H

#include "common/base/error.h"
#include "common/base/slice.h"

/* Gets a pair in the order of the text; key and value are valid during the call; line (from 1) is where it begins.
 * Anything but WB_OK ends the reading and becomes its result; e is the reader's. */
typedef enum wb_err (*wb_properties_fn)(void *arg, const char *key, const char *value, size_t line, struct wb_error *e);

/* WB_EINVAL with "line 3: …" for text that is none; WB_ENOMEM. Copies that it made are wiped: values may be secret. */
enum wb_err wb_properties_read(struct wb_slice text, wb_properties_fn fn, void *arg, struct wb_error *e) WB_MUST_USE;

#endif
