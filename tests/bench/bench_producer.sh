#!/bin/sh
# The producer's figures on real Kafka: see producer.py. Needs what setup.sh installs.
#
#   bench_producer.sh OUT                          all of them
#   bench_producer.sh OUT --only http-100,outage   some; --list names them
out=${1:?usage: bench_producer.sh OUT [--list] [--only NAME,NAME]}
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
WB_BUILD=$out exec "$root/.venv/bin/python" "$root/tests/bench/producer.py" "$@"
