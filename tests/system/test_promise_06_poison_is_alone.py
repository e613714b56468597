"""Promise 6: one bad record never fails, delays or re-sends its neighbours."""

import itertools
import json

import requests

from harness.process import wait_until


def headers(message):
    return dict(message.headers() or [])


def written(consumer):
    """0 while the consumer does not answer yet: with the poison alone left it is not ready, and need not be."""
    try:
        return consumer.metric("writebehind_outcomes_total", outcome="written")
    except requests.ConnectionError:
        return 0


def test_promise_6_a_write_that_breaks_whole_requests_is_isolated_once(kafka, topics, make_sandbox, start):
    """Every request that carries one document fails as a whole with 500. It is found by halving, once; from then on it
    travels alone, and it dies while its neighbours are written."""
    sandbox = make_sandbox({"cosmos.ranges": 1})
    sandbox.post("/_sandbox/faults", json={"match": {"id": "poison"}, "scope": "request", "status": 500}).raise_for_status()
    docs = [{"id": f"good-{i}", "pk": "p", "i": i} for i in range(1000)]
    lines = [(d["id"], json.dumps(d)) for d in docs]
    lines.insert(500, ("poison", '{"id":"poison","pk":"p"}'))
    kafka.publish(topics.writes, lines)
    consumer = start("consumer", [topics.env, sandbox.target.env, {"COSMOS_OPERATION_RETRY_MAX_MS": "3s"}], wait=False)
    wait_until(lambda: written(consumer) >= 1000, 60, "the good ones")
    isolated = consumer.metric("writebehind_cosmos_operations_total")
    assert isolated < 1000 + 100 * 12, "neighbours were sent again and again"

    more = itertools.count(1000)
    dead = []

    def drip():
        """Its range has to serve others meanwhile: what fails while nothing succeeds is an outage."""
        document = {"id": f"good-{next(more)}", "pk": "p"}
        docs.append(document)
        kafka.publish(topics.writes, [(document["id"], json.dumps(document))])
        dead[:] = kafka.read_topic(topics.dead_letters)
        return dead
    wait_until(drip, 60, "the dead letter", every_s=0.05)
    assert [m.value() for m in dead] == [b'{"id":"poison","pk":"p"}']
    assert headers(dead[0])["wb-error-reason"] == b"server-error"
    assert headers(dead[0])["wb-error-status"] == b"500"
    wait_until(lambda: written(consumer) == len(docs), 30, "the others")
    late = len(docs) - 1000
    poison_alone = int(headers(dead[0])["wb-error-attempts"])
    assert consumer.metric("writebehind_cosmos_operations_total") <= isolated + late + poison_alone + 100
    sandbox.target.assert_holds(docs)
