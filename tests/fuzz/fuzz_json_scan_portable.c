/* fuzz_json_scan.c once more, for the words that take the place of SSE2 where there is none: the same checks over the
 * same sources, compiled in here. */
#define WB_JSON_PORTABLE
#define WB_JSON_ISA WB_JSON_ISA_NONE
#include "common/base/json_lex.c"
#include "common/base/json_reader.c"
#include "common/base/json_scan.c"
#include "common/base/json_string.c"
#include "tests/fuzz/fuzz_json_scan.c"
