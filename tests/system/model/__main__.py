"""Runs the model test with any number of seeds; a line a run, and a summary.

    cd tests/system && WB_BUILD=build python -m model --runs 200          (make soak RUNS=200)
    ... --seed 17 [--runs 1]                                              the runs from that seed on
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
    os.environ.pop(variable, None)

from harness.kafka import Kafka  # noqa: E402
from harness.paths import BUILD  # noqa: E402

from model.pool import run_seeds  # noqa: E402


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def main():
    parser = argparse.ArgumentParser(prog="model", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, help="the first seed (default: at random)")
    parser.add_argument("--parallel", type=int, default=3, help="runs at the same time")
    parser.add_argument("--plain", action="store_true", help="upserts and deletes only")
    parser.add_argument("--keep", metavar="DIRECTORY", default=BUILD / "soak", help="where failed runs are kept")
    args = parser.parse_args()
    first = args.seed if args.seed is not None else random.SystemRandom().randrange(1_000_000)
    keep = Path(args.keep).resolve()
    keep.mkdir(parents=True, exist_ok=True)
    broker_directory = tempfile.mkdtemp(prefix="writebehind-soak-")
    broker = Kafka(broker_directory)
    try:
        broker.start()
        print(f"soak: {args.runs} runs from seed {first}, {args.parallel} at a time", flush=True)
        results = run_seeds(range(first, first + args.runs), broker.bootstrap, keep, args.parallel, plain=args.plain,
                            tell=lambda line: print(line, flush=True))
    finally:
        broker.stop()
        shutil.rmtree(broker_directory, ignore_errors=True)
    failed = [r for r in results if not r.ok]
    times = [r.took_s for r in results]
    print(f"soak: {len(results) - len(failed)} passed, {len(failed)} failed; a run took {percentile(times, 0.5):.1f} s "
          f"(median), {max(times):.1f} s (longest)", flush=True)
    for result in failed:
        print(f"soak: seed {result.seed} failed: make soak SEED={result.seed} RUNS=1; see {result.directory}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
