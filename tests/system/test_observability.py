"""What people see of a running system: metrics that are as documented, the consumer's state, traces in the log."""

import json
import re
import subprocess
import sys
import threading

import pytest
import requests

from harness.paths import ROOT, promtool
from harness.process import wait_until

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

# Counted by a label that only trouble has, so they are not there before it.
AFTER_TROUBLE = {"writebehind_auth_refused_total", "writebehind_http_connections_shut_total", "writebehind_callbacks_total"}
CALLBACKS = {"CALLBACK_HOSTS": "reports.example", "CALLBACK_SECRET": "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"}


def state(consumer):
    answer = consumer.get("/v1/state")
    assert answer.status_code == 200, answer.text
    return answer.json()


def publish(topics, documents):
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in documents])


def written(consumer):
    return consumer.metric("writebehind_outcomes_total", outcome="written")


def page():
    """What docs/METRICS.md says: {name: (program, type, {label, …})}, program "-" for every service."""
    done = subprocess.run([sys.executable, ROOT / "tests/lint/metrics.py", "--table"], capture_output=True, text=True,
                          check=True)
    rows = (line.split() for line in done.stdout.splitlines())
    return {name: (program, kind, set() if labels == "-" else set(labels.split(",")))
            for name, program, kind, labels in rows}


