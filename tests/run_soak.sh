#!/bin/sh
# Runs the model test with the programs in BUILD_DIR/bin; failed runs leave what they saw in BUILD_DIR/soak.
#
#   sh tests/run_soak.sh BUILD_DIR [--runs N] [--seed N] [--parallel N]
#
# BUILD_DIR may be a sanitizer's (make soak SANITIZE=thread RUNS=5): a report in a log of any program fails its run.
set -eu

out=${1:?usage: run_soak.sh BUILD_DIR}
shift
cd "$(dirname "$0")/.."
case $out in /*) ;; *) out=$(pwd)/$out ;; esac
[ -x .venv/bin/python ] || {
    echo "run_soak: no .venv; run: sh setup.sh" >&2
    exit 1
}
# Read by programs built with SANITIZE=thread only.
TSAN_OPTIONS="suppressions=$(pwd)/tests/unit/tsan.supp ${TSAN_OPTIONS:-}"
export TSAN_OPTIONS
cd tests/system
WB_BUILD=$out PYTHONDONTWRITEBYTECODE=1 exec ../../.venv/bin/python -m model "$@"
