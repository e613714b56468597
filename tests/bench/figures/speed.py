"""What a document costs, how many go through, and the memory that takes: at full speed, and at a service time."""

from lib.measuring import median
from lib.report import concurrency, report

MIB = 1024 * 1024
SLOW = {"cosmos.ranges": 4, "fault.latency.ms": 10}


def full_speed(rig):
    return rig.runs("full speed")


def cpu(rig):
    rows, bare = full_speed(rig), rig.bare_consume()
    figure = median(rows)["consumer_whole_cpu_s_per_million"]
    report(rig, "cpu", rows, "consumer_whole_cpu_s_per_million <= 6", figure <= 6, "librdkafka alone, cpu_s_per_million",
           figure / bare["cpu_s_per_million"])


def cpu_tls(rig):
    rows = rig.runs("TLS", tls=True)
    figure = median(rows)["consumer_whole_cpu_s_per_million"]
    plain = median(full_speed(rig))["consumer_whole_cpu_s_per_million"]
    report(rig, "cpu-tls", rows, "consumer_whole_cpu_s_per_million <= 8", figure <= 8, "plain HTTP", figure / plain)


def speed(rig):
    _beside_load(rig, "speed", full_speed(rig), None, 0.35)


def service_time(rig):
    _beside_load(rig, "service-time", rig.runs("10 ms service time", sandbox=SLOW, places=True), SLOW, 0.95)


def _beside_load(rig, bench, rows, sandbox, wanted):
    figures = median(rows)
    load = rig.load(concurrency(figures), sandbox)
    ratio = figures["documents_per_s"] / load["documents_per_s"]
    report(rig, bench, rows, f"ratio >= {wanted}", ratio >= wanted, "load generator with as many requests at once", ratio,
           sandbox)


def memory(rig):
    rows = full_speed(rig)
    peak = max(row["peak_rss_bytes"] for row in rows)
    report(rig, "memory", rows, "highest_peak_rss_bytes <= budget + 48 MiB", peak <= (128 + 48) * MIB,
           "budget of 128 MiB", peak / (128 * MIB), extra={"highest_peak_rss_bytes": peak})


def memory_small(rig):
    rows = rig.runs("32 MiB budget", consumer={"memory.budget.bytes": "32MiB"})
    peak = max(row["peak_rss_bytes"] for row in rows)
    ratio = median(rows)["documents_per_s"] / median(full_speed(rig))["documents_per_s"]
    report(rig, "memory-32MiB", rows, "highest_peak_rss_bytes <= budget + 48 MiB, ratio >= 1/3",
           peak <= (32 + 48) * MIB and ratio >= 1 / 3, "documents_per_s with the default budget", ratio,
           extra={"highest_peak_rss_bytes": peak})
