"""What a document costs when one consumer has a thousand partitions, beside what librdkafka alone pays for them."""

from lib import DOCUMENTS
from lib.measuring import median
from lib.report import report

MANY = 1000


def partitions(rig):
    # An item is written once here: in a partition that is read whole, newer writes would take the place of older ones.
    shapes = {count: {"items": DOCUMENTS, "partitions": count} for count in (8, MANY)}
    few, many = (rig.runs(f"{count} partitions", shape=shape) for count, shape in shapes.items())
    bare = {count: rig.bare_consume(**shape)["cpu_s_per_million"] for count, shape in shapes.items()}
    ours = {8: median(few)["consumer_cpu_s_per_million"], MANY: median(many)["consumer_cpu_s_per_million"]}
    more = bare[MANY] - bare[8]
    allowed = ours[8] + 1.25 * more
    report(rig, f"partitions-{MANY}", many, "consumer_cpu_s_per_million <= that at 8 + 1.25 x what librdkafka pays more",
           ours[MANY] <= allowed, "what librdkafka alone pays more", (ours[MANY] - ours[8]) / more if more else 0,
           extra={"partitions": MANY, "cpu_s_per_million_at_8": ours[8], "librdkafka_at_8": bare[8],
                  f"librdkafka_at_{MANY}": bare[MANY], "allowed": allowed})
