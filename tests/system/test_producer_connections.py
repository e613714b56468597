"""Ten thousand slow connections to the producer do not stop a fast client. On real Kafka."""

import http.client
import resource
import selectors
import socket
import threading
import time

import pytest

from harness.paths import need

SLOW = 10_000
SOURCES = 10  # loopback addresses, so that none runs out of ports
HEADER = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
# What is sent at first, and then a byte at a time.
KINDS = [(b"", b"POST /v1/jobs HTTP/1.1"),
         (b"POST /v1/jo", b"bs HTTP/1.1\r\nHost: x\r\n"),
         (HEADER + b"X: ", b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
         (HEADER + b"Content-Length: 1000\r\n\r\n[", b" " * 500)]


@pytest.fixture
def files():
    """As many open files as ten thousand connections need; the producer raises its own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SLOW + 1000
    need(hard == resource.RLIM_INFINITY or hard >= wanted, f"a limit of open files of {wanted} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Slow:
    """Keeps ten thousand connections: who is shut comes again. `arrived` counts those that came about, `shut` those that
    the server ended."""

    def __init__(self, port, kinds):
        self.port, self.kinds = port, kinds
        self.arrived = self.shut = 0
        self._selector = selectors.EpollSelector()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def open(self):
        return len(self._selector.get_map())

    def _connect(self, number):
        s = socket.socket()
        s.setblocking(False)
        s.bind((f"127.0.1.{1 + number % SOURCES}", 0))
        s.connect_ex(("127.0.0.1", self.port))
        self._selector.register(s, selectors.EVENT_WRITE, [number, None])

    def _end(self, key):
        self._selector.unregister(key.fileobj)
        key.fileobj.close()

    def _look(self, key):
        """A connection came about, or the server said something: it ends it, or refuses the request."""
        number, sent = key.data
        try:
            if sent is None:
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise ConnectionError
                key.fileobj.send(self.kinds[number % len(self.kinds)][0])
                key.data[1] = 0
                self.arrived += 1
                self._selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
            elif not key.fileobj.recv(4096):
                raise ConnectionError
        except OSError:
            self.shut += 1
            self._end(key)
            self._connect(number)

    def _trickle(self, keys):
        for key in keys:
            number, sent = key.data
            rest = self.kinds[number % len(self.kinds)][1]
            if sent is not None and sent < len(rest):
                try:
                    key.fileobj.send(rest[sent:sent + 1])
                    key.data[1] += 1
                except OSError:
                    pass  # it was shut, which _look() sees

    def _run(self):
        number, trickled = 0, time.monotonic()
        while not self._stop.is_set():
            for _ in range(min(500, SLOW - number)):
                self._connect(number)
                number += 1
            for key, _ in self._selector.select(0.01):
                self._look(key)
            if time.monotonic() - trickled > 2:
                trickled = time.monotonic()
                self._trickle(list(self._selector.get_map().values()))


class Fast:
    """A client with one job after the other, on one connection or on one for each. `failures` has what was no 202."""

    def __init__(self, port, name, keep):
        self.port, self.name, self.keep = port, name, keep
        self.answered, self.longest_s, self.failures = 0, 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(60)

    def _run(self):
        connection = None
        while not self._stop.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            began = time.monotonic()
            body = b'[{"id":"%s-%d"}]' % (self.name.encode(), self.answered)
            try:
                connection.request("POST", "/v1/jobs", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 202:
                    self.failures.append((answer.status, text))
            except (OSError, http.client.HTTPException) as e:
                self.failures.append(repr(e))
                connection.close()
                connection = None
                continue
            self.answered += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            if not self.keep:
                connection.close()
                connection = None


@pytest.mark.timeout(180)
@pytest.mark.parametrize("room, kinds", [(None, KINDS), (None, KINDS[3:]), (20_000, KINDS)],
                         ids=["default", "default-bodies", "20000"])
def test_ten_thousand_slow_connections_do_not_stop_a_fast_client(topics, start, files, room, kinds):
    """Neither one that keeps its connection nor one that makes a new one each time: every job is accepted at once."""
    producer = start("producer", topics.env, {"http.max.connections": room} if room else None)
    began, most = time.monotonic(), 0
    with Fast(producer.port, "kept", True) as kept, Fast(producer.port, "new", False) as new, \
            Slow(producer.port, kinds) as slow:
        while time.monotonic() - began < 12 or slow.arrived < SLOW:
            assert time.monotonic() - began < 90, f"only {slow.arrived} slow connections came"
            time.sleep(0.5)
            most = max(most, producer.metric("writebehind_http_connections"))
    assert kept.failures == [] and new.failures == []
    assert kept.answered > 50 and new.answered > 50
    assert kept.longest_s < 30 and new.longest_s < 30
    shut = producer.metric("writebehind_http_connections_shut_total", reason="made-way")
    if room:
        assert most >= SLOW and shut == 0
    else:
        assert 900 <= most <= 1300 and shut >= SLOW - 1300  # those that are about to be closed count, too
