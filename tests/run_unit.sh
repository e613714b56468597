#!/bin/sh
# Runs every unit test under BUILD_DIR/unit, shows what the failing ones say, and closes with one line:
#   unit: N passed, M failed
# The line also goes into BUILD_DIR/test-summary. A test program that crashes, hangs or runs no test counts as a failure.
#
#   sh tests/run_unit.sh BUILD_DIR
#
# UNIT_JOBS programs run at a time: one more than there are cores where it is not set, as the slow ones mostly wait.
set -eu

if [ "${1:-}" = --one ]; then # of the call below: runs a program, and leaves its log and its exit code
    program=$2 log=$3
    status=0
    timeout -k 5 "$UNIT_LIMIT_S" "$program" >"$log" 2>&1 </dev/null || status=$?
    echo "$status" >"$log.status"
    exit 0
fi

out=${1:?usage: run_unit.sh BUILD_DIR}
UNIT_LIMIT_S=${UNIT_TIMEOUT:-600} # for what hangs: under a sanitizer the longest takes a minute and a half
# Read by tests built with SANITIZE=thread only.
TSAN_OPTIONS="suppressions=$(cd "$(dirname "$0")" && pwd)/unit/tsan.supp ${TSAN_OPTIONS:-}"
export TSAN_OPTIONS UNIT_LIMIT_S
jobs=${UNIT_JOBS:-$(($(nproc) + 1))}
log_dir=$out/unit-logs
rm -rf "$log_dir"
mkdir -p "$log_dir"

# log_of PROGRAM
log_of() {
    name=${1#"$out"/unit/}
    echo "$log_dir/$(echo "$name" | tr / -).log"
}

# counted WORD LOG: the sum of cmocka's "[  WORD  ] N test(s)" lines.
counted() {
    sed -n "s/^\[  $1  \] \([0-9][0-9]*\) test(s).*/\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'
}

# The longest first, under whatever sanitizer, then the rest of the consumer's folder: none of them should be the last one
# to run.
longest='/consumer/test_(model|model_day|recorder|ru_budget|bulk)$|/producer/test_(callback_owner|job_store|callbacks)$'
longest="$longest|/common/http/test_server_(body|limits)$|/common/kafka/test_producer$|/consumer/test_metadata(_doubt)?$"
all=$(find "$out/unit" -type f -name 'test_*' -perm -u+x ! -name '*.*' 2>/dev/null | sort)
rest=$(echo "$all" | grep -Ev "$longest")
for program in $(echo "$all" | grep -E "$longest") $(echo "$rest" | grep /unit/consumer/) \
    $(echo "$rest" | grep -v /unit/consumer/); do
    printf '%s\n%s\n' "$program" "$(log_of "$program")"
done | xargs -r -P "$jobs" -n 2 sh "$0" --one

passed=0 failed=0 programs=0
for program in $all; do
    programs=$((programs + 1))
    log=$(log_of "$program")
    name=${program#"$out"/unit/}
    status=$(cat "$log.status")
    ok=$(counted PASSED "$log")
    # cmocka counts failures above the names it lists; errors in setup and teardown count as failures too.
    bad=$(sed -n 's/^\[  FAILED  \] \([0-9][0-9]*\) test(s).*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    elif [ "$status" -eq 0 ] && [ "$ok" -eq 0 ]; then
        bad=1
        echo "$name ran no test" >>"$log"
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    if [ "$bad" -ne 0 ]; then
        case $status in
        124 | 137) why="not ended after $UNIT_LIMIT_S s" ;;
        *) why="exit $status" ;;
        esac
        echo "--- $name: $why"
        grep -v '^\[ *\(RUN\|OK\) *\]' "$log" | tail -n 60
    fi
done

if [ "$programs" -eq 0 ]; then
    echo "no unit test under $out/unit"
    failed=1
fi
total="unit: $passed passed, $failed failed"
touch "$out/test-summary"
grep -v '^unit:' "$out/test-summary" >"$out/test-summary.new" || true
echo "$total" >>"$out/test-summary.new"
mv "$out/test-summary.new" "$out/test-summary"
echo "$total"
[ "$failed" -eq 0 ]
