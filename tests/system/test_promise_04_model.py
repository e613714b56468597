"""Promise 4, and with it 3, 5, 6, 7 and 10: the model test. Random writes over few items, random faults; in the end every
item equals the last write of its log, and every write has the outcome that a naive model allows.

A failure names its seed and the folder with everything that was seen; `make soak SEED=N RUNS=1` runs it again."""

import os
import random

import pytest

from model.pool import run_seeds

RUNS = 20


@pytest.mark.timeout(600)
def test_promise_4_the_model_holds_for_20_seeds(kafka, tmp_path):
    first = int(os.environ.get("WB_MODEL_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"seeds {first} to {first + RUNS - 1}")
    results = run_seeds(range(first, first + RUNS), kafka.bootstrap, tmp_path, parallel=3, tell=print)
    failed = [r for r in results if not r.ok]
    assert not failed, "\n".join(f"seed {r.seed}, see {r.directory}; again: make soak SEED={r.seed} RUNS=1\n{r.output}"
                                 for r in failed)
