"""Load generator → producer → Kafka, set up and watched: one real broker for all measurements, a producer with topics
of its own for each."""

import json
import os
import resource
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from conftest import Topics
from harness.kafka import Kafka
from harness.paths import BUILD
from harness.programs import Program

from lib import RUNS, say
from lib.documents import write_bodies

SCRIPT = Path(__file__).resolve().parents[1] / "bench_producer.lua"
# What no figure reads again is gone within seconds: librdkafka alone fills half a gigabyte a second.
FORGETFUL = {"segment_bytes": 64 << 20, "retention_bytes": 128 << 20, "file_delete_delay_ms": 1000}
BUDGET = 128 << 20
# With no consumer no job ends, so many are allowed. BENCH_PRODUCER adds settings: "publish.linger.ms=0 http.threads=1".
SETTINGS = {"memory.budget.bytes": BUDGET, "jobs.max": 10_000_000} | dict(
    pair.split("=", 1) for pair in os.environ.get("BENCH_PRODUCER", "").split())
LINGERS_MS = (0, 1)
RAW_S, LOAD_S, WARM_S = 3, 4, 1
BODIES_BYTES = 6_400_000


def children_cpu_s():
    """Of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Intake:
    """The broker, and what was made already. `memory` gathers, for each figure, the peak of the producer's memory and
    what it is allowed."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="writebehind-bench-"))
        self.broker = Kafka(self.directory / "kafka").start()
        self.memory = {}
        self._made = {}

    def close(self):
        self.broker.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def once(self, name, make):
        """What make() returned the first time."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def topics(self, **writes):
        return Topics(self.broker, 8, **(FORGETFUL | writes))

    @contextmanager
    def producer(self, topics, settings=None, timeout_s=30):
        """A producer that is ready, in a folder of its own."""
        directory = Path(tempfile.mkdtemp(prefix="producer-", dir=self.directory))
        program = Program("producer", directory, topics.env, SETTINGS | (settings or {})).start(timeout_s=timeout_s)
        try:
            yield program
            program.stop(60)
        finally:
            program.end()

    def raw(self, topics, batch, windows, bytes_each, linger_ms):
        """What librdkafka alone does: tool_produce.c."""
        done = subprocess.run([BUILD / "bench" / "tool_produce", self.broker.bootstrap, topics.writes, str(batch),
                               str(windows), str(round(bytes_each)), str(RAW_S), str(linger_ms)],
                              capture_output=True, text=True, timeout=120, check=True)
        return json.loads(done.stdout)

    def bodies(self, each):
        """(a file of bodies of `each` documents, the documents' mean bytes); made once."""
        def make():
            path = self.directory / f"bodies-{each}"
            return path, write_bodies(path, max(64, min(4096, BODIES_BYTES // (1000 * each))), each)
        return self.once(("bodies", each), make)

    def load(self, producer, each, connections, seconds=LOAD_S):
        """The figures of wrk's requests to the producer."""
        path, _ = self.bodies(each)
        before = producer.cpu_s(), self.broker.process.cpu_s(), children_cpu_s()
        done = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s",
                               "-s", SCRIPT, producer.url], env=os.environ | {"BODIES": str(path)},
                              capture_output=True, text=True, timeout=120, check=True)
        after = producer.cpu_s(), self.broker.process.cpu_s(), children_cpu_s()
        result = json.loads(done.stdout.splitlines()[-1])
        if result["failed"] or not result["requests"]:
            raise SystemExit(f"{result['failed']} of {result['requests']} requests failed:\n{done.stdout}\n"
                             f"{producer.log_tail()}")
        documents = result["requests"] * each
        cpu = [(b - a) * 1e6 / documents for a, b in zip(before, after)]
        return {"documents_per_s": documents / result["seconds"], "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"],
                "producer_cpu_s_per_million": cpu[0], "broker_cpu_s_per_million": cpu[1],
                "wrk_cpu_s_per_million": cpu[2]}

    def warm_up(self):
        """The broker's Java compiles what producers use: at first a record costs it several times what it does later."""
        def warm():
            topics = self.topics()
            say("warming the broker up")
            with self.producer(topics) as producer:
                for each in (100, 1):
                    self.raw(topics, each, 64, self.bodies(each)[1], 1)
                    self.load(producer, each, 64)
        self.once("warm", warm)

    def note_memory(self, bench, producer):
        """Figures of the producer's memory; whether it kept within what it is allowed: its budget, 48 MiB, and 128 bytes
        for each job in view."""
        jobs = producer.metric("writebehind_view_jobs")
        figures = {"peak_rss_bytes": producer.rss_bytes(peak=True), "jobs_in_view": round(jobs),
                   "rss_allowed_bytes": round(BUDGET + (48 << 20) + 128 * jobs)}
        self.memory[bench] = figures
        return figures, figures["peak_rss_bytes"] <= figures["rss_allowed_bytes"]


def rounds(name, runs=RUNS):
    for number in range(runs):
        say(f"{name}, run {number + 1} of {runs}")
        yield number
