"""Promise 5 (and 3, 4): whatever the network between the consumer and Cosmos DB does, the data arrives unchanged, once it
lets anything through; nothing dies of it."""

import json
import random

import pytest

from harness.fault_proxy import FaultProxy, make_certificate
from harness.process import wait_until

ITEMS, VERSIONS = 200, 3
ROUNDS_MAX = 20

NETWORKS = {
    "latency": {"latency_s": 0.15, "jitter_s": 0.1},
    "reset before": {"reset_before": 0.4},
    "reset after": {"reset_after": 0.4},
    "slices": {"slice_bytes": 211, "slice_delay_s": 0.0002},
    "black holes": {"black_hole": 0.15},
    "cut short": {"cut": 0.4},
    "narrow": {"bytes_per_s": 150_000},
    "everything": {"latency_s": 0.005, "jitter_s": 0.02, "reset_before": 0.1, "reset_after": 0.1, "black_hole": 0.01,
                   "cut": 0.03, "slice_bytes": 3000, "slice_delay_s": 0.0005},
}
# By which counts of the proxy a network shows that it was as bad as it was to be.
SHOWN_BY = {
    "latency": ["delayed"], "reset before": ["resets_before"], "reset after": ["resets_after"], "slices": ["sliced"],
    "black holes": ["swallowed"], "cut short": ["cuts"], "narrow": ["throttled"],
    "everything": ["delayed", "sliced", "resets"],
}


def shown(proxy, network):
    return {name: getattr(proxy, name) for name in SHOWN_BY[network]}


def make_documents(seed, items):
    """Versions of a few items, so that order shows, with texts that no coding may change."""
    rng = random.Random(seed)
    for version in range(VERSIONS):
        for i in range(items):
            text = "".join(rng.choice("aé\u20ac😀\"\\\n\u2028 ") for _ in range(rng.randrange(60)))
            yield {"id": f"item-{i}", "pk": f"p{i % 17}", "version": version, "text": text * rng.choice([1, 1, 20])}


@pytest.fixture(params=["emulator", "independent"])
def server(request):
    """(target, its port): the sandbox's emulator, and @vercel/cosmosdb-server."""
    if request.param == "emulator":
        target = request.getfixturevalue("make_sandbox")().target
    else:
        target = request.getfixturevalue("cosmos_server").create_container()
    return target, int(target.account.endpoint.rsplit(":", 1)[1])


def carry(topics, server, start, proxy, endpoint, network, more_env=None, items=ITEMS):
    """Returns the consumer that carried it. What waits is superseded, so few requests may be enough for all; there is more
    to carry until the network has shown how bad it is."""
    target, _ = server
    env = target.env | {"COSMOS_ENDPOINT": endpoint} | (more_env or {})
    settings = {"cosmos.request.timeout.ms": 1500, "cosmos.connect.timeout.ms": 1000, "cosmos.range.concurrency": 2}
    consumer = start("consumer", [topics.env, env], settings, wait=False)

    def committed():
        assert consumer.running()
        now = topics.broker.committed(topics.group, topics.writes)
        return all(now.get(p, 0) >= high for p, (low, high) in topics.broker.end_offsets(topics.writes).items())
    for turn in range(ROUNDS_MAX):
        documents = list(make_documents(proxy.port + turn, items))
        topics.broker.publish(topics.writes, ((d["id"], json.dumps(d, ensure_ascii=False)) for d in documents))
        wait_until(committed, 90, "everything to be written through a bad network", every_s=0.25)
        if all(shown(proxy, network).values()):
            break
    last = {d["id"]: d for d in documents}
    target.assert_holds(last.values())
    target.assert_holds_js(last.values())
    assert topics.broker.read_topic(topics.dead_letters) == []
    assert all(shown(proxy, network).values()), f"the network was not bad: {shown(proxy, network)}"
    return consumer


@pytest.mark.timeout(150)
@pytest.mark.parametrize("network", NETWORKS)
def test_promise_5_the_data_arrives_through(topics, server, start, request, network):
    proxy = FaultProxy(server[1], seed=1)
    request.addfinalizer(proxy.close)
    proxy.set(**NETWORKS[network])
    carry(topics, server, start, proxy, f"http://127.0.0.1:{proxy.port}", network)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("network", ["reset after", "everything"])
def test_promise_5_single_writes_arrive_through(topics, sandbox, start, request, network):
    """As from a server that has no bulk: a request for each write, so fewer of them."""
    assert sandbox.post("/_sandbox/bulk", json={"enabled": False}).ok
    server = sandbox.target, int(sandbox.info["cosmos"].rsplit(":", 1)[1])
    proxy = FaultProxy(server[1], seed=3)
    request.addfinalizer(proxy.close)
    proxy.set(**NETWORKS[network] | {"reset_after": 0.15})  # each reset holds up one write, not a hundred
    consumer = carry(topics, server, start, proxy, f"http://127.0.0.1:{proxy.port}", network, items=25)
    sent = consumer.metric("writebehind_cosmos_batch_operations_count")
    assert consumer.metric("writebehind_cosmos_batch_operations_sum") == sent > 0


@pytest.mark.timeout(150)
def test_promise_5_the_data_arrives_through_tls_on_a_bad_network(topics, server, start, request, tmp_path):
    certificate = make_certificate(tmp_path)
    proxy = FaultProxy(server[1], seed=2, certificate=certificate)
    request.addfinalizer(proxy.close)
    proxy.set(**NETWORKS["everything"])
    carry(topics, server, start, proxy, f"https://localhost:{proxy.port}", "everything",
          {"COSMOS_CA_FILE": str(certificate[0])})
