"""Kafka → consumer → emulator, measured: one JSON object a line for each figure, with its baseline and its target.

usage: pipeline.py [--list] [--only NAME[,NAME…]]

BENCH_RUNS runs of each (3; figures are medians), BENCH_DOCUMENTS writes of 1 KB (600000, three for each item). Everything
shares the first two cores that this process may use.
"""

from lib.command import measure
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


if __name__ == "__main__":
    measure("Measures the consumer on a real Kafka and the emulator.", FIGURES, Rig)
