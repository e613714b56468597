"""Kafka → consumer → emulator, set up and watched: one real broker for all measurements, an emulator for each run."""

import itertools
import json
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from conftest import Topics
from harness.kafka import Kafka
from harness.paths import BUILD
from harness.process import wait_until
from harness.programs import Program, Sandbox, run

from lib import DOCUMENTS, ITEMS, RUNS, say
from lib.documents import Documents
from lib.emulator import Emulator
from lib.load import generate
from lib.measuring import connections_to, median
from lib.tls import TlsFront

WARM_UP_READINGS = 2  # of librdkafka alone, of each filled topic
WARM_UP_RUNS = 4  # of the consumer
NEARLY = 0.95  # of a run, from where on its end is looked for more often
IDLE_S = 60  # a run in which nothing is written for so long has failed


class Rig:
    """The broker, and what was made and measured already: documents, filled topics, runs that several figures rest
    on."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="writebehind-bench-"))
        self.broker = Kafka(self.directory / "kafka").start()
        self._made = {}
        self._numbers = itertools.count(1)

    def close(self):
        self.broker.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def documents(self, count=DOCUMENTS, size=1000, items=ITEMS):
        """A file of documents, made once."""
        def make():
            return Documents(self.directory / f"documents-{next(self._numbers)}.ndjson", count, size, items)
        return self.once(("documents", count, size, items), make)

    def filled(self, partitions=8, **shape):
        """(documents, topics): topics of which the writes hold these documents. Filled once, read as often as wanted."""
        def fill():
            documents, topics = self.documents(**shape), Topics(self.broker, partitions)
            say(f"publishing {documents.count} documents of {documents.mean_bytes:.0f} bytes into {partitions} partitions")
            self.publish(documents, topics)
            for _ in range(WARM_UP_READINGS):
                self._consume(documents, topics)
            return documents, topics
        return self.once(("filled", partitions, *sorted(shape.items())), fill)

    def publish(self, documents, topics):
        """Fills the topics with writebehind-publish; what that took."""
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        run("publish", documents.path, env=topics.env, timeout_s=600)
        took, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"documents_per_s": documents.count / took, "cpu_s_per_million": cpu * 1e6 / documents.count}

    def once(self, name, measure):
        """What measure() returned the first time."""
        if name not in self._made:
            self._made[name] = measure()
        return self._made[name]

    def runs(self, name, runs=RUNS, **case):
        """The figures of one run, `runs` times."""
        def measure():
            self.once("warm", self._warm_up)
            rows = []
            for number in range(runs):
                say(f"{name}, run {number + 1} of {runs}")
                rows.append(self.run(**case))
            return rows
        return self.once(name, measure)

    def _warm_up(self):
        """The broker's Java compiles what consumers use: at first a document costs it three times what it does later."""
        for number in range(WARM_UP_RUNS):
            say(f"warming the broker up, run {number + 1} of {WARM_UP_RUNS}")
            self.run()

    def run(self, **case):
        """One run of a Case."""
        with self.case(**case) as one:
            return one.measure()

    def case(self, **case):
        directory = self.directory / f"run-{next(self._numbers)}"
        directory.mkdir()
        return Case(self, directory, **case)

    def load(self, connections, settings=None, **options):
        """The load generator's figures against an emulator with these settings: the median of RUNS runs."""
        settings = {"cosmos.ranges": 8} | (settings or {})
        name = ("load", connections, *sorted(settings.items()))

        def measure():
            say(f"load generator, {connections} connections, {settings}")
            return median([generate(settings, connections, **options) for _ in range(RUNS)])
        return self.once(name, measure)

    def bare_consume(self, **shape):
        """librdkafka's bare consume rate on a filled topic: the median of RUNS runs."""
        documents, topics = self.filled(**shape)

        def measure():
            say(f"librdkafka alone, {shape}")
            return median([self._consume(documents, topics) for _ in range(RUNS)])
        return self.once(("bare", *sorted(shape.items())), measure)

    def _consume(self, documents, topics):
        done = subprocess.run([BUILD / "bench" / "tool_consume", self.broker.bootstrap, topics.writes,
                               str(documents.count)], capture_output=True, text=True, timeout=180, check=True)
        return json.loads(done.stdout)


