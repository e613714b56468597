"""How much of what is allowed is used when the container allows less than the consumer could write."""

import math
import statistics

from lib import DOCUMENTS, ITEMS, RUNS, say
from lib.report import report

RANGES = 8
SHARES = (95, 75, 20)
SETTLE_S = 2  # from the first write on: the first windows are for finding the pace
LATE_S = 0.01
LONGER = {"count": 2 * DOCUMENTS, "items": 2 * ITEMS}  # for some whole seconds at nearly full speed
SENT_TWICE = {75: 0.05}


def throttled(rig):
    rows = {share: [] for share in SHARES}
    for number in range(RUNS):
        free = rig.once(("unthrottled", number), lambda: rig.run())
        charge = free["request_units"] / free["operations_accepted"]
        for share in SHARES:
            limit = int(free["documents_per_s"] * charge * share / 100 / RANGES)
            say(f"{share}% of the request units, {limit} for each range, run {number + 1} of {RUNS}")
            rows[share].append(_run(rig, limit, charge, LONGER if share > 50 else {}))
    for share in SHARES:
        accepted = statistics.median(row["accepted_of_allowed"] for row in rows[share])
        twice = statistics.median(row["sent_twice"] for row in rows[share])
        target = "accepted_of_allowed >= 0.985"
        reached = accepted >= 0.985
        if share in SENT_TWICE:
            target += f", sent_twice < {SENT_TWICE[share]}"
            reached = reached and twice < SENT_TWICE[share]
        report(rig, f"throttled-{share}", rows[share], target, reached, "request units allowed", accepted)


def _run(rig, limit, charge, shape):
    with rig.case(shape=shape, sandbox={"cosmos.ranges": RANGES, "cosmos.range.ru": limit}) as one:
        figures = one.measure()
        used = _accepted_of_allowed(one.samples, limit, charge, one.documents.count)
        return figures | {"range_ru_per_s": limit, "accepted_of_allowed": used,
                          "sent_twice": figures["operations_sent"] / figures["operations_accepted"] - 1}


def _accepted_of_allowed(samples, limit, charge, count):
    """The emulator counts in whole seconds of the monotonic clock, so whole ones are compared: from SETTLE_S after the
    first write to the last second in which there was enough to do."""
    first = next(sample["at"] for sample in samples if sample["accepted"])
    ends = {}  # second: what was accepted by its beginning
    for sample in samples:
        second = math.floor(sample["asked"])
        # On a busy machine the answer may come late, and then holds what the second has brought already.
        if sample["at"] - second < LATE_S:
            ends.setdefault(second, sample["accepted"])
    wanted = [second for second, accepted in ends.items() if second >= first + SETTLE_S and accepted <= 0.95 * count]
    if len(wanted) < 2:
        raise SystemExit("the run was too short, or the machine too busy, to compare with what is allowed: more "
                         "BENCH_DOCUMENTS")
    begin, end = min(wanted), max(wanted)
    return (ends[end] - ends[begin]) * charge / (limit * RANGES * (end - begin))
