#!/bin/sh
# The consumer's figures on real Kafka and the emulator: see pipeline.py. Needs what setup.sh installs.
#
#   bench_pipeline.sh OUT                     all of them
#   bench_pipeline.sh OUT --only cpu,speed    some; --list names them
out=${1:?usage: bench_pipeline.sh OUT [--list] [--only NAME,NAME]}
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
WB_BUILD=$out exec "$root/.venv/bin/python" "$root/tests/bench/pipeline.py" "$@"
