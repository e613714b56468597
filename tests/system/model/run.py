"""One run: a sandbox, some consumers of one group on a real Kafka, the writes and the troubles of a scenario.

It ends when the troubles are over and everything is at rest; check.py judges what is left behind.
"""

import json
import os
import signal
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import requests
from confluent_kafka import Consumer, TopicPartition
from harness.kafka import once_settled
from harness.process import wait_until
from harness.programs import Program, Sandbox

from model.scenario import FORGED_ETAG

REST_S = 60


class Topics:
    """The four topics of one run, made at once."""

    def __init__(self, broker, partitions):
        from confluent_kafka.admin import NewTopic
        self.broker = broker
        prefix = f"model-{uuid.uuid4().hex[:10]}"
        self.group = f"{prefix}.group"
        self.writes, self.results = f"{prefix}.writes", f"{prefix}.results"
        self.dead_letters, self.state = f"{prefix}.dead-letters", f"{prefix}.dead-letters.state"
        self.partitions = partitions
        self._admin = broker.admin()
        wanted = [
            NewTopic(self.writes, partitions, 1, config={"max.message.bytes": "3000000"}),
            NewTopic(self.results, 2, 1, config={"retention.ms": str(30 * 86_400_000)}),
            NewTopic(self.dead_letters, partitions, 1, config={"max.message.bytes": "4000000", "retention.ms": "-1"}),
            NewTopic(self.state, 1, 1, config={"cleanup.policy": "compact"})]
        for made in self._admin.create_topics(wanted).values():
            made.result(30)
        wait_until(lambda: {t.topic for t in wanted} <= self._admin.list_topics(timeout=10).topics.keys(), 20, "topics")

    @property
    def env(self):
        return {"KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap, "KAFKA_GROUP_ID": self.group,
                "TOPIC_WRITES": self.writes, "TOPIC_RESULTS": self.results,
                "TOPIC_DEAD_LETTERS": self.dead_letters, "TOPIC_DEAD_LETTERS_STATE": self.state}

    def delete(self):
        for gone in self._admin.delete_topics([self.writes, self.results, self.dead_letters, self.state]).values():
            gone.result(30)


class Lag:
    """How far the group's commits are behind the log, through one client that stays."""

    def __init__(self, topics):
        self._client = Consumer({"bootstrap.servers": topics.broker.bootstrap, "group.id": topics.group})
        self._partitions = [TopicPartition(topics.writes, p) for p in range(topics.partitions)]

    def ends(self):
        return {p.partition: once_settled(lambda p=p: self._client.get_watermark_offsets(p, timeout=20))[1]
                for p in self._partitions}

    def committed(self):
        return {p.partition: max(p.offset, 0)
                for p in once_settled(lambda: self._client.committed(self._partitions, timeout=20))}

    def close(self):
        self._client.close()


class JournalTail(threading.Thread):
    """Follows the sandbox's journal while the run goes on: for the etags that conditions name, and for the checks."""

    def __init__(self, sandbox):
        super().__init__(daemon=True)
        self._sandbox, self._after, self._end = sandbox, 0, threading.Event()
        self.entries, self.latest, self.error = [], {}, None

    def read(self):
        answer = self._sandbox.get(f"/_sandbox/journal?after={self._after}")
        answer.raise_for_status()
        for line in answer.text.splitlines():
            entry = json.loads(line)
            if entry.get("truncated"):
                raise RuntimeError("the journal is full")
            self._after = entry["n"]
            self.entries.append(entry)
            self.latest[json.dumps(entry["pk"]), entry["id"]] = entry.get("etag")

    def run(self):
        while not self._end.wait(0.1):
            try:
                self.read()
            except requests.RequestException as e:
                self.error = e

    def finish(self):
        self._end.set()
        self.join()
        self.read()


@dataclass
class Life:
    """One process of a consumer, from its start to its end."""
    which: int
    number: int
    program: Program
    pid: int = None
    frozen: bool = False
    killed: bool = False
    stopping: bool = False


