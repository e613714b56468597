"""Promise 3: a partition that the group gives us while we still ask where the ones before it begin is not forgotten."""

import json
import socket
import struct
import threading
import time

import pytest

from harness.group import assigned, written
from harness.kafka import Kafka
from harness.ports import free_port
from harness.process import wait_until

OFFSET_FETCH = 9  # Kafka's protocol, api key


class NoOffsetFetch:
    """A proxy that swallows the requests for committed offsets while `swallow` is set; all else passes."""

    def __init__(self, target_port):
        self.swallow, self.swallowed = True, 0
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client, server, self._requests), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, lambda data, to: to.sendall(data)),
                             daemon=True).start()

    def _pass(self, source, to, deliver):
        left = b""
        try:
            while data := source.recv(1 << 16):
                left = deliver(left + data, to) or b""
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _requests(self, data, to):
        """Passes the whole requests in data on; returns what is left."""
        while len(data) >= 6:
            size, key = struct.unpack(">ih", data[:6])
            if len(data) < 4 + size:
                break
            if key == OFFSET_FETCH and self.swallow:
                self.swallowed += 1
            else:
                to.sendall(data[:4 + size])
            data = data[4 + size:]
        return data


@pytest.mark.timeout(120)
def test_promise_3_partitions_told_while_offsets_are_asked_for_are_not_forgotten(tmp_path, request, make_topics,
                                                                                  make_sandbox, start):
    plain, second, controller = free_port(), free_port(), free_port()
    proxy = NoOffsetFetch(second)
    request.addfinalizer(proxy.close)
    broker = Kafka(tmp_path / "kafka", {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{second},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{proxy.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}"}, port=plain)
    request.addfinalizer(broker.stop)
    broker.start()
    topics = make_topics(broker)
    sandbox = make_sandbox()
    env = topics.env | sandbox.target.env | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{proxy.port}",
                                             "KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS": 500}
    topics.broker.publish(topics.writes, [(f"d{i}", json.dumps({"id": f"d{i}", "pk": "p"})) for i in range(1000)])
    consumer = start("consumer", env, wait=False)
    wait_until(lambda: proxy.swallowed > 0, 30, "it to ask where its partitions begin")
    # More partitions: librdkafka joins again without waiting for our answer.
    broker.tool("topics", "--alter", "--topic", topics.writes, "--partitions", "10")
    time.sleep(5)  # nothing tells from outside that it has joined again
    proxy.swallow = False
    wait_until(lambda: assigned(consumer) == 10, 60, "all ten partitions")
    wait_until(lambda: written(consumer) >= 1000, 60, "everything to be written")
    assert consumer.stop() == 0
