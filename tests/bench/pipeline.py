"""Kafka → consumer → emulator, measured: 200,000 documents of 1 KB, 8 partitions, 8 ranges, real Kafka.

Prints JSON lines: publishing, librdkafka's bare consume rate (the baseline), and the consumer: documents per second,
CPU seconds per million documents, peak resident memory. Each figure is the median of RUNS runs.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

from conftest import Topics  # noqa: E402
from harness.kafka import Kafka  # noqa: E402
from harness.paths import BUILD  # noqa: E402
from harness.programs import Program, Sandbox, run  # noqa: E402

DOCUMENTS = int(os.environ.get("BENCH_DOCUMENTS", "200000"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
ISO = Path("/usr/share/iso-codes/json/iso_3166-2.json")


def write_documents(path):
    """Documents of about 1 KB with real entries inside, not one long string."""
    entries = json.loads(ISO.read_text())["3166-2"]
    size = 0
    with open(path, "w") as f:
        for i in range(DOCUMENTS):
            document = {"id": f"doc-{i:08d}", "pk": f"tenant-{i * 7919 % 5000}", "seq": i, "entries": []}
            at = i
            text = ""
            while len(text) < 1000:
                document["entries"].append(entries[at % len(entries)])
                at += 1
                text = json.dumps(document, separators=(",", ":"))
            f.write(text + "\n")
            size += len(text)
    return size / DOCUMENTS


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def publish(topics, path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    run("publish", path, env=topics.env, timeout_s=300)
    took = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"documents_per_s": DOCUMENTS / took, "cpu_s_per_million": cpu * 1e6 / DOCUMENTS}


def bare_consume(broker, topics):
    done = subprocess.run([BUILD / "bench" / "tool_consume", broker.bootstrap, topics.writes, str(DOCUMENTS)],
                          capture_output=True, text=True, timeout=180, check=True)
    return json.loads(done.stdout)


def consume(directory, topics, sandbox, number):
    consumer = Program("consumer", directory, topics.env | sandbox.target.env, tag=f"-{number}")
    started = time.monotonic()
    consumer.start(wait=False)
    first = last = None
    while last is None:
        time.sleep(0.1 if first else 0.02)  # being asked costs the consumer time, too
        if not consumer.running():
            raise SystemExit(f"the consumer ended:\n{consumer.log_tail()}")
        written = consumer_written(consumer)
        now = time.monotonic()
        if written and first is None:
            first = (now, written)
        if written >= DOCUMENTS:
            last = now
        if now - started > 180:
            raise SystemExit(f"only {written} of {DOCUMENTS} written in 180 s:\n{consumer.log_tail()}")
    figures = {"documents_per_s": (DOCUMENTS - first[1]) / (last - first[0]),
               "cpu_s_per_million": cpu_seconds(consumer.pid) * 1e6 / DOCUMENTS, "peak_rss_bytes": peak_bytes(consumer.pid),
               "start_to_first_write_s": first[0] - started}
    consumer.stop()
    return figures


def consumer_written(consumer):
    try:
        return consumer.metric("writebehind_outcomes_total", outcome="written")
    except OSError:
        return 0


def median(rows):
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}


def main():
    with tempfile.TemporaryDirectory(prefix="writebehind-bench-") as name:
        directory = Path(name)
        path = directory / "documents.ndjson"
        mean = write_documents(path)
        broker = Kafka(directory / "kafka").start()
        published, bare, consumed = [], [], []
        try:
            for number in range(RUNS):
                sandbox_dir = directory / f"sandbox-{number}"
                sandbox_dir.mkdir()
                topics = Topics(broker)
                sandbox = Sandbox(sandbox_dir, {"cosmos.ranges": 8}).start()
                try:
                    published.append(publish(topics, path))
                    bare.append(bare_consume(broker, topics))
                    consumed.append(consume(directory, topics, sandbox, number))
                finally:
                    sandbox.stop()
        finally:
            broker.stop()
    shape = {"documents": DOCUMENTS, "document_bytes": round(mean), "partitions": 8, "ranges": 8, "runs": RUNS}
    print(json.dumps({"bench": "publish", **shape, **median(published)}))
    print(json.dumps({"bench": "librdkafka-consume", **shape, **median(bare)}))
    figures, baseline = median(consumed), median(bare)
    print(json.dumps({"bench": "consumer", **shape, **figures, "baseline": "librdkafka-consume",
                      "ratio": round(figures["documents_per_s"] / baseline["records_per_s"], 3)}))


if __name__ == "__main__":
    main()
