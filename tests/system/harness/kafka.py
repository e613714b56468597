"""A real single-node Apache Kafka (KRaft) on loopback, in a folder of its own.

Needs only the standard library and what setup.sh put into .deps/kafka; create_topic and the like use confluent-kafka.
By hand:  cd tests/system && python3 -m harness.kafka [--port N] [--set key=value] [DIRECTORY]
prints the bootstrap address when it is ready and stops with Ctrl-C or SIGTERM.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.ports import free_port
from harness.process import Process, ProcessFailed, wait_until

SCRIPT = Path(__file__).resolve().parent.parent / "kafka" / "kafka.sh"
READY = "Kafka Server started"

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # A missing topic must show as an error, not spring into being.
    "auto.create.topics.enable": "false",
    # One node: what is replicated elsewhere has one copy here.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # After a kill the broker's next life is let in when the earlier one's session is over: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Groups form at once; compaction and retention act within seconds, in little memory.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.cleaner.backoff.ms": "500",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class Kafka:
    """kafka.bootstrap is its address. pause, resume, kill and restart act on the broker; the data stays."""

    def __init__(self, directory, settings=None, port=0, jvm_options=()):
        self.directory = Path(directory)
        self.settings = dict(settings or {})
        self._wanted_port = port
        self._jvm_options = list(jvm_options)
        self.port = None
        self.process = None

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def start(self, timeout_s=60):
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempt in range(3):
            self.port = self._wanted_port or free_port()
            conf = self._write_conf()
            shutil.rmtree(self.directory / "data", ignore_errors=True)
            done = subprocess.run([SCRIPT, "format", conf], capture_output=True, text=True, timeout=timeout_s)
            if done.returncode:
                raise ProcessFailed(f"formatting Kafka's data folder failed:\n{done.stdout}{done.stderr}")
            self.process = Process([SCRIPT, "broker", conf, *self._jvm_options], self.directory / "broker.log")
            try:
                self._launch(timeout_s)
                return self
            except ProcessFailed as e:
                if "already in use" not in str(e) or attempt == 2:
                    raise
        raise AssertionError("not reached")

    def _write_conf(self):
        controller = free_port()
        settings = SETTINGS | {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "log.dirs": str(self.directory / "data"),
        } | self.settings
        conf = self.directory / "server.properties"
        conf.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return conf

    def _launch(self, timeout_s):
        self.process.start()
        try:
            self.process.wait_log(READY, timeout_s)
        except (TimeoutError, ProcessFailed):
            self.process.end()
            raise

    def stop(self):
        """A clean stop; killed if that takes more than 20 s."""
        if self.process and self.process.running():
            try:
                self.process.stop(20)
            except ProcessFailed:
                pass
        if self.process:
            self.process.end()

    def pause(self):
        """Freezes the broker: connections stay, answers stop."""
        self.process.pause()

    def resume(self):
        self.process.resume()

    def kill(self):
        self.process.kill()

    def restart(self, timeout_s=60):
        """Starts it again on the same data and port, after kill() or stop()."""
        self.process.kill()
        self._launch(timeout_s)

    # The broker's own tools (a JVM each, about half a second).

    def tool(self, name, *args, input=None, timeout_s=60, check=True):
        """kafka.tool("groups", "--describe", "--group", "g") → its standard output."""
        done = subprocess.run(
            [SCRIPT, name, "--bootstrap-server", self.bootstrap, *args], input=input, capture_output=True, text=True,
            timeout=timeout_s)
        if check and done.returncode:
            raise ProcessFailed(f"kafka.sh {name} {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def java_produce(self, topic, lines, *args, separator=None):
        """Java's console producer. With `separator`, each line is KEY separator VALUE."""
        args = list(args)
        if separator is not None:
            args += ["--reader-property", "parse.key=true", "--reader-property", f"key.separator={separator}"]
        self.tool("produce", "--topic", topic, *args, input="".join(line + "\n" for line in lines))

    def java_consume(self, topic, count, *args, timeout_s=30):
        """Java's console consumer from the beginning; returns `count` lines, fewer if no more come in time."""
        out = self.tool("consume", "--topic", topic, "--from-beginning", "--max-messages", str(count),
                        "--timeout-ms", str(timeout_s * 1000), *args, timeout_s=timeout_s + 30)
        return out.splitlines()

    # Through confluent-kafka, which is quicker.

    def admin(self):
        from confluent_kafka.admin import AdminClient
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def create_topic(self, name, partitions=1, **config):
        """create_topic("t", 8, cleanup_policy="compact"): underscores stand for dots. Returns the name."""
        from confluent_kafka.admin import NewTopic
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        admin = self.admin()
        admin.create_topics([topic])[name].result(30)
        wait_until(lambda: name in admin.list_topics(timeout=10).topics, 10, f"topic {name}")
        return name

    def delete_topic(self, name):
        admin = self.admin()
        admin.delete_topics([name])[name].result(30)

    def producer(self, **config):
        """A confluent-kafka Producer with Java's partitioner; underscores stand for dots.

        One request at a time: with more, a record that a leader refused because it was not the leader yet is taken for
        stored once a later one is (https://github.com/confluentinc/confluent-kafka-go/issues/921).
        """
        from confluent_kafka import Producer
        settings = {key.replace("_", "."): value for key, value in config.items()}
        return Producer({"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random",
                         "acks": "all", "max.in.flight": 1, "message.max.bytes": 4_000_000} | settings)

    def publish(self, topic, records, **config):
        """Publishes (key, value) or (key, value, headers) tuples and waits for every acknowledgement."""
        failures = []

        def acknowledged(error, _message):
            if error:
                failures.append(error)

        producer = self.producer(**config)
        for key, value, *headers in records:
            while True:
                try:
                    producer.produce(topic, value=value, key=key, headers=headers[0] if headers else None,
                                     on_delivery=acknowledged)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        if producer.flush(60) or failures:
            raise RuntimeError(f"not all records were acknowledged: {failures[:3]}")

    def read_topic(self, topic, timeout_s=30):
        """All records of a topic as confluent-kafka messages, up to the end that each partition has at the call."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "read-topic",
                             "enable.auto.commit": False, "enable.partition.eof": True,
                             "auto.offset.reset": "earliest"})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
            open_partitions, messages = set(partitions), []

            def step():
                for message in consumer.consume(1000, timeout=0.2):
                    if not message.error():
                        messages.append(message)
                    elif message.error().name() == "_PARTITION_EOF":
                        open_partitions.discard(message.partition())
                    else:
                        raise KafkaException(message.error())
                return not open_partitions
            wait_until(step, timeout_s, f"the end of topic {topic}", every_s=0)
            return messages
        finally:
            consumer.close()

    def committed(self, group, topic):
        """{partition: committed offset} of a group; partitions without one are left out."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            asked = [TopicPartition(topic, p) for p in partitions]
            found = once_settled(lambda: consumer.committed(asked, timeout=10))
            return {tp.partition: tp.offset for tp in found if tp.offset >= 0}
        finally:
            consumer.close()

    def end_offsets(self, topic):
        """{partition: (low, high)} watermarks."""
        from confluent_kafka import Consumer, TopicPartition
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "end-offsets"})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            return {p: once_settled(lambda p=p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10))
                    for p in partitions}
        finally:
            consumer.close()


