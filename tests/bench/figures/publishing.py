"""Filling a topic, and librdkafka's bare consume rate on it: what stands on the other side of the consumer."""

from lib import RUNS
from lib.measuring import emit, median


def publishing(rig):
    documents, topics = rig.filled()
    rows = [rig.publish(documents, type(topics)(rig.broker)) for _ in range(RUNS)]
    figures, bare = median(rows), rig.bare_consume()
    emit("publish", figures | {"documents": documents.count, "document_bytes": documents.mean_bytes, "runs": RUNS},
         "librdkafka alone, records_per_s", figures["documents_per_s"] / bare["records_per_s"], "", True)
    emit("librdkafka-consume", bare | {"documents": documents.count, "runs": RUNS}, "", 1, "", True)
