#!/usr/bin/env bash
# A real Apache Kafka for tests: its jars, its broker in the foreground, its own command-line tools.
#
#   kafka.sh fetch                     get the jars with Maven and make a class archive (starts become twice as fast)
#   kafka.sh format CONF               prepare the data folder that a broker's CONF names
#   kafka.sh broker CONF               become the broker (exec); SIGTERM stops it cleanly
#   kafka.sh TOOL --bootstrap-server HOST:PORT ...
#        TOOL: topics, configs, groups, produce, consume, offsets
#
# The jars are kept in .deps/kafka of the checkout; WB_KAFKA_HOME names another folder, JAVA another java,
# KAFKA_HEAP another heap for the broker. Starting, stopping and freezing brokers is harness/kafka.py's work.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${WB_KAFKA_HOME:-$here/../../../.deps/kafka}
java=${JAVA:-java}
archive=$home/classes.jsa

usage() {
    sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

# The class archive, when there is one: a JVM that can't use it goes on without it.
sharing() {
    if [ -f "$archive" ]; then echo "-XX:SharedArchiveFile=$archive"; else echo "-Xshare:auto"; fi
}

# tool CLASS ARGS: becomes a short-lived JVM, tuned to start fast.
tool() {
    exec "$java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "$(sharing)" -Xlog:disable \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$home/libs/*" "$@"
}

# broker CONF [JVM OPTIONS]
broker() {
    local conf=$1
    shift
    # shellcheck disable=SC2086 # KAFKA_HEAP holds several words
    exec "$java" ${KAFKA_HEAP:--Xms128m -Xmx512m} -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:-UsePerfData \
        -Xlog:disable -Xlog:all=error:stderr "$(sharing)" -Djava.awt.headless=true \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        -Dorg.slf4j.simpleLogger.showDateTime=true \
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS" \
        "$@" -cp "$home/libs/*" kafka.Kafka "$conf"
}

fetch() {
    local new=$home.new
    rm -rf "$new"
    mkdir -p "$new/libs"
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$(cd "$new/libs" && pwd)" \
        -DincludeScope=runtime >"$new/fetch.log" 2>&1 || {
        cat "$new/fetch.log" >&2
        exit 1
    }
    rm -rf "$home"
    mv "$new" "$home"
    # One throw-away start and stop, to note which classes a broker loads.
    PYTHONPATH="$here/.." python3 -m harness.kafka --record-classes "$archive.new"
    mv "$archive.new" "$archive"
}

command=${1:-help}
[ $# -eq 0 ] || shift
case $command in
fetch) fetch ;;
format) tool kafka.tools.StorageTool format --cluster-id "d3JpdGViZWhpbmQtdGVzdA" --config "$1" ;;
broker) broker "$@" ;;
topics) tool org.apache.kafka.tools.TopicCommand "$@" ;;
configs) tool kafka.admin.ConfigCommand "$@" ;;
groups) tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@" ;;
produce) tool org.apache.kafka.tools.ConsoleProducer "$@" ;;
consume) tool org.apache.kafka.tools.consumer.ConsoleConsumer "$@" ;;
offsets) tool org.apache.kafka.tools.GetOffsetShell "$@" ;;
help | -h | --help) usage ;;
*)
    echo "kafka.sh: unknown command: $command" >&2
    usage >&2
    exit 2
    ;;
esac