UNSETTLED = {"NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE",
             "NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE"}


def once_settled(ask, timeout_s=20):
    """ask()'s answer. A broker that is young, or was frozen, leads and coordinates nothing yet, and is asked again."""
    from confluent_kafka import KafkaException

    def attempt():
        try:
            return [ask()]
        except KafkaException as e:
            if e.args[0].name() not in UNSETTLED:
                raise
            return None
    return wait_until(attempt, timeout_s, "the broker to lead and coordinate", every_s=0.1)[0]


def _record_classes(archive):
    """Starts and stops a broker once, letting the JVM note the classes that it loads."""
    with tempfile.TemporaryDirectory(prefix="writebehind-kafka-") as directory:
        kafka = Kafka(directory, jvm_options=[f"-XX:ArchiveClassesAtExit={archive}"]).start()
        kafka.tool("topics", "--create", "--topic", "t", "--partitions", "1")
        kafka.process.stop(120)
    if not Path(archive).exists():
        sys.exit(f"the JVM wrote no {archive}")


def main():
    parser = argparse.ArgumentParser(description="Runs a real Kafka on loopback until SIGTERM or Ctrl-C.")
    parser.add_argument("directory", nargs="?", help="keeps broker.log and data (default: a temporary folder)")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a broker setting")
    parser.add_argument("--record-classes", metavar="FILE", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.record_classes:
        _record_classes(args.record_classes)
        return
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    directory = args.directory or tempfile.mkdtemp(prefix="writebehind-kafka-")
    kafka = Kafka(os.path.abspath(directory), dict(s.split("=", 1) for s in args.set), args.port)
    try:
        kafka.start()
        print(kafka.bootstrap, flush=True)
        while kafka.process.running():
            time.sleep(0.5)
        raise kafka.process.failed("the broker ended by itself")
    finally:
        kafka.stop()
        if not args.directory:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
