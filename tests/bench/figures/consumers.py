"""One, two and four consumers at a long service time with one request in flight per range and consumer: what more
consumers bring."""

from harness.process import wait_until

from lib import DOCUMENTS, RUNS, say
from lib.measuring import median
from lib.report import report

RANGES, SERVICE_MS, PARTITIONS = 16, 100, 16
COUNTS = (1, 2, 4)
SANDBOX = {"cosmos.ranges": RANGES, "fault.latency.ms": SERVICE_MS}
CONSUMER = {"cosmos.range.concurrency": 1}


def consumers(rig):
    rows = {count: [] for count in COUNTS}
    for number in range(RUNS):
        for count in COUNTS:
            say(f"{count} consumers, run {number + 1} of {RUNS}")
            rows[count].append(measure(rig, count, DOCUMENTS // 5))
    one = median(rows[1])["documents_per_s"]
    for count in COUNTS:
        ratio = median(rows[count])["documents_per_s"] / (one * count)
        report(rig, f"consumers-{count}", rows[count], "ratio >= 0.95", ratio >= 0.95, f"{count} times one consumer",
               ratio, SANDBOX, extra={"consumers": count})


def measure(rig, count, share):
    """The figures of a run with `share` documents for each consumer: documents_per_s is from a second after
    the first write until most is written."""
    total = share * count
    with rig.case(shape={"count": total, "items": total, "partitions": PARTITIONS}, sandbox=SANDBOX, consumer=CONSUMER,
                  consumers=count, fill=False) as one:
        one.begin()
        wait_until(lambda: _shared_out(one), 60, "the partitions to be shared out")
        # All find enough to do from the beginning: the emulator does not answer until the topic is filled.
        one.sandbox.process.pause()
        one.publish()
        one.sandbox.process.resume()
        begin = one.watch(lambda sample: sample["accepted"] > 0)
        begin = one.watch(lambda sample: sample["at"] >= begin["at"] + 1)
        end = one.watch(lambda sample: sample["accepted"] >= 0.85 * total)
        one.watch(one.finished)
        figures = one.end()
    if end["at"] - begin["at"] < 1:
        raise SystemExit("the run was too short to be measured: more BENCH_DOCUMENTS")
    return figures | {"documents_per_s": (end["accepted"] - begin["accepted"]) / (end["at"] - begin["at"])}


def _shared_out(one):
    try:
        return all(consumer.metric("writebehind_assigned_partitions") == PARTITIONS / len(one.consumers)
                   for consumer in one.consumers)
    except OSError:
        return False
