#!/bin/sh
# Runs the model test with the programs in BUILD_DIR/bin; failed runs leave what they saw in BUILD_DIR/soak.
#
#   sh tests/run_soak.sh BUILD_DIR [--runs N] [--seed N] [--parallel N]
set -eu

out=${1:?usage: run_soak.sh BUILD_DIR}
shift
cd "$(dirname "$0")/.."
case $out in /*) ;; *) out=$(pwd)/$out ;; esac
[ -x .venv/bin/python ] || {
    echo "run_soak: no .venv; run: sh setup.sh" >&2
    exit 1
}
cd tests/system
WB_BUILD=$out PYTHONDONTWRITEBYTECODE=1 exec ../../.venv/bin/python -m model "$@"
