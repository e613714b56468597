"""A bad network on loopback: a TCP proxy that delays, cuts, slices, throttles and swallows what passes, in a thread."""

import asyncio
import random
import re
import socket
import ssl
import struct
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, replace

from harness.paths import need_tool

PIECE = 1 << 16
HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
SUBSTATUS = re.compile(rb"^x-ms-substatus: *(\d+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Troubles:
    """What happens to what passes. A chance is for each piece of a request (before) or of an answer (after) that passes."""
    latency_s: float = 0            # in either direction
    jitter_s: float = 0
    reset_before: float = 0         # RST instead of passing a request on
    reset_after: float = 0          # RST instead of passing an answer back, so nobody knows what was done
    black_hole: float = 0           # the connection stays open, and nothing passes any more in either direction
    cut: float = 0                  # half of a piece of an answer passes, then the connection ends in order
    slice_bytes: int = 0            # what passes comes in pieces of that size
    slice_delay_s: float = 0
    bytes_per_s: float = 0          # in either direction, of each connection


class FaultProxy:
    """proxy = FaultProxy(port); proxy.set(latency_s=0.1, reset_after=0.05); ... proxy.set(); proxy.close()

    Troubles hold for connections that are open, too. refuse() closes the door: connections are refused, the open ones are
    reset; accept() opens it again at the same port. With `certificate` (see make_certificate) it ends TLS.

    What it did is counted: `connections`; pieces `delayed`, `sliced`, and `throttled` so that they went out in several
    turns; connections that ended by `resets_before`, `resets_after` and `cuts`, or were `swallowed`. `answers` counts the
    answers that came from the server by (status, substatus)."""

    def __init__(self, target_port, seed=0, certificate=None):
        self._target_port, self._random = target_port, random.Random(seed)
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self.troubles = Troubles()
        self.connections = self.delayed = self.sliced = self.throttled = 0
        self.resets_before = self.resets_after = self.swallowed = self.cuts = 0
        self.answers = Counter()
        self.port = 0
        self._server, self._open = None, set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.accept()

    @property
    def resets(self):
        return self.resets_before + self.resets_after

    def set(self, **troubles):
        self.troubles = replace(Troubles(), **troubles)

    def accept(self):
        self._call(self._listen())

    def refuse(self):
        self._call(self._shut())

    def close(self):
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # ---- in the loop's thread

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self):
        if self._server:
            self._server.close()
            self._server = None
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._open.add(task)
        self.connections += 1
        server = None
        try:
            server = await asyncio.open_connection("127.0.0.1", self._target_port)
            state = {"swallow": False}
            ways = [asyncio.ensure_future(self._pass(reader, server[1], state, True)),
                    asyncio.ensure_future(self._pass(server[0], writer, state, False))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                results = await asyncio.gather(*ways, return_exceptions=True)
            if ConnectionAbortedError in map(type, results):
                self._reset(writer)
        except asyncio.CancelledError:
            self._reset(writer)
        except OSError:
            pass
        finally:
            for end in (writer, server and server[1]):
                if end:
                    end.close()
            self._open.discard(task)

    async def _pass(self, source, sink, state, is_request):
        while data := await source.read(PIECE):
            t = self.troubles
            if not is_request:
                self._note_answers(data)
            if state["swallow"] or self._happens(t.black_hole):
                self.swallowed += not state["swallow"]
                state["swallow"] = True
                continue
            if self._happens(t.reset_before if is_request else t.reset_after):
                self.resets_before += is_request
                self.resets_after += not is_request
                raise ConnectionAbortedError
            if t.latency_s or t.jitter_s:
                self.delayed += 1
                await asyncio.sleep(t.latency_s + t.jitter_s * self._random.random())
            if not is_request and self._happens(t.cut):
                sink.write(data[:len(data) // 2])
                await sink.drain()
                self.cuts += 1
                return
            await self._write(sink, data, t)

    async def _write(self, sink, data, t):
        size = t.slice_bytes or (max(1, int(t.bytes_per_s / 20)) if t.bytes_per_s else len(data))
        self.sliced += t.slice_bytes > 0 and len(data) > size
        self.throttled += t.bytes_per_s > 0 and len(data) > size
        for at in range(0, len(data), size):
            piece = data[at:at + size]
            sink.write(piece)
            await sink.drain()
            pause_s = t.slice_delay_s + (len(piece) / t.bytes_per_s if t.bytes_per_s else 0)
            if pause_s:
                await asyncio.sleep(pause_s)

    def _note_answers(self, data):
        """A head that comes in pieces is not counted; servers here send it whole."""
        for status, fields in HEAD.findall(data):
            substatus = SUBSTATUS.search(fields)
            self.answers[int(status), int(substatus[1]) if substatus else 0] += 1

    def _happens(self, chance):
        return chance > 0 and self._random.random() < chance

    @staticmethod
    def _reset(writer):
        """Ends it with RST: the peer loses what it has not read yet, too."""
        raw = writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if writer.transport:
            writer.transport.abort()


def make_certificate(directory, name="localhost"):
    """(certificate, key): PEM files of a certificate for `name` that nobody knows."""
    certificate, key = directory / f"{name}.cert.pem", directory / f"{name}.key.pem"
    subprocess.run([need_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-keyout", key, "-out", certificate, "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True, timeout=30)
    return certificate, key
