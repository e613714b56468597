"""A new instance reads a million finished jobs: how quickly, and what a job takes."""

import json
import subprocess
import time

from harness.paths import BUILD

from lib import say
from lib.intake import rounds
from lib.measuring import emit, median

JOBS = 1_000_000
RECORDS_PER_S, BYTES_A_JOB = 200_000, 128
TIMEOUT_S = 150
# The line of the bench; how many jobs' outcomes a record has; whether jobs have keys and callbacks.
CASES = (("view", 1, False), ("view-keyed", 100, True))


def view(rig):
    empty_bytes = _empty(rig)
    for bench, per_record, keyed in CASES:
        topics = rig.topics()
        say(f"writing {JOBS} finished jobs")
        written = _fill(rig, topics, per_record, keyed)
        rows, raw = [], []
        for _ in rounds(bench):
            raw.append(_read(rig, topics, written["records"]))
            rows.append(_catch_up(rig, topics, written, bench) | {"empty_rss_bytes": empty_bytes})
        figures = median(rows)
        figures["bytes_a_job"] = (figures["rss_bytes"] - empty_bytes) / JOBS
        rate = figures["records_per_s"]
        # The pace is of jobs, each with one accepted record and one outcome, however many share a record.
        reached = figures["jobs_per_s"] >= RECORDS_PER_S / 2 and figures["bytes_a_job"] <= BYTES_A_JOB
        target = f"jobs_per_s >= {RECORDS_PER_S // 2}, bytes_a_job <= {BYTES_A_JOB}"
        if per_record == 1:
            reached = reached and rate >= RECORDS_PER_S
            target = f"records_per_s >= {RECORDS_PER_S}, bytes_a_job <= {BYTES_A_JOB}"
        alone = median(raw)
        emit(bench, figures | {"jobs": JOBS, "records": written["records"], "runs": len(rows),
                               "librdkafka_records_per_s": alone["records_per_s"]},
             "librdkafka alone, records_per_s", rate / alone["records_per_s"], target, reached)


def _empty(rig):
    with rig.producer(rig.topics()) as producer:
        return producer.rss_bytes()


def _fill(rig, topics, per_record, keyed):
    done = subprocess.run([BUILD / "bench" / "tool_results", rig.broker.bootstrap, topics.results, str(JOBS),
                           str(per_record), *(["keyed"] if keyed else [])],
                          capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def _read(rig, topics, records):
    done = subprocess.run([BUILD / "bench" / "tool_consume", rig.broker.bootstrap, topics.results, str(records)],
                          capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def _catch_up(rig, topics, written, bench):
    started = time.monotonic()
    with rig.producer(topics, timeout_s=TIMEOUT_S) as producer:
        took = time.monotonic() - started
        rss = producer.rss_bytes()
        last = producer.get(f"/v1/jobs/{written['last_job']}")
        finished = producer.metric("writebehind_view_jobs", state="finished")
        if last.status_code != 200 or last.json()["status"] != "Succeeded" or finished != JOBS:
            raise SystemExit(f"it says that it is ready, with {finished} finished jobs, the last: {last.text}")
        cpu = producer.cpu_s()
        rig.note_memory(bench, producer)
    return {"records_per_s": written["records"] / took, "jobs_per_s": JOBS / took, "start_to_ready_s": took,
            "rss_bytes": rss, "cpu_s_per_million": cpu * 1e6 / written["records"]}
