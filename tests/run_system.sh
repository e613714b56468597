#!/bin/sh
# Runs the system tests against the programs in BUILD_DIR/bin; its counts go into BUILD_DIR/test-summary.
#
#   sh tests/run_system.sh BUILD_DIR [PYTEST ARGUMENTS]
#
# SYSTEM_JOBS files of tests run at a time, one more than there are cores where it is not set, as they mostly wait;
# each of them has a broker of its own, of some 400 MB. The longest begin first (conftest.py). PYTEST_ARGS='-n 0' runs one
# test after another.
# PYTEST_ARGS adds arguments through make: make system PYTEST_ARGS='-k promise_3'
set -eu

out=${1:?usage: run_system.sh BUILD_DIR}
shift
cd "$(dirname "$0")/.."
case $out in /*) ;; *) out=$(pwd)/$out ;; esac
[ -x .venv/bin/python ] || {
    echo "run_system: no .venv; run: sh setup.sh" >&2
    exit 1
}
mkdir -p "$out"
touch "$out/test-summary"
grep -v '^system:' "$out/test-summary" >"$out/test-summary.new" || true
mv "$out/test-summary.new" "$out/test-summary"

jobs=${SYSTEM_JOBS:-$(($(nproc) + 1))}
cd tests/system
# shellcheck disable=SC2086 # PYTEST_ARGS holds several words
WB_BUILD=$out WB_SUMMARY=$out/test-summary PYTHONDONTWRITEBYTECODE=1 exec ../../.venv/bin/python -m pytest -q \
    -n "$jobs" --dist loadfile --no-loadscope-reorder --durations=15 ${PYTEST_ARGS:-} "$@"
