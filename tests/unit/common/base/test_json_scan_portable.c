/* The contract of json_scan.h once more, for the words that take the place of SSE2 where there is none: the same
 * tests over the same sources, compiled in here. */
#define WB_JSON_PORTABLE
#define WB_JSON_ISA WB_JSON_ISA_NONE
#include "common/base/json_lex.c"
#include "common/base/json_scan.c"
#include "common/base/json_string.c"
#include "tests/unit/common/base/test_json_scan.c"
