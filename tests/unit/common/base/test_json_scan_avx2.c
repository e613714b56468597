/* The contract of json_scan.h once more, for the blocks of AVX2, where the processor has them. */
#define WB_JSON_ISA (wb_json_isa_runs(WB_JSON_ISA_AVX2) ? WB_JSON_ISA_AVX2 : wb_json_isa_best())
#include "common/base/json_scan.c"
#include "tests/unit/common/base/test_json_scan.c"
