#!/bin/sh
# The consumer's throughput and cost on real Kafka and the emulator: see pipeline.py. Needs what setup.sh installs.
out=${1:?usage: bench_pipeline.sh OUT}
root=$(cd "$(dirname "$0")/../.." && pwd)
WB_BUILD=$out exec "$root/.venv/bin/python" "$root/tests/bench/pipeline.py"
