"""Several runs at the same time, each in a process of its own, so that none can spoil another."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

RUN_LIMIT_S = 180


@dataclass
class Result:
    seed: int
    ok: bool
    took_s: float
    output: str
    directory: Path


class _Child:
    def __init__(self, seed, bootstrap, directory, plain):
        self.seed, self.directory, self._began = seed, directory, time.monotonic()
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        argv = [sys.executable, "-m", "model.one", "--seed", str(seed), "--bootstrap", bootstrap,
                "--directory", str(directory)] + (["--plain"] if plain else [])
        self._log = directory / "run.log"
        with open(self._log, "wb") as log:
            # The run ends with us, however we end, and its programs with it.
            self._popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *argv], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, cwd=Path(__file__).resolve().parents[1],
                                           env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})

    def result(self):
        """None while it runs."""
        took_s = time.monotonic() - self._began
        code = self._popen.poll()
        if code is None:
            if took_s < RUN_LIMIT_S:
                return None
            self._popen.kill()
            self._popen.wait()
        output = self._log.read_text(encoding="utf-8", errors="replace")
        if code is None:
            output += f"\nthe run had not ended after {RUN_LIMIT_S} s"
        return Result(self.seed, code == 0, took_s, output, self.directory)


def run_seeds(seeds, bootstrap, keep, parallel, plain=False, tell=None):
    """Runs every seed; returns the results. keep: a folder for what failed runs leave; nothing stays of the others."""
    waiting, running, results = list(seeds), [], []
    while waiting or running:
        while waiting and len(running) < parallel:
            seed = waiting.pop(0)
            running.append(_Child(seed, bootstrap, Path(keep) / f"seed-{seed}", plain))
        for child in list(running):
            result = child.result()
            if result:
                running.remove(child)
                results.append(result)
                if result.ok:
                    shutil.rmtree(result.directory, ignore_errors=True)
                if tell:
                    tell(f"seed {result.seed} {'ok    ' if result.ok else 'FAILED'} {result.took_s:5.1f} s  "
                         f"{result.output.strip() if result.ok else result.output.rstrip()}")
        time.sleep(0.05)
    return results
