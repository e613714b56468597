"""The audit of a million dead letters: how quickly beside librdkafka alone, and in what memory."""

import json
import os
import subprocess
import time

from conftest import Topics
from harness.paths import BUILD
from harness.programs import binary, environment

from lib import say
from lib.intake import rounds
from lib.measuring import emit, median

LETTERS, MORE_LETTERS, WRITES_PER_JOB, DOCUMENT_BYTES = 1_000_000, 3_000_000, 100, 300
RATIO, RSS_BYTES = 0.4, 256 << 20


def audit(rig):
    figures = _measure(rig, LETTERS)
    more = _measure(rig, MORE_LETTERS)
    ratio = figures["records_per_s"] / figures["librdkafka_records_per_s"]
    emit("audit", figures | {"more_letters": MORE_LETTERS, "more_rss_bytes": more["rss_bytes"],
                             "more_records_per_s": more["records_per_s"],
                             "more_librdkafka_records_per_s": more["librdkafka_records_per_s"]},
         "librdkafka alone, the three topics one after the other, records_per_s", ratio,
         f"ratio >= {RATIO}, rss_bytes and more_rss_bytes <= {RSS_BYTES}",
         ratio >= RATIO and max(figures["rss_bytes"], more["rss_bytes"]) <= RSS_BYTES)


def _measure(rig, letters):
    topics = Topics(rig.broker)  # that keep everything
    say(f"writing {letters} writes, their letters and their outcomes")
    filled = _fill(rig, topics, letters)
    rows = []
    for _ in rounds(f"audit-{letters}"):
        took = sum(count / _consume(rig, topic, count) for topic, count in (
            (topics.results, filled["results"]), (topics.dead_letters, filled["letters"]), (topics.writes, filled["writes"])))
        rows.append(_audit(topics, letters, sum(filled.values())) | {"librdkafka_records_per_s": sum(filled.values()) / took})
    return median(rows) | {"letters": letters, "records": sum(filled.values()), "runs": len(rows)}


def _fill(rig, topics, letters):
    done = subprocess.run([BUILD / "bench" / "tool_ledger", rig.broker.bootstrap, topics.writes, topics.results,
                           topics.dead_letters, str(letters), str(WRITES_PER_JOB), str(DOCUMENT_BYTES)],
                          capture_output=True, text=True, timeout=600, check=True)
    return json.loads(done.stdout)


def _consume(rig, topic, count):
    done = subprocess.run([BUILD / "bench" / "tool_consume", rig.broker.bootstrap, topic, str(count)],
                          capture_output=True, text=True, timeout=180, check=True)
    return json.loads(done.stdout)["records_per_s"]


def _audit(topics, letters, records):
    started = time.monotonic()
    process = subprocess.Popen([binary("deadletter"), "audit", "--json"], env=environment(topics.env),
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    took = time.monotonic() - started
    if process.returncode or found["dead"] != letters or found["accepted"] != letters or found["records"] != records:
        raise SystemExit(f"the audit ended with {process.returncode}: {found}")
    return {"records_per_s": records / took, "seconds": took, "rss_bytes": usage.ru_maxrss * 1024,
            "cpu_s_per_million": (usage.ru_utime + usage.ru_stime) * 1e6 / records}
