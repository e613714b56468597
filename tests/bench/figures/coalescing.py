"""Items that are written again and again: a newer write takes the place of one that waits, which saves request units."""

from lib import DOCUMENTS, ITEMS
from lib.measuring import median
from lib.report import report

HOT = max(1, ITEMS // 200)
SANDBOX = {"cosmos.ranges": 8, "fault.latency.ms": 10}


def coalescing(rig):
    rows = rig.runs("hot items", shape={"items": HOT}, sandbox=SANDBOX)
    figures = median(rows)
    each = figures["request_units"] / figures["operations_accepted"] * DOCUMENTS
    ratio = figures["request_units"] / each
    report(rig, "coalescing", rows, "ratio < 1", ratio < 1, "request units with an operation for each write", ratio,
           SANDBOX, extra={"items": HOT, "writes": DOCUMENTS, "request_units_saved": each - figures["request_units"]})
