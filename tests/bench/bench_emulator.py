"""How many documents the emulator takes, so that it is known never to be what limits a measurement.

wrk sends prebuilt bulk bodies (100 upserts of 1 KB) on the machine that the emulator runs on. Prints one JSON line: the
median of RUNS runs by documents per second, with the emulator's CPU and resident memory per document.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))

from harness.paths import BUILD  # noqa: E402
from harness.programs import Sandbox  # noqa: E402

HERE = Path(__file__).resolve().parent
ENTRIES = "/usr/share/iso-codes/json/iso_3166-2.json"
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "8"))
THREADS = int(os.environ.get("BENCH_THREADS", "1"))
RANGES = 8
BODIES = 256


def operations(sandbox):
    """{status: count} of the upserts so far."""
    container, = sandbox.get("/_sandbox/stats").json()["containers"]
    return container["operations"].get("upsert", {}), container["documents"]


def wrk(sandbox, seconds):
    info = sandbox.info
    done = subprocess.run(["wrk", "-t", str(THREADS), "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--timeout", "10s",
                           "-s", HERE / "bench_emulator.lua", info["cosmos"]],
                          env=os.environ | {"BULK_BODIES": str(sandbox.bodies)}, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    if result["failed"]:
        raise SystemExit(f"{result['failed']} requests failed:\n{done.stdout}")
    return result


def measure(directory):
    sandbox = Sandbox(directory, {"cosmos.ranges": RANGES}).start()
    try:
        info = sandbox.info
        empty = sandbox.process.rss_bytes()
        sandbox.bodies = directory / "bodies.lua"
        with open(sandbox.bodies, "w") as out:
            subprocess.run([BUILD / "bench" / "tool_bulk_bodies", info["key"], info["database"], info["container"],
                            str(RANGES), str(BODIES), ENTRIES], stdout=out, check=True)
        wrk(sandbox, 1)
        before, cpu = operations(sandbox)[0], sandbox.process.cpu_s()
        result = wrk(sandbox, SECONDS)
        cpu = sandbox.process.cpu_s() - cpu
        after, documents = operations(sandbox)
        if set(after) - {"200", "201"}:
            raise SystemExit(f"not every document was taken: {after}")
        taken = sum(after.values()) - sum(before.values())
        return {"documents_per_s": taken / result["seconds"], "cpu_s_per_million": cpu * 1e6 / taken,
                "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"],
                "rss_bytes_per_document": (sandbox.process.rss_bytes() - empty) / documents}
    finally:
        sandbox.stop()


def main():
    runs = []
    for number in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="writebehind-bench-") as directory:
            runs.append(measure(Path(directory)))
    line = {"bench": "emulator-ceiling"}
    for name in runs[0]:
        line[name] = round(statistics.median(run[name] for run in runs), 3)
    print(json.dumps(line | {"connections": CONNECTIONS, "wrk_threads": THREADS, "runs": RUNS}), flush=True)


if __name__ == "__main__":
    main()
