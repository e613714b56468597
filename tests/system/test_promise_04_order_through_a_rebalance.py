"""Promise 4: writes to one item take effect in log order, also where one consumer's request is slow to arrive and another
consumer has the next write of its item by then."""

import json
import socket
import threading
import time

import pytest

from harness.process import wait_until


class SlowWay:
    """A way to a server on which what carries `needle` takes `delay_s` longer."""

    def __init__(self, port, needle, delay_s):
        self._target, self._needle, self._delay_s = port, needle, delay_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._pass, args=(client, server, self._delay_s), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, 0), daemon=True).start()

    def _pass(self, source, to, delay_s):
        try:
            while data := source.recv(1 << 20):
                if self._needle in data:
                    time.sleep(delay_s)
                to.sendall(data)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.mark.timeout(120)
def test_promise_4_what_is_in_flight_ends_before_the_partition_goes(topics, make_sandbox, start):
    sandbox = make_sandbox()
    port = int(sandbox.info["cosmos"].rsplit(":", 1)[1])
    way = SlowWay(port, b'"hot', 5)
    slow_env = {key: value.replace(f":{port}", f":{way.port}") for key, value in sandbox.target.env.items()}
    settings = {"consumer.drain.timeout.ms": 1000}
    versions = [{"id": f"hot{k}", "pk": f"p{k}", "version": v} for v in range(3) for k in range(80)]
    slow = start("consumer", [topics.env, slow_env], settings)
    topics.broker.publish(topics.writes, ((d["id"], json.dumps(d)) for d in versions))
    wait_until(lambda: slow.metric("writebehind_cosmos_requests_in_flight") > 3, 20, "its first requests to be on their way")
    quick = start("consumer", [topics.env, sandbox.target.env], settings)
    wait_until(lambda: slow.metric("writebehind_assigned_partitions") == 4, 30, "half of the partitions to go")
    time.sleep(6)
    slow.kill()
    way.close()

    def committed():
        now = topics.broker.committed(topics.group, topics.writes)
        return all(now.get(p, 0) >= high for p, (low, high) in topics.broker.end_offsets(topics.writes).items() if high > low)
    wait_until(committed, 60, "the other to write everything", every_s=0.2)
    assert quick.running()
    sandbox.target.assert_holds(versions)
