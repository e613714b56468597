"""Promise 11: TLS to Cosmos DB is verified by default, and a private authority can be named."""

import json
import socket
import ssl
import subprocess
import threading

import pytest

from harness.group import conditions
from harness.paths import need_tool
from harness.process import wait_until


class TlsFront:
    """Ends TLS in front of a plain server on loopback, with a certificate for `name` that nobody knows."""

    def __init__(self, directory, port, name="localhost"):
        self.cert, key = directory / "cert.pem", directory / "key.pem"
        subprocess.run([need_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-keyout", key, "-out", self.cert, "-subj", f"/CN={name}",
                        "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True, timeout=30)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.cert, key)
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.handshakes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        try:
            client = self._context.wrap_socket(raw, server_side=True)
        except (OSError, ssl.SSLError):
            return
        self.handshakes += 1
        server = socket.create_connection(self._target)
        # One exchange at a time, so one thread: TLS objects are not for two.
        client.settimeout(0.01)
        server.settimeout(0.01)
        while True:
            for source, sink in ((client, server), (server, client)):
                try:
                    data = source.recv(1 << 20)
                except (TimeoutError, ssl.SSLWantReadError):
                    continue
                except OSError:
                    return
                if not data:
                    return
                sink.sendall(data)

    def close(self):
        self._listener.close()


@pytest.fixture
def front(sandbox, tmp_path, request):
    port = int(sandbox.info["cosmos"].rsplit(":", 1)[1])
    made = TlsFront(tmp_path, port)
    request.addfinalizer(made.close)
    return made


def test_promise_11_an_unknown_certificate_is_refused(topics, sandbox, front, start):
    env = sandbox.target.env | {"COSMOS_ENDPOINT": f"https://localhost:{front.port}"}
    topics.broker.publish(topics.writes, [("a", '{"id":"a","pk":"p"}')])
    consumer = start("consumer", [topics.env, env], wait=False)
    wait_until(lambda: "certificate" in consumer.log(), 20, "the log to tell of the certificate")

    def told():
        condition = conditions(consumer)[1].get("containers", {"ok": True})
        return not condition["ok"] and "certificate" in condition["why"]
    wait_until(told, 10, "readyz, too")
    assert front.handshakes == 0
    assert sandbox.target.count() == 0


def test_promise_11_a_certificate_for_another_name_is_refused(topics, sandbox, front, start):
    env = sandbox.target.env | {"COSMOS_ENDPOINT": f"https://127.0.0.1:{front.port}", "COSMOS_CA_FILE": front.cert}
    consumer = start("consumer", [topics.env, env], wait=False)
    wait_until(lambda: "cannot be read yet" in consumer.log(), 20, "the log to tell of it")
    assert not consumer.ready()
    assert sandbox.target.count() == 0


def test_promise_11_a_named_authority_is_trusted(topics, sandbox, front, start):
    env = sandbox.target.env | {"COSMOS_ENDPOINT": f"https://localhost:{front.port}", "COSMOS_CA_FILE": front.cert}
    documents = [{"id": f"{i}", "pk": f"p{i % 7}", "text": "x" * i} for i in range(2_000)]
    consumer = start("consumer", [topics.env, env])
    topics.broker.publish(topics.writes, [(d["id"], json.dumps(d)) for d in documents])
    wait_until(lambda: consumer.metric("writebehind_outcomes_total", outcome="written") == 2_000, 60, "all to be written")
    sandbox.target.assert_holds(documents)
    assert 0 < front.handshakes < 60  # connections are kept
