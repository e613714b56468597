"""Figures of processes, medians, and the lines that are printed."""

import json
import statistics
from pathlib import Path


def connections_to(port):
    """Established connections to a port of this machine, seen from the side that opened them."""
    wanted, count = f":{port:04X}", 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        count += fields[2].endswith(wanted) and fields[3] == "01"
    return count


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
