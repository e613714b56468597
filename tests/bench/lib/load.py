"""The load generator: wrk sends prebuilt, signed bulk bodies (100 upserts of 1 KB) to an emulator of its own."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from harness.paths import BUILD
from harness.programs import Sandbox

from lib.documents import ISO
from lib.emulator import Emulator

SCRIPT = Path(__file__).resolve().parents[1] / "bench_emulator.lua"
BODIES = 256


def build_bodies(sandbox, ranges, path):
    info = sandbox.info
    with open(path, "w") as out:
        subprocess.run([BUILD / "bench" / "tool_bulk_bodies", info["key"], info["database"], info["container"],
                        str(ranges), str(BODIES), ISO], stdout=out, check=True)


def wrk(sandbox, bodies, connections, seconds):
    done = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s",
                           "--timeout", "10s", "-s", SCRIPT, sandbox.info["cosmos"]],
                          env=os.environ | {"BULK_BODIES": str(bodies)}, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    if result["failed"]:
        raise SystemExit(f"{result['failed']} of wrk's requests failed:\n{done.stdout}")
    return result


def generate(settings, connections, seconds=3):
    """Documents per second that the emulator takes from the load generator, and what that costs the emulator."""
    with tempfile.TemporaryDirectory(prefix="writebehind-bench-") as name:
        directory = Path(name)
        sandbox = Sandbox(directory, settings).start()
        try:
            emulator = Emulator(sandbox)
            empty = sandbox.process.rss_bytes()
            build_bodies(sandbox, settings.get("cosmos.ranges", 8), directory / "bodies.lua")
            wrk(sandbox, directory / "bodies.lua", connections, 1)
            before, cpu = emulator.upserts(), sandbox.process.cpu_s()
            result = wrk(sandbox, directory / "bodies.lua", connections, seconds)
            cpu, after = sandbox.process.cpu_s() - cpu, emulator.upserts()
            if after["refused"]:
                raise SystemExit(f"the emulator refused {after['refused']} operations of the load generator")
            taken = after["accepted"] - before["accepted"]
            return {"documents_per_s": taken / result["seconds"], "cpu_s_per_million": cpu * 1e6 / taken,
                    "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"],
                    "rss_bytes_per_document": (sandbox.process.rss_bytes() - empty) / emulator.container()["documents"]}
        finally:
            sandbox.stop()
