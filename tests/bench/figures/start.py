"""How long it takes from the start of the process to the first write, in a group that has been there before."""

import time

from lib import RUNS, say
from lib.measuring import emit

DOCUMENTS = 1000
STARTS = max(5, RUNS)


def start(rig):
    took = []
    with rig.case(shape={"count": DOCUMENTS, "items": DOCUMENTS}) as one:
        consumer, = one.consumers
        one.begin()
        one.watch(one.finished)
        consumer.stop()
        for number in range(STARTS):
            say(f"start, {number + 1} of {STARTS}")
            before = one.emulator.upserts()["accepted"]
            one.publish()
            started = time.monotonic()
            consumer.start(wait=False)
            took.append(one.watch(lambda sample: sample["accepted"] > before, every_s=0.002)["at"] - started)
            one.watch(lambda sample: sample["accepted"] >= before + DOCUMENTS)
            consumer.stop()
        took.sort()
        median = took[len(took) // 2]
        emit("start", {"start_to_first_write_s": median, "slowest_s": took[-1], "runs": STARTS}
             | one.emulator.verify(one.documents), "1 s", median / 1.0, "start_to_first_write_s <= 1", median <= 1)
