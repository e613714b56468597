"""Figures of processes, medians, and the lines that are printed."""

import json
import statistics
import threading
import time
from contextlib import contextmanager
from pathlib import Path

SAMPLE_S = 0.05


def connections_to(port):
    """Established connections to a port of this machine, seen from the side that opened them."""
    wanted, count = f":{port:04X}", 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        count += fields[2].endswith(wanted) and fields[3] == "01"
    return count


@contextmanager
def sampled_memory(process):
    """Within the block, samples a process's resident memory into the list that it gives: (time, bytes)."""
    samples, ended = [], threading.Event()

    def sample():
        while not ended.wait(SAMPLE_S):
            try:
                samples.append((time.monotonic(), process.rss_bytes()))
            except (OSError, RuntimeError):
                return  # it has ended
    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield samples
    finally:
        ended.set()
        sampler.join()


def growth(samples):
    """How many bytes the mean of the last quarter's samples is above that of the second quarter's: 0 for memory that is
    flat once it is in use."""
    quarter = len(samples) // 4
    if not quarter:
        raise SystemExit("the run was too short to see what becomes of memory")
    mean = [statistics.mean(size for _, size in samples[at:at + quarter]) for at in (quarter, 3 * quarter)]
    return mean[1] - mean[0]


def median(rows):
    """The median of each figure of several runs."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def _rounded(value):
    if isinstance(value, float):
        return round(value) if abs(value) >= 1000 else round(value, 4 if abs(value) < 10 else 2)
    return value


def emit(bench, figures, baseline, ratio, target, reached):
    """One line of the bench. target says in words what has to hold, reached whether it does; a run in which a write
    was lost or an older one stands reached nothing."""
    sound = not figures.get("lost") and not figures.get("older")
    line = {"bench": bench} | figures | {"baseline": baseline, "ratio": ratio, "target": target,
                                         "reached": bool(reached) and sound}
    print(json.dumps({key: _rounded(value) for key, value in line.items()}, ensure_ascii=False), flush=True)
