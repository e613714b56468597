"""Kafka → consumer → emulator, measured: one JSON object a line for each figure, with its baseline and its target.

usage: pipeline.py [--list] [--only NAME[,NAME…]]

BENCH_RUNS runs of each (3; figures are medians), BENCH_DOCUMENTS writes of 1 KB (600000, three for each item). Everything
shares the first two cores that this process may use.
"""

import argparse
import os

from lib import say
from lib.rig import Rig
from figures.coalescing import coalescing
from figures.consumers import consumers
from figures.partitions import partitions
from figures.publishing import publishing
from figures.speed import cpu, cpu_tls, memory, memory_small, service_time, speed
from figures.start import start
from figures.throttled import throttled

FIGURES = {
    "publish": publishing,
    "cpu": cpu,
    "cpu-tls": cpu_tls,
    "speed": speed,
    "service-time": service_time,
    "memory": memory,
    "memory-32MiB": memory_small,
    "start": start,
    "throttled": throttled,
    "consumers": consumers,
    "partitions": partitions,
    "coalescing": coalescing,
}


def main():
    parser = argparse.ArgumentParser(description="Measures the consumer on a real Kafka and the emulator.")
    parser.add_argument("--list", action="store_true", help="print the figures' names")
    parser.add_argument("--only", default=",".join(FIGURES), help="measure these, with commas between them")
    options = parser.parse_args()
    if options.list:
        print("\n".join(FIGURES))
        return
    wanted = options.only.split(",")
    if set(wanted) - set(FIGURES):
        parser.error(f"there is no {', '.join(sorted(set(wanted) - set(FIGURES)))}: --list")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    failed = []
    rig = Rig()
    try:
        for name in wanted:
            say(name)
            try:
                FIGURES[name](rig)
            except (SystemExit, TimeoutError) as why:
                say(f"{name} failed: {why}")
                failed.append(name)
    finally:
        rig.close()
    if failed:
        raise SystemExit(f"bench: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
