#!/bin/sh
# The emulator's own ceiling: what a load generator of prebuilt bulk bodies reaches. See bench_emulator.py.
out=${1:?usage: bench_emulator.sh OUT}
root=$(cd "$(dirname "$0")/../.." && pwd)
WB_BUILD=$out exec "$root/.venv/bin/python" "$root/tests/bench/bench_emulator.py"
