"""2 GB of documents in one request, and from a file, beside librdkafka alone at its full throughput."""

import json
import time

from harness.paths import binary
from harness.process import Process
from harness.programs import arguments, environment

from lib.documents import LargeFile
from lib.intake import BUDGET, children_cpu_s, rounds
from lib.measuring import emit, growth, median, sampled_memory
from lib.stream import post_file

BYTES = 2_000_000_000
# Batch, batches in flight, linger: which of them is the quickest differs from machine to machine.
FULL_THROUGHPUT = ((100, 64, 0), (100, 64, 1), (1000, 64, 5))
FLAT = 4 << 20
WANTED = 0.7
TARGET = f"ratio >= {WANTED}, rss_growth_bytes <= 4 MiB, peak_rss_bytes <= rss_allowed_bytes"


def ndjson(rig):
    file, topics, rows, raw = _file(rig), rig.topics(), [], []
    rig.warm_up()
    with rig.producer(topics) as producer:
        for _ in rounds("ndjson-2GB"):
            raw.append(_raw(rig, topics, file))
            rows.append(_post(producer, file))
        memory, bounded = rig.note_memory("ndjson-2GB", producer)
    _report("ndjson-2GB", file, rows, raw, memory, bounded)


def _post(producer, file):
    cpu, started = producer.cpu_s(), time.monotonic()
    with sampled_memory(producer) as samples:
        status, body = post_file(f"{producer.url}/v1/jobs", file.path, "application/x-ndjson")
    took, cpu = time.monotonic() - started, producer.cpu_s() - cpu
    if status != 202:
        raise SystemExit(f"a request of {file.bytes} bytes was answered with {status}: {body}")
    accepted = json.loads(body)["accepted"]
    if accepted != file.count:
        raise SystemExit(f"{accepted} of {file.count} documents were accepted")
    return _figures(file, took, cpu, samples)


def publish(rig):
    file, topics, rows, raw, peaks = _file(rig), rig.topics(), [], [], []
    rig.warm_up()
    for number in rounds("publish-2GB"):
        raw.append(_raw(rig, topics, file))
        rows.append(_publish(rig, topics, file, number))
    peak = max(row["peak_rss_bytes"] for row in rows)
    memory = {"peak_rss_bytes": peak, "rss_allowed_bytes": BUDGET + (48 << 20)}
    rig.memory["publish-2GB"] = memory
    _report("publish-2GB", file, rows, raw, memory, peak <= memory["rss_allowed_bytes"])


def _publish(rig, topics, file, number):
    argv = [binary("publish"), *arguments({"memory.budget.bytes": BUDGET}, ["--quiet", file.path])]
    process = Process(argv, rig.directory / f"publish-{number}.log", environment(topics.env))
    cpu, started = children_cpu_s(), time.monotonic()
    process.start()
    with sampled_memory(process) as samples:
        code = process.wait(120)
    took, cpu = time.monotonic() - started, children_cpu_s() - cpu
    if code:
        raise SystemExit(f"writebehind-publish: exit {code}\n{process.log_tail()}")
    return _figures(file, took, cpu, samples) | {"peak_rss_bytes": max(size for _, size in samples)}


def _figures(file, took, cpu, samples):
    return {"documents_per_s": file.count / took, "megabytes_per_s": file.bytes / took / 1e6,
            "cpu_s_per_million": cpu * 1e6 / file.count, "rss_growth_bytes": growth(samples)}


def _report(bench, file, rows, raw, memory, bounded):
    figures, alone = median(rows), median(raw)
    ratio = figures["documents_per_s"] / alone["records_per_s"]
    most = max(row["rss_growth_bytes"] for row in rows)
    emit(bench, figures | memory | {"rss_growth_bytes": most, "librdkafka_records_per_s": alone["records_per_s"],
                                    "document_bytes": file.mean_bytes, "bytes": file.bytes, "runs": len(rows)},
         "librdkafka alone, records_per_s", ratio, TARGET, ratio >= WANTED and most <= FLAT and bounded)


def _file(rig):
    return rig.once("2 GB", lambda: LargeFile(rig.directory / "large.ndjson", BYTES))


def _raw(rig, topics, file):
    rates = [rig.raw(topics, batch, windows, file.mean_bytes, linger) for batch, windows, linger in FULL_THROUGHPUT]
    return max(rates, key=lambda figures: figures["records_per_s"])
