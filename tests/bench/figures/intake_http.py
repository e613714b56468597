"""Documents over HTTP, beside what librdkafka alone does with as many in flight: its best of no linger and 1 ms."""

from lib.intake import LINGERS_MS, WARM_S, rounds
from lib.measuring import emit, median

HUNDRED_CPU, ONE_CPU = 6, 25  # seconds of the producer for a million documents
# Of librdkafka alone for a million records sent one by one, on the machine that ONE_CPU was set on: on one that is as
# many times slower, ONE_CPU is as many times more.
ONE_RAW_CPU = 5.7


def http_100(rig):
    _throughput(rig, "http-100", 100, 0.3, lambda _: HUNDRED_CPU)


def http_1(rig):
    _throughput(rig, "http-1", 1, 0.35, lambda raw: ONE_CPU * max(1, raw["cpu_s_per_million"] / ONE_RAW_CPU))


def http_100_one(rig):
    ours, raw, memory, bounded = _measure(rig, "http-100-one", 100, 1)
    best = min(raw, key=lambda figures: figures["p50_ms"])
    ratio = ours["p50_ms"] / best["p50_ms"]
    emit("http-100-one", ours | memory | _named(best), "librdkafka alone, p50 of a batch's acknowledgement", ratio,
         "ratio <= 3, peak_rss_bytes <= rss_allowed_bytes", ratio <= 3 and bounded)


def _throughput(rig, bench, each, wanted, cpu_allowed):
    ours, raw, memory, bounded = _measure(rig, bench, each, 64)
    best = max(raw, key=lambda figures: figures["records_per_s"])
    ratio = ours["documents_per_s"] / best["records_per_s"]
    cpu = cpu_allowed(best)
    emit(bench, ours | memory | _named(best), "librdkafka alone, records_per_s", ratio,
         f"ratio >= {wanted}, producer_cpu_s_per_million <= {cpu:.1f}, peak_rss_bytes <= rss_allowed_bytes",
         ratio >= wanted and ours["producer_cpu_s_per_million"] <= cpu and bounded)


def _measure(rig, bench, each, connections):
    """Medians of ours, medians of librdkafka alone for each linger, measured by turns; and the producer's memory."""
    rig.warm_up()
    topics = rig.topics()
    _, bytes_each = rig.bodies(each)
    ours, raw = [], {linger: [] for linger in LINGERS_MS}
    with rig.producer(topics) as producer:
        for _ in rounds(bench):
            for linger, rows in raw.items():
                rows.append(rig.raw(topics, each, connections, bytes_each, linger) | {"linger_ms": linger})
            rig.load(producer, each, connections, WARM_S)
            ours.append(rig.load(producer, each, connections))
        memory, bounded = rig.note_memory(bench, producer)
    figures = median(ours) | {"connections": connections, "document_bytes": bytes_each, "runs": len(ours)}
    return figures, [median(rows) for rows in raw.values()], memory, bounded


def _named(raw):
    return {f"librdkafka_{name}": value for name, value in raw.items()}