def families(text):
    """{name: (type, {frozenset of labels, …})} of a scrape."""
    types, seen = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)), {}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? \S+$", text, re.M):
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        family = family if types.get(family) == "histogram" else name
        keys = frozenset(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', labels)) - {"le"}
        seen.setdefault(family, (types[family], set()))[1].add(keys)
    return seen


def assert_as_documented(program, text):
    """Every series has the type and exactly the labels that the page says. Returns the names."""
    documented, found = page(), families(text)
    for name, (kind, label_sets) in found.items():
        assert name in documented, f"docs/METRICS.md does not name {name}"
        where, documented_kind, labels = documented[name]
        assert where in ("-", f"writebehind-{program}"), f"{name} is not said to be {program}'s"
        assert kind == documented_kind, name
        assert label_sets == {frozenset(labels)}, f"{name}: {label_sets}, documented {labels}"
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    missing = {name for name, (where, _, _) in documented.items() if where in ("-", f"writebehind-{program}")}
    return missing - found.keys()


def test_the_metrics_of_running_programs_are_the_documented_ones(topics, make_sandbox, start):
    sandbox = make_sandbox({"cosmos.ranges": 4, "cosmos.range.ru": 800})
    sandbox.post("/_sandbox/faults", json=[
        {"match": {"id_prefix": "odd"}, "count": 5, "scope": "operation", "status": 449},
        {"match": {"id": "9"}, "count": 1, "scope": "request", "status": 503}]).raise_for_status()
    producer = start("producer", topics.env | CALLBACKS)
    consumer = start("consumer", [topics.env, sandbox.target.env], {"cosmos.ru.budget": 1000000})
    documents = [{"id": f"{'odd' if i % 50 == 0 else ''}{i}", "pk": f"p{i}", "x": "x" * 500} for i in range(2000)]
    answer = producer.post("/v1/jobs", json={"documents": documents})
    assert answer.status_code == 202, answer.text
    topics.broker.publish(topics.writes, [("bad", b"no json")])
    wait_until(lambda: written(consumer) == len(documents), 60, "the writes")
    wait_until(lambda: consumer.metric("writebehind_dead_total") == 1, 30, "the dead letter")
    wait_until(lambda: consumer.metric("writebehind_cosmos_range_concurrency_limit") > 0, 10, "the ranges' gauges")
    assert producer.get(answer.headers["Location"]).status_code == 200
    for name, program in (("producer", producer), ("consumer", consumer)):
        missing = assert_as_documented(name, program.get("/metrics").text)
        assert not missing - AFTER_TROUBLE, f"documented, but not {name}'s"
    assert consumer.metric("writebehind_cosmos_retries_total", kind="throttled", status="429") > 0
    assert consumer.metric("writebehind_cosmos_retries_total", kind="alone", status="449") >= 1
    assert consumer.metric("writebehind_cosmos_throttled_seconds_total", container=sandbox.target.container) > 0
    assert consumer.metric("writebehind_cosmos_request_units_total", container=sandbox.target.container) > 2000
    for outcome, count in (("written", len(documents)), ("dead", 1)):
        wait_until(lambda o=outcome, n=count: consumer.metric("writebehind_end_to_end_seconds_count", outcome=o) == n, 10,
                   "the times to be told, which are counted behind the outcomes")
    assert consumer.metric("writebehind_memory_budget_bytes") == 128 << 20


def test_alert_rules_are_valid_and_fire_when_they_should():
    rules = subprocess.run([promtool(), "check", "rules", ROOT / "deploy/prometheus-alerts.yml"], capture_output=True,
                           text=True)
    assert rules.returncode == 0, rules.stdout + rules.stderr
    done = subprocess.run([promtool(), "test", "rules", ROOT / "tests/system/prometheus-alerts-test.yml"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_range_that_was_split_takes_its_series_with_it(topics, make_sandbox, start):
    sandbox = make_sandbox({"cosmos.ranges": 1})
    consumer = start("consumer", [topics.env, sandbox.target.env])

    def ranges():
        return {labels["range"] for name, labels, _ in consumer.metrics()
                if name == "writebehind_cosmos_range_concurrency_limit"}
    documents = [{"id": f"{i}", "pk": f"p{i}"} for i in range(200)]
    publish(topics, documents)
    wait_until(lambda: ranges() == {"0"}, 30, "the range's series")
    sandbox.post("/_sandbox/split", json={"database": sandbox.target.database, "container": sandbox.target.container,
                                          "range": "0"}).raise_for_status()
    publish(topics, documents)
    wait_until(lambda: len(ranges()) == 2 and "0" not in ranges(), 30, "the children's series in place of it")
    wait_until(lambda: consumer.metric("writebehind_cosmos_ranges") == 2, 10, "the count of them")
    wait_until(lambda: {r["range"] for r in state(consumer)["ranges"]} == ranges(), 10, "the state to say the same")


def test_the_lag_grows_although_nothing_is_fetched(topics, sandbox, start):
    """Memory is full in an outage, so nothing is fetched, and what the client knows of the logs' ends gets old."""
    sandbox.post("/_sandbox/faults", json={"scope": "request", "status": 503}).raise_for_status()
    settings = {"memory.budget.bytes": "16MiB", "shutdown.timeout.ms": "1s"}
    consumer = start("consumer", [topics.env, sandbox.target.env], settings, wait=False)
    filler = "x" * 2000
    publish(topics, [{"id": f"a{i}", "pk": f"{i}", "x": filler} for i in range(10_000)])
    wait_until(lambda: consumer.running() and answers(consumer) and
               consumer.metric("writebehind_held_bytes") >= consumer.metric("writebehind_held_limit_bytes") > 0, 60,
               "memory to be full")
    publish(topics, [{"id": f"b{i}", "pk": f"{i}", "x": filler} for i in range(5_000)])
    wait_until(lambda: consumer.metric("writebehind_lag_records") == 15_000, 30, "the lag to be told")
    wait_until(lambda: sum(p["lag"] for p in state(consumer)["partitions"]) == 15_000, 10, "the state to say the same")


def answers(consumer):
    try:
        return consumer.get("/livez").status_code == 200
    except requests.ConnectionError:
        return False


def test_the_state_shows_an_outage_and_its_end(topics, make_sandbox, start):
    sandbox = make_sandbox({"cosmos.ranges": 2})
    consumer = start("consumer", [topics.env, sandbox.target.env], {"shutdown.timeout.ms": "1s"})
    before = state(consumer)
    assert before["program"] == "writebehind-consumer" and before["group"]["member"] and before["faults"]["ready"]
    assert before["unanswered"] == [] and before["heldTotal"] == 0
    assert [p["partition"] for p in before["partitions"]] == list(range(8))
    sandbox.post("/_sandbox/faults", json={"scope": "request", "status": 503}).raise_for_status()
    publish(topics, [{"id": f"{i}", "pk": f"p{i}"} for i in range(100)])

    def look():
        now = state(consumer)
        return now if len(now["faults"]["outages"]) == 2 and now["heldTotal"] == 100 else None
    now = wait_until(look, 30, "both ranges to be told")
    assert not now["faults"]["ready"]
    assert [c["name"] for c in now["faults"]["conditions"]] == ["cosmos"]
    assert "503" in now["faults"]["conditions"][0]["why"]
    assert {o["range"] for o in now["faults"]["outages"]} == {"0", "1"}
    assert all(r["outageSince"] and r["database"] == sandbox.target.database for r in now["ranges"])
    assert len(now["held"]) == 100 and any(w["attempts"] >= 1 for w in now["held"])
    assert [w["heldSince"] for w in now["held"]] == sorted(w["heldSince"] for w in now["held"])
    assert sum(p["pending"] for p in now["partitions"]) == 100
    assert now["memory"]["heldBytes"] > 0
    assert now["containers"] == [{"database": sandbox.target.database, "container": sandbox.target.container,
                                  "state": "known", "routed": 100, "parked": 0}]
    key = sandbox.target.env["COSMOS_KEY"]
    assert key not in json.dumps(now)
    sandbox.delete("/_sandbox/faults")
    wait_until(lambda: written(consumer) == 100, 30, "the writes")

    def calm():
        now = state(consumer)
        return now if now["heldTotal"] == 0 and now["faults"]["outages"] == [] else None
    after = wait_until(calm, 10, "nothing to be held or wrong")
    assert after["totals"]["written"] == 100
    assert sum(r["requestCharge"] for r in after["ranges"]) > 0


def test_the_state_names_a_stuck_write_and_its_trace_is_logged(topics, make_sandbox, start):
    sandbox = make_sandbox({"cosmos.ranges": 1})
    sandbox.post("/_sandbox/faults", json={"match": {"id": "stuck"}, "scope": "operation", "status": 449,
                                           "substatus": 7}).raise_for_status()
    consumer = start("consumer", [topics.env, sandbox.target.env],
                     {"cosmos.operation.retry.max.ms": "2s", "log.format": "json"})
    topics.broker.publish(topics.writes, [
        ("stuck", b'{"id":"stuck","pk":"p"}', [("traceparent", TRACE.encode())]),
        ("bad", b"no json", [("traceparent", TRACE.replace("4bf9", "beef").encode())]),
        ("worse", b"no json", [("traceparent", b"no trace at all, but just as long as one, with\n a line")])])
    numbers = iter(range(1_000_000))

    def stuck():
        """Others of its range have to go through meanwhile, or it is the range's trouble."""
        publish(topics, [{"id": f"{next(numbers)}", "pk": "p"}])
        return next((w for w in state(consumer)["held"] if w["id"] == "stuck" and w["attempts"] >= 3), None)
    write = wait_until(stuck, 30, "the write to be told", every_s=0.05)
    assert write["status"] == 449 and write["substatus"] == 7 and write["state"] in ("waiting", "in flight")
    assert write["topic"] == topics.writes and write["traceparent"] == TRACE
    assert write["container"] == sandbox.target.container

    def dead():
        publish(topics, [{"id": f"{next(numbers)}", "pk": "p"}])
        return consumer.metric("writebehind_dead_total") == 3
    wait_until(dead, 60, "its death", every_s=0.05)
    wait_until(lambda: consumer.log().count('"dead letter"') == 3, 10, "the log to tell, which comes behind the count")
    lines = [json.loads(line) for line in consumer.log().splitlines() if '"dead letter"' in line]
    traces = {(line["reason"], line.get("traceparent")) for line in lines}
    assert traces == {("server-error", TRACE), ("invalid-json", TRACE.replace("4bf9", "beef")), ("invalid-json", None)}


def test_the_state_shows_throttling(topics, make_sandbox, start):
    sandbox = make_sandbox({"cosmos.ranges": 2, "cosmos.range.ru": 200})
    consumer = start("consumer", [topics.env, sandbox.target.env])
    publish(topics, [{"id": f"{i}", "pk": f"p{i}", "x": "x" * 500} for i in range(3000)])

    def throttled():
        """While its limit shrinks, more than that may be under way, and with all under way nothing is ready."""
        return [r for r in state(consumer)["ranges"]
                if r["throttledForMs"] > 0 and r["ready"] > 0 and r["inFlight"] <= r["limit"]]
    found = wait_until(throttled, 30, "a range to be throttled")
    assert found[0]["limit"] >= 1 and found[0]["outageSince"] is None
    sandbox.post("/_sandbox/throughput", json={"range_ru": 1_000_000}).raise_for_status()
    wait_until(lambda: written(consumer) == 3000, 60, "the writes")


def test_many_may_ask_for_the_state_at_once_also_while_it_stops(topics, sandbox, start):
    consumer = start("consumer", [topics.env, sandbox.target.env])
    stop, statuses = threading.Event(), set()

    def ask():
        while not stop.is_set():
            try:
                statuses.add(consumer.get("/v1/state").status_code)
            except requests.RequestException:
                return
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    publish(topics, [{"id": f"{i}", "pk": f"p{i}"} for i in range(5000)])
    wait_until(lambda: written(consumer) == 5000, 60, "the writes")
    assert consumer.stop() == 0
    stop.set()
    for thread in threads:
        thread.join(10)
    assert 200 in statuses and statuses <= {200, 503}


@pytest.mark.parametrize("method, status", [("post", 405), ("get", 200)])
def test_the_state_is_read_only(sandbox, start, method, status):
    consumer = start("consumer", sandbox.env)
    assert getattr(consumer, method)("/v1/state").status_code == status
