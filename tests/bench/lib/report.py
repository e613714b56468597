"""A line of the bench from the runs of a case."""

from lib.measuring import emit, median


def concurrency(figures):
    """How many requests at once the load generator is given beside these figures: as many as the consumer gave itself
    places on average, where that was asked, or connections."""
    return round(figures.get("places", figures["connections"]))


def report(rig, bench, rows, target, reached, baseline, ratio, sandbox=None, extra=None):
    """Prints medians of the runs, writes that were lost or overtaken in any of them, and beside the emulator's CPU its
    ceiling: what the load generator reaches with as many requests at once and the same settings."""
    figures = median(rows)
    ceiling = rig.load(concurrency(figures), sandbox)
    figures["emulator_ceiling_documents_per_s"] = ceiling["documents_per_s"]
    figures["emulator_ceiling_cpu_s_per_million"] = ceiling["cpu_s_per_million"]
    for name in ("lost", "older"):
        figures[name] = sum(row[name] for row in rows)
    emit(bench, (extra or {}) | figures | {"runs": len(rows)}, baseline, ratio, target, reached)
