#!/bin/sh
# Adds up the counts that the test runs left in BUILD_DIR/test-summary: "412 passed, 0 failed". Exit 1 if one failed,
# or if unit or system tests left no count.
set -eu

out=${1:?usage: summary.sh BUILD_DIR}
awk '
    /^(unit|system):/ {
        kinds[$1] = 1
        for (i = 2; i < NF; i++)
            if ($(i + 1) ~ /^passed/) passed += $i
            else if ($(i + 1) ~ /^failed/) failed += $i
            else if ($(i + 1) ~ /^skipped/) skipped += $i
    }
    END {
        if (!("unit:" in kinds) || !("system:" in kinds)) { print "a part of the tests left no count"; failed++ }
        if (skipped) print skipped " skipped, which does not happen where setup.sh has run"
        print passed + 0 " passed, " failed + 0 " failed"
        exit failed > 0
    }' "$out/test-summary"
