"""A broker that one client reaches through a proxy of its own, and a proxy that swallows some requests of Kafka's protocol."""

import socket
import struct
import threading

from harness.kafka import Kafka
from harness.ports import free_port

# Kafka's protocol, api keys.
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 8, 9, 10, 11, 12, 13, 14


class KafkaFilter:
    """Passes on what a client sends, but for the requests for whose api key `swallows` says true; all answers pass."""

    def __init__(self, target_port, swallows):
        self.swallowed = 0
        self._target_port, self._swallows = target_port, swallows
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
            for source, to, deliver in ((client, server, self._requests), (server, client, self._answers)):
                threading.Thread(target=self._pass, args=(source, to, deliver), daemon=True).start()

    def _pass(self, source, to, deliver):
        left = b""
        try:
            while data := source.recv(1 << 16):
                left = deliver(left + data, to)
        except OSError:
            pass
        for end in (source, to):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _answers(self, data, to):
        to.sendall(data)
        return b""

    def _requests(self, data, to):
        """Passes the whole requests in data on; returns what is left."""
        while len(data) >= 6:
            size, key = struct.unpack(">ih", data[:6])
            if len(data) < 4 + size:
                break
            if self._swallows(key):
                self.swallowed += 1
            else:
                to.sendall(data[:4 + size])
            data = data[4 + size:]
        return data


def kafka_behind(directory, make_proxy):
    """A broker with two listeners, not started: (broker, proxy). The second listener is only reached through the proxy, which
    make_proxy(port) makes: KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:{proxy.port}."""
    plain, second, controller = free_port(), free_port(), free_port()
    proxy = make_proxy(second)
    return Kafka(directory, {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{second},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SECOND://127.0.0.1:{proxy.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}"}, port=plain), proxy
