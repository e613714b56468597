"""A receiver of webhooks over TLS, which answers as its paths say and remembers every request."""

import http.server
import socket
import ssl
import threading
import time

from harness.fault_proxy import make_certificate


class Receiver:
    """https://localhost:port. `calls` are (path, headers with lower-case names, body, time), in the order of their arrival.

    answer(path, n) is asked for the nth request (from 0) of a path: a status; (status, headers); (status, headers, body
    bytes); or None, to say nothing until the receiver stops."""

    def __init__(self, directory, answer=lambda path, n: 204):
        self.calls = []
        self.answer = answer
        self._counts = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.certificate, key = make_certificate(directory)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802 (the base class's name)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = receiver._take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                if reply is None:
                    receiver._stopped.wait(120)
                    self.close_connection = True
                    return
                status, headers, content = (reply if isinstance(reply, tuple) else (reply,)) + ({}, b"")[
                    len(reply) - 1 if isinstance(reply, tuple) else 0:]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 200

            def get_request(self):
                connection, address = super().get_request()
                return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

            def handle_error(self, request, client_address):
                pass  # a client that went, or did not trust us

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.host = f"localhost:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path="/hook"):
        return f"https://{self.host}{path}"

    def _take(self, path, headers, body):
        with self._lock:
            n = self._counts.get(path, 0)
            self._counts[path] = n + 1
            self.calls.append((path, headers, body, time.time()))
        return self.answer(path, n)

    def count(self, path=None):
        with self._lock:
            return sum(1 for call in self.calls if path is None or call[0] == path)

    def stop(self):
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


class Silent:
    """A port that takes connections and never says a word."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.host = f"localhost:{self._socket.getsockname()[1]}"

    def url(self, path="/hook"):
        return f"https://{self.host}{path}"

    def stop(self):
        self._socket.close()
