#!/bin/sh
# The sandbox's mock cluster is linked into the sandbox alone. Looks at the programs of a build folder (default build).
set -eu
bin=${1:-build}/bin
status=0
for program in "$bin"/writebehind-*; do
    case $program in
    *-sandbox) continue ;;
    esac
    [ -x "$program" ] || continue
    if nm -D --undefined-only "$program" | grep -q ' rd_kafka_mock_'; then
        echo "$program uses librdkafka's mock cluster"
        status=1
    fi
done
exit $status
