/* The contract of json_scan.h once more, for tokens without blocks, as on other processors than x86-64. */
#define WB_JSON_ISA (wb_json_isa_runs(WB_JSON_ISA_NONE) ? WB_JSON_ISA_NONE : wb_json_isa_best())
#include "common/base/json_scan.c"
#include "tests/unit/common/base/test_json_scan.c"
