/* The condition of a patch: FROM c WHERE …, read and judged over one document.
 *
 * A useful part of the service's language: AND, OR, NOT, parentheses; = != <> < <= > >=; properties as c.a.b,
 * c["a"]["b"] and c.a[0]; strings in either quotes, numbers, true, false, null, undefined; IS_DEFINED, IS_NULL,
 * IS_STRING, IS_NUMBER, IS_BOOL, IS_ARRAY, IS_OBJECT. Keywords are of any case. As in the service a comparison of values
 * of different types, of arrays or of objects, and one with what is missing, is undefined, and what is undefined does
 * not hold (learn.microsoft.com, "Equality and comparison operators"). Pure, thread-safe.
 */
#ifndef WB_SANDBOX_CONDITION_H
#define WB_SANDBOX_CONDITION_H

#include "common/base/error.h"
#include "common/base/slice.h"

#include <stdbool.h>

/* document: an object that was scanned before. *ret_holds says whether the condition holds. WB_EINVAL with a sentence
 * when it cannot be read, which does not depend on the document. */
enum wb_err wb_condition_judge(
	struct wb_slice text, struct wb_slice document, bool *ret_holds, struct wb_error *why) WB_MUST_USE;

#endif
