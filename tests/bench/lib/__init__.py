"""What the measurements share: documents, processes, the load generator, the rig, the check of what was written."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "system"))

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
DOCUMENTS = int(os.environ.get("BENCH_DOCUMENTS", "600000"))
ITEMS = DOCUMENTS // 3


def say(text):
    """Progress, for whoever waits: standard output is for figures."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
