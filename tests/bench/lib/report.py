"""A line of the bench from the runs of a case."""

from lib.measuring import emit, median


def report(rig, bench, rows, target, reached, baseline, ratio, sandbox=None, extra=None):
    """Prints medians of the runs, writes that were lost or overtaken in any of them, and beside the emulator's CPU its
    ceiling: what the load generator reaches with as many connections and the same settings."""
    figures = median(rows)
    ceiling = rig.load(int(figures["connections"]), sandbox)
    figures["emulator_ceiling_documents_per_s"] = ceiling["documents_per_s"]
    figures["emulator_ceiling_cpu_s_per_million"] = ceiling["cpu_s_per_million"]
    for name in ("lost", "older"):
        figures[name] = sum(row[name] for row in rows)
    emit(bench, (extra or {}) | figures | {"runs": len(rows)}, baseline, ratio, target, reached)
