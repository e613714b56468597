"""Load generator → producer → Kafka, measured: one JSON object a line for each figure, with its baseline and its target.

usage: producer.py [--list] [--only NAME[,NAME…]]

BENCH_RUNS runs of each (3; figures are medians, what librdkafka alone does is measured between them). Load generator,
producer and broker share the first two cores that this process may use; every job has its accepted record, and the job
view reads on. BENCH_PRODUCER="KEY=VALUE KEY=VALUE" are settings of the producer.
"""

from lib.command import measure
from lib.intake import Intake
from figures.audit import audit
from figures.outage import outage
from figures.intake_http import http_1, http_100, http_100_one
from figures.rss import rss
from figures.streams import ndjson, publish
from figures.view import view

FIGURES = {
    "http-100": http_100,
    "http-100-one": http_100_one,
    "http-1": http_1,
    "ndjson-2GB": ndjson,
    "publish-2GB": publish,
    "outage": outage,
    "view": view,
    "audit": audit,
    "rss": rss,  # the last one: it is about the others
}


if __name__ == "__main__":
    measure("Measures the producer on a real Kafka.", FIGURES, Intake)