class Case:
    """One run: the documents of a topic, read by a new group, into a new emulator, and checked there.

    shape: the documents, and the partitions of their topic; with fill=False the topic is empty until publish(). sandbox
    and consumer: settings of the programs. places: the consumer is asked four times a second how many requests it gives
    its ranges; the mean of that is a figure, too."""

    def __init__(self, rig, directory, shape=None, sandbox=None, consumer=None, consumers=1, tls=False, fill=True,
                 places=False):
        self.rig, self.directory, self.tls = rig, directory, tls
        shape = dict(shape or {})
        if fill:
            self.documents, self.topics = rig.filled(**shape)
        else:
            self.topics = Topics(rig.broker, shape.pop("partitions", 8))
            self.documents = rig.documents(**shape)
        self.sandbox_settings = {"cosmos.ranges": 8} | (sandbox or {})
        self.consumer_settings, self.count = consumer or {}, consumers
        self.samples, self.asks_places, self.places = [], places, []

    def __enter__(self):
        self.sandbox = Sandbox(self.directory, self.sandbox_settings).start()
        self.emulator = Emulator(self.sandbox)
        env = self.topics.env | {"KAFKA_GROUP_ID": f"bench-{uuid.uuid4().hex}"} | self.sandbox.target.env
        self.front = TlsFront(self.directory, self.emulator.port) if self.tls else None
        if self.front:
            env |= self.front.env
        self.consumers = [Program("consumer", self.directory, env, self.consumer_settings, tag=f"-{n}")
                          for n in range(self.count)]
        return self

    def __exit__(self, *_):
        for process in [*self.consumers, self.sandbox.process] + ([self.front.process] if self.front else []):
            process.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def measure(self):
        self.begin()
        self.watch(lambda sample: sample["accepted"] > 0, every_s=0.002)
        self.watch(lambda sample: sample["accepted"] > NEARLY * self.documents.count or self.finished(sample))
        self.watch(self.finished, every_s=0.01)
        return self.end()

    def begin(self):
        self.started = time.monotonic()
        for consumer in self.consumers:
            consumer.start(wait=False)

    def publish(self):
        self.rig.publish(self.documents, self.topics)

    def watch(self, until, every_s=0.1):
        """Samples until a sample is what is waited for, and returns that. Being asked costs the emulator time, and asking
        costs the machine some: every 25 ms it was a tenth of the throughput. Each second of the clock begins with a sample,
        as the emulator counts request units in those."""
        moved, last = time.monotonic(), None
        while True:
            sample = self.sample()
            self.samples.append(sample)
            if until(sample):
                return sample
            self.ask_places(sample)
            if sample["accepted"] != last:
                moved, last = sample["at"], sample["accepted"]
            for consumer in self.consumers:
                if not consumer.running():
                    raise SystemExit(f"a consumer ended:\n{consumer.log_tail()}")
            if sample["at"] - moved > IDLE_S:
                raise SystemExit(f"nothing was written for {IDLE_S} s:\n{self.consumers[0].log_tail()}")
            time.sleep(min(every_s, 1 - time.monotonic() % 1))

    def ask_places(self, sample):
        asked = self.places[-1][0] if self.places else 0
        if self.asks_places and sample["accepted"] and sample["at"] - asked >= 0.25:
            ranges = self.consumers[0].get("/v1/state").json()["ranges"]
            self.places.append((sample["at"], sum(one["limit"] for one in ranges)))

    def sample(self):
        port = self.front.port if self.front else self.emulator.port
        asked = time.monotonic()
        return self.emulator.upserts() | {
            "asked": asked, "at": time.monotonic(), "consumer_cpu": sum(consumer.cpu_s() for consumer in self.consumers),
            "broker_cpu": self.rig.broker.process.cpu_s(), "emulator_cpu": self.sandbox.process.cpu_s(),
            # One of those to the emulator is ours.
            "connections": connections_to(port) - (0 if self.front else 1)}

    def finished(self, sample):
        """Everything is accepted; or nothing moves, as every write has an outcome: some may be superseded, and so are
        never sent."""
        if sample["accepted"] >= self.documents.count:
            return True
        before = self.samples[-5:][0]
        return 0 < before["accepted"] == sample["accepted"] and self.outcomes() >= self.documents.count

    def pending(self):
        return sum(consumer.metric("writebehind_pending_writes") for consumer in self.consumers)

    def outcomes(self):
        return sum(consumer.metric("writebehind_outcomes_total", outcome=outcome) for consumer in self.consumers
                   for outcome in ("written", "superseded"))

    def end(self):
        """Waits until everything is told, checks what is stored, stops the consumers; returns the run's figures."""
        last = next(sample for sample in self.samples if sample["accepted"] == self.samples[-1]["accepted"])
        # Writes may come twice, after a rebalance: their outcomes alone do not say that all are there.
        wait_until(lambda: self.outcomes() >= self.documents.count and not self.pending(), IDLE_S,
                   "every write to have an outcome")
        whole_cpu = sum(consumer.cpu_s() for consumer in self.consumers)
        superseded = sum(consumer.metric("writebehind_outcomes_total", outcome="superseded")
                         for consumer in self.consumers)
        peak = max(consumer.rss_bytes(peak=True) for consumer in self.consumers)
        if self.front and last["connections"] <= 0:
            raise SystemExit("the consumer did not go through TLS")
        for consumer in self.consumers:
            consumer.stop()
        final = self.emulator.upserts()
        first = next(sample for sample in self.samples if sample["accepted"])
        done = last["accepted"] - first["accepted"]
        took = last["at"] - first["at"]
        # Writes that were superseded are done, too.
        figures = {"documents_per_s": (done + superseded) / took}
        for name in ("consumer", "broker", "emulator"):
            figures[f"{name}_cpu_s_per_million"] = ((last[f"{name}_cpu"] - first[f"{name}_cpu"]) * 1e6 /
                                                    (done + superseded))
        if self.places:
            figures["places"] = statistics.mean(places for _, places in self.places)
        return figures | {
            "consumer_whole_cpu_s_per_million": whole_cpu * 1e6 / self.documents.count, "peak_rss_bytes": peak,
            "connections": max(sample["connections"] for sample in self.samples),
            "start_to_first_write_s": first["at"] - self.started, "superseded": superseded,
            "operations_sent": final["accepted"] + final["refused"], "operations_accepted": final["accepted"],
            "request_units": final["request_units"], "documents": self.documents.count,
            "document_bytes": self.documents.mean_bytes} | self.emulator.verify(self.documents)
