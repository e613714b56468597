"""Kafka goes away twice under an open loop of requests: frozen for 20 s, then restarted."""

import json
import time
from tempfile import mkdtemp
from pathlib import Path

import requests
from conftest import Topics
from harness.process import wait_until
from harness.programs import Program, Sandbox

from lib import say
from lib.documents import document, iso_entries
from lib.measuring import emit
from lib.open_loop import OpenLoop

EACH, BYTES_PER_S = 100, 2_000_000
FROZEN_S, CALM_S = 20, 4
PUBLISH_TIMEOUT_S, LITTLE_S = 20, 2
SLOW_S = 0.5  # for an answer of a normal time
NORMAL_WITHIN_S = 2
END_S = 60


def outage(rig):
    rig.warm_up()
    topics = Topics(rig.broker)
    directory = Path(mkdtemp(prefix="outage-", dir=rig.directory))
    sandbox = Sandbox(directory).start()
    consumer = Program("consumer", directory, topics.env | sandbox.target.env)
    try:
        consumer.start()
        with rig.producer(topics, {"publish.timeout.ms": f"{PUBLISH_TIMEOUT_S}s"}) as producer:
            _measure(rig, producer, sandbox)
        consumer.stop()
    finally:
        consumer.end()
        sandbox.process.end()


def _measure(rig, producer, sandbox):
    entries = iso_entries()

    def make_body(number):
        texts = [document(number * EACH + n, n, 1000, entries) for n in range(EACH)]
        return f"[{','.join(texts)}]".encode()
    size = len(make_body(1))
    loop = OpenLoop(producer.url, make_body, BYTES_PER_S / size, PUBLISH_TIMEOUT_S + LITTLE_S).start()
    time.sleep(CALM_S)
    say(f"Kafka is frozen for {FROZEN_S} s")
    rig.broker.pause()
    time.sleep(FROZEN_S)
    rig.broker.resume()
    thawed = time.monotonic()
    time.sleep(CALM_S + NORMAL_WITHIN_S)
    say("Kafka is restarted")
    stopping = time.monotonic()
    rig.broker.stop()
    rig.broker.restart()
    back = time.monotonic()
    time.sleep(CALM_S + NORMAL_WITHIN_S)
    loop.stop()
    all_accepted = loop.join(END_S)
    ended = _all_end(producer, loop)
    _report(rig, producer, sandbox, loop, {
        "request_bytes": size, "all_accepted": all_accepted, "jobs_complete": ended,
        "normal_after_frozen_s": _normal_after(loop, thawed, stopping),
        "normal_after_restart_s": _normal_after(loop, back, float("inf")), "restart_s": back - stopping})


def _all_end(producer, loop):
    """How many of the jobs have ended as they should, once no more do."""
    waiting = {json.loads(request.answer)["jobId"] for request in loop.requests if request.answer}
    complete = 0

    def look():
        nonlocal complete
        for job in list(waiting):
            told = producer.get(f"/v1/jobs/{job}").json()
            if told.get("status") != "Succeeded":
                return False
            complete += told["accepted"] == EACH and told["written"] + told["superseded"] == EACH
            waiting.discard(job)
        return True
    try:
        wait_until(look, END_S, "every job to end", every_s=0.2)
    except TimeoutError as why:
        say(str(why))
    return complete


def _normal_after(loop, begin, end):
    """Seconds from `begin`, when Kafka was back, to the last answer that was no normal one: a refusal, or one that took
    long. A request that had waited since before is one."""
    late = [attempt.answered for attempt in loop.attempts()
            if begin <= attempt.answered and attempt.started < end and (
                attempt.status not in (200, 202) or attempt.took > SLOW_S)]
    return max((at - begin for at in late if at < end), default=0.0)


def _ledger(producer, total):
    def look():
        ledger = producer.get("/v1/ledger").json()
        return ledger if ledger["pending"] == 0 and ledger["accepted"] >= total else None
    try:
        return wait_until(look, 20, "the ledger to be even", every_s=0.5)
    except TimeoutError:
        return producer.get("/v1/ledger").json()


def _report(rig, producer, sandbox, loop, figures):
    attempts, count = loop.attempts(), len(loop.requests)
    total = count * EACH
    ledger = _ledger(producer, total)
    stored = requests.get(f"{sandbox.info['cosmos']}/_sandbox/stats", timeout=10).json()["containers"][0]["documents"]
    memory, bounded = rig.note_memory("outage", producer)
    in_time = [attempt for attempt in attempts if attempt.status and attempt.took <= PUBLISH_TIMEOUT_S + LITTLE_S]
    counted_once = (ledger["accepted"] == total and ledger["written"] + ledger["superseded"] == total and
                    ledger["unaccepted"] == ledger["dead"] == ledger["pending"] == 0 and stored == total)
    worst = max(figures["normal_after_frozen_s"], figures["normal_after_restart_s"])
    emit("outage", figures | memory | {
        "requests": count, "attempts": len(attempts), "not_answered_in_time": len(attempts) - len(in_time),
        "refused": sum(attempt.status not in (0, 200, 202) for attempt in attempts),
        "slowest_s": max(attempt.took for attempt in attempts), "writes": total, "ledger": ledger,
        "documents_stored": stored, "each_counted_once": counted_once},
         f"{NORMAL_WITHIN_S} s", worst / NORMAL_WITHIN_S,
         f"not_answered_in_time = 0, jobs_complete = requests, each_counted_once, normal_after_… <= {NORMAL_WITHIN_S} s, "
         "peak_rss_bytes <= rss_allowed_bytes",
         len(in_time) == len(attempts) and figures["all_accepted"] and figures["jobs_complete"] == count and
         counted_once and worst <= NORMAL_WITHIN_S and bounded)
