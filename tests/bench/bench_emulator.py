"""How many documents the emulator takes, so that it is known never to be what limits a measurement: at once, and with a
service time in 4 ranges. Prints a JSON line for each: medians of BENCH_RUNS runs of BENCH_SECONDS, with the emulator's
CPU and resident memory per document."""

import os

from lib import RUNS
from lib.load import generate
from lib.measuring import emit, median

SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
# The bench, the connections, the settings, and the documents per second that no consumer here will ask for.
CASES = (
    ("emulator-ceiling", 8, {"cosmos.ranges": 8}, 300_000),
    ("emulator-ceiling-10ms", 64, {"cosmos.ranges": 4, "fault.latency.ms": 10}, 200_000),
)


def main():
    for bench, connections, settings, wanted in CASES:
        figures = median([generate(settings, connections, SECONDS) for _ in range(RUNS)])
        rate = figures["documents_per_s"]
        emit(bench, figures | {"connections": connections, "runs": RUNS}, f"{wanted} documents/s", rate / wanted,
             "ratio >= 1", rate >= wanted)


if __name__ == "__main__":
    main()
