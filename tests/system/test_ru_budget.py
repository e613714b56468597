"""cosmos.ru.budget: what the sandbox charged the whole group in any 10 s, while members come and are killed."""

import threading
import time

import pytest
import requests

from harness.group import assigned, make_documents, records
from harness.process import wait_until

SETTLING_S = 3


class Meter:
    """Reads again and again what was charged. A reading's moment is known from before its request to after its reply."""

    def __init__(self, sandbox):
        self._url = sandbox.info["cosmos"] + "/_sandbox/stats"
        self._ended = threading.Event()
        self.readings = []  # (before, after, {container: units})
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        session = requests.Session()
        while not self._ended.wait(0.05):
            before = time.monotonic()
            stats = session.get(self._url, timeout=10).json()
            units = {c["container"]: c["request_units"] for c in stats["containers"]}
            self.readings.append((before, time.monotonic(), units))

    def end(self):
        self._ended.set()
        self._thread.join(20)

    def worst(self, seconds=10):
        """The most that was charged between two readings that were surely no further apart."""
        most, first = 0, 0
        readings = [(before, after, sum(units.values())) for before, after, units in self.readings]
        for _, after, units in readings:
            while after - readings[first][0] > seconds:
                first += 1
            most = max(most, units - readings[first][2])
        return most

    def rate(self, since, until, container=None):
        """Units a second in that time, about."""
        inside = [(before, units.get(container, 0) if container else sum(units.values()))
                  for before, after, units in self.readings if before >= since and after <= until]
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


def used(meter, since, until, budget):
    rate = meter.rate(since, until)
    print(f"{rate / budget:.3f} of the budget in {until - since:.0f} s")
    return rate / budget


@pytest.mark.timeout(240)
def test_any_10_seconds_stay_within_the_budget_of_the_group_through_rebalances(topics, make_sandbox, start):
    budget = 3000
    sandbox = make_sandbox({"cosmos.ranges": 4})
    env = topics.env | sandbox.target.env | {"KAFKA_SESSION_TIMEOUT_MS": 6000}
    settings = {"cosmos.ru.budget": budget, "consumer.drain.timeout.ms": 3000, "shutdown.timeout.ms": 2000}
    topics.broker.publish(topics.writes, records(make_documents(90_000)))
    meter = Meter(sandbox)
    first = start("consumer", env, settings)
    wait_until(lambda: assigned(first) == 8, 30, "it to have all")
    time.sleep(SETTLING_S)
    alone = time.monotonic()
    time.sleep(14)
    alone_end = time.monotonic()
    second = start("consumer", env, settings)
    wait_until(lambda: assigned(first) == 4 and assigned(second) == 4, 60, "each to have its half")
    time.sleep(SETTLING_S)
    wait_until(lambda: [c.metric("writebehind_ru_budget_share") for c in (first, second)] == [budget / 2, budget / 2], 10,
               "each to have half of the budget")
    both = time.monotonic()
    time.sleep(14)
    both_end = time.monotonic()
    second.kill()
    wait_until(lambda: assigned(first) == 8, 60, "the survivor to have all")
    time.sleep(SETTLING_S)
    survivor = time.monotonic()
    time.sleep(14)
    survivor_end = time.monotonic()
    meter.end()
    pending = first.metric("writebehind_lag_records")
    worst = meter.worst()
    print(f"{worst / (10 * budget):.3f} of the budget in the dearest 10 s")
    assert worst <= 1.05 * 10 * budget
    assert pending > 0, "the work has to last"
    assert first.metric("writebehind_ru_budget_wait_seconds_total") > 10
    for since, until in ((alone, alone_end), (both, both_end), (survivor, survivor_end)):
        assert used(meter, since, until, budget) > 0.85


@pytest.mark.timeout(120)
def test_containers_have_equal_parts_of_the_budget(topics, make_sandbox, start):
    budget = 2000
    sandbox = make_sandbox({"cosmos.ranges": 4})
    other = sandbox.target.account.create_container(sandbox.target.database, "other")
    more = topics.broker.create_topic(topics.writes + ".other", 1, max_message_bytes=3_000_000)
    topics.broker.publish(topics.writes, records(make_documents(20_000)))
    topics.broker.publish(more, records(make_documents(10_000, "other")))
    meter = Meter(sandbox)
    consumer = start("consumer", topics.env | sandbox.target.env,
                     {"cosmos.ru.budget": budget, "topic.map": f"{more}:{other.container}", "shutdown.timeout.ms": 2000})
    wait_until(lambda: assigned(consumer) == 9, 30, "it to have all")
    time.sleep(SETTLING_S)
    since = time.monotonic()
    time.sleep(12)
    until = time.monotonic()
    meter.end()
    rates = [meter.rate(since, until, name) for name in (sandbox.target.container, other.container)]
    print(rates)
    assert meter.worst() <= 1.05 * 10 * budget
    assert used(meter, since, until, budget) > 0.85
    assert 0.8 < rates[0] / rates[1] < 1.25