class Run:
    def __init__(self, scenario, broker, directory):
        self.scenario, self.broker, self.directory = scenario, broker, Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.lives, self.current = [], {}
        self.sandbox = self.topics = self.journal = self.lag = None
        self.findings, self.story, self.ranges = [], [], []
        self.published = 0
        self.rest_s = None

    # ---- what happens

    def note(self, text):
        self.story.append(f"{time.monotonic() - self._began:6.2f} {text}")

    def begin_life(self, which):
        number = sum(life.which == which for life in self.lives) + 1
        program = Program("consumer", self.directory,
                          self.topics.env | self.sandbox.target.env | {"ADMIN_LISTEN": "127.0.0.1:0"},
                          self.scenario.settings, tag=f"-{which}-{number}")
        life = Life(which, number, program)
        program.start(wait=False)
        life.pid = program.pid
        self.lives.append(life)
        self.current[which] = life
        self.note(f"consumer {which}: life {number} begins, pid {life.pid}")

    def event(self, what, which):
        life = self.current[which]
        alive = life.program.running()
        if what == "start" and (not alive or life.stopping):
            self.begin_life(which)
            return
        if not alive or life.stopping or life.frozen != (what == "thaw"):
            return
        if what == "kill":
            life.killed = True
            life.program.kill()
        elif what == "freeze":
            life.frozen = True
            life.program.pause()
        elif what == "thaw":
            life.frozen = False
            life.program.resume()
        elif what == "stop":
            life.stopping = True
            life.program.signal(signal.SIGTERM)
        else:
            return
        self.note(f"consumer {which}: {what}")

    def set_weather(self, rules):
        faults = "/_sandbox/faults"
        requests.delete(self.sandbox.info["cosmos"] + faults, timeout=10).raise_for_status()
        if rules:
            self.sandbox.post(faults, json=rules).raise_for_status()
        self.note(f"weather: {json.dumps(rules)}")

    def change_topology(self, what, which, completing_ms, substatus):
        """Splits a range, or merges two neighbours; where that is not possible, nothing happens."""
        at = int(which * (len(self.ranges) - (what == "merge")))
        order = {"database": self.sandbox.target.database, "container": self.sandbox.target.container}
        if completing_ms:
            order |= {"completing_ms": completing_ms, "substatus": substatus}
        if what == "split":
            order["range"] = self.ranges[at]
        elif len(self.ranges) > 1:
            order["ranges"] = self.ranges[at:at + 2]
        else:
            return
        answer = self.sandbox.post(f"/_sandbox/{what}", json=order)
        self.note(f"{what}: {json.dumps(order)} {answer.status_code} {answer.text.strip()}")
        if answer.ok:
            told = answer.json()
            self.ranges[at:at + (1 if what == "split" else 2)] = told.get("children") or [told["child"]]

    # ---- publishing

    def publish(self, producer, write):
        headers = list(write.headers)
        if write.condition in ("match", "forged"):
            known = None if write.condition == "forged" else self.journal.latest.get(
                (json.dumps([write.item.pk]), write.item.id))
            write.etag = known or FORGED_ETAG
            headers.append(("wb-if-match", write.etag.encode()))
        # Which record is which: an acknowledgement of a repeated request does not know its offset.
        headers.append(("model-write", str(self.published).encode()))
        self.published += 1
        write.headers = headers

        def acknowledged(error, _message):
            if error:
                self.findings.append(f"Kafka refused {write.name()}: {error}")
        producer.produce(self.topics.writes, value=write.value, key=write.key, headers=headers, on_delivery=acknowledged)

    # ---- the whole

    def prepare(self):
        self._began = time.monotonic()
        directory = self.directory / "sandbox"
        directory.mkdir()
        self.sandbox = Sandbox(directory, self.scenario.sandbox).start()
        self.ranges = [str(i) for i in range(self.scenario.sandbox["cosmos.ranges"])]
        self.sandbox.post("/_sandbox/journal", json={"enabled": True}).raise_for_status()
        if not self.scenario.bulk:
            self.sandbox.post("/_sandbox/bulk", json={"enabled": False}).raise_for_status()
        self.topics = Topics(self.broker, partitions=4)
        self.lag = Lag(self.topics)
        self.journal = JournalTail(self.sandbox)
        self.journal.start()
        for which in range(self.scenario.consumers):
            self.begin_life(which)

    def play(self):
        """Everything at its time, in one thread."""
        s = self.scenario
        plan = [(w.at_s, 1, self.publish, (self.broker_producer, w)) for w in s.writes]
        plan += [(at, 0, self.set_weather, (rules,)) for at, rules in s.weather]
        plan += [(at, 0, self.change_topology, rest) for at, *rest in s.topology]
        plan += [(at, 0, self.event, (what, which)) for at, what, which in s.events]
        plan.sort(key=lambda step: step[:2])
        began = time.monotonic()
        for at_s, _, action, arguments in plan:
            while (left := began + at_s - time.monotonic()) > 0:
                self.broker_producer.poll(min(left, 0.05))
            action(*arguments)
            self.broker_producer.poll(0)
        if self.broker_producer.flush(30):
            self.findings.append("Kafka did not acknowledge everything")

    def find_records(self):
        """Where each write stands in the topic."""
        writes = {dict(w.headers)["model-write"]: w for w in self.scenario.writes}
        for message in self.broker.read_topic(self.topics.writes):
            write = writes[dict(message.headers())["model-write"]]
            write.partition, write.offset = message.partition(), message.offset()

    def calm_down(self):
        """No more troubles: every consumer that should be there is, and is awake."""
        self.sandbox.post("/_sandbox/throughput", json={"range_ru": 0}).raise_for_status()
        for which in range(self.scenario.consumers):
            life = self.current[which]
            if life.frozen:
                self.event("thaw", which)
            if life.stopping:
                life.program.wait(40)
            if not life.program.running():
                self.begin_life(which)

    def rest(self):
        """Waits until the group's lag is zero."""
        began = time.monotonic()
        ends = self.lag.ends()
        while True:
            committed = self.lag.committed()
            if committed == ends:
                break
            if time.monotonic() - began > REST_S:
                self.findings.append(f"not at rest after {REST_S} s: committed {committed}, log ends {ends}")
                break
            time.sleep(0.05)
        self.rest_s = time.monotonic() - began
        self.note("at rest")

    def end_consumers(self):
        for life in self.lives:
            if life.program.running() and not life.stopping:
                life.stopping = True
                life.program.signal(signal.SIGTERM)
        for life in self.lives:
            try:
                code = life.program.wait(40)
            except Exception as e:
                self.findings.append(f"{life.program.name} had not ended 40 s after SIGTERM: {e}")
                continue
            if code != (-signal.SIGKILL if life.killed else 0):
                self.findings.append(f"{life.program.name} ended with {code}")
            self.findings += life.program.complaints()

    def execute(self):
        """Runs it; then .findings says what went wrong so far, and the topics, .journal and .sandbox are to be judged."""
        self.prepare()
        self.broker_producer = self.broker.producer(enable_idempotence=True, linger_ms=0)
        self.play()
        self.calm_down()
        self.find_records()
        self.rest()
        self.end_consumers()
        self.journal.finish()

    def close(self):
        """Ends what may still run, whatever happened before."""
        if self.lag:
            self.lag.close()
        for life in self.lives:
            left = life.program.end()
            if left:
                self.findings.append(f"{life.program.name} left processes behind: {left}")
        if self.sandbox:
            self.findings += self.sandbox.complaints()
            self.sandbox.process.end()
        if self.topics:
            self.topics.delete()

    def keep(self, name, lines):
        """Writes a file into the run's folder, for who looks into a failure."""
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            for line in lines:
                file.write(f"{line}\n")
