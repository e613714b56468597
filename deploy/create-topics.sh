#!/bin/sh
# Creates Writebehind's topics where they are missing; existing ones stay as they are. Runs where Kafka's tools are.
#
#   KAFKA_BOOTSTRAP_SERVERS   required
#   WRITES_PARTITIONS         16: how many consumer processes can share the work
#   RESULTS_PARTITIONS        4
#   REPLICATION_FACTOR        1: for more than one broker take 3
#   WRITES_RETENTION_MS       7 days
#   JOBS_RETENTION_MS         7 days: results are kept for this and the retention of the writes
set -eu

tools=${KAFKA_TOOLS:-/opt/kafka/bin}
day_ms=86400000
writes_ms=${WRITES_RETENTION_MS:-$((7 * day_ms))}
results_ms=$((${JOBS_RETENTION_MS:-$((7 * day_ms))} + writes_ms))

# topic NAME PARTITIONS SETTING=VALUE...
topic() {
    name=$1 partitions=$2
    shift 2
    for setting; do
        shift
        set -- "$@" --config "$setting"
    done
    "$tools/kafka-topics.sh" --bootstrap-server "${KAFKA_BOOTSTRAP_SERVERS:?}" --create --if-not-exists \
        --topic "$name" --partitions "$partitions" --replication-factor "${REPLICATION_FACTOR:-1}" "$@"
}

topic "${TOPIC_WRITES:-writebehind.writes}" "${WRITES_PARTITIONS:-16}" \
    cleanup.policy=delete max.message.bytes=3145728 "retention.ms=$writes_ms"
topic "${TOPIC_RESULTS:-writebehind.results}" "${RESULTS_PARTITIONS:-4}" \
    cleanup.policy=delete max.message.bytes=1048588 "retention.ms=$results_ms"
topic "${TOPIC_DEAD_LETTERS:-writebehind.dead-letters}" "${WRITES_PARTITIONS:-16}" \
    cleanup.policy=delete max.message.bytes=4194304 retention.ms=-1
topic "${TOPIC_DEAD_LETTERS_STATE:-writebehind.dead-letters.state}" 1 \
    cleanup.policy=compact max.message.bytes=1048588
