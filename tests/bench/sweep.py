"""Throughput and CPU against one thing at a time: the data of docs/PERFORMANCE.md, as CSV.

usage: sweep.py OUT.csv [--only SWEEP[,SWEEP…]]

Each point is the median of BENCH_RUNS runs (3) with BENCH_BYTES of documents (150,000,000). With --only, the rows of
the other sweeps stay as they are in OUT.csv.
"""

import argparse
import csv
import os
from pathlib import Path

from lib import RUNS, say
from lib.measuring import median
from lib.rig import Rig
from figures.consumers import measure as measure_consumers

BYTES = int(os.environ.get("BENCH_BYTES", "150000000"))
KB = 1000
DOCUMENTS_MAX, DOCUMENTS_MIN = 300_000, 300
CONSUMER_SHARE = BYTES // (3 * KB)
FIGURES = ("documents_per_s", "megabytes_per_s", "consumer_cpu_s_per_million", "broker_cpu_s_per_million",
           "emulator_cpu_s_per_million", "peak_rss_bytes", "connections", "documents", "document_bytes", "lost", "older")


def shape_of(size):
    count = max(DOCUMENTS_MIN, min(DOCUMENTS_MAX, BYTES // size))
    return {"count": count, "items": count, "size": size}


def record_size(rig, size):
    return rig.run(shape=shape_of(size))


def ranges(rig, count):
    return rig.run(shape=shape_of(KB), sandbox={"cosmos.ranges": count, "fault.latency.ms": 10})


def service_time(rig, ms):
    return rig.run(shape=shape_of(KB), sandbox={"fault.latency.ms": ms})


def workers(rig, count):
    return rig.run(shape=shape_of(KB), consumer={"consumer.workers": count})


def consumers(rig, count):
    return measure_consumers(rig, count, CONSUMER_SHARE)


# What is varied, and how far: the first column of the data, and the second.
SWEEPS = {
    "record-size": (record_size, (100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)),
    "ranges": (ranges, (1, 2, 4, 8, 16, 32, 64)),
    "service-time": (service_time, (0, 1, 2, 5, 10, 20, 50)),
    "workers": (workers, (1, 2, 4, 8)),
    "consumers": (consumers, (1, 2, 4, 8)),
}


def measure(rig, sweep, x):
    rows = []
    for number in range(RUNS):
        say(f"{sweep} {x}, run {number + 1} of {RUNS}")
        rows.append(SWEEPS[sweep][0](rig, x))
    figures = median(rows)
    figures["megabytes_per_s"] = figures["documents_per_s"] * figures["document_bytes"] / 1e6
    for name in ("lost", "older"):
        figures[name] = sum(row[name] for row in rows)
    return {"sweep": sweep, "x": x} | {name: f"{figures[name]:.6g}" for name in FIGURES} | {"runs": RUNS}


def read(path):
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def main():
    parser = argparse.ArgumentParser(description="Measures the data of docs/PERFORMANCE.md.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default=",".join(SWEEPS), help="measure these, with commas between them")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if set(wanted) - set(SWEEPS):
        parser.error(f"the sweeps are {', '.join(SWEEPS)}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    kept = [row for row in read(options.out) if row["sweep"] in SWEEPS and row["sweep"] not in wanted]
    rig = Rig()
    try:
        rows = kept + [measure(rig, sweep, x) for sweep in wanted for x in SWEEPS[sweep][1]]
    finally:
        rig.close()
    rows.sort(key=lambda row: (list(SWEEPS).index(row["sweep"]), int(row["x"])))
    with open(options.out, "w", newline="") as file:
        out = csv.DictWriter(file, ("sweep", "x", *FIGURES, "runs"), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
    if any(int(row["lost"]) or int(row["older"]) for row in rows):
        raise SystemExit("a write was lost, or an older one stands")


if __name__ == "__main__":
    main()
